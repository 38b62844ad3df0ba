//! The bounded page table of a site.
//!
//! The first `max` pages get a slot of their own; all later ones share slot 0, `(other)`. A slot
//! never moves, so presence may remember it.

use crate::words::{PagePath, Tally};

/// The place of a page in its site's table; 0 is `(other)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PageSlot(pub u32);

impl PageSlot {
    /// The shared slot of all pages beyond the bound.
    pub const OTHER: PageSlot = PageSlot(0);
    /// The most slots that presence has room to remember (20 bits).
    pub const MAX: u32 = (1 << 20) - 2;
    /// Nowhere in particular: the beacon named no page.
    pub const NONE: PageSlot = PageSlot((1 << 20) - 1);

    fn place(self) -> usize {
        usize::try_from(self.0).unwrap_or(0)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Page {
    tally: Tally,
    online: u32,
}

/// Pages of one site: their views, visits and people online.
#[derive(Debug)]
pub struct Pages {
    slots: foldhash::HashMap<PagePath, PageSlot>,
    pages: Vec<Page>,
}

impl Default for Pages {
    fn default() -> Pages {
        Pages { slots: foldhash::HashMap::default(), pages: vec![Page::default()] }
    }
}

impl Pages {
    /// The slot of a page, made if there is room for one more among `max`.
    pub fn slot(&mut self, path: &str, max: u32) -> PageSlot {
        if let Some(slot) = self.slots.get(path) {
            return *slot;
        }
        let next = u32::try_from(self.pages.len()).unwrap_or(u32::MAX);
        if next > max.min(PageSlot::MAX) || path == PagePath::OTHER {
            return PageSlot::OTHER;
        }
        self.slots.insert(PagePath::from_folded(path), PageSlot(next));
        self.pages.push(Page::default());
        PageSlot(next)
    }

    /// Adds to a page.
    pub fn add(&mut self, slot: PageSlot, tally: Tally) {
        if let Some(page) = self.pages.get_mut(slot.place()) {
            page.tally += tally;
        }
    }

    /// Takes away from a page: visits that the fold did not find, or an adjustment.
    pub fn take_away(&mut self, slot: PageSlot, tally: Tally) {
        if let Some(page) = self.pages.get_mut(slot.place()) {
            page.tally.views = page.tally.views.saturating_sub(tally.views);
            page.tally.visits = page.tally.visits.saturating_sub(tally.visits);
        }
    }

    /// Forgets all views and visits. Slots stay, and who is there.
    pub fn forget(&mut self) {
        self.pages.iter_mut().for_each(|page| page.tally = Tally::default());
    }

    /// One person more is on this page.
    pub fn enter(&mut self, slot: PageSlot) {
        if let Some(page) = self.pages.get_mut(slot.place()) {
            page.online = page.online.saturating_add(1);
        }
    }

    /// One person less is on this page.
    pub fn leave(&mut self, slot: PageSlot) {
        if let Some(page) = self.pages.get_mut(slot.place()) {
            page.online = page.online.saturating_sub(1);
        }
    }

    /// Views and visits, and people online, of a page; nothing for a page that was never seen.
    #[must_use]
    pub fn of(&self, path: &str) -> (Tally, u32) {
        let slot =
            self.slots.get(path).copied().or_else(|| (path == PagePath::OTHER).then_some(PageSlot::OTHER));
        let page = slot.and_then(|slot| self.pages.get(slot.place())).copied().unwrap_or_default();
        (page.tally, page.online)
    }

    /// How many pages have a slot of their own.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether no page was seen yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_beyond_the_bound_share_one_slot() {
        let mut pages = Pages::default();
        let one = Tally { views: 1, visits: 1 };
        for n in 0..10 {
            let slot = pages.slot(&format!("/{n}"), 3);
            pages.add(slot, one);
        }
        assert_eq!(pages.len(), 3);
        assert_eq!(pages.of("/2").0, one);
        assert_eq!(pages.of(PagePath::OTHER).0, Tally { views: 7, visits: 7 });
        assert_eq!(pages.of("/9").0, Tally::default());
    }
}
