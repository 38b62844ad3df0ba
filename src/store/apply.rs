//! Applying what the fold gathered: rows and the journal offsets they cover, in one transaction.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, named_params};

use super::{Halt, Sequence, Store, StoreError};
use crate::rows::{DayVisitors, RowChanges, SiteChanges};
use crate::words::{Day, PagePath, SiteId, StreamId, Tally};

impl Store {
    /// Adds `changes` to the rows and notes how far into each stream they reach, in bytes from its
    /// beginning: all of it or nothing. Every row that is touched gets the sequence that is returned.
    ///
    /// A page without a row gets one while its site has fewer than `pages_per_site`; otherwise it
    /// counts for `(other)`, its day's row too.
    ///
    /// # Errors
    /// When an offset would go back, a number leaves 63 bits, or the file cannot be written.
    pub fn apply(
        &mut self,
        changes: &RowChanges,
        covered: &[(StreamId, u64)],
    ) -> Result<Sequence, StoreError> {
        let pages_max = self.pages_per_site;
        self.write("apply changed rows", |transaction| {
            let sequence = next_sequence(transaction)?;
            for (id, site_changes) in &changes.sites {
                apply_site(transaction, id, site_changes, pages_max, sequence)?;
            }
            for (stream, offset) in covered {
                if !set_offset(transaction, *stream, *offset)? {
                    return Err(Halt::Refused(StoreError::OffsetBack { stream: *stream, offset: *offset }));
                }
            }
            Ok(sequence)
        })
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

fn apply_site(
    connection: &Connection,
    id: &SiteId,
    changes: &SiteChanges,
    pages_max: u32,
    sequence: Sequence,
) -> rusqlite::Result<()> {
    let (number, pages) = add_to_site(connection, id, changes, sequence)?;
    let site = SiteRows { connection, number, sequence };
    for (day, tally) in &changes.days {
        site.add_to_day(*day, *tally)?;
    }
    for (minute, tally) in &changes.minutes {
        site.add_to_minute(*minute, *tally)?;
    }
    let pages_now = site.add_to_pages(&changes.pages, pages, pages_max)?;
    if pages_now != pages {
        site.set_page_count(pages_now)?;
    }
    for (day, visitors) in &changes.visitors {
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
            ":beacon_at": changes.last_beacon,
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
    fn add_to_pages(
        &self,
        pages: &BTreeMap<(Day, PagePath), Tally>,
        mut own: u32,
        own_max: u32,
    ) -> rusqlite::Result<u32> {
        // Gathered, because a flood of invented pages all ends here.
        let mut other: BTreeMap<Day, Tally> = BTreeMap::new();
        for ((day, path), tally) in pages {
            let page = match self.add_to_page(path, *tally)? {
                None if path.as_str() != PagePath::OTHER && own < own_max => {
                    own += 1;
                    Some(self.insert_page(path, *tally)?)
                }
                known => known,
            };
            match page {
                Some(page) => self.add_to_page_day(*day, page, *tally)?,
                None => *other.entry(*day).or_default() += *tally,
            }
        }
        let path = PagePath::other();
        for (day, tally) in other {
            let page = match self.add_to_page(&path, tally)? {
                Some(page) => page,
                None => self.insert_page(&path, tally)?,
            };
            self.add_to_page_day(day, page, tally)?;
        }
        Ok(own)
    }

    /// Adds to a page that has a row, and gives the row's number.
    fn add_to_page(&self, path: &PagePath, tally: Tally) -> rusqlite::Result<Option<i64>> {
        self.change_page(include_str!("sql/add_to_page.sql"), path, tally).optional()
    }

    fn insert_page(&self, path: &PagePath, tally: Tally) -> rusqlite::Result<i64> {
        self.change_page(include_str!("sql/insert_page.sql"), path, tally)
    }

    fn change_page(&self, sql: &str, path: &PagePath, tally: Tally) -> rusqlite::Result<i64> {
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
