//! Additions by name, gathered between two transactions of the store: pages, and what reports tell apart.
//!
//! Millions of records pass here at a start, so a name that is there already is found by one hash of the
//! borrowed text and allocates nothing, and the six small traits of a view are one number.

use std::collections::BTreeMap;

use foldhash::HashMap;

use crate::details::{Details, Dimension, OTHER, Traits, Value};
use crate::words::{Day, Tally};

/// Names of one dimension of a day that are gathered apart between two transactions. Whoever invents more
/// is counted for `(other)`, as the store would do with most of them anyway.
const NAMES_MAX: usize = 10_000;
/// Different traits of a day, likewise; beyond that languages and countries are left out, and browsers,
/// systems, devices and screens make some ten thousand at most.
const TRAITS_MAX: usize = 50_000;

/// Additions by a group, such as a day, and a name within it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByName<G: Ord>(BTreeMap<G, HashMap<Box<str>, Tally>>);

impl<G: Ord> Default for ByName<G> {
    fn default() -> ByName<G> {
        ByName(BTreeMap::new())
    }
}

impl<G: Ord + Copy> ByName<G> {
    /// Adds to a name.
    pub fn add(&mut self, group: G, name: &str, tally: Tally) {
        let names = self.0.entry(group).or_default();
        match names.get_mut(name) {
            Some(sum) => *sum += tally,
            None => drop(names.insert(Box::from(name), tally)),
        }
    }

    /// Adds to a name if it is there or there is room for it.
    fn add_bounded(&mut self, group: G, name: &str, tally: Tally) -> bool {
        let names = self.0.entry(group).or_default();
        let is_full = names.len() >= NAMES_MAX;
        match names.get_mut(name) {
            Some(sum) => *sum += tally,
            None if is_full => return false,
            None => drop(names.insert(Box::from(name), tally)),
        }
        true
    }

