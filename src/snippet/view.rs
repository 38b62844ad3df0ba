//! The view: what to show of the numbers, and how, parsed from a snippet's query.
//!
//! `rows`, `lang`, `style`, `page`, `callback` and `scale` are checked and refused with what is allowed;
//! `frame` is a flag; `page_lang` is the page's own language as the script found it, a hint that may be
//! unknown. All other parameters belong to somebody else and are ignored. A page is kept as it was
//! given: which page that is, the caller decides by the one folding rule.

use std::borrow::Cow;

use super::callback;
use super::grouping::Grouping;
use super::language::Language;
use crate::sites::{LanguageChoice, Site};
use crate::words::Figure;

/// A number that can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Row {
    /// People online now.
    Online,
    /// All time.
    Total,
    /// This day of the site.
    Today,
    /// The day before.
    Yesterday,
    /// This week.
    ThisWeek,
    /// The week before.
    LastWeek,
    /// This month.
    ThisMonth,
    /// The month before.
    LastMonth,
    /// This year.
    ThisYear,
    /// The 60 minutes up to now.
    LastHour,
    /// The 1,440 minutes up to now.
    Last24Hours,
    /// The highest online number so far.
    PeakOnline,
    /// The views of the page that was named.
    Page,
}

impl Row {
    /// Every row, in the order in which replies name them.
    pub const ALL: [Row; 13] = [
        Row::Online,
        Row::Total,
        Row::Today,
        Row::Yesterday,
        Row::ThisWeek,
        Row::LastWeek,
        Row::ThisMonth,
        Row::LastMonth,
        Row::ThisYear,
        Row::LastHour,
        Row::Last24Hours,
        Row::PeakOnline,
        Row::Page,
    ];

    /// The word used in queries, replies and `data-headcount` attributes.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Row::Online => "online",
            Row::Total => "total",
            Row::Today => "today",
            Row::Yesterday => "yesterday",
            Row::ThisWeek => "this_week",
            Row::LastWeek => "last_week",
            Row::ThisMonth => "this_month",
            Row::LastMonth => "last_month",
            Row::ThisYear => "this_year",
            Row::LastHour => "last_hour",
            Row::Last24Hours => "last_24_hours",
            Row::PeakOnline => "peak_online",
            Row::Page => "page",
        }
    }
}

/// How rows are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Theme {
    /// A line for each row.
    Plain,
    /// A table with a caption.
    Table,
    /// A line for each row, its number on the digit wheels of an old counter.
    Odometer,
}

impl Theme {
    /// Every theme, in the order in which errors name them.
    pub const ALL: [Theme; 3] = [Theme::Plain, Theme::Table, Theme::Odometer];

    /// The word used in queries.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Theme::Plain => "plain",
            Theme::Table => "table",
            Theme::Odometer => "odometer",
        }
    }

    /// The rows that are shown unless others are asked for.
    fn rows(self) -> &'static [Row] {
        match self {
            Theme::Plain | Theme::Odometer => &[Row::Total, Row::Online],
            Theme::Table => &[
                Row::Online,
                Row::Today,
                Row::Yesterday,
                Row::ThisWeek,
                Row::LastWeek,
                Row::ThisMonth,
                Row::LastMonth,
                Row::ThisYear,
                Row::Total,
            ],
        }
    }
}

/// Everything but the numbers that rendering needs. Equal views of equal numbers give equal bytes, so
/// a view may be the key of a cache.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct View {
    /// The words.
    pub language: &'static Language,
    /// How digits are grouped.
    pub grouping: Grouping,
    /// What the rows count, all but the page's.
    pub total: Figure,
    /// How they are laid out.
    pub theme: Theme,
    /// Which rows, in this order, each at most once.
    pub rows: Cow<'static, [Row]>,
    /// Whether html is a whole document, to stand in a frame.
    pub frame: bool,
    /// The page that was named, as it was given: a URL or a path, not yet folded.
    pub page: Option<Box<str>>,
    /// The function that a script calls with the numbers: a name that may stand in JavaScript as it is.
    pub callback: Option<Box<str>>,
    /// How many pixels of a picture make one of its svg: 1 or 2.
    pub scale: u8,
}

