//! A crowd that nobody is: readers of three made-up sites, the same for the same seed.
//!
//! People come by the hour of the day, read a few pages, some for long, and go. What they do is a list of
//! [`Step`]s; of the past it becomes lines of a server's log, of the present beacons. The addresses are those
//! that RFC 2544 keeps for tests, so they are nobody's.

use std::fmt::Write;
use std::net::Ipv4Addr;

use jiff::tz::TimeZone;

use crate::rows::timestamp;
use crate::words::{Kind, UnixMillis};

/// A made-up site.
#[derive(Debug)]
pub struct Place {
    /// Its id.
    pub site: &'static str,
    /// Of a hundred people, how many come here.
    share: u64,
    pages: &'static [&'static str],
}

/// The sites, the busiest first.
pub static PLACES: [Place; 3] = [
    Place {
        site: "news",
        share: 62,
        pages: &["/", "/politics", "/sports", "/sports/final", "/weather", "/culture/film", "/about"],
    },
    Place { site: "shop", share: 28, pages: &["/", "/shoes", "/shoes/42", "/bags", "/cart", "/contact"] },
    Place { site: "blog", share: 10, pages: &["/", "/hello-world", "/counting-people", "/archive"] },
];

/// How many people come in each hour of the day, of a hundred in the busiest.
const HOURS: [u64; 24] =
    [14, 8, 5, 4, 5, 9, 20, 42, 68, 85, 92, 88, 74, 82, 90, 92, 86, 74, 66, 78, 100, 88, 56, 30];

const REFERRERS: [&str; 8] = [
    "",
    "",
    "",
    "https://www.google.com/",
    "https://www.google.com/",
    "https://duckduckgo.com/",
    "https://www.facebook.com/",
    "https://news.ycombinator.com/",
];

const AGENTS: [&str; 5] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
];

/// Pages that one person reads at most.
const PAGES_MAX: u64 = 6;
/// Nobody stays on a page longer than this.
const STAY_MS_MAX: u64 = 240_000;
/// How often an open page says that it still is.
const PING_MS: u64 = 60_000;

/// Something that somebody does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub at: UnixMillis,
    /// What.
    pub kind: Kind,
    /// Milliseconds since the page's last beacon, for a leave.
    pub since_last_ms: u64,
    /// At which site.
    pub site: &'static str,
    /// The page.
    pub page: &'static str,
    /// Where they came from; empty within a visit.
    pub referrer: &'static str,
    /// Their browser.
    pub agent: &'static str,
    /// Their address.
    pub client: Ipv4Addr,
}

/// The people who come from some moment on.
#[derive(Debug)]
pub struct Crowd {
    state: u64,
    next: UnixMillis,
    gap_ms: u64,
}

impl Crowd {
    /// A crowd of about so many people a day, at least one.
    #[must_use]
    pub fn new(seed: u64, people_a_day: u64, from: UnixMillis) -> Crowd {
        // In the busiest hour this many milliseconds lie between two people, in the mean.
        let gap_ms = HOURS.iter().sum::<u64>() * 36_000 / people_a_day.max(1);
        Crowd { state: seed, next: from, gap_ms: gap_ms.max(1) }
    }

    /// What all those do who come before this moment and were not told of yet, in the order of its time; it
    /// may reach beyond the moment.
    pub fn until(&mut self, until: UnixMillis) -> Vec<Step> {
        let mut steps = Vec::new();
        while self.next < until {
            let at = self.next;
            self.next = at.plus(1 + self.below(2 * self.gap_ms));
            let hour = usize::try_from(at.second() / 3_600 % 24).unwrap_or(0);
            if self.below(100) < HOURS[hour] {
                self.visit(at, &mut steps);
            }
        }
        steps.sort_by_key(|step| step.at);
        steps
    }

    /// One person, from the first page to the last.
    fn visit(&mut self, mut at: UnixMillis, steps: &mut Vec<Step>) {
        let place = self.place();
        let (network, host) = (self.below(1 << 16), self.below(2));
        let octet = |n: u64| u8::try_from(n & 0xff).unwrap_or(0);
        let client = Ipv4Addr::new(198, 18 + octet(host), octet(network >> 8), octet(network));
        let mut referrer = self.one_of(&REFERRERS);
        let agent = self.one_of(&AGENTS);
        for _ in 0..=self.below(PAGES_MAX).min(self.below(PAGES_MAX)) {
            let page = self.one_of(place.pages);
            let step = |at, kind, since_last_ms| Step {
                at,
                kind,
                since_last_ms,
                site: place.site,
                page,
                referrer,
                agent,
                client,
            };
            steps.push(step(at, Kind::View, 0));
            let stay_ms = 3_000 + self.below(STAY_MS_MAX).min(self.below(STAY_MS_MAX));
            let pings = stay_ms / PING_MS;
            steps.extend((1..=pings).map(|n| step(at.plus(n * PING_MS), Kind::Ping, 0)));
            at = at.plus(stay_ms);
            steps.push(step(at, Kind::Leave, stay_ms - pings * PING_MS));
            referrer = "";
        }
    }

