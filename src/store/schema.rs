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
const MIGRATIONS: &[&str] = &[include_str!("migrations/001_create_tables.sql")];

/// "HCNT" in ASCII: what `file` and we know our databases by.
const APPLICATION_ID: i32 = 0x4843_4e54;

/// How long to wait for somebody else's lock: an admin's `sqlite3`, a backup's first moment.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

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

/// Makes an empty file that its owner alone may read, and makes its name durable. SQLite gives the
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
