//! Counting in memory: take a record, give the numbers.
//!
//! [`Counts::take`] is called in a worker's turn, after the records were written, and once more for
//! the records of the last hours when a start brings presence back. What it decides about visits
//! stands in for the fold's word by at most a fold interval: [`Counts::correct`] replaces it.
//!
//! A site's numbers lie behind a lock of their own that is held for a few additions; no lock is held
//! while another is taken. The room knows neither journal nor store: what was kept is handed to it
//! when a site is put in place.

mod presence;
mod site;
mod window;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

pub use site::Kept;

use self::presence::{Beat, Change, Presence, Spot};
use self::site::SiteCounts;
use crate::rows::{Addition, LocalDay, PageSlot, SharedChanges, SiteChanges, Touched};
use crate::sites::{Placed, SiteNumber};
use crate::words::{
    Day, Figure, Kind, Numbers, PageNumbers, PagePath, Record, SiteId, Tally, Touch, UnixMillis, VisitorId,
};

/// What counting is told.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long a visit stays open without a beacon, in milliseconds.
    pub visit_window_ms: u64,
    /// Pages of a site with a row of their own; later ones are counted as `(other)`.
    pub pages_per_site: u32,
    /// People remembered at once, over all sites.
    pub presence_max: usize,
    /// Whether a fleet decides visits and says who is online. Then a visit shows once it is decided.
    pub together: bool,
}

/// A visit that was opened, as far as it shows in the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Opened {
    /// The site.
    pub site: SiteNumber,
    /// The day it belongs to.
    pub day: Day,
    /// The minute it was opened in, since the epoch.
    pub minute: u64,
    /// The page it was opened with.
    pub page: Option<PageSlot>,
}

/// The numbers of every site in service, and everybody who is here.
pub struct Counts {
    options: Options,
    presence: Presence,
    sites: RwLock<Index>,
    /// More people are online at some site than ever before, and nobody has asked yet.
    peak_rose: AtomicBool,
}

#[derive(Default)]
struct Index {
    by_id: foldhash::HashMap<SiteId, Arc<SiteCounts>>,
    /// Numbers are given from 0 on, once each.
    by_number: Vec<Option<Arc<SiteCounts>>>,
}

impl Index {
    fn site(&self, number: SiteNumber) -> Option<&Arc<SiteCounts>> {
        self.by_number.get(usize::try_from(number.0).ok()?)?.as_ref()
    }

    fn put(&mut self, site: Arc<SiteCounts>) {
        let place = usize::try_from(site.number.0).unwrap_or(usize::MAX);
        if place >= self.by_number.len() {
            self.by_number.resize(place + 1, None);
        }
        self.by_number[place] = Some(Arc::clone(&site));
        self.by_id.insert(site.id.clone(), site);
    }

    fn went(&self, spot: Spot) {
        if let Some(site) = self.site(spot.site) {
            site.went(spot.page);
        }
    }
}

impl Counts {
    /// Nobody here and no site in service.
    #[must_use]
    pub fn new(options: Options, now: UnixMillis) -> Counts {
        let presence = Presence::new(options.visit_window_ms, now);
        Counts { options, presence, sites: RwLock::default(), peak_rose: AtomicBool::new(false) }
    }

    /// Puts a site in service, with what was kept of it; a site that is in service already takes
    /// its new configuration and, of what was kept, only what that needs.
    pub fn place(&self, placed: &Placed, kept: &Kept, now: UnixMillis) {
        if let Some(site) = self.index().site(placed.number) {
            site.reconfigure(&placed.site, kept, now);
            return;
        }
        let site = Arc::new(SiteCounts::new(placed, kept, &self.options, now));
        let mut sites = self.sites.write().unwrap_or_else(PoisonError::into_inner);
        sites.put(site);
    }

    /// Shows what is kept of a site in service anew, after its rows were changed behind the counts' back.
    /// Who is here stays.
    pub fn replace(&self, placed: &Placed, kept: &Kept, now: UnixMillis) {
        if let Some(site) = self.index().site(placed.number) {
            site.replace(placed, kept, &self.options, now);
        }
    }

    /// Whether a fleet decides visits.
    #[must_use]
    pub fn is_together(&self) -> bool {
        self.options.together
    }

    /// Forgets the numbers of a site whose rows are deleted: should it come back, it begins anew. Who is
    /// here stays, since presence forgets by itself.
    pub fn forget(&self, site: &str, now: UnixMillis) {
        if let Some(site) = self.index().by_id.get(site) {
            site.forget(now);
        }
    }

    /// The visit window, in milliseconds.
    #[must_use]
    pub fn visit_window_ms(&self) -> u64 {
        self.options.visit_window_ms
    }

    /// Takes encoded records in their order. The visits that they opened are added to `opened`.
    pub fn take(&self, mut records: &[u8], decode: Decode, opened: &mut Vec<Opened>) {
        let sites = self.index();
        while let Some((record, bytes)) = decode(records) {
            match record {
                Record::Touch(touch) => opened.extend(self.take_touch(&sites, &touch)),
                Record::Peak { site, count, at } => {
                    if let Some(site) = sites.by_id.get(site) {
                        site.raise_peak(count, at);
                    }
                }
            }
            records = &records[bytes..];
        }
    }

