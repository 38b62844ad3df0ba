//! Visits that a shared store called new which had forgotten who is here.
//!
//! A store that lost writes tells of a visitor whom it forgot that a visit opens. Nobody can say later
//! which of its answers were wrong. So whatever opened since the store was last seen to be whole, and
//! until every node has had time to tell it again who is here, is counted as decided alone.

use std::time::{Duration, Instant};

/// Other nodes notice a loss at their next exchange, or a second later, and then tell of everybody.
const DOUBT: Duration = Duration::from_secs(5);

/// The visits of one site.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    /// Opened since an exchange found the store whole.
    opened: u64,
    until: Option<Instant>,
}

impl Doubt {
    /// The store lost something. Gives the visits that may have been open elsewhere.
    pub(super) fn begin(&mut self, now: Instant) -> u64 {
        self.until = Some(now + DOUBT);
        std::mem::take(&mut self.opened)
    }

    /// Visits opened by the store's word. Gives how many of them are in doubt.
    pub(super) fn take(&mut self, opened: usize, now: Instant) -> u64 {
        let opened = u64::try_from(opened).unwrap_or(u64::MAX);
        if self.until.is_some_and(|until| now < until) {
            return opened;
        }
        self.opened += opened;
        0
    }

    /// An exchange found the store whole: what opened before it was rightly opened.
    pub(super) fn end(&mut self) {
        self.opened = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_opened_between_two_looks_is_in_doubt_when_the_second_finds_a_loss() {
        let (mut doubt, now) = (Doubt::default(), Instant::now());
        assert_eq!(doubt.take(3, now), 0);
        doubt.end();
        assert_eq!(doubt.take(2, now), 0);
        assert_eq!(doubt.begin(now), 2);
        assert_eq!(doubt.take(4, now + DOUBT / 2), 4);
        assert_eq!(doubt.take(5, now + DOUBT), 0);
        assert_eq!(doubt.begin(now + DOUBT), 5);
    }
}
