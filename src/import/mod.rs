//! Counting from a server's log.
//!
//! A log is one more stream of what happened. Its lines are views at their own time, told apart by the same
//! ids, visits and robots as beacons ([`crate::visitor`], [`crate::rows`]), and added up to the same rows. It
//! writes nothing into the journal: the log itself is the truth, and how far it is counted stands beside the
//! rows, in the same transaction. So a log that is imported twice counts once, one that has grown counts its
//! new lines, and an import that is cut off anywhere goes on there.
//!
//! # The name of a log
//! A log has no name of its own: rotation renames it and compresses it. It is known by hashes of its first
//! lines, up to the end of each of the first 64 ([`HEAD_LINES`]): two logs are the same as far as the shorter
//! of the two heads tells, so a log that was short when it was first read keeps its name. Where an import goes
//! on, the line before must be the one that it ended with; a log that was replaced meanwhile is refused.
//!
//! Logs that were joined or cut anew are others by that name. What they tell again is left out by its time, and
//! near the edges of a log view by view.
//!
//! # Secrets
//! Days of the past get salts of their own, which lie in a file of their own until somebody says that no more
//! of them will come ([`Desk::finish`]). Of today, and of a day just over, the salt of beacons is taken, so
//! that both know one reader by one id; it is erased at its own time.
//!
//! The room reads files and asks a [`Desk`]; it knows neither socket nor command.

mod beside;
mod counter;
mod cover;
mod desk;
mod edge;
mod follow;
mod judge;
mod order;
mod outcome;
mod own;
mod place;
mod source;
mod wire;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

pub use beside::follow_file;
pub use counter::{Counter, Options};
pub use desk::{Begun, DaySalt, Desk, DeskError, Finished, OwnDesk};
pub use follow::Follow;
pub use outcome::{Outcome, Summary};
pub use own::Own;
pub use source::{HEAD_LINES, Progress};
pub use wire::{BATCH_BYTES_MAX, decode, encode};

use crate::beacon::log::LogError;
use crate::words::UnixMillis;
use source::{FirstLine, Source};

/// Lines between two batches: dozens a second. A batch is one transaction, at worst of 3 MiB, during which the daemon
/// folds nothing: also a disk that writes 1 MiB a second is done with it well before the watchdog asks.
const BATCH_LINES: u64 = 25_000;
/// A file whose first lines are all no lines of an access log is none.
const UNREADABLE_LINES_MAX: u64 = 1_000;

/// Why a log was not counted, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The system refused something about a file.
    #[error("cannot {doing} {}: {source}", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Only a file that grows can be followed.
    #[error("{} is no plain file, so it cannot be followed; import it without --follow", path.display())]
    NotPlain {
        /// The file.
        path: PathBuf,
    },
    /// Nothing in it is a line of an access log.
    #[error(
        "{file} is no access log in the common or combined format; its first line: {cause}. Nothing of it was counted"
    )]
    NoLog {
        /// The file.
        file: String,
        /// What is wrong with the first line.
        cause: LogError,
    },
    /// It begins like a log that was counted before and goes on differently.
    #[error(
        "{file} is not what it was: up to byte {position} it was counted before, and the line that ends there is another now. Nothing new of it was counted"
    )]
    Replaced {
        /// The file.
        file: String,
        /// Up to where it was counted.
        position: u64,
    },
    /// It goes back to its own beginning.
    #[error(
        "line {line} of {file} is the first one once more: the log begins again there, as when one is joined with itself. Up to there it is counted, from there on nothing is; import each log by itself"
    )]
    BeginsAgain {
        /// The file.
        file: String,
        /// The line that is the first one once more.
        line: u64,
    },
    /// It ends before the place up to which it was counted.
    #[error(
        "{file} ends before byte {position}, up to which it was counted before; it is cut short, and there is nothing new in it"
    )]
    Shorter {
        /// The file.
        file: String,
        /// Up to where it was counted.
        position: u64,
    },
    /// A compressed file does not unpack to its end, or not to what was packed.
    #[error(
        "{file} is damaged or cut short ({cause}). Nothing of it was counted; import a whole copy, or unpack what is left of it and import that"
    )]
    Broken {
        /// The file.
        file: String,
        /// What the decoder said.
        cause: String,
    },
    /// The same, of one that was whole before it was read.
    #[error(
        "{file} was changed while it was read, and is damaged or cut short now ({cause}). Up to {lines} of its first lines are counted, what came behind them is not; import a whole copy of it"
    )]
    BrokenOff {
        /// The file.
        file: String,
        /// Lines that were handed in; of these the last may still wait for lines that come late.
        lines: u64,
        /// What the decoder said.
        cause: String,
    },
    /// The desk does not take it.
    #[error(transparent)]
    Desk(#[from] DeskError),
}

