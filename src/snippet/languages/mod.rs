//! The languages that a counter speaks: one file and one line of the table each.
//!
//! Number formats, first weekdays (of the likely region) and directions are those of Unicode CLDR, where
//! a file does not say otherwise; a test in `tests/browser/languages.rs` asks Chromium's copy of CLDR.

mod ar;
mod de;
mod en;
mod es;
mod fr;
mod id;
mod ja;
mod ko;
mod pt;
mod pt_pt;
mod ru;
mod th;
mod vi;
mod zh;
mod zh_hant;

use super::language::Language;

/// Every language; the first one answers when nothing else is wanted.
pub(super) static LANGUAGES: [Language; 15] = [
    en::ENGLISH,
    vi::VIETNAMESE,
    zh::CHINESE,
    zh_hant::TRADITIONAL_CHINESE,
    fr::FRENCH,
    de::GERMAN,
    es::SPANISH,
    pt::PORTUGUESE,
    pt_pt::EUROPEAN_PORTUGUESE,
    ja::JAPANESE,
    ko::KOREAN,
    ru::RUSSIAN,
    th::THAI,
    id::INDONESIAN,
    ar::ARABIC,
];
