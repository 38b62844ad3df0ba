//! Tailing one log through every rotation.
//!
//! The file is looked at four times a second and what was counted is handed in once a second. When it is
//! renamed, the old one is read until it has been quiet for a second and something stands in the new one; a
//! server goes on writing to the old one until it is told. When it is cut (`copytruncate`), the rest is read from
//! the copy beside it. Which log was read is remembered in a file, so that at the beginning, as after every
//! rotation, the rest of that log and those that came and went meanwhile are found beside it and counted first.
//! Where there is no such log any more, that is said.
//!
//! A desk that does not answer is asked again until it does; then counting goes on from where the desk says
//! that the log stands, so it does not matter whether the last batch had arrived.

use std::collections::VecDeque;
use std::fs::{File, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::beside::{Stood, beside, is_same};
use super::desk::{Desk, DeskError};
use super::order::LATE_MS;
use super::{BATCH_LINES, Counter, ImportError, Log};
use crate::clock::Clock;
use crate::rows::timestamp;
use crate::words::UnixMillis;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// How often what was counted is handed in, and a desk that is away asked again.
const HAND_IN: Duration = Duration::from_secs(1);
/// How long a renamed log must be quiet before the new one is opened.
const GRACE: Duration = Duration::from_secs(1);
/// Where nothing is remembered, known logs beside the followed one that were written to within this time are
/// looked at.
const BESIDE_MS: u64 = 2 * 24 * 3_600_000;
/// A desk that refuses so often in a row will not change its mind.
const REFUSALS_MAX: u32 = 5;

/// Follows one log.
pub struct Follow<'f> {
    /// The file, by the name that the server opens.
    pub path: &'f Path,
    /// Remembers from one life to the next which log was read; [`super::follow_file`], which nobody else may hold.
    pub memory: &'f File,
    /// The time.
    pub clock: &'f Clock,
    /// Set from outside to end it.
    pub stop: &'f AtomicBool,
    /// Takes what somebody should know.
    pub tell: &'f mut dyn FnMut(&str),
}

/// Where a follower is.
struct Course {
    /// The file that is read, and those that have got its name since.
    tails: VecDeque<Tail>,
    /// The log that was read last.
    stood: Option<Stood>,
    /// Why logs beside it are to be looked at.
    look_beside: Option<Why>,
    /// It was said that beacons count the site.
    is_live_told: bool,
}

