//! Languages: what one consists of, and how it is found by a tag or by what a browser accepts.
//!
//! The script refreshes numbers and leaves words alone, so a unit must be right beside any number.
//! Where it would change with the number, as in English, the label says what is counted and the unit
//! stays empty: "People online: 1" rather than "1 people". Only the window of the online number stands
//! within a sentence, so it alone has plural forms. The words themselves are in `languages/`.

use jiff::civil::Weekday;

use super::grouping::Grouping;
use super::languages::LANGUAGES;
use super::plural::{Phrase, Rule};
use super::view::{Row, Theme};
use crate::words::Figure;

/// The words of one language and its habits.
#[derive(Debug)]
pub struct Language {
    /// The BCP 47 tag, as it stands in a `lang` attribute.
    pub tag: &'static str,
    /// Other tags that mean it, and that its own is no beginning of.
    pub(super) also: &'static [&'static str],
    /// The direction of its text: `ltr` or `rtl`.
    pub direction: &'static str,
    /// How it groups digits.
    pub digit_grouping: Grouping,
    /// The day its weeks begin with.
    pub first_weekday: Weekday,
    /// Between a label and a number, blanks included; blanks at its end may be broken or collapse.
    pub(super) colon: &'static str,
    /// Between a number and a unit: a blank or nothing.
    pub(super) before_unit: &'static str,
    pub(super) visits: FigureWords,
    pub(super) views: FigureWords,
    /// What follows a number of people; may be empty.
    pub(super) people_unit: &'static str,
    /// Which form of a phrase goes with which number.
    pub(super) plural: Rule,
    /// What the window of the online number is called.
    pub(super) window_minutes: Phrase,
    pub(super) window_seconds: Phrase,
    pub(super) rows: RowWords,
}

/// The words that depend on what a site calls its total.
#[derive(Debug)]
pub(super) struct FigureWords {
    /// Over a table.
    pub(super) caption: &'static str,
    /// Before a total that stands alone.
    pub(super) total: &'static str,
    /// What follows a number; may be empty.
    pub(super) unit: &'static str,
}

#[derive(Debug)]
pub(super) struct RowWords {
    pub(super) online: &'static str,
    /// The total as the last row of a table.
    pub(super) total_in_table: &'static str,
    pub(super) today: &'static str,
    pub(super) yesterday: &'static str,
    pub(super) this_week: &'static str,
    pub(super) last_week: &'static str,
    pub(super) this_month: &'static str,
    pub(super) last_month: &'static str,
    pub(super) this_year: &'static str,
    pub(super) last_hour: &'static str,
    pub(super) last_24_hours: &'static str,
    pub(super) peak_online: &'static str,
    pub(super) page: &'static str,
}

