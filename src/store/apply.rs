//! Applying what the fold gathered: rows and the journal offsets they cover, in one transaction.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, named_params};

use super::{Halt, Limits, Sequence, Store, StoreError, details};
use crate::rows::{ByName, DayVisitors, RowChanges, SiteChanges};
use crate::words::{Day, PagePath, SiteId, StreamId, Tally};

impl Store {
    /// Adds `changes` to the rows and notes how far into each stream they reach, in bytes from its
    /// beginning: all of it or nothing. Every row that is touched gets the sequence that is returned.
    ///
    /// A page without a row gets one while its site has fewer than `pages_per_site`; otherwise it
    /// counts for `(other)`, its day's row too. Values of a dimension likewise, by `details_per_day`.
    ///
    /// # Errors
    /// When an offset would go back, a number leaves 63 bits, or the file cannot be written.
    pub fn apply(
        &mut self,
        changes: &RowChanges,
        covered: &[(StreamId, u64)],
    ) -> Result<Sequence, StoreError> {
        let limits = self.limits;
        let (sequence, other) = self.write("apply changed rows", |transaction| {
            let sequence = next_sequence(transaction)?;
            let mut other = 0;
            for (id, site_changes) in &changes.sites {
                other += apply_site(transaction, id, site_changes, limits, sequence)?;
            }
            for (stream, offset) in covered {
                if !set_offset(transaction, *stream, *offset)? {
                    return Err(Halt::Refused(StoreError::OffsetBack { stream: *stream, offset: *offset }));
                }
            }
            Ok((sequence, other))
        })?;
        self.other_details += other;
        Ok(sequence)
    }

    /// Views of this process life that were counted for `(other)` of some dimension, because the day had
    /// `details_per_day` values of it already.
    #[must_use]
    pub fn other_details(&self) -> u64 {
        self.other_details
    }

    /// How far the streams are contained in the rows, in bytes from their beginnings.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn offsets(&self) -> Result<Vec<(StreamId, u64)>, StoreError> {
        self.read("read the journal offsets", |connection| {
            let mut statement = connection.prepare_cached(include_str!("sql/read_offsets.sql"))?;
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
    }

    /// Drops the offsets of streams whose files are durably gone. For the order of things see the
    /// room's documentation.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn forget_streams(&mut self, gone: &[StreamId]) -> Result<(), StoreError> {
        self.write("forget journal streams", |transaction| {
            let mut statement = transaction.prepare_cached(include_str!("sql/forget_stream.sql"))?;
            for stream in gone {
                statement.execute(named_params! { ":stream": stream })?;
            }
            Ok(())
        })
    }
}

/// Opens the count of a new transaction.
pub(super) fn next_sequence(connection: &Connection) -> rusqlite::Result<Sequence> {
    connection.prepare_cached(include_str!("sql/next_sequence.sql"))?.query_row([], |row| row.get(0))
}

/// Whether the offset could be set; one that lies before the known one cannot.
fn set_offset(connection: &Connection, stream: StreamId, offset: u64) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached(include_str!("sql/set_offset.sql"))?;
    Ok(statement.execute(named_params! { ":stream": stream, ":applied": offset })? == 1)
}

/// The number of a site that has a row.
pub(super) fn find_site(connection: &Connection, id: &SiteId) -> rusqlite::Result<Option<i64>> {
    let mut find = connection.prepare_cached(include_str!("sql/find_site.sql"))?;
    find.query_row(named_params! { ":id": id }, |row| row.get(0)).optional()
}

/// Gives the views that found no row of their own in some dimension.
pub(super) fn apply_site(
    connection: &Connection,
    id: &SiteId,
    changes: &SiteChanges,
    limits: Limits,
    sequence: Sequence,
) -> rusqlite::Result<u64> {
    let (number, pages) = add_to_site(connection, id, changes, sequence)?;
    let site = SiteRows { connection, number, sequence };
    for (day, tally) in &changes.days {
        site.add_to_day(*day, *tally)?;
    }
    for (minute, tally) in &changes.minutes {
        site.add_to_minute(*minute, *tally)?;
    }
    let pages_now = site.add_to_pages(&changes.pages, pages, limits.pages_per_site)?;
    if pages_now != pages {
        site.set_page_count(pages_now)?;
    }
    set_visitors(connection, number, &changes.visitors, sequence)?;
    let rows = changes.details.rows();
    let other = details::add(connection, number, &rows, limits.details_per_day, sequence)?;
    Ok(other + changes.details.overflowed())
}

