//! Distinct visitors of a day: exact while few, then `HyperLogLog`.
//!
//! The crate `cardinality-estimator` at P = 14, W = 6 keeps up to 128 hashes exactly and then 2^14
//! registers: a standard error of 1.04 / sqrt(2^14) = 0.81 % in at most 12 KiB (Flajolet et al.
//! 2007, with the bias correction of `HyperLogLog`++). A [`VisitorId`] is a keyed hash already, so it
//! goes in as it is.

use cardinality_estimator::CardinalityEstimator;
use std::hash::DefaultHasher;

use crate::words::VisitorId;

/// Register index bits.
const PRECISION: usize = 14;
/// Bits of a register.
const WIDTH: usize = 6;

/// The set of one day's visitors, as far as their number needs it.
#[derive(Clone, Default)]
pub struct Sketch(CardinalityEstimator<u64, DefaultHasher, PRECISION, WIDTH>);

impl Sketch {
    /// Takes a visitor; one who was taken before changes nothing.
    pub fn insert(&mut self, visitor: VisitorId) {
        self.0.insert_hash(visitor.0);
    }

    /// Takes everybody whom another sketch took; those whom both took are one.
    pub fn merge(&mut self, other: &Sketch) {
        self.0.merge(&other.0);
    }

    /// The number of distinct visitors taken.
    #[must_use]
    pub fn count(&self) -> u64 {
        u64::try_from(self.0.estimate()).unwrap_or(u64::MAX)
    }

    /// The bytes that the store keeps while the day is open.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        postcard::to_stdvec(&self.0).expect("a sketch is numbers alone, which always serialise")
    }

    /// Reads what [`Sketch::to_bytes`] wrote; `None` for anything else.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Sketch> {
        postcard::from_bytes(bytes).ok().map(Sketch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: u64) -> VisitorId {
        // splitmix64, the finaliser by Vigna: spreads small numbers over 64 bits.
        let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        VisitorId(z ^ (z >> 31))
    }

    #[test]
    fn few_visitors_are_counted_exactly_and_survive_the_store() {
        let mut sketch = Sketch::default();
        for n in 0..128 {
            sketch.insert(hash(n));
            sketch.insert(hash(n));
            assert_eq!(sketch.count(), n + 1);
            let read = Sketch::from_bytes(&sketch.to_bytes()).expect("its own bytes");
            assert_eq!(read.count(), n + 1);
        }
    }

    #[test]
    fn merging_is_taking_everybody_of_both_in_any_order() {
        for (first, second) in [(0..5, 3..9), (0..100, 50..300), (0..20_000, 10_000..40_000), (0..0, 0..7)] {
            let taken = |numbers: &std::ops::Range<u64>| {
                let mut sketch = Sketch::default();
                numbers.clone().for_each(|n| sketch.insert(hash(n)));
                Sketch::from_bytes(&sketch.to_bytes()).expect("its own bytes")
            };
            let all = taken(&(first.start..second.end)).count();
            for (one, other) in [(&first, &second), (&second, &first)] {
                let mut merged = taken(one);
                merged.merge(&taken(other));
                assert_eq!(merged.count(), all, "{one:?} and {other:?}");
                merged.merge(&taken(one));
                assert_eq!(merged.count(), all, "again {one:?}");
            }
        }
    }

    #[test]
    fn many_visitors_are_within_four_standard_errors() {
        let mut sketch = Sketch::default();
        for n in 0..100_000_u32 {
            sketch.insert(hash(u64::from(n)));
        }
        let read = Sketch::from_bytes(&sketch.to_bytes()).expect("its own bytes");
        assert_eq!(read.count(), sketch.count());
        assert!(sketch.count().abs_diff(100_000) < 3_240, "{}", sketch.count());
    }
}
