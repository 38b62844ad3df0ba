//! Reading rows back, as they are shown: counted, plus what was added, less what was taken away.

use rusqlite::{Connection, OptionalExtension, Params, Row, named_params};

use super::{Sequence, Store, StoreError};
use crate::details::Dimension;
use crate::words::{Day, PagePath, SiteId, Tally, UnixMillis};

/// What is kept of a site as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteRow {
    /// All time, adjustments included.
    pub total: Tally,
    /// The highest online number and its moment, if anybody ever came.
    pub peak: Option<(u32, UnixMillis)>,
    /// When the first beacon was counted; what schema version 1 kept of it may be late by one fold.
    pub first_beacon: Option<UnixMillis>,
    /// The moment of the last counted beacon of any kind.
    pub last_beacon: Option<UnixMillis>,
    /// How many pages have rows of their own, `(other)` left out.
    pub pages: u32,
    /// When the row changed last.
    pub sequence: Sequence,
}

/// One day of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayRow {
    /// The date in the site's time zone.
    pub day: Day,
    /// Views and visits, adjustments of this day included.
    pub tally: Tally,
    /// Distinct visitors, as of the last fold.
    pub visitors: u64,
    /// Views and visits as they were counted, without adjustments: what pages and details add up to.
    pub counted: Tally,
}

impl DayRow {
    /// The distinct visitors, unless nobody knows: somebody came, by the word of an old counter's number or of
    /// another machine, and was not seen here.
    #[must_use]
    pub fn known_visitors(&self) -> Option<u64> {
        let nobody_came = self.tally == Tally::default() && self.counted == Tally::default();
        (self.visitors > 0 || nobody_came).then_some(self.visitors)
    }
}

/// What adjustments have changed that belongs to no day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndatedRow {
    /// The page whose all-time numbers were changed; none is the total alone.
    pub path: Option<PagePath>,
    /// Views that were added, less those that were taken away.
    pub views: i64,
    /// Visits, likewise.
    pub visits: i64,
}

/// One page on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageDayRow {
    /// The date in the site's time zone.
    pub day: Day,
    /// The page.
    pub path: PagePath,
    /// Its views, and the visits that began with it.
    pub tally: Tally,
}

/// One value of one dimension on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetailDayRow {
    /// The date in the site's time zone.
    pub day: Day,
    /// What views are told apart by.
    pub dimension: Dimension,
    /// Its name.
    pub value: String,
    /// Its views, and the visits that a view of it opened.
    pub tally: Tally,
}

impl Store {
    /// The site as a whole; `None` if nothing was ever kept of it.
    ///
    /// # Errors
    /// When the file cannot be read, as with every call below.
    pub fn site(&self, id: &SiteId) -> Result<Option<SiteRow>, StoreError> {
        self.read("read a site", |connection| {
            let mut statement = connection.prepare_cached(include_str!("sql/read_site.sql"))?;
            statement.query_row(named_params! { ":id": id }, site_row).optional()
        })
    }

