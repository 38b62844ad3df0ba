//! Snippets: numbers become the block that a footer shows, in one of several formats.
//!
//! A format is one file and one entry in [`FORMATS`], a language is one file and one entry in
//! `languages/mod.rs`. What to show and how is a [`View`], parsed from a query at the door; rendering
//! it cannot fail. Whatever is written is escaped for its format, and the same numbers and view give
//! the same bytes. The room knows no request, no cache and no clock.

mod escape;
mod grouping;
mod html;
mod json;
mod language;
mod languages;
mod line;
mod plural;
mod svg;
mod text;
mod view;

pub use grouping::Grouping;
pub use json::{Outcome, Rendered};
pub use language::Language;
pub use view::{Row, Theme, View, ViewError, page_language};

use crate::words::Numbers;

/// One way to write the numbers down.
pub struct Format {
    /// The end of `/snippet/{site}.{extension}`.
    pub extension: &'static str,
    /// The reply's `Content-Type`.
    pub content_type: &'static str,
    /// The reply's `Content-Security-Policy`, for when the bytes are opened as a document of their own.
    pub policy: &'static str,
    /// Writes the numbers as the view wants them.
    pub render: fn(&Numbers, &View) -> Vec<u8>,
}

/// Every format that is offered.
pub static FORMATS: [&Format; 4] = [&html::FORMAT, &svg::FORMAT, &json::FORMAT, &text::FORMAT];

/// The format whose files end in `extension` (without a dot), if there is one.
#[must_use]
pub fn format(extension: &str) -> Option<&'static Format> {
    FORMATS.iter().copied().find(|format| format.extension == extension)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use jiff::tz::TimeZone;

    use super::*;
    use crate::sites::{Identity, LanguageChoice, Site};
    use crate::words::{Figure, PageNumbers, PagePath, Peak, SiteId, Tally};

    /// The numbers of DESIGN.md, with the rows that it leaves out filled in.
    pub(super) fn numbers() -> Numbers {
        let tally = |views, visits| Tally { views, visits };
        Numbers {
            site: SiteId::parse("vks").expect("a valid id"),
            at: Arc::from("2026-11-22T23:40:00+07:00"),
            online: 912,
            online_window_seconds: 300,
            total: tally(4_021_877, 1_333_796),
            today: tally(5_120, 1_804),
            today_visitors: 1_633,
            yesterday: tally(6_204, 2_240),
            yesterday_visitors: 2_015,
            this_week: tally(38_410, 13_377),
            last_week: tally(41_026, 14_208),
            this_month: tally(130_552, 44_871),
            last_month: tally(187_340, 62_115),
            this_year: tally(1_902_404, 640_230),
            last_hour: tally(410, 150),
            last_24_hours: tally(6_010, 2_101),
            peak_online: Some(Peak { count: 1_204, at: Arc::from("2026-10-01T09:12:00+07:00") }),
            page: None,
        }
    }

    pub(super) fn numbers_with_page() -> Numbers {
        let page = PageNumbers { path: PagePath::from_folded("/tin-tuc"), views: 33, visits: 21, online: 4 };
        Numbers { page: Some(page), ..numbers() }
    }

    pub(super) fn site(language: LanguageChoice) -> Site {
        Site {
            id: SiteId::parse("vks").expect("a valid id"),
            hosts: Vec::new(),
            time_zone: TimeZone::UTC,
            language,
            digit_grouping: None,
            first_weekday: None,
            total: Figure::Visits,
            identity: Identity::Address,
            online_window_ms: 300_000,
            honour_opt_out: false,
            page_parameters: Vec::new(),
            excluded_networks: Vec::new(),
        }
    }

    pub(super) fn view(query: &[(&str, &str)]) -> View {
        let site = site(LanguageChoice::Fixed("vi".to_owned()));
        View::parse(query.iter().copied(), &site, None).expect("a good query")
    }

    /// What a reader sees of html: the text between the tags.
    pub(super) fn text_of(html: &str) -> String {
        html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text)).collect()
    }

    fn golden(name: &str, rendered: &[u8]) {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/snippet").join(name);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, rendered).expect("the golden directory is writable");
        }
        let kept = std::fs::read(&path).unwrap_or_default();
        assert_eq!(
            String::from_utf8_lossy(&kept),
            String::from_utf8_lossy(rendered),
            "{name}; UPDATE_GOLDEN=1 rewrites it"
        );
    }

    /// One golden file for all languages, a section each.
    fn golden_of_languages(name: &str, rendered: impl Fn(&'static str) -> Vec<u8>) {
        let mut all = Vec::new();
        for tag in Language::tags() {
            all.extend_from_slice(format!("==== {tag} ====\n").as_bytes());
            all.extend_from_slice(&rendered(tag));
        }
        golden(name, &all);
    }

    #[test]
    fn every_format_theme_and_language_equals_its_golden_file() {
        for format in FORMATS {
            // Data is the same in every theme.
            let styles: &[&str] = if format.extension == "json" { &["plain"] } else { &["plain", "table"] };
            for style in styles {
                golden_of_languages(&format!("{style}.{}", format.extension), |tag| {
                    (format.render)(&numbers(), &view(&[("lang", tag), ("style", style)]))
                });
            }
        }
    }

    /// The rows that no theme shows unless it is asked to.
    const RARE: &str = "last_hour,last_24_hours,peak_online,page";

    #[test]
    fn frames_pages_and_rare_rows_equal_their_golden_files() {
        let page = [("page", "/tin-tuc"), ("rows", RARE)];
        for format in [&html::FORMAT, &svg::FORMAT, &text::FORMAT] {
            golden_of_languages(&format!("page.{}", format.extension), |tag| {
                (format.render)(&numbers_with_page(), &view(&[&page[..], &[("lang", tag)]].concat()))
            });
        }
        golden("page.json", &(json::FORMAT.render)(&numbers_with_page(), &view(&page)));
        golden_of_languages("frame.html", |tag| {
            (html::FORMAT.render)(&numbers(), &view(&[("lang", tag), ("frame", "")]))
        });
    }

    #[test]
    fn sites_that_count_views_equal_their_golden_file() {
        golden_of_languages("views.html", |tag| {
            let rendered = ["plain", "table"].map(|style| {
                let view = view(&[("lang", tag), ("style", style), ("rows", "total")]);
                (html::FORMAT.render)(&numbers(), &View { total: Figure::Views, ..view })
            });
            rendered.concat()
        });
    }

    #[test]
    fn data_is_the_same_in_every_theme() {
        let json = |style| (json::FORMAT.render)(&numbers(), &view(&[("style", style)]));
        assert_eq!(json("plain"), json("table"));
    }

    #[test]
    fn a_format_is_found_by_its_extension_alone() {
        for format_kept in FORMATS {
            let found = format(format_kept.extension).expect("is in the table");
            assert_eq!(found.content_type, format_kept.content_type);
        }
        for unknown in ["", "png", ".html", "HTML"] {
            assert!(format(unknown).is_none(), "{unknown}");
        }
    }
}
