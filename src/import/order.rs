//! Lines in the order of their moments, though a server writes them when it is done with them.
//!
//! A line waits until a later one is [`LATE_MS`] ahead of it; then none that belongs before it will come. Lines
//! of the same moment keep the order of the log. The room is bounded: a log that is busier than that is put
//! in order as far as it reaches.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::details::{Details, Traits};
use crate::store::ImportLog;
use crate::words::{Day, PagePath, UnixMillis, VisitorId};

/// How far out of order lines may be.
pub(super) const LATE_MS: u64 = ImportLog::LATE_MS;
/// Lines that wait at once: a minute of 4,000 views a second, in 30 MiB with their pages.
const WAITING_MAX: usize = 1 << 18;

/// A view that waits for its turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) at: UnixMillis,
    /// Where its line begins.
    pub(super) from: u64,
    pub(super) day: Day,
    pub(super) visitor: VisitorId,
    pub(super) previous: Option<VisitorId>,
    pub(super) page: Option<PagePath>,
    /// By [`crate::details::Traits::packed`].
    pub(super) traits: u64,
    /// Few views have any.
    pub(super) told: Option<Box<Told>>,
    /// What the ids are made with.
    pub(super) secret: Secret,
    /// What the view is known by in other logs.
    pub(super) view: u64,
    /// It was counted before and only brings its visit back.
    pub(super) is_known: bool,
}

/// The secret of a day, without giving it away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Secret {
    /// What it is known by.
    pub(super) name: u64,
    /// Beacons of that day have their ids by it too.
    pub(super) is_of_beacons: bool,
    /// The day has visitors by a secret that is erased.
    pub(super) is_anew: bool,
}

/// What a view tells in words: see [`Details`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    referrer: Option<Box<str>>,
    campaign: Option<Box<str>>,
    source: Option<Box<str>>,
    medium: Option<Box<str>>,
}

impl Told {
    /// The words of these, if there are any.
    pub(super) fn of(details: &Details<'_>) -> Option<Box<Told>> {
        let [referrer, campaign, source, medium] =
            [details.referrer, details.campaign, details.source, details.medium]
                .map(|word| word.map(Box::from));
        let told = Told { referrer, campaign, source, medium };
        let has_any =
            [&told.referrer, &told.campaign, &told.source, &told.medium].iter().any(|word| word.is_some());
        has_any.then(|| Box::new(told))
    }
}

impl Waiting {
    /// What the view tells for reports.
    pub(super) fn details(&self) -> Details<'_> {
        let traits = Traits::from_packed(self.traits);
        let Some(told) = &self.told else { return Details { traits, ..Details::default() } };
        Details {
            traits,
            referrer: told.referrer.as_deref(),
            campaign: told.campaign.as_deref(),
            source: told.source.as_deref(),
            medium: told.medium.as_deref(),
        }
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Waiting) -> std::cmp::Ordering {
        (self.at, self.from).cmp(&(other.at, other.from))
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Waiting) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Views in the order of their moments.
#[derive(Debug, Default)]
pub(super) struct Order {
    waiting: BinaryHeap<Reverse<Waiting>>,
    /// Up to this moment everything has gone.
    gone_to: UnixMillis,
}

impl Order {
    pub(super) fn push(&mut self, waiting: Waiting) {
        self.waiting.push(Reverse(waiting));
    }

    /// The next view whose turn has come, when the log has reached `newest`.
    pub(super) fn pop(&mut self, newest: UnixMillis) -> Option<Waiting> {
        self.gone_to = self.gone_to.max(newest.minus(LATE_MS));
        let first = &self.waiting.peek()?.0;
        if first.at > self.gone_to && self.waiting.len() <= WAITING_MAX {
            return None;
        }
        self.gone_to = self.gone_to.max(first.at);
        self.waiting.pop().map(|Reverse(first)| first)
    }

    /// The next view of this moment or an earlier one.
    pub(super) fn pop_up_to(&mut self, moment: UnixMillis) -> Option<Waiting> {
        self.waiting.peek().filter(|first| first.0.at <= moment)?;
        self.waiting.pop().map(|Reverse(first)| first)
    }

    /// Every view up to this moment has gone, and those that come late go at once.
    pub(super) fn gone_to(&self) -> UnixMillis {
        self.gone_to
    }

    /// Goes on where everything up to this moment has gone.
    pub(super) fn begin(&mut self, gone_to: UnixMillis) {
        self.gone_to = gone_to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(at: u64, from: u64) -> Waiting {
        Waiting {
            at: UnixMillis(at),
            from,
            day: Day(0),
            visitor: VisitorId(0),
            previous: None,
            page: None,
            traits: 0,
            told: None,
            secret: Secret::default(),
            view: 0,
            is_known: false,
        }
    }

    fn popped(order: &mut Order, newest: u64) -> Vec<u64> {
        std::iter::from_fn(|| order.pop(UnixMillis(newest))).map(|view| view.from).collect()
    }

    #[test]
    fn a_view_waits_a_minute_for_those_before_it() {
        let mut order = Order::default();
        for (from, at) in [100_000, 160_000, 100_500, 130_000, 100_000].into_iter().enumerate() {
            order.push(waiting(at, u64::try_from(from).expect("small")));
        }
        assert_eq!(popped(&mut order, 160_000), [0, 4]);
        assert_eq!(popped(&mut order, 160_500), [2]);
        assert_eq!(order.gone_to(), UnixMillis(100_500));
        order.push(waiting(90_000, 9));
        assert_eq!(popped(&mut order, 160_500), [9], "one that is too late goes at once");
        assert_eq!(order.gone_to(), UnixMillis(100_500));
        assert!(order.pop_up_to(UnixMillis(129_999)).is_none());
        assert_eq!(order.pop_up_to(UnixMillis(130_000)).map(|view| view.from), Some(3));
        assert_eq!(order.pop_up_to(UnixMillis(u64::MAX)).map(|view| view.from), Some(1));
    }

    #[test]
    fn a_flood_within_one_minute_does_not_fill_the_memory() {
        let mut order = Order::default();
        let all = u64::try_from(WAITING_MAX).expect("small") + 1_000;
        let mut gone = 0;
        for n in 0..all {
            order.push(waiting(100_000 + n / 100, n));
            gone += popped(&mut order, 100_000 + n / 100).len();
        }
        assert!(gone >= 1_000 && order.waiting.len() <= WAITING_MAX);
        assert!(order.waiting.iter().all(|view| view.0.at > order.gone_to()), "whole moments go");
    }
}
