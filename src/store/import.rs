//! Logs that were counted: how far, and by whom the days were visited that they tell of.
//!
//! A batch of a log and the place that it reaches to are one transaction, as a fold and its offsets are. A
//! batch says from where it goes on; where the log stands elsewhere meanwhile, it is refused whole, so two
//! imports of one log at once cannot count it twice.
//!
//! Sketches of imported days are merged here, batch after batch, and stay until they are finished. Of lines
//! nothing is kept, but of views at both edges of a log a hash each ([`super::edges`]).

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, named_params};

use super::apply::{apply_site, find_site, next_sequence, set_visitors};
use super::edges::{EdgeSecond, put_edges};
use super::read::list;
use super::{Halt, Sequence, Store, StoreError};
use crate::rows::{DayVisitors, SiteChanges, Sketch};
use crate::words::{Day, SiteId, StreamId, UnixMillis};

/// A span of time, both ends in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The first moment.
    pub from: UnixMillis,
    /// The last moment.
    pub to: UnixMillis,
}

impl Span {
    /// Whether a moment lies in it.
    #[must_use]
    pub fn contains(&self, at: UnixMillis) -> bool {
        (self.from..=self.to).contains(&at)
    }

    /// The time of a log of which all lines are in it: without the edges, where the one before and the one
    /// behind it may have lines too.
    #[must_use]
    pub fn inner(&self) -> Option<Span> {
        let inner = Span { from: self.from.plus(ImportLog::LATE_MS), to: self.to.minus(ImportLog::LATE_MS) };
        (inner.from <= inner.to).then_some(inner)
    }
}

/// Lines of a log that were left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// Another log tells of their time.
    Time {
        /// Lines of this time,
        span: Span,
        /// from this byte of the log on.
        since: u64,
    },
    /// Another log tells of each of them.
    Lines {
        /// Views from this byte of the log on,
        since: u64,
        /// up to this one, which is not among them.
        until: u64,
    },
}

impl LeftOut {
    /// In the place of a first moment, where lines are meant and not a time.
    const NO_TIME: u64 = u64::MAX;

    /// Three numbers that [`LeftOut::of_numbers`] reads.
    #[must_use]
    pub fn numbers(&self) -> [u64; 3] {
        match self {
            LeftOut::Time { span, since } => [span.from.0, span.to.0, *since],
            LeftOut::Lines { since, until } => [LeftOut::NO_TIME, *until, *since],
        }
    }

    /// What [`LeftOut::numbers`] gave.
    #[must_use]
    pub fn of_numbers([from, to, since]: [u64; 3]) -> LeftOut {
        match from {
            LeftOut::NO_TIME => LeftOut::Lines { since, until: to },
            _ => LeftOut::Time { span: Span { from: UnixMillis(from), to: UnixMillis(to) }, since },
        }
    }

    /// Whether a view of a moment whose line begins at a byte is among them.
    #[must_use]
    pub fn has(&self, at: UnixMillis, from: u64) -> bool {
        match self {
            LeftOut::Time { span, since } => *since <= from && span.contains(at),
            LeftOut::Lines { since, until } => (*since..*until).contains(&from),
        }
    }
}

/// How far a log is counted, and what it is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportLog {
    /// Its name.
    pub stream: StreamId,
    /// Hashes of the log up to the end of its first line, its second, and so on for the first few.
    pub head: Vec<u64>,
    /// Bytes of the uncompressed log that were read.
    pub position: u64,
    /// Hash of the line that ends at `position`.
    pub tail: u64,
    /// Of the lines before `position`, those up to this moment are in the rows. Later ones were read and
    /// still waited for lines that might come before them.
    pub counted_at: UnixMillis,
    /// Where the line begins from which on open visits come back, and uncounted lines.
    pub replay_from: u64,
    /// Lines before that one.
    pub replay_line: u64,
    /// The time that it tells of, up to `position`.
    pub span: Option<Span>,
    /// What of it was left out.
    pub left_out: Vec<LeftOut>,
}

impl ImportLog {
    /// The most entries of [`ImportLog::left_out`]: a log is seldom made of more than ten years of daily ones.
    pub const LEFT_OUT_MAX: usize = 4_096;
    /// How far out of order the lines of a log may be: a server writes them when it is done with them.
    pub const LATE_MS: u64 = 60_000;
}

