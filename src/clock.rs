//! The only reader of system time.
//!
//! A [`Clock`] never steps back. When the system clock does, ours goes on at half speed until the
//! two agree again, so that windows still move and midnights still come, and nothing happens twice.
//! When the system clock jumps ahead, ours follows at once. Tests hold a clock that they set by
//! hand.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
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
    System { started: Instant, shown: Shown, ahead_ms: AtomicI64 },
    Manual(AtomicU64),
}

/// What was shown last, in milliseconds since the epoch. Nearly every reading finds the system ahead of
/// it, or at the same millisecond, and needs no lock.
#[derive(Debug, Default)]
struct Shown {
    moment: AtomicU64,
    slowed: Mutex<Slowed>,
}

/// While the system is behind: what was shown last, and how far on the monotonic clock half speed was
/// taken for it.
#[derive(Debug, Default)]
struct Slowed {
    moment: u64,
    to_ms: u64,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Clock {
        let shown = Shown { moment: AtomicU64::new(wall().0), slowed: Mutex::default() };
        Clock(Arc::new(Source::System { started: Instant::now(), shown, ahead_ms: AtomicI64::new(0) }))
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
            Source::System { started, shown, ahead_ms } => {
                // Read only where it matters: each reading costs as much as the rest of this.
                let monotonic_ms = || u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
                let wall = UnixMillis(wall().0.saturating_add_signed(ahead_ms.load(Ordering::Relaxed)));
                shown.advance(wall, monotonic_ms)
            }
        }
    }

    /// Follows another machine's clock, which is so many milliseconds ahead of the system's. The clock
    /// still never steps back. A manual clock follows nobody.
    pub fn follow(&self, ahead: i64) {
        if let Source::System { ahead_ms, .. } = &*self.0 {
            ahead_ms.store(ahead, Ordering::Relaxed);
        }
    }

    /// How far the clock that is followed is ahead of the system's, in milliseconds.
    #[must_use]
    pub fn followed_ms(&self) -> i64 {
        match &*self.0 {
            Source::Manual(_) => 0,
            Source::System { ahead_ms, .. } => ahead_ms.load(Ordering::Relaxed),
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
    #[must_use]
    pub fn begin_at(&self, moment: UnixMillis) -> bool {
        match &*self.0 {
            Source::Manual(_) => true,
            Source::System { shown, .. } => {
                let followed = moment.since(wall()) <= AHEAD_MS_MAX;
                if followed {
                    shown.moment.fetch_max(moment.0, Ordering::AcqRel);
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
            Source::System { ahead_ms, .. } => {
                let wall = wall().0.saturating_add_signed(ahead_ms.load(Ordering::Relaxed));
                self.now().since(UnixMillis(wall))
            }
        }
    }
}

impl Shown {
    fn advance(&self, wall: UnixMillis, monotonic_ms: impl FnOnce() -> u64) -> UnixMillis {
        let shown = self.moment.load(Ordering::Acquire);
        if wall.0 == shown {
            return wall;
        }
        if wall.0 > shown {
            return UnixMillis(self.moment.fetch_max(wall.0, Ordering::AcqRel).max(wall.0));
        }
        let mut slowed = self.slowed.lock().unwrap_or_else(PoisonError::into_inner);
        let now = monotonic_ms();
        let shown = self.moment.load(Ordering::Acquire);
        if slowed.moment != shown {
            *slowed = Slowed { moment: shown, to_ms: now };
        }
        // Only whole halves are taken, so that frequent readers do not stop the clock.
        let half = now.saturating_sub(slowed.to_ms) / 2;
        *slowed = Slowed { moment: shown + half, to_ms: slowed.to_ms + half * 2 };
        UnixMillis(self.moment.fetch_max(slowed.moment, Ordering::AcqRel).max(slowed.moment))
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
        let shown = Shown { moment: AtomicU64::new(100_000), ..Shown::default() };
        let check = |wall, monotonic_ms, expected| {
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
        let shown = Shown { moment: AtomicU64::new(100_000), ..Shown::default() };
        for ms in 0..=1_000 {
            shown.advance(UnixMillis(50_000), || ms);
        }
        assert_eq!(shown.moment.into_inner(), 100_500);
    }
}