impl Language {
    /// The language that answers when neither site, page nor browser names one we have: English.
    #[must_use]
    pub fn fallback() -> &'static Language {
        &LANGUAGES[0]
    }

    /// The language of a tag such as `vi`, `VI`, `vi-VN` or `zh_Hant_HK`: parts are taken off its end
    /// until one of ours is left (lookup of RFC 4647, section 3.4).
    #[must_use]
    pub fn find(tag: &str) -> Option<&'static Language> {
        let mut rest = tag.trim();
        loop {
            let found = LANGUAGES.iter().find(|language| language.is_called(rest));
            if found.is_some() {
                return found;
            }
            rest = &rest[..rest.rfind(['-', '_'])?];
        }
    }

    fn is_called(&self, tag: &str) -> bool {
        std::iter::once(&self.tag).chain(self.also).any(|name| is_same_tag(name, tag))
    }

    /// The tags of all languages, in the order of the table.
    pub fn tags() -> impl Iterator<Item = &'static str> {
        LANGUAGES.iter().map(|language| language.tag)
    }

    /// The language that an `Accept-Language` header likes best, among those we have: the highest weight
    /// wins, of equal ones the first (RFC 9110, sections 12.4.2 and 12.5.4). A range that is none, or
    /// whose weight is none, is passed over, and so is `*`, which likes all of ours equally.
    #[must_use]
    pub fn accepted(header: &str) -> Option<&'static Language> {
        let mut best: Option<(u16, &'static Language)> = None;
        for range in header.split(',').take(RANGES_MAX) {
            let (tag, weight) = range.split_once(';').unwrap_or((range, "q=1"));
            let Some(language) = Language::find(tag) else { continue };
            let Some(weight) = weight_thousandths(weight) else { continue };
            if weight > 0 && best.is_none_or(|(highest, _)| weight > highest) {
                best = Some((weight, language));
            }
            if weight == WHOLE_WEIGHT {
                break;
            }
        }
        best.map(|(_, language)| language)
    }

    /// Whether its text runs from right to left.
    pub(super) fn is_rtl(&self) -> bool {
        self.direction == "rtl"
    }

    /// A label and its number. Where text runs from right to left, the number is isolated (U+2066 to
    /// U+2069), so that no neighbour can turn its groups around.
    pub(super) fn sentence(&self, label: &str, number: &str) -> String {
        let (open, close) = if self.is_rtl() { ("\u{2066}", "\u{2069}") } else { ("", "") };
        format!("{label}{}{open}{number}{close}", self.colon)
    }

    /// What a table is called.
    pub(super) fn caption(&self, figure: Figure) -> &'static str {
        self.figure(figure).caption
    }

    /// What stands before the number of a row.
    pub(super) fn label(&self, row: Row, theme: Theme, figure: Figure) -> &'static str {
        match (row, theme) {
            (Row::Total, Theme::Plain | Theme::Odometer) => self.figure(figure).total,
            (Row::Total, Theme::Table) => self.rows.total_in_table,
            (Row::Online, _) => self.rows.online,
            (Row::Today, _) => self.rows.today,
            (Row::Yesterday, _) => self.rows.yesterday,
            (Row::ThisWeek, _) => self.rows.this_week,
            (Row::LastWeek, _) => self.rows.last_week,
            (Row::ThisMonth, _) => self.rows.this_month,
            (Row::LastMonth, _) => self.rows.last_month,
            (Row::ThisYear, _) => self.rows.this_year,
            (Row::LastHour, _) => self.rows.last_hour,
            (Row::Last24Hours, _) => self.rows.last_24_hours,
            (Row::PeakOnline, _) => self.rows.peak_online,
            (Row::Page, _) => self.rows.page,
        }
    }

    /// What stands behind the number of a row; may be empty.
    pub(super) fn unit(&self, row: Row, figure: Figure) -> &'static str {
        match row {
            Row::Online | Row::PeakOnline => self.people_unit,
            Row::Page => self.views.unit,
            _ => self.figure(figure).unit,
        }
    }

    /// What the window of the online number is called.
    pub(super) fn window(&self, seconds: u32) -> String {
        let (phrase, length) = match seconds % 60 {
            0 => (&self.window_minutes, seconds / 60),
            _ => (&self.window_seconds, seconds),
        };
        phrase.with(u64::from(length), self.plural)
    }

    fn figure(&self, figure: Figure) -> &FigureWords {
        match figure {
            Figure::Visits => &self.visits,
            Figure::Views => &self.views,
        }
    }
}

impl PartialEq for Language {
    fn eq(&self, other: &Language) -> bool {
        self.tag == other.tag
    }
}

impl Eq for Language {}

impl std::hash::Hash for Language {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.tag.hash(state);
    }
}

/// Browsers send a handful of language ranges; whatever comes behind these is not looked at.
const RANGES_MAX: usize = 32;

/// Whether two tags are the same: in any case, with `_` as good as `-`.
fn is_same_tag(one: &str, other: &str) -> bool {
    let folded = |b: u8| if b == b'_' { b'-' } else { b.to_ascii_lowercase() };
    one.len() == other.len() && one.bytes().map(folded).eq(other.bytes().map(folded))
}

const WHOLE_WEIGHT: u16 = 1_000;

