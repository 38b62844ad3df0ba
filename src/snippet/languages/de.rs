//! German.

use jiff::civil::Weekday;

use crate::snippet::grouping::Grouping;
use crate::snippet::language::{FigureWords, Language, RowWords};
use crate::snippet::plural::{self, Phrase, Plural};

pub(super) const GERMAN: Language = Language {
    tag: "de",
    also: &[],
    direction: "ltr",
    digit_grouping: Grouping::by('.'),
    first_weekday: Weekday::Monday,
    colon: ": ",
    before_unit: " ",
    visits: FigureWords { caption: "Besuche dieser Website", total: "Besuche insgesamt", unit: "" },
    views: FigureWords {
        caption: "Seitenaufrufe dieser Website",
        total: "Seitenaufrufe insgesamt",
        unit: "",
    },
    people_unit: "",
    plural: plural::germanic,
    window_minutes: Phrase {
        other: "in den letzten {} Minuten",
        own: &[(Plural::One, "in der letzten Minute")],
    },
    window_seconds: Phrase {
        other: "in den letzten {} Sekunden",
        own: &[(Plural::One, "in der letzten Sekunde")],
    },
    rows: RowWords {
        online: "Derzeit online",
        total_in_table: "Gesamt",
        today: "Heute",
        yesterday: "Gestern",
        this_week: "Diese Woche",
        last_week: "Letzte Woche",
        this_month: "Dieser Monat",
        last_month: "Letzter Monat",
        this_year: "Dieses Jahr",
        last_hour: "Letzte Stunde",
        last_24_hours: "Letzte 24 Stunden",
        peak_online: "Höchststand online",
        page: "Diese Seite",
    },
};
