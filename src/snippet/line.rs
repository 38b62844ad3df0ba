//! Lines: what a view shows of the numbers, as words, before any format writes it down.

use super::escape::push_grouped;
use super::view::{Row, View};
use crate::words::{Numbers, Tally};

/// One row that is shown.
pub(super) struct Line {
    pub(super) row: Row,
    pub(super) label: &'static str,
    /// Digits and separators only, so it needs no escaping.
    pub(super) number: String,
    /// May be empty.
    pub(super) unit: &'static str,
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
        })
    };
    view.rows.iter().copied().filter_map(line).collect()
}

/// The number of a row, in the figure that the site calls its total; `None` for a page not named.
pub(super) fn value(row: Row, numbers: &Numbers, view: &View) -> Option<u64> {
    let tally = match row {
        Row::Online => return Some(u64::from(numbers.online)),
        Row::PeakOnline => return Some(numbers.peak_online.as_ref().map_or(0, |peak| u64::from(peak.count))),
        Row::Page => {
            let page = numbers.page.as_ref()?;
            Tally { views: page.views, visits: page.visits }
        }
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
    /// The line as a reader sees it: `label: number unit`.
    pub(super) fn sentence(&self) -> String {
        let space = if self.unit.is_empty() { "" } else { " " };
        format!("{}: {}{space}{}", self.label, self.number, self.unit)
    }
}
