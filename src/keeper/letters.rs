//! What the keeper does with letters from the fleet.

use std::collections::{BTreeMap, HashMap};

use super::{Keeper, MINUTES_KEPT, OrderError};
use crate::fleet::{Fleet, Letter, News, Terms};
use crate::rows::{RowKey, RowValue, Sketch, Touched};
use crate::sites::Site;
use crate::store::{Sequence, Store, StoreError};
use crate::words::{SiteId, Tally, UnixMillis};

use crate::count::Kept;

impl Keeper {
    /// Reads a letter; what it brings shows at once and is kept for the next start.
    pub(super) fn read_letter(&mut self, letter: Letter) {
        let done = match letter {
            Letter::News(news) => self.take_news(&news),
            Letter::TakeBack(site, rows, held, done) => self.take_back(&site, &rows, held).map(|()| {
                // Who asked may be gone; it will ask again.
                done.send(()).ok();
            }),
            Letter::TellPresence(site) => {
                self.tell_presence(site);
                Ok(())
            }
        };
        if let Err(error) = done {
            tracing::error!(%error, "what the fleet told could not be kept; it will be told again");
        }
    }

    fn take_news(&mut self, news: &News) -> Result<(), OrderError> {
        let Some(site) = &news.site else { return Ok(()) };
        let now = self.rooms.clock.now();
        for (day, bytes) in &news.visitors {
            if let Some(theirs) = Sketch::from_bytes(bytes) {
                self.fold.merge_visitors(site, *day, &theirs);
            }
        }
        let counts = &self.rooms.counts;
        if !news.changes.is_empty() {
            counts.merge(site.as_str(), &news.changes, now);
        }
        if let (Some(online), Some(own)) = (news.online, counts.own_online(site.as_str(), now)) {
            counts.set_online(site.as_str(), online, own, now);
        }
        // Last, for it may fail; then only a start would ask for these rows again.
        if !news.rows.is_empty() {
            let minutes_before = now.minute().saturating_sub(MINUTES_KEPT);
            self.fold.store().put_others(site, &news.rows, minutes_before)?;
        }
        Ok(())
    }

    /// Takes values back that the shared store held, and shows them.
    fn take_back(&mut self, site: &SiteId, rows: &[RowValue], held: Sequence) -> Result<(), OrderError> {
        self.fold()?;
        self.fold.store().take_back(site, rows, held)?;
        let sites = self.rooms.sites();
        if let Some(placed) = sites.find(site.as_str()).cloned() {
            let now = self.rooms.clock.now();
            self.rooms.counts.forget(site.as_str(), now);
            let store = self.fold.store();
            let kept = with_others(store, &placed.site, super::kept(store, &placed.site, now)?, now)?;
            self.rooms.counts.replace(&placed, &kept, now);
        }
        Ok(())
    }

    fn tell_presence(&mut self, site: SiteId) {
        let Some(fleet) = &self.fleet else { return };
        let now = self.rooms.clock.now();
        // A visit that the fold has not asked about yet must not be found open when it does.
        let is_asked = |touch: &Touched| !touch.known || self.fold.knows(touch.visitor, touch.first);
        let everybody = self.rooms.counts.everybody(&site, now).into_iter().filter(is_asked);
        let everybody: Vec<_> = everybody.collect();
        if !everybody.is_empty() {
            tracing::info!(site = %site, people = everybody.len(), "the shared store is told who is here");
        }
        fleet.tell_presence(site, self.fold.settled(), everybody);
    }
}

/// What the fleet needs to know of the sites.
pub fn terms<'a>(sites: impl Iterator<Item = &'a Site>) -> Vec<Terms> {
    let terms = |site: &Site| Terms {
        site: site.id.clone(),
        online_window_ms: site.online_window_ms,
        parts: site.parts,
        time_zone: site.time_zone.iana_name().unwrap_or_default().to_owned(),
    };
    sites.map(terms).collect()
}

/// Adds what others counted to what was kept of a site.
pub(super) fn with_others(
    store: &Store,
    site: &Site,
    mut kept: Kept,
    now: UnixMillis,
) -> Result<Kept, StoreError> {
    let mut days: BTreeMap<_, _> =
        kept.days.iter().map(|(day, tally, visitors)| (*day, (*tally, *visitors))).collect();
    let mut minutes: BTreeMap<_, _> = kept.minutes.iter().copied().collect();
    let mut pages: HashMap<_, _> =
        kept.pages.iter().enumerate().map(|(place, (page, _))| (page.clone(), place)).collect();
    for (row, growth) in store.beyond_own(&site.id)? {
        match row {
            RowKey::Total => growth.apply_to(&mut kept.total),
            RowKey::Day(day) => growth.apply_to(&mut days.entry(day).or_default().0),
            RowKey::Minute(minute) if minute + super::MINUTES_SHOWN >= now.minute() => {
                growth.apply_to(minutes.entry(minute).or_default());
            }
            RowKey::Page(page) => {
                let place = *pages.entry(page.clone()).or_insert(kept.pages.len());
                if place == kept.pages.len() {
                    kept.pages.push((page, Tally::default()));
                }
                growth.apply_to(&mut kept.pages[place].1);
            }
            _ => {}
        }
    }
    kept.days = days.into_iter().map(|(day, (tally, visitors))| (day, tally, visitors)).collect();
    kept.minutes = minutes.into_iter().collect();
    Ok(kept)
}

/// Asks the fleet instead of deciding alone.
#[must_use]
pub fn decide_with(fleet: &Fleet) -> crate::fold::Decide {
    let fleet = fleet.clone();
    Box::new(move |settled, touches| fleet.decide(settled, touches))
}
