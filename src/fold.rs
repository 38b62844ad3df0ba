//! The fold: from the journal to what is kept.
//!
//! Every second the new records of all streams, merged by time, are added up and stored in one
//! transaction together with the offsets they reach to. The same code does it at a start, from
//! older offsets: crash recovery is not a second path. The fold is the one place that decides
//! visits and visitors; where memory decided otherwise, it is corrected.
//!
//! A store that refuses holds up nothing but itself: records are folded on in memory, and the next
//! transaction that succeeds takes all that has gathered, with its offsets.

mod together;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

pub use together::Decide;

use self::together::Together;

use crate::count::{Counts, Opened};
use crate::journal::{Journal, Reading, merge};
use crate::rows::{Addition, DayVisitors, OpenVisits, RowChanges, SiteChanges, Sketch};
use crate::store::{ImportBatch, Prune, Sequence, Store, StoreError};
use crate::words::{Day, Kind, Record, SiteId, StreamId, Tally, Touch, UnixMillis, VisitorId};

/// Records folded before a start hands them to the store: a bound on memory, and the most that is
/// done again if the start is interrupted.
const START_RECORDS_MAX: u64 = 1_000_000;
/// Minute rows are kept for 25 hours: the longest window, and an hour of slack.
const MINUTES_KEPT: u64 = 25 * 60;
/// The most rows that a step of retention deletes, so that a fold never waits long.
const PRUNED_ROWS_MAX: u32 = 5_000;
/// A day whose date is this many days back is over in every time zone, and so is its visit window.
const CLOSED_AFTER_DAYS: i32 = 2;

/// What the fold is told.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How often it runs, in milliseconds: how old the visitors of a day may be.
    pub interval_ms: u64,
    /// How long pages and details of single days are kept, in days.
    pub details_days: u32,
}

/// Why a fold did not succeed. What was folded is kept in memory and tried again.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// A stream could not be read.
    #[error("the fold cannot read the journal: {0}")]
    Journal(#[from] io::Error),
    /// The store refused.
    #[error("the fold cannot store what it counted: {0}")]
    Store(#[from] StoreError),
}

/// What a worker has published when a fold begins.
#[derive(Debug, Default)]
pub struct Cut {
    /// Streams and how far they reach.
    pub published: BTreeMap<StreamId, u64>,
    /// Visits that memory opened in the same records.
    pub opened: Vec<Opened>,
}

/// What a fold did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Folded {
    /// Records that were added up.
    pub records: u64,
    /// Records that were applied before and only brought the visits back.
    pub known: u64,
    /// Streams that the store knows and whose file is not there.
    pub lost: usize,
}

/// The fold of one machine.
pub struct Fold {
    options: Options,
    visit_window_ms: u64,
    journal: Arc<Journal>,
    store: Store,
    state: State,
    /// How far the workers have published, and what memory decided about visits up to there.
    cut: Cut,
    /// What the fold decided in the same records, as far as it got.
    theirs: Vec<Opened>,
    /// In a fleet: who decides visits.
    decide: Option<Decide>,
}

/// What has been added up since the last transaction, and what later records depend on.
#[derive(Default)]
struct State {
    /// Visitors in an open visit, and the last moment of each.
    visits: OpenVisits,
    sites: foldhash::HashMap<SiteId, FoldedSite>,
    /// How far each stream was read.
    read: BTreeMap<StreamId, u64>,
    /// How far each stream is applied in the store.
    applied: BTreeMap<StreamId, u64>,
    records: u64,
    /// The store's last transaction.
    settled: Sequence,
    /// In a fleet: what it has to decide.
    together: Option<Together>,
    /// Visitors of the last days that logs told of.
    imported: BTreeMap<SiteId, Vec<(Day, u64)>>,
}

#[derive(Default)]
struct FoldedSite {
    changes: SiteChanges,
    changed: bool,
    /// The open days' visitors, and whether they changed.
    sketches: Vec<OpenDay>,
}

struct OpenDay {
    day: Day,
    visitors: Sketch,
    changed: bool,
}

