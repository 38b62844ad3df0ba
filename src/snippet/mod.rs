//! Snippets: numbers become the block that a footer shows, in one of several formats; and badges.
//!
//! A format is one file and one entry in [`FORMATS`] or [`BADGES`], a language is one file and one entry
//! in `languages/mod.rs`. What to show and how is a [`View`], parsed from a query at the door; rendering
//! it cannot fail. Whatever is written is escaped for its format, and the same numbers and view give
//! the same bytes. The room knows no request, no cache and no clock.

mod badge;
mod callback;
mod escape;
mod grouping;
mod html;
mod json;
mod jsonp;
mod language;
mod languages;
mod line;
mod odometer;
mod picture;
mod plural;
mod svg;
mod text;
mod view;

pub use badge::{BADGES, Badge};
pub use grouping::Grouping;
pub use json::{Outcome, Rendered};
pub use language::Language;
pub use view::{Row, Theme, View, ViewError, page_language};

use std::hash::{Hash, Hasher};

use crate::sites::Site;
use crate::words::Numbers;

/// One way to write the numbers down, as a `V` wants them: a [`View`] for snippets, a [`Badge`] for badges.
pub struct Format<V = View> {
    /// The end of `/snippet/{site}.{extension}` and of `/badge/{site}.{extension}`.
    pub extension: &'static str,
    /// The reply's `Content-Type`.
    pub content_type: &'static str,
    /// The reply's `Content-Security-Policy`, for when the bytes are opened as a document of their own.
    pub policy: &'static str,
    /// Rendering takes milliseconds, where others take microseconds: nothing for a worker's turn.
    pub slow: bool,
    /// The parameter that this format cannot do without.
    pub needs: Option<Need>,
    /// Whether `hit` in the query counts a view: for what a page shows anew each time it is opened.
    pub counts: fn(&V) -> bool,
    /// Writes the numbers as the view wants them.
    pub render: fn(&Numbers, &V) -> Vec<u8>,
}

/// A parameter that must be given.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    /// Its name.
    pub parameter: &'static str,
    /// How it could look, in words for who left it out.
    pub example: &'static str,
}

/// Every format that is offered.
pub static FORMATS: [&Format; 6] =
    [&html::FORMAT, &svg::FORMAT, &picture::FORMAT, &json::FORMAT, &jsonp::FORMAT, &text::FORMAT];

impl Format {
    /// What a query (names and values, already percent-decoded) wants to see of `site` in this format.
    ///
    /// # Errors
    /// As [`View::parse`], and when the format's own parameter is missing.
    pub fn view<'q>(
        &self,
        query: &[(&'q str, &'q str)],
        site: &Site,
        accept_language: Option<&str>,
    ) -> Result<View, ViewError> {
        match self.needs {
            Some(need) if !query.iter().any(|(name, _)| *name == need.parameter) => {
                Err(ViewError::Missing { parameter: need.parameter, example: need.example })
            }
            _ => View::parse(query.iter().copied(), site, accept_language),
        }
    }
}

/// Formats of one kind are told apart by what they are called.
impl<V> PartialEq for Format<V> {
    fn eq(&self, other: &Format<V>) -> bool {
        self.extension == other.extension
    }
}

impl<V> Eq for Format<V> {}

impl<V> Hash for Format<V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.extension.hash(state);
    }
}

/// The format whose files end in `extension` (without a dot), if there is one.
#[must_use]
pub fn format(extension: &str) -> Option<&'static Format> {
    FORMATS.iter().copied().find(|format| format.extension == extension)
}

/// The format of badges whose files end in `extension` (without a dot), if there is one.
#[must_use]
pub fn badge(extension: &str) -> Option<&'static Format<Badge>> {
    BADGES.iter().copied().find(|format| format.extension == extension)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::*;
    use crate::sites::{LanguageChoice, Site};
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
        Site { language, ..Site::plain("vks") }
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
            // Data is the same in every theme, and a picture is that of the svg.
            let styles: &[&str] = match format.extension {
                _ if format.slow => continue,
                "json" | "js" => &["plain"],
                "txt" => &["plain", "table"],
                _ => &["plain", "table", "odometer"],
            };
            for style in styles {
                golden_of_languages(&format!("{style}.{}", format.extension), |tag| {
                    let query = [("lang", tag), ("style", style), ("callback", "show")];
                    (format.render)(&numbers(), &view(&query))
                });
            }
        }
    }

    /// The rows that no theme shows unless it is asked to.
    const RARE: &str = "last_hour,last_24_hours,peak_online,page";

    #[test]
    fn frames_pages_and_rare_rows_equal_their_golden_files() {
        let page = [("page", "/tin-tuc"), ("rows", RARE), ("callback", "show")];
        for format in [&html::FORMAT, &svg::FORMAT, &text::FORMAT] {
            golden_of_languages(&format!("page.{}", format.extension), |tag| {
                (format.render)(&numbers_with_page(), &view(&[&page[..], &[("lang", tag)]].concat()))
            });
        }
        for format in [&json::FORMAT, &jsonp::FORMAT] {
            golden(
                &format!("page.{}", format.extension),
                &(format.render)(&numbers_with_page(), &view(&page)),
            );
        }
        for (name, style) in [("frame.html", "plain"), ("frame-odometer.html", "odometer")] {
            golden_of_languages(name, |tag| {
                (html::FORMAT.render)(&numbers(), &view(&[("lang", tag), ("style", style), ("frame", "")]))
            });
        }
    }

    #[test]
    fn badges_equal_their_golden_files() {
        for format in BADGES.into_iter().filter(|format| !format.slow) {
            golden_of_languages(&format!("badge.{}", format.extension), |tag| {
                let rendered = ["flat", "classic"].map(|style| {
                    let query = [("lang", tag), ("style", style)];
                    let badge = Badge::parse(query, &site(LanguageChoice::Auto), None).expect("a good query");
                    (format.render)(&numbers(), &badge)
                });
                rendered.concat()
            });
        }
    }

    #[test]
    fn a_script_without_a_function_is_refused_with_what_to_add() {
        let refused =
            jsonp::FORMAT.view(&[], &site(LanguageChoice::Auto), None).expect_err("must be refused");
        assert_eq!(
            refused.to_string(),
            "parameter \"callback\" is missing; add ?callback=show, where show is the function of your page \
             that takes the numbers"
        );
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
        for format in [&json::FORMAT, &jsonp::FORMAT] {
            let data = |style| (format.render)(&numbers(), &view(&[("style", style), ("callback", "show")]));
            assert!(Theme::ALL.map(Theme::as_str).into_iter().all(|style| data(style) == data("plain")));
        }
    }

    #[test]
    fn a_format_is_found_by_its_extension_alone() {
        for format_kept in FORMATS {
            let found = format(format_kept.extension).expect("is in the table");
            assert_eq!(found.content_type, format_kept.content_type);
        }
        for unknown in ["", "gif", ".html", "HTML"] {
            assert!(format(unknown).is_none(), "{unknown}");
        }
    }
}
