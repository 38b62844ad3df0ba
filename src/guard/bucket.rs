//! Token buckets, one number each, in a bounded map.
//!
//! A bucket holds `burst` tokens and gains `tokens` in every period. Instead of a level and a moment it is
//! one number: the moment at which it would be full again (the generic cell rate algorithm's theoretical
//! arrival time). Moments are counted in shares of a millisecond, `tokens` to the millisecond, so that
//! every sum is exact: a token costs `period_ms` shares.
//!
//! The map is bounded and never evicts. Every newcomer first looks at two older buckets, in turn, and
//! drops those that are full again, for a full bucket says nothing; so the map stays at about twice the
//! live ones, and no call has to sweep it all. When it is full of live buckets, newcomers share one common
//! bucket: a flood cannot free itself by bringing more keys, and whoever has a bucket keeps it.
//!
//! Time may step back. A bucket can then seem fuller of debt than a bucket can be; that is cut to an empty
//! bucket, so a step costs at most one burst.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::MapSize;
use crate::words::UnixMillis;

/// So many that worker threads seldom meet at a lock.
const SHARDS: usize = 16;
/// Older buckets that a newcomer looks at: more than one, so that the map shrinks while it is used.
const SWEEP_STEPS: usize = 2;
/// A newcomer looks farther before it has to share: half of a full map may be worth nothing any more.
const SWEEP_STEPS_WHEN_FULL: usize = 16;
/// Present time in shares must fit 64 bits with room to spare: 1.8e12 ms times 1e6.
const TOKENS_MAX: u32 = 1_000_000;

/// How fast a bucket fills and how much it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    /// Tokens gained in a period; 0 turns the limit off.
    pub(super) tokens: u32,
    /// The period, in milliseconds.
    pub(super) period_ms: u64,
    /// Tokens of a full bucket; less than one is taken as one.
    pub(super) burst: u32,
}

/// The buckets of many keys, all of one rate. Keys must be spread evenly or small numbers.
#[derive(Debug)]
pub(super) struct Buckets {
    /// `None` when the limit is off.
    pace: Option<Pace>,
    shards: [Mutex<Shard>; SHARDS],
    shard_entries_max: usize,
    overflowed: AtomicU64,
}

/// A rate in shares of a millisecond.
#[derive(Clone, Copy, Debug)]
struct Pace {
    shares_per_ms: u64,
    /// What a token costs.
    cost: u64,
    /// What a full bucket can pay.
    capacity: u64,
}

/// Buckets by key. `order` holds the keys of `full_at`, each once, in the order of the sweep.
#[derive(Debug, Default)]
struct Shard {
    full_at: foldhash::HashMap<u64, u64>,
    order: VecDeque<u64>,
    common_full_at: u64,
}

impl Buckets {
    /// No buckets yet; at most about `entries_max` later.
    pub(super) fn new(rate: Rate, entries_max: usize) -> Buckets {
        Buckets {
            pace: Pace::of(rate),
            shards: std::array::from_fn(|_| Mutex::default()),
            shard_entries_max: (entries_max / SHARDS).max(1),
            overflowed: AtomicU64::new(0),
        }
    }

    /// Takes a token from the bucket of `key`; `false` when there is none.
    pub(super) fn take(&self, key: u64, now: UnixMillis) -> bool {
        let Some(pace) = self.pace else { return true };
        let now = now.0.saturating_mul(pace.shares_per_ms);
        let mut shard = self.shard(key);
        if let Some(full_at) = shard.full_at.get_mut(&key) {
            return pace.take(full_at, now);
        }
        shard.sweep(SWEEP_STEPS, now);
        if shard.full_at.len() >= self.shard_entries_max {
            shard.sweep(SWEEP_STEPS_WHEN_FULL, now);
        }
        if shard.full_at.len() >= self.shard_entries_max {
            self.overflowed.fetch_add(1, Ordering::Relaxed);
            return pace.take(&mut shard.common_full_at, now);
        }
        let mut full_at = now;
        let taken = pace.take(&mut full_at, now);
        shard.full_at.insert(key, full_at);
        shard.order.push_back(key);
        taken
    }

