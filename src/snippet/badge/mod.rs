//! Badges: one number with a name, on two coloured fields, as people put them into project pages.
//!
//! What to show is a [`Badge`], parsed from a query as a view is, with the view's own parameters for the
//! language and the page. The formats are those of a small image and the data that badge services fetch.

mod colour;
mod json;
mod picture;
mod svg;
mod width;

use colour::Colour;

use super::Format;
use super::escape::push_grouped;
use super::line::value;
use super::view::{Row, Theme, View, ViewError, not_allowed, row_of};
use crate::sites::Site;
use crate::words::Numbers;

/// Every format of a badge.
pub static BADGES: [&Format<Badge>; 3] = [&svg::FORMAT, &json::FORMAT, &picture::FORMAT];

/// Everything but the number that drawing a badge needs; a key of caches, as a view is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Badge {
    /// The language, the page, and the one row that is shown.
    pub view: View,
    /// What stands before the number; nothing for the words of the language.
    label: Option<Box<str>>,
    colour: Colour,
    style: Style,
}

/// The looks of a badge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Style {
    /// Plain fields.
    Flat,
    /// Rounder, with a gloss and a shadow under the letters, as badges were at first.
    Classic,
}

impl Style {
    const ALL: [Style; 2] = [Style::Flat, Style::Classic];

    fn as_str(self) -> &'static str {
        match self {
            Style::Flat => "flat",
            Style::Classic => "classic",
        }
    }
}

/// A badge is one line beside others; a longer label is a mistake.
const LABEL_CHARS_MAX: usize = 64;

impl Badge {
    /// What a query (names and values, already percent-decoded) wants to see of `site`.
    ///
    /// # Errors
    /// When a known parameter is repeated or has a value that is not allowed.
    pub fn parse<'q>(
        query: impl IntoIterator<Item = (&'q str, &'q str)>,
        site: &Site,
        accept_language: Option<&str>,
    ) -> Result<Badge, ViewError> {
        let (asked, others) = Asked::gather(query)?;
        let view = View::parse(others, site, accept_language)?;
        let row = match asked.show {
            Some(word) => row_of("show", word)?,
            None if view.page.is_some() => Row::Page,
            None => Row::Total,
        };
        let colour = asked.color.map_or(Ok(colour::DEFAULT), |raw| {
            Colour::parse(raw).ok_or_else(|| not_allowed("color", raw, colour::ALLOWED.to_owned()))
        })?;
        Ok(Badge {
            view: View { rows: vec![row].into(), ..view },
            label: asked.label.map(label_of).transpose()?,
            colour,
            style: asked.style.map_or(Ok(Style::Flat), style_of)?,
        })
    }

    /// What stands before the number; may be empty.
    fn label(&self) -> &str {
        let words = || self.view.language.label(self.row(), Theme::Plain, self.view.total);
        self.label.as_deref().unwrap_or_else(words)
    }

    /// The number, in groups of digits; a dash for a page that was not named.
    fn message(&self, numbers: &Numbers) -> String {
        let Some(value) = value(self.row(), numbers, &self.view) else { return "–".to_owned() };
        let mut message = Vec::with_capacity(16);
        push_grouped(&mut message, value, self.view.grouping);
        String::from_utf8(message).expect("digits and one separator")
    }

    fn row(&self) -> Row {
        self.view.rows.first().copied().unwrap_or(Row::Total)
    }
}

/// Names and values of a query.
type Query<'q> = Vec<(&'q str, &'q str)>;

/// The parameters of a badge, as they stand in a query.
#[derive(Default)]
struct Asked<'q> {
    label: Option<&'q str>,
    color: Option<&'q str>,
    style: Option<&'q str>,
    show: Option<&'q str>,
}

