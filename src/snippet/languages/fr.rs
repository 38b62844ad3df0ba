//! French: a no-break space before the colon, a narrow one between thousands.

use jiff::civil::Weekday;

use crate::snippet::grouping::Grouping;
use crate::snippet::language::{FigureWords, Language, RowWords};
use crate::snippet::plural::{self, Phrase, Plural};

pub(super) const FRENCH: Language = Language {
    tag: "fr",
    also: &[],
    direction: "ltr",
    digit_grouping: Grouping::by('\u{202f}'),
    first_weekday: Weekday::Monday,
    colon: "\u{a0}: ",
    before_unit: " ",
    visits: FigureWords { caption: "Fréquentation du site", total: "Nombre de visites", unit: "" },
    views: FigureWords { caption: "Consultation du site", total: "Nombre de pages vues", unit: "" },
    people_unit: "",
    plural: plural::french,
    window_minutes: Phrase {
        other: "au cours des {} dernières minutes",
        own: &[(Plural::One, "au cours de la dernière minute")],
    },
    window_seconds: Phrase {
        other: "au cours des {} dernières secondes",
        own: &[(Plural::One, "au cours de la dernière seconde")],
    },
    rows: RowWords {
        online: "Visiteurs en ligne",
        total_in_table: "Total",
        today: "Aujourd’hui",
        yesterday: "Hier",
        this_week: "Cette semaine",
        last_week: "Semaine dernière",
        this_month: "Ce mois-ci",
        last_month: "Mois dernier",
        this_year: "Cette année",
        last_hour: "Dernière heure",
        last_24_hours: "Dernières 24 heures",
        peak_online: "Record en ligne",
        page: "Cette page",
    },
};
