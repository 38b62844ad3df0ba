//! Keeping the file in order: retention, removal of a site, checkpoints, backups, checks.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::{Batch, Connection, named_params};

use super::apply::find_site;
use super::read::list;
use super::schema::{create_private, sync_directory_of};
use super::{Store, StoreError, failed};
use crate::details::Dimension;
use crate::words::{Day, SiteId};

/// One small step of retention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prune {
    /// Pages and details of days before this one go.
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
    /// Rows of what reports tell apart that went.
    pub detail_days: usize,
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
            let rows_max = usize::try_from(plan.rows_max).unwrap_or(usize::MAX);
            let page_days = delete_page_days(transaction, plan.details_before, rows_max)?;
            let left = rows_max.saturating_sub(page_days);
            let detail_days = delete_detail_days(transaction, plan.details_before, left)?;
            let left = left.saturating_sub(detail_days);
            let minutes = delete_minutes(transaction, plan.minutes_before, left)?;
            Ok(Pruned { page_days, detail_days, minutes, more: minutes >= left })
        })
    }

    /// Deletes everything that is kept of a site, its adjustments too; whether there was anything.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn remove_site(&mut self, id: &SiteId) -> Result<bool, StoreError> {
        self.write("remove a site", |transaction| {
            let Some(site) = find_site(transaction, id)? else { return Ok(false) };
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

// Keys are looked up first and deleted one by one: in one statement the planner finds the rows by
// their site alone, and reads all of its days for every step.

fn delete_page_days(connection: &Connection, before: Day, rows_max: usize) -> rusqlite::Result<usize> {
    let bound = named_params! { ":before": before, ":rows_max": rows_max };
    let old: Vec<(i64, Day, i64)> =
        list(connection, include_str!("sql/find_old_page_days.sql"), bound, |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    let mut deletion = connection.prepare_cached(include_str!("sql/delete_page_day.sql"))?;
    for (site, day, page) in &old {
        deletion.execute(named_params! { ":site": site, ":day": day, ":page": page })?;
    }
    Ok(old.len())
}

fn delete_detail_days(connection: &Connection, before: Day, rows_max: usize) -> rusqlite::Result<usize> {
    let bound = named_params! { ":before": before, ":rows_max": rows_max };
    let old: Vec<(i64, Day, Dimension, String)> =
        list(connection, include_str!("sql/find_old_detail_days.sql"), bound, |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?;
    let mut deletion = connection.prepare_cached(include_str!("sql/delete_detail_day.sql"))?;
    for (site, day, dimension, value) in &old {
        let key = named_params! { ":site": site, ":day": day, ":dimension": dimension, ":value": value };
        deletion.execute(key)?;
    }
    Ok(old.len())
}

fn delete_minutes(connection: &Connection, before: u64, rows_max: usize) -> rusqlite::Result<usize> {
    let bound = named_params! { ":before": before, ":rows_max": rows_max };
    let old: Vec<(i64, u64)> = list(connection, include_str!("sql/find_old_minutes.sql"), bound, |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    let mut deletion = connection.prepare_cached(include_str!("sql/delete_minute.sql"))?;
    for (site, minute) in &old {
        deletion.execute(named_params! { ":site": site, ":minute": minute })?;
    }
    Ok(old.len())
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    use crate::details::Details;
    use crate::rows::{Addition, RowChanges};
    use crate::store::Options;
    use crate::store::model::{options, site};
    use crate::words::{PagePath, Tally};

    const DAY: Day = Day(20_779);

    fn plenty(directory: &Path) -> Options {
        Options { details_per_day: 1_000, ..options(directory, 1_000) }
    }

    fn with_store(check: impl FnOnce(&mut Store, &Path)) {
        let directory = tempfile::tempdir().expect("a directory");
        let mut store = Store::open(&plenty(directory.path())).expect("open");
        check(&mut store, directory.path());
    }

    /// One view of `pages` pages on `DAY` and on the day after, for each of `sites`.
    fn views(sites: &[&str], pages: u64) -> RowChanges {
        let mut changes = RowChanges::default();
        for (id, n) in sites.iter().flat_map(|id| (0..pages).map(move |n| (id, n))) {
            let page = PagePath::from_folded(&format!("/{n}"));
            for (day, minute) in [(DAY, n), (DAY.next(), 1_440 + n)] {
                let tally = Tally { views: 1, visits: 0 };
                let site = changes.site(&site(id));
                site.add(&Addition { day, minute, page: Some(page.as_str()), tally });
                let details = Details { campaign: Some(page.as_str()), ..Details::default() };
                site.details.add(day, &details, tally);
            }
        }
        changes
    }

    #[test]
    fn retention_goes_in_small_steps_and_leaves_calendar_and_page_sums() {
        with_store(|store, _| {
            store.apply(&views(&["a", "b"], 10), &[]).expect("apply");
            let plan = Prune { details_before: DAY.next(), minutes_before: 1_440, rows_max: 15 };
            let step = |store: &mut Store| store.prune(&plan).expect("prune");
            let pruned =
                |page_days, detail_days, minutes, more| Pruned { page_days, detail_days, minutes, more };
            assert_eq!(step(store), pruned(15, 0, 0, true));
            assert_eq!(step(store), pruned(5, 10, 0, true));
            assert_eq!(step(store), pruned(0, 10, 5, true));
            assert_eq!(step(store), pruned(0, 0, 15, true));
            assert_eq!(step(store), Pruned::default());
            for id in [site("a"), site("b")] {
                assert_eq!(store.days(&id, DAY, DAY.next()).expect("read").len(), 2);
                assert_eq!(store.page_days(&id, DAY, DAY.next()).expect("read").len(), 10);
                assert_eq!(store.detail_days(&id, DAY, DAY.next()).expect("read").len(), 10);
                assert_eq!(store.minutes(&id, 0).expect("read").len(), 10);
                assert!(store.pages(&id).expect("read").iter().all(|(_, tally)| tally.views == 2));
            }
            assert_eq!(store.check().expect("read"), Vec::<String>::new());
        });
    }

    #[test]
    fn a_removed_site_leaves_nothing_and_the_others_alone() {
        with_store(|store, _| {
            store.apply(&views(&["a", "b"], 3), &[]).expect("apply");
            assert!(store.remove_site(&site("a")).expect("remove"));
            assert!(!store.remove_site(&site("a")).expect("remove"));
            assert_eq!(store.site_ids().expect("read"), [site("b")]);
            for table in ["day", "minute", "page", "page_day", "detail_day"] {
                let sql = format!("SELECT count(*) FROM {table} WHERE site = 1");
                let left = store.connection.query_row(&sql, [], |row| row.get::<_, i64>(0));
                assert_eq!(left, Ok(0), "{table}");
            }
            assert_eq!(store.pages(&site("b")).expect("read").len(), 3);
            assert_eq!(store.check().expect("read"), Vec::<String>::new());
        });
    }

    #[test]
    fn a_backup_is_a_whole_database_for_its_owner_alone() {
        with_store(|store, directory| {
            store.apply(&views(&["a"], 5), &[]).expect("apply");
            let (one, two) = (directory.join("one.db"), directory.join("two.db"));
            store.backup_into(&one).expect("backup");
            // Beside the one that serves, as the command does.
            let reader = Store::open_read_only(&store.path).expect("open");
            reader.backup_into(&two).expect("backup");
            store.apply(&views(&["a"], 5), &[]).expect("apply goes on");
            for path in [one, two] {
                let mode = std::fs::metadata(&path).expect("a file").permissions().mode();
                assert_eq!(mode & 0o777, 0o600);
                let mut changed = options(directory, 1_000);
                changed.path = path;
                let copy = Store::open(&changed).expect("open");
                let row = copy.site(&site("a")).expect("read").expect("a row");
                assert_eq!((row.total.views, row.pages), (10, 5));
                assert_eq!(copy.sequence().expect("read").0, 1);
                assert_eq!(copy.check().expect("read"), Vec::<String>::new());
            }
        });
    }

    #[test]
    fn long_work_gives_signs_of_life() {
        with_store(|store, _| {
            let beats = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
            let counter = std::sync::Arc::clone(&beats);
            store.on_progress(move || {
                counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            });
            let long = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) \
                        SELECT count(*) FROM n";
            let rows: i64 = store.connection.query_row(long, [], |row| row.get(0)).expect("is counted");
            assert_eq!(rows, 200_000, "nothing is broken off");
            assert!(beats.load(std::sync::atomic::Ordering::Relaxed) > 10);
        });
    }

    #[test]
    fn a_backup_refuses_an_existing_file_and_leaves_it_alone() {
        with_store(|store, directory| {
            let path = directory.join("precious");
            std::fs::write(&path, "").expect("write");
            assert!(matches!(store.backup_into(&path), Err(StoreError::File { doing: "create", .. })));
            assert!(matches!(store.backup_into(&directory.join("none/x")), Err(StoreError::File { .. })));
            assert_eq!(std::fs::read(&path).expect("read"), b"");
        });
    }

    #[test]
    fn a_backup_that_fails_leaves_no_file() {
        with_store(|store, directory| {
            store.connection.execute_batch("BEGIN").expect("vacuum cannot run within a transaction");
            let path = directory.join("copy.db");
            assert!(matches!(store.backup_into(&path), Err(StoreError::Failed { .. })));
            assert!(!path.exists());
        });
    }

    #[test]
    fn a_checkpoint_moves_everything_into_the_database() {
        with_store(|store, directory| {
            store.apply(&views(&["a"], 5), &[]).expect("apply");
            store.checkpoint().expect("checkpoint");
            let log = file_bytes(&directory.join("headcount.db-wal")).expect("look");
            assert_eq!(log, 0);
            assert_eq!(store.bytes().expect("look"), file_bytes(&store.path).expect("look"));
            // What a power cut leaves of a log that was never synced: nothing.
            let copy = options(&directory.join("."), 10).path.with_file_name("cut.db");
            std::fs::copy(&store.path, &copy).expect("copy");
            let after = Store::open_read_only(&copy).expect("open");
            assert_eq!(after.site(&site("a")).expect("read").expect("a row").total.views, 10);
        });
    }

    #[test]
    fn a_reader_of_an_older_state_puts_a_checkpoint_off() {
        with_store(|store, _| {
            store.connection.busy_timeout(std::time::Duration::ZERO).expect("no patience");
            let reader = Connection::open(&store.path).expect("open");
            reader.execute_batch("BEGIN; SELECT * FROM site").expect("a snapshot");
            store.apply(&views(&["a"], 5), &[]).expect("apply does not wait for readers");
            assert!(matches!(store.checkpoint(), Err(StoreError::CheckpointBusy { .. })));
            reader.execute_batch("COMMIT").expect("an end");
            store.checkpoint().expect("checkpoint");
        });
    }

    #[test]
    fn a_check_finds_sums_and_keys_that_somebody_broke() {
        with_store(|store, _| {
            store.apply(&views(&["a"], 2), &[]).expect("apply");
            let broken = "UPDATE day SET views = views + 1; DELETE FROM page WHERE path = '/1'";
            store.connection.execute_batch(broken).expect("by hand");
            let findings = store.check().expect("read").join("\n");
            for part in ["page_day belongs to no row of page", "sum of its days", "number of its pages"] {
                assert!(findings.contains(part), "{findings}");
            }
        });
    }

    #[test]
    fn damage_in_the_middle_is_found_and_named() {
        with_store(|store, directory| {
            store.apply(&views(&["a"], 900), &[]).expect("apply");
            store.checkpoint().expect("checkpoint");
            let path = directory.join("damaged.db");
            let mut bytes = std::fs::read(&store.path).expect("read");
            let middle = bytes.len() / 2;
            bytes[middle..middle + 8_192].fill(0xaa);
            std::fs::write(&path, bytes).expect("write");
            let damaged = Store::open_read_only(&path).expect("its first pages are sound");
            match damaged.check() {
                Ok(findings) => assert_ne!(findings, Vec::<String>::new()),
                Err(error) => assert!(matches!(error, StoreError::Damaged { .. }), "{error}"),
            }
        });
    }
}
