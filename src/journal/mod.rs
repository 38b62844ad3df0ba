//! The journal: every counted beacon, written before it is answered.
//!
//! Each worker writes a stream of its own, a file that one process life appends to and that is never
//! appended to again. A [`Writer`] takes a whole turn's records with one `write`; a failed or short
//! one changes nothing: the stream is cut back to its last good length, or closed there (its good
//! length becomes part of its name) and another opened. Streams are turned over by size and age, so
//! that what the fold has applied can be forgotten file by file.
//!
//! The journal knows bytes and offsets. What a record means is the business of those who read it.

mod disk;
mod read;
mod record;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use disk::{Appending, Disk, Faults, RealDisk, SimulatedDisk};
pub use read::{Inspected, Reading, Verdict, inspect, merge};
pub use record::{decode, decode_own, encode};

use crate::words::{StreamId, UnixMillis};

/// A stream is turned over at this size: small enough to be forgotten piece by piece.
const STREAM_BYTES_MAX: u64 = 64 << 20;
/// A stream that holds anything is turned over at this age, so that a quiet site's journal does not
/// stay for a day.
const STREAM_AGE_MS_MAX: u64 = 10 * 60 * 1_000;

/// When a beacon counts as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// After `write`: survives the death of the process.
    Written,
    /// After `fdatasync`: survives a power cut too.
    Synced,
}

/// What the journal is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the streams lie.
    pub directory: PathBuf,
    /// When a beacon counts as written.
    pub ack: Ack,
    /// How long a folded stream stays, to bring presence back after a restart, in milliseconds.
    pub retained_ms: u64,
    /// All streams together may take this many bytes.
    pub bytes_max: u64,
}

/// Why the journal could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory or a file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A record that is not the last one is damaged.
    #[error("the journal {} is damaged at byte {offset}; `headcount journal check` shows what can be read", path.display())]
    Damaged {
        /// The stream's file.
        path: PathBuf,
        /// Where the damage begins.
        offset: u64,
    },
    /// A stream lies under another name than its own: a copy, which would count twice.
    #[error("{} is not the journal {stream} that it holds but a copy of it; move it away", path.display())]
    Copied {
        /// The file.
        path: PathBuf,
        /// The stream that it holds.
        stream: StreamId,
    },
    /// The stream was written by a later release.
    #[error("the journal {} has format {version}, this release reads up to {}; start the newer release", path.display(), record::VERSION)]
    Newer {
        /// The stream's file.
        path: PathBuf,
        /// Its format.
        version: u16,
    },
}

/// Why a turn's records could not be written. Nothing of them was.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The disk refused.
    #[error("the journal cannot be written: {0}")]
    Disk(#[from] io::Error),
    /// Only a part was taken, as on a disk that is nearly full.
    #[error("the journal cannot be written: the disk took {taken} of {given} bytes")]
    Short {
        /// Bytes that the disk took.
        taken: usize,
        /// Bytes that it was given.
        given: usize,
    },
    /// `journal_bytes_max` is reached, because the store has not taken records for long.
    #[error("the journal holds {bytes} bytes, as many as journal_bytes_max allows")]
    Full {
        /// Bytes held.
        bytes: u64,
    },
}

/// One stream as the journal knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Its file.
    pub path: PathBuf,
    /// Bytes that are good: records of answered beacons end here.
    pub length: u64,
    /// No writer appends to it any more.
    pub sealed: bool,
    /// The latest moment in it.
    pub newest: UnixMillis,
}

/// What a start found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Torn ends that were cut off: file, where, and how many bytes.
    pub cut: Vec<(PathBuf, u64, u64)>,
    /// The latest moment in any stream.
    pub newest: UnixMillis,
    /// Records in all streams.
    pub records: u64,
}

/// All streams of this machine.
pub struct Journal {
    options: Options,
    disk: Arc<dyn Disk>,
    streams: Mutex<BTreeMap<StreamId, Stream>>,
    bytes: AtomicU64,
}

