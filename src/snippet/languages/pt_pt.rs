//! Portuguese as written in Portugal: other thousands and a word or two; also for the countries whose
//! parent it is in CLDR.

use super::pt::PORTUGUESE;
use crate::snippet::grouping::Grouping;
use crate::snippet::language::{FigureWords, Language};
use crate::snippet::plural;

pub(super) const EUROPEAN_PORTUGUESE: Language = Language {
    tag: "pt-PT",
    also: &["pt-AO", "pt-CH", "pt-CV", "pt-GQ", "pt-GW", "pt-LU", "pt-MO", "pt-MZ", "pt-ST", "pt-TL"],
    digit_grouping: Grouping::from_five_digits('\u{a0}'),
    visits: FigureWords { caption: "Visitas a este sítio", total: "Total de visitas", unit: "" },
    views: FigureWords {
        caption: "Páginas vistas neste sítio", total: "Total de páginas vistas", unit: ""
    },
    plural: plural::iberian,
    ..PORTUGUESE
};
