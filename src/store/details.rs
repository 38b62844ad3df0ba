//! Rows of what reports tell apart: one for every value of a dimension on a day, up to a bound.

use rusqlite::{Connection, named_params};

use super::Sequence;
use crate::details::{Dimension, OTHER};
use crate::words::{Day, Tally};

/// Adds `rows`, which are in order of day and dimension. A value without a row gets one while its day has
/// fewer than `own_max` of its dimension; otherwise it counts for `(other)`. Gives the views that did.
pub(super) fn add(
    connection: &Connection,
    site: i64,
    rows: &[(Day, Dimension, String, Tally)],
    own_max: u32,
    sequence: Sequence,
) -> rusqlite::Result<u64> {
    let mut overflowed = 0;
    for of_dimension in rows.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
        let Some((day, dimension, ..)) = of_dimension.first() else { continue };
        let group = Group { connection, site, day: *day, dimension: *dimension, sequence };
        let other = group.add(of_dimension, own_max)?;
        overflowed += other.views;
        if other != Tally::default() && !group.add_to(OTHER, other)? {
            group.insert(OTHER, other)?;
        }
    }
    Ok(overflowed)
}

/// The values of one dimension of one day.
struct Group<'a> {
    connection: &'a Connection,
    site: i64,
    day: Day,
    dimension: Dimension,
    sequence: Sequence,
}

impl Group<'_> {
    /// Adds to rows, and gives what found none.
    fn add(&self, rows: &[(Day, Dimension, String, Tally)], own_max: u32) -> rusqlite::Result<Tally> {
        let mut other = Tally::default();
        // Counted once, and only when somebody needs to know.
        let mut own: Option<u32> = None;
        for (_, _, value, tally) in rows {
            if self.add_to(value, *tally)? {
                continue;
            }
            let there = match own {
                Some(there) => there,
                None => self.count()?,
            };
            own = Some(there);
            if value == OTHER {
                self.insert(value, *tally)?;
            } else if there < own_max {
                self.insert(value, *tally)?;
                own = Some(there + 1);
            } else {
                other += *tally;
            }
        }
        Ok(other)
    }

    /// Whether there was a row to add to.
    fn add_to(&self, value: &str, tally: Tally) -> rusqlite::Result<bool> {
        self.change(include_str!("sql/add_to_detail_day.sql"), value, tally).map(|rows| rows > 0)
    }

    fn insert(&self, value: &str, tally: Tally) -> rusqlite::Result<usize> {
        self.change(include_str!("sql/insert_detail_day.sql"), value, tally)
    }

    fn change(&self, sql: &str, value: &str, tally: Tally) -> rusqlite::Result<usize> {
        self.connection.prepare_cached(sql)?.execute(named_params! {
            ":site": self.site,
            ":day": self.day,
            ":dimension": self.dimension,
            ":value": value,
            ":views": tally.views,
            ":visits": tally.visits,
            ":sequence": self.sequence,
        })
    }

    fn count(&self) -> rusqlite::Result<u32> {
        let mut statement = self.connection.prepare_cached(include_str!("sql/count_detail_day.sql"))?;
        let group = named_params! { ":site": self.site, ":day": self.day, ":dimension": self.dimension };
        statement.query_row(group, |row| row.get(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::details::{Browser, Details, Language, Traits};
    use crate::rows::{Addition, RowChanges};
    use crate::store::model::{options, site};
    use crate::store::{Options, Store};

    const DAY: Day = Day(20_779);
    const ONE: Tally = Tally { views: 1, visits: 1 };

    /// A view of each referrer, with the day's own row, as the fold adds them.
    fn views(referrers: &[&str]) -> RowChanges {
        let mut changes = RowChanges::default();
        let vks = changes.site(&site("vks"));
        for referrer in referrers {
            vks.add(&Addition { day: DAY, minute: 29_000_000, page: None, tally: ONE });
            let traits = Traits {
                browser: Browser::CocCoc,
                language: Language::of_header(b"vi-VN"),
                ..Traits::default()
            };
            let details = Details { traits, referrer: Some(referrer), ..Details::default() };
            vks.details.add(DAY, &details, ONE);
        }
        changes
    }

    fn shown(store: &Store, dimension: Dimension) -> Vec<(String, u64)> {
        let rows = store.detail_days(&site("vks"), DAY, DAY).expect("read");
        let rows = rows.into_iter().filter(|row| row.dimension == dimension);
        rows.map(|row| (row.value, row.tally.views)).collect()
    }

    #[test]
    fn values_beyond_the_bound_count_for_other_and_those_before_it_for_themselves() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut store =
            Store::open(&Options { details_per_day: 2, ..options(directory.path(), 10) }).expect("open");
        store.apply(&views(&["a.vn", "b.vn", "c.vn", "c.vn"]), &[]).expect("apply");
        assert_eq!(store.other_details(), 2);
        store.apply(&views(&["b.vn", "d.vn", "a.vn", OTHER]), &[]).expect("apply");
        let expected = [(OTHER, 4), ("a.vn", 2), ("b.vn", 2)].map(|(value, views)| (value.to_owned(), views));
        assert_eq!(shown(&store, Dimension::Referrer), expected);
        assert_eq!(shown(&store, Dimension::Browser), [("Cốc Cốc".to_owned(), 8)]);
        assert_eq!(shown(&store, Dimension::Language), [("vi".to_owned(), 8)]);
        assert_eq!(store.other_details(), 3, "what was (other) already found no bound");
        assert_eq!(store.check().expect("read"), Vec::<String>::new());
    }

    #[test]
    fn a_check_finds_more_than_the_day_has() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut store = Store::open(&options(directory.path(), 10)).expect("open");
        store.apply(&views(&["a.vn"]), &[]).expect("apply");
        store.connection.execute_batch("UPDATE detail_day SET views = views + 1").expect("by hand");
        let findings = store.check().expect("read").join("\n");
        assert!(findings.contains("2026-11-22 has more views or visits by referrer"), "{findings}");
    }
}
