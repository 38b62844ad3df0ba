//! The keeper: the one thread that owns the fold and the store.
//!
//! It folds every interval and does in between what the control socket asks for, so that no two
//! hands are ever on the store. An order that fails is answered with the reason; a fold that fails
//! is tried again and shows in log, metrics and readiness.

mod letters;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use jiff::civil::Weekday;
use tokio::sync::oneshot;

pub use letters::{decide_with, terms};

use crate::count::Kept;
use crate::fleet::{Fleet, Letter};
use crate::fold::{Fold, FoldError};
use crate::import::{Begun, DaySalt, Desk, DeskError, Finished, OwnDesk};
use crate::journal::Journal;
use crate::metrics::Family;
use crate::rows::{Calendar, LocalDay};
use crate::salt::Salts;
use crate::sites::{LanguageChoice, Placed, Site};
use crate::snippet::Language;
use crate::store::{
    self, AdjustError, Adjustment, Batch, Brought, EdgeSecond, ImportBatch, Scope, Store, StoreError,
};
use crate::web::{Rooms, Worker, cuts};
use crate::words::{Day, SiteId, StreamId, Tally, UnixMillis};

/// However long the interval is, the keeper turns this often, so that one that hangs is noticed.
const BEAT: Duration = Duration::from_millis(500);
/// How often salts, old streams and old details are looked at.
const TIDY_MS: u64 = 10_000;
/// A store that keeps refusing is named in the log this often.
const COMPLAINT_MS: u64 = 60_000;
/// Minutes of the longest window.
const MINUTES_SHOWN: u64 = 24 * 60;
/// How long a stop waits for the shared store to take the last numbers.
const FLUSH_PATIENCE: Duration = Duration::from_secs(2);
/// What others counted in minutes before these is not kept.
const MINUTES_KEPT: u64 = MINUTES_SHOWN + 60;

/// Where the answer to an order goes.
pub type Answer<T> = oneshot::Sender<Result<T, OrderError>>;

/// What the keeper can be asked.
pub enum Order {
    /// Put sites in service, with what is kept of them.
    Place(Vec<Placed>, Answer<()>),
    /// Adjust a number; answered with the site's total.
    Adjust(Adjustment, Answer<Tally>),
    /// Bring an old counter's numbers along, all of them or none.
    BringAlong(Batch, Answer<Brought>),
    /// Say what that would do, and do nothing.
    TryAlong(Batch, Answer<Brought>),
    /// Write a backup to a file that does not exist.
    Backup(PathBuf, Answer<()>),
    /// Delete what is kept of a site that is not configured.
    RemoveSite(SiteId, Answer<bool>),
    /// Fold what there is, now.
    Fold(Answer<()>),
    /// Say how far a log is counted, by the hashes of its first lines.
    ImportBegin(SiteId, Vec<u64>, Answer<Begun>),
    /// Give the salt of a day of a log of a site.
    ImportSalt(SiteId, Day, Answer<DaySalt>),
    /// Say what other logs tell of a minute at their edges.
    ImportEdges(SiteId, StreamId, u64, Answer<Vec<(StreamId, EdgeSecond)>>),
    /// Store a part of a log; answered with the site's first beacon.
    ImportBatch(Box<ImportBatch>, Answer<Option<UnixMillis>>),
    /// End the imported days of a site, or of all.
    ImportFinish(Option<SiteId>, Answer<Finished>),
    /// Read what the fleet writes.
    Fleet(Letter),
    /// Fold for the last time and end; the workers have stopped.
    Stop,
}

