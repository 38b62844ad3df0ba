//! Vietnamese. CLDR parts thousands with a point; the sites that this counter is made for write a comma.

use jiff::civil::Weekday;

use crate::snippet::grouping::Grouping;
use crate::snippet::language::{FigureWords, Language, RowWords};
use crate::snippet::plural::{self, Phrase};

pub(super) const VIETNAMESE: Language = Language {
    tag: "vi",
    also: &[],
    direction: "ltr",
    digit_grouping: Grouping::by(','),
    first_weekday: Weekday::Monday,
    colon: ": ",
    before_unit: " ",
    visits: FigureWords {
        caption: "Thống kê truy cập", total: "Số lượt truy cập", unit: "lượt"
    },
    views: FigureWords {
        caption: "Thống kê lượt xem", total: "Số lượt xem trang", unit: "lượt"
    },
    people_unit: "người",
    plural: plural::uniform,
    window_minutes: Phrase::invariant("trong {} phút qua"),
    window_seconds: Phrase::invariant("trong {} giây qua"),
    rows: RowWords {
        online: "Số người online",
        total_in_table: "Tổng cộng",
        today: "Hôm nay",
        yesterday: "Hôm qua",
        this_week: "Tuần này",
        last_week: "Tuần trước",
        this_month: "Tháng này",
        last_month: "Tháng trước",
        this_year: "Năm nay",
        last_hour: "Một giờ qua",
        last_24_hours: "24 giờ qua",
        peak_online: "Online cao nhất",
        page: "Trang này",
    },
};
