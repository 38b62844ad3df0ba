//! Opening the file: who wrote it, which schema it has, and bringing that up to date.
//!
//! The file says in its header whose it is (`application_id`) and how far it was migrated
//! (`user_version`). Both are looked at before anything is written, so that a foreign or newer file
//! stays as it was. Each migration is one transaction together with its version number.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{StoreError, failed};

/// The schema's history, oldest first: file `n` brings version `n - 1` to version `n`.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/001_create_tables.sql"),
    include_str!("migrations/002_add_details.sql"),
    include_str!("migrations/003_add_imports.sql"),
    include_str!("migrations/004_adjust_pages.sql"),
    include_str!("migrations/005_add_others.sql"),
    include_str!("migrations/006_span_imports.sql"),
    include_str!("migrations/007_keep_edges.sql"),
];

/// "HCNT" in ASCII: what `file` and we know our databases by.
const APPLICATION_ID: i32 = 0x4843_4e54;

/// How long to wait for somebody else's lock: an admin's `sqlite3`, a backup's first moment.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// All of our statements stay prepared; there are about forty.
const STATEMENTS_KEPT: usize = 64;

/// What the write-ahead log is cut back to once it has been emptied: several checkpoints' worth.
const WAL_BYTES_KEPT: i64 = 16 * 1024 * 1024;

/// Opens `path` for writing, making or migrating it first.
pub(super) fn open(path: &Path, synchronous_full: bool) -> Result<Connection, StoreError> {
    if !path.exists() {
        create_private(path)?;
    }
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let version = version(&connection, path, MIGRATIONS.len())?;
    configure(&connection, path, synchronous_full)?;
    migrate(&mut connection, version, MIGRATIONS)
        .map_err(|e| failed(path, "bring the schema up to date", e))?;
    Ok(connection)
}

/// Opens `path` for reading; it must have the newest schema known here.
pub(super) fn open_read_only(path: &Path) -> Result<Connection, StoreError> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let (found, known) = (version(&connection, path, MIGRATIONS.len())?, MIGRATIONS.len());
    if found < known {
        return Err(StoreError::Older { path: path.to_path_buf(), found, known });
    }
    Ok(connection)
}

/// An empty database in memory.
pub(super) fn in_memory() -> rusqlite::Result<Connection> {
    let mut connection = Connection::open_in_memory()?;
    migrate(&mut connection, 0, MIGRATIONS)?;
    Ok(connection)
}

/// Looks whether `path` is a database of headcount that this release can open, of whatever version: the next
/// start brings it up to date.
pub(super) fn check(path: &Path) -> Result<(), StoreError> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    match version(&connection, path, MIGRATIONS.len())? {
        0 => Err(StoreError::NotADatabase { path: path.to_path_buf() }),
        _ => Ok(()),
    }
}

/// Makes an empty file that its owner alone may read, and makes its name durable. `SQLite` gives the
/// files that it puts beside it the same mode.
pub(super) fn create_private(path: &Path) -> Result<(), StoreError> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.map_err(|source| StoreError::File { doing: "create", path: path.to_path_buf(), source })?;
    sync_directory_of(path)
}

/// Makes the names of the files beside `path` durable.
pub(super) fn sync_directory_of(path: &Path) -> Result<(), StoreError> {
    let directory = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    let synced = File::open(directory).and_then(|file| file.sync_all());
    synced.map_err(|source| StoreError::File {
        doing: "sync directory",
        path: directory.to_path_buf(),
        source,
    })
}

fn connect(path: &Path, access: OpenFlags) -> Result<Connection, StoreError> {
    let connect = || {
        let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        Ok(connection)
    };
    connect().map_err(|source| failed(path, "open the database", source))
}

/// The schema version of the file: 0 for one that is still empty.
fn version(connection: &Connection, path: &Path, known: usize) -> Result<usize, StoreError> {
    let read = || {
        let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let version: usize = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let tables: u64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        Ok((application, version, tables))
    };
    match read().map_err(|source| failed(path, "read the schema version", source))? {
        (0, 0, 0) => Ok(0),
        (APPLICATION_ID, found, _) if found > known => {
            Err(StoreError::Newer { path: path.to_path_buf(), found, known })
        }
        (APPLICATION_ID, found, _) => Ok(found),
        (found, _, _) => Err(StoreError::Foreign { path: path.to_path_buf(), found }),
    }
}

