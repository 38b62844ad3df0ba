//! Tailing one log through every rotation.
//!
//! The file is looked at four times a second and what was counted is handed in once a second. When it is
//! renamed, the old one is read until it has been quiet for a second and something stands in the new one; a
//! server goes on writing to the old one until it is told. When it is cut (`copytruncate`), the rest is read from the copy
//! beside it. The same is done at the beginning for logs beside it that are known and have more lines.
//!
//! A desk that does not answer is asked again until it does; then counting goes on from where the desk says
//! that the log stands, so it does not matter whether the last batch had arrived.

use std::collections::VecDeque;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};

use super::desk::{Desk, DeskError};
use super::{BATCH_LINES, Counter, ImportError, Log};
use crate::clock::Clock;
use crate::words::UnixMillis;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// How often what was counted is handed in, and a desk that is away asked again.
const HAND_IN: Duration = Duration::from_secs(1);
/// How long a renamed log must be quiet before the new one is opened.
const GRACE: Duration = Duration::from_secs(1);
/// Logs beside the followed one that were written to within this time are looked at, once.
const BESIDE_MS: u64 = 2 * 24 * 3_600_000;
/// A desk that refuses so often in a row will not change its mind.
const REFUSALS_MAX: u32 = 5;

/// Follows one log.
pub struct Follow<'f> {
    /// The file, by the name that the server opens.
    pub path: &'f Path,
    /// The time.
    pub clock: &'f Clock,
    /// Set from outside to end it.
    pub stop: &'f AtomicBool,
    /// Takes what somebody should know.
    pub tell: &'f mut dyn FnMut(&str),
}

/// The file that is read now.
struct Tail {
    log: Log,
    inode: (u64, u64),
    /// The desk has said how far it is counted.
    is_begun: bool,
    /// Since when nothing came.
    quiet_since: Instant,
    /// Since when it has the name.
    opened: Instant,
}

impl Follow<'_> {
    /// Follows until it is told to stop; what was read by then is handed in. Lines that were counted before
    /// are not in the summary.
    ///
    /// # Errors
    /// When the log cannot be read, is none, or the desk refuses for good.
    pub fn run(&mut self, counter: &mut Counter<'_>, desk: &mut dyn Desk) -> Result<(), ImportError> {
        counter.forget_unsettled();
        let mut tails = VecDeque::new();
        let (mut refusals, mut look_beside) = (0, true);
        loop {
            counter.set_now(self.clock.now());
            let done = self.turn(counter, desk, &mut tails, &mut look_beside);
            match done {
                Ok(()) => refusals = 0,
                Err(ImportError::Desk(DeskError::Away(text))) => {
                    self.wait_for_desk(counter, &mut tails, &text);
                }
                Err(ImportError::Desk(error)) if refusals < REFUSALS_MAX => {
                    refusals += 1;
                    self.wait_for_desk(counter, &mut tails, &error.to_string());
                }
                Err(error) => return Err(error),
            }
            if self.stop.load(Ordering::Acquire) {
                return Ok(());
            }
        }
    }

    /// Reads for a second, hands in, and looks after rotation.
    fn turn(
        &mut self,
        counter: &mut Counter<'_>,
        desk: &mut dyn Desk,
        tails: &mut VecDeque<Tail>,
        look_beside: &mut bool,
    ) -> Result<(), ImportError> {
        if *look_beside {
            self.count_beside(counter, desk)?;
            *look_beside = false;
        }
        let began = Instant::now();
        while began.elapsed() < HAND_IN && !self.stop.load(Ordering::Acquire) {
            if let Some(new) = self.open_new(tails.back())? {
                tails.push_back(new);
            }
            if let Some(open) = tails.front_mut() {
                if open.is_cut(counter)? {
                    (self.tell)("the log was cut; the rest is read from the copy beside it");
                    tails.pop_front();
                    *look_beside = true;
                    return hand_in(counter, desk);
                }
                open.read(counter, desk)?;
            }
            if is_left(tails)
                && let Some(mut left) = tails.pop_front()
            {
                (self.tell)("the log was rotated; the new one is read from now on");
                let done = left.read_last_line(counter, desk).and_then(|()| hand_in(counter, desk));
                if let Err(error) = done {
                    tails.push_front(left);
                    return Err(error);
                }
                continue;
            }
            thread::sleep(LOOK);
        }
        hand_in(counter, desk)
    }

    /// Opens the file that has the name now, if it is another than the last one that we opened. One that is
    /// not there for a moment is waited for.
    fn open_new(&self, last: Option<&Tail>) -> Result<Option<Tail>, ImportError> {
        let is_last = |found: &Metadata| last.is_some_and(|last| last.inode == (found.dev(), found.ino()));
        if std::fs::metadata(self.path).is_ok_and(|found| is_last(&found)) {
            return Ok(None);
        }
        let log = match Log::open(self.path, false) {
            Ok(log) => log,
            Err(ImportError::File { source, .. }) if source.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(file) = log.source.plain() else {
            return Err(ImportError::NotPlain { path: self.path.to_owned() });
        };
        let metadata = file.metadata().map_err(|source| log.failed(source))?;
        if is_last(&metadata) {
            return Ok(None);
        }
        let (inode, now) = ((metadata.dev(), metadata.ino()), Instant::now());
        Ok(Some(Tail { log, inode, is_begun: false, quiet_since: now, opened: now }))
    }

    /// Counts what logs beside ours, which are known, hold beyond the place up to which they are counted.
    fn count_beside(&mut self, counter: &mut Counter<'_>, desk: &mut dyn Desk) -> Result<(), ImportError> {
        for path in self.beside() {
            // What cannot be read beside the log is not ours to complain about.
            let Ok(log) = Log::open(&path, true) else { continue };
            if log.head.is_empty() {
                continue;
            }
            let begun = desk.begin(&counter.site().id.clone(), &log.head)?;
            if begun.log.position == 0 {
                continue;
            }
            counter.forget_unsettled();
            match counter.count_log(log, desk, &mut |_, _| {}) {
                Ok(()) => {}
                Err(ImportError::Desk(error)) => return Err(error.into()),
                // A shorter copy, or a log that only begins alike.
                Err(_) => counter.forget_unsettled(),
            }
        }
        Ok(())
    }

    /// Files whose names begin with that of the log and that were written to lately, the oldest first.
    fn beside(&self) -> Vec<PathBuf> {
        let Some(name) = self.path.file_name() else { return Vec::new() };
        let directory =
            self.path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
        let now = self.clock.now();
        let is_late = |found: &Metadata| now.since(written(found)) < BESIDE_MS;
        let entries = std::fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
        let mut found: Vec<(UnixMillis, PathBuf)> = entries
            .filter(|entry| entry.file_name() != name)
            .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(name.as_encoded_bytes()))
            .filter_map(|entry| {
                let metadata = entry.metadata().ok().filter(Metadata::is_file).filter(is_late)?;
                Some((written(&metadata), entry.path()))
            })
            .collect();
        found.sort();
        found.into_iter().map(|(_, path)| path).collect()
    }

    /// Waits a moment, and begins again where the desk will say that the log stands.
    fn wait_for_desk(&mut self, counter: &mut Counter<'_>, tails: &mut VecDeque<Tail>, why: &str) {
        (self.tell)(&format!("{why}; trying again"));
        counter.forget_unsettled();
        if let Some(open) = tails.front_mut() {
            open.is_begun = false;
        }
        if !self.stop.load(Ordering::Acquire) {
            thread::sleep(HAND_IN);
        }
    }
}

