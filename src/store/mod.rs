//! The store: what this node keeps, in one `SQLite` file that anybody can read with `sqlite3`.
//!
//! The journal is the truth and the store is a fold of it: [`Store::apply`] writes changed rows and
//! the journal offsets they came from in one transaction, so that after any crash both stand at the
//! same record and nothing is counted twice or forgotten.
//!
//! # What it promises
//! - Counted values only grow. What an adjustment adds or takes away is a value of its own, and no
//!   adjustment may take a shown number below zero.
//! - Every row carries the [`Sequence`] of the transaction that changed it last.
//! - A failed call (full disk, failing disk, a lock held by somebody else) changes nothing and
//!   leaves the store usable.
//! - A file of a newer schema, of another program or with damage is refused by name, not guessed at.
//!
//! # Durability
//! The file is in WAL mode. With `synchronous_full` a returned call survives a power cut. Without it
//! (`synchronous=NORMAL`) a power cut may take back the last transactions, each of them whole: rows
//! and offsets go back together, and the journal's records beyond those offsets are folded again. That
//! holds only as long as the journal still has these records. So before streams are forgotten:
//! 1. [`Store::checkpoint`] makes everything applied durable,
//! 2. the journal removes the files and syncs its directory,
//! 3. [`Store::forget_streams`] drops their offsets. In any other order a crash in between could
//!    leave a stream without its offset, and it would be folded a second time.
//!
//! # What it does not know
//! Clocks, time zones, visits, memory, the journal's format and Redis. Schema and statements lie in
//! `.sql` files beside this one; a released migration is never edited, a change of schema is a new file.

mod adjust;
mod apply;
mod backup;
mod batch;
mod column;
mod details;
mod edges;
mod import;
#[cfg(test)]
mod model;
mod read;
mod reason;
mod schema;
mod shared;
mod upkeep;

use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

pub use adjust::{AdjustError, Adjustment, Scope};
pub use backup::{put_streams, take_streams};
pub use batch::{Batch, Brought, Earlier, InForce, Source};
pub use edges::EdgeSecond;
pub use import::{ImportBatch, ImportLog, LeftOut, Span};
pub use read::{DayRow, DetailDayRow, PageDayRow, SiteRow, UndatedRow};
pub use reason::{Reason, ReasonError};
pub use upkeep::{Prune, Pruned};

use crate::words::StreamId;

/// Steps of the database engine between two signs of life: some milliseconds.
const PROGRESS_STEPS: i32 = 100_000;

/// The number of the transaction that changed a row last; later transactions have higher numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

/// What the store is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// The database file; its directory must exist.
    pub path: PathBuf,
    /// Whether a returned call survives a power cut, not only the death of the process.
    pub synchronous_full: bool,
    /// How many pages of a site get rows of their own; all later ones count for `(other)`.
    pub pages_per_site: u32,
    /// How many values of one dimension get rows of their own on one day of a site; all later ones
    /// count for `(other)`.
    pub details_per_day: u32,
}

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused something about a file.
    #[error("cannot {doing} {path}")]
    File {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// A path that `SQLite` cannot be told.
    #[error("the path {path} is not valid UTF-8, which SQLite needs")]
    Path {
        /// The path.
        path: PathBuf,
    },
    /// Not an `SQLite` file at all.
    #[error("{path} is not an SQLite database; move it away or restore a backup")]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// A database, but of another program.
    #[error("{path} is a database of another program (application id {found:#010x}); move it away")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it says it is.
        found: i32,
    },
    /// Written by a newer headcount.
    #[error("{path} has schema version {found}, and this headcount knows up to {known}; use a newer one")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: usize,
        /// The newest version known here.
        known: usize,
    },
    /// Opened only for reading, and not brought to this version yet.
    #[error("{path} has schema version {found}, and this headcount reads {known}; start the daemon once")]
    Older {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: usize,
        /// The version read here.
        known: usize,
    },
    /// Somebody else has locked the file for longer than we wait.
    #[error("cannot {doing} in {path}: another program keeps it locked; close that one")]
    Busy {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What `SQLite` said.
        source: rusqlite::Error,
    },
    /// The file system cannot share memory between processes, which WAL mode needs.
    #[error("{path} cannot be put into WAL mode (it stays in {mode}); use a local file system")]
    NoWal {
        /// The file.
        path: PathBuf,
        /// The mode it is in.
        mode: String,
    },
    /// The file's content contradicts itself.
    #[error("{path} is damaged (found when trying to {doing}); restore a backup")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What it said.
        source: rusqlite::Error,
    },
    /// No room; nothing was changed, and the same call may succeed later.
    #[error("cannot {doing}: no space left for {path}")]
    Full {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What it said.
        source: rusqlite::Error,
    },
    /// Anything else that `SQLite` reports; nothing was changed.
    #[error("cannot {doing} in {path}")]
    Failed {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What it said.
        source: rusqlite::Error,
    },
    /// A stream was said to be applied less far than it is known to be; nothing was changed.
    #[error("stream {stream} cannot be taken back to offset {offset}: its records are in the rows already")]
    OffsetBack {
        /// The stream.
        stream: StreamId,
        /// The offset that was given.
        offset: u64,
    },
    /// A part of a log does not go on where the log stands; nothing was changed.
    #[error(
        "this part of the log begins at byte {from}, but the log is counted up to byte {stands_at}: another import of it is under way"
    )]
    ImportMoved {
        /// Up to where it is counted.
        stands_at: u64,
        /// Where the part begins.
        from: u64,
    },
    /// A reader held an old snapshot until patience ended: not all is durable yet, ask again later.
    #[error("the write-ahead log of {path} is being read, so it could not be emptied yet")]
    CheckpointBusy {
        /// The file.
        path: PathBuf,
    },
}

