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

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::MapSize;
use crate::words::UnixMillis;

/// So many that worker threads seldom meet at a lock.
const SHARDS: usize = 16;
/// Older buckets that a newcomer looks at: more than one, so that the map shrinks while it is used.
const SWEEP_STEPS: usize = 2;
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
    full_at: HashMap<u64, u64>,
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
        shard.sweep(now);
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
    fn sweep(&mut self, now: u64) {
        for _ in 0..SWEEP_STEPS {
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