/// The weight of a range in thousandths: `q=0` to `q=1` with at most three decimals; `None` when it is
/// none.
fn weight_thousandths(parameter: &str) -> Option<u16> {
    let (name, value) = parameter.trim().split_once('=')?;
    let (whole, decimals) = value.split_once('.').unwrap_or((value, ""));
    let is_digits = decimals.len() <= 3 && decimals.bytes().all(|b| b.is_ascii_digit());
    if !name.eq_ignore_ascii_case("q") || !is_digits {
        return None;
    }
    let places = decimals.bytes().chain(std::iter::repeat(b'0'));
    let thousandths = places.take(3).fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(WHOLE_WEIGHT),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::escape::push_grouped;
    use super::*;

    fn check(tag: &str, expected: Option<&str>) {
        assert_eq!(Language::find(tag).map(|language| language.tag), expected, "{tag}");
    }

    fn language(tag: &str) -> &'static Language {
        Language::find(tag).expect("is in the table")
    }

    #[test]
    fn a_tag_is_found_by_its_longest_beginning_that_is_ours() {
        for (tag, expected) in [
            ("vi", "vi"),
            ("VI-vn", "vi"),
            ("en_GB", "en"),
            (" fr-CA ", "fr"),
            ("pt-BR", "pt"),
            ("pt-pt", "pt-PT"),
            ("pt-MZ", "pt-PT"),
            ("pt-Latn-PT", "pt"),
            ("zh-CN", "zh"),
            ("zh-Hans-HK", "zh"),
            ("zh_Hant_TW", "zh-Hant"),
            ("zh-TW", "zh-Hant"),
            ("zh-HK-x-own", "zh-Hant"),
            ("in-ID", "id"),
            ("ar-EG-u-nu-arab", "ar"),
        ] {
            check(tag, Some(expected));
        }
    }

    #[test]
    fn a_tag_that_is_none_of_ours_is_none() {
        for tag in ["", "-", "_", "iw", "tlh", "e", "english", "envi", "*", "-en", "zh\u{2011}TW", "vi%2DVN"]
        {
            check(tag, None);
        }
        check(&"x-".repeat(10_000), None);
    }

    #[test]
    fn the_browser_gets_the_language_it_likes_best_among_ours() {
        for (header, expected) in [
            ("vi-VN,vi;q=0.9,en;q=0.8", "vi"),
            ("tlh, en;q=0.3, vi;q=0.7", "vi"),
            ("en, vi", "en"),
            ("vi;q=0, en;q=0.1", "en"),
            ("zh-Hant-TW,zh;q=0.9,en;q=0.8", "zh-Hant"),
            ("zh-CN,zh-TW;q=0.9", "zh"),
            ("he-IL, iw;q=0.9, ar;q=0.2", "ar"),
            ("de;q=0.001, ja;q=0.002", "ja"),
            ("de ; Q=0.5 , ko;q=1.000", "ko"),
            ("*;q=0.9, th;q=0.1", "th"),
            ("fr;q=1.1, es;q=0.5", "es"),
            ("fr;q=0.1234, es;q=0.5", "es"),
            ("fr;level=1, es;q=0.5", "es"),
        ] {
            assert_eq!(Language::accepted(header).map(|language| language.tag), Some(expected), "{header}");
        }
    }

    #[test]
    fn a_browser_that_names_none_of_ours_gets_none() {
        let many = "tlh,".repeat(RANGES_MAX) + "vi";
        for header in
            ["", "*", ";;;,,=", "vi;q=0", "vi;q=nan", "en;q=2, tlh", "en;q=", "en;q=.5", "en;q=-0", &many]
        {
            assert_eq!(Language::accepted(header), None, "{header}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_header_is_too_odd(header in ".{0,80}", ranges in "([a-z*]{0,3}[-_;=q.,0-9 ]{0,4}){0,20}") {
            let _ = (Language::accepted(&header), Language::accepted(&ranges));
        }
    }

    #[test]
    fn every_tag_is_found_as_itself() {
        for language in &LANGUAGES {
            for tag in std::iter::once(&language.tag).chain(language.also) {
                check(tag, Some(language.tag));
            }
        }
    }

    /// What `Intl.NumberFormat` of a browser with the CLDR of its day writes, but for Vietnamese.
    #[test]
    fn numbers_are_written_as_the_language_does() {
        for (tags, four, five, seven) in [
            (&["en", "vi", "zh", "zh-Hant", "ja", "ko", "th", "ar"][..], "1,234", "12,345", "1,234,567"),
            (&["de", "pt", "id"], "1.234", "12.345", "1.234.567"),
            (&["fr"], "1\u{202f}234", "12\u{202f}345", "1\u{202f}234\u{202f}567"),
            (&["ru"], "1\u{a0}234", "12\u{a0}345", "1\u{a0}234\u{a0}567"),
            (&["es"], "1234", "12.345", "1.234.567"),
            (&["pt-PT"], "1234", "12\u{a0}345", "1\u{a0}234\u{a0}567"),
        ] {
            for tag in tags {
                let written = [999, 1_234, 12_345, 1_234_567].map(|number| {
                    let mut out = Vec::new();
                    push_grouped(&mut out, number, language(tag).digit_grouping);
                    String::from_utf8(out).expect("is text")
                });
                assert_eq!(written, ["999", four, five, seven], "{tag}");
            }
        }
    }

    #[test]
    fn no_two_rows_have_the_same_words_and_none_has_no_words() {
        for language in &LANGUAGES {
            for figure in [Figure::Visits, Figure::Views] {
                for theme in [Theme::Plain, Theme::Table] {
                    let words = Row::ALL.map(|row| language.label(row, theme, figure));
                    let tag = language.tag;
                    assert_eq!(words.iter().collect::<HashSet<_>>().len(), words.len(), "{tag}");
                    assert!(words.iter().all(|words| !words.is_empty() && words.trim() == *words), "{tag}");
                    assert!(!language.caption(figure).is_empty(), "{tag}");
                }
            }
            assert_ne!(language.caption(Figure::Visits), language.caption(Figure::Views));
            assert_ne!(language.visits.total, language.views.total);
        }
    }

    #[test]
    fn a_colon_is_one_and_blanks_stand_only_where_the_language_has_them() {
        for language in &LANGUAGES {
            assert_eq!(language.colon.trim().chars().count(), 1, "{}", language.tag);
            assert!(matches!(language.before_unit, "" | " "), "{}", language.tag);
        }
    }

    #[test]
    fn the_window_is_named_in_minutes_where_it_comes_out_even() {
        assert_eq!(language("vi").window(300), "trong 5 phút qua");
        assert_eq!(language("vi").window(90), "trong 90 giây qua");
    }

    #[test]
    fn the_window_stands_in_the_form_that_its_number_asks_for() {
        for (tag, minutes, expected) in [
            ("fr", 1, "au cours de la dernière minute"),
            ("fr", 5, "au cours des 5 dernières minutes"),
            ("de", 1, "in der letzten Minute"),
            ("ru", 1, "за последнюю 1 минуту"),
            ("ru", 3, "за последние 3 минуты"),
            ("ru", 5, "за последние 5 минут"),
            ("ru", 21, "за последнюю 21 минуту"),
            ("ar", 1, "خلال الدقيقة الأخيرة"),
            ("ar", 2, "خلال آخر دقيقتين"),
            ("ar", 5, "خلال آخر 5 دقائق"),
            ("ar", 15, "خلال آخر 15 دقيقة"),
        ] {
            assert_eq!(language(tag).window(minutes * 60), expected);
        }
    }

    #[test]
    fn every_window_names_its_length_or_has_a_form_for_that_length_alone() {
        for language in &LANGUAGES {
            for phrase in [&language.window_minutes, &language.window_seconds] {
                assert!(phrase.other.contains("{}"), "{}", language.tag);
                for (plural, form) in phrase.own {
                    let numbers: Vec<u64> =
                        (0..=3_600).filter(|n| (language.plural)(*n) == *plural).collect();
                    assert!(form.contains("{}") || numbers.len() <= 2, "{}: {form}", language.tag);
                    assert!(!numbers.is_empty(), "{}: {form}", language.tag);
                }
            }
        }
    }

    #[test]
    fn words_from_right_to_left_begin_and_end_so_that_any_direction_around_them_shows_them_alike() {
        let is_arabic = |c: Option<char>| c.is_some_and(|c| ('\u{620}'..='\u{64a}').contains(&c));
        for language in LANGUAGES.iter().filter(|language| language.is_rtl()) {
            for figure in [Figure::Visits, Figure::Views] {
                let words = Row::ALL.map(|row| language.label(row, Theme::Plain, figure));
                for words in words.into_iter().chain([language.caption(figure), language.rows.total_in_table])
                {
                    assert!(is_arabic(words.chars().next()) && is_arabic(words.chars().last()), "{words}");
                }
                assert!(Row::ALL.iter().all(|row| language.unit(*row, figure).is_empty()));
            }
        }
    }
}