impl Journal {
    /// Opens the journal: reads every stream that lies in the directory, checks every record and
    /// cuts off a torn end.
    ///
    /// # Errors
    /// When a file cannot be read, is newer, or is damaged anywhere but at its end.
    pub fn open(options: Options, disk: Arc<dyn Disk>) -> Result<(Arc<Journal>, Found), OpenError> {
        let mut found = Found::default();
        let streams = read::survey(&options.directory, &*disk, &mut found)?;
        let bytes = AtomicU64::new(streams.values().map(|stream| stream.length).sum());
        Ok((Arc::new(Journal { options, disk, streams: Mutex::new(streams), bytes }), found))
    }

    /// Every stream there is.
    #[must_use]
    pub fn streams(&self) -> BTreeMap<StreamId, Stream> {
        self.lock().clone()
    }

    /// Bytes that all streams take together.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The most bytes that all streams may take together.
    #[must_use]
    pub fn bytes_max(&self) -> u64 {
        self.options.bytes_max
    }

    /// Reads a part of a stream.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&self, stream: &Stream, from: u64, bytes: usize, into: &mut Vec<u8>) -> io::Result<()> {
        self.disk.read(&stream.path, from, bytes, into)
    }

    /// The streams that may be forgotten: sealed, applied to their end, and older than is retained
    /// (or not, while the journal takes more than half of what it may).
    #[must_use]
    pub fn forgettable(&self, applied: &BTreeMap<StreamId, u64>, now: UnixMillis) -> Vec<StreamId> {
        let mut excess = self.bytes().saturating_sub(self.options.bytes_max / 2);
        let streams = self.lock();
        let mut done: Vec<_> = streams
            .iter()
            .filter(|(id, stream)| stream.sealed && applied.get(id).is_some_and(|to| *to >= stream.length))
            .collect();
        done.sort_by_key(|(_, stream)| stream.newest);
        let mut chosen = Vec::new();
        for (id, stream) in done {
            if now.since(stream.newest) > self.options.retained_ms || excess > 0 {
                excess = excess.saturating_sub(stream.length);
                chosen.push(*id);
            }
        }
        chosen
    }

    /// Removes the files of streams.
    ///
    /// # Errors
    /// When one cannot be removed; those before it are gone.
    pub fn forget(&self, gone: &[StreamId]) -> io::Result<()> {
        for id in gone {
            let Some(stream) = self.lock().get(id).cloned() else { continue };
            match self.disk.remove(&stream.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            self.lock().remove(id);
            self.bytes.fetch_sub(stream.length, Ordering::Relaxed);
        }
        if gone.is_empty() { Ok(()) } else { self.disk.sync_directory(&self.options.directory) }
    }

    /// A writer for one worker. It opens its stream with the first records.
    #[must_use]
    pub fn writer(self: &Arc<Journal>) -> Writer {
        Writer { journal: Arc::clone(self), current: None }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<StreamId, Stream>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one who appends to a stream.
pub struct Writer {
    journal: Arc<Journal>,
    current: Option<Current>,
}

struct Current {
    id: StreamId,
    path: PathBuf,
    file: Box<dyn Appending>,
    length: u64,
    opened: UnixMillis,
    /// Bytes beyond `length` may lie in the file, because it could not be cut.
    overhang: bool,
}

impl Writer {
    /// Writes the records of one turn. The fold does not see them before [`Writer::publish`]. If a
    /// stream has to be opened for them, it gets the number that `draw` draws.
    ///
    /// # Errors
    /// When they could not be written whole; then none of them was.
    pub fn write(
        &mut self,
        records: &[u8],
        now: UnixMillis,
        draw: impl FnOnce() -> StreamId,
    ) -> Result<(), WriteError> {
        let given = u64::try_from(records.len()).unwrap_or(u64::MAX);
        let bytes = self.journal.bytes();
        if bytes.saturating_add(given) > self.journal.options.bytes_max {
            return Err(WriteError::Full { bytes });
        }
        self.mend()?;
        let due = |c: &Current| c.length >= STREAM_BYTES_MAX || now.since(c.opened) >= STREAM_AGE_MS_MAX;
        if self.current.as_ref().is_some_and(due) {
            self.seal();
        }
        if self.current.is_none() {
            self.current = Some(self.open_stream(draw(), now)?);
        }
        let synced = self.journal.options.ack == Ack::Synced;
        let current = self.current.as_mut().expect("was opened above");
        match append(current, records, synced) {
            Ok(()) => {
                current.length += given;
                self.journal.bytes.fetch_add(given, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => {
                current.overhang = true;
                // What cannot be mended now is tried again before the next write.
                self.mend().ok();
                Err(error)
            }
        }
    }

    /// Lets the fold see everything that was written, the latest of it made at `newest`. Returns
    /// the stream and its length.
    pub fn publish(&mut self, newest: UnixMillis) -> Option<(StreamId, u64)> {
        let current = self.current.as_ref()?;
        let mut streams = self.journal.lock();
        let stream = streams.get_mut(&current.id)?;
        stream.length = current.length;
        stream.newest = stream.newest.max(newest);
        Some((current.id, current.length))
    }

    /// Ends the stream, because it is large or old, or because the worker stops.
    pub fn seal(&mut self) {
        if let Some(current) = self.current.take()
            && let Some(stream) = self.journal.lock().get_mut(&current.id)
        {
            stream.sealed = true;
        }
    }

    /// Ends the stream if it is old and holds anything.
    pub fn seal_if_old(&mut self, now: UnixMillis) {
        if self.current.as_ref().is_some_and(|c| now.since(c.opened) >= STREAM_AGE_MS_MAX) {
            self.seal();
        }
    }

    fn open_stream(&self, id: StreamId, now: UnixMillis) -> io::Result<Current> {
        let journal = &self.journal;
        let path = journal.options.directory.join(format!("{id}.hcj"));
        let mut file = journal.disk.create(&path)?;
        let header = record::header(id, now);
        let opened = file.write(&header).and_then(|taken| match taken {
            record::HEADER_BYTES if journal.options.ack == Ack::Written => Ok(()),
            record::HEADER_BYTES => {
                file.sync().and_then(|()| journal.disk.sync_directory(&journal.options.directory))
            }
            _ => Err(io::Error::from(io::ErrorKind::StorageFull)),
        });
        if let Err(error) = opened {
            // A file that only holds a part of a header holds no record; a start removes it too.
            journal.disk.remove(&path).ok();
            return Err(error);
        }
        let length = u64::try_from(record::HEADER_BYTES).unwrap_or(0);
        journal.bytes.fetch_add(length, Ordering::Relaxed);
        let stream = Stream { path: path.clone(), length, sealed: false, newest: now };
        journal.lock().insert(id, stream);
        Ok(Current { id, path, file, length, opened: now, overhang: false })
    }

    /// Cuts off what a failed write may have left; where the disk does not cut, closes the stream
    /// at its good length by writing that length into its name.
    fn mend(&mut self) -> Result<(), WriteError> {
        let Some(current) = self.current.as_mut().filter(|current| current.overhang) else { return Ok(()) };
        if current.file.truncate(current.length).is_ok() {
            current.overhang = false;
            return Ok(());
        }
        let directory = &self.journal.options.directory;
        let closed = directory.join(format!("{}-{}.hcj", current.id, current.length));
        self.journal.disk.rename(&current.path, &closed)?;
        if let Some(stream) = self.journal.lock().get_mut(&current.id) {
            stream.path = closed;
        }
        self.seal();
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.seal();
    }
}

fn append(current: &mut Current, records: &[u8], synced: bool) -> Result<(), WriteError> {
    let taken = current.file.write(records)?;
    if taken < records.len() {
        return Err(WriteError::Short { taken, given: records.len() });
    }
    if synced {
        current.file.sync()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
