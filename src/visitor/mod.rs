//! Who is it: a beacon, the peer that sent it and the day's salts become a [`Visitor`].
//!
//! Past this room nothing carries an address or a user agent: there are keyed hashes and verdicts only.
//! Visitor ids are keyed by the day's salt, networks by a key of this process life. The room knows
//! neither the time nor the limits.

mod address;
mod agent;
mod browser;
mod country;
mod seen;
mod told;

use std::hash::Hasher;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use hyper::HeaderMap;
use hyper::header::{ACCEPT_LANGUAGE, HeaderName, USER_AGENT};
use ipnet::IpNet;
use siphasher::sip::SipHasher24;

use crate::beacon::{Beacon, log};
use crate::details::{Country, Language, Screen, Traits};
use crate::sites::{Identity, Site};
use crate::words::{Day, Kind, Salt, SiteId, VisitorId};
use address::{Client, Proxies};
use agent::{Agent, Agents};
pub use country::{Countries, CountriesError};
pub use seen::{Crowd, Ways};
pub use told::{details, logged_details, tags};

/// What telling people apart needs to know.
#[derive(Clone, Debug)]
pub struct Options {
    /// Peers whose forwarding header is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The one header that is read from them, lower case.
    pub client_address_header: String,
    /// The header in which trusted proxies name the client's country, lower case; empty reads none.
    pub country_header: String,
    /// Countries by address; they decide, and the header where they do not know.
    pub countries: Option<Arc<Countries>>,
    /// User agents remembered at once, per worker.
    pub agents_max: usize,
}

/// The other end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Where it is.
    pub address: PeerAddress,
}

/// Where a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerAddress {
    /// At this address.
    Ip(IpAddr),
    /// Behind a socket of this machine: always a trusted proxy.
    Unix,
}

/// The secrets of one site's day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteSalts {
    /// The site's present day.
    pub day: Day,
    /// Its salt.
    pub today: Salt,
    /// The salt of the day before, for one visit window after midnight.
    pub previous: Option<Salt>,
}

/// Who sent a beacon, as far as anybody needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// The id of the present day.
    pub id: VisitorId,
    /// The id that the same person had the day before, while that day's salt is still there.
    pub previous: Option<VisitorId>,
    /// The network that limits apply to.
    pub network: Network,
    /// Whether the owner left this network out.
    pub excluded: bool,
    /// Whether the user agent is a robot's; one that sends none is.
    pub robot: bool,
    /// How the client's address was found.
    pub forwarding: Forwarding,
    /// What reports tell views apart by; nothing for robots and for what is no view.
    pub traits: Traits,
}

/// Who sent a logged request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logged {
    /// The id of the request's day.
    pub id: VisitorId,
    /// The id that the same person had the day before, while that day's salt is asked for.
    pub previous: Option<VisitorId>,
    /// Whether the owner left this network out.
    pub excluded: bool,
    /// Whether the user agent is a robot's; one that sends none is.
    pub robot: bool,
    /// What reports tell views apart by, as far as a log says it; nothing for robots.
    pub traits: Traits,
}

/// The network of a client, hashed with a key of this process life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// A trusted proxy did not say; no network limit can apply.
    Unknown,
    /// The client's own.
    Known {
        /// The IPv4 address, or the /64 of the IPv6 address.
        narrow: u64,
        /// The /48 of the IPv6 address.
        wide: Option<u64>,
    },
}

/// How a client's address was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarding {
    /// The peer is the client and sent no forwarding header.
    Direct,
    /// The peer is the client; its forwarding header was not believed.
    Ignored,
    /// Trusted proxies named the client.
    Forwarded,
    /// A trusted proxy named nobody, only trusted ones, or something that is no address.
    Missing,
}

/// Why the options make no room.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VisitorsError {
    /// The name cannot be that of a header.
    #[error("`{name}` is not the name of a header")]
    HeaderName {
        /// What was configured.
        name: String,
    },
}

