//! What a fleet needs of the store: which rows changed, what other machines counted, and taking back
//! what the shared store holds of this machine and its own file does not.

use std::collections::BTreeMap;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, named_params, params_from_iter};

use super::apply::{find_site, next_sequence};
use super::read::list;
use super::{Sequence, Store, StoreError, failed};
use crate::rows::{Growth, RowKey, RowValue, shown};
use crate::words::{Day, SiteId, Tally};

/// Reads the name of a row that stands behind its values, from the column on.
type Name = fn(&Row<'_>, usize) -> rusqlite::Result<RowKey>;

/// A statement for every kind of row, how many values it gives, and how its name is read.
const CHANGED: &[(&str, usize, Name)] = &[
    (include_str!("sql/read_total_changed.sql"), 6, |_, _| Ok(RowKey::Total)),
    (include_str!("sql/read_days_changed.sql"), 7, |row, at| Ok(RowKey::Day(row.get(at)?))),
    (include_str!("sql/read_minutes_changed.sql"), 2, |row, at| Ok(RowKey::Minute(row.get(at)?))),
    (include_str!("sql/read_pages_changed.sql"), 6, |row, at| Ok(RowKey::Page(row.get(at)?))),
    (include_str!("sql/read_peak_changed.sql"), 2, |_, _| Ok(RowKey::Peak)),
    (include_str!("sql/read_page_days_changed.sql"), 2, |row, at| {
        Ok(RowKey::PageDay(row.get(at)?, row.get(at + 1)?))
    }),
    (include_str!("sql/read_details_changed.sql"), 2, |row, at| {
        Ok(RowKey::Detail(row.get(at)?, row.get(at + 1)?, row.get(at + 2)?))
    }),
];

impl Store {
    /// Makes the indexes that finding changed rows of big tables needs. A machine alone has none of
    /// them, since each costs something at every fold.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn prepare_sharing(&mut self) -> Result<(), StoreError> {
        let index = self.connection.execute_batch(include_str!("sql/index_changed.sql"));
        index.map_err(|source| failed(&self.path, "make indexes", source))
    }

    /// Notes as whose these numbers are sent. Gives the node as which they were sent before, if it is another;
    /// then nothing changes.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn claim(&mut self, node: u64) -> Result<Option<u64>, StoreError> {
        // The column holds whole numbers with a sign.
        self.write("note the node", |transaction| {
            let mut find = transaction.prepare_cached(include_str!("sql/find_node.sql"))?;
            let known: Option<i64> = find.query_row([], |row| row.get(0)).optional()?;
            if let Some(known) = known {
                return Ok(Some(known.cast_unsigned()).filter(|known| *known != node));
            }
            let mut put = transaction.prepare_cached(include_str!("sql/put_node.sql"))?;
            put.execute(named_params! { ":node": node.cast_signed() })?;
            Ok(None)
        })
    }

    /// The sites to which somebody added the sums of a fleet.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn with_sums_of_fleets(&self) -> Result<Vec<SiteId>, StoreError> {
        self.read("read adjustments", |connection| {
            list(connection, include_str!("sql/read_sites_with_sums_of_fleets.sql"), [], |row| row.get(0))
        })
    }

    /// Every row of the site that changed after `since`, with its present values, and the sequence that
    /// they reach to.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn changed_since(
        &self,
        id: &SiteId,
        since: Sequence,
    ) -> Result<(Vec<RowValue>, Sequence), StoreError> {
        self.read("read changed rows", |connection| {
            let sequence = connection
                .prepare_cached(include_str!("sql/read_sequence.sql"))?
                .query_row([], |row| row.get(0))?;
            let mut values = Vec::new();
            for (sql, count, name) in CHANGED {
                let mut statement = connection.prepare_cached(sql)?;
                let mut rows = statement.query(named_params! { ":id": id, ":since": since })?;
                while let Some(row) = rows.next()? {
                    values.push(row_value(row, *count, *name)?);
                }
            }
            Ok((values, sequence))
        })
    }

    /// The sequence of the last change of every site.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn site_sequences(&self) -> Result<Vec<(SiteId, Sequence)>, StoreError> {
        self.read("read what changed", |connection| {
            list(connection, include_str!("sql/read_site_sequences.sql"), [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
        })
    }

    /// The sketches of the site's open days that changed after `since`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn sketches_since(&self, id: &SiteId, since: Sequence) -> Result<Vec<(Day, Vec<u8>)>, StoreError> {
        let range = named_params! { ":id": id, ":since": since };
        self.read("read changed sketches", |connection| {
            list(connection, include_str!("sql/read_sketches_changed.sql"), range, |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
        })
    }

    /// What the other machines of the fleet counted, as they told last. Rows of a name that this release
    /// does not know are left out.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn others(&self, id: &SiteId) -> Result<Vec<RowValue>, StoreError> {
        let rows = self.read("read what others counted", |connection| {
            list(connection, include_str!("sql/read_others.sql"), named_params! { ":id": id }, |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
            })
        })?;
        let parse = |(name, values): (String, String)| {
            let values = values.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
            Some(RowValue { row: RowKey::parse(&name)?, values })
        };
        Ok(rows.into_iter().filter_map(parse).collect())
    }

    /// What a shown number has beyond this machine's own row, by row: what the other machines counted, and what
    /// adjustments made here took away of that.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn beyond_own(&self, id: &SiteId) -> Result<BTreeMap<RowKey, Growth>, StoreError> {
        let mut beyond: BTreeMap<RowKey, Growth> = BTreeMap::new();
        for RowValue { row, values } in self.others(id)? {
            beyond.entry(row).or_default().add(shown(&values));
        }
        let debts = self.read("read what others lend", |connection| {
            list(connection, include_str!("sql/read_debts.sql"), named_params! { ":id": id }, |row| {
                Ok((row.get::<_, String>(0)?, Tally { views: row.get(1)?, visits: row.get(2)? }))
            })
        })?;
        for (row, less) in debts.into_iter().filter_map(|(name, less)| Some((RowKey::parse(&name)?, less))) {
            beyond.entry(row).or_default().add(Growth { less, ..Growth::default() });
        }
        Ok(beyond)
    }

    /// Keeps what the other machines counted. Minutes before the given one go.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn put_others(
        &mut self,
        id: &SiteId,
        rows: &[RowValue],
        minutes_before: u64,
    ) -> Result<(), StoreError> {
        self.write("keep what others counted", |transaction| {
            let site = site_row(transaction, id)?;
            let before = RowKey::Minute(minutes_before).name();
            transaction
                .prepare_cached(include_str!("sql/delete_others_minutes.sql"))?
                .execute(named_params! { ":site": site, ":before": before })?;
            let mut put = transaction.prepare_cached(include_str!("sql/put_others.sql"))?;
            for RowValue { row, values } in rows {
                let values: Vec<String> = values.iter().map(u64::to_string).collect();
                put.execute(
                    named_params! { ":site": site, ":row": row.name(), ":values": values.join(" ") },
                )?;
            }
            Ok(())
        })
    }

    /// Forgets what other machines counted: this one is alone now.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn forget_others(&mut self) -> Result<(), StoreError> {
        let deleted = self.connection.execute(include_str!("sql/delete_others.sql"), []);
        deleted.map(drop).map_err(|source| failed(&self.path, "forget what others counted", source))
    }

    /// Takes back values that the shared store holds of this machine: the higher of two is the later one.
    /// From then on sequences are above `held`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn take_back(&mut self, id: &SiteId, rows: &[RowValue], held: Sequence) -> Result<(), StoreError> {
        self.write("take values back", |transaction| {
            raise_sequence(transaction, held)?;
            let site = site_row(transaction, id)?;
            let sequence = next_sequence(transaction)?;
            // A page's days need the page.
            for of_days in [false, true] {
                for value in rows.iter().filter(|value| value.row.detail_of().is_some() == of_days) {
                    take_back(transaction, site, sequence, value)?;
                }
            }
            Ok(())
        })
    }

    /// Goes on with sequences above `held`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn raise_sequence(&mut self, held: Sequence) -> Result<(), StoreError> {
        self.write("raise the sequence", |transaction| Ok(raise_sequence(transaction, held)?))
    }
}

