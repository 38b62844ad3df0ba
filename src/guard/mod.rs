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
pub(crate) use spam::is_spam as is_spam_referrer;

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
    /// Whether it counted although nothing told the host of the page; a metric says how many did.
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
        Admission { outcome, no_origin: outcome == Outcome::Counted && home == Home::Unknown }
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
    // A host of the site's own list was asked for by name already.
    let lies_on_spam = site.hosts.is_empty() && home.is_spam();
    (comes_from_spam || lies_on_spam).then_some(Reason::ReferrerSpam)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::beacon::{Method, PROTOCOLS, Request};
    use crate::details::Traits;
    use crate::visitor::Forwarding;
    use crate::words::VisitorId;
    use hyper::HeaderMap;
    use hyper::header::{HeaderName, HeaderValue};

    /// Header lines, by name and value.
    type Lines = [(&'static str, &'static str)];

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
    const NUMBER: SiteNumber = SiteNumber(3);

    const OPTIONS: Options = Options {
        views_per_network_per_second: 10,
        views_per_network_burst: 60,
        views_per_site_per_second: 0,
        new_visitors_per_network_per_hour: 600,
        buckets_max: 1_600,
    };

    fn site(hosts: &[&str]) -> Site {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        Site { hosts, honour_opt_out: true, ..Site::plain("vks") }
    }

    fn visitor(id: u64, narrow: u64) -> Visitor {
        Visitor {
            id: VisitorId(id),
            previous: None,
            network: Network::Known { narrow, wide: None },
            excluded: false,
            robot: false,
            forwarding: Forwarding::Direct,
            traits: Traits::default(),
        }
    }

    /// Decodes a real request and asks a guard about it.
    fn ask(guard: &Guard, query: &str, lines: &Lines, who: &Visitor, site: &Site) -> Admission {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let request = Request { method: Method::Get, path: "/hit", query, headers: &headers, body: b"" };
        let beacon = (PROTOCOLS[0].decode)(&request).expect("a beacon");
        guard.admit(&beacon, who, site, NUMBER, false, NOW)
    }

    fn admit(guard: &Guard, kind: Kind, who: &Visitor, known_visitor: bool, now: UnixMillis) -> Outcome {
        let headers = HeaderMap::new();
        let query = match kind {
            Kind::View => "s=vks",
            Kind::Ping => "s=vks&k=ping",
            Kind::Leave => "s=vks&k=leave&d=0",
        };
        let request = Request { method: Method::Get, path: "/hit", query, headers: &headers, body: b"" };
        let beacon = (PROTOCOLS[0].decode)(&request).expect("a beacon");
        guard.admit(&beacon, who, &site(&[]), NUMBER, known_visitor, now).outcome
    }

    fn counted(
        guard: &Guard,
        kind: Kind,
        who: impl Fn(u64) -> Visitor,
        known: bool,
        now: UnixMillis,
    ) -> usize {
        (0..20_000).filter(|n| admit(guard, kind, &who(*n), known, now) == Outcome::Counted).count()
    }

    #[test]
    fn the_host_of_the_page_is_held_against_the_list() {
        let foreign = (Outcome::Refused(Reason::ForeignHost), false);
        let home = (Outcome::Counted, false);
        let unknown = (Outcome::Counted, true);
        let cases: [(&str, &Lines, (Outcome, bool)); 17] = [
            ("", &[("origin", "https://vks.vn")], home),
            ("", &[("origin", "https://VKS.vn:8443")], home),
            ("", &[("origin", "https://www.vks.vn")], foreign),
            ("", &[("origin", "https://a.news.vn")], home),
            ("", &[("origin", "https://evil.vn"), ("referer", "https://vks.vn/")], foreign),
            ("&u=https://vks.vn/", &[("origin", "https://evil.vn")], foreign),
            ("", &[("origin", "https://vks.vn"), ("referer", "https://evil.vn/")], home),
            ("", &[("referer", "https://vks.vn/x")], home),
            ("", &[("referer", "https://evil.vn/x")], foreign),
            ("", &[("origin", "null"), ("referer", "https://vks.vn/x")], home),
            ("", &[("origin", "null"), ("referer", "https://evil.vn/x")], foreign),
            ("&u=https://vks.vn/x", &[("origin", "null")], home),
            ("&u=https://evil.vn/x", &[("origin", "null")], foreign),
            ("&u=https://evil.vn/x", &[], foreign),
            ("&u=https://vks.vn./x", &[], home),
            ("&u=/x", &[], unknown),
            ("", &[("origin", "null"), ("referer", "about:blank")], unknown),
        ];
        let site = site(&["vks.vn", "*.news.vn"]);
        for (query, lines, (outcome, no_origin)) in cases {
            for kind in ["", "&k=ping", "&k=leave&d=1"] {
                let query = ["s=vks", query, kind].concat();
                let admission = ask(&Guard::new(&OPTIONS), &query, lines, &visitor(1, 1), &site);
                assert_eq!(admission, Admission { outcome, no_origin }, "{query} {lines:?}");
            }
        }
    }

    #[test]
    fn a_site_without_hosts_takes_any() {
        let guard = Guard::new(&OPTIONS);
        let admission = ask(&guard, "s=vks", &[("origin", "https://evil.vn")], &visitor(1, 1), &site(&[]));
        assert_eq!(admission, Admission { outcome: Outcome::Counted, no_origin: false });
        let admission = ask(&guard, "s=vks", &[], &visitor(1, 1), &site(&[]));
        assert_eq!(admission, Admission { outcome: Outcome::Counted, no_origin: true });
    }

    #[test]
    fn one_reason_is_given_and_it_is_the_first() {
        let spam = ("referer", "https://semalt.com/");
        let all = [("dnt", "1"), ("sec-purpose", "prefetch"), spam];
        let honest = visitor(1, 1);
        let robot = Visitor { robot: true, ..honest };
        let excluded = Visitor { excluded: true, ..robot };
        let listed = site(&["vks.vn"]);
        let cases: [(&Visitor, &Lines, Reason); 6] = [
            (&excluded, &all, Reason::Excluded),
            (&robot, &all, Reason::OptedOut),
            (&robot, &all[1..], Reason::Robot),
            (&honest, &all[1..], Reason::Prefetch),
            (&honest, &all[2..], Reason::ForeignHost),
            (&honest, &[("origin", "https://vks.vn")], Reason::ReferrerSpam),
        ];
        for (who, lines, reason) in cases {
            let query = "s=vks&r=https://x.darodar.com/";
            let admission = ask(&Guard::new(&OPTIONS), query, lines, who, &listed);
            assert_eq!(admission.outcome, Outcome::Refused(reason));
        }
        let admission = ask(&Guard::new(&OPTIONS), "s=vks", &[spam], &honest, &site(&[]));
        assert_eq!(admission.outcome, Outcome::Refused(Reason::ReferrerSpam));
    }

    #[test]
    fn opting_out_is_honoured_where_the_site_says_so() {
        let indifferent = Site { honour_opt_out: false, ..site(&[]) };
        let lines = [("sec-gpc", "1")];
        let admission = ask(&Guard::new(&OPTIONS), "s=vks", &lines, &visitor(1, 1), &indifferent);
        assert_eq!(admission.outcome, Outcome::Counted);
    }

    #[test]
    fn what_is_refused_earlier_consumes_nothing() {
        let guard = Guard::new(&OPTIONS);
        let robot = Visitor { robot: true, ..visitor(1, 1) };
        assert_eq!(counted(&guard, Kind::View, |_| robot, false, NOW), 0);
        assert_eq!(counted(&guard, Kind::Ping, |_| robot, false, NOW), 0);
        assert!(guard.maps().iter().all(|map| map.entries == 0));
        assert_eq!(counted(&guard, Kind::View, |_| visitor(1, 1), true, NOW), 60);
    }

    #[test]
    fn a_network_has_its_burst_and_then_its_rate() {
        let guard = Guard::new(&OPTIONS);
        let office = |id| visitor(id, 7);
        assert_eq!(counted(&guard, Kind::View, office, true, NOW), 60);
        assert_eq!(admit(&guard, Kind::View, &office(1), true, NOW), Outcome::Refused(Reason::NetworkRate));
        assert_eq!(counted(&guard, Kind::View, office, true, NOW.plus(1_000)), 10);
        assert_eq!(admit(&guard, Kind::View, &visitor(1, 8), true, NOW), Outcome::Counted);
    }

    #[test]
    fn a_network_that_is_not_known_has_no_limit() {
        let guard = Guard::new(&Options { views_per_site_per_second: 0, ..OPTIONS });
        let unknown = |id| Visitor { network: Network::Unknown, ..visitor(id, 0) };
        assert_eq!(counted(&guard, Kind::View, unknown, false, NOW), 20_000);
    }

    #[test]
    fn a_site_has_its_rate() {
        let guard = Guard::new(&Options { views_per_site_per_second: 25, ..OPTIONS });
        assert_eq!(counted(&guard, Kind::View, |n| visitor(n, n % 5), true, NOW), 25);
        let who = visitor(1, 9_999);
        assert_eq!(admit(&guard, Kind::View, &who, true, NOW), Outcome::Refused(Reason::SiteRate));
    }

    #[test]
    fn unknown_visitors_of_a_network_are_limited_and_known_ones_are_not() {
        let free = Options { views_per_network_per_second: 0, ..OPTIONS };
        let guard = Guard::new(&free);
        assert_eq!(counted(&guard, Kind::View, |id| visitor(id, 7), false, NOW), 600);
        let newcomer = visitor(99_999, 7);
        assert_eq!(admit(&guard, Kind::View, &newcomer, false, NOW), Outcome::Refused(Reason::Identities));
        assert_eq!(admit(&guard, Kind::View, &newcomer, true, NOW), Outcome::Counted);
        assert_eq!(counted(&guard, Kind::View, |id| visitor(id, 7), false, NOW.plus(HOUR_MS / 2)), 300);
    }

    #[test]
    fn the_wide_networks_of_ipv6_are_limited_too() {
        let free = Options { views_per_network_per_second: 0, buckets_max: 1_000_000, ..OPTIONS };
        let guard = Guard::new(&free);
        let wanderer =
            |id| Visitor { network: Network::Known { narrow: id, wide: Some(1) }, ..visitor(id, id) };
        let expected = 600 * usize::try_from(WIDE_NETWORK_FACTOR).expect("small");
        assert_eq!(counted(&guard, Kind::View, wanderer, false, NOW), expected);
    }

    #[test]
    fn pings_and_leaves_have_one_bucket_a_visitor_and_no_other() {
        let guard = Guard::new(&Options { views_per_site_per_second: 1, ..OPTIONS });
        assert_eq!(counted(&guard, Kind::Ping, |_| visitor(1, 7), false, NOW), 60);
        assert_eq!(admit(&guard, Kind::Ping, &visitor(1, 7), true, NOW), Outcome::Refused(Reason::PingRate));
        assert_eq!(admit(&guard, Kind::Leave, &visitor(1, 7), true, NOW), Outcome::Refused(Reason::PingRate));
        assert_eq!(counted(&guard, Kind::Leave, |_| visitor(2, 7), false, NOW), 60);
        assert_eq!(admit(&guard, Kind::View, &visitor(1, 7), false, NOW), Outcome::Counted);
    }

    #[test]
    fn zero_turns_every_limit_of_views_off() {
        let guard = Guard::new(&Options {
            views_per_network_per_second: 0,
            views_per_network_burst: 0,
            views_per_site_per_second: 0,
            new_visitors_per_network_per_hour: 0,
            buckets_max: 16,
        });
        assert_eq!(counted(&guard, Kind::View, |id| visitor(id, 7), false, NOW), 20_000);
        assert!(guard.maps().iter().all(|map| map.entries == 0 && map.overflowed == 0));
    }
}
