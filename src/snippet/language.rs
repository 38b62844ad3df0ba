//! Languages: the words of a counter and how it writes numbers, one table entry each.
//!
//! The script refreshes numbers and leaves words alone, so a unit must be right beside any number.
//! Where it would change with the number, as in English, the label says what is counted and the unit
//! stays empty: "People online: 1" rather than "1 people".

use jiff::civil::Weekday;

use super::view::{Row, Theme};
use crate::words::Figure;

/// The words of one language and its habits.
#[derive(Debug)]
pub struct Language {
    /// The BCP 47 tag, as it stands in a `lang` attribute.
    pub tag: &'static str,
    /// The direction of its text: `ltr` or `rtl`.
    pub direction: &'static str,
    /// What stands between groups of three digits.
    pub digit_grouping: Option<char>,
    /// The day its weeks begin with.
    pub first_weekday: Weekday,
    visits: FigureWords,
    views: FigureWords,
    /// What follows a number of people; may be empty.
    people_unit: &'static str,
    /// What the window of the online number is called; `{}` is its length.
    window_minutes: &'static str,
    window_seconds: &'static str,
    rows: RowWords,
}

/// The words that depend on what a site calls its total.
#[derive(Debug)]
struct FigureWords {
    /// Over a table.
    caption: &'static str,
    /// Before a total that stands alone.
    total: &'static str,
    /// What follows a number; may be empty.
    unit: &'static str,
}

#[derive(Debug)]
struct RowWords {
    online: &'static str,
    /// The total as the last row of a table.
    total_in_table: &'static str,
    today: &'static str,
    yesterday: &'static str,
    this_week: &'static str,
    last_week: &'static str,
    this_month: &'static str,
    last_month: &'static str,
    this_year: &'static str,
    last_hour: &'static str,
    last_24_hours: &'static str,
    peak_online: &'static str,
    page: &'static str,
}

/// Every language; the first one answers when nothing else is wanted.
static LANGUAGES: [Language; 2] = [
    Language {
        tag: "en",
        direction: "ltr",
        digit_grouping: Some(','),
        first_weekday: Weekday::Monday,
        visits: FigureWords { caption: "Visits to this site", total: "Total visits", unit: "" },
        views: FigureWords { caption: "Page views of this site", total: "Total page views", unit: "" },
        people_unit: "",
        window_minutes: "seen in the last {} min",
        window_seconds: "seen in the last {} s",
        rows: RowWords {
            online: "People online",
            total_in_table: "Total",
            today: "Today",
            yesterday: "Yesterday",
            this_week: "This week",
            last_week: "Last week",
            this_month: "This month",
            last_month: "Last month",
            this_year: "This year",
            last_hour: "Last hour",
            last_24_hours: "Last 24 hours",
            peak_online: "Most people online",
            page: "This page",
        },
    },
    Language {
        tag: "vi",
        direction: "ltr",
        digit_grouping: Some(','),
        first_weekday: Weekday::Monday,
        visits: FigureWords {
            caption: "Thống kê truy cập", total: "Số lượt truy cập", unit: "lượt"
        },
        views: FigureWords {
            caption: "Thống kê lượt xem", total: "Số lượt xem trang", unit: "lượt"
        },
        people_unit: "người",
        window_minutes: "trong {} phút qua",
        window_seconds: "trong {} giây qua",
        rows: RowWords {
            online: "Số người online",
            total_in_table: "Tổng cộng",
            today: "Hôm nay",
            yesterday: "Hôm qua",
            this_week: "Tuần này",
            last_week: "Tuần trước",
            this_month: "Tháng này",
            last_month: "Tháng trước",
            this_year: "Năm nay",
            last_hour: "Một giờ qua",
            last_24_hours: "24 giờ qua",
            peak_online: "Online cao nhất",
            page: "Trang này",
        },
    },
];

impl Language {
    /// The language that answers when neither site, page nor browser names one we have: English.
    #[must_use]
    pub fn fallback() -> &'static Language {
        &LANGUAGES[0]
    }

    /// The language of a tag such as `vi`, `VI` or `vi-VN`: the part before the first hyphen decides.
    #[must_use]
    pub fn find(tag: &str) -> Option<&'static Language> {
        let primary = tag.trim().split(['-', '_']).next()?;
        LANGUAGES.iter().find(|language| language.tag.eq_ignore_ascii_case(primary))
    }

    /// The tags of all languages, in the order of the table.
    pub fn tags() -> impl Iterator<Item = &'static str> {
        LANGUAGES.iter().map(|language| language.tag)
    }

    /// The language that an `Accept-Language` header likes best, among those we have.
    #[must_use]
    pub fn accepted(header: &str) -> Option<&'static Language> {
        let mut best: Option<(f32, &'static Language)> = None;
        for range in header.split(',').take(RANGES_MAX) {
            let mut parts = range.split(';');
            let Some(language) = parts.next().and_then(Language::find) else { continue };
            let weight = parts.find_map(|part| part.trim().strip_prefix("q=")).map_or(Some(1.0), weight_of);
            let Some(weight) = weight else { continue };
            if weight > 0.0 && best.is_none_or(|(highest, _)| weight > highest) {
                best = Some((weight, language));
            }
        }
        best.map(|(_, language)| language)
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
            _ => self.figure(figure).unit,
        }
    }

    /// What the window of the online number is called.
    pub(super) fn window(&self, seconds: u32) -> String {
        let (words, length) = match seconds % 60 {
            0 => (self.window_minutes, seconds / 60),
            _ => (self.window_seconds, seconds),
        };
        words.replace("{}", &length.to_string())
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

/// A weight from 0 to 1; `None` when it is none.
fn weight_of(raw: &str) -> Option<f32> {
    raw.trim().parse().ok().filter(|weight| (0.0..=1.0).contains(weight))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_by_its_first_part_in_any_case() {
        for (tag, expected) in
            [("vi", Some("vi")), ("VI-vn", Some("vi")), ("en_GB", Some("en")), ("fr", None), ("", None)]
        {
            assert_eq!(Language::find(tag).map(|language| language.tag), expected, "{tag}");
        }
    }

    #[test]
    fn the_browser_gets_the_language_it_likes_best_among_ours() {
        for (header, expected) in [
            ("vi-VN,vi;q=0.9,en;q=0.8", Some("vi")),
            ("fr, en;q=0.3, vi;q=0.7", Some("vi")),
            ("en, vi", Some("en")),
            ("vi;q=0, en;q=0.1", Some("en")),
            ("vi;q=nan, en;q=2, fr", None),
            ("*", None),
            ("", None),
            (";;;,,=", None),
        ] {
            assert_eq!(Language::accepted(header).map(|language| language.tag), expected, "{header}");
        }
    }

    #[test]
    fn the_window_is_named_in_minutes_where_it_comes_out_even() {
        let language = Language::find("vi").expect("is in the table");
        assert_eq!(language.window(300), "trong 5 phút qua");
        assert_eq!(language.window(90), "trong 90 giây qua");
    }
}
