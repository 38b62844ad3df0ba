//! English: labels say what is counted, because a unit would change with the number.

use jiff::civil::Weekday;

use crate::snippet::grouping::Grouping;
use crate::snippet::language::{FigureWords, Language, RowWords};
use crate::snippet::plural::{self, Phrase};

pub(super) const ENGLISH: Language = Language {
    tag: "en",
    also: &[],
    direction: "ltr",
    digit_grouping: Grouping::by(','),
    first_weekday: Weekday::Monday,
    colon: ": ",
    before_unit: " ",
    visits: FigureWords { caption: "Visits to this site", total: "Total visits", unit: "" },
    views: FigureWords { caption: "Page views of this site", total: "Total page views", unit: "" },
    people_unit: "",
    plural: plural::germanic,
    window_minutes: Phrase::invariant("seen in the last {} min"),
    window_seconds: Phrase::invariant("seen in the last {} s"),
    rows: RowWords {
        online: "People online",
        total_in_table: "Total",
        today: "Today",
        yesterday: "Yesterday",
        this_week: "This week",
        last_week: "Last week",
        this_month: "This month",
        last_month: "Last month",
        this_year: "This year",
        last_hour: "Last hour",
        last_24_hours: "Last 24 hours",
        peak_online: "Most people online",
        page: "This page",
    },
};