    fn take_touch(&self, sites: &Index, touch: &Touch<'_>) -> Option<Opened> {
        let site = sites.by_id.get(touch.site)?;
        let page = touch.page.map(|page| site.page_slot(page));
        // Memory has seen everything; the word of a record is for those who have not.
        let change = self.touch(sites, site, &Touch { in_visit: false, ..*touch }, page);
        let minute = touch.at.minute();
        let opened = change.opened && !self.options.together;
        let tally = Tally { views: 1, visits: u64::from(opened) };
        let addition = Addition { day: touch.day, minute, page: touch.page, tally };
        let view = (touch.kind == Kind::View).then_some(&addition);
        if site.take(&change, view, page, touch.at) {
            self.peak_rose.store(true, Ordering::Release);
        }
        opened.then_some(Opened { site: site.number, day: touch.day, minute, page })
    }

    /// Brings somebody back after a restart: presence alone, since the rows were kept.
    pub fn replay(&self, touch: &Touch<'_>) {
        self.sweep(touch.at);
        let sites = self.index();
        if let Some(site) = sites.by_id.get(touch.site) {
            let page = touch.page.map(|page| site.page_slot(page));
            let change = self.touch(&sites, site, touch, page);
            site.take(&change, None, page, touch.at);
        }
    }

    /// Presence takes a beacon; what that changes at its own site is left to [`SiteCounts::take`].
    fn touch(&self, sites: &Index, site: &SiteCounts, touch: &Touch<'_>, page: Option<PageSlot>) -> Change {
        let change = self.presence.touch(&Beat {
            kind: touch.kind,
            at: touch.at,
            site: site.number,
            visitor: touch.visitor,
            previous: touch.previous,
            in_visit: touch.in_visit,
            since_last_ms: touch.since_last_ms,
            page: page.unwrap_or(PageSlot::NONE),
            online_window_ms: site.online_window_ms(),
        });
        let elsewhere = |spot: &Spot| spot.site != site.number;
        for gone in [change.went, change.doubled].into_iter().flatten().filter(elsewhere) {
            sites.went(gone);
        }
        change
    }

    /// Where the first view of a visit went, in the words of memory; `None` for a site that is not
    /// in service.
    #[must_use]
    pub fn opened_by(&self, touch: &Touch<'_>) -> Option<Opened> {
        let sites = self.index();
        let site = sites.by_id.get(touch.site)?;
        let page = touch.page.map(|page| site.page_slot(page));
        Some(Opened { site: site.number, day: touch.day, minute: touch.at.minute(), page })
    }

    /// Replaces what memory decided about visits, `ours`, by what the fold found in the same
    /// records, `theirs`. They differ only where two workers saw one visitor in the same moment at
    /// the very end of the visit window.
    pub fn correct(&self, ours: &[Opened], theirs: &[Opened]) {
        let mut difference: HashMap<Opened, (u64, u64)> = HashMap::new();
        let mut decided: HashMap<SiteNumber, u64> = HashMap::new();
        for opened in ours {
            difference.entry(*opened).or_default().0 += 1;
        }
        for opened in theirs {
            difference.entry(*opened).or_default().1 += 1;
            *decided.entry(opened.site).or_default() += 1;
        }
        let sites = self.index();
        for (site, visits) in decided {
            if let Some(site) = sites.site(site) {
                site.note_visits(visits);
            }
        }
        for (opened, (ours, theirs)) in difference.into_iter().filter(|(_, (ours, theirs))| ours != theirs) {
            if let Some(site) = sites.site(opened.site) {
                site.correct_visits(&opened, ours, theirs);
            }
        }
    }

    /// Moves presence on to `now`.
    pub fn sweep(&self, now: UnixMillis) {
        let mut went = Vec::new();
        self.presence.sweep(now, |spot| went.push(spot));
        if !went.is_empty() {
            let sites = self.index();
            for spot in went {
                sites.went(spot);
            }
        }
    }

    /// Whether this visitor is remembered, and then whether a beacon at `at` finds a visit open.
    #[must_use]
    pub fn known(&self, visitor: VisitorId, at: UnixMillis) -> Option<bool> {
        self.presence.known(visitor, at)
    }

    /// Everybody of a site who is here, for a fleet whose store was away or forgot.
    #[must_use]
    pub fn everybody(&self, site: &SiteId, now: UnixMillis) -> Vec<Touched> {
        let sites = self.index();
        let Some(counts) = sites.by_id.get(site) else { return Vec::new() };
        let window = counts.online_window_ms();
        let touched = |(visitor, at, until, in_visit): (VisitorId, UnixMillis, u64, bool)| {
            // Whoever left is online for less than a window from the last beacon on.
            let stays = UnixMillis((until.saturating_sub(1) * 1_000).saturating_sub(window));
            let left = until > 0 && at.second() > stays.second();
            Touched {
                site: site.clone(),
                visitor,
                previous: None,
                first: at,
                last: Some(if left { stays } else { at }),
                leave: left.then_some((at, 0)),
                view: false,
                known: in_visit,
            }
        };
        let everybody = self.presence.of_site(counts.number, now).into_iter();
        everybody.filter(|(_, _, until, in_visit)| *until > 0 || *in_visit).map(touched).collect()
    }

