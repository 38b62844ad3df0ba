//! Chinese in traditional characters, as written in Taiwan; also for Hong Kong and Macao.

use jiff::civil::Weekday;

use crate::snippet::grouping::Grouping;
use crate::snippet::language::{FigureWords, Language, RowWords};
use crate::snippet::plural::{self, Phrase};

pub(super) const TRADITIONAL_CHINESE: Language = Language {
    tag: "zh-Hant",
    also: &["zh-TW", "zh-HK", "zh-MO"],
    direction: "ltr",
    digit_grouping: Grouping::by(','),
    first_weekday: Weekday::Sunday,
    colon: "：",
    before_unit: " ",
    visits: FigureWords { caption: "造訪統計", total: "累計造訪", unit: "次" },
    views: FigureWords { caption: "瀏覽統計", total: "累計瀏覽", unit: "次" },
    people_unit: "人",
    plural: plural::uniform,
    window_minutes: Phrase::invariant("最近 {} 分鐘內"),
    window_seconds: Phrase::invariant("最近 {} 秒內"),
    rows: RowWords {
        online: "目前線上",
        total_in_table: "總計",
        today: "今日",
        yesterday: "昨日",
        this_week: "本週",
        last_week: "上週",
        this_month: "本月",
        last_month: "上月",
        this_year: "今年",
        last_hour: "最近 1 小時",
        last_24_hours: "最近 24 小時",
        peak_online: "最高線上",
        page: "本頁",
    },
};
