//! What was not counted in the last hour, by site and reason: for the `sites` command.
//!
//! Sparse and bounded: a site has an entry for each minute in which anything was refused, 60 at most.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use crate::guard::Reason;
use crate::sites::SiteNumber;
use crate::words::UnixMillis;

const MINUTES: u64 = 60;

#[derive(Default)]
pub(super) struct Refusals(Mutex<HashMap<SiteNumber, VecDeque<Minute>>>);

struct Minute {
    minute: u64,
    counts: [u32; Reason::ALL.len()],
}

impl Refusals {
    pub(super) fn note(&self, site: SiteNumber, reason: Reason, now: UnixMillis) {
        let minute = now.minute();
        let mut sites = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let minutes = sites.entry(site).or_default();
        if minutes.back().is_none_or(|last| last.minute != minute) {
            minutes.push_back(Minute { minute, counts: [0; Reason::ALL.len()] });
        }
        while minutes.front().is_some_and(|first| first.minute + MINUTES <= minute) {
            minutes.pop_front();
        }
        if let Some(last) = minutes.back_mut() {
            let count = &mut last.counts[reason.index()];
            *count = count.saturating_add(1);
        }
    }

    /// Reasons that occurred in the 60 minutes up to now, with how often.
    pub(super) fn last_hour(&self, site: SiteNumber, now: UnixMillis) -> Vec<(Reason, u64)> {
        let sites = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let minutes = sites.get(&site).into_iter().flatten();
        let recent: Vec<_> = minutes.filter(|each| each.minute + MINUTES > now.minute()).collect();
        let sum = |reason: &Reason| recent.iter().map(|each| u64::from(each.counts[reason.index()])).sum();
        Reason::ALL.iter().map(|reason| (*reason, sum(reason))).filter(|(_, count)| *count > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_remembered_for_an_hour() {
        let refusals = Refusals::default();
        let site = SiteNumber(1);
        let at = |minutes: u64| UnixMillis(minutes * 60_000);
        refusals.note(site, Reason::Robot, at(100));
        refusals.note(site, Reason::Robot, at(130));
        refusals.note(site, Reason::Prefetch, at(130));
        assert_eq!(refusals.last_hour(site, at(130)), [(Reason::Robot, 2), (Reason::Prefetch, 1)]);
        assert_eq!(refusals.last_hour(site, at(160)), [(Reason::Robot, 1), (Reason::Prefetch, 1)]);
        assert_eq!(refusals.last_hour(site, at(190)), []);
    }
}