/// Sets the visitors of days of a site that has a row.
pub(super) fn set_visitors(
    connection: &Connection,
    number: i64,
    visitors: &BTreeMap<Day, DayVisitors>,
    sequence: Sequence,
) -> rusqlite::Result<()> {
    let site = SiteRows { connection, number, sequence };
    for (day, visitors) in visitors {
        site.set_visitors(*day, visitors)?;
    }
    Ok(())
}

/// Adds to the site's own row, making it if need be; gives its number and how many pages it has.
fn add_to_site(
    connection: &Connection,
    id: &SiteId,
    changes: &SiteChanges,
    sequence: Sequence,
) -> rusqlite::Result<(i64, u32)> {
    let mut counted = Tally::default();
    changes.days.values().for_each(|tally| counted += *tally);
    connection.prepare_cached(include_str!("sql/add_to_site.sql"))?.query_row(
        named_params! {
            ":id": id,
            ":views": counted.views,
            ":visits": counted.visits,
            ":peak_online": changes.peak.map_or(0, |(count, _)| count),
            ":peak_at": changes.peak.map(|(_, at)| at),
            ":first_beacon_at": changes.first_beacon,
            ":last_beacon_at": changes.last_beacon,
            ":sequence": sequence,
        },
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// The rows of one site within one transaction.
struct SiteRows<'a> {
    connection: &'a Connection,
    number: i64,
    sequence: Sequence,
}

impl SiteRows<'_> {
    fn add_to_day(&self, day: Day, tally: Tally) -> rusqlite::Result<usize> {
        self.connection.prepare_cached(include_str!("sql/add_to_day.sql"))?.execute(named_params! {
            ":site": self.number,
            ":day": day,
            ":views": tally.views,
            ":visits": tally.visits,
            ":sequence": self.sequence,
        })
    }

    fn add_to_minute(&self, minute: u64, tally: Tally) -> rusqlite::Result<usize> {
        self.connection.prepare_cached(include_str!("sql/add_to_minute.sql"))?.execute(named_params! {
            ":site": self.number,
            ":minute": minute,
            ":views": tally.views,
            ":visits": tally.visits,
            ":sequence": self.sequence,
        })
    }

    /// Adds to pages and their days. `own` pages have rows before; how many have is given back.
    fn add_to_pages(&self, pages: &ByName<Day>, mut own: u32, own_max: u32) -> rusqlite::Result<u32> {
        // Gathered, because a flood of invented pages all ends here.
        let mut other: BTreeMap<Day, Tally> = BTreeMap::new();
        for (day, path, tally) in pages.sorted() {
            let page = match self.add_to_page(path, tally)? {
                None if path != PagePath::OTHER && own < own_max => {
                    own += 1;
                    Some(self.insert_page(path, tally)?)
                }
                known => known,
            };
            match page {
                Some(page) => self.add_to_page_day(day, page, tally)?,
                None => *other.entry(day).or_default() += tally,
            }
        }
        for (day, tally) in other {
            let page = match self.add_to_page(PagePath::OTHER, tally)? {
                Some(page) => page,
                None => self.insert_page(PagePath::OTHER, tally)?,
            };
            self.add_to_page_day(day, page, tally)?;
        }
        Ok(own)
    }

    /// Adds to a page that has a row, and gives the row's number.
    fn add_to_page(&self, path: &str, tally: Tally) -> rusqlite::Result<Option<i64>> {
        self.change_page(include_str!("sql/add_to_page.sql"), path, tally).optional()
    }

    fn insert_page(&self, path: &str, tally: Tally) -> rusqlite::Result<i64> {
        self.change_page(include_str!("sql/insert_page.sql"), path, tally)
    }

    fn change_page(&self, sql: &str, path: &str, tally: Tally) -> rusqlite::Result<i64> {
        self.connection.prepare_cached(sql)?.query_row(
            named_params! {
                ":site": self.number,
                ":path": path,
                ":views": tally.views,
                ":visits": tally.visits,
                ":sequence": self.sequence,
            },
            |row| row.get(0),
        )
    }

    fn add_to_page_day(&self, day: Day, page: i64, tally: Tally) -> rusqlite::Result<()> {
        self.connection.prepare_cached(include_str!("sql/add_to_page_day.sql"))?.execute(named_params! {
            ":site": self.number,
            ":day": day,
            ":page": page,
            ":views": tally.views,
            ":visits": tally.visits,
            ":sequence": self.sequence,
        })?;
        Ok(())
    }

    fn set_page_count(&self, pages: u32) -> rusqlite::Result<usize> {
        let mut statement = self.connection.prepare_cached(include_str!("sql/set_page_count.sql"))?;
        statement.execute(named_params! { ":site": self.number, ":pages": pages })
    }

    fn set_visitors(&self, day: Day, visitors: &DayVisitors) -> rusqlite::Result<usize> {
        self.connection.prepare_cached(include_str!("sql/set_visitors.sql"))?.execute(named_params! {
            ":site": self.number,
            ":day": day,
            ":visitors": visitors.count,
            ":sequence": self.sequence,
        })?;
        match &visitors.sketch {
            Some(bytes) => self.put_sketch(day, bytes),
            None => self.delete_sketch(day),
        }
    }

    fn put_sketch(&self, day: Day, bytes: &[u8]) -> rusqlite::Result<usize> {
        self.connection.prepare_cached(include_str!("sql/put_sketch.sql"))?.execute(named_params! {
            ":site": self.number,
            ":day": day,
            ":bytes": bytes,
            ":sequence": self.sequence,
        })
    }

    fn delete_sketch(&self, day: Day) -> rusqlite::Result<usize> {
        let mut statement = self.connection.prepare_cached(include_str!("sql/delete_sketch.sql"))?;
        statement.execute(named_params! { ":site": self.number, ":day": day })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use crate::rows::Addition;
    use crate::store::model::{options, site};

    const DAY: Day = Day(20_779);
    const ONE: Tally = Tally { views: 1, visits: 1 };

    fn with_store(pages_per_site: u32, check: impl FnOnce(&mut Store)) {
        let directory = tempfile::tempdir().expect("a directory");
        check(&mut Store::open(&options(directory.path(), pages_per_site)).expect("open"));
    }

    /// One view of each of the pages `from..until` of site `vks`.
    fn views(from: u32, until: u32) -> RowChanges {
        let mut changes = RowChanges::default();
        for n in from..until {
            let page = PagePath::from_folded(&format!("/tin-tuc/bai-viet-{n}"));
            let addition = Addition { day: DAY, minute: 29_000_000, page: Some(page.as_str()), tally: ONE };
            changes.site(&site("vks")).add(&addition);
        }
        changes
    }

    fn total(store: &Store) -> u64 {
        store.site(&site("vks")).expect("read").map_or(0, |row| row.total.views)
    }

    #[test]
    fn a_full_disk_changes_nothing_and_is_got_over() {
        with_store(100_000, |store| {
            let stream = StreamId(7);
            store.apply(&views(0, 10), &[(stream, 100)]).expect("room");
            let pages: i64 = store
                .connection
                .pragma_query_value(None, "page_count", |row| row.get(0))
                .expect("a number of pages");
            let limit = |store: &Store, pages: i64| {
                let pragma = format!("PRAGMA max_page_count = {pages}");
                store.connection.query_row(&pragma, [], |_| Ok(())).expect("a limit");
            };
            limit(store, pages);
            for _ in 0..3 {
                let failure = store.apply(&views(10, 2_000), &[(stream, 200)]).expect_err("no room");
                assert!(matches!(failure, StoreError::Full { .. }), "{failure}");
                assert_eq!(total(store), 10);
                assert_eq!(store.offsets().expect("read"), [(stream, 100)]);
                assert_eq!(store.sequence().expect("read"), Sequence(1));
            }
            store.apply(&views(0, 10), &[(stream, 150)]).expect("needs no room");
            limit(store, 1_000_000);
            store.apply(&views(10, 2_000), &[(stream, 200)]).expect("room again");
            assert_eq!(total(store), 2_010);
            assert_eq!(store.offsets().expect("read"), [(stream, 200)]);
            assert_eq!(store.check().expect("read"), Vec::<String>::new());
        });
    }

    #[test]
    fn somebody_elses_lock_changes_nothing_and_is_got_over() {
        with_store(10, |store| {
            let other = Connection::open(&store.path).expect("open");
            store.connection.busy_timeout(std::time::Duration::ZERO).expect("no patience");
            other.execute_batch("BEGIN IMMEDIATE").expect("a lock");
            assert!(matches!(store.apply(&views(0, 1), &[]), Err(StoreError::Busy { .. })));
            assert_eq!(total(store), 0);
            other.execute_batch("ROLLBACK").expect("no lock");
            store.apply(&views(0, 1), &[]).expect("apply");
            assert_eq!(total(store), 1);
        });
    }

    #[test]
    fn an_offset_that_would_go_back_takes_its_rows_with_it() {
        with_store(10, |store| {
            let stream = StreamId(u64::MAX);
            store.apply(&views(0, 1), &[(stream, 100)]).expect("apply");
            store.apply(&views(0, 1), &[(stream, 100)]).expect("pages of no stream");
            let refused = store.apply(&views(0, 1), &[(StreamId(1), 5), (stream, 99)]);
            assert!(matches!(refused, Err(StoreError::OffsetBack { offset: 99, .. })));
            assert_eq!(total(store), 2);
            assert_eq!(store.offsets().expect("read"), [(stream, 100)]);
        });
    }

    #[test]
    fn a_number_beyond_63_bits_is_an_error_and_not_a_negative_number() {
        with_store(10, |store| {
            store.apply(&views(0, 1), &[]).expect("apply");
            for huge in [u64::MAX, u64::from(u32::MAX) << 31] {
                let mut changes = RowChanges::default();
                let days = &mut changes.site(&site("vks")).days;
                days.insert(DAY, Tally { views: huge, visits: 0 });
                days.insert(DAY.next(), Tally { views: huge, visits: 0 });
                assert!(store.apply(&changes, &[]).is_err());
                assert_eq!(total(store), 1);
            }
        });
    }

    #[test]
    fn a_page_that_was_there_before_the_bound_keeps_counting_for_itself() {
        with_store(2, |store| {
            store.apply(&views(0, 5), &[]).expect("apply");
            store.apply(&views(1, 6), &[]).expect("apply");
            let pages = store.pages(&site("vks")).expect("read");
            let shown: Vec<_> = pages.iter().map(|(path, tally)| (path.as_str(), tally.views)).collect();
            assert_eq!(shown, [("/tin-tuc/bai-viet-0", 1), ("/tin-tuc/bai-viet-1", 2), ("(other)", 7)]);
            let row = store.site(&site("vks")).expect("read").expect("a row");
            assert_eq!((row.pages, row.total.views), (2, 10));
        });
    }

    #[test]
    fn a_flood_of_invented_pages_costs_rows_up_to_the_bound_only() {
        with_store(100, |store| {
            store.apply(&views(0, 20_000), &[]).expect("apply");
            assert_eq!(store.pages(&site("vks")).expect("read").len(), 101);
            assert_eq!(store.page_days(&site("vks"), DAY, DAY).expect("read").len(), 101);
            assert_eq!(total(store), 20_000);
        });
    }

    #[test]
    fn an_apply_without_rows_moves_the_offsets() {
        with_store(10, |store| {
            let first = store.apply(&RowChanges::default(), &[(StreamId(1), 40)]).expect("apply");
            let second = store.apply(&RowChanges::default(), &[(StreamId(1), 80)]).expect("apply");
            assert!(first < second);
            assert_eq!(store.offsets().expect("read"), [(StreamId(1), 80)]);
            assert_eq!(store.site_ids().expect("read"), []);
        });
    }

    /// A power cut may leave any beginning of a log that was not synced.
    #[test]
    fn a_log_that_is_cut_anywhere_holds_rows_and_offsets_of_the_same_moment() {
        with_store(100, |store| {
            for n in 1..=20_u32 {
                store.apply(&views(0, n), &[(StreamId(1), u64::from(n))]).expect("apply");
            }
            let directory = tempfile::tempdir().expect("a directory");
            let cut = options(directory.path(), 100);
            let beside = |path: &Path| PathBuf::from(format!("{}-wal", path.display()));
            let log = std::fs::read(beside(&store.path)).expect("a log");
            let mut moments = BTreeSet::new();
            for length in (0..=log.len()).step_by(1_777).chain([log.len()]) {
                std::fs::copy(&store.path, &cut.path).expect("copy");
                std::fs::write(beside(&cut.path), &log[..length]).expect("write");
                // A log too short to hold the schema leaves an empty file, which is a new database.
                let after = Store::open(&cut).expect("open");
                let offset = after.offsets().expect("read").first().map_or(0, |(_, offset)| *offset);
                assert_eq!(total(&after), offset * (offset + 1) / 2, "cut at {length}");
                assert_eq!(after.check().expect("read"), Vec::<String>::new());
                moments.insert(offset);
            }
            assert!(moments.len() > 10 && moments.contains(&20), "{moments:?}");
        });
    }

    /// Whoever applies thousands of rows a second cannot afford to look for them.
    #[test]
    fn no_statement_looks_for_its_rows_from_end_to_end() {
        with_store(10, |store| {
            for sql in [
                include_str!("sql/add_to_site.sql"),
                include_str!("sql/add_to_day.sql"),
                include_str!("sql/add_to_minute.sql"),
                include_str!("sql/add_to_page.sql"),
                include_str!("sql/insert_page.sql"),
                include_str!("sql/add_to_page_day.sql"),
                include_str!("sql/set_page_count.sql"),
                include_str!("sql/set_visitors.sql"),
                include_str!("sql/put_sketch.sql"),
                include_str!("sql/delete_sketch.sql"),
                include_str!("sql/set_offset.sql"),
                include_str!("sql/delete_page_day.sql"),
                include_str!("sql/delete_minute.sql"),
                include_str!("sql/add_to_detail_day.sql"),
                include_str!("sql/insert_detail_day.sql"),
                include_str!("sql/count_detail_day.sql"),
                include_str!("sql/delete_detail_day.sql"),
            ] {
                let plan = plan(&store.connection, sql);
                assert!(plan.iter().all(|step| !step.contains("SCAN")), "{sql}{plan:?}");
            }
            for (sql, key) in [
                (include_str!("sql/find_old_page_days.sql"), "(site=? AND day<?)"),
                (include_str!("sql/find_old_minutes.sql"), "(site=? AND minute<?)"),
                (include_str!("sql/find_old_detail_days.sql"), "(site=? AND day<?)"),
                (include_str!("sql/count_detail_day.sql"), "(site=? AND day=? AND dimension=?)"),
                (include_str!("sql/delete_page_day.sql"), "(site=? AND day=? AND page=?)"),
            ] {
                let plan = plan(&store.connection, sql);
                assert!(plan.iter().any(|step| step.contains(key)), "{sql}{plan:?}");
            }
        });
    }

    fn plan(connection: &Connection, sql: &str) -> Vec<String> {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("a statement");
        let mut steps = statement.raw_query();
        let mut plan = Vec::new();
        while let Some(step) = steps.next().expect("a plan") {
            plan.push(step.get("detail").expect("text"));
        }
        plan
    }
}
