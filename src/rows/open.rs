//! Open visits: who is in one, and the last moment of each, in few bytes.
//!
//! A hash table doubles when it is full, so just after that it takes twice the memory it needs. The
//! ids are dealt to many small tables of uneven size instead ([`uneven_part`]), which double one
//! after the other: memory grows smoothly, and what a small table leaves behind the next one uses.
//!
//! Moments are the low 32 bits of milliseconds since the epoch: differences are right up to 24 days,
//! and ids of one person last for two.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::{Seen, step};
use crate::words::{Kind, UnixMillis, VisitorId};

/// Tables that ids are dealt to.
pub const PARTS: usize = 64;

/// The table of an id, from 0 to below [`PARTS`]. The last one gets about twice as many as the
/// first and those between lie on a curve, so that their logarithms are spread evenly.
#[must_use]
pub fn uneven_part(visitor: VisitorId) -> usize {
    // Sixteen bits of a keyed hash as u from 0 to 1; 64 · log2(1 + u) within a hundredth is
    // 64 · (u + u · (1 − u) · 22/64).
    let u = visitor.0 >> 32 & 0xffff;
    let curve = u + ((u * (0x1_0000 - u)) >> 16) * 22 / 64;
    usize::try_from(curve >> 10).unwrap_or(0)
}

/// An id in two halves, so that a moment of four bytes fits beside it without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Halves([u32; 2]);

impl std::hash::Hash for Halves {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(u64::from(self.0[0]) << 32 | u64::from(self.0[1]));
    }
}

/// Visitor ids are keyed hashes already.
#[derive(Clone, Debug, Default)]
pub(super) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only visitor ids are hashed here");
    }

    fn write_u64(&mut self, id: u64) {
        self.0 = id;
    }
}

type Part = HashMap<Halves, u32, BuildHasherDefault<AsItIs>>;

/// Visitors in an open visit, and the last moment of each.
#[derive(Clone, Debug)]
pub struct OpenVisits {
    parts: Vec<Part>,
}

impl Default for OpenVisits {
    fn default() -> OpenVisits {
        OpenVisits { parts: vec![Part::default(); PARTS] }
    }
}

impl OpenVisits {
    /// Takes a beacon and decides whether it opens a visit. `previous` is the id that the visitor had the
    /// day before: a visit that is open by that name goes on under the new one.
    pub fn take(
        &mut self,
        kind: Kind,
        at: UnixMillis,
        visitor: VisitorId,
        previous: Option<VisitorId>,
        visit_window_ms: u64,
    ) -> bool {
        let carried = previous.and_then(|previous| self.remove(previous, at));
        let last = self.last(visitor, at).or(carried);
        let seen = last.map(|last| Seen { gap_ms: at.since(last), in_visit: true });
        let step = step(kind, seen, visit_window_ms);
        if step.in_visit {
            self.put(visitor, last.map_or(at, |last| last.max(at)));
        } else if last.is_some() {
            self.remove(visitor, at);
        }
        step.opened
    }

    /// The last moment of a visitor, who is asked about at `at`.
    #[must_use]
    pub fn last(&self, visitor: VisitorId, at: UnixMillis) -> Option<UnixMillis> {
        self.parts[uneven_part(visitor)].get(&halves(visitor)).map(|last| whole(*last, at))
    }

    /// Keeps the last moment of a visitor.
    pub fn put(&mut self, visitor: VisitorId, last: UnixMillis) {
        self.parts[uneven_part(visitor)].insert(halves(visitor), low(last.0));
    }

    /// Forgets a visitor; gives the last moment, asked about at `at`.
    pub fn remove(&mut self, visitor: VisitorId, at: UnixMillis) -> Option<UnixMillis> {
        self.parts[uneven_part(visitor)].remove(&halves(visitor)).map(|last| whole(last, at))
    }

    /// Forgets everybody whose last moment lies more than `window_ms` before `now`.
    pub fn forget_before(&mut self, now: UnixMillis, window_ms: u64) {
        let open = |last: u32| now.since(whole(last, now)) <= window_ms;
        for part in &mut self.parts {
            part.retain(|_, last| open(*last));
            if part.capacity() / 4 > part.len() {
                part.shrink_to(part.len() * 2);
            }
        }
    }

    /// How many visits are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.iter().map(HashMap::len).sum()
    }

    /// Whether no visit is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn halves(visitor: VisitorId) -> Halves {
    Halves([low(visitor.0 >> 32), low(visitor.0)])
}

fn low(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).expect("32 bits were left")
}

/// The moment nearest to `at` that has these low bits.
fn whole(last: u32, at: UnixMillis) -> UnixMillis {
    let ahead = last.wrapping_sub(low(at.0)).cast_signed();
    UnixMillis(at.0.saturating_add_signed(i64::from(ahead)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_come_back_whole_on_either_side_of_the_asking() {
        let mut visits = OpenVisits::default();
        let last = UnixMillis(1_800_000_000_000);
        visits.put(VisitorId(7), last);
        for at in [last, last.plus(86_400_000), last.minus(86_400_000), last.plus(1 << 31)] {
            assert_eq!(visits.last(VisitorId(7), at), Some(last));
        }
        assert_eq!(visits.last(VisitorId(8), last), None);
        assert_eq!(visits.remove(VisitorId(7), last), Some(last));
        assert!(visits.is_empty());
    }

    #[test]
    fn only_those_within_the_window_stay() {
        let mut visits = OpenVisits::default();
        let now = UnixMillis(1_800_000_000_000);
        (0..1_000).for_each(|n| visits.put(VisitorId(n << 32), now.minus(n)));
        visits.forget_before(now, 9);
        assert_eq!(visits.len(), 10);
    }

    #[test]
    fn the_last_part_gets_about_twice_as_many_as_the_first_and_none_is_left_out() {
        let mut parts = [0_u32; PARTS];
        (0..1 << 16).for_each(|u| parts[uneven_part(VisitorId(u << 32))] += 1);
        assert!(parts.iter().all(|part| *part > 0), "{parts:?}");
        let ratio = f64::from(parts[63]) / f64::from(parts[0]);
        assert!((1.8..2.2).contains(&ratio), "{parts:?}");
    }
}
