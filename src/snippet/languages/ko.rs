//! Korean: a unit stands right behind its number.

use jiff::civil::Weekday;

use crate::snippet::grouping::Grouping;
use crate::snippet::language::{FigureWords, Language, RowWords};
use crate::snippet::plural::{self, Phrase};

pub(super) const KOREAN: Language = Language {
    tag: "ko",
    also: &[],
    direction: "ltr",
    digit_grouping: Grouping::by(','),
    first_weekday: Weekday::Sunday,
    colon: ": ",
    before_unit: "",
    visits: FigureWords { caption: "방문 통계", total: "총 방문 수", unit: "회" },
    views: FigureWords { caption: "조회 통계", total: "총 조회 수", unit: "회" },
    people_unit: "명",
    plural: plural::uniform,
    window_minutes: Phrase::invariant("최근 {}분간"),
    window_seconds: Phrase::invariant("최근 {}초간"),
    rows: RowWords {
        online: "현재 접속자",
        total_in_table: "전체",
        today: "오늘",
        yesterday: "어제",
        this_week: "이번 주",
        last_week: "지난주",
        this_month: "이번 달",
        last_month: "지난달",
        this_year: "올해",
        last_hour: "최근 1시간",
        last_24_hours: "최근 24시간",
        peak_online: "최다 접속자",
        page: "이 페이지",
    },
};
