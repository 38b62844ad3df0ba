//! What visitors did since the last flush, in few words, for a fleet that decides visits together.
//!
//! One machine sees only its own part of somebody who wanders between machines. So it tells the
//! fleet who was here and when, and asks about each visit that its own records would open.

use std::collections::HashMap;

use super::open::AsItIs;
use crate::words::{Kind, SiteId, Touch, UnixMillis, VisitorId};

/// What one visitor of one site did, with no pause longer than the visit window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touched {
    /// The site.
    pub site: SiteId,
    /// Who.
    pub visitor: VisitorId,
    /// The id of the day before, for one visit window after midnight.
    pub previous: Option<VisitorId>,
    /// The moment of the first beacon of any kind.
    pub first: UnixMillis,
    /// The moment of the last view or ping.
    pub last: Option<UnixMillis>,
    /// The moment of a leave that no view or ping followed, and the milliseconds that its page had been silent.
    pub leave: Option<(UnixMillis, u32)>,
    /// Whether there was a view.
    pub view: bool,
    /// Whether this machine knows that the visitor is in a visit: then there is nothing to ask.
    pub known: bool,
}

/// Gathers what visitors did, one entry a visitor and visit.
#[derive(Debug, Default)]
pub struct Gathering {
    touched: Vec<Touched>,
    latest: HashMap<VisitorId, usize, std::hash::BuildHasherDefault<AsItIs>>,
}

impl Gathering {
    /// Takes a beacon; `opened` and `in_visit` say what it was by this machine's records alone. Gives
    /// the place of its entry.
    pub fn take(&mut self, touch: &Touch<'_>, opened: bool, in_visit: bool) -> usize {
        let known = in_visit && !opened;
        let goes_on = |entry: &Touched| !opened && (entry.view || entry.known) == in_visit;
        let latest = self.latest.get(&touch.visitor).copied();
        if let Some(place) = latest.filter(|place| goes_on(&self.touched[*place])) {
            self.touched[place].extend(touch);
            return place;
        }
        let mut entry = Touched {
            site: self.site(touch.site),
            visitor: touch.visitor,
            previous: touch.previous,
            first: touch.at,
            last: None,
            leave: None,
            view: false,
            known,
        };
        entry.extend(touch);
        self.latest.insert(touch.visitor, self.touched.len());
        self.touched.push(entry);
        self.touched.len() - 1
    }

    /// The site's id; neighbours in the journal are often of one site.
    fn site(&self, id: &str) -> SiteId {
        let last = self.touched.last().map(|entry| &entry.site).filter(|site| site.as_str() == id);
        last.cloned()
            .unwrap_or_else(|| SiteId::parse(id).expect("the journal holds ids that were parsed at the door"))
    }

    /// What was gathered, in the order in which it began, and begins anew.
    pub fn finish(&mut self) -> Vec<Touched> {
        self.latest.clear();
        std::mem::take(&mut self.touched)
    }

    /// Entries so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.touched.len()
    }

    /// Whether nobody did anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.touched.is_empty()
    }
}

impl Touched {
    fn extend(&mut self, touch: &Touch<'_>) {
        self.previous = self.previous.or(touch.previous);
        self.first = self.first.min(touch.at);
        if touch.kind == Kind::Leave {
            if self.last.is_none_or(|last| last <= touch.at) {
                self.leave = Some((touch.at, touch.since_last_ms));
            }
            return;
        }
        self.view |= touch.kind == Kind::View;
        self.last = self.last.max(Some(touch.at));
        if self.leave.is_some_and(|(at, _)| at <= touch.at) {
            self.leave = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::details::Details;
    use crate::words::Day;

    fn touch(kind: Kind, at: u64) -> Touch<'static> {
        Touch {
            kind,
            at: UnixMillis(at),
            site: "vks",
            day: Day(20_000),
            visitor: VisitorId(7),
            previous: None,
            in_visit: false,
            since_last_ms: 500,
            page: None,
            details: Details::default(),
        }
    }

    fn gathered(touches: &[(Kind, u64, bool, bool)]) -> Vec<Touched> {
        let mut gathering = Gathering::default();
        for (kind, at, opened, in_visit) in touches {
            gathering.take(&touch(*kind, *at), *opened, *in_visit);
        }
        gathering.finish()
    }

    #[test]
    fn beacons_of_one_visit_are_one_entry() {
        let entries = gathered(&[
            (Kind::View, 1_000, true, true),
            (Kind::Leave, 1_500, false, true),
            (Kind::View, 1_600, false, true),
            (Kind::Ping, 1_700, false, true),
            (Kind::Leave, 1_800, false, true),
        ]);
        let [entry] = &entries[..] else { panic!("{entries:?}") };
        assert_eq!((entry.first.0, entry.last), (1_000, Some(UnixMillis(1_700))));
        assert_eq!(entry.leave, Some((UnixMillis(1_800), 500)));
        assert!(entry.view && !entry.known);
    }

    #[test]
    fn a_ping_before_the_visit_and_the_next_visit_are_entries_of_their_own() {
        let entries = gathered(&[
            (Kind::Ping, 1_000, false, false),
            (Kind::View, 2_000, true, true),
            (Kind::View, 9_000_000, true, true),
        ]);
        let firsts: Vec<_> = entries.iter().map(|entry| (entry.first.0, entry.view)).collect();
        assert_eq!(firsts, [(1_000, false), (2_000, true), (9_000_000, true)]);
    }

    #[test]
    fn somebody_known_to_be_in_a_visit_is_not_asked_about() {
        let entries = gathered(&[(Kind::View, 1_000, false, true)]);
        assert!(entries[0].known && entries[0].view && entries[0].leave.is_none());
    }
}