    /// Every site that something is kept of, by name; some may not be configured any more.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn site_ids(&self) -> Result<Vec<SiteId>, StoreError> {
        self.read("read the sites", |connection| {
            list(connection, include_str!("sql/read_site_ids.sql"), [], |row| row.get(0))
        })
    }

    /// The days from `first` to `last`, both included, that have a row, in order.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn days(&self, id: &SiteId, first: Day, last: Day) -> Result<Vec<DayRow>, StoreError> {
        let range = named_params! { ":id": id, ":first": first, ":last": last };
        self.read("read days", |connection| {
            list(connection, include_str!("sql/read_days.sql"), range, |row| {
                let (tally, counted) = (tally(row, 1)?, tally(row, 4)?);
                Ok(DayRow { day: row.get(0)?, tally, visitors: row.get(3)?, counted })
            })
        })
    }

    /// The minutes from `since` on (minutes since the epoch) that have a row, in order.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn minutes(&self, id: &SiteId, since: u64) -> Result<Vec<(u64, Tally)>, StoreError> {
        let range = named_params! { ":id": id, ":since": since };
        self.read("read minutes", |connection| {
            list(connection, include_str!("sql/read_minutes.sql"), range, |row| {
                Ok((row.get(0)?, tally(row, 1)?))
            })
        })
    }

    /// Every page of the site with its sums of all time, in the order in which they came.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn pages(&self, id: &SiteId) -> Result<Vec<(PagePath, Tally)>, StoreError> {
        self.read("read pages", |connection| {
            list(connection, include_str!("sql/read_pages.sql"), named_params! { ":id": id }, |row| {
                Ok((row.get(0)?, tally(row, 1)?))
            })
        })
    }

    /// Pages of the days from `first` to `last`, both included, as far back as details are kept.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn page_days(&self, id: &SiteId, first: Day, last: Day) -> Result<Vec<PageDayRow>, StoreError> {
        let range = named_params! { ":id": id, ":first": first, ":last": last };
        self.read("read pages of days", |connection| {
            list(connection, include_str!("sql/read_page_days.sql"), range, |row| {
                Ok(PageDayRow { day: row.get(0)?, path: row.get(1)?, tally: tally(row, 2)? })
            })
        })
    }

    /// What adjustments have changed of the total alone and of pages, which belongs to no day.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn undated(&self, id: &SiteId) -> Result<Vec<UndatedRow>, StoreError> {
        self.read("read adjustments without a day", |connection| {
            list(connection, include_str!("sql/read_undated.sql"), named_params! { ":id": id }, |row| {
                Ok(UndatedRow { path: row.get(0)?, views: row.get(1)?, visits: row.get(2)? })
            })
        })
    }

    /// What reports tell apart, of the days from `first` to `last`, both included, as far back as it is kept.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn detail_days(&self, id: &SiteId, first: Day, last: Day) -> Result<Vec<DetailDayRow>, StoreError> {
        let range = named_params! { ":id": id, ":first": first, ":last": last };
        self.read("read details of days", |connection| {
            list(connection, include_str!("sql/read_detail_days.sql"), range, |row| {
                let (day, dimension, value) = (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok(DetailDayRow { day, dimension, value, tally: tally(row, 3)? })
            })
        })
    }

    /// The sketches of all days that have not been closed yet.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn open_sketches(&self) -> Result<Vec<(SiteId, Day, Vec<u8>)>, StoreError> {
        self.read("read sketches", |connection| {
            list(connection, include_str!("sql/read_sketches.sql"), [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
        })
    }

    /// The number of the last transaction. After a power cut it may be lower than it was, unless the
    /// store was told `synchronous_full` or a checkpoint came before.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn sequence(&self) -> Result<Sequence, StoreError> {
        self.read("read the sequence", |connection| {
            connection.prepare_cached(include_str!("sql/read_sequence.sql"))?.query_row([], |row| row.get(0))
        })
    }
}

/// Every row of a query.
pub(super) fn list<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare_cached(sql)?.query_map(params, read)?.collect()
}

/// The views and visits in two neighbouring columns.
fn tally(row: &Row<'_>, first: usize) -> rusqlite::Result<Tally> {
    Ok(Tally { views: row.get(first)?, visits: row.get(first + 1)? })
}