/// A log that was opened and looked at.
pub struct Log {
    path: PathBuf,
    name: String,
    source: Source,
    head: Vec<u64>,
    first: Option<FirstLine>,
}

impl Log {
    /// Opens a file. `last_line_is_whole` says that a last line without an end is one all the same; of a
    /// compressed file it always is.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(path: &Path, last_line_is_whole: bool) -> Result<Log, ImportError> {
        let failed = |source| ImportError::File { doing: "read", path: path.to_owned(), source };
        let mut source = Source::open(path).map_err(failed)?;
        source.end_is_line_end |= last_line_is_whole;
        Log::of(source, path, name_of(path))
    }

    /// Takes what comes through standard input: see [`Log::of_pipe`].
    ///
    /// # Errors
    /// When it cannot be read, or the file not be written.
    pub fn of_stream(stream: impl Read + 'static, spool: &Path) -> Result<Log, ImportError> {
        Log::spooled(stream, Path::new("standard input"), "-".to_owned(), spool)
    }

    /// Takes what comes through a pipe that has a name. What is compressed goes into a file first, for it is to be seen whole before
    /// a line of it is believed: one without a name in `spool`, so that nothing of it is left however this ends.
    ///
    /// # Errors
    /// When it cannot be read, or the file not be written.
    pub fn of_pipe(path: &Path, spool: &Path) -> Result<Log, ImportError> {
        let failed = |source| ImportError::File { doing: "read", path: path.to_owned(), source };
        Log::spooled(File::open(path).map_err(failed)?, path, name_of(path), spool)
    }

    fn spooled(
        stream: impl Read + 'static,
        path: &Path,
        name: String,
        spool: &Path,
    ) -> Result<Log, ImportError> {
        let failed = |source| ImportError::File { doing: "read", path: path.to_owned(), source };
        let spooled =
            |source| ImportError::File { doing: "keep what is read in", path: spool.to_owned(), source };
        let (begin, is_packed, rest) = source::begun(stream).map_err(failed)?;
        let mut source = if is_packed {
            let mut file = nameless(spool).map_err(spooled)?;
            let bytes = io::copy(&mut begin.chain(rest), &mut file).map_err(spooled)?;
            Source::of_file(file, bytes)
        } else {
            Source::of_stream(begin.chain(rest), 0)
        }
        .map_err(failed)?;
        source.end_is_line_end = true;
        Log::of(source, path, name)
    }

    fn of(mut source: Source, path: &Path, name: String) -> Result<Log, ImportError> {
        let failed = |source| ImportError::File { doing: "read", path: path.to_owned(), source };
        let (head, first) = source.head().map_err(failed)?;
        if head.is_empty() && source.begins_overlong() {
            let file = path.display().to_string();
            return Err(ImportError::NoLog { file, cause: LogError::TooLong });
        }
        Ok(Log { path: path.to_owned(), name, source, head, first })
    }

    /// The moment of its first line that has one.
    #[must_use]
    pub fn first_at(&self) -> Option<UnixMillis> {
        self.first.map(|first| first.at)
    }

    /// How far it is read.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.source.progress
    }

    /// Looks at the beginning again, before anything was consumed. Returns whether a line is there.
    fn look_again(&mut self) -> Result<bool, ImportError> {
        if self.source.plain().is_some() && !self.source.go_to(0).map_err(|source| self.failed(source))? {
            return Ok(false);
        }
        let head = self.source.head();
        (self.head, self.first) = head.map_err(|source| self.failed(source))?;
        Ok(!self.head.is_empty())
    }

    /// The hashes of the first lines that there are by now.
    fn head_now(&mut self) -> Result<Vec<u64>, ImportError> {
        if self.head.len() < HEAD_LINES {
            let head = self.source.head_now();
            self.head = head.map_err(|source| self.failed(source))?;
        }
        Ok(self.head.clone())
    }

    fn failed(&self, source: io::Error) -> ImportError {
        ImportError::File { doing: "read", path: self.path.clone(), source }
    }

    /// The file's name without its directory.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file as it was named.
    #[must_use]
    pub fn whole_name(&self) -> String {
        self.path.display().to_string()
    }
}

