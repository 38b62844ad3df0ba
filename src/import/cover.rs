//! Lines of a time that another log of the site told of.
//!
//! A log is known by its first lines. Logs that were joined into one, cut into parts or written with other line
//! ends begin otherwise, so they are other logs; but they tell of the same moments. So a moment of a site is
//! counted from one log: where a new log comes to a time that another log reaches over, its lines are left out,
//! unless somebody says that they are other requests. What is left out is kept with the log, by moments and by the
//! byte from which on, so that exactly these lines are taken when that is said later.
//!
//! Logs that were rotated meet, and lines may be a minute from their place. A log that ends within the first
//! minute of another, or begins within its last, does not lie within it. A log of less than a minute reaches over
//! nothing. (Of a log that goes on right where another begins, lines that are late there may count twice.)

use super::order::LATE_MS;
use crate::store::{ImportLog, LeftOut, Span};
use crate::words::UnixMillis;

/// What of the present log is left out.
#[derive(Debug, Default)]
pub(super) struct Cover {
    /// Where other logs reach over this one, in order.
    others: Vec<Span>,
    /// What is left out by now.
    left_out: Vec<LeftOut>,
    /// What was left out by earlier imports and is counted now.
    retaken: Vec<LeftOut>,
    /// Lines before this byte were counted, whatever their moment is.
    counted_before: u64,
}

impl Cover {
    /// Of a log whose first line is of the moment `first_at`; with `overlap` nothing of it is left out.
    pub(super) fn of(log: &ImportLog, others: &[Span], first_at: UnixMillis, overlap: bool) -> Cover {
        let end = |other: &Span| {
            // The next log begins before the last lines of this one are all written.
            let is_next = first_at >= other.to.minus(LATE_MS);
            if is_next { other.to.minus(LATE_MS + 1) } else { other.to }
        };
        let reaching = others.iter().map(|other| Span { from: other.from, to: end(other) });
        let reaching = reaching.filter(|span| !overlap && span.to >= span.from.plus(LATE_MS));
        let (mut left_out, mut retaken) = (log.left_out.clone(), Vec::new());
        if overlap {
            std::mem::swap(&mut left_out, &mut retaken);
        }
        Cover { others: reaching.collect(), left_out, retaken, counted_before: log.replay_from }
    }

    /// What is left out by now.
    pub(super) fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// Whether lines that an earlier import left out are counted now.
    pub(super) fn retakes(&self) -> bool {
        !self.retaken.is_empty()
    }

    /// Whether a line that was read before is in the rows.
    pub(super) fn was_counted(&self, at: UnixMillis, from: u64, counted_at: UnixMillis) -> bool {
        !has(&self.retaken, at, from) && (from < self.counted_before || at <= counted_at)
    }

    /// Whether a line is left out already.
    pub(super) fn is_left_out(&self, at: UnixMillis, from: u64) -> bool {
        has(&self.left_out, at, from)
    }

    /// The log that reaches over a moment for so long that a new line of that moment lies within it.
    pub(super) fn reaching_over(&self, at: UnixMillis) -> Option<Span> {
        let after = self.others.partition_point(|other| other.from <= at);
        let other = self.others.get(after.checked_sub(1)?)?;
        (at >= other.from.plus(LATE_MS) && at <= other.to).then_some(*other)
    }

    /// Leaves out the lines of a span, from a byte on.
    pub(super) fn leave_out(&mut self, span: Span, since: u64) {
        if self.left_out.len() < ImportLog::LEFT_OUT_MAX {
            self.left_out.push(LeftOut { span, since });
        }
    }
}

fn has(left_out: &[LeftOut], at: UnixMillis, from: u64) -> bool {
    left_out.iter().rev().any(|part| part.since <= from && part.span.contains(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::StreamId;

    const OTHER: Span = Span { from: UnixMillis(1_000_000), to: UnixMillis(2_000_000) };

    fn cover(first_at: u64, overlap: bool) -> Cover {
        let left_out = vec![LeftOut { span: OTHER, since: 50 }];
        let log = ImportLog {
            stream: StreamId(1),
            head: Vec::new(),
            position: 100,
            tail: 0,
            counted_at: UnixMillis(0),
            replay_from: 80,
            replay_line: 0,
            span: None,
            left_out,
        };
        Cover::of(&log, &[OTHER], UnixMillis(first_at), overlap)
    }

    #[test]
    fn logs_that_meet_do_not_reach_over_each_other() {
        let earlier = cover(10, false);
        for (at, expected) in [
            (999_999, None),
            (1_000_000, None),
            (1_059_999, None),
            (1_060_000, Some(OTHER)),
            (2_000_000, Some(OTHER)),
            (2_000_001, None),
        ] {
            assert_eq!(earlier.reaching_over(UnixMillis(at)), expected, "{at}");
        }
        let later = cover(1_940_000, false);
        assert!(later.reaching_over(UnixMillis(1_939_999)).is_some(), "far out of its place");
        assert!(later.reaching_over(UnixMillis(1_940_000)).is_none());
        assert!(cover(10, true).reaching_over(UnixMillis(1_500_000)).is_none());
    }

    #[test]
    fn what_was_left_out_stays_so_until_somebody_says_that_it_counts() {
        let (kept, retaken) = (cover(10, false), cover(10, true));
        let at = UnixMillis(1_000_001);
        assert!(kept.is_left_out(at, 50) && !kept.is_left_out(at, 49) && !kept.retakes());
        assert!(retaken.retakes() && !retaken.is_left_out(at, 50));
        assert!(!retaken.was_counted(at, 50, UnixMillis(u64::MAX)));
        assert!(retaken.was_counted(at, 49, UnixMillis(0)), "it lies before the place to go on from");
        assert!(!retaken.was_counted(UnixMillis(3_000_000), 90, UnixMillis(0)), "it was still waiting");
    }
}