    /// Everything that was added, in order of group and name.
    #[must_use]
    pub fn sorted(&self) -> Vec<(G, &str, Tally)> {
        let mut all = Vec::new();
        for (group, names) in &self.0 {
            let first = all.len();
            all.extend(names.iter().map(|(name, tally)| (*group, name.as_ref(), *tally)));
            all[first..].sort_unstable_by(|a: &(G, &str, Tally), b| a.1.cmp(b.1));
        }
        all
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What views told for reports, by the day they belong to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DetailChanges {
    /// By [`Traits::packed`].
    traits: BTreeMap<Day, HashMap<u64, Tally>>,
    names: ByName<(Day, Dimension)>,
    overflowed: u64,
}

impl DetailChanges {
    /// Adds what one view told.
    pub fn add(&mut self, day: Day, details: &Details<'_>, tally: Tally) {
        if details.traits != Traits::default() {
            let counted = self.traits.entry(day).or_default();
            let mut key = details.traits.packed();
            if counted.len() >= TRAITS_MAX && !counted.contains_key(&key) {
                key = Traits { language: None, country: None, ..details.traits }.packed();
            }
            *counted.entry(key).or_default() += tally;
        }
        let names = [
            (Dimension::Referrer, details.referrer),
            (Dimension::Campaign, details.campaign),
            (Dimension::Source, details.source),
            (Dimension::Medium, details.medium),
        ];
        for (dimension, name) in names {
            if let Some(name) = name
                && !self.names.add_bounded((day, dimension), name, tally)
            {
                self.names.add((day, dimension), OTHER, tally);
                self.overflowed += tally.views;
            }
        }
    }

    /// Traits by [`Traits::packed`], for the way to another process.
    #[must_use]
    pub fn traits(&self) -> Vec<(Day, u64, Tally)> {
        let days = self.traits.iter();
        days.flat_map(|(day, counted)| counted.iter().map(|(packed, tally)| (*day, *packed, *tally)))
            .collect()
    }

    /// Names of dimensions that have names, for the same way.
    #[must_use]
    pub fn names(&self) -> Vec<((Day, Dimension), &str, Tally)> {
        self.names.sorted()
    }

    /// Adds a part that another process gathered.
    pub fn add_name(&mut self, day: Day, dimension: Dimension, name: &str, tally: Tally) {
        self.names.add((day, dimension), name, tally);
    }

    /// Views that were added to `(other)` because too many names came between two transactions.
    #[must_use]
    pub fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// Everything that was added, as rows of day, dimension and value, in this order.
    #[must_use]
    pub fn rows(&self) -> Vec<(Day, Dimension, String, Tally)> {
        let mut sums: BTreeMap<(Day, Dimension, Value), Tally> = BTreeMap::new();
        for (day, counted) in &self.traits {
            for (packed, tally) in counted {
                for (dimension, value) in Traits::from_packed(*packed).values() {
                    *sums.entry((*day, dimension, value)).or_default() += *tally;
                }
            }
        }
        let traits = sums
            .into_iter()
            .map(|((day, dimension, value), tally)| (day, dimension, value.to_string(), tally));
        let names = self.names.sorted().into_iter();
        let names = names.map(|((day, dimension), name, tally)| (day, dimension, name.to_owned(), tally));
        let mut rows: Vec<_> = traits.chain(names).collect();
        rows.sort_by(|a, b| (a.0, a.1, &a.2).cmp(&(b.0, b.1, &b.2)));
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::details::{Browser, Country, Language, Screen};
    use proptest::prelude::*;

    const DAY: Day = Day(20_779);
    const ONE: Tally = Tally { views: 1, visits: 1 };

    #[test]
    fn names_come_out_in_order_whatever_the_hashes_say() {
        let mut pages = ByName::default();
        for name in ["/b", "/a", "/c", "/a"] {
            pages.add(DAY.next(), name, ONE);
            pages.add(DAY, name, Tally { views: 1, visits: 0 });
        }
        let sorted = pages.sorted();
        assert_eq!(sorted.len(), 6);
        assert_eq!(sorted[0], (DAY, "/a", Tally { views: 2, visits: 0 }));
        assert_eq!(sorted[5], (DAY.next(), "/c", ONE));
    }

    #[test]
    fn a_flood_of_invented_names_and_traits_is_bounded_and_none_is_lost() {
        let mut changes = DetailChanges::default();
        let letters = || b'a'..=b'z';
        let all = letters().flat_map(|a| letters().flat_map(move |b| letters().map(move |c| [a, b, c])));
        let mut views = 0;
        for (n, (letters, screen)) in
            all.flat_map(|l| Screen::ALL[1..].iter().map(move |s| (l, *s))).enumerate()
        {
            let referrer = format!("{n}.example");
            let traits = Traits {
                screen,
                browser: Browser::Chrome,
                language: Language::of_header(&letters),
                country: Country::parse(&letters[..2]),
                ..Traits::default()
            };
            let details = Details { traits, referrer: Some(&referrer), ..Details::default() };
            changes.add(DAY, &details, ONE);
            views += 1;
        }
        assert!(changes.traits[&DAY].len() <= TRAITS_MAX + 10);
        let rows = changes.rows();
        let sum = |wanted| rows.iter().filter(|row| row.1 == wanted).map(|row| row.3.views).sum::<u64>();
        assert_eq!((sum(Dimension::Browser), sum(Dimension::Screen)), (views, views));
        assert_eq!(sum(Dimension::Referrer), views);
        let names_max = u64::try_from(NAMES_MAX).expect("small");
        assert_eq!(changes.overflowed(), views - names_max);
        assert!(rows.iter().filter(|row| row.1 == Dimension::Referrer).count() <= NAMES_MAX + 1);
        assert!(sum(Dimension::Language) < views);
    }

    proptest! {
        #[test]
        fn sums_of_a_dimension_are_the_views_that_told_it(views in prop::collection::vec(
            (any::<u64>(), prop::option::of("[a-c]"), any::<bool>()), 0..60)) {
            let mut changes = DetailChanges::default();
            let mut expected: BTreeMap<Dimension, Tally> = BTreeMap::new();
            for (packed, referrer, opened) in &views {
                let traits = Traits::from_packed(*packed);
                let tally = Tally { views: 1, visits: u64::from(*opened) };
                let details = Details { traits, referrer: referrer.as_deref(), ..Details::default() };
                changes.add(DAY, &details, tally);
                let told = traits.values().map(|(dimension, _)| dimension);
                for dimension in told.chain(referrer.iter().map(|_| Dimension::Referrer)) {
                    *expected.entry(dimension).or_default() += tally;
                }
            }
            let mut found: BTreeMap<Dimension, Tally> = BTreeMap::new();
            for (_, dimension, _, tally) in changes.rows() {
                *found.entry(dimension).or_default() += tally;
            }
            prop_assert_eq!(found, expected);
        }
    }
}