    /// How full the map is.
    pub(super) fn size(&self, name: &'static str) -> MapSize {
        let entries = self.shards.iter().map(|shard| locked(shard).full_at.len()).sum();
        MapSize { name, entries, overflowed: self.overflowed.load(Ordering::Relaxed) }
    }

    fn shard(&self, key: u64) -> MutexGuard<'_, Shard> {
        let shards = u64::try_from(SHARDS).unwrap_or(1);
        locked(&self.shards[usize::try_from(key % shards).unwrap_or(0)])
    }
}

impl Pace {
    fn of(rate: Rate) -> Option<Pace> {
        let capacity = rate.period_ms.saturating_mul(u64::from(rate.burst.max(1)));
        let shares_per_ms = u64::from(rate.tokens.min(TOKENS_MAX));
        (shares_per_ms > 0).then_some(Pace { shares_per_ms, cost: rate.period_ms, capacity })
    }

    fn take(self, full_at: &mut u64, now: u64) -> bool {
        let base = (*full_at).clamp(now, now.saturating_add(self.capacity));
        let paid = base.saturating_add(self.cost);
        let within = paid - now <= self.capacity;
        *full_at = if within { paid } else { base };
        within
    }
}

impl Shard {
    fn sweep(&mut self, steps: usize, now: u64) {
        for _ in 0..steps {
            let Some(key) = self.order.pop_front() else { return };
            if self.full_at.get(&key).is_some_and(|full_at| *full_at > now) {
                self.order.push_back(key);
            } else {
                self.full_at.remove(&key);
            }
        }
    }
}

