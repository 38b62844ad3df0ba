//! The guard: a beacon is counted, or not counted for exactly one reason. Nothing inflates the number.
//!
//! The questions are asked in one order, and whoever is refused by an earlier one consumes nothing of a
//! later one: excluded, opted out, robot, prefetch, foreign host, referrer spam; then for views the bucket
//! of the network, that of the site, and for unknown visitors those of their networks; for pings and
//! leaves the bucket of the visitor. A refused beacon is answered like every other.
//!
//! All buckets are this node's own and live in memory alone. Time is an argument. The room does not know
//! addresses, only hashes of networks, and does not count anything but its own maps.

mod bucket;
mod host;
mod reason;
mod spam;

use bucket::{Buckets, Rate};
use host::Home;
pub use reason::{Outcome, Reason};

use crate::beacon::Beacon;
use crate::sites::{Site, SiteNumber};
use crate::visitor::{Network, Visitor};
use crate::words::{Kind, UnixMillis};

/// The limits of each kind; 0 turns one off.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Views that one network may bring each second, in the long run.
    pub views_per_network_per_second: u32,
    /// Views that one network may bring at once.
    pub views_per_network_burst: u32,
    /// Views that one site may count each second.
    pub views_per_site_per_second: u32,
    /// Unknown visitors that one network may bring in an hour.
    pub new_visitors_per_network_per_hour: u32,
    /// Networks and visitors remembered at once.
    pub buckets_max: usize,
}

/// An open page pings every minute and when its tab comes to the front, but whoever shares an address
/// and a browser version shares an identity by address; so one a second for an office, and no more.
const PINGS_PER_VISITOR: Rate = Rate { tokens: 1, period_ms: 1_000, burst: 60 };
/// A /48 holds 65,536 networks of /64; providers give one of these to every phone.
const WIDE_NETWORK_FACTOR: u32 = 16;
const SECOND_MS: u64 = 1_000;
const HOUR_MS: u64 = 3_600_000;

/// What the guard says about a beacon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Counted, or refused for one reason.
    pub outcome: Outcome,
    /// Whether nothing at all told the host of the page; such beacons count, and a metric says how many.
    pub no_origin: bool,
}

/// How full one of the guard's bounded maps is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapSize {
    /// The name in metric labels.
    pub name: &'static str,
    /// Buckets remembered now.
    pub entries: usize,
    /// How often a newcomer had to share the common bucket because the map was full.
    pub overflowed: u64,
}

/// Decides what counts. One instance serves all threads.
#[derive(Debug)]
pub struct Guard {
    views_of_networks: Buckets,
    views_of_sites: Buckets,
    arrivals: Buckets,
    arrivals_wide: Buckets,
    pings: Buckets,
}

impl Guard {
    /// A guard with full buckets.
    #[must_use]
    pub fn new(options: &Options) -> Guard {
        let second = |tokens, burst| Rate { tokens, period_ms: SECOND_MS, burst };
        let hour = |tokens| Rate { tokens, period_ms: HOUR_MS, burst: tokens };
        let per_network = options.views_per_network_per_second;
        let per_site = options.views_per_site_per_second;
        let arrivals = options.new_visitors_per_network_per_hour;
        let buckets = |rate| Buckets::new(rate, options.buckets_max);
        Guard {
            views_of_networks: buckets(second(per_network, options.views_per_network_burst)),
            views_of_sites: buckets(second(per_site, per_site)),
            arrivals: buckets(hour(arrivals)),
            arrivals_wide: buckets(hour(arrivals.saturating_mul(WIDE_NETWORK_FACTOR))),
            pings: buckets(PINGS_PER_VISITOR),
        }
    }

    /// Whether `beacon` counts. `known_visitor` says whether the visitor was seen lately, by either of
    /// the two ids.
    pub fn admit(
        &self,
        beacon: &Beacon<'_>,
        visitor: &Visitor,
        site: &Site,
        number: SiteNumber,
        known_visitor: bool,
        now: UnixMillis,
    ) -> Admission {
        let home = Home::of(beacon);
        let refused = refused_as_it_is(beacon, visitor, site, &home).or_else(|| match beacon.kind {
            Kind::View if known_visitor => self.over_view_limits(visitor, number, now),
            Kind::View => {
                self.over_view_limits(visitor, number, now).or_else(|| self.over_arrivals(visitor, now))
            }
            Kind::Ping | Kind::Leave => self.over_pings(visitor, now),
        });
        let outcome = refused.map_or(Outcome::Counted, Outcome::Refused);
        Admission { outcome, no_origin: home == Home::Unknown }
    }

    /// How full the maps are, one entry a map.
    #[must_use]
    pub fn maps(&self) -> [MapSize; 5] {
        [
            self.views_of_networks.size("networks"),
            self.views_of_sites.size("sites"),
            self.arrivals.size("arrivals"),
            self.arrivals_wide.size("arrivals_wide"),
            self.pings.size("pings"),
        ]
    }

    fn over_view_limits(&self, visitor: &Visitor, number: SiteNumber, now: UnixMillis) -> Option<Reason> {
        if let Network::Known { narrow, .. } = visitor.network
            && !self.views_of_networks.take(narrow, now)
        {
            return Some(Reason::NetworkRate);
        }
        (!self.views_of_sites.take(u64::from(number.0), now)).then_some(Reason::SiteRate)
    }

    fn over_arrivals(&self, visitor: &Visitor, now: UnixMillis) -> Option<Reason> {
        let Network::Known { narrow, wide } = visitor.network else { return None };
        let admitted =
            self.arrivals.take(narrow, now) && wide.is_none_or(|wide| self.arrivals_wide.take(wide, now));
        (!admitted).then_some(Reason::Identities)
    }

    fn over_pings(&self, visitor: &Visitor, now: UnixMillis) -> Option<Reason> {
        (!self.pings.take(visitor.id.0, now)).then_some(Reason::PingRate)
    }
}

/// Everything that needs no bucket.
fn refused_as_it_is(beacon: &Beacon<'_>, visitor: &Visitor, site: &Site, home: &Home<'_>) -> Option<Reason> {
    if visitor.excluded {
        return Some(Reason::Excluded);
    }
    if site.honour_opt_out && beacon.opted_out {
        return Some(Reason::OptedOut);
    }
    if visitor.robot {
        return Some(Reason::Robot);
    }
    if beacon.speculative {
        return Some(Reason::Prefetch);
    }
    if !home.is_among(&site.hosts) {
        return Some(Reason::ForeignHost);
    }
    let comes_from_spam = beacon.came_from.as_deref().is_some_and(spam::is_spam);
    (comes_from_spam || home.is_spam()).then_some(Reason::ReferrerSpam)
}