    fn place(&mut self) -> &'static Place {
        let mut at = self.below(100);
        for place in &PLACES {
            if at < place.share {
                return place;
            }
            at -= place.share;
        }
        &PLACES[0]
    }

    fn one_of(&mut self, of: &[&'static str]) -> &'static str {
        let count = u64::try_from(of.len()).unwrap_or(1);
        of[usize::try_from(self.below(count)).unwrap_or(0)]
    }

    /// A number below `bound`, after Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
    fn below(&mut self, bound: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// The views of a site as its server would have logged them, in the combined format.
#[must_use]
pub fn log(steps: &[Step], site: &str) -> String {
    let mut log = String::new();
    for step in steps.iter().filter(|step| step.kind == Kind::View && step.site == site) {
        let at = timestamp(step.at).to_zoned(TimeZone::UTC).strftime("%d/%b/%Y:%H:%M:%S +0000");
        let referrer = if step.referrer.is_empty() { "-" } else { step.referrer };
        writeln!(
            log,
            "{} - - [{at}] \"GET {} HTTP/1.1\" 200 4096 \"{referrer}\" \"{}\"",
            step.client, step.page, step.agent
        )
        .expect("a String takes whatever is written");
    }
    log
}

/// A step as the request that a browser behind a proxy sends, to a site that may have another id.
#[must_use]
pub fn beacon(step: &Step, site: &str, host: &str) -> String {
    let mut path = format!("/hit?s={site}&u={}&k={}", step.page, step.kind.as_str());
    if step.kind == Kind::Leave {
        write!(path, "&d={}", step.since_last_ms).expect("a String takes whatever is written");
    }
    if step.kind == Kind::View && !step.referrer.is_empty() {
        write!(path, "&r={}", step.referrer).expect("a String takes whatever is written");
    }
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {}\r\nX-Forwarded-For: {}\r\nConnection: close\r\n\r\n",
        step.agent, step.client
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A midnight, so that hours begin at 0.
    const MIDNIGHT: UnixMillis = UnixMillis(20_000 * 86_400_000);

    fn day(seed: u64, people: u64) -> Vec<Step> {
        Crowd::new(seed, people, MIDNIGHT).until(MIDNIGHT.plus(86_400_000))
    }

    #[test]
    fn the_same_seed_is_the_same_crowd() {
        assert_eq!(day(7, 500), day(7, 500));
        assert_ne!(day(7, 500), day(8, 500));
    }

    #[test]
    fn about_as_many_come_as_were_asked_for_and_more_by_day_than_by_night() {
        let steps = day(1, 4_000);
        let first = |step: &&Step| step.kind == Kind::View;
        let hour = |step: &Step| step.at.since(MIDNIGHT) / 3_600_000;
        let at = |wanted: u64| steps.iter().filter(first).filter(|step| hour(step) == wanted).count();
        assert!(at(20) > 5 * at(3), "{} and {}", at(20), at(3));
        let clients: std::collections::BTreeSet<_> =
            steps.iter().map(|step| (step.client, step.agent)).collect();
        assert!((3_600..4_400).contains(&clients.len()), "{}", clients.len());
    }

    #[test]
    fn a_day_told_in_parts_is_the_day() {
        let mut parts = Crowd::new(3, 300, MIDNIGHT);
        let mut told = Vec::new();
        for hour in 1..=24 {
            told.extend(parts.until(MIDNIGHT.plus(hour * 3_600_000)));
        }
        told.sort_by_key(|step| step.at);
        let all = day(3, 300);
        assert_eq!(told.len(), all.len());
        assert!(told.iter().map(|step| step.at).eq(all.iter().map(|step| step.at)));
    }

    #[test]
    fn views_are_lines_of_a_log_and_steps_are_beacons() {
        let step = Step {
            at: MIDNIGHT,
            kind: Kind::View,
            since_last_ms: 0,
            site: "shop",
            page: "/bags",
            referrer: "",
            agent: "Firefox",
            client: Ipv4Addr::new(198, 18, 0, 7),
        };
        let leave = Step { kind: Kind::Leave, since_last_ms: 900, ..step.clone() };
        assert_eq!(
            log(&[step.clone(), leave.clone()], "shop"),
            "198.18.0.7 - - [04/Oct/2024:00:00:00 +0000] \"GET /bags HTTP/1.1\" 200 4096 \"-\" \"Firefox\"\n"
        );
        assert_eq!(log(&[step], "blog"), "");
        assert!(
            beacon(&leave, "vks", "x")
                .starts_with("GET /hit?s=vks&u=/bags&k=leave&d=900 HTTP/1.1\r\nHost: x\r\n")
        );
    }
}
