//! The only reader of system time.
//!
//! A [`Clock`] never steps back. When the system clock does, ours goes on at half speed until the
//! two agree again, so that windows still move and midnights still come, and nothing happens twice.
//! When the system clock jumps ahead, ours follows at once. Tests hold a clock that they set by
//! hand.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::words::UnixMillis;

/// How far ahead of the system a start will still begin, to stand behind what was counted before.
/// A journal further in the future than this was written under a wrong clock and is not followed.
const AHEAD_MS_MAX: u64 = 24 * 3_600 * 1_000;

/// A clock, shared by all who need the time.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Source>);

#[derive(Debug)]
enum Source {
    System { started: Instant, shown: Mutex<Shown> },
    Manual(AtomicU64),
}

/// What was shown last.
#[derive(Debug)]
struct Shown {
    moment: UnixMillis,
    /// While the system is behind: how far on the monotonic clock half speed was taken.
    slowed_to_ms: Option<u64>,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Clock {
        let shown = Mutex::new(Shown { moment: wall(), slowed_to_ms: None });
        Clock(Arc::new(Source::System { started: Instant::now(), shown }))
    }

    /// A clock that stands until it is set.
    #[must_use]
    pub fn manual(at: UnixMillis) -> Clock {
        Clock(Arc::new(Source::Manual(AtomicU64::new(at.0))))
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> UnixMillis {
        match &*self.0 {
            Source::Manual(at) => UnixMillis(at.load(Ordering::Acquire)),
            Source::System { started, shown } => {
                let wall = wall();
                let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
                // Read only where it matters: each reading costs as much as the rest of this.
                let monotonic_ms = || u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
                shown.advance(wall, monotonic_ms)
            }
        }
    }

    /// Sets a manual clock, forwards or backwards; a system clock is not moved.
    pub fn set(&self, to: UnixMillis) {
        if let Source::Manual(at) = &*self.0 {
            at.store(to.0, Ordering::Release);
        }
    }

    /// Begins no earlier than `moment`, unless that is more than a day ahead of the system.
    /// Returns whether the moment was followed.
    pub fn begin_at(&self, moment: UnixMillis) -> bool {
        match &*self.0 {
            Source::Manual(_) => true,
            Source::System { shown, .. } => {
                let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
                let followed = moment.since(wall()) <= AHEAD_MS_MAX;
                if followed && moment > shown.moment {
                    shown.moment = moment;
                }
                followed
            }
        }
    }

    /// How far this clock is ahead of the system's, in milliseconds: more than 0 only after the
    /// system's stepped back.
    #[must_use]
    pub fn ahead_ms(&self) -> u64 {
        match &*self.0 {
            Source::Manual(_) => 0,
            Source::System { .. } => self.now().since(wall()),
        }
    }
}

impl Shown {
    fn advance(&mut self, wall: UnixMillis, monotonic_ms: impl FnOnce() -> u64) -> UnixMillis {
        if wall >= self.moment {
            self.slowed_to_ms = None;
            self.moment = wall;
            return wall;
        }
        let now = monotonic_ms();
        let from = self.slowed_to_ms.unwrap_or(now);
        // Only whole halves are taken, so that frequent readers do not stop the clock.
        let half = now.saturating_sub(from) / 2;
        self.moment = self.moment.plus(half);
        self.slowed_to_ms = Some(from + half * 2);
        self.moment
    }
}

fn wall() -> UnixMillis {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(passed.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_back_slows_the_clock_until_the_system_has_caught_up() {
        let mut shown = Shown { moment: UnixMillis(100_000), slowed_to_ms: None };
        let mut check = |wall, monotonic_ms, expected| {
            assert_eq!(shown.advance(UnixMillis(wall), || monotonic_ms), UnixMillis(expected), "{wall}");
        };
        check(101_000, 1_000, 101_000);
        // The system steps back by 10 s.
        check(92_000, 2_000, 101_000);
        check(96_000, 6_000, 103_000);
        check(102_000, 12_000, 106_000);
        check(112_000, 22_000, 112_000);
        // A jump ahead is followed at once, and the next step back is slowed from its own beginning.
        check(500_000, 22_001, 500_000);
        check(400_000, 90_000, 500_000);
        check(400_010, 90_010, 500_005);
    }

    #[test]
    fn reading_often_does_not_stop_a_slowed_clock() {
        let mut shown = Shown { moment: UnixMillis(100_000), slowed_to_ms: None };
        for ms in 0..=1_000 {
            shown.advance(UnixMillis(50_000), || ms);
        }
        assert_eq!(shown.moment, UnixMillis(100_500));
    }
}
