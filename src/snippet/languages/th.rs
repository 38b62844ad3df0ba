//! Thai: Western digits, as CLDR has them by default.

use jiff::civil::Weekday;

use crate::snippet::grouping::Grouping;
use crate::snippet::language::{FigureWords, Language, RowWords};
use crate::snippet::plural::{self, Phrase};

pub(super) const THAI: Language = Language {
    tag: "th",
    also: &[],
    direction: "ltr",
    digit_grouping: Grouping::by(','),
    first_weekday: Weekday::Sunday,
    colon: ": ",
    before_unit: " ",
    visits: FigureWords {
        caption: "สถิติการเข้าชม", total: "จำนวนการเข้าชม", unit: "ครั้ง"
    },
    views: FigureWords {
        caption: "สถิติการเปิดดู", total: "จำนวนการเปิดดู", unit: "ครั้ง"
    },
    people_unit: "คน",
    plural: plural::uniform,
    window_minutes: Phrase::invariant("ภายใน {} นาทีที่ผ่านมา"),
    window_seconds: Phrase::invariant("ภายใน {} วินาทีที่ผ่านมา"),
    rows: RowWords {
        online: "ผู้เข้าชมขณะนี้",
        total_in_table: "ทั้งหมด",
        today: "วันนี้",
        yesterday: "เมื่อวาน",
        this_week: "สัปดาห์นี้",
        last_week: "สัปดาห์ที่แล้ว",
        this_month: "เดือนนี้",
        last_month: "เดือนที่แล้ว",
        this_year: "ปีนี้",
        last_hour: "1 ชั่วโมงที่ผ่านมา",
        last_24_hours: "24 ชั่วโมงที่ผ่านมา",
        peak_online: "ผู้เข้าชมพร้อมกันสูงสุด",
        page: "หน้านี้",
    },
};
