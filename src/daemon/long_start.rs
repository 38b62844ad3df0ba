//! A start that takes long: the service manager gives it more time for as long as it goes on reading the journal.
//!
//! How much a crash left over is nobody's choice, so no fixed `TimeoutStartSec=` is right for all. What is looked at is the
//! disk: a start that reads makes progress, and one that hangs gets no more time than the unit says.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{DaemonError, Manager, spawn};
use crate::journal::{Appending, Disk, RealDisk};

/// How often progress is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// The time that each sign of progress asks for: a million records and their transaction, on a disk that is a hundred times
/// slower than one of today.
const MORE: Duration = Duration::from_mins(1);

/// The machine's disk, which counts what is read.
#[derive(Debug, Default)]
pub(super) struct WatchedDisk {
    disk: RealDisk,
    reads: Arc<AtomicU64>,
}

impl Disk for WatchedDisk {
    fn list(&self, directory: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
        self.disk.list(directory)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn Appending>> {
        self.disk.create(path)
    }

    fn read(&self, path: &Path, offset: u64, bytes: usize, into: &mut Vec<u8>) -> io::Result<()> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.disk.read(path, offset, bytes, into)
    }

    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        self.disk.truncate(path, length)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        self.disk.sync_directory(directory)
    }
}

/// A start under way; when this is dropped, no more time is asked for.
#[derive(Debug)]
pub(super) struct LongStart {
    under_way: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl LongStart {
    /// Asks the manager for more time for as long as something is read from this disk.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub(super) fn watch(manager: &Arc<Manager>, disk: &WatchedDisk) -> Result<LongStart, DaemonError> {
        let (manager, reads) = (Arc::clone(manager), Arc::clone(&disk.reads));
        LongStart::begin(LOOK, move || reads.load(Ordering::Relaxed), move || manager.more_time(MORE))
    }

    fn begin(
        look: Duration,
        progress: impl Fn() -> u64 + Send + 'static,
        ask: impl Fn() + Send + 'static,
    ) -> Result<LongStart, DaemonError> {
        let (under_way, ended) = mpsc::channel::<()>();
        let thread = spawn("long-start", move || {
            let mut seen = 0;
            while ended.recv_timeout(look) == Err(RecvTimeoutError::Timeout) {
                let now = progress();
                if now != seen {
                    seen = now;
                    ask();
                }
            }
        })?;
        Ok(LongStart { under_way: Some(under_way), thread: Some(thread) })
    }
}

impl Drop for LongStart {
    fn drop(&mut self) {
        drop(self.under_way.take());
        // It does nothing that could panic but send a message, and the start does not depend on it.
        self.thread.take().map(JoinHandle::join);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_asked_for_while_something_is_read_and_not_while_it_hangs() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("stream");
        std::fs::write(&path, "records").expect("is written");
        let disk = WatchedDisk::default();
        let reads = Arc::clone(&disk.reads);
        let (asked, asks) = mpsc::channel();
        let look = Duration::from_millis(10);
        let start = LongStart::begin(
            look,
            move || reads.load(Ordering::Relaxed),
            move || asked.send(()).expect("the test listens"),
        )
        .expect("a thread");
        for _ in 0..3 {
            let mut content = Vec::new();
            disk.read(&path, 0, 7, &mut content).expect("is read");
            assert_eq!(content, b"records");
            asks.recv_timeout(Duration::from_secs(20)).expect("progress asks for time");
        }
        assert_eq!(
            asks.recv_timeout(look * 10),
            Err(RecvTimeoutError::Timeout),
            "a start that hangs asks no more"
        );
        drop(start);
        assert_eq!(asks.recv(), Err(mpsc::RecvError), "the thread has ended");
    }
}