/// Why a query was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    /// A parameter stands there more than once.
    #[error("parameter \"{parameter}\" is given twice; give it once")]
    Repeated {
        /// Its name.
        parameter: &'static str,
    },
    /// A parameter has a value that means nothing.
    #[error("parameter \"{parameter}\" is \"{given}\"; allowed: {allowed}")]
    NotAllowed {
        /// Its name.
        parameter: &'static str,
        /// What was given, made printable and cut to 64 characters.
        given: String,
        /// What would be taken.
        allowed: String,
    },
    /// A parameter that a format cannot do without is not there.
    #[error("parameter \"{parameter}\" is missing; add {example}")]
    Missing {
        /// Its name.
        parameter: &'static str,
        /// How it could look.
        example: &'static str,
    },
}

/// The most bytes a `page` may have before it is folded: whole URLs are taken, and their query dropped.
const PAGE_BYTES_MAX: usize = 4_096;

impl View {
    /// The default block of `site` on a page in `page_language` (a tag; may be unknown), for a browser
    /// that likes `accept_language`. Allocates nothing.
    #[must_use]
    pub fn of(site: &Site, page_language: Option<&str>, accept_language: Option<&str>) -> View {
        View::in_language(site, language_of(site, page_language, accept_language))
    }

    /// What a query (names and values, already percent-decoded) wants to see of `site`.
    ///
    /// # Errors
    /// When a known parameter is repeated or has a value that is not allowed.
    pub fn parse<'q>(
        query: impl IntoIterator<Item = (&'q str, &'q str)>,
        site: &Site,
        accept_language: Option<&str>,
    ) -> Result<View, ViewError> {
        let asked = Asked::gather(query)?;
        let language = match asked.lang {
            None | Some("") => language_of(site, asked.page_lang, accept_language),
            Some("auto") => reader_language(asked.page_lang, accept_language),
            Some(tag) => Language::find(tag).ok_or_else(|| {
                let known: Vec<_> = std::iter::once("auto").chain(Language::tags()).collect();
                not_allowed("lang", tag, known.join(", "))
            })?,
        };
        let theme = asked.style.map_or(Ok(Theme::Plain), theme_of)?;
        let page = asked.page.map(page_of).transpose()?;
        let callback = asked.callback.map(callback_of).transpose()?;
        let scale = asked.scale.map_or(Ok(1), scale_of)?;
        let rows = match asked.rows {
            Some(list) => Cow::Owned(rows_of(list)?),
            None if page.is_some() => Cow::Owned([theme.rows(), &[Row::Page]].concat()),
            None => Cow::Borrowed(theme.rows()),
        };
        let frame = asked.frame.is_some();
        Ok(View { theme, rows, frame, page, callback, scale, ..View::in_language(site, language) })
    }

    /// The block to paste beside the script, with places for the numbers: hidden until they are filled.
    #[must_use]
    pub fn spans(&self) -> String {
        super::html::spans(self)
    }

    fn in_language(site: &Site, language: &'static Language) -> View {
        let grouping = site.digit_grouping.as_deref();
        let grouping = grouping.map_or(language.digit_grouping, Grouping::configured);
        View {
            language,
            grouping,
            total: site.total,
            theme: Theme::Plain,
            rows: Cow::Borrowed(Theme::Plain.rows()),
            frame: false,
            page: None,
            callback: None,
            scale: 1,
        }
    }
}

/// The language of the page that a beacon came from: `page_lang` of its query, as it stands there. No
/// tag needs decoding; whatever else stands there is no language that we know.
#[must_use]
pub fn page_language(query: &str) -> Option<&str> {
    query.split('&').find_map(|field| field.strip_prefix("page_lang="))
}

/// The parameters of a snippet, as they stand in a query.
#[derive(Default)]
struct Asked<'q> {
    rows: Option<&'q str>,
    lang: Option<&'q str>,
    style: Option<&'q str>,
    page: Option<&'q str>,
    page_lang: Option<&'q str>,
    frame: Option<&'q str>,
    callback: Option<&'q str>,
    scale: Option<&'q str>,
}

impl<'q> Asked<'q> {
    fn gather(query: impl IntoIterator<Item = (&'q str, &'q str)>) -> Result<Asked<'q>, ViewError> {
        let mut asked = Asked::default();
        for (name, value) in query {
            let (parameter, place) = match name {
                "rows" => ("rows", &mut asked.rows),
                "lang" => ("lang", &mut asked.lang),
                "style" => ("style", &mut asked.style),
                "page" => ("page", &mut asked.page),
                "page_lang" => ("page_lang", &mut asked.page_lang),
                "frame" => ("frame", &mut asked.frame),
                "callback" => ("callback", &mut asked.callback),
                "scale" => ("scale", &mut asked.scale),
                _ => continue,
            };
            if place.replace(value).is_some() {
                return Err(ViewError::Repeated { parameter });
            }
        }
        Ok(asked)
    }
}

