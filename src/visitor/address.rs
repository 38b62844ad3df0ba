//! The client's address behind trusted proxies.
//!
//! Only a trusted peer's header is read, exactly one header, from the right: the right end was written
//! by our own proxies, the left end by whoever liked to. The first hop from the right that is no trusted
//! proxy is the client. When there is none, or when something unreadable stands in its place, the header
//! is as good as missing: nothing to the left of that point is believed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hyper::HeaderMap;
use hyper::header::HeaderName;
use ipnet::IpNet;

use super::{Forwarding, Peer, PeerAddress, VisitorsError};

/// More proxies than anybody stacks; whoever sends longer lists is not listened to.
const HOPS_MAX: usize = 32;

/// Where a request came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Client {
    /// The client, or the last trusted hop when the client is not known. IPv4 never hides in IPv6.
    pub(super) address: Option<IpAddr>,
    /// How it was found.
    pub(super) forwarding: Forwarding,
}

/// Which peers are believed, and by which header.
#[derive(Debug)]
pub(super) struct Proxies {
    trusted: Vec<IpNet>,
    header: HeaderName,
    hop: fn(&[u8]) -> Option<IpAddr>,
}

impl Proxies {
    pub(super) fn new(trusted: &[IpNet], header: &str) -> Result<Proxies, VisitorsError> {
        let header = HeaderName::try_from(header)
            .map_err(|_| VisitorsError::HeaderName { name: header.to_owned() })?;
        let hop = if header == hyper::header::FORWARDED { forwarded_for } else { node };
        Ok(Proxies { trusted: trusted.to_vec(), header, hop })
    }

    /// The client behind `peer`.
    pub(super) fn client(&self, peer: &Peer, headers: &HeaderMap) -> Client {
        let mut last_trusted = match peer.address {
            PeerAddress::Unix => None,
            PeerAddress::Ip(address) => {
                let address = address.to_canonical();
                if !self.trusts(address) {
                    return self.untrusted(address, headers);
                }
                Some(address)
            }
        };
        for hop in self.hops(headers).take(HOPS_MAX) {
            match (self.hop)(hop) {
                Some(address) if self.trusts(address) => last_trusted = Some(address),
                Some(address) => {
                    return Client { address: Some(address), forwarding: Forwarding::Forwarded };
                }
                None => break,
            }
        }
        Client { address: last_trusted, forwarding: Forwarding::Missing }
    }

    fn untrusted(&self, address: IpAddr, headers: &HeaderMap) -> Client {
        let ignored = headers.contains_key(&self.header);
        let forwarding = if ignored { Forwarding::Ignored } else { Forwarding::Direct };
        Client { address: Some(address), forwarding }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address))
    }

    /// The elements of all lines together, from the right. Empty ones do not count, as in any HTTP list.
    fn hops<'h>(&self, headers: &'h HeaderMap) -> impl Iterator<Item = &'h [u8]> + use<'h> {
        headers
            .get_all(&self.header)
            .iter()
            .rev()
            .flat_map(|line| split_from_right(line.as_bytes()))
            .map(<[u8]>::trim_ascii)
            .filter(|hop| !hop.is_empty())
    }
}

/// Splits at commas outside of quotes. Quotes are matched from the right too, so that one left open by
/// a client cannot swallow what the proxies wrote behind it.
fn split_from_right(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    line.rsplit(move |b| {
        quoted ^= *b == b'"';
        *b == b',' && !quoted
    })
}

/// The `for` of one element of RFC 7239: `for="[2001:db8::1]:4711";proto=https`.
fn forwarded_for(element: &[u8]) -> Option<IpAddr> {
    let pairs = element.split(|b| *b == b';').map(<[u8]>::trim_ascii);
    let mut values = pairs
        .filter_map(|pair| pair.split_at_checked(4).filter(|(name, _)| name.eq_ignore_ascii_case(b"for=")));
    let (_, value) = values.next()?;
    node(value)
}

/// An address as proxies write it: with or without port, brackets, quotes and zone.
fn node(raw: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(raw).ok()?;
    // Nearly all are a bare one of these.
    if let Some(address) = ipv4(text) {
        return Some(address);
    }
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    if let Some(literal) = text.strip_prefix('[') {
        let (address, port) = literal.split_once(']')?;
        let is_whole = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return is_whole.then(|| ipv6(address)).flatten();
    }
    match text.split_once(':') {
        None => ipv4(text),
        Some((address, port)) if is_port(port) => ipv4(address),
        Some(_) => ipv6(text),
    }
}

fn ipv4(text: &str) -> Option<IpAddr> {
    text.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
}

fn ipv6(text: &str) -> Option<IpAddr> {
    let (address, _zone) = text.split_once('%').unwrap_or((text, ""));
    address.parse::<Ipv6Addr>().ok().map(|address| IpAddr::V6(address).to_canonical())
}

