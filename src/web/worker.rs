//! The turn of a worker: gather, write, take, wake.
//!
//! Handlers of one loop turn put their records side by side and wait. The worker's committer comes
//! last in the turn: it writes all of them with one `write`, lets the counts take them in their
//! order, publishes how far the stream reaches, and wakes the handlers. A new peak is written in the
//! same turn, once it is known. A handler only waits for its reply, so a client that hangs up changes
//! nothing, not even how the beacon's outcome is counted: the turn does that too.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;

use crate::count::Counts;
use crate::fold::Cut;
use crate::journal::{WriteError, Writer, decode_own, encode};
use crate::metrics::{KINDS, Metrics};
use crate::salt::random;
use crate::sites::{SiteNumber, Sites};
use crate::snippet::{Language, Rendered};
use crate::words::{Record, StreamId, Touch, UnixMillis};

/// Records of one turn may take this many bytes before the committer is due at once: a write that
/// size takes longer than the turn saves.
const TURN_BYTES_MAX: usize = 256 << 10;

/// Together as long as the longest beacon's record: a few free bytes behind a stream's end, which take a
/// single small record, do not mean that counting works again.
const PROBE_RECORDS: usize = 64;

/// One worker, as its handlers, its committer and the fold see it.
pub struct Worker {
    gather: Mutex<Gather>,
    due: Notify,
    cut: Mutex<Cut>,
    /// When the committer last ran, in milliseconds since the epoch.
    heartbeat: AtomicU64,
}

struct Gather {
    records: Vec<u8>,
    count: u64,
    /// How many of them are beacons, of each kind.
    beacons: [u64; KINDS],
    newest: UnixMillis,
    turn: Arc<Turn>,
}

/// The handlers that wait for one turn.
#[derive(Default)]
pub(super) struct Turn {
    state: Mutex<TurnState>,
    shown: Mutex<Vec<Shown>>,
}

#[derive(Default)]
struct TurnState {
    /// When it ended, and whether its records were written.
    ended: Option<(UnixMillis, bool)>,
    waiting: Vec<Waker>,
}

/// What the replies of a turn show of a site.
struct Shown {
    site: SiteNumber,
    language: &'static Language,
    rendered: Rendered,
}

/// A record that was written.
pub struct Written {
    /// The end of its turn.
    pub(super) at: UnixMillis,
    /// The turn, for what its replies share.
    pub(super) turn: Arc<Turn>,
}

impl Default for Worker {
    fn default() -> Worker {
        let gather = Gather {
            records: Vec::new(),
            count: 0,
            beacons: [0; KINDS],
            newest: UnixMillis(0),
            turn: Arc::default(),
        };
        Worker {
            gather: Mutex::new(gather),
            due: Notify::new(),
            cut: Mutex::default(),
            heartbeat: AtomicU64::new(0),
        }
    }
}

impl Worker {
    /// Puts the record of a counted beacon into this turn. The future ends when the turn is over
    /// and says whether the record was written.
    pub fn commit(&self, touch: &Touch<'_>) -> Committed {
        Committed(Some(self.gather(&Record::Touch(*touch), touch.at)))
    }

    fn gather(&self, record: &Record<'_>, at: UnixMillis) -> Arc<Turn> {
        let mut gather = lock(&self.gather);
        let first = gather.records.is_empty();
        encode(record, &mut gather.records);
        gather.count += 1;
        if let Record::Touch(touch) = record {
            gather.beacons[touch.kind.index()] += 1;
        }
        gather.newest = gather.newest.max(at);
        if first || gather.records.len() > TURN_BYTES_MAX {
            self.due.notify_one();
        }
        Arc::clone(&gather.turn)
    }

    /// Waits until a turn has records.
    pub async fn due(&self) {
        self.due.notified().await;
    }

    /// Puts the peaks that were seen into the next turn, so that they can be shown.
    pub fn gather_peaks(&self, counts: &Counts) {
        for (site, count, at) in counts.all_rising() {
            self.gather(&Record::Peak { site: site.as_str(), count, at }, at);
        }
    }

    /// Puts records that change nothing into the next turn, to find out whether the journal can be
    /// written again.
    pub fn gather_probe(&self, sites: &Sites) {
        let Some(placed) = sites.iter().next() else { return };
        let nothing = Record::Peak { site: placed.site.id.as_str(), count: 0, at: UnixMillis(0) };
        for _ in 0..PROBE_RECORDS {
            self.gather(&nothing, UnixMillis(0));
        }
    }

    /// Ends a turn: writes what was gathered, takes it, publishes it, wakes those who wait. Says
    /// whether it was written, if there was anything.
    pub fn turn(
        &self,
        committer: &mut Committer,
        counts: &Counts,
        metrics: &Metrics,
        now: UnixMillis,
    ) -> Option<bool> {
        self.heartbeat.store(now.0, Ordering::Relaxed);
        let spare = std::mem::take(&mut committer.spare);
        let mut gather = lock(&self.gather);
        if gather.records.is_empty() {
            committer.spare = spare;
            return None;
        }
        let records = std::mem::replace(&mut gather.records, spare);
        let (count, newest) = (std::mem::take(&mut gather.count), gather.newest);
        let beacons = std::mem::take(&mut gather.beacons);
        let turn = std::mem::take(&mut gather.turn);
        drop(gather);
        counts.sweep(now);
        let written = committer.write(&records, now);
        match &written {
            Ok(()) => {
                metrics.journal_writes.inc();
                metrics.journal_records.inc_by(count);
                metrics.counted(beacons);
                self.take(&records, newest, committer, counts);
                self.write_peaks(committer, counts, metrics, now);
            }
            Err(error) => {
                metrics.journal_write_errors.inc();
                metrics.failed(beacons);
                committer.complain(error, count, now);
            }
        }
        turn.end(now, written.is_ok());
        committer.spare = records;
        committer.spare.clear();
        Some(written.is_ok())
    }