impl FoldedSite {
    /// The sketch of a day; there are seldom more than two.
    fn open_day(&mut self, day: Day) -> &mut OpenDay {
        let place = self.sketches.iter().position(|open| open.day == day).unwrap_or_else(|| {
            self.sketches.reserve_exact(1);
            self.sketches.push(OpenDay { day, visitors: Sketch::default(), changed: false });
            self.sketches.len() - 1
        });
        &mut self.sketches[place]
    }
}

impl Fold {
    /// Takes over the store and the journal, and folds what was left over in every stream.
    ///
    /// # Errors
    /// When a stream cannot be read or the store refuses.
    pub fn open(
        options: Options,
        visit_window_ms: u64,
        journal: Arc<Journal>,
        store: Store,
    ) -> Result<(Fold, Folded), FoldError> {
        Fold::begin(options, visit_window_ms, journal, store, None)
    }

    /// The same for a machine of a fleet, which is asked for every visit that would open.
    ///
    /// # Errors
    /// As [`Fold::open`].
    pub fn open_together(
        options: Options,
        visit_window_ms: u64,
        journal: Arc<Journal>,
        store: Store,
        decide: Decide,
    ) -> Result<(Fold, Folded), FoldError> {
        Fold::begin(options, visit_window_ms, journal, store, Some(decide))
    }

    fn begin(
        options: Options,
        visit_window_ms: u64,
        journal: Arc<Journal>,
        store: Store,
        decide: Option<Decide>,
    ) -> Result<(Fold, Folded), FoldError> {
        let mut state = State {
            applied: store.offsets()?.into_iter().collect(),
            settled: store.sequence()?,
            together: decide.is_some().then(Together::default),
            ..State::default()
        };
        for (site, day, bytes) in store.open_sketches()? {
            // A sketch that cannot be read begins anew; its number of before stays until it is passed.
            let visitors = Sketch::from_bytes(&bytes).unwrap_or_default();
            state.sites.entry(site).or_default().open_day(day).visitors = visitors;
        }
        let (cut, theirs) = (Cut::default(), Vec::new());
        let mut fold = Fold { options, visit_window_ms, journal, store, state, cut, theirs, decide };
        fold.learn_imports()?;
        let folded = fold.fold_left_over()?;
        Ok((fold, folded))
    }