/// Why an order was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The adjustment cannot be made.
    #[error(transparent)]
    Adjust(#[from] AdjustError),
    /// The fold that must come first failed.
    #[error(transparent)]
    Fold(#[from] FoldError),
    /// A site that is in service cannot be removed.
    #[error("{0} is in service; take it out of the configuration first")]
    InService(SiteId),
    /// A part of a log was not taken.
    #[error(transparent)]
    Desk(#[from] DeskError),
    /// A stream could not be read into the backup.
    #[error("cannot read the journal: {0}")]
    Journal(#[from] std::io::Error),
}

/// The keeper and what it works with.
pub struct Keeper {
    /// Fold and store.
    pub fold: Fold,
    /// The streams.
    pub journal: Arc<Journal>,
    /// Counts, clock, metrics, salts.
    pub rooms: Arc<Rooms>,
    /// Whose records are folded.
    pub workers: Vec<Arc<Worker>>,
    /// The salts of imported days.
    pub imported: Salts,
    /// How often to fold.
    pub interval: Duration,
    /// The machines that share one count with this one.
    pub fleet: Option<Fleet>,
}

#[derive(Default)]
struct Complaints {
    last: Option<UnixMillis>,
}

impl Keeper {
    /// Works until it is told to stop, or the other side of `orders` is gone, then folds once more:
    /// the workers must have stopped by then.
    ///
    /// # Errors
    /// When that last fold fails; what it did not store lies in the journal.
    pub fn run(mut self, orders: &Receiver<Order>) -> Result<(), FoldError> {
        let mut due = Instant::now() + self.interval;
        let mut tidied = self.rooms.clock.now();
        let mut complaints = Complaints::default();
        let beats = Arc::clone(&self.rooms.state.keeper_beats);
        // A backup of years may take longer than a watchdog's patience; it makes progress all the same.
        self.fold.store().on_progress(move || {
            beats.fetch_add(1, Ordering::Relaxed);
        });
        loop {
            self.rooms.state.keeper_beats.fetch_add(1, Ordering::Relaxed);
            match orders.recv_timeout(due.saturating_duration_since(Instant::now()).min(BEAT)) {
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(order) => self.carry_out(order),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if Instant::now() >= due {
                due = Instant::now() + self.interval;
                let now = self.rooms.clock.now();
                let mut done = self.fold();
                if done.is_ok() && now.since(tidied) >= TIDY_MS {
                    tidied = now;
                    done = self.tidy(now);
                }
                self.report(done, &mut complaints, now);
            }
        }
        self.fold()?;
        if let Some(fleet) = &self.fleet {
            fleet.flush(FLUSH_PATIENCE);
        }
        match self.fold.store().checkpoint() {
            // Somebody reads the database; the next start empties its log.
            Ok(()) | Err(StoreError::CheckpointBusy { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Folds what the workers have published.
    ///
    /// # Errors
    /// When the journal cannot be read or the store refuses.
    pub fn fold(&mut self) -> Result<(), FoldError> {
        let timer = self.rooms.metrics.fold_seconds.start_timer();
        let cuts = cuts(&self.workers);
        let now = self.rooms.clock.now();
        let folded = self.fold.run(cuts, &self.rooms.counts, now);
        timer.observe_duration();
        self.show_kept();
        if let Some(fleet) = &self.fleet {
            if folded.is_ok() {
                fleet.folded(now);
            }
            self.rooms.state.show_fleet(fleet.metrics(), fleet.degraded(now));
        }
        folded.map(drop)
    }

    fn tidy(&mut self, now: UnixMillis) -> Result<(), FoldError> {
        if let Err(error) = keep_salts(&self.rooms, now) {
            tracing::error!(%error, "the salts cannot be kept; beacons of a day without one are not counted");
        }
        self.fold.tidy(now)
    }

    fn report(&mut self, done: Result<(), FoldError>, complaints: &mut Complaints, now: UnixMillis) {
        let failing = &self.rooms.state.store_failing;
        match done {
            Ok(()) => {
                let second = u32::try_from(now.second()).unwrap_or(u32::MAX);
                self.rooms.metrics.store_last_success.set(f64::from(second));
                if failing.swap(false, Ordering::AcqRel) {
                    tracing::info!("the store takes folds again");
                    complaints.last = None;
                }
            }
            Err(error) => {
                self.rooms.metrics.store_errors.inc();
                failing.store(true, Ordering::Release);
                if complaints.last.is_none_or(|last| now.since(last) >= COMPLAINT_MS) {
                    complaints.last = Some(now);
                    let source = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::error!(%error, source, "counting goes on; the journal keeps what the store does not take");
                }
            }
        }
    }

    fn carry_out(&mut self, order: Order) {
        // Who asked may be gone; the order was carried out all the same.
        match order {
            Order::Place(sites, answer) => drop(answer.send(self.place(&sites))),
            Order::Adjust(adjustment, answer) => drop(answer.send(self.adjust(&adjustment))),
            Order::BringAlong(batch, answer) => drop(answer.send(self.bring_along(&batch))),
            Order::TryAlong(batch, answer) => drop(answer.send(self.try_along(&batch))),
            Order::Backup(path, answer) => drop(answer.send(self.backup(&path))),
            Order::RemoveSite(site, answer) => drop(answer.send(self.remove_site(&site))),
            Order::Fold(answer) => drop(answer.send(self.fold().map_err(OrderError::from))),
            Order::ImportBegin(site, head, answer) => {
                drop(answer.send(self.at_desk(|desk| desk.begin(&site, &head))));
            }
            Order::ImportSalt(site, day, answer) => {
                drop(answer.send(self.at_desk(|desk| desk.salt(&site, day))));
            }
            Order::ImportEdges(site, but, minute, answer) => {
                let edges = self.fold.store().import_edges(&site, but, minute);
                drop(answer.send(edges.map_err(OrderError::from)));
            }
            Order::ImportBatch(batch, answer) => drop(answer.send(self.import(&batch))),
            Order::ImportFinish(site, answer) => {
                drop(answer.send(self.at_desk(|desk| desk.finish(site.as_ref()))));
            }
            Order::Fleet(letter) => self.read_letter(letter),
            Order::Stop => {}
        }
    }

    /// Does something at the desk for logs, when all that beacons brought is in the store.
    fn at_desk<T>(
        &mut self,
        work: impl FnOnce(&mut OwnDesk<'_>) -> Result<T, DeskError>,
    ) -> Result<T, OrderError> {
        self.fold()?;
        let (fold, imported) = (&mut self.fold, &self.imported);
        Ok(work(&mut OwnDesk { fold, salts: &self.rooms.salts, imported, visitors: BTreeMap::new() })?)
    }

    /// Stores a part of a log and shows what it adds.
    fn import(&mut self, batch: &ImportBatch) -> Result<Option<UnixMillis>, OrderError> {
        let (live_from, visitors) = self.at_desk(|desk| {
            let live_from = desk.take(batch)?;
            Ok((live_from, std::mem::take(&mut desk.visitors)))
        })?;
        self.fold.learn_imports()?;
        self.rooms.counts.import(batch.site.as_str(), &batch.changes, self.rooms.clock.now());
        for (day, count) in visitors {
            self.rooms.counts.set_visitors(batch.site.as_str(), day, count);
        }
        Ok(live_from)
    }

    /// Puts sites in service: what is kept of them is read after a fold, so that nothing is amiss.
    /// Of sites that are in service already, only what a changed configuration may ask for.
    ///
    /// # Errors
    /// When the fold fails or the store cannot be read.
    pub fn place(&mut self, sites: &[Placed]) -> Result<(), OrderError> {
        self.fold()?;
        let now = self.rooms.clock.now();
        for placed in sites {
            let (store, counts) = (self.fold.store(), &self.rooms.counts);
            let in_service = counts.local_day(placed.number, now).is_some();
            let read = if in_service { kept_days } else { kept };
            let mut kept = read(store, &placed.site, now)?;
            if self.fleet.is_some() {
                kept = letters::with_others(store, &placed.site, kept, now)?;
            }
            counts.place(placed, &kept, now);
        }
        if let Some(fleet) = &self.fleet {
            fleet.set_sites(terms(sites.iter().map(|placed| &*placed.site)));
        }
        Ok(())
    }

    fn adjust(&mut self, adjustment: &Adjustment) -> Result<Tally, OrderError> {
        // An adjustment may not go below zero, so all that was counted must be in the store.
        self.fold()?;
        let total = self.fold.store().adjust(adjustment)?;
        self.show(adjustment);
        tracing::info!(
            site = adjustment.site.as_str(),
            figure = adjustment.figure.as_str(),
            amount = adjustment.amount.get(),
            who = adjustment.who,
            "a number was adjusted"
        );
        Ok(total)
    }

    fn bring_along(&mut self, batch: &Batch) -> Result<Brought, OrderError> {
        self.fold()?;
        let brought = self.fold.store().adjust_all(batch)?;
        batch.adjustments.iter().chain(&brought.taken_back).for_each(|adjustment| self.show(adjustment));
        tracing::info!(
            site = batch.site.as_str(),
            adjustments = batch.adjustments.len(),
            taken_back = brought.taken_back.len(),
            source = batch.source.as_str(),
            "the numbers of an old counter were brought along"
        );
        Ok(brought)
    }

    fn try_along(&mut self, batch: &Batch) -> Result<Brought, OrderError> {
        self.fold()?;
        Ok(self.fold.store().try_all(batch)?)
    }

    /// Shows an adjustment that the store has taken.
    fn show(&self, adjustment: &Adjustment) {
        let counts = &self.rooms.counts;
        let (site, figure, amount) = (adjustment.site.as_str(), adjustment.figure, adjustment.amount.get());
        match &adjustment.scope {
            Scope::Page(page) => counts.adjust_page(site, page.as_str(), figure, amount),
            scope => counts.adjust(site, scope.day(), figure, amount),
        }
    }

    fn backup(&mut self, path: &Path) -> Result<(), OrderError> {
        // A store that refuses folds can still be copied; the journal makes up for the rest.
        if let Err(error) = self.fold() {
            tracing::warn!(%error, "the backup holds more of the journal, because the store refuses folds");
        }
        write_backup(self.fold.store(), &self.journal, path)?;
        tracing::info!(path = %path.display(), "a backup was written");
        Ok(())
    }

    fn remove_site(&mut self, site: &SiteId) -> Result<bool, OrderError> {
        if self.rooms.sites().find(site.as_str()).is_some() {
            return Err(OrderError::InService(site.clone()));
        }
        self.fold()?;
        self.fold.remove_site(site);
        let removed = self.fold.store().remove_site(site)?;
        self.rooms.counts.forget(site.as_str(), self.rooms.clock.now());
        Ok(removed)
    }

    /// Writes the lines of the metrics page that only the keeper knows.
    fn show_kept(&mut self) {
        let lag = &self.rooms.state.lag;
        lag.journal_bytes.store(self.journal.bytes(), Ordering::Relaxed);
        lag.journal_bytes_max.store(self.journal.bytes_max(), Ordering::Relaxed);
        lag.unapplied_bytes.store(self.fold.unapplied_bytes(), Ordering::Relaxed);
        if let Ok(bytes) = self.fold.store().bytes() {
            lag.store_bytes.store(bytes, Ordering::Relaxed);
        }
        let mut bytes = Family::new("headcount_disk_bytes", "gauge", "Bytes on disk.");
        bytes.line(&[("file", "journal")], self.journal.bytes());
        if let Ok(database) = self.fold.store().bytes() {
            bytes.line(&[("file", "database")], database);
        }
        let mut limit =
            Family::new("headcount_journal_bytes_max", "gauge", "Bytes that the journal may take.");
        limit.line(&[], self.journal.bytes_max());
        let mut streams = Family::new("headcount_journal_streams", "gauge", "Files of the journal.");
        streams.line(&[], self.journal.streams().len());
        let mut lag = Family::new(
            "headcount_journal_unapplied_bytes",
            "gauge",
            "Bytes of the journal that the store has not taken.",
        );
        lag.line(&[], self.fold.unapplied_bytes());
        let mut unstored = Family::new(
            "headcount_fold_unstored_records",
            "gauge",
            "Records folded in memory that the store has not taken.",
        );
        unstored.line(&[], self.fold.unstored());
        let mut visits = Family::new("headcount_visits_open", "gauge", "Visitors whose visit is open.");
        visits.line(&[], self.fold.open_visits());
        let about = "Views counted for (other) of a dimension because details_per_day values had a row.";
        let mut other = Family::new("headcount_details_other_views_total", "counter", about);
        other.line(&[], self.fold.store().other_details());
        let text = [bytes, limit, streams, lag, unstored, visits, other].map(Family::into_text).concat();
        *self.rooms.state.kept.write().unwrap_or_else(PoisonError::into_inner) = text;
    }
}

/// Makes the salts that the sites need now and tomorrow, and erases those that none needs any more.
///
/// # Errors
/// When the file cannot be replaced.
pub fn keep_salts(rooms: &Rooms, now: UnixMillis) -> Result<(), crate::salt::SaltError> {
    let sites = rooms.sites();
    let locals: Vec<LocalDay> =
        sites.iter().filter_map(|placed| rooms.counts.local_day(placed.number, now)).collect();
    let wanted: Vec<Day> = locals.iter().flat_map(|local| [local.day, local.day.next()]).collect();
    let lately = |local: &LocalDay| now.since(local.from) < rooms.counts.visit_window_ms();
    let oldest =
        locals.iter().map(|local| if lately(local) { local.day.previous() } else { local.day }).min();
    // In a fleet salts are made together; here they are only forgotten.
    let wanted = if rooms.counts.is_together() { Vec::new() } else { wanted };
    rooms.salts.keep(&wanted, oldest.unwrap_or(Day(0))).map(drop)
}

/// What the store kept of a site.
///
/// # Errors
/// When the store cannot be read.
pub fn kept(store: &Store, site: &Site, now: UnixMillis) -> Result<Kept, StoreError> {
    let row = store.site(&site.id)?;
    Ok(Kept {
        total: row.map_or_else(Tally::default, |row| row.total),
        minutes: store.minutes(&site.id, now.minute().saturating_sub(MINUTES_SHOWN))?,
        pages: store.pages(&site.id)?,
        peak: row.and_then(|row| row.peak),
        last_beacon: row.and_then(|row| row.last_beacon),
        ..kept_days(store, site, now)?
    })
}

/// The calendar rows that the spans of today reach back to.
fn kept_days(store: &Store, site: &Site, now: UnixMillis) -> Result<Kept, StoreError> {
    let first_weekday = first_weekday(site);
    let today = LocalDay::of(now, &site.time_zone).day;
    let days = store.days(&site.id, Calendar::reaches_back_to(today, first_weekday), Day::LAST)?;
    let days = days.into_iter().map(|row| (row.day, row.tally, row.visitors)).collect();
    Ok(Kept { first_weekday: Some(first_weekday), days, ..Kept::default() })
}

fn first_weekday(site: &Site) -> Weekday {
    let language = match &site.language {
        LanguageChoice::Fixed(tag) => Language::find(tag),
        LanguageChoice::Auto => None,
    };
    site.first_weekday.unwrap_or_else(|| language.unwrap_or_else(Language::fallback).first_weekday)
}

/// Copies the store to a new file and puts into it what of the journal the copy does not cover.
///
/// # Errors
/// When the file exists, or cannot be written, or a stream cannot be read.
pub fn write_backup(store: &Store, journal: &Journal, path: &Path) -> Result<(), OrderError> {
    store.backup_into(path)?;
    let covered: BTreeMap<_, _> = store.offsets()?.into_iter().collect();
    let mut streams = Vec::new();
    for (id, stream) in journal.streams() {
        if covered.get(&id).is_none_or(|to| *to < stream.length) {
            let mut bytes = Vec::new();
            journal.read(&stream, 0, usize::try_from(stream.length).unwrap_or(usize::MAX), &mut bytes)?;
            streams.push((id, bytes));
        }
    }
    store::put_streams(path, &streams)?;
    Ok(())
}