/// Tells people apart. One instance may serve many threads.
#[derive(Debug)]
pub struct Visitors {
    proxies: Proxies,
    agents: Agents,
    country_header: Option<HeaderName>,
    countries: RwLock<Option<Arc<Countries>>>,
    /// Whether there are any, so that nobody who has none asks for the lock.
    has_countries: AtomicBool,
    /// Random for every process life, so that nobody can aim at a bucket or a cache slot.
    key: [u8; 16],
    seen: seen::Seen,
}

impl Visitors {
    /// Makes the room; `key` must be random.
    ///
    /// # Errors
    /// When the configured header cannot exist.
    pub fn new(options: &Options, key: [u8; 16]) -> Result<Visitors, VisitorsError> {
        Ok(Visitors {
            proxies: Proxies::new(&options.trusted_proxies, &options.client_address_header)?,
            agents: Agents::new(options.agents_max, key),
            country_header: country_header(&options.country_header)?,
            countries: RwLock::new(options.countries.clone()),
            has_countries: AtomicBool::new(options.countries.is_some()),
            key,
            seen: seen::Seen::new(),
        })
    }

    /// How beacons came in since the start of this process.
    #[must_use]
    pub fn ways(&self) -> Ways {
        self.seen.ways()
    }

    /// How many of the last views came from one network. It sorts a thousand numbers.
    #[must_use]
    pub fn crowd(&self) -> Crowd {
        self.seen.crowd()
    }

    /// Puts another database of countries in force, or none.
    pub fn set_countries(&self, countries: Option<Arc<Countries>>) {
        self.has_countries.store(countries.is_some(), Ordering::Relaxed);
        *self.countries.write().unwrap_or_else(PoisonError::into_inner) = countries;
    }

    /// Who sent `beacon`.
    pub fn identify(
        &self,
        beacon: &Beacon<'_>,
        peer: &Peer,
        headers: &HeaderMap,
        site: &Site,
        salts: &SiteSalts,
    ) -> Visitor {
        let client = self.proxies.client(peer, headers);
        let agent = agent::shortened(headers.get(USER_AGENT).map_or(b"", |value| value.as_bytes()));
        let judged = self.agents.judge(agent);
        let id = |salt: &Salt| match (site.identity, beacon.browser) {
            (Identity::Browser, Some(browser)) => browser_id(salt, &site.id, browser),
            _ => address_id(salt, &site.id, client.address, judged.digest),
        };
        let told = beacon.kind == Kind::View && !judged.robot;
        let network = self.network(&client);
        self.seen.beacon(client.forwarding, client.address);
        if told {
            self.seen.view(network);
        }
        Visitor {
            id: id(&salts.today),
            previous: salts.previous.as_ref().map(id),
            network,
            excluded: is_excluded(client.address, &site.excluded_networks),
            robot: judged.robot,
            forwarding: client.forwarding,
            traits: if told { self.traits(beacon, headers, &client, judged) } else { Traits::default() },
        }
    }

    /// Who sent a logged request. `client` is what the server logged of the other end, `agent` the user
    /// agent if the log's format has one; where it has none, nobody can be told for a robot.
    ///
    /// Somebody whose address was logged has the id that a beacon of theirs has under the same salt.
    pub fn identify_logged(
        &self,
        client: &[u8],
        agent: Option<&[u8]>,
        site: &Site,
        salts: &SiteSalts,
    ) -> Logged {
        let address = log::address(client);
        let judged = agent.map_or_else(Agent::default, |agent| self.agents.judge(agent::shortened(agent)));
        let id = |salt: &Salt| match address {
            None => name_id(salt, &site.id, client, judged.digest),
            Some(_) => address_id(salt, &site.id, address, judged.digest),
        };
        let traits = |Agent { browser, system, device, .. }, country| Traits {
            browser,
            system,
            device,
            country,
            ..Traits::default()
        };
        Logged {
            id: id(&salts.today),
            previous: salts.previous.as_ref().map(id),
            excluded: is_excluded(address, &site.excluded_networks),
            robot: judged.robot,
            traits: if judged.robot { Traits::default() } else { traits(judged, self.country_of(address)) },
        }
    }

