//! Whatever a forwarding header holds, the client is found or missing, never a panic; and nothing is
//! believed that an untrusted peer says.
//!
//! Input: one byte for the peer, then header lines up to a byte 0xFE.
#![no_main]

use std::net::IpAddr;
use std::sync::LazyLock;

use headcount::visitor::{Forwarding, Options, Peer, PeerAddress, Visitors};
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;

static ROOMS: LazyLock<[(HeaderName, Visitors); 2]> = LazyLock::new(|| {
    ["x-forwarded-for", "forwarded"].map(|name| {
        let options = Options {
            trusted_proxies: ["127.0.0.0/8", "::1/128", "10.0.0.0/8"].map(|net| net.parse().expect("a network")).to_vec(),
            client_address_header: name.to_owned(),
            country_header: String::new(),
            countries: None,
            agents_max: 100,
        };
        (HeaderName::from_static(name), Visitors::new(&options, [7; 16]).expect("a header"))
    })
});

fuzz_target!(|input: &[u8]| {
    let Some((first, rest)) = input.split_first() else { return };
    let stranger: IpAddr = "203.0.113.9".parse().expect("an address");
    let (address, trusted) = match first % 3 {
        0 => (PeerAddress::Unix, true),
        1 => (PeerAddress::Ip("127.0.0.1".parse().expect("an address")), true),
        _ => (PeerAddress::Ip(stranger), false),
    };
    for (name, visitors) in &*ROOMS {
        let mut headers = HeaderMap::new();
        for line in rest.split(|byte| *byte == 0xfe).take(32) {
            if let Ok(value) = HeaderValue::from_bytes(line) {
                headers.append(name.clone(), value);
            }
        }
        let forwarding = visitors.forwarding(&Peer { address }, &headers);
        let believed = matches!(forwarding, Forwarding::Forwarded | Forwarding::Missing);
        assert_eq!(believed, trusted, "{forwarding:?}");
    }
});
