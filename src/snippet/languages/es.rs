//! Spanish as written in Spain, where four digits stay together: 1234, but 12.345.

use jiff::civil::Weekday;

use crate::snippet::grouping::Grouping;
use crate::snippet::language::{FigureWords, Language, RowWords};
use crate::snippet::plural::{self, Phrase, Plural};

pub(super) const SPANISH: Language = Language {
    tag: "es",
    also: &[],
    direction: "ltr",
    digit_grouping: Grouping::from_five_digits('.'),
    first_weekday: Weekday::Monday,
    colon: ": ",
    before_unit: " ",
    visits: FigureWords { caption: "Visitas a este sitio", total: "Total de visitas", unit: "" },
    views: FigureWords {
        caption: "Páginas vistas de este sitio",
        total: "Total de páginas vistas",
        unit: "",
    },
    people_unit: "",
    plural: plural::iberian,
    window_minutes: Phrase {
        other: "en los últimos {} minutos",
        own: &[(Plural::One, "en el último minuto")],
    },
    window_seconds: Phrase {
        other: "en los últimos {} segundos",
        own: &[(Plural::One, "en el último segundo")],
    },
    rows: RowWords {
        online: "Personas en línea",
        total_in_table: "Total",
        today: "Hoy",
        yesterday: "Ayer",
        this_week: "Esta semana",
        last_week: "Semana pasada",
        this_month: "Este mes",
        last_month: "Mes pasado",
        this_year: "Este año",
        last_hour: "Última hora",
        last_24_hours: "Últimas 24 horas",
        peak_online: "Máximo en línea",
        page: "Esta página",
    },
};