/// Every change of a shard is one number or one entry, so a panic elsewhere leaves nothing half done.
fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A token bucket as one would first write it: a level in thousandths of a token, filled as time goes by.
    struct Model {
        rate: Rate,
        level: u64,
        at: u64,
    }

    impl Model {
        fn take(&mut self, now: u64) -> bool {
            let token = self.rate.period_ms;
            let full = u64::from(self.rate.burst) * token;
            self.level = full.min(self.level + (now - self.at) * u64::from(self.rate.tokens));
            self.at = now;
            let enough = self.level >= token;
            self.level -= if enough { token } else { 0 };
            enough
        }
    }

    fn per_second(tokens: u32, burst: u32) -> Rate {
        Rate { tokens, period_ms: 1_000, burst }
    }

    fn entries(buckets: &Buckets) -> usize {
        buckets.size("x").entries
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let buckets = Buckets::new(per_second(10, 60), 1_000);
        let taken = |now| (0..1_000).filter(|_| buckets.take(5, UnixMillis(now))).count();
        assert_eq!(taken(1_000_000), 60);
        assert_eq!(taken(1_000_099), 0);
        assert_eq!(taken(1_000_100), 1);
        assert_eq!(taken(1_001_100), 10);
        assert_eq!(taken(2_000_000), 60);
    }

    #[test]
    fn a_rate_of_nothing_is_no_limit() {
        let buckets = Buckets::new(per_second(0, 0), 16);
        assert!((0..1_000).all(|key| buckets.take(key, UnixMillis(0))));
        assert_eq!(entries(&buckets), 0);
    }

    #[test]
    fn a_burst_of_nothing_lets_single_tokens_pass() {
        let buckets = Buckets::new(per_second(1, 0), 16);
        assert!(buckets.take(1, UnixMillis(1_000)));
        assert!(!buckets.take(1, UnixMillis(1_999)));
        assert!(buckets.take(1, UnixMillis(2_000)));
    }

    #[test]
    fn keys_do_not_take_from_each_other() {
        let buckets = Buckets::new(per_second(1, 1), 1_000);
        assert!((0..100).all(|key| buckets.take(key, UnixMillis(1_000))));
        assert!(!(0..100).any(|key| buckets.take(key, UnixMillis(1_001))));
    }

    #[test]
    fn newcomers_of_a_full_map_share_one_bucket_and_nobody_is_evicted() {
        let buckets = Buckets::new(per_second(1, 2), 16);
        let now = UnixMillis(1_000_000);
        let same_shard = |n: u64| n * 16;
        assert!(buckets.take(same_shard(0), now));
        let taken = (1..100).filter(|n| buckets.take(same_shard(*n), now)).count();
        assert_eq!(taken, 2);
        assert!(buckets.take(same_shard(0), now));
        assert!(!buckets.take(same_shard(0), now));
        assert_eq!(buckets.size("x"), MapSize { name: "x", entries: 1, overflowed: 99 });
        let later = now.plus(2_000);
        assert_eq!((0..9).filter(|_| buckets.take(same_shard(7), later)).count(), 2);
        assert_eq!(buckets.size("x"), MapSize { name: "x", entries: 1, overflowed: 99 });
    }

    #[test]
    fn full_buckets_make_room_a_few_at_a_time() {
        let buckets = Buckets::new(per_second(10, 60), 16_000);
        for key in 0..10_000 {
            assert!(buckets.take(key, UnixMillis(1_000_000)));
        }
        assert_eq!(entries(&buckets), 10_000);
        for key in 10_000..20_000 {
            assert!(buckets.take(key, UnixMillis(2_000_000)));
        }
        assert_eq!(entries(&buckets), 10_000);
        for key in 20_000..30_000 {
            assert!(buckets.take(key, UnixMillis(3_000_000 + key * 100)));
        }
        assert!(entries(&buckets) <= 32, "{}", entries(&buckets));
        assert_eq!(buckets.size("x").overflowed, 0);
    }

    #[test]
    fn a_clock_that_steps_back_costs_at_most_one_burst() {
        let buckets = Buckets::new(per_second(10, 60), 16);
        let day = 86_400_000;
        assert!(buckets.take(1, UnixMillis(2 * day)));
        assert!(!buckets.take(1, UnixMillis(day)));
        let later = UnixMillis(day + 6_000);
        assert_eq!((0..100).filter(|_| buckets.take(1, later)).count(), 60);
    }

    #[test]
    fn the_ends_of_time_do_not_overflow() {
        for rate in [per_second(u32::MAX, u32::MAX), Rate { tokens: 1, period_ms: u64::MAX, burst: u32::MAX }]
        {
            let buckets = Buckets::new(rate, 16);
            for now in [0, 1, u64::MAX, 0, u64::MAX / 2] {
                buckets.take(1, UnixMillis(now));
            }
        }
    }

    proptest! {
        #[test]
        fn one_number_does_what_a_level_and_a_moment_do(
            tokens in 1_u32..50,
            burst in 1_u32..20,
            steps in proptest::collection::vec(0_u64..400, 1..200),
        ) {
            let rate = per_second(tokens, burst);
            let buckets = Buckets::new(rate, 16);
            let mut now = 1_800_000_000_000;
            let mut model = Model { rate, level: u64::from(burst) * rate.period_ms, at: now };
            for step in steps {
                now += step;
                prop_assert_eq!(buckets.take(9, UnixMillis(now)), model.take(now));
            }
        }

        #[test]
        fn no_crowd_of_keys_makes_the_map_grow_beyond_its_bound(
            keys in proptest::collection::vec((any::<u64>(), 0_u64..500), 1..400),
        ) {
            let buckets = Buckets::new(per_second(2, 3), 64);
            let mut now = 1_000_000;
            for (key, step) in keys {
                now += step;
                buckets.take(key, UnixMillis(now));
                prop_assert!(entries(&buckets) <= 64);
                for shard in &buckets.shards {
                    let shard = locked(shard);
                    prop_assert_eq!(shard.order.len(), shard.full_at.len());
                }
            }
        }
    }
}
