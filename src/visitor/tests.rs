//! Tests of who it is: what makes an id, a network, traits, and what must not.

use super::*;
use crate::beacon;
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
    let excluded_networks = excluded.iter().map(|net| net.parse().expect("a network")).collect();
    Site { excluded_networks, ..Site::plain("vks") }
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
    let site = Site { id: Site::plain(case.site).id, identity: case.identity, ..logged_site(case.excluded) };
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
    let logged = |client: &str, agent| visitors().identify_logged(client.as_bytes(), agent, &site, &SALTS);
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
    for (peer, expected) in
        [("203.0.113.9", true), ("::ffff:203.0.113.9", true), ("2001:db8::1", true), ("198.51.100.1", false)]
    {
        assert_eq!(identify(&Case { peer, excluded, ..case() }).excluded, expected, "{peer}");
    }
    assert!(!identify(&Case { peer: "unix", excluded, ..case() }).excluded);
}

#[test]
fn robots_are_marked_and_so_is_silence() {
    let robot =
        |lines: &[(&'static str, &'static str)]| identify(&Case { lines: lines.to_vec(), ..case() }).robot;
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