/// A part of a log, added up.
#[derive(Clone)]
pub struct ImportBatch {
    /// For which site.
    pub site: SiteId,
    /// The position that the log must stand at, and the moment it must be counted up to; both 0 for a log
    /// that is not known yet.
    pub from: (u64, UnixMillis),
    /// How many parts of the log must be left out so far.
    pub left_out_before: usize,
    /// How far it is counted with this batch.
    pub log: ImportLog,
    /// What is added to rows.
    pub changes: SiteChanges,
    /// Views of this batch that stand at an edge of the log's span.
    pub edges: Vec<EdgeSecond>,
    /// Visitors of this batch, by ids of imported days.
    pub visitors: BTreeMap<Day, Sketch>,
    /// Visitors of this batch, by the same ids that beacons have: of today, or of a day just over.
    pub visitors_today: BTreeMap<Day, Sketch>,
}

/// Bytes of one [`LeftOut`].
const LEFT_OUT_BYTES: usize = 24;

impl Store {
    /// The logs that were counted for a site, wholly or in part.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn import_logs(&self, id: &SiteId) -> Result<Vec<ImportLog>, StoreError> {
        self.read("read the imported logs", |connection| {
            list(connection, include_str!("sql/read_import_logs.sql"), named_params! { ":id": id }, |row| {
                let head: Vec<u8> = row.get(1)?;
                let StreamId(tail) = row.get(3)?;
                let span = row.get::<_, Option<_>>(7)?.zip(row.get::<_, Option<_>>(8)?);
                let left_out: Vec<u8> = row.get(9)?;
                Ok(ImportLog {
                    stream: row.get(0)?,
                    head: head.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect(),
                    position: row.get(2)?,
                    tail,
                    counted_at: row.get(4)?,
                    replay_from: row.get(5)?,
                    replay_line: row.get(6)?,
                    span: span.map(|(from, to)| Span { from, to }),
                    left_out: left_out_of(&left_out),
                })
            })
        })
    }

    /// Adds a part of a log to the rows and notes how far the log is counted: all of it or nothing.
    /// `visitors_today` are the batch's, merged with those that beacons brought.
    ///
    /// # Errors
    /// When the log stands elsewhere than the batch begins, a number leaves 63 bits, or the file cannot
    /// be written.
    pub fn apply_import(
        &mut self,
        batch: &ImportBatch,
        visitors_today: &BTreeMap<Day, DayVisitors>,
    ) -> Result<Sequence, StoreError> {
        let limits = self.limits;
        let (sequence, other) = self.write("apply a part of a log", |transaction| {
            let sequence = next_sequence(transaction)?;
            let other = apply_site(transaction, &batch.site, &batch.changes, limits, sequence)?;
            let site = find_site(transaction, &batch.site)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
            let stands_at = position(transaction, site, batch.log.stream)?;
            let expected = (batch.from.0, batch.from.1, batch.left_out_before * LEFT_OUT_BYTES);
            if stands_at != expected {
                return Err(Halt::Refused(StoreError::ImportMoved {
                    stands_at: stands_at.0,
                    from: batch.from.0,
                }));
            }
            put_log(transaction, site, &batch.log, sequence)?;
            put_edges(transaction, site, &batch.log, &batch.edges)?;
            for (day, visitors) in &batch.visitors {
                merge_visitors(transaction, site, *day, visitors, sequence)?;
            }
            set_visitors(transaction, site, visitors_today, sequence)?;
            Ok((sequence, other))
        })?;
        self.other_details += other;
        Ok(sequence)
    }

    /// The visitors of the last days that logs told of beside those whom beacons know.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn visitors_imported(&self) -> Result<Vec<(SiteId, Day, u64)>, StoreError> {
        self.read("read the visitors of logs", |connection| {
            list(connection, include_str!("sql/read_visitors_imported.sql"), [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
        })
    }

    /// Ends the imported days before `before`, of one site or of all: they keep their number of visitors and
    /// drop what it was read from. Returns how many days of sites that were.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish_imports(&mut self, id: Option<&SiteId>, before: Day) -> Result<usize, StoreError> {
        self.write("finish imported days", |transaction| {
            let mut statement = transaction.prepare_cached(include_str!("sql/finish_imports.sql"))?;
            Ok(statement.execute(named_params! { ":id": id, ":before": before })?)
        })
    }

    /// How many visitors a day of a site has from beacons, and how many from logs before it was finished.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn visitors_known(&self, id: &SiteId, day: Day) -> Result<(u64, u64), StoreError> {
        let key = named_params! { ":id": id, ":day": day };
        let found = self.read("read the visitors of a day", |connection| {
            list(connection, include_str!("sql/find_visitors_known.sql"), key, |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
        })?;
        Ok(found.first().copied().unwrap_or_default())
    }

    /// The days that are not finished yet, for any site: their salts are still needed.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn import_days(&self) -> Result<BTreeSet<Day>, StoreError> {
        let days: Vec<Day> = self.read("read the imported days", |connection| {
            list(connection, include_str!("sql/read_import_days.sql"), [], |row| row.get(0))
        })?;
        Ok(days.into_iter().collect())
    }
}

