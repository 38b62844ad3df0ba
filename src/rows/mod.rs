//! Rows: the one place that adds.
//!
//! Live counting and the fold both turn a counted view into an [`Addition`] and hand it to the
//! structures of this room, so that their sums cannot drift apart. The room knows neither memory's
//! locks nor the store.

mod calendar;
mod key;
mod names;
mod open;
mod pages;
mod shared;
mod sketch;
mod touched;
mod visit;

use std::collections::BTreeMap;

pub(crate) use calendar::timestamp;
pub use calendar::{Calendar, LocalDay, Span};
pub use key::{RowKey, RowValue, shown};
pub use names::{ByName, DetailChanges};
pub use open::{OpenVisits, PARTS, uneven_part};
pub use pages::{PageSlot, Pages};
pub use shared::{Growth, SharedChanges};
pub use sketch::Sketch;
pub use touched::{Gathering, Touched};
pub use visit::{Seen, Step, step};

use crate::words::{Day, SiteId, Tally, UnixMillis};

/// What one counted view adds to the rows of its site.
#[derive(Clone, Copy, Debug)]
pub struct Addition<'a> {
    /// The day of the site it belongs to.
    pub day: Day,
    /// The minute it belongs to, since the epoch.
    pub minute: u64,
    /// The page, when one was named.
    pub page: Option<&'a str>,
    /// One view, and one visit if it opened one.
    pub tally: Tally,
}

/// Changes of rows, gathered by the fold, applied by the store: what is added since the last time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowChanges {
    /// One entry for every site that changed.
    pub sites: BTreeMap<SiteId, SiteChanges>,
}

/// Changes of one site's rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteChanges {
    /// Added to calendar rows (and to the site's total).
    pub days: BTreeMap<Day, Tally>,
    /// Added to minute rows, by minutes since the epoch.
    pub minutes: BTreeMap<u64, Tally>,
    /// Added to pages, by the day it happened.
    pub pages: ByName<Day>,
    /// Added to what reports tell apart.
    pub details: DetailChanges,
    /// The present visitors of a day: values, not additions.
    pub visitors: BTreeMap<Day, DayVisitors>,
    /// A new highest online number and its moment.
    pub peak: Option<(u32, UnixMillis)>,
    /// The moment of the earliest counted beacon of any kind among these.
    pub first_beacon: Option<UnixMillis>,
    /// The moment of the site's last counted beacon of any kind.
    pub last_beacon: Option<UnixMillis>,
}

/// The visitors of a day: their number, and the sketch that it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayVisitors {
    /// Distinct visitors.
    pub count: u64,
    /// The sketch's bytes while the day is open; `None` once it has closed and the number stays.
    pub sketch: Option<Vec<u8>>,
}

impl RowChanges {
    /// The changes of one site, to be added to.
    pub fn site(&mut self, id: &SiteId) -> &mut SiteChanges {
        if !self.sites.contains_key(id) {
            self.sites.insert(id.clone(), SiteChanges::default());
        }
        self.sites.get_mut(id).expect("was inserted above")
    }
}

impl SiteChanges {
    /// Takes what a counted view adds.
    pub fn add(&mut self, addition: &Addition<'_>) {
        self.add_past(addition);
        *self.minutes.entry(addition.minute).or_default() += addition.tally;
    }

    /// Takes what a view of the past adds, which no sliding window shows.
    pub fn add_past(&mut self, addition: &Addition<'_>) {
        *self.days.entry(addition.day).or_default() += addition.tally;
        if let Some(page) = addition.page {
            self.pages.add(addition.day, page, addition.tally);
        }
    }

    /// Notes the moment of a counted beacon of any kind.
    pub fn note_beacon(&mut self, at: UnixMillis) {
        self.first_beacon = Some(self.first_beacon.map_or(at, |first| first.min(at)));
        self.last_beacon = self.last_beacon.max(Some(at));
    }

    /// Keeps the higher of two peaks; nobody at all is none.
    pub fn raise_peak(&mut self, count: u32, at: UnixMillis) {
        if is_higher((count, at), self.peak) {
            self.peak = Some((count, at));
        }
    }
}

/// Whether a number online is a new peak. Of two equal ones the earlier counts, so that machines that share a
/// count come to show the same.
#[must_use]
pub fn is_higher((count, at): (u32, UnixMillis), known: Option<(u32, UnixMillis)>) -> bool {
    known.map_or(count > 0, |(highest, then)| count > highest || count == highest && at < then)
}