    fn traits(&self, beacon: &Beacon<'_>, headers: &HeaderMap, client: &Client, agent: Agent) -> Traits {
        let Agent { browser, system, device, .. } = agent;
        let language = headers.get(ACCEPT_LANGUAGE);
        Traits {
            browser,
            system,
            device,
            screen: beacon.screen_width.map_or(Screen::Unknown, Screen::of_width),
            language: language.and_then(|value| Language::of_header(value.as_bytes())),
            country: self.country(client, headers),
        }
    }

    /// The country of the client; of a proxy that does not say for whom it asks, only what it says itself.
    fn country(&self, client: &Client, headers: &HeaderMap) -> Option<Country> {
        let behind_trusted = matches!(client.forwarding, Forwarding::Forwarded | Forwarding::Missing);
        let address = client.address.filter(|_| client.forwarding != Forwarding::Missing);
        self.country_of(address).or_else(|| {
            let header = self.country_header.as_ref().filter(|_| behind_trusted)?;
            headers.get(header).and_then(|value| Country::parse(value.as_bytes()))
        })
    }

    /// Where an address is registered, as the database says.
    fn country_of(&self, address: Option<IpAddr>) -> Option<Country> {
        address.filter(|_| self.has_countries.load(Ordering::Relaxed)).and_then(|address| {
            self.countries.read().unwrap_or_else(PoisonError::into_inner).as_ref()?.of(address)
        })
    }

    /// How the address of the client behind `peer` is found, and nothing about the address.
    #[must_use]
    pub fn forwarding(&self, peer: &Peer, headers: &HeaderMap) -> Forwarding {
        self.proxies.client(peer, headers).forwarding
    }

    /// The network of the client behind `peer`, and nothing else about it.
    #[must_use]
    pub fn network_of(&self, peer: &Peer, headers: &HeaderMap) -> Network {
        self.network(&self.proxies.client(peer, headers))
    }

    /// User agents remembered now.
    #[must_use]
    pub fn agents_len(&self) -> usize {
        self.agents.len()
    }

    fn network(&self, client: &Client) -> Network {
        match client.address {
            Some(IpAddr::V4(address)) if client.forwarding != Forwarding::Missing => {
                Network::Known { narrow: self.network_hash(4, &address.octets()), wide: None }
            }
            Some(IpAddr::V6(address)) if client.forwarding != Forwarding::Missing => {
                let octets = address.octets();
                Network::Known {
                    narrow: self.network_hash(64, &octets[..8]),
                    wide: Some(self.network_hash(48, &octets[..6])),
                }
            }
            _ => Network::Unknown,
        }
    }

    fn network_hash(&self, family: u8, prefix: &[u8]) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(&[family]);
        hasher.write(prefix);
        hasher.finish()
    }
}

fn country_header(name: &str) -> Result<Option<HeaderName>, VisitorsError> {
    if name.is_empty() {
        return Ok(None);
    }
    HeaderName::try_from(name).map(Some).map_err(|_| VisitorsError::HeaderName { name: name.to_owned() })
}

fn is_excluded(address: Option<IpAddr>, networks: &[IpNet]) -> bool {
    address.is_some_and(|address| networks.iter().any(|network| network.contains(&address)))
}

/// Every part that may vary in length stands behind its length, so that no two visitors hash the same bytes.
fn address_id(salt: &Salt, site: &SiteId, address: Option<IpAddr>, agent: u64) -> VisitorId {
    let mut hasher = SipHasher24::new_with_key(&salt.0);
    match address {
        None => hasher.write(&[0]),
        Some(IpAddr::V4(address)) => {
            hasher.write(&[4]);
            hasher.write(&address.octets());
        }
        Some(IpAddr::V6(address)) => {
            hasher.write(&[6]);
            hasher.write(&address.octets());
        }
    }
    hasher.write(&agent.to_le_bytes());
    write_with_length(&mut hasher, site.as_str().as_bytes());
    VisitorId(hasher.finish())
}

/// For servers that look names up, or know the other end only as a socket.
fn name_id(salt: &Salt, site: &SiteId, name: &[u8], agent: u64) -> VisitorId {
    let mut hasher = SipHasher24::new_with_key(&salt.0);
    hasher.write(&[2]);
    write_with_length(&mut hasher, &name.to_ascii_lowercase());
    hasher.write(&agent.to_le_bytes());
    write_with_length(&mut hasher, site.as_str().as_bytes());
    VisitorId(hasher.finish())
}

