//! Keeping the file in order: retention, removal of a site, checkpoints, backups, checks.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::{Batch, Connection, OptionalExtension, named_params};

use super::read::list;
use super::schema::{create_private, sync_directory_of};
use super::{Store, StoreError, failed};
use crate::words::{Day, SiteId};

/// One small step of retention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prune {
    /// Pages of days before this one go.
    pub details_before: Day,
    /// Minutes before this one (since the epoch) go.
    pub minutes_before: u64,
    /// The most rows that this step may delete: the fold waits for it.
    pub rows_max: u32,
}

/// What a step of retention did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Rows of pages of single days that went.
    pub page_days: usize,
    /// Rows of minutes that went.
    pub minutes: usize,
    /// Whether the step ended at its bound, so that another is due.
    pub more: bool,
}

impl Store {
    /// Deletes old details, at most `plan.rows_max` rows. Calendar rows and all-time sums of pages
    /// stay for ever.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn prune(&mut self, plan: &Prune) -> Result<Pruned, StoreError> {
        self.write("prune old details", |transaction| {
            let page_days = transaction
                .prepare_cached(include_str!("sql/prune_page_days.sql"))?
                .execute(named_params! { ":before": plan.details_before, ":rows_max": plan.rows_max })?;
            let rows_max = usize::try_from(plan.rows_max).unwrap_or(usize::MAX);
            let left = rows_max.saturating_sub(page_days);
            let minutes = transaction
                .prepare_cached(include_str!("sql/prune_minutes.sql"))?
                .execute(named_params! { ":before": plan.minutes_before, ":rows_max": left })?;
            Ok(Pruned { page_days, minutes, more: page_days.saturating_add(minutes) >= rows_max })
        })
    }

    /// Deletes everything that is kept of a site, its adjustments too; whether there was anything.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn remove_site(&mut self, id: &SiteId) -> Result<bool, StoreError> {
        self.write("remove a site", |transaction| {
            let mut find = transaction.prepare_cached(include_str!("sql/find_site.sql"))?;
            let site: Option<i64> =
                find.query_row(named_params! { ":id": id }, |row| row.get(0)).optional()?;
            let Some(site) = site else { return Ok(false) };
            let mut deletions = Batch::new(transaction, include_str!("sql/remove_site.sql"));
            while let Some(mut deletion) = deletions.next()? {
                deletion.execute(named_params! { ":site": site })?;
            }
            Ok(true)
        })
    }

    /// Makes everything applied so far survive a power cut, and empties the write-ahead log.
    ///
    /// # Errors
    /// When a reader of an older state kept it from finishing (ask again later), or the file cannot
    /// be written.
    pub fn checkpoint(&mut self) -> Result<(), StoreError> {
        let moved = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
            Ok((row.get::<_, i64>("log")?, row.get::<_, i64>("checkpointed")?))
        });
        let (in_log, moved) =
            moved.map_err(|source| failed(&self.path, "checkpoint the write-ahead log", source))?;
        // Pages all moved and synced are durable even if a reader kept the log from being cut.
        if in_log == moved { Ok(()) } else { Err(StoreError::CheckpointBusy { path: self.path.clone() }) }
    }

    /// Writes a consistent copy to `path`, readable by its owner alone, while others read and write.
    /// It is durable on return.
    ///
    /// # Errors
    /// When `path` exists already, or cannot be written; an unfinished copy is removed.
    pub fn backup_into(&self, path: &Path) -> Result<(), StoreError> {
        let target = path.to_str().ok_or_else(|| StoreError::Path { path: path.to_path_buf() })?;
        create_private(path)?;
        let file_failed = |doing| move |source| StoreError::File { doing, path: path.to_path_buf(), source };
        // Not within a transaction, as VACUUM demands; it reads one snapshot by itself.
        if let Err(source) = self.connection.execute("VACUUM INTO ?1", [target]) {
            std::fs::remove_file(path).map_err(file_failed("remove the unfinished backup"))?;
            return Err(failed(path, "write a backup", source));
        }
        File::open(path).and_then(|file| file.sync_all()).map_err(file_failed("sync the backup"))?;
        sync_directory_of(path)
    }

    /// Looks through the whole file for damage: its pages, its keys and its sums. Each finding is a
    /// sentence for the person on duty; none means sound. Reads everything, so it takes its time.
    ///
    /// # Errors
    /// When the file cannot even be read that far.
    pub fn check(&self) -> Result<Vec<String>, StoreError> {
        self.read("check the database", |connection| {
            let mut findings = list(connection, "PRAGMA quick_check", [], |row| row.get::<_, String>(0))?;
            findings.retain(|finding| finding != "ok");
            findings.extend(dangling_keys(connection)?);
            let sums = include_str!("sql/find_sums_that_differ.sql");
            findings.extend(list(connection, sums, [], |row| {
                Ok(format!("site {}: {}", row.get::<_, String>(0)?, row.get::<_, String>(1)?))
            })?);
            Ok(findings)
        })
    }

    /// How many bytes the database and its write-ahead log take on disk.
    ///
    /// # Errors
    /// When the files cannot be looked at.
    pub fn bytes(&self) -> Result<u64, StoreError> {
        let mut log = self.path.clone().into_os_string();
        log.push("-wal");
        Ok(file_bytes(&self.path)?.saturating_add(file_bytes(&PathBuf::from(log))?))
    }
}

fn dangling_keys(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    list(connection, "PRAGMA foreign_key_check", [], |row| {
        let (table, parent): (String, String) = (row.get("table")?, row.get("parent")?);
        Ok(format!("a row of {table} belongs to no row of {parent}"))
    })
}

/// The file's size; 0 for one that is not there.
fn file_bytes(path: &Path) -> Result<u64, StoreError> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(source) => Err(StoreError::File { doing: "look at", path: path.to_path_buf(), source }),
    }
}