fn configure(connection: &Connection, path: &Path, synchronous_full: bool) -> Result<(), StoreError> {
    let synchronous = if synchronous_full { "FULL" } else { "NORMAL" };
    let configure = || {
        connection.pragma_update(None, "synchronous", synchronous)?;
        // One writer makes every key in the transaction that uses it; `check` proves them all. Asking
        // again for each of some thousand page rows a second would only cost.
        connection.pragma_update(None, "foreign_keys", false)?;
        connection.query_row(&format!("PRAGMA journal_size_limit = {WAL_BYTES_KEPT}"), [], |_| Ok(()))?;
        connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0))
    };
    match configure().map_err(|source| failed(path, "configure the database", source))? {
        mode if mode == "wal" => Ok(()),
        mode => Err(StoreError::NoWal { path: path.to_path_buf(), mode }),
    }
}

/// Applies what `migrations` has beyond `version`.
fn migrate(connection: &mut Connection, version: usize, migrations: &[&str]) -> rusqlite::Result<()> {
    for (earlier, sql) in migrations.iter().enumerate().skip(version) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", earlier + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    use crate::rows::RowChanges;
    use crate::store::model::{options, site};
    use crate::store::{Options, Store};

    fn in_directory(check: impl FnOnce(&Options)) {
        let directory = tempfile::tempdir().expect("a directory");
        check(&options(directory.path(), 10));
    }

    fn written_by(path: &Path, sql: &str) {
        Connection::open(path).and_then(|other| other.execute_batch(sql)).expect("another program");
    }

    fn refusal(options: &Options) -> StoreError {
        Store::open(options).expect_err("must be refused")
    }

    #[test]
    fn a_new_file_and_those_beside_it_are_for_the_owner_alone() {
        in_directory(|options| {
            let _store = Store::open(options).expect("open");
            for suffix in ["", "-wal", "-shm"] {
                let path = format!("{}{suffix}", options.path.display());
                let mode = std::fs::metadata(&path).expect("a file").permissions().mode();
                assert_eq!(mode & 0o777, 0o600, "{path}");
            }
        });
    }

    #[test]
    fn an_empty_file_is_a_new_database() {
        in_directory(|options| {
            File::create(&options.path).expect("an empty file");
            assert_eq!(Store::open(options).expect("open").site_ids().expect("read"), []);
        });
    }

    #[test]
    fn the_file_names_its_owner_and_version() {
        in_directory(|options| {
            drop(Store::open(options).expect("open"));
            let connection = Connection::open(&options.path).expect("open");
            let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
            assert_eq!(pragma("application_id"), Ok(APPLICATION_ID));
            assert_eq!(pragma("user_version"), Ok(i32::try_from(MIGRATIONS.len()).expect("few")));
        });
    }

    #[test]
    fn synchronous_is_full_only_when_asked() {
        for (synchronous_full, level) in [(false, 1), (true, 2)] {
            in_directory(|options| {
                let store = Store::open(&Options { synchronous_full, ..options.clone() }).expect("open");
                let found =
                    store.connection.pragma_query_value(None, "synchronous", |row| row.get::<_, i32>(0));
                assert_eq!(found, Ok(level));
            });
        }
    }

    #[test]
    fn a_newer_schema_is_refused_with_both_versions_and_left_alone() {
        in_directory(|options| {
            drop(Store::open(options).expect("open"));
            written_by(&options.path, "PRAGMA user_version = 99");
            let before = std::fs::read(&options.path).expect("bytes");
            let text = refusal(options).to_string();
            for part in ["99", &MIGRATIONS.len().to_string(), "headcount.db"] {
                assert!(text.contains(part), "{text} lacks {part}");
            }
            assert!(matches!(Store::open_read_only(&options.path), Err(StoreError::Newer { .. })));
            assert_eq!(std::fs::read(&options.path).expect("bytes"), before);
        });
    }

    #[test]
    fn a_database_of_another_program_is_refused() {
        for sql in ["CREATE TABLE hits (n)", "PRAGMA application_id = 7; CREATE TABLE hits (n)"] {
            in_directory(|options| {
                written_by(&options.path, sql);
                assert!(matches!(refusal(options), StoreError::Foreign { .. }), "{sql}");
            });
        }
    }

    #[test]
    fn what_is_no_database_is_refused() {
        in_directory(|options| {
            std::fs::write(&options.path, "listen = [\"127.0.0.1:8080\"]\n".repeat(99)).expect("write");
            assert!(matches!(refusal(options), StoreError::NotADatabase { .. }));
        });
    }

    #[test]
    fn a_file_that_was_cut_short_is_refused_as_damaged() {
        in_directory(|options| {
            drop(Store::open(options).expect("open"));
            let file = OpenOptions::new().write(true).open(&options.path).expect("open");
            file.set_len(4096 * 3).expect("cut");
            assert!(matches!(refusal(options), StoreError::Damaged { .. }));
        });
    }

    #[test]
    fn a_missing_directory_and_a_directory_in_the_place_of_the_file_are_errors() {
        in_directory(|options| {
            let path = options.path.join("deeper");
            assert!(matches!(refusal(&Options { path, ..options.clone() }), StoreError::File { .. }));
            std::fs::create_dir(&options.path).expect("a directory");
            assert!(matches!(refusal(options), StoreError::Failed { .. }));
        });
    }

    #[test]
    fn reading_needs_an_existing_file_of_this_version_and_never_writes() {
        in_directory(|options| {
            assert!(Store::open_read_only(&options.path).is_err());
            assert!(!options.path.exists());
            File::create(&options.path).expect("an empty file");
            assert!(matches!(Store::open_read_only(&options.path), Err(StoreError::Older { .. })));
            drop(Store::open(options).expect("open"));
            let mut reader = Store::open_read_only(&options.path).expect("open");
            let written = reader.apply(&RowChanges::default(), &[]);
            assert!(matches!(written, Err(StoreError::Failed { .. })));
        });
    }

    /// What a second version might do to the first: a new column, filled from others.
    const SECOND: &str =
        "ALTER TABLE site ADD COLUMN name TEXT NOT NULL DEFAULT ''; UPDATE site SET name = id;";

    #[test]
    fn an_older_file_is_brought_up_to_date_with_its_rows() {
        in_directory(|options| {
            let mut connection = Connection::open(&options.path).expect("open");
            migrate(&mut connection, 0, &MIGRATIONS[..1]).expect("the first release");
            connection
                .execute_batch("INSERT INTO site (id, views, sequence) VALUES ('vks', 7, 1)")
                .expect("a row of the first release");
            let found = version(&connection, &options.path, 2).expect("a version");
            assert_eq!(found, 1);
            migrate(&mut connection, found, &[MIGRATIONS[0], SECOND]).expect("the second release");
            let row = connection.query_row("SELECT views, name FROM site", [], |row| {
                Ok((row.get::<_, u64>(0)?, row.get::<_, String>(1)?))
            });
            assert_eq!(row, Ok((7, "vks".to_owned())));
            assert_eq!(version(&connection, &options.path, 2).expect("a version"), 2);
        });
    }

    #[test]
    fn a_migration_that_fails_leaves_the_version_before_it() {
        in_directory(|options| {
            let mut connection = Connection::open(&options.path).expect("open");
            let broken = "CREATE TABLE half (n); INSERT INTO nowhere VALUES (1)";
            assert!(migrate(&mut connection, 0, &[MIGRATIONS[0], broken]).is_err());
            assert_eq!(version(&connection, &options.path, 2).expect("a version"), 1);
            assert!(connection.prepare("SELECT * FROM half").is_err());
            migrate(&mut connection, 1, &[MIGRATIONS[0], SECOND]).expect("once it is mended");
        });
    }

    #[test]
    fn a_database_of_the_first_release_opens() {
        in_directory(|options| {
            let mut connection = Connection::open(&options.path).expect("open");
            migrate(&mut connection, 0, &MIGRATIONS[..1]).expect("the first release");
            let row = "INSERT INTO site (id, views, sequence) VALUES ('vks', 7, 1)";
            connection.execute_batch(row).expect("a row of the first release");
            drop(connection);
            let store = Store::open(options).expect("open");
            let row = store.site(&site("vks")).expect("read").expect("a row");
            assert_eq!(row.total.views, 7);
        });
    }
}
