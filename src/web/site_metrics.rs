//! The lines of the metrics page about sites: as many by name as are allowed, all others as one.
//!
//! Which sites have a name of their own is settled when the page is first asked for, by their views of all
//! time, and new sites take what places are left. It does not change after that: a site that moved in and
//! out of the collective line would make its counters fall, which Prometheus takes for a restart.

use std::collections::BTreeSet;
use std::ops::AddAssign;
use std::sync::{Mutex, PoisonError};

use super::Rooms;
use crate::metrics::Family;
use crate::sites::{Placed, SiteNumber};
use crate::words::{Numbers, Tally, UnixMillis};

/// The label of sites without a line of their own; no site can have this name.
const OTHER: &str = "_other";

/// The sites that have lines of their own, also those that are no longer in force.
#[derive(Default)]
pub(super) struct Named(Mutex<BTreeSet<SiteNumber>>);

/// What the page tells of one site, or of several.
#[derive(Clone, Copy, Default)]
struct Figures {
    online: u64,
    peak: u64,
    all_time: Tally,
    today: Tally,
    yesterday: Tally,
    this_week: Tally,
    last_week: Tally,
    visitors_today: u64,
    visitors_yesterday: u64,
    counted: Tally,
    pages: u64,
    last_beacon: u64,
}

impl AddAssign for Figures {
    /// Sums, but for the peak and the last beacon: the highest and the latest of all.
    fn add_assign(&mut self, more: Figures) {
        self.online += more.online;
        self.peak = self.peak.max(more.peak);
        self.all_time += more.all_time;
        self.today += more.today;
        self.yesterday += more.yesterday;
        self.this_week += more.this_week;
        self.last_week += more.last_week;
        self.visitors_today += more.visitors_today;
        self.visitors_yesterday += more.visitors_yesterday;
        self.counted += more.counted;
        self.pages += more.pages;
        self.last_beacon = self.last_beacon.max(more.last_beacon);
    }
}