/// Position, moment, and bytes of what is left out.
fn position(
    connection: &Connection,
    site: i64,
    stream: StreamId,
) -> rusqlite::Result<(u64, UnixMillis, usize)> {
    let mut statement = connection.prepare_cached(include_str!("sql/find_import_position.sql"))?;
    let key = named_params! { ":site": site, ":stream": stream };
    let found = statement.query_row(key, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
    Ok(found.unwrap_or_default())
}

fn left_out_of(bytes: &[u8]) -> Vec<LeftOut> {
    let parts = bytes.as_chunks::<8>().0.as_chunks::<3>().0.iter();
    parts.map(|part| LeftOut::of_numbers(part.map(u64::from_le_bytes))).collect()
}

fn left_out_bytes(left_out: &[LeftOut]) -> Vec<u8> {
    left_out.iter().flat_map(|part| part.numbers().map(u64::to_le_bytes)).flatten().collect()
}

fn put_log(
    connection: &Connection,
    site: i64,
    log: &ImportLog,
    sequence: Sequence,
) -> rusqlite::Result<usize> {
    let head: Vec<u8> = log.head.iter().flat_map(|hash| hash.to_le_bytes()).collect();
    connection.prepare_cached(include_str!("sql/put_import_log.sql"))?.execute(named_params! {
        ":site": site,
        ":stream": log.stream,
        ":head": head,
        ":position": log.position,
        ":tail": StreamId(log.tail),
        ":counted_at": log.counted_at,
        ":replay_from": log.replay_from,
        ":replay_line": log.replay_line,
        ":first_at": log.span.map(|span| span.from),
        ":last_at": log.span.map(|span| span.to),
        ":left_out": left_out_bytes(&log.left_out),
        ":sequence": sequence,
    })
}

/// A sketch that cannot be read begins anew behind the number that it had come to.
fn merge_visitors(
    connection: &Connection,
    site: i64,
    day: Day,
    visitors: &Sketch,
    sequence: Sequence,
) -> rusqlite::Result<()> {
    let key = named_params! { ":site": site, ":day": day };
    let mut find = connection.prepare_cached(include_str!("sql/find_import_sketch.sql"))?;
    let kept: Option<(u64, Vec<u8>)> =
        find.query_row(key, |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let kept = kept.and_then(|(finished, bytes)| Some((finished, Sketch::from_bytes(&bytes)?)));
    let (finished, mut all) = if let Some(kept) = kept {
        kept
    } else {
        let mut find = connection.prepare_cached(include_str!("sql/find_visitors_imported.sql"))?;
        let finished: Option<u64> = find.query_row(key, |row| row.get(0)).optional()?;
        (finished.unwrap_or(0), Sketch::default())
    };
    all.merge(visitors);
    connection.prepare_cached(include_str!("sql/put_import_sketch.sql"))?.execute(named_params! {
        ":site": site,
        ":day": day,
        ":finished": finished,
        ":bytes": all.to_bytes(),
        ":sequence": sequence,
    })?;
    connection.prepare_cached(include_str!("sql/set_visitors_imported.sql"))?.execute(named_params! {
        ":site": site,
        ":day": day,
        ":visitors": finished.saturating_add(all.count()),
        ":sequence": sequence,
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{Addition, RowChanges};
    use crate::store::model::{options, site};
    use crate::words::{Tally, VisitorId};

    const DAY: Day = Day(16_572);

    fn with_store(check: impl FnOnce(&mut Store)) {
        let directory = tempfile::tempdir().expect("a directory");
        check(&mut Store::open(&options(directory.path(), 10)).expect("open"));
    }

    /// A view by each of these visitors on `DAY`.
    fn batch(from: u64, position: u64, visitors: std::ops::Range<u64>) -> ImportBatch {
        let mut changes = SiteChanges::default();
        let mut sketch = Sketch::default();
        for visitor in visitors {
            sketch.insert(VisitorId(visitor.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
            let tally = Tally { views: 1, visits: 1 };
            changes.add_past(&Addition { day: DAY, minute: 0, page: Some("/a"), tally });
        }
        let log = ImportLog {
            stream: StreamId(u64::MAX),
            head: vec![1, u64::MAX],
            position,
            tail: u64::MAX - 1,
            counted_at: UnixMillis(7),
            replay_from: 5,
            replay_line: 2,
            span: Some(Span { from: UnixMillis(3), to: UnixMillis(7) }),
            left_out: vec![LeftOut::Time { span: Span { from: UnixMillis(4), to: UnixMillis(6) }, since: 9 }],
        };
        let left_out_before = usize::from(from > 0);
        let from = (from, UnixMillis(if from == 0 { 0 } else { 7 }));
        let visitors = BTreeMap::from([(DAY, sketch)]);
        let (site, visitors_today) = (site("vks"), BTreeMap::new());
        ImportBatch { site, from, left_out_before, log, changes, edges: Vec::new(), visitors, visitors_today }
    }

    fn shown(store: &Store) -> (u64, u64) {
        let days = store.days(&site("vks"), DAY, DAY).expect("read");
        days.first().map_or((0, 0), |row| (row.tally.views, row.visitors))
    }

    #[test]
    fn a_batch_that_does_not_go_on_where_the_log_stands_changes_nothing() {
        with_store(|store| {
            let refused = store.apply_import(&batch(1, 100, 0..5), &BTreeMap::new());
            assert!(matches!(refused, Err(StoreError::ImportMoved { stands_at: 0, from: 1 })));
            assert_eq!(store.site_ids().expect("read"), []);
            store.apply_import(&batch(0, 100, 0..5), &BTreeMap::new()).expect("apply");
            for from in [0, 99, 101] {
                assert!(store.apply_import(&batch(from, 200, 0..5), &BTreeMap::new()).is_err(), "{from}");
            }
            assert_eq!(shown(store), (5, 5));
            let waiting = ImportBatch { from: (100, UnixMillis(6)), ..batch(100, 100, 0..1) };
            assert!(store.apply_import(&waiting, &BTreeMap::new()).is_err(), "they were counted meanwhile");
            let retaken = ImportBatch { left_out_before: 0, ..batch(100, 100, 0..1) };
            assert!(store.apply_import(&retaken, &BTreeMap::new()).is_err(), "it was taken meanwhile");
            store.apply_import(&batch(100, 200, 3..9), &BTreeMap::new()).expect("apply");
            assert_eq!(shown(store), (11, 9));
            assert_eq!(store.import_logs(&site("vks")).expect("read"), [batch(0, 200, 0..0).log]);
            assert_eq!(store.import_logs(&site("other")).expect("read"), []);
            assert_eq!(store.check().expect("read"), Vec::<String>::new());
        });
    }

    #[test]
    fn visitors_of_beacons_and_of_logs_stand_beside_each_other() {
        with_store(|store| {
            let beacons = |count| {
                let mut changes = RowChanges::default();
                let visitors = DayVisitors { count, sketch: Some(Sketch::default().to_bytes()) };
                changes.site(&site("vks")).visitors.insert(DAY, visitors);
                changes
            };
            store.apply(&beacons(3), &[]).expect("apply");
            store.apply_import(&batch(0, 100, 0..5), &BTreeMap::new()).expect("apply");
            store.apply(&beacons(4), &[]).expect("apply");
            assert_eq!(shown(store).1, 9);
        });
    }

    #[test]
    fn a_finished_day_keeps_its_number_and_more_of_it_is_added() {
        with_store(|store| {
            store.apply_import(&batch(0, 100, 0..5), &BTreeMap::new()).expect("apply");
            assert_eq!(store.import_days().expect("read"), BTreeSet::from([DAY]));
            assert_eq!(store.finish_imports(Some(&site("other")), Day::LAST).expect("finish"), 0);
            assert_eq!(store.finish_imports(Some(&site("vks")), DAY).expect("finish"), 0);
            assert_eq!(store.finish_imports(Some(&site("vks")), Day::LAST).expect("finish"), 1);
            assert_eq!((shown(store).1, store.import_days().expect("read")), (5, BTreeSet::new()));
            assert_eq!(store.visitors_known(&site("vks"), DAY).expect("read"), (0, 5));
            assert_eq!(store.visitors_known(&site("other"), DAY).expect("read"), (0, 0));
            store.apply_import(&batch(100, 200, 0..2), &BTreeMap::new()).expect("apply");
            store.apply_import(&batch(200, 300, 1..3), &BTreeMap::new()).expect("apply");
            assert_eq!(shown(store).1, 8);
            assert_eq!(store.finish_imports(None, Day::LAST).expect("finish"), 1);
            assert!(store.remove_site(&site("vks")).expect("remove"));
            assert_eq!(store.import_logs(&site("vks")).expect("read"), []);
            assert_eq!(store.check().expect("read"), Vec::<String>::new());
        });
    }
}