/// A port, or the obfuscated one that RFC 7239 allows.
fn is_port(port: &str) -> bool {
    let bytes = port.as_bytes();
    match bytes {
        [b'_', name @ ..] => !name.is_empty(),
        [] => false,
        digits => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    use Forwarding::{Direct, Forwarded, Ignored, Missing};

    fn client(header: &str, peer: &str, lines: &[&[u8]]) -> (Option<String>, Forwarding) {
        let trusted = ["127.0.0.0/8", "10.0.0.0/8", "::1/128", "2001:db8:aaaa::/48"];
        let trusted: Vec<IpNet> = trusted.iter().map(|net| net.parse().expect("a network")).collect();
        let proxies = Proxies::new(&trusted, header).expect("a header");
        let address = match peer {
            "unix" => PeerAddress::Unix,
            address => PeerAddress::Ip(address.parse().expect("an address")),
        };
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(proxies.header.clone(), HeaderValue::from_bytes(line).expect("a value"));
        }
        let client = proxies.client(&Peer { address }, &headers);
        (client.address.map(|address| address.to_string()), client.forwarding)
    }

    fn check(header: &str, cases: &[(&str, &[&[u8]], &str, Forwarding)]) {
        for (peer, lines, address, forwarding) in cases {
            let expected = (Some((*address).to_owned()).filter(|a| !a.is_empty()), *forwarding);
            let lossy: Vec<_> = lines.iter().map(|line| String::from_utf8_lossy(line)).collect();
            assert_eq!(client(header, peer, lines), expected, "{peer} {lossy:?}");
        }
    }

    #[test]
    fn only_trusted_peers_are_believed() {
        check(
            "x-forwarded-for",
            &[
                ("203.0.113.9", &[], "203.0.113.9", Direct),
                ("203.0.113.9", &[b"198.51.100.1"], "203.0.113.9", Ignored),
                ("::ffff:203.0.113.9", &[], "203.0.113.9", Direct),
                ("::ffff:127.0.0.1", &[b"198.51.100.1"], "198.51.100.1", Forwarded),
                ("2001:db8::9", &[b"198.51.100.1"], "2001:db8::9", Ignored),
                ("127.0.0.1", &[b"198.51.100.1"], "198.51.100.1", Forwarded),
                ("unix", &[b"198.51.100.1"], "198.51.100.1", Forwarded),
                ("127.0.0.1", &[], "127.0.0.1", Missing),
                ("unix", &[], "", Missing),
            ],
        );
    }

    #[test]
    fn the_rightmost_untrusted_hop_is_the_client() {
        check(
            "x-forwarded-for",
            &[
                ("127.0.0.1", &[b"6.6.6.6, 198.51.100.1"], "198.51.100.1", Forwarded),
                ("127.0.0.1", &[b"6.6.6.6, 198.51.100.1, 10.0.0.2,10.0.0.1"], "198.51.100.1", Forwarded),
                ("127.0.0.1", &[b"6.6.6.6", b"198.51.100.1", b"10.0.0.1"], "198.51.100.1", Forwarded),
                ("127.0.0.1", &[b"6.6.6.6", b"198.51.100.1, 10.0.0.1"], "198.51.100.1", Forwarded),
                ("127.0.0.1", &[b"10.0.0.3, 10.0.0.1"], "10.0.0.3", Missing),
                ("127.0.0.1", &[b"127.0.0.1"], "127.0.0.1", Missing),
                ("unix", &[b"10.0.0.7"], "10.0.0.7", Missing),
                ("127.0.0.1", &[b"198.51.100.1, , ,", b""], "198.51.100.1", Forwarded),
                ("127.0.0.1", &[b"2001:db8:bbbb::7, 2001:db8:aaaa::1"], "2001:db8:bbbb::7", Forwarded),
            ],
        );
    }

    #[test]
    fn addresses_are_read_in_every_spelling() {
        let cases: [(&[u8], &str); 12] = [
            (b"198.51.100.1:4711", "198.51.100.1"),
            (b"2001:db8::1", "2001:db8::1"),
            (b"[2001:db8::1]", "2001:db8::1"),
            (b"[2001:db8::1]:4711", "2001:db8::1"),
            (b"\"[2001:db8::1]:4711\"", "2001:db8::1"),
            (b"2001:DB8:0:0::1", "2001:db8::1"),
            (b"fe80::1%eth0", "fe80::1"),
            (b"[fe80::1%25eth0]:80", "fe80::1"),
            (b"::ffff:198.51.100.1", "198.51.100.1"),
            (b"[::ffff:198.51.100.1]:80", "198.51.100.1"),
            (b"\t 198.51.100.1 ", "198.51.100.1"),
            (b"\"198.51.100.1:_x\"", "198.51.100.1"),
        ];
        for (hop, address) in cases {
            check("x-forwarded-for", &[("127.0.0.1", &[hop], address, Forwarded)]);
        }
    }

    #[test]
    fn what_is_no_address_where_it_decides_is_a_missing_header() {
        let garbage: [&[u8]; 18] = [
            b"unknown",
            b"_hidden",
            b"-",
            b"localhost",
            b"198.51.100",
            b"198.51.100.256",
            b"198.51.100.1.1",
            b"198.51.100.1:port",
            b"198.51.100.1:",
            b"0198.51.100.1",
            b"[2001:db8::1",
            b"[2001:db8::1]x",
            b"[2001:db8::1]:",
            b"[198.51.100.1]",
            b"2001:db8::1::",
            b"\xff\xfe",
            b"\"198.51.100.1",
            b"198.51.100.1 198.51.100.2",
        ];
        for hop in garbage {
            check("x-forwarded-for", &[("127.0.0.1", &[hop], "127.0.0.1", Missing)]);
            let line = [b"6.6.6.6, ".as_slice(), hop, b", 10.0.0.5"].concat();
            check("x-forwarded-for", &[("127.0.0.1", &[&line], "10.0.0.5", Missing)]);
            let line = [hop, b", 198.51.100.1"].concat();
            check("x-forwarded-for", &[("127.0.0.1", &[&line], "198.51.100.1", Forwarded)]);
        }
    }

    #[test]
    fn long_lists_are_read_so_far_and_no_farther() {
        let hops = |n: usize| ["198.51.100.1", &", 10.0.0.1".repeat(n)].concat();
        let far = hops(HOPS_MAX - 1);
        check("x-forwarded-for", &[("127.0.0.1", &[far.as_bytes()], "198.51.100.1", Forwarded)]);
        let farther = hops(HOPS_MAX);
        check("x-forwarded-for", &[("127.0.0.1", &[farther.as_bytes()], "10.0.0.1", Missing)]);
    }

    #[test]
    fn single_headers_are_lists_of_one() {
        check("x-real-ip", &[("127.0.0.1", &[b"198.51.100.1"], "198.51.100.1", Forwarded)]);
        check("cf-connecting-ip", &[("127.0.0.1", &[b"2001:db8::1"], "2001:db8::1", Forwarded)]);
    }

    #[test]
    fn forwarded_elements_name_the_client_in_for() {
        check(
            "Forwarded",
            &[
                ("127.0.0.1", &[b"for=198.51.100.1"], "198.51.100.1", Forwarded),
                (
                    "127.0.0.1",
                    &[b"proto=https; For=\"198.51.100.1:80\";by=10.0.0.1"],
                    "198.51.100.1",
                    Forwarded,
                ),
                ("127.0.0.1", &[b"for=\"[2001:db8:cafe::17]:4711\""], "2001:db8:cafe::17", Forwarded),
                (
                    "127.0.0.1",
                    &[b"for=6.6.6.6, for=198.51.100.1;proto=http, for=10.0.0.1"],
                    "198.51.100.1",
                    Forwarded,
                ),
                ("127.0.0.1", &[b"for=6.6.6.6", b"for=198.51.100.1"], "198.51.100.1", Forwarded),
                ("127.0.0.1", &[b"by=\"a,b\";for=198.51.100.1"], "198.51.100.1", Forwarded),
                ("127.0.0.1", &[b"for=unknown"], "127.0.0.1", Missing),
                ("127.0.0.1", &[b"for=6.6.6.6, for=_hidden, for=10.0.0.9"], "10.0.0.9", Missing),
                ("127.0.0.1", &[b"for=6.6.6.6, proto=https"], "127.0.0.1", Missing),
                ("127.0.0.1", &[b"198.51.100.1"], "127.0.0.1", Missing),
                ("203.0.113.9", &[b"for=198.51.100.1"], "203.0.113.9", Ignored),
            ],
        );
    }

    #[test]
    fn an_open_quote_of_the_client_swallows_nothing() {
        check(
            "forwarded",
            &[
                ("127.0.0.1", &[b"for=6.6.6.6;x=\", for=198.51.100.1"], "198.51.100.1", Forwarded),
                ("127.0.0.1", &[b"for=6.6.6.6;x=\", for=\"[2001:db8::1]:1\""], "2001:db8::1", Forwarded),
                ("127.0.0.1", &[b"for=\"", b"for=198.51.100.1"], "198.51.100.1", Forwarded),
            ],
        );
    }

    #[test]
    fn a_name_that_no_header_has_is_refused() {
        assert!(Proxies::new(&[], "X Forwarded").is_err());
        assert!(Proxies::new(&[], "").is_err());
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(line in "[ -~\u{80}-\u{ff}]{0,80}") {
            for header in ["x-forwarded-for", "forwarded"] {
                client(header, "127.0.0.1", &[line.as_bytes()]);
            }
        }

        #[test]
        fn nothing_to_the_left_of_the_client_matters(line in "[ -~]{0,60}") {
            let whole = [line.as_bytes(), b", 198.51.100.1"].concat();
            prop_assert_eq!(
                client("x-forwarded-for", "127.0.0.1", &[&whole]),
                (Some("198.51.100.1".to_owned()), Forwarded)
            );
        }
    }
}