    /// Reads again which visitors logs told of: they are shown with those of beacons.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn learn_imports(&mut self) -> Result<(), StoreError> {
        self.state.imported.clear();
        for (site, day, count) in self.store.visitors_imported()? {
            self.state.imported.entry(site).or_default().push((day, count));
        }
        Ok(())
    }

    fn fold_left_over(&mut self) -> Result<Folded, FoldError> {
        let streams = self.journal.streams();
        // Streams that lost their file are done with.
        let gone: Vec<_> =
            self.state.applied.keys().filter(|id| !streams.contains_key(id)).copied().collect();
        if !gone.is_empty() {
            self.store.forget_streams(&gone)?;
            self.state.applied.retain(|id, _| !gone.contains(id));
        }
        let applied = |id: &StreamId| self.state.applied.get(id).copied().unwrap_or(0);
        let mut before = Vec::new();
        let mut left_over = Vec::new();
        for (id, stream) in streams {
            let (middle, to) = (applied(&id).min(stream.length), stream.length);
            before.push(Reading { id, stream: stream.clone(), from: 0, to: middle });
            left_over.push(Reading { id, stream, from: middle, to });
        }
        let mut folded = Folded { lost: gone.len(), ..Folded::default() };
        let (state, store, window) = (&mut self.state, &mut self.store, self.visit_window_ms);
        let decide = &mut self.decide;
        // What was applied comes first, whole, as it did in the folds before: a record of the same
        // moment that was left over must find the visit that it belongs to.
        merge(&self.journal, before, |record, _, _| {
            state.remember(record, window);
            folded.known += 1;
            Ok::<(), FoldError>(())
        })?;
        merge(&self.journal, left_over, |record, stream, behind| {
            state.take(record, window, None);
            state.read.insert(stream, behind);
            folded.records += 1;
            if folded.records.is_multiple_of(START_RECORDS_MAX) {
                state.settle(decide);
                state.forget_closed_visits(record.at(), window);
                state.apply(store)?;
            }
            Ok::<(), FoldError>(())
        })?;
        state.settle(decide);
        state.apply(store)?;
        Ok(folded)
    }

    /// Folds what the workers have published, corrects what memory decided, and stores it.
    ///
    /// # Errors
    /// When a stream cannot be read or the store refuses. Nothing is lost: the next fold takes it
    /// up where this one stood.
    pub fn run(&mut self, cuts: Vec<Cut>, counts: &Counts, now: UnixMillis) -> Result<Folded, FoldError> {
        for cut in cuts {
            self.cut.opened.extend(cut.opened);
            self.cut.published.extend(cut.published);
        }
        let mut folded = Folded::default();
        let (state, theirs, window) = (&mut self.state, &mut self.theirs, self.visit_window_ms);
        let readings = state.unread(&self.cut.published, &self.journal);
        merge(&self.journal, readings, |record, stream, behind| {
            if let Some(touch) = state.take(record, window, Some(counts)) {
                theirs.extend(counts.opened_by(touch));
            }
            state.read.insert(stream, behind);
            folded.records += 1;
            Ok::<(), io::Error>(())
        })?;
        theirs.extend(state.settle(&mut self.decide));
        counts.correct(&self.cut.opened, theirs);
        theirs.clear();
        self.cut = Cut::default();
        state.forget_closed_visits(now, window);
        state.close_days(now);
        state.show_visitors(counts);
        state.apply(&mut self.store)?;
        Ok(folded)
    }

    /// Forgets streams that are applied and no longer needed, and details that are too old.
    ///
    /// # Errors
    /// When a file cannot be removed or the store refuses.
    pub fn tidy(&mut self, now: UnixMillis) -> Result<(), FoldError> {
        let gone = self.journal.forgettable(&self.state.applied, now);
        if !gone.is_empty() {
            match self.store.checkpoint() {
                Ok(()) => self.forget(&gone)?,
                // Somebody reads the database: the streams stay until the next time.
                Err(StoreError::CheckpointBusy { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let today = Day(i32::try_from(now.second() / 86_400).unwrap_or(i32::MAX));
        let kept = i32::try_from(self.options.details_days).unwrap_or(i32::MAX);
        self.store.prune(&Prune {
            details_before: Day(today.0.saturating_sub(kept)),
            minutes_before: now.minute().saturating_sub(MINUTES_KEPT),
            rows_max: PRUNED_ROWS_MAX,
        })?;
        Ok(())
    }

    fn forget(&mut self, gone: &[StreamId]) -> Result<(), FoldError> {
        self.journal.forget(gone)?;
        self.store.forget_streams(gone)?;
        for id in gone {
            self.state.applied.remove(id);
            self.state.read.remove(id);
        }
        Ok(())
    }

    /// Stores a part of a log. Visitors of days that beacons count too are merged with theirs.
    ///
    /// # Errors
    /// When the store refuses; then nothing changed.
    pub fn import(&mut self, batch: &ImportBatch) -> Result<(), StoreError> {
        let site = self.state.sites.entry(batch.site.clone()).or_default();
        let (mut merged, mut visitors) = (Vec::new(), BTreeMap::new());
        for (day, of_batch) in &batch.visitors_today {
            let mut all = site.open_day(*day).visitors.clone();
            all.merge(of_batch);
            visitors.insert(*day, DayVisitors { count: all.count(), sketch: Some(all.to_bytes()) });
            merged.push((*day, all));
        }
        self.store.apply_import(batch, &visitors)?;
        for (day, all) in merged {
            site.open_day(day).visitors = all;
        }
        Ok(())
    }

    /// Takes the visitors of a day that other machines of the fleet have seen. Says whether any was new.
    pub fn merge_visitors(&mut self, id: &SiteId, day: Day, theirs: &Sketch) -> bool {
        let site = self.state.site(id.as_str());
        let open = site.open_day(day);
        let before = open.visitors.to_bytes();
        open.visitors.merge(theirs);
        let news = open.visitors.to_bytes() != before;
        open.changed |= news;
        news
    }

    /// The store, for what is not folding: adjustments, backups, reading rows.
    pub fn store(&mut self) -> &mut Store {
        &mut self.store
    }

    /// The store's last transaction.
    #[must_use]
    pub fn settled(&self) -> Sequence {
        self.state.settled
    }

    /// Records that are folded and not stored yet, because the store refuses.
    #[must_use]
    pub fn unstored(&self) -> u64 {
        self.state.records
    }

    /// Visitors whose visit is open.
    #[must_use]
    pub fn open_visits(&self) -> usize {
        self.state.visits.len()
    }

    /// Whether a visit of somebody seen at `at` was folded and is open.
    #[must_use]
    pub fn knows(&self, visitor: VisitorId, at: UnixMillis) -> bool {
        self.state.visits.last(visitor, at).is_some_and(|last| at.since(last) <= self.visit_window_ms)
    }

    /// Bytes of the journal that are published and not applied.
    #[must_use]
    pub fn unapplied_bytes(&self) -> u64 {
        let applied = |id: &StreamId| self.state.applied.get(id).copied().unwrap_or(0);
        self.journal.streams().iter().map(|(id, stream)| stream.length.saturating_sub(applied(id))).sum()
    }

    /// Forgets what is folded of a site and not stored.
    pub fn remove_site(&mut self, site: &SiteId) {
        self.state.sites.remove(site);
    }
}

impl State {
    /// The parts of streams that are published and were not read yet.
    fn unread(&self, published: &BTreeMap<StreamId, u64>, journal: &Journal) -> Vec<Reading> {
        let streams = journal.streams();
        let reading = |(id, to): (&StreamId, &u64)| {
            let from = self.read.get(id).or_else(|| self.applied.get(id)).copied().unwrap_or(0);
            let stream = streams.get(id).filter(|_| *to > from)?.clone();
            Some(Reading { id: *id, stream, from, to: *to })
        };
        published.iter().filter_map(reading).collect()
    }

    /// Adds a record up. Gives back the touch that opened a visit; what a fleet must decide, it keeps.
    fn take<'a, 'r>(
        &mut self,
        record: &'a Record<'r>,
        visit_window_ms: u64,
        counts: Option<&Counts>,
    ) -> Option<&'a Touch<'r>> {
        self.records += 1;
        match record {
            Record::Peak { site, count, at } => {
                self.site(site).changes.raise_peak(*count, *at);
                None
            }
            Record::Touch(touch) => {
                let mut opened = self.visit(touch, visit_window_ms);
                if let Some(mut together) = self.together.take() {
                    let in_visit = opened || self.visits.last(touch.visitor, touch.at).is_some();
                    together.take(touch, opened, in_visit, counts);
                    self.together = Some(together);
                    opened = false;
                }
                self.add(touch, opened);
                opened.then_some(touch)
            }
        }
    }

    /// Asks the fleet which visits opened and adds those. Gives them in the words of memory.
    fn settle(&mut self, decide: &mut Option<Decide>) -> Vec<Opened> {
        let Some((mut together, decide)) = self.together.take().zip(decide.as_mut()) else {
            return Vec::new();
        };
        let settled = self.settled;
        let visits = if together.is_empty() {
            Vec::new()
        } else {
            together.settle(settled, decide, |touch| self.add_tally(touch, Tally { views: 0, visits: 1 }))
        };
        self.together = Some(together);
        visits
    }

    fn add(&mut self, touch: &Touch<'_>, opened: bool) {
        let site = self.site(touch.site);
        site.changes.note_beacon(touch.at);
        if touch.kind != Kind::Leave {
            let open = site.open_day(touch.day);
            open.visitors.insert(touch.visitor);
            open.changed = true;
        }
        if touch.kind == Kind::View {
            self.add_tally(touch, Tally { views: 1, visits: u64::from(opened) });
        }
    }

    fn add_tally(&mut self, touch: &Touch<'_>, tally: Tally) {
        let site = self.site(touch.site);
        site.changes.add(&Addition { day: touch.day, minute: touch.at.minute(), page: touch.page, tally });
        site.changes.details.add(touch.day, &touch.details, tally);
    }

    /// Brings a visit back from a record that was applied before. The records that opened it may be
    /// forgotten already; then the record's own word stands for them. Here alone: nothing is counted,
    /// so it does not matter in which order records of the same moment come.
    fn remember(&mut self, record: &Record<'_>, visit_window_ms: u64) {
        if let Record::Touch(touch) = record {
            if touch.in_visit && self.visits.last(touch.visitor, touch.at).is_none() {
                self.visits.put(touch.visitor, touch.at);
            }
            self.visit(touch, visit_window_ms);
        }
    }

    /// Decides whether a touch opens a visit.
    fn visit(&mut self, touch: &Touch<'_>, visit_window_ms: u64) -> bool {
        self.visits.take(touch.kind, touch.at, touch.visitor, touch.previous, visit_window_ms)
    }

    fn site(&mut self, id: &str) -> &mut FoldedSite {
        if !self.sites.contains_key(id) {
            let id = SiteId::parse(id).expect("the journal holds ids that were parsed at the door");
            self.sites.insert(id, FoldedSite::default());
        }
        let site = self.sites.get_mut(id).expect("was inserted above");
        site.changed = true;
        site
    }

    fn forget_closed_visits(&mut self, now: UnixMillis, visit_window_ms: u64) {
        self.visits.forget_before(now, visit_window_ms);
    }

    /// Days that are over everywhere keep their number and drop their sketch.
    fn close_days(&mut self, now: UnixMillis) {
        let today = i32::try_from(now.second() / 86_400).unwrap_or(i32::MAX);
        for site in self.sites.values_mut() {
            let closed = |open: &mut OpenDay| open.day.0.saturating_add(CLOSED_AFTER_DAYS) < today;
            for open in site.sketches.extract_if(.., closed) {
                let visitors = DayVisitors { count: open.visitors.count(), sketch: None };
                site.changes.visitors.insert(open.day, visitors);
                site.changed = true;
            }
        }
    }

    fn show_visitors(&self, counts: &Counts) {
        for (id, site) in self.sites.iter().filter(|(_, site)| site.changed) {
            let imported = self.imported.get(id).map_or(&[][..], Vec::as_slice);
            for open in site.sketches.iter().filter(|open| open.changed) {
                let imported =
                    imported.iter().find(|(day, _)| *day == open.day).map_or(0, |(_, count)| *count);
                counts.set_visitors(id.as_str(), open.day, open.visitors.count() + imported);
            }
        }
    }

    /// Hands everything that changed to the store, with the offsets it reaches to.
    fn apply(&mut self, store: &mut Store) -> Result<(), StoreError> {
        let mut changes = RowChanges::default();
        for (id, site) in self.sites.iter_mut().filter(|(_, site)| site.changed) {
            for OpenDay { day, visitors, .. } in site.sketches.iter().filter(|open| open.changed) {
                let visitors = DayVisitors { count: visitors.count(), sketch: Some(visitors.to_bytes()) };
                site.changes.visitors.insert(*day, visitors);
            }
            changes.sites.insert(id.clone(), std::mem::take(&mut site.changes));
        }
        let covered: Vec<_> = self.read.iter().map(|(id, to)| (*id, *to)).collect();
        let moved = covered.iter().any(|(id, to)| self.applied.get(id) != Some(to));
        if changes.sites.is_empty() && !moved {
            return Ok(());
        }
        let applied = store.apply(&changes, &covered);
        for (id, changes) in changes.sites {
            let Some(site) = self.sites.get_mut(&id) else { continue };
            if applied.is_err() {
                site.changes = changes;
                continue;
            }
            site.changed = false;
            site.sketches.iter_mut().for_each(|open| open.changed = false);
        }
        self.settled = applied?;
        self.applied.extend(covered);
        self.records = 0;
        self.sites.retain(|_, site| !site.sketches.is_empty());
        Ok(())
    }
}
