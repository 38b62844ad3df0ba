//! Backups: a copy of the database that carries the streams which it does not cover.
//!
//! A backup is an `SQLite` file like the store's own, with one table more, `backup_stream`. A restore
//! takes that table's streams out and puts the file in the store's place.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, ffi};

use super::schema;
use super::{StoreError, failed};
use crate::words::StreamId;

/// Puts streams, each whole from its beginning, into a backup.
///
/// # Errors
/// When the file cannot be written.
pub fn put_streams(path: &Path, streams: &[(StreamId, Vec<u8>)]) -> Result<(), StoreError> {
    let put = || {
        let mut connection = Connection::open(path)?;
        let transaction = connection.transaction()?;
        transaction.execute_batch(include_str!("sql/create_backup_stream.sql"))?;
        for (id, bytes) in streams {
            transaction.execute("INSERT INTO backup_stream VALUES (?1, ?2)", (id.to_string(), bytes))?;
        }
        transaction.commit()
    };
    put().map_err(|source| failed(path, "write the streams of a backup", source))
}

/// Takes the streams out of a backup, which is then a store like any other.
///
/// # Errors
/// When the file is no backup of headcount, is of a newer schema, is damaged, or cannot be written.
pub fn take_streams(path: &Path) -> Result<Vec<(StreamId, Vec<u8>)>, StoreError> {
    schema::check(path)?;
    let take = || {
        let mut connection = Connection::open(path)?;
        let found: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        if found != "ok" {
            return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), Some(found)));
        }
        let transaction = connection.transaction()?;
        let table = "SELECT 1 FROM sqlite_schema WHERE name = 'backup_stream'";
        if transaction.query_row(table, [], |_| Ok(())).optional()?.is_none() {
            return Ok(Vec::new());
        }
        let streams = transaction
            .prepare("SELECT stream, bytes FROM backup_stream")?
            .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?)))?
            .collect::<Result<Vec<_>, _>>()?;
        transaction.execute_batch(include_str!("sql/take_backup_streams.sql"))?;
        transaction.commit()?;
        Ok(streams)
    };
    let streams = take().map_err(|source| failed(path, "read the streams of a backup", source))?;
    let numbered =
        |(id, bytes): (String, Vec<u8>)| Some((StreamId(u64::from_str_radix(&id, 16).ok()?), bytes));
    Ok(streams.into_iter().filter_map(numbered).collect())
}
