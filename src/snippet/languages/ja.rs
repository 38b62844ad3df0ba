//! Japanese: no blanks around numbers.

use jiff::civil::Weekday;

use crate::snippet::grouping::Grouping;
use crate::snippet::language::{FigureWords, Language, RowWords};
use crate::snippet::plural::{self, Phrase};

pub(super) const JAPANESE: Language = Language {
    tag: "ja",
    also: &[],
    direction: "ltr",
    digit_grouping: Grouping::by(','),
    first_weekday: Weekday::Sunday,
    colon: "：",
    before_unit: "",
    visits: FigureWords { caption: "訪問統計", total: "総訪問数", unit: "回" },
    views: FigureWords { caption: "閲覧統計", total: "総閲覧数", unit: "回" },
    people_unit: "人",
    plural: plural::uniform,
    window_minutes: Phrase::invariant("直近{}分間"),
    window_seconds: Phrase::invariant("直近{}秒間"),
    rows: RowWords {
        online: "現在の閲覧者",
        total_in_table: "合計",
        today: "今日",
        yesterday: "昨日",
        this_week: "今週",
        last_week: "先週",
        this_month: "今月",
        last_month: "先月",
        this_year: "今年",
        last_hour: "直近1時間",
        last_24_hours: "直近24時間",
        peak_online: "最多同時閲覧者",
        page: "このページ",
    },
};