fn site_row(row: &Row<'_>) -> rusqlite::Result<SiteRow> {
    let peak_online: u32 = row.get("peak_online")?;
    let peak_at: Option<UnixMillis> = row.get("peak_at")?;
    Ok(SiteRow {
        total: tally(row, 0)?,
        peak: peak_at.map(|at| (peak_online, at)),
        first_beacon: row.get("first_beacon_at")?,
        last_beacon: row.get("last_beacon_at")?,
        pages: row.get("pages")?,
        sequence: row.get("sequence")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Figure;
    use std::num::NonZeroI64;

    use crate::details::{Country, Details, Traits};
    use crate::rows::{Addition, DayVisitors, RowChanges, RowKey};
    use crate::store::model::{options, site};
    use crate::store::{Adjustment, Reason, Scope};

    const DAY: Day = Day(20_779);

    /// One site with a page view, visitors, a peak and an adjustment of the day.
    fn with_store(check: impl FnOnce(&Store)) {
        let directory = tempfile::tempdir().expect("a directory");
        let mut store = Store::open(&options(directory.path(), 10)).expect("open");
        let mut changes = RowChanges::default();
        let vks = changes.site(&site("vks"));
        let page = PagePath::from_folded("/tin-tuc");
        let tally = Tally { views: 3, visits: 2 };
        vks.add(&Addition { day: DAY, minute: 29_923_200, page: Some(page.as_str()), tally });
        vks.visitors.insert(DAY, DayVisitors { count: 2, sketch: None });
        vks.raise_peak(2, UnixMillis(1_795_392_000_000));
        vks.note_beacon(UnixMillis(1_795_392_001_000));
        let traits = Traits { country: Country::parse(b"vn"), ..Traits::default() };
        vks.details.add(DAY, &Details { traits, ..Details::default() }, tally);
        store.apply(&changes, &[]).expect("apply");
        let adjustment = Adjustment {
            site: site("vks"),
            figure: Figure::Visits,
            amount: NonZeroI64::new(-1).expect("not zero"),
            scope: Scope::Day(DAY),
            reason: Reason::parse("our own test").expect("a reason"),
            who: "uid 1000".to_owned(),
            at: UnixMillis(1_795_392_002_000),
        };
        store.adjust(&adjustment).expect("adjust");
        check(&store);
    }

    /// The first row of a view, as `sqlite3` would print it.
    fn shown(store: &Store, view: &str) -> String {
        let mut statement = store.connection.prepare(&format!("SELECT * FROM {view}")).expect("a view");
        let columns = statement.column_count();
        let row = statement.query_row([], |row| {
            let value = |n| row.get::<_, rusqlite::types::Value>(n);
            (0..columns).map(value).collect::<rusqlite::Result<Vec<_>>>()
        });
        let text = |value: rusqlite::types::Value| match value {
            rusqlite::types::Value::Integer(n) => n.to_string(),
            rusqlite::types::Value::Text(text) => text,
            other => format!("{other:?}"),
        };
        row.expect("a row").into_iter().map(text).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn views_show_people_what_a_page_shows() {
        with_store(|store| {
            for (view, row) in [
                ("totals", "vks|3|1|2|2026-11-23 00:00:00|2026-11-23 00:00:01|2026-11-23 00:00:01|1"),
                ("calendar", "vks|2026-11-22|3|1|2"),
                ("minutes", "vks|2026-11-23 00:00:00|3|2"),
                ("pages", "vks|/tin-tuc|3|2"),
                ("page_calendar", "vks|2026-11-22|/tin-tuc|3|2"),
                ("detail_calendar", "vks|2026-11-22|country|VN|3|2"),
                ("adjustments", "vks|2026-11-23 00:00:02|uid 1000|visits|-1|2026-11-22|Null|our own test"),
            ] {
                assert_eq!(shown(store, view), row, "{view}");
            }
        });
    }

    #[test]
    fn what_changed_is_named_by_row_with_all_its_values() {
        with_store(|store| {
            let (changed, reach) = store.changed_since(&site("vks"), Sequence(1)).expect("read");
            let of =
                |row: &RowKey| changed.iter().find(|value| value.row == *row).map(|value| &value.values[..]);
            assert_eq!(reach, Sequence(2));
            assert_eq!(of(&RowKey::Total), Some(&[3, 2, 0, 0, 0, 1][..]));
            assert_eq!(of(&RowKey::Day(DAY)), Some(&[3, 2, 0, 0, 0, 1][..]));
            assert_eq!(of(&RowKey::Page(PagePath::from_folded("/tin-tuc"))), None);
            let (all, _) = store.changed_since(&site("vks"), Sequence(0)).expect("read");
            let names: Vec<_> = all.iter().map(|value| value.row.name()).collect();
            assert_eq!(
                names,
                ["t", "d:2026-11-22", "m:29923200", "p:/tin-tuc", "^peak", "p:/tin-tuc", "country:VN"]
            );
            assert_eq!(store.changed_since(&site("vks"), Sequence(2)).expect("read").0, []);
            assert_eq!(store.changed_since(&site("other"), Sequence(0)).expect("read").0, []);
        });
    }

    #[test]
    fn a_site_that_never_was_has_no_rows() {
        with_store(|store| {
            let id = site("never");
            assert_eq!(store.site(&id).expect("read"), None);
            assert_eq!(store.days(&id, Day(0), Day(99_999)).expect("read"), []);
            assert_eq!(store.pages(&id).expect("read"), []);
        });
    }

    #[test]
    fn days_are_those_from_the_first_to_the_last_named() {
        with_store(|store| {
            let count = |first, last| store.days(&site("vks"), first, last).expect("read").len();
            assert_eq!(count(DAY, DAY), 1);
            assert_eq!(count(DAY.next(), DAY.next()), 0);
            assert_eq!(count(DAY.previous(), DAY.previous()), 0);
            assert_eq!(count(DAY.next(), DAY), 0);
        });
    }
}