    /// Lets the counts take what was written, and publishes it.
    fn take(&self, records: &[u8], newest: UnixMillis, committer: &mut Committer, counts: &Counts) {
        let mut cut = lock(&self.cut);
        counts.take(records, decode_own, &mut cut.opened);
        cut.published.extend(committer.publish(newest));
    }

    /// Writes the peaks that this turn has brought, so that its replies may show them beside the number
    /// online. What cannot be written waits for [`Worker::gather_peaks`].
    fn write_peaks(&self, committer: &mut Committer, counts: &Counts, metrics: &Metrics, now: UnixMillis) {
        if !counts.peak_rose() {
            return;
        }
        let mut peaks = Vec::new();
        let rising = counts.all_rising();
        for (site, count, at) in &rising {
            encode(&Record::Peak { site: site.as_str(), count: *count, at: *at }, &mut peaks);
        }
        if !rising.is_empty() && committer.write(&peaks, now).is_ok() {
            metrics.journal_writes.inc();
            metrics.journal_records.inc_by(u64::try_from(rising.len()).unwrap_or(u64::MAX));
            self.take(&peaks, now, committer, counts);
        }
    }

    /// When the committer last ran.
    #[must_use]
    pub fn heartbeat(&self) -> UnixMillis {
        UnixMillis(self.heartbeat.load(Ordering::Relaxed))
    }
}

/// What all workers have published since the last cut, and what memory decided in it, all at one
/// moment: a reply is sent after its record is published, so whatever a client sent after one lies
/// behind it, on whichever worker. (These locks are the only ones of a kind that are held together,
/// and only here.)
pub fn cuts(workers: &[Arc<Worker>]) -> Vec<Cut> {
    let locks: Vec<_> = workers.iter().map(|worker| lock(&worker.cut)).collect();
    locks.into_iter().map(|mut cut| std::mem::take(&mut *cut)).collect()
}

/// The one who writes for a worker.
pub struct Committer {
    writer: Writer,
    spare: Vec<u8>,
    complained: Option<UnixMillis>,
}

/// A failing journal is named in the log this often, however many turns fail.
const COMPLAINT_MS: u64 = 10_000;

impl Committer {
    /// A committer with a writer of its own.
    #[must_use]
    pub fn new(writer: Writer) -> Committer {
        Committer { writer, spare: Vec::new(), complained: None }
    }

    fn write(&mut self, records: &[u8], now: UnixMillis) -> Result<(), WriteError> {
        self.writer.write(records, now, fresh_stream)
    }

    fn publish(&mut self, newest: UnixMillis) -> Option<(StreamId, u64)> {
        self.writer.publish(newest)
    }

    /// Ends a stream that is old, so that it can be forgotten even when nobody comes.
    pub fn seal_if_old(&mut self, now: UnixMillis) {
        self.writer.seal_if_old(now);
    }

    fn complain(&mut self, error: &WriteError, records: u64, now: UnixMillis) {
        if self.complained.is_none_or(|last| now.since(last) >= COMPLAINT_MS) {
            self.complained = Some(now);
            tracing::error!(%error, records, "beacons are answered with 503 until the journal can be written again");
        }
    }
}

fn fresh_stream() -> StreamId {
    StreamId(u64::from_le_bytes(random().expect("a system that has started has random bytes")))
}

impl Turn {
    /// What all replies of this turn show of a site in a language: rendered by the first of them. All
    /// their records were taken before, so every reply shows its own beacon.
    pub(super) fn show<E>(
        &self,
        site: SiteNumber,
        language: &'static Language,
        render: impl FnOnce() -> Result<Rendered, E>,
        reply: impl FnOnce(&Rendered) -> Vec<u8>,
    ) -> Result<Vec<u8>, E> {
        let mut shown = lock(&self.shown);
        let is_it = |shown: &Shown| shown.site == site && std::ptr::eq(shown.language, language);
        let place = if let Some(place) = shown.iter().position(is_it) {
            place
        } else {
            shown.push(Shown { site, language, rendered: render()? });
            shown.len() - 1
        };
        Ok(reply(&shown[place].rendered))
    }

    fn end(&self, now: UnixMillis, written: bool) {
        let mut state = lock(&self.state);
        state.ended = Some((now, written));
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }
}

/// Ends when the turn is over; `None` if its records were not written.
pub struct Committed(Option<Arc<Turn>>);

impl Future for Committed {
    type Output = Option<Written>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let turn = self.0.take().expect("a future is not polled once it has ended");
        let mut state = lock(&turn.state);
        if let Some((at, written)) = state.ended {
            drop(state);
            return Poll::Ready(written.then_some(Written { at, turn }));
        }
        state.waiting.push(context.waker().clone());
        drop(state);
        self.0 = Some(turn);
        Poll::Pending
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