impl Tail {
    /// Whether the file under our hands holds less than it did, or something else.
    fn is_cut(&self, counter: &Counter<'_>) -> Result<bool, ImportError> {
        let Some(file) = self.log.source.plain() else { return Ok(false) };
        if !self.is_begun {
            return Ok(false);
        }
        let length = file.metadata().map_err(|source| self.log.failed(source))?.len();
        let (position, last) = (counter.log().position, counter.last_line());
        if length < position {
            return Ok(true);
        }
        let bytes = u64::try_from(last.len()).unwrap_or(0) + 1;
        if last.is_empty() || position < bytes {
            return Ok(false);
        }
        let mut found = vec![0; last.len()];
        // Cut between the two looks: the next one sees it.
        let read = file.read_exact_at(&mut found, position - bytes);
        Ok(read.is_ok() && found != last)
    }

    /// Reads what there is.
    fn read(&mut self, counter: &mut Counter<'_>, desk: &mut dyn Desk) -> Result<(), ImportError> {
        let read_before = counter.read().0;
        if !self.is_begun {
            if !self.log.look_again()? {
                return Ok(());
            }
            counter.begin(&mut self.log, desk)?;
            self.is_begun = true;
        }
        loop {
            counter.read_on(&mut self.log, desk, BATCH_LINES)?;
            if !counter.is_batch_full(BATCH_LINES) {
                break;
            }
            hand_in(counter, desk)?;
        }
        counter.check_is_log(&self.log)?;
        if counter.read().0 != read_before {
            self.quiet_since = Instant::now();
            counter.set_head(self.log.head_now()?);
        }
        Ok(())
    }

    /// A log that nobody writes to any more is whole, its last line too.
    fn read_last_line(&mut self, counter: &mut Counter<'_>, desk: &mut dyn Desk) -> Result<(), ImportError> {
        self.log.source.end_is_line_end = true;
        self.read(counter, desk)
    }
}

/// Whether the first of these is done with: it was quiet for a while since another has its name, and something
/// stands in that one. An empty one is one that the server has not been told of.
fn is_left(tails: &VecDeque<Tail>) -> bool {
    let (Some(first), Some(next)) = (tails.front(), tails.get(1)) else { return false };
    let length = next.log.source.plain().and_then(|file| file.metadata().ok()).map_or(0, |found| found.len());
    length > 0 && next.opened.elapsed() >= GRACE && first.quiet_since.elapsed() >= GRACE
}

/// Hands in everything that was read: who looks at a live log does not wait for lines that come late.
fn hand_in(counter: &mut Counter<'_>, desk: &mut dyn Desk) -> Result<(), ImportError> {
    if !counter.is_behind() {
        counter.flush();
    }
    counter.deliver(desk)
}

fn written(metadata: &Metadata) -> UnixMillis {
    let since =
        metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