fn language_of(site: &Site, page: Option<&str>, accepted: Option<&str>) -> &'static Language {
    match &site.language {
        LanguageChoice::Fixed(tag) => Language::find(tag).unwrap_or_else(Language::fallback),
        LanguageChoice::Auto => reader_language(page, accepted),
    }
}

/// The language of the page, else of the browser.
fn reader_language(page: Option<&str>, accepted: Option<&str>) -> &'static Language {
    let page = page.and_then(Language::find);
    page.or_else(|| accepted.and_then(Language::accepted)).unwrap_or_else(Language::fallback)
}

fn theme_of(style: &str) -> Result<Theme, ViewError> {
    Theme::ALL
        .into_iter()
        .find(|theme| theme.as_str() == style)
        .ok_or_else(|| not_allowed("style", style, Theme::ALL.map(Theme::as_str).join(", ")))
}

fn rows_of(list: &str) -> Result<Vec<Row>, ViewError> {
    let mut rows = Vec::new();
    for word in list.split(',').map(str::trim) {
        let row = Row::ALL.into_iter().find(|row| row.as_str() == word).ok_or_else(|| {
            let allowed = Row::ALL.map(Row::as_str).join(", ");
            not_allowed("rows", word, format!("any of {allowed}, joined by commas"))
        })?;
        if rows.contains(&row) {
            return Err(not_allowed("rows", word, "each row once".to_owned()));
        }
        rows.push(row);
    }
    Ok(rows)
}

fn page_of(page: &str) -> Result<Box<str>, ViewError> {
    if page.is_empty() || page.len() > PAGE_BYTES_MAX || page.chars().any(char::is_control) {
        let allowed = format!("a URL or path of 1 to {PAGE_BYTES_MAX} bytes without control characters");
        return Err(not_allowed("page", page, allowed));
    }
    Ok(Box::from(page))
}

fn callback_of(name: &str) -> Result<Box<str>, ViewError> {
    if callback::is_callback(name) {
        return Ok(Box::from(name));
    }
    Err(not_allowed("callback", name, callback::ALLOWED.to_owned()))
}

fn scale_of(scale: &str) -> Result<u8, ViewError> {
    match scale {
        "1" => Ok(1),
        "2" => Ok(2),
        _ => Err(not_allowed("scale", scale, "1, 2".to_owned())),
    }
}

pub(super) fn row_of(parameter: &'static str, word: &str) -> Result<Row, ViewError> {
    let allowed = || Row::ALL.map(Row::as_str).join(", ");
    let row = Row::ALL.into_iter().find(|row| row.as_str() == word);
    row.ok_or_else(|| not_allowed(parameter, word, allowed()))
}

pub(super) fn not_allowed(parameter: &'static str, given: &str, allowed: String) -> ViewError {
    /// Enough to recognise a mistake by, short enough for a reply.
    const GIVEN_CHARS_MAX: usize = 64;
    let given = given.escape_debug().take(GIVEN_CHARS_MAX).collect();
    ViewError::NotAllowed { parameter, given, allowed }
}

#[cfg(test)]
mod tests {
    use super::super::tests::site;
    use super::*;

    fn parse(query: &[(&str, &str)]) -> Result<View, ViewError> {
        View::parse(query.iter().copied(), &site(LanguageChoice::Auto), Some("vi"))
    }

    fn check_refused(query: &[(&str, &str)], expected: &str) {
        assert_eq!(parse(query).expect_err("must be refused").to_string(), expected);
    }

    #[test]
    fn a_bad_parameter_is_named_with_what_is_allowed() {
        let rows = "any of online, total, today, yesterday, this_week, last_week, this_month, last_month, \
                    this_year, last_hour, last_24_hours, peak_online, page, joined by commas";
        check_refused(
            &[("rows", "online,tomorrow")],
            &format!("parameter \"rows\" is \"tomorrow\"; allowed: {rows}"),
        );
        check_refused(&[("rows", "")], &format!("parameter \"rows\" is \"\"; allowed: {rows}"));
        check_refused(&[("rows", "total,total")], "parameter \"rows\" is \"total\"; allowed: each row once");
        check_refused(
            &[("lang", "tlh")],
            "parameter \"lang\" is \"tlh\"; allowed: auto, en, vi, zh, zh-Hant, fr, de, es, pt, \
             pt-PT, ja, ko, ru, th, id, ar",
        );
        check_refused(
            &[("style", "neon")],
            "parameter \"style\" is \"neon\"; allowed: plain, table, odometer",
        );
        check_refused(&[("scale", "3")], "parameter \"scale\" is \"3\"; allowed: 1, 2");
        let page = "a URL or path of 1 to 4096 bytes without control characters";
        check_refused(&[("page", "/a\n")], &format!("parameter \"page\" is \"/a\\n\"; allowed: {page}"));
        check_refused(&[("page", "")], &format!("parameter \"page\" is \"\"; allowed: {page}"));
        check_refused(&[("lang", "vi"), ("lang", "en")], "parameter \"lang\" is given twice; give it once");
    }