fn browser_id(salt: &Salt, site: &SiteId, browser: u64) -> VisitorId {
    let mut hasher = SipHasher24::new_with_key(&salt.0);
    hasher.write(&[1]);
    hasher.write(&browser.to_le_bytes());
    write_with_length(&mut hasher, site.as_str().as_bytes());
    VisitorId(hasher.finish())
}

fn write_with_length(hasher: &mut SipHasher24, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    hasher.write(&length.to_le_bytes());
    hasher.write(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::beacon;
    use crate::sites::LanguageChoice;
    use crate::words::Figure;
    use hyper::header::{HeaderName, HeaderValue};

    const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0";
    const CHROME: &str =
        "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36";
    const SALTS: SiteSalts = SiteSalts { day: Day(20_000), today: Salt([1; 16]), previous: None };

    /// One beacon and all that surrounds it; a case changes what it is about.
    #[derive(Clone)]
    struct Case {
        peer: &'static str,
        lines: Vec<(&'static str, &'static str)>,
        browser: Option<u64>,
        site: &'static str,
        identity: Identity,
        excluded: &'static [&'static str],
        salts: SiteSalts,
    }

    fn case() -> Case {
        Case {
            peer: "203.0.113.9",
            lines: vec![("user-agent", FIREFOX)],
            browser: None,
            site: "vks",
            identity: Identity::Address,
            excluded: &[],
            salts: SALTS,
        }
    }

    fn visitors() -> Visitors {
        let options = Options {
            trusted_proxies: vec!["127.0.0.0/8".parse().expect("a network")],
            client_address_header: "x-forwarded-for".to_owned(),
            country_header: "cf-ipcountry".to_owned(),
            countries: None,
            agents_max: 1_000,
        };
        Visitors::new(&options, [9; 16]).expect("a header")
    }

    fn logged_site(excluded: &[&str]) -> Site {
        Site {
            id: SiteId::parse("vks").expect("a site id"),
            hosts: Vec::new(),
            time_zone: jiff::tz::TimeZone::UTC,
            language: LanguageChoice::Auto,
            digit_grouping: None,
            first_weekday: None,
            total: Figure::Visits,
            identity: Identity::Address,
            online_window_ms: 300_000,
            honour_opt_out: false,
            page_parameters: Vec::new(),
            excluded_networks: excluded.iter().map(|net| net.parse().expect("a network")).collect(),
        }
    }

    fn identify(case: &Case) -> Visitor {
        identify_with(case, None)
    }

    fn identify_with(case: &Case, countries: Option<Arc<Countries>>) -> Visitor {
        let mut headers = HeaderMap::new();
        for (name, value) in &case.lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let address = match case.peer {
            "unix" => PeerAddress::Unix,
            address => PeerAddress::Ip(address.parse().expect("an address")),
        };
        let site = Site {
            id: SiteId::parse(case.site).expect("a site id"),
            identity: case.identity,
            ..logged_site(case.excluded)
        };
        let mut beacon = beacon::embedded(case.site, "", &headers).expect("a beacon");
        beacon.browser = case.browser;
        beacon.screen_width = Some(390);
        let visitors = visitors();
        visitors.set_countries(countries);
        visitors.identify(&beacon, &Peer { address }, &headers, &site, &case.salts)
    }

    #[test]
    fn address_agent_site_and_salt_make_the_id_and_nothing_else_does() {
        let first = identify(&case());
        assert_eq!(identify(&case()), first);
        let also = Case { lines: vec![("user-agent", FIREFOX), ("accept-language", "vi")], ..case() };
        assert_eq!(identify(&also).id, first.id);
        let mapped = Case { peer: "::ffff:203.0.113.9", ..case() };
        assert_eq!(identify(&mapped), first);
        let forwarded = Case {
            peer: "127.0.0.1",
            lines: vec![("user-agent", FIREFOX), ("x-forwarded-for", "203.0.113.9")],
            ..case()
        };
        assert_eq!(identify(&forwarded).id, first.id);
        let unread = Case { browser: Some(5), ..case() };
        assert_eq!(identify(&unread).id, first.id);
        for other in [
            Case { peer: "203.0.113.10", ..case() },
            Case { peer: "2001:db8::9", ..case() },
            Case { lines: vec![("user-agent", CHROME)], ..case() },
            Case { lines: vec![], ..case() },
            Case { site: "vks2", ..case() },
            Case { salts: SiteSalts { today: Salt([2; 16]), ..SALTS }, ..case() },
        ] {
            assert_ne!(identify(&other).id, first.id);
        }
    }

    #[test]
    fn a_logged_request_has_the_id_of_a_beacon_and_its_robots() {
        let site = logged_site(&["198.51.100.0/24"]);
        let logged =
            |client: &str, agent| visitors().identify_logged(client.as_bytes(), agent, &site, &SALTS);
        let reader = logged("203.0.113.9", Some(FIREFOX.as_bytes()));
        assert_eq!(reader.id, identify(&case()).id);
        assert_eq!(logged("::ffff:203.0.113.9", Some(FIREFOX.as_bytes())), reader);
        assert!(!reader.robot && !reader.excluded && logged("198.51.100.1", None).excluded);
        assert!(logged("203.0.113.9", Some(b"curl/8.5.0")).robot && logged("203.0.113.9", Some(b"")).robot);
        assert!(!logged("203.0.113.9", None).robot, "the common format does not say");
        assert_eq!(logged("Reader.Example", None), logged("reader.example", None));
        assert_ne!(logged("reader.example", None).id, logged("other.example", None).id);
    }

    #[test]
    fn traits_come_from_agent_language_screen_and_a_believed_country() {
        let lines = vec![
            ("user-agent", CHROME),
            ("accept-language", "vi-VN,vi;q=0.9"),
            ("cf-ipcountry", "VN"),
            ("x-forwarded-for", "198.51.100.7"),
        ];
        let told = |peer, lines: &[(&'static str, &'static str)]| {
            let traits = identify(&Case { peer, lines: lines.to_vec(), ..case() }).traits;
            traits.values().map(|(_, value)| value.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(told("127.0.0.1", &lines), ["Chrome", "Windows", "desktop", "under 640", "vi", "VN"]);
        assert_eq!(told("127.0.0.1", &lines[..3]).last().map(String::as_str), Some("VN"), "no address");
        assert_eq!(told("203.0.113.9", &lines).last().map(String::as_str), Some("vi"), "not believed");
        assert_eq!(told("127.0.0.1", &[("user-agent", "curl/8.5.0")]), Vec::<String>::new());
    }

    #[test]
    fn a_database_names_the_country_and_the_header_where_it_does_not_know() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("country.mmdb");
        let networks = [([203, 0, 113, 0], 24, "VN")];
        std::fs::write(&path, country::tests::database(&networks, true)).expect("write");
        let countries = Arc::new(Countries::open(&path).expect("a database"));
        let country = |lines: &[(&'static str, &'static str)], peer| {
            let case = Case { peer, lines: lines.to_vec(), ..case() };
            let traits = identify_with(&case, Some(Arc::clone(&countries))).traits;
            traits.country.map(|country| country.to_string())
        };
        let agent = ("user-agent", FIREFOX);
        assert_eq!(country(&[agent], "203.0.113.9").as_deref(), Some("VN"));
        assert_eq!(country(&[agent], "192.0.2.1"), None);
        let forwarded = |address| [agent, ("x-forwarded-for", address), ("cf-ipcountry", "LA")];
        assert_eq!(country(&forwarded("203.0.113.9"), "127.0.0.1").as_deref(), Some("VN"));
        assert_eq!(country(&forwarded("192.0.2.1"), "127.0.0.1").as_deref(), Some("LA"));
    }

    #[test]
    fn parts_of_an_id_cannot_run_into_each_other() {
        let salt = Salt([1; 16]);
        let site = |id| SiteId::parse(id).expect("a site id");
        let ids = [
            address_id(&salt, &site("ab"), None, 0),
            address_id(&salt, &site("b"), None, u64::from(b'a')),
            address_id(&salt, &site("a"), None, u64::from(b'b') << 56),
            browser_id(&salt, &site("ab"), 0),
        ];
        for (index, id) in ids.iter().enumerate() {
            assert!(!ids[..index].contains(id));
        }
    }

    #[test]
    fn for_a_while_after_midnight_both_days_ids_are_known() {
        let yesterday = identify(&case());
        let salts = SiteSalts { day: SALTS.day.next(), today: Salt([2; 16]), previous: Some(SALTS.today) };
        let today = identify(&Case { salts, ..case() });
        assert_eq!(today.previous, Some(yesterday.id));
        assert_ne!(today.id, yesterday.id);
        assert_eq!(yesterday.previous, None);
    }

    #[test]
    fn browser_ids_tell_an_office_apart_and_without_one_the_address_does() {
        let by_browser =
            |peer, browser| identify(&Case { identity: Identity::Browser, peer, browser, ..case() }).id;
        assert_ne!(by_browser("203.0.113.9", Some(1)), by_browser("203.0.113.9", Some(2)));
        assert_eq!(by_browser("203.0.113.9", Some(1)), by_browser("203.0.113.10", Some(1)));
        assert_eq!(by_browser("203.0.113.9", None), identify(&case()).id);
        let salts = SiteSalts { today: Salt([2; 16]), ..SALTS };
        let tomorrow = Case { identity: Identity::Browser, browser: Some(1), salts, ..case() };
        assert_ne!(identify(&tomorrow).id, by_browser("203.0.113.9", Some(1)));
    }

    #[test]
    fn networks_are_an_ipv4_address_or_two_prefixes_of_ipv6() {
        let network = |peer| identify(&Case { peer, ..case() }).network;
        let parts = |peer| match network(peer) {
            Network::Known { narrow, wide } => (narrow, wide),
            Network::Unknown => panic!("{peer} is known"),
        };
        assert_eq!(parts("203.0.113.9").1, None);
        assert_ne!(parts("203.0.113.9"), parts("203.0.113.10"));
        assert_eq!(parts("2001:db8:1:2::1"), parts("2001:db8:1:2:ffff::2"));
        let (narrow, wide) = parts("2001:db8:1:2::1");
        assert_ne!(parts("2001:db8:1:3::1").0, narrow);
        assert_eq!(parts("2001:db8:1:3::1").1, wide);
        assert_ne!(parts("2001:db8:2:2::1").1, wide);
    }

    #[test]
    fn a_proxy_that_names_nobody_leaves_the_network_unknown() {
        for peer in ["127.0.0.1", "unix"] {
            let visitor = identify(&Case { peer, ..case() });
            assert_eq!((visitor.network, visitor.forwarding), (Network::Unknown, Forwarding::Missing));
        }
    }

    #[test]
    fn excluded_networks_are_marked() {
        let excluded: &[&str] = &["203.0.113.0/24", "2001:db8::/32"];
        for (peer, expected) in [
            ("203.0.113.9", true),
            ("::ffff:203.0.113.9", true),
            ("2001:db8::1", true),
            ("198.51.100.1", false),
        ] {
            assert_eq!(identify(&Case { peer, excluded, ..case() }).excluded, expected, "{peer}");
        }
        assert!(!identify(&Case { peer: "unix", excluded, ..case() }).excluded);
    }

    #[test]
    fn robots_are_marked_and_so_is_silence() {
        let robot = |lines: &[(&'static str, &'static str)]| {
            identify(&Case { lines: lines.to_vec(), ..case() }).robot
        };
        assert!(!robot(&[("user-agent", FIREFOX)]));
        assert!(robot(&[("user-agent", "curl/8.5.0")]));
        assert!(robot(&[("user-agent", "")]));
        assert!(robot(&[]));
    }

    #[test]
    fn a_salt_is_never_printed() {
        let printed = format!("{SALTS:?}");
        assert!(printed.contains("secret") && !printed.contains("1, 1"), "{printed}");
    }
}
