//! Chinese in simplified characters, as written in mainland China.

use jiff::civil::Weekday;

use crate::snippet::grouping::Grouping;
use crate::snippet::language::{FigureWords, Language, RowWords};
use crate::snippet::plural::{self, Phrase};

pub(super) const CHINESE: Language = Language {
    tag: "zh",
    also: &[],
    direction: "ltr",
    digit_grouping: Grouping::by(','),
    first_weekday: Weekday::Monday,
    colon: "：",
    before_unit: " ",
    visits: FigureWords { caption: "访问统计", total: "总访问量", unit: "次" },
    views: FigureWords { caption: "浏览统计", total: "总浏览量", unit: "次" },
    people_unit: "人",
    plural: plural::uniform,
    window_minutes: Phrase::invariant("最近 {} 分钟内"),
    window_seconds: Phrase::invariant("最近 {} 秒内"),
    rows: RowWords {
        online: "当前在线",
        total_in_table: "总计",
        today: "今日",
        yesterday: "昨日",
        this_week: "本周",
        last_week: "上周",
        this_month: "本月",
        last_month: "上月",
        this_year: "今年",
        last_hour: "最近 1 小时",
        last_24_hours: "最近 24 小时",
        peak_online: "最高在线",
        page: "本页",
    },
};