    #[test]
    fn what_was_given_is_cut_before_it_is_repeated() {
        let long = "x".repeat(10_000);
        assert!(parse(&[("style", &long)]).expect_err("must be refused").to_string().len() < 200);
        assert!(parse(&[("page", &long)]).is_err());
    }

    #[test]
    fn unknown_parameters_belong_to_others() {
        assert_eq!(parse(&[("hit", ""), ("utm_source", "x")]), parse(&[]));
    }

    #[test]
    fn language_is_the_parameter_then_the_site_then_the_page_then_the_browser_then_english() {
        let auto = site(LanguageChoice::Auto);
        let fixed = site(LanguageChoice::Fixed("vi".to_owned()));
        let tag = |query: &[(&str, &str)], site: &Site, accept: Option<&str>| {
            View::parse(query.iter().copied(), site, accept).expect("a good query").language.tag
        };
        assert_eq!(tag(&[("lang", "en"), ("page_lang", "vi")], &fixed, Some("vi")), "en");
        assert_eq!(tag(&[("page_lang", "en")], &fixed, Some("en")), "vi");
        assert_eq!(tag(&[("lang", "auto"), ("page_lang", "fr")], &fixed, Some("en")), "fr");
        assert_eq!(tag(&[("lang", "auto")], &fixed, Some("ar-EG")), "ar");
        assert_eq!(tag(&[("page_lang", "vi-VN")], &auto, Some("en")), "vi");
        assert_eq!(tag(&[("page_lang", "tlh")], &auto, Some("vi")), "vi");
        assert_eq!(tag(&[("page_lang", "fr")], &auto, Some("vi")), "fr");
        assert_eq!(tag(&[("lang", "")], &auto, Some("vi")), "vi");
        assert_eq!(tag(&[], &auto, None), "en");
    }

    #[test]
    fn a_beacon_names_the_language_of_its_page_in_its_query() {
        for (query, expected) in [
            ("&page_lang=fr", Some("fr")),
            ("s=vks&page_lang=", Some("")),
            ("page_language=fr", None),
            ("", None),
        ] {
            assert_eq!(page_language(query), expected, "{query}");
        }
        let auto = site(LanguageChoice::Auto);
        let tag = |page, accepted| View::of(&auto, page, accepted).language.tag;
        assert_eq!(tag(Some("fr-CA"), Some("vi")), "fr");
        assert_eq!(tag(Some(""), Some("vi")), "vi");
        assert_eq!(tag(Some("%66%72"), None), "en");
    }

    #[test]
    fn naming_a_page_adds_its_row_unless_rows_are_named_too() {
        let shown = parse(&[("page", "/a")]).expect("a good query");
        assert_eq!(shown.rows.as_ref(), [Row::Total, Row::Online, Row::Page]);
        let chosen = parse(&[("page", "/a"), ("rows", "today")]).expect("a good query");
        assert_eq!(chosen.rows.as_ref(), [Row::Today]);
        assert_eq!(chosen.page.as_deref(), Some("/a"));
    }

    #[test]
    fn the_sites_own_grouping_wins_and_cannot_break_a_format() {
        let grouping = |text: &str| {
            let site = Site { digit_grouping: Some(text.to_owned()), ..site(LanguageChoice::Auto) };
            View::of(&site, Some("es"), None).grouping
        };
        assert_eq!(grouping("."), Grouping::by('.'));
        assert_eq!(grouping(""), Grouping::NONE);
        assert_eq!(grouping("\""), Grouping::NONE);
        assert_eq!(grouping("\u{202f}"), Grouping::by('\u{202f}'));
        let own = View::of(&site(LanguageChoice::Auto), Some("es"), None).grouping;
        assert_eq!(own, Grouping::from_five_digits('.'));
    }

    #[test]
    fn a_flag_makes_a_frame() {
        assert!(parse(&[("frame", "")]).expect("a good query").frame);
        assert!(!parse(&[]).expect("a good query").frame);
    }
}