    /// Everybody remembered.
    #[must_use]
    pub fn present(&self) -> usize {
        self.presence.len()
    }

    /// Whether nobody more can be remembered.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.presence.len() >= self.options.presence_max
    }

    /// The numbers of a site, and of one of its pages. `None` for a site that is not in service.
    #[must_use]
    pub fn numbers(&self, site: SiteNumber, page: Option<PagePath>, now: UnixMillis) -> Option<Numbers> {
        self.sweep(now);
        self.index().site(site).map(|site| site.numbers(page, now))
    }

    /// The numbers of one page alone, as of the last sweep.
    #[must_use]
    pub fn page(&self, site: SiteNumber, page: PagePath) -> Option<PageNumbers> {
        self.index().site(site).map(|site| site.page(page))
    }

    /// The day of a site that `now` lies in.
    #[must_use]
    pub fn local_day(&self, site: SiteNumber, now: UnixMillis) -> Option<LocalDay> {
        self.index().site(site).map(|site| site.local_day(now))
    }

    /// Whether any peak rose since this was asked last.
    pub fn peak_rose(&self) -> bool {
        self.peak_rose.load(Ordering::Relaxed) && self.peak_rose.swap(false, Ordering::AcqRel)
    }

    /// A peak that was seen and is not in the journal yet.
    #[must_use]
    pub fn rising(&self, site: SiteNumber) -> Option<(u32, UnixMillis)> {
        self.index().site(site).and_then(|site| site.rising())
    }

    /// Sites with a peak that is not in the journal yet.
    #[must_use]
    pub fn all_rising(&self) -> Vec<(SiteId, u32, UnixMillis)> {
        let rising = |site: &Arc<SiteCounts>| site.rising().map(|(count, at)| (site.id.clone(), count, at));
        self.index().by_number.iter().flatten().filter_map(rising).collect()
    }

    /// Pages with a slot of their own, and the last counted beacon of a site.
    #[must_use]
    pub fn extent(&self, site: SiteNumber) -> Option<(usize, Option<UnixMillis>)> {
        self.index().site(site).map(|site| site.extent())
    }

    /// What this machine counted since its start, for every site that was in service in that time, by number.
    /// Visits are as old as the last fold, which decides them. Nothing here ever falls.
    #[must_use]
    pub fn counted(&self) -> Vec<Tally> {
        let counted = |site: &Option<Arc<SiteCounts>>| site.as_ref().map(|site| site.counted());
        self.index().by_number.iter().map(|site| counted(site).unwrap_or_default()).collect()
    }

    /// The visitors of a day, as the fold found them.
    pub fn set_visitors(&self, site: &str, day: Day, count: u64) {
        if let Some(site) = self.index().by_id.get(site) {
            site.set_visitors(day, count);
        }
    }

    /// A part of a log that the store has taken: totals, days and pages, and nothing of who is here.
    pub fn import(&self, site: &str, changes: &SiteChanges, now: UnixMillis) {
        if let Some(site) = self.index().by_id.get(site) {
            site.import(changes, now);
        }
    }

    /// What other machines of the fleet counted. A peak among it is shown once it is in the journal.
    pub fn merge(&self, site: &str, changes: &SharedChanges, now: UnixMillis) {
        if let Some(site) = self.index().by_id.get(site)
            && site.merge(changes, now)
        {
            self.peak_rose.store(true, Ordering::Release);
        }
    }

    /// How many are online in the whole fleet, found at `now` when this machine's own number was `own`.
    pub fn set_online(&self, site: &str, count: u32, own: u32, now: UnixMillis) {
        if let Some(site) = self.index().by_id.get(site)
            && site.set_online(count, own, now)
        {
            self.peak_rose.store(true, Ordering::Release);
        }
    }

    /// How many are online by what this machine saw alone.
    #[must_use]
    pub fn own_online(&self, site: &str, now: UnixMillis) -> Option<u32> {
        self.sweep(now);
        self.index().by_id.get(site).map(|site| site.own_online())
    }

    /// An adjustment that the store has taken: to the total, and to a day if one is named.
    pub fn adjust(&self, site: &str, day: Option<Day>, figure: Figure, amount: i64) {
        if let Some(site) = self.index().by_id.get(site) {
            site.adjust(day, figure, amount);
        }
    }

    /// An adjustment of a page that the store has taken; totals stay as they are.
    pub fn adjust_page(&self, site: &str, page: &str, figure: Figure, amount: i64) {
        if let Some(site) = self.index().by_id.get(site) {
            site.adjust_page(page, figure, amount);
        }
    }

    fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.sites.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the record at the beginning of some bytes and says how long it is.
pub type Decode = fn(&[u8]) -> Option<(Record<'_>, usize)>;