impl Counter<'_> {
    /// Counts a log to its end. `tick` is called with every batch. A compressed file is looked through before.
    ///
    /// # Errors
    /// When it is no log, was replaced, is damaged, cannot be read, or the desk does not take it. What was
    /// handed in before stays counted, and the next import goes on behind it; the summary holds nothing else.
    pub fn count_log(
        &mut self,
        log: Log,
        desk: &mut dyn Desk,
        tick: &mut dyn FnMut(&Progress, &Summary),
    ) -> Result<(), ImportError> {
        self.count_log_by(log, desk, tick, BATCH_LINES)
    }

    fn count_log_by(
        &mut self,
        log: Log,
        desk: &mut dyn Desk,
        tick: &mut dyn FnMut(&Progress, &Summary),
        batch_lines: u64,
    ) -> Result<(), ImportError> {
        let done = self.count_whole(log, desk, tick, batch_lines);
        match done {
            Ok(()) => self.settle(),
            Err(_) => self.drop_unsettled(),
        }
        done
    }

    fn count_whole(
        &mut self,
        mut log: Log,
        desk: &mut dyn Desk,
        tick: &mut dyn FnMut(&Progress, &Summary),
        batch_lines: u64,
    ) -> Result<(), ImportError> {
        let damage = log.source.damage(&mut |progress| tick(progress, &self.summary));
        if let Some(cause) = damage.map_err(|source| log.failed(source))? {
            return Err(ImportError::Broken { file: log.whole_name(), cause });
        }
        if !log.head.is_empty() {
            self.begin(&mut log, desk)?;
            while self.read_batch(&mut log, desk, batch_lines)? {
                tick(&log.source.progress, &self.summary);
            }
        }
        check_whole(&mut log, 0)?;
        if log.source.has_unfinished() && !log.source.end_is_line_end {
            self.summary.note_many(Outcome::Unfinished, 1);
        }
        Ok(())
    }

    /// Reads a batch and hands it in. Returns whether more may come.
    fn read_batch(&mut self, log: &mut Log, desk: &mut dyn Desk, lines: u64) -> Result<bool, ImportError> {
        self.read_on(log, desk, lines)?;
        let is_at_end = !self.is_batch_full(lines);
        if is_at_end {
            // What was read since the last batch may be what a decoder made of damaged bytes.
            check_whole(log, self.handed_in())?;
            self.check_read(log)?;
            self.flush();
        }
        self.deliver(desk)?;
        Ok(!is_at_end)
    }

    /// Goes to the place from which a log is counted on.
    fn begin(&mut self, log: &mut Log, desk: &mut dyn Desk) -> Result<(), ImportError> {
        let begun = desk.begin(&self.site().id.clone(), &log.head)?;
        let position = begun.log.position;
        let place = self.enter(begun, log.name.clone(), log.first);
        if place > 0 && !log.source.go_to(place).map_err(|source| log.failed(source))? {
            return Err(ImportError::Shorter { file: log.whole_name(), position });
        }
        Ok(())
    }

    /// Reads whole lines, at most so many since the last batch.
    fn read_on(&mut self, log: &mut Log, desk: &mut dyn Desk, lines_max: u64) -> Result<(), ImportError> {
        while !self.is_batch_full(lines_max) {
            let line = log.source.next();
            let line = match line {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(()),
                Err(source) => {
                    return Err(ImportError::File { doing: "read", path: log.path.clone(), source });
                }
            };
            let taken = self.take(&line, desk);
            if matches!(taken, Err(ImportError::BeginsAgain { .. })) {
                self.flush();
                self.deliver(desk)?;
            }
            taken?;
            let (read, parsed) = self.read();
            if parsed == 0 && read == UNREADABLE_LINES_MAX {
                return self.check_read(log);
            }
        }
        Ok(())
    }

    /// A file that was read to its end, or for long, must have shown that it is a log, and the same one.
    fn check_read(&self, log: &Log) -> Result<(), ImportError> {
        self.check_is_log(log)?;
        if self.is_behind() {
            return Err(ImportError::Shorter { file: log.whole_name(), position: self.log().position });
        }
        Ok(())
    }

    fn check_is_log(&self, log: &Log) -> Result<(), ImportError> {
        if let (0, Some(cause)) = (self.read().1, self.first_error()) {
            return Err(ImportError::NoLog { file: log.whole_name(), cause });
        }
        Ok(())
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// A file that has no name any more, readable by its owner alone.
fn nameless(directory: &Path) -> io::Result<File> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let path = directory.join(format!("import-{}", std::process::id()));
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

/// What is read to its end must have unpacked to its end.
fn check_whole(log: &mut Log, lines: u64) -> Result<(), ImportError> {
    let Some(cause) = log.source.broken.take() else { return Ok(()) };
    let file = log.whole_name();
    Err(if lines == 0 {
        ImportError::Broken { file, cause }
    } else {
        ImportError::BrokenOff { file, lines, cause }
    })
}

#[cfg(test)]
mod tests;