fn raise_sequence(connection: &Connection, held: Sequence) -> rusqlite::Result<()> {
    let mut raise = connection.prepare_cached(include_str!("sql/raise_sequence.sql"))?;
    raise.execute(named_params! { ":to": held }).map(drop)
}

fn row_value(row: &Row<'_>, count: usize, name: Name) -> rusqlite::Result<RowValue> {
    let mut values = (0..count).map(|n| row.get(n)).collect::<rusqlite::Result<Vec<u64>>>()?;
    while values.len() > 1 && values.last() == Some(&0) {
        values.pop();
    }
    Ok(RowValue { row: name(row, count)?, values })
}

/// The number of a site, which gets a row if it has none.
fn site_row(connection: &Connection, id: &SiteId) -> rusqlite::Result<i64> {
    if let Some(site) = find_site(connection, id)? {
        return Ok(site);
    }
    let mut make = connection.prepare_cached(include_str!("sql/make_site.sql"))?;
    make.query_row(named_params! { ":id": id, ":sequence": next_sequence(connection)? }, |row| row.get(0))
}

fn take_back(
    connection: &Connection,
    site: i64,
    sequence: Sequence,
    RowValue { row, values }: &RowValue,
) -> rusqlite::Result<()> {
    let value = |n: usize| i64::try_from(values.get(n).copied().unwrap_or(0)).unwrap_or(i64::MAX).into();
    let mut bound: Vec<Value> = (0..6).map(value).collect();
    let sequence = i64::try_from(sequence.0).unwrap_or(i64::MAX);
    bound.extend([Value::from(site), Value::from(sequence)]);
    let sql = match row {
        RowKey::Total => include_str!("sql/take_back_total.sql"),
        RowKey::Day(day) => {
            bound.extend([value(6), text(*day)?]);
            include_str!("sql/take_back_day.sql")
        }
        RowKey::Minute(minute) => {
            bound.push(i64::try_from(*minute).unwrap_or(i64::MAX).into());
            include_str!("sql/take_back_minute.sql")
        }
        RowKey::Page(page) => {
            bound.push(page.as_str().to_owned().into());
            include_str!("sql/take_back_page.sql")
        }
        RowKey::PageDay(day, page) => {
            bound.extend([text(*day)?, Value::from(page.as_str().to_owned())]);
            include_str!("sql/take_back_page_day.sql")
        }
        RowKey::Detail(day, dimension, name) => {
            bound.extend([
                text(*day)?,
                Value::from(dimension.as_str().to_owned()),
                Value::from(name.clone()),
            ]);
            include_str!("sql/take_back_detail.sql")
        }
        // The peak comes back with what others know, visitors with their sketch.
        RowKey::Peak | RowKey::Visitors(_) => return Ok(()),
    };
    let mut statement = connection.prepare_cached(sql)?;
    bound.truncate(statement.parameter_count());
    statement.execute(params_from_iter(bound)).map(drop)
}

fn text(day: Day) -> rusqlite::Result<Value> {
    match day.to_sql()? {
        rusqlite::types::ToSqlOutput::Owned(value) => Ok(value),
        other => Err(rusqlite::Error::ToSqlConversionFailure(format!("{other:?}").into())),
    }
}
