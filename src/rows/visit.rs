//! When a visit opens: one rule for live counting and for the fold.
//!
//! A visit is the first view of a visitor, or the first after the visit window without a beacon of
//! an open visit. A ping or a leave keeps an open visit open; without one it opens none and does
//! not put off the next.

use crate::words::Kind;

/// What is remembered of somebody who was here before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Milliseconds since the last beacon; 0 for a record that is older than that beacon.
    pub gap_ms: u64,
    /// Whether that beacon belonged to an open visit.
    pub in_visit: bool,
}

impl Seen {
    /// What is seen of somebody whose earlier records are gone: the word of the record itself.
    #[must_use]
    pub fn from_word(in_visit: bool) -> Option<Seen> {
        in_visit.then_some(Seen { gap_ms: 0, in_visit })
    }
}

/// What a beacon means for the visits of its visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// It opened a visit.
    pub opened: bool,
    /// It belongs to an open visit.
    pub in_visit: bool,
}

/// Decides what a beacon means after what was seen.
#[must_use]
pub fn step(kind: Kind, seen: Option<Seen>, visit_window_ms: u64) -> Step {
    let goes_on = seen.is_some_and(|seen| seen.in_visit && seen.gap_ms <= visit_window_ms);
    let opened = kind == Kind::View && !goes_on;
    Step { opened, in_visit: goes_on || opened }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: u64 = 30 * 60_000;

    fn check(kind: Kind, seen: Option<(u64, bool)>, opened: bool, in_visit: bool) {
        let seen = seen.map(|(gap_ms, in_visit)| Seen { gap_ms, in_visit });
        assert_eq!(step(kind, seen, WINDOW), Step { opened, in_visit }, "{kind:?} after {seen:?}");
    }

    #[test]
    fn only_a_view_opens_a_visit_and_only_when_none_is_open() {
        check(Kind::View, None, true, true);
        check(Kind::View, Some((WINDOW, true)), false, true);
        check(Kind::View, Some((WINDOW + 1, true)), true, true);
        check(Kind::View, Some((0, false)), true, true);
        check(Kind::Ping, None, false, false);
        check(Kind::Ping, Some((WINDOW, true)), false, true);
        check(Kind::Ping, Some((WINDOW + 1, true)), false, false);
        check(Kind::Ping, Some((0, false)), false, false);
        check(Kind::Leave, Some((WINDOW, true)), false, true);
    }
}
