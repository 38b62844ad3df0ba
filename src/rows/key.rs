//! The names of rows that the machines of a fleet share.
//!
//! A name is text, since people read it with `redis-cli` and `sqlite3`: `t` the total, `d:2026-11-23`
//! a day, `m:29923200` a minute since the epoch, `p:/tin-tuc` a page, `s:2026-11-23` the visitors of a
//! day, `^peak` the most people online. Pages and details of single days lie by their day, where their
//! names are `p:/tin-tuc` and `browser:Firefox`.

use crate::details::Dimension;
use crate::words::{Day, PagePath, Tally};

/// Which row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowKey {
    /// All time. Adjustments of a day are contained here too; the baseline of an old counter is what the
    /// total has beyond all days.
    Total,
    /// One day.
    Day(Day),
    /// One minute since the epoch.
    Minute(u64),
    /// One page, all time.
    Page(PagePath),
    /// The most people online and the moment, in milliseconds since the epoch: a maximum, not a sum.
    Peak,
    /// That the visitors of a day changed; they are no numbers.
    Visitors(Day),
    /// One page on one day.
    PageDay(Day, PagePath),
    /// One value of one dimension on one day.
    Detail(Day, Dimension, String),
}

/// A row's present values. Each only grows: counted views and visits, views and visits that
/// adjustments added, views and visits that they removed, and of a day the visitors that logs told
/// of. What is 0 at the end may be left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowValue {
    /// Which.
    pub row: RowKey,
    /// The values.
    pub values: Vec<u64>,
}

impl RowKey {
    /// The row's name.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            RowKey::Total => "t".to_owned(),
            RowKey::Day(day) => format!("d:{day}"),
            RowKey::Minute(minute) => format!("m:{minute}"),
            RowKey::Page(page) | RowKey::PageDay(_, page) => format!("p:{}", page.as_str()),
            RowKey::Peak => "^peak".to_owned(),
            RowKey::Visitors(day) => format!("s:{day}"),
            RowKey::Detail(_, dimension, value) => format!("{}:{value}", dimension.as_str()),
        }
    }

    /// The row of that name among those of the site.
    #[must_use]
    pub fn parse(name: &str) -> Option<RowKey> {
        match name.split_once(':') {
            None if name == "t" => Some(RowKey::Total),
            None if name == "^peak" => Some(RowKey::Peak),
            Some(("d", day)) => day.parse().ok().map(RowKey::Day),
            Some(("m", minute)) => minute.parse().ok().map(RowKey::Minute),
            Some(("s", day)) => day.parse().ok().map(RowKey::Visitors),
            Some(("p", page)) => Some(RowKey::Page(PagePath::from_folded(page))),
            _ => None,
        }
    }

    /// The row of that name among those of one day.
    #[must_use]
    pub fn parse_of_day(day: Day, name: &str) -> Option<RowKey> {
        let (kind, rest) = name.split_once(':')?;
        if kind == "p" {
            return Some(RowKey::PageDay(day, PagePath::from_folded(rest)));
        }
        Dimension::parse(kind).map(|dimension| RowKey::Detail(day, dimension, rest.to_owned()))
    }

    /// The day that a row of single days lies by; no footer shows those.
    #[must_use]
    pub fn detail_of(&self) -> Option<Day> {
        match self {
            RowKey::PageDay(day, _) | RowKey::Detail(day, ..) => Some(*day),
            _ => None,
        }
    }
}

/// What values show: counted and added; and what was removed from that.
#[must_use]
pub fn shown(values: &[u64]) -> super::Growth {
    let of = |place: usize| values.get(place).copied().unwrap_or(0);
    let tally = |place| Tally { views: of(place), visits: of(place + 1) };
    let mut more = tally(0);
    more += tally(2);
    super::Growth { more, less: tally(4) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        let page = || PagePath::from_folded("/a:b");
        for row in [
            RowKey::Total,
            RowKey::Peak,
            RowKey::Day(Day(20_000)),
            RowKey::Minute(29_923_200),
            RowKey::Page(page()),
            RowKey::Visitors(Day(20_000)),
        ] {
            assert_eq!(RowKey::parse(&row.name()), Some(row));
        }
        for row in [
            RowKey::PageDay(Day(1), page()),
            RowKey::Detail(Day(1), Dimension::Referrer, "example.vn:80".to_owned()),
        ] {
            assert_eq!(RowKey::parse_of_day(Day(1), &row.name()), Some(row));
        }
        assert_eq!(RowKey::parse("x:1"), None);
    }
}