impl<'q> Asked<'q> {
    /// The badge's own parameters, and those that are left for the view.
    fn gather(
        query: impl IntoIterator<Item = (&'q str, &'q str)>,
    ) -> Result<(Asked<'q>, Query<'q>), ViewError> {
        let (mut asked, mut others) = (Asked::default(), Vec::new());
        for (name, value) in query {
            let (parameter, place) = match name {
                "label" => ("label", &mut asked.label),
                "color" => ("color", &mut asked.color),
                "style" => ("style", &mut asked.style),
                "show" => ("show", &mut asked.show),
                // Of the view's parameters these mean something to snippets alone.
                "rows" | "frame" | "callback" => continue,
                _ => {
                    others.push((name, value));
                    continue;
                }
            };
            if place.replace(value).is_some() {
                return Err(ViewError::Repeated { parameter });
            }
        }
        Ok((asked, others))
    }
}

fn label_of(label: &str) -> Result<Box<str>, ViewError> {
    if label.chars().count() > LABEL_CHARS_MAX || label.chars().any(char::is_control) {
        let allowed = format!("at most {LABEL_CHARS_MAX} characters, none of them a control character");
        return Err(not_allowed("label", label, allowed));
    }
    Ok(Box::from(label))
}

fn style_of(word: &str) -> Result<Style, ViewError> {
    let style = Style::ALL.into_iter().find(|style| style.as_str() == word);
    style.ok_or_else(|| not_allowed("style", word, Style::ALL.map(Style::as_str).join(", ")))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{numbers, numbers_with_page, site};
    use super::*;
    use crate::sites::LanguageChoice;

    pub(super) fn badge(query: &[(&str, &str)]) -> Badge {
        let site = site(LanguageChoice::Fixed("vi".to_owned()));
        Badge::parse(query.iter().copied(), &site, None).expect("a good query")
    }

    fn check_refused(query: &[(&str, &str)], expected: &str) {
        let refused = Badge::parse(query.iter().copied(), &site(LanguageChoice::Auto), None);
        assert_eq!(refused.expect_err("must be refused").to_string(), expected);
    }

    #[test]
    fn a_badge_shows_the_total_unless_told_otherwise() {
        let shown = |query: &[(&str, &str)]| {
            let badge = badge(query);
            format!("{} | {}", badge.label(), badge.message(&numbers_with_page()))
        };
        assert_eq!(shown(&[]), "Số lượt truy cập | 1,333,796");
        assert_eq!(shown(&[("show", "online"), ("lang", "en")]), "People online | 912");
        assert_eq!(shown(&[("page", "/tin-tuc")]), "Trang này | 33");
        assert_eq!(shown(&[("label", "visits"), ("show", "today")]), "visits | 1,804");
        assert_eq!(shown(&[("label", "")]), " | 1,333,796");
        assert_eq!(badge(&[("show", "page")]).message(&numbers()), "–");
    }

    #[test]
    fn a_bad_parameter_is_named_with_what_is_allowed() {
        check_refused(&[("style", "plastic")], "parameter \"style\" is \"plastic\"; allowed: flat, classic");
        check_refused(
            &[("color", "url(#x)")],
            &format!("parameter \"color\" is \"url(#x)\"; allowed: {}", colour::ALLOWED),
        );
        let rows = "online, total, today, yesterday, this_week, last_week, this_month, last_month, this_year, \
                    last_hour, last_24_hours, peak_online, page";
        check_refused(&[("show", "all")], &format!("parameter \"show\" is \"all\"; allowed: {rows}"));
        let label = "at most 64 characters, none of them a control character";
        check_refused(&[("label", "a\nb")], &format!("parameter \"label\" is \"a\\nb\"; allowed: {label}"));
        let long = "ế".repeat(65);
        let given = "ế".repeat(64);
        check_refused(&[("label", &long)], &format!("parameter \"label\" is \"{given}\"; allowed: {label}"));
        check_refused(
            &[("show", "total"), ("show", "total")],
            "parameter \"show\" is given twice; give it once",
        );
        check_refused(&[("scale", "9")], "parameter \"scale\" is \"9\"; allowed: 1, 2");
    }

    #[test]
    fn parameters_of_snippets_and_of_others_are_passed_over() {
        assert_eq!(badge(&[("rows", "nonsense"), ("frame", ""), ("callback", "("), ("x", "y")]), badge(&[]));
    }
}