/// Why logs beside a followed one are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    /// Following begins.
    Began,
    /// Another file has the name, and the one before was read to its end.
    Rotated,
    /// The file was cut.
    Cut,
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
        counter.follow();
        let stood = Stood::read(self.memory).map_err(|source| self.failed(source))?;
        let look_beside = Some(Why::Began);
        let mut course = Course { tails: VecDeque::new(), stood, look_beside, is_live_told: false };
        let mut refusals = 0;
        loop {
            counter.set_now(self.clock.now());
            match self.turn(counter, desk, &mut course) {
                Ok(()) => refusals = 0,
                Err(ImportError::Desk(DeskError::Away(text))) => {
                    self.wait_for_desk(counter, &mut course.tails, &text);
                }
                Err(ImportError::Desk(error)) if refusals < REFUSALS_MAX => {
                    refusals += 1;
                    self.wait_for_desk(counter, &mut course.tails, &error.to_string());
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
        course: &mut Course,
    ) -> Result<(), ImportError> {
        if let Some(why) = course.look_beside {
            self.catch_up(counter, desk, course, why)?;
            course.look_beside = None;
        }
        let began = Instant::now();
        while began.elapsed() < HAND_IN && !self.stop.load(Ordering::Acquire) {
            if let Some(new) = self.open_new(course.tails.back())? {
                course.tails.push_back(new);
            }
            if let Some(open) = course.tails.front_mut() {
                if open.is_cut(counter)? {
                    course.tails.pop_front();
                    course.look_beside = Some(Why::Cut);
                    return hand_in(counter, desk);
                }
                open.read(counter, desk)?;
                self.remember(open, &mut course.stood)?;
            }
            self.tell_live(counter, &mut course.is_live_told);
            if is_left(&course.tails)
                && let Some(mut left) = course.tails.pop_front()
            {
                (self.tell)("the log was rotated; the new one is read from now on");
                let done = left.read_last_line(counter, desk).and_then(|()| hand_in(counter, desk));
                if done.is_err() {
                    course.tails.push_front(left);
                    return done;
                }
                self.remember(&left, &mut course.stood)?;
                course.look_beside = Some(Why::Rotated);
                return Ok(());
            }
            thread::sleep(LOOK);
        }
        hand_in(counter, desk)
    }

    /// Notes the log that is read, once it can be known again.
    fn remember(&self, tail: &Tail, stood: &mut Option<Stood>) -> Result<(), ImportError> {
        let head = &tail.log.head;
        if !tail.is_begun || stood.as_ref().is_some_and(|stood| stood.head == *head) {
            return Ok(());
        }
        let now = Stood { first_at: tail.log.first_at().unwrap_or_default(), head: head.clone() };
        now.write(self.memory).map_err(|source| self.failed(source))?;
        *stood = Some(now);
        Ok(())
    }

    fn failed(&self, source: std::io::Error) -> ImportError {
        ImportError::File {
            doing: "remember in the state directory the place in",
            path: self.path.to_owned(),
            source,
        }
    }

    /// Says something, and keeps it for the summary.
    fn warn(&mut self, counter: &mut Counter<'_>, text: &str) {
        (self.tell)(text);
        counter.note_remark(text);
    }

    /// Opens the file that has the name now. Opening a pipe would wait for a writer, deaf to every signal.
    fn open(&self) -> Result<Log, ImportError> {
        if std::fs::metadata(self.path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
            return Err(ImportError::NotPlain { path: self.path.to_owned() });
        }
        Log::open(self.path, false)
    }

    /// Opens the file that has the name now, if it is another than the last one that we opened. One that is
    /// not there for a moment is waited for.
    fn open_new(&self, last: Option<&Tail>) -> Result<Option<Tail>, ImportError> {
        let is_last = |found: &Metadata| last.is_some_and(|last| last.inode == (found.dev(), found.ino()));
        if std::fs::metadata(self.path).is_ok_and(|found| is_last(&found)) {
            return Ok(None);
        }
        let log = match self.open() {
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

    /// Counts what logs beside ours hold that came after the place where we stood, the oldest first: the rest of
    /// the log that was read, and logs that nobody read. Where nothing is remembered, the rest of known ones.
    fn catch_up(
        &mut self,
        counter: &mut Counter<'_>,
        desk: &mut dyn Desk,
        course: &mut Course,
        why: Why,
    ) -> Result<(), ImportError> {
        let mut ahead: Vec<_> =
            course.tails.iter().filter_map(|tail| tail.log.source.head_now().ok()).collect();
        if course.tails.is_empty() {
            ahead.extend(self.open().ok().map(|log| log.head));
        }
        let is_ahead = |head: &[u64]| ahead.iter().any(|ahead| is_same(ahead, head));
        let stood = course.stood.clone();
        let goes_on = stood.as_ref().filter(|stood| why != Why::Cut && is_ahead(&stood.head));
        if let Some(stood) = goes_on {
            let first_at = stood.first_at;
            return if why == Why::Began {
                self.bring_visits_back(counter, desk, first_at, &is_ahead)
            } else {
                Ok(())
            };
        }
        let since = stood.as_ref().map_or(self.clock.now().minus(BESIDE_MS), |stood| stood.first_at);
        let is_stood = |head: &[u64]| stood.as_ref().is_some_and(|stood| is_same(&stood.head, head));
        let mut found = beside(self.path, since);
        found.retain(|log| {
            is_stood(&log.head) || (!is_ahead(&log.head) && log.first_at >= since || stood.is_none())
        });
        found.sort_by_key(|log| (!is_stood(&log.head), log.first_at));
        let first =
            found.first().filter(|first| is_stood(&first.head)).map(|first| first.path.display().to_string());
        self.tell_found(counter, why, stood.as_ref(), first);
        for log in found {
            let is_stood = is_stood(&log.head);
            if why == Why::Rotated && is_stood {
                continue;
            }
            let is_known = desk.begin(&counter.site().id.clone(), &log.head)?.log.position > 0;
            if !is_known && (stood.is_none() || !log.is_rotated) {
                continue;
            }
            if is_known {
                counter.forget_unsettled();
            }
            self.count_beside(counter, desk, &log.path)?;
        }
        Ok(())
    }

    /// Reads the end of logs before ours again, if ours is so young that visits of theirs may still be open: a
    /// follower that ended meanwhile knew them.
    fn bring_visits_back(
        &mut self,
        counter: &mut Counter<'_>,
        desk: &mut dyn Desk,
        first_at: UnixMillis,
        is_ahead: &dyn Fn(&[u64]) -> bool,
    ) -> Result<(), ImportError> {
        let window = counter.visit_window_ms() + LATE_MS;
        if self.clock.now().since(first_at) > window {
            return Ok(());
        }
        for log in beside(self.path, first_at.minus(window)).into_iter().filter(|log| !is_ahead(&log.head)) {
            if desk.begin(&counter.site().id.clone(), &log.head)?.log.position == 0 {
                continue;
            }
            self.count_beside(counter, desk, &log.path)?;
        }
        Ok(())
    }

    /// Counts a log that is no longer written. One that cannot be read is told of, and left.
    fn count_beside(
        &mut self,
        counter: &mut Counter<'_>,
        desk: &mut dyn Desk,
        path: &Path,
    ) -> Result<(), ImportError> {
        match Log::open(path, true).and_then(|log| counter.count_log(log, desk, &mut |_, _| {})) {
            Err(ImportError::Desk(error)) => return Err(error.into()),
            // A shorter copy has nothing that we want.
            Ok(()) | Err(ImportError::Shorter { .. }) => {}
            Err(error) => self.warn(counter, &error.to_string()),
        }
        Ok(())
    }

    /// Says once that beacons count the site, since all lines from then on are left out.
    fn tell_live(&mut self, counter: &mut Counter<'_>, is_told: &mut bool) {
        let Some(since) = counter.live_from().filter(|_| !*is_told) else { return };
        let site = counter.site();
        let since = timestamp(since).to_zoned(site.time_zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z");
        let text = format!(
            "{} counts beacons since {since}, so the log's lines from then on are left out, as `live`; if no page sends beacons, follow with --overlap, which counts these lines too",
            site.id
        );
        *is_told = true;
        self.warn(counter, &text);
    }

    /// Says whether the log that was read is still there to be read to its end.
    fn tell_found(
        &mut self,
        counter: &mut Counter<'_>,
        why: Why,
        stood: Option<&Stood>,
        found: Option<String>,
    ) {
        let (path, site) = (self.path.display(), counter.site().id.clone());
        match (why, stood, found) {
            (Why::Cut, _, Some(copy)) => {
                (self.tell)(&format!("the log was cut; the rest of it is read from its copy {copy}"));
            }
            (Why::Cut, _, None) => {
                let text = format!(
                    "{path} was cut, and there is no copy of it beside it; what was written to it within the last second before is not counted"
                );
                self.warn(counter, &text);
            }
            (Why::Began, Some(_), None) => {
                let text = format!(
                    "the log that was followed last is not beside {path} any more; what was written to it since is not counted. If it was moved, import it: headcount import --site {site} FILE"
                );
                self.warn(counter, &text);
            }
            _ => {}
        }
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