/// A figure with one value a site.
struct Single(&'static str, &'static str, &'static str, fn(&Figures) -> u64);

static SINGLES: [Single; 6] = [
    Single("headcount_visitors_online", "gauge", "People online, in the whole fleet.", |of| of.online),
    Single("headcount_visitors_online_peak", "gauge", "The highest number online so far.", |of| of.peak),
    Single("headcount_views_total", "counter", "Views that this node counted since its start.", |of| {
        of.counted.views
    }),
    Single(
        "headcount_visits_total",
        "counter",
        "Visits that this node counted since its start, as of the last fold.",
        |of| of.counted.visits,
    ),
    Single("headcount_pages", "gauge", "Pages with a row of their own.", |of| of.pages),
    Single("headcount_last_beacon_timestamp_seconds", "gauge", "The last counted beacon.", |of| {
        of.last_beacon
    }),
];

/// A label, and what it names.
type Period = (&'static str, fn(&Figures) -> Tally);

static PERIODS: [Period; 5] = [
    ("all_time", |of| of.all_time),
    ("today", |of| of.today),
    ("yesterday", |of| of.yesterday),
    ("this_week", |of| of.this_week),
    ("last_week", |of| of.last_week),
];

impl Named {
    /// The lines.
    pub(super) fn page(&self, rooms: &Rooms, now: UnixMillis) -> String {
        let all = figures(rooms, now);
        let named = self.settle(&all, rooms.options.metrics_sites_max);
        let is_named = |(placed, _): &&(Placed, Figures)| named.contains(&placed.number);
        let mut lines: Vec<(&str, Figures)> = all
            .iter()
            .filter(is_named)
            .map(|(placed, figures)| (placed.site.id.as_str(), *figures))
            .collect();
        let folded = all.len() - lines.len();
        if folded > 0 {
            let mut other = Figures::default();
            for (_, figures) in all.iter().filter(|one| !is_named(one)) {
                other += *figures;
            }
            other.counted = counted_by_others(rooms, &named);
            lines.push((OTHER, other));
        }
        write(&lines) + &extent(all.len(), folded)
    }

    /// Gives places that are left to sites with the most views of all time.
    fn settle(&self, all: &[(Placed, Figures)], sites_max: usize) -> BTreeSet<SiteNumber> {
        let mut named = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if named.len() < sites_max {
            let mut rest: Vec<_> = all.iter().filter(|(placed, _)| !named.contains(&placed.number)).collect();
            rest.sort_by_key(|(placed, figures)| (u64::MAX - figures.all_time.views, placed.number));
            let room = sites_max - named.len();
            named.extend(rest.into_iter().take(room).map(|(placed, _)| placed.number));
        }
        named.clone()
    }
}

fn figures(rooms: &Rooms, now: UnixMillis) -> Vec<(Placed, Figures)> {
    let counted = rooms.counts.counted();
    let of = |placed: &Placed| {
        let numbers = rooms.counts.numbers(placed.number, None, now)?;
        let (pages, last_beacon) = rooms.counts.extent(placed.number)?;
        let place = usize::try_from(placed.number.0).ok()?;
        let figures = Figures {
            counted: counted.get(place).copied().unwrap_or_default(),
            pages: u64::try_from(pages).unwrap_or(u64::MAX),
            last_beacon: last_beacon.map_or(0, UnixMillis::second),
            ..shown(&numbers)
        };
        Some((placed.clone(), figures))
    };
    rooms.sites().iter().filter_map(of).collect()
}

fn shown(numbers: &Numbers) -> Figures {
    Figures {
        online: numbers.online.into(),
        peak: numbers.peak_online.as_ref().map_or(0, |peak| peak.count.into()),
        all_time: numbers.total,
        today: numbers.today,
        yesterday: numbers.yesterday,
        this_week: numbers.this_week,
        last_week: numbers.last_week,
        visitors_today: numbers.today_visitors,
        visitors_yesterday: numbers.yesterday_visitors,
        ..Figures::default()
    }
}

/// Counters of every site without a name, also of those that are no longer in force, so that the sum never falls.
fn counted_by_others(rooms: &Rooms, named: &BTreeSet<SiteNumber>) -> Tally {
    let mut sum = Tally::default();
    for (number, tally) in (0..).zip(rooms.counts.counted()) {
        if !named.contains(&SiteNumber(number)) {
            sum += tally;
        }
    }
    sum
}

fn write(lines: &[(&str, Figures)]) -> String {
    let mut text = String::new();
    for Single(name, kind, help, value) in &SINGLES {
        let mut family = Family::new(name, kind, help);
        for (site, figures) in lines {
            family.line(&[("site", site)], value(figures));
        }
        text.push_str(&family.into_text());
    }
    let help = "of a period of the site's own time zone, adjustments included, in the whole fleet.";
    let mut views = Family::new("headcount_period_views", "gauge", &format!("Views {help}"));
    let mut visits = Family::new("headcount_period_visits", "gauge", &format!("Visits {help}"));
    let help = "Distinct visitors of a day of the site, as of the last fold. Never to be added up over days.";
    let mut visitors = Family::new("headcount_period_visitors", "gauge", help);
    for (site, figures) in lines {
        for (period, tally) in PERIODS {
            let labels = [("site", *site), ("period", period)];
            views.line(&labels, tally(figures).views);
            visits.line(&labels, tally(figures).visits);
        }
        visitors.line(&[("site", site), ("period", "today")], figures.visitors_today);
        visitors.line(&[("site", site), ("period", "yesterday")], figures.visitors_yesterday);
    }
    text + &[views, visits, visitors].map(Family::into_text).concat()
}

fn extent(all: usize, folded: usize) -> String {
    let mut sites = Family::new("headcount_sites", "gauge", "Sites in service.");
    sites.line(&[], all);
    let help =
        "Sites that are added up under site=\"_other\", because metrics.max_sites have a name already.";
    let mut other = Family::new("headcount_sites_folded", "gauge", help);
    other.line(&[], folded);
    [sites, other].map(Family::into_text).concat()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::sites::Site;

    fn sites(views: &[u64]) -> Vec<(Placed, Figures)> {
        let one = |(number, views): (u32, &u64)| {
            let site = Arc::new(Site::plain(&format!("s{number}")));
            let all_time = Tally { views: *views, visits: 0 };
            (Placed { number: SiteNumber(number), site }, Figures { all_time, ..Figures::default() })
        };
        (0..).zip(views).map(one).collect()
    }

    #[test]
    fn the_busiest_have_names_and_keep_them() {
        let (named, mut all) = (Named::default(), sites(&[1, 9, 5]));
        let settled = |all: &[(Placed, Figures)]| -> Vec<u32> {
            named.settle(all, 2).into_iter().map(|number| number.0).collect()
        };
        assert_eq!(settled(&all), [1, 2]);
        all = sites(&[100, 9, 5]);
        assert_eq!(settled(&all), [1, 2], "the first is the busiest now, and its counters would fall");
        all.remove(1);
        assert_eq!(settled(&all), [1, 2], "nor does a site that has gone make room");
    }

    #[test]
    fn new_sites_take_places_that_are_left() {
        let named = Named::default();
        assert_eq!(named.settle(&sites(&[1]), 3).len(), 1);
        assert_eq!(named.settle(&sites(&[1, 0, 7, 2]), 3), BTreeSet::from([0, 2, 3].map(SiteNumber)));
    }

    #[test]
    fn others_are_sums_with_the_highest_peak_and_the_latest_beacon() {
        let of = |n: u64| Figures {
            online: n,
            peak: n,
            last_beacon: n,
            today: Tally { views: n, visits: n },
            ..Figures::default()
        };
        let mut sum = of(3);
        sum += of(5);
        assert_eq!((sum.online, sum.peak, sum.last_beacon), (8, 5, 5));
        assert_eq!(sum.today, Tally { views: 8, visits: 8 });
    }
}