impl StoreError {
    /// Whether the file itself is at fault: damaged, foreign, or of a later release.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            StoreError::NotADatabase { .. }
                | StoreError::Foreign { .. }
                | StoreError::Newer { .. }
                | StoreError::Damaged { .. }
                | StoreError::OffsetBack { .. }
        )
    }
}

/// What this node keeps.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    limits: Limits,
    other_details: u64,
}

/// How many rows there may be.
#[derive(Clone, Copy, Debug, Default)]
struct Limits {
    pages_per_site: u32,
    details_per_day: u32,
}

impl Store {
    /// Opens the file, making it (readable by its owner alone) or bringing its schema up to date first.
    ///
    /// # Errors
    /// When the file cannot be made or opened, is not a database, belongs to another program, is
    /// damaged, or was written by a newer headcount.
    pub fn open(options: &Options) -> Result<Store, StoreError> {
        let connection = schema::open(&options.path, options.synchronous_full)?;
        let Options { pages_per_site, details_per_day, .. } = *options;
        let limits = Limits { pages_per_site, details_per_day };
        Ok(Store { connection, path: options.path.clone(), limits, other_details: 0 })
    }

    /// Opens an existing file for reading, beside a process that writes it or alone. Whatever would
    /// write fails; [`Store::backup_into`] does not write here and works.
    ///
    /// # Errors
    /// As [`Store::open`], and when the file has not been brought to this version yet.
    pub fn open_read_only(path: &Path) -> Result<Store, StoreError> {
        let connection = schema::open_read_only(path)?;
        Ok(Store { connection, path: path.to_path_buf(), limits: Limits::default(), other_details: 0 })
    }

    /// An empty store that is gone with its owner, to try something on.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn in_memory(pages_per_site: u32) -> Result<Store, StoreError> {
        let path = PathBuf::from(":memory:");
        let connection =
            schema::in_memory().map_err(|source| failed(&path, "make an empty database", source))?;
        let limits = Limits { pages_per_site, ..Limits::default() };
        Ok(Store { connection, path, limits, other_details: 0 })
    }

    /// Calls `beat` every now and then while a statement runs: whoever watches over this thread can tell
    /// long work from a hang.
    pub fn on_progress(&mut self, beat: impl Fn() + Send + 'static) {
        let watch = move || {
            beat();
            // Never ask the statement to end.
            false
        };
        // It only fails on a connection that has been closed, and this one is open as long as we are.
        self.connection.progress_handler(PROGRESS_STEPS, Some(watch)).ok();
    }

    /// Runs `work` on one snapshot of the file.
    fn read<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let read = || work(&*self.connection.unchecked_transaction()?);
        read().map_err(|source| failed(&self.path, doing, source))
    }

    /// Runs `work` in one transaction, which is kept when it succeeds and leaves no trace otherwise.
    fn write<T, R: From<StoreError>>(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Halt<R>>,
    ) -> Result<T, R> {
        let write = || {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        };
        write().map_err(|halt| match halt {
            Halt::Sql(source) => R::from(failed(&self.path, doing, source)),
            Halt::Refused(refusal) => refusal,
        })
    }
}

/// Why a transaction was given up: `SQLite` failed, or what it found there forbids it.
enum Halt<R> {
    Sql(rusqlite::Error),
    Refused(R),
}

impl<R> From<rusqlite::Error> for Halt<R> {
    fn from(error: rusqlite::Error) -> Halt<R> {
        Halt::Sql(error)
    }
}

/// Says which file `SQLite` failed on, and what that means.
fn failed(path: &Path, doing: &'static str, source: rusqlite::Error) -> StoreError {
    let path = path.to_path_buf();
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => StoreError::NotADatabase { path },
        Some(ErrorCode::DatabaseCorrupt) => StoreError::Damaged { path, doing, source },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy { path, doing, source },
        Some(ErrorCode::DiskFull) => StoreError::Full { path, doing, source },
        _ => StoreError::Failed { path, doing, source },
    }
}
