//! Portuguese as written in Brazil.

use jiff::civil::Weekday;

use crate::snippet::grouping::Grouping;
use crate::snippet::language::{FigureWords, Language, RowWords};
use crate::snippet::plural::{self, Phrase, Plural};

pub(super) const PORTUGUESE: Language = Language {
    tag: "pt",
    also: &[],
    direction: "ltr",
    digit_grouping: Grouping::by('.'),
    first_weekday: Weekday::Sunday,
    colon: ": ",
    before_unit: " ",
    visits: FigureWords { caption: "Visitas a este site", total: "Total de visitas", unit: "" },
    views: FigureWords { caption: "Páginas vistas neste site", total: "Total de páginas vistas", unit: "" },
    people_unit: "",
    plural: plural::french,
    window_minutes: Phrase { other: "nos últimos {} minutos", own: &[(Plural::One, "no último minuto")] },
    window_seconds: Phrase { other: "nos últimos {} segundos", own: &[(Plural::One, "no último segundo")] },
    rows: RowWords {
        online: "Pessoas online",
        total_in_table: "Total",
        today: "Hoje",
        yesterday: "Ontem",
        this_week: "Esta semana",
        last_week: "Semana passada",
        this_month: "Este mês",
        last_month: "Mês passado",
        this_year: "Este ano",
        last_hour: "Última hora",
        last_24_hours: "Últimas 24 horas",
        peak_online: "Pico de pessoas online",
        page: "Esta página",
    },
};
