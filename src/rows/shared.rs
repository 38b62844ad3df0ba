//! What other machines of a fleet counted, as far as this one did not know it yet.

use std::collections::BTreeMap;

use crate::words::{Day, PagePath, Tally, UnixMillis};

/// By how much a shown number changes: what was counted and added, and what adjustments took away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Growth {
    /// Counted from beacons or added by adjustments.
    pub more: Tally,
    /// Taken away by adjustments.
    pub less: Tally,
}

impl Growth {
    /// Grows further.
    pub fn add(&mut self, more: Growth) {
        self.more += more.more;
        self.less += more.less;
    }

    /// Changes a shown number.
    pub fn apply_to(&self, tally: &mut Tally) {
        *tally += self.more;
        *tally -= self.less;
    }
}

/// Changes of one site's numbers that other machines brought about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SharedChanges {
    /// Of all time.
    pub total: Growth,
    /// Of calendar rows; they are contained in the total.
    pub days: BTreeMap<Day, Growth>,
    /// Of minute rows, by minutes since the epoch.
    pub minutes: BTreeMap<u64, Tally>,
    /// Of pages, all time.
    pub pages: Vec<(PagePath, Growth)>,
    /// The highest online number that any machine has seen, and its moment.
    pub peak: Option<(u32, UnixMillis)>,
}

impl SharedChanges {
    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == SharedChanges::default()
    }
}
