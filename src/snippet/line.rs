//! Lines: what a view shows of the numbers, as words, before any format writes it down.

use super::escape::push_grouped;
use super::language::Language;
use super::view::{Row, View};
use crate::words::Numbers;

/// One row that is shown.
pub(super) struct Line {
    pub(super) row: Row,
    pub(super) label: &'static str,
    /// Digits and separators only, so it needs no escaping.
    pub(super) number: String,
    /// May be empty.
    pub(super) unit: &'static str,
    pub(super) language: &'static Language,
}

/// The rows that `view` shows of `numbers`; a page's row is left out when no page was named.
pub(super) fn lines(numbers: &Numbers, view: &View) -> Vec<Line> {
    let line = |row: Row| {
        let value = value(row, numbers, view)?;
        let mut number = Vec::with_capacity(16);
        push_grouped(&mut number, value, view.grouping);
        Some(Line {
            row,
            label: view.language.label(row, view.theme, view.total),
            number: String::from_utf8(number).expect("digits and one separator"),
            unit: view.language.unit(row, view.total),
            language: view.language,
        })
    };
    view.rows.iter().copied().filter_map(line).collect()
}

/// The number of a row, in the figure that the site calls its total; a page's are views. `None` for a page
/// that was not named.
pub(super) fn value(row: Row, numbers: &Numbers, view: &View) -> Option<u64> {
    let tally = match row {
        Row::Online => return Some(u64::from(numbers.online)),
        Row::PeakOnline => return Some(numbers.peak_online.as_ref().map_or(0, |peak| u64::from(peak.count))),
        // Its visits are those that began there: none for many a page that is read.
        Row::Page => return numbers.page.as_ref().map(|page| page.views),
        Row::Total => numbers.total,
        Row::Today => numbers.today,
        Row::Yesterday => numbers.yesterday,
        Row::ThisWeek => numbers.this_week,
        Row::LastWeek => numbers.last_week,
        Row::ThisMonth => numbers.this_month,
        Row::LastMonth => numbers.last_month,
        Row::ThisYear => numbers.this_year,
        Row::LastHour => numbers.last_hour,
        Row::Last24Hours => numbers.last_24_hours,
    };
    Some(view.total.of(tally))
}

impl Line {
    /// The line as a reader sees it, such as `label: number unit`.
    pub(super) fn sentence(&self) -> String {
        let space = if self.unit.is_empty() { "" } else { self.language.before_unit };
        format!("{}{space}{}", self.language.sentence(self.label, &self.number), self.unit)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{numbers, view};
    use super::*;

    fn check(tag: &str, expected: [&str; 2]) {
        let sentences: Vec<_> =
            lines(&numbers(), &view(&[("lang", tag)])).iter().map(Line::sentence).collect();
        assert_eq!(sentences, expected, "{tag}");
    }

    #[test]
    fn lines_read_as_an_office_would_write_them() {
        check("zh", ["总访问量：1,333,796 次", "当前在线：912 人"]);
        check("ja", ["総訪問数：1,333,796回", "現在の閲覧者：912人"]);
        check("fr", ["Nombre de visites\u{a0}: 1\u{202f}333\u{202f}796", "Visiteurs en ligne\u{a0}: 912"]);
        check("ru", ["Всего посещений: 1\u{a0}333\u{a0}796", "Сейчас на сайте: 912 чел."]);
    }

    #[test]
    fn a_number_among_words_from_right_to_left_is_isolated() {
        check("ar", ["إجمالي الزيارات: \u{2066}1,333,796\u{2069}", "المتصلون الآن: \u{2066}912\u{2069}"]);
    }
}
