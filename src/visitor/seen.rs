//! How beacons came in, counted in kinds: what a person on duty needs to tell whether the proxies in front
//! of us name their clients. No address is kept, only whether it was a public one; of networks the keyed
//! hashes of the last views.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::{Forwarding, Network};

/// Views whose networks are compared: enough to tell a half from a quarter, few enough to sort when asked.
pub(super) const VIEWS: usize = 1_024;

/// The ways that a beacon may have come, by [`Forwarding`].
const WAYS: usize = 4;

/// How beacons came in since the start of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ways {
    /// The peer was the client.
    pub direct: u64,
    /// The peer was the client, and what it said of another was not believed.
    pub ignored: u64,
    /// A trusted proxy named the client.
    pub forwarded: u64,
    /// A trusted proxy named nobody.
    pub missing: u64,
    /// Those of the first three whose client had an address of a private network or of the machine itself.
    pub private: u64,
}

/// The most frequent network among the last views.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crowd {
    /// Views of that network.
    pub views: usize,
    /// Views that were looked at.
    pub of: usize,
}

/// Counts as beacons come.
#[derive(Debug)]
pub(super) struct Seen {
    ways: [AtomicU64; WAYS],
    private: AtomicU64,
    next: AtomicUsize,
    networks: Box<[AtomicU64]>,
}

impl Seen {
    pub(super) fn new() -> Seen {
        Seen {
            ways: Default::default(),
            private: AtomicU64::new(0),
            next: AtomicUsize::new(0),
            networks: (0..VIEWS).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// A beacon came.
    pub(super) fn beacon(&self, forwarding: Forwarding, address: Option<IpAddr>) {
        self.ways[way(forwarding)].fetch_add(1, Ordering::Relaxed);
        if forwarding != Forwarding::Missing && address.is_some_and(is_private) {
            self.private.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A view of this network came.
    pub(super) fn view(&self, network: Network) {
        let Network::Known { narrow, .. } = network else { return };
        let place = self.next.fetch_add(1, Ordering::Relaxed) % VIEWS;
        // 0 is an empty place.
        self.networks[place].store(narrow.max(1), Ordering::Relaxed);
    }

    pub(super) fn ways(&self) -> Ways {
        let count = |forwarding| self.ways[way(forwarding)].load(Ordering::Relaxed);
        Ways {
            direct: count(Forwarding::Direct),
            ignored: count(Forwarding::Ignored),
            forwarded: count(Forwarding::Forwarded),
            missing: count(Forwarding::Missing),
            private: self.private.load(Ordering::Relaxed),
        }
    }

    pub(super) fn crowd(&self) -> Crowd {
        let mut views: HashMap<u64, usize> = HashMap::new();
        for network in &self.networks {
            *views.entry(network.load(Ordering::Relaxed)).or_default() += 1;
        }
        let empty = views.remove(&0).unwrap_or(0);
        Crowd { views: views.into_values().max().unwrap_or(0), of: VIEWS - empty }
    }
}

fn way(forwarding: Forwarding) -> usize {
    match forwarding {
        Forwarding::Direct => 0,
        Forwarding::Ignored => 1,
        Forwarding::Forwarded => 2,
        Forwarding::Missing => 3,
    }
}

/// Addresses that no reader on the internet has: RFC 1918, 3927, 4193, 4291 and 6598, and the machine itself.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beacons_are_counted_by_the_way_they_came() {
        let seen = Seen::new();
        let beacon = |forwarding, address: &str| seen.beacon(forwarding, address.parse().ok());
        beacon(Forwarding::Direct, "203.0.113.9");
        beacon(Forwarding::Direct, "10.0.0.1");
        beacon(Forwarding::Ignored, "::1");
        beacon(Forwarding::Forwarded, "2001:db8::1");
        beacon(Forwarding::Forwarded, "::ffff:192.168.0.1");
        beacon(Forwarding::Forwarded, "100.64.0.1");
        // The proxy's own address says nothing of the client.
        beacon(Forwarding::Missing, "127.0.0.1");
        assert_eq!(seen.ways(), Ways { direct: 2, ignored: 1, forwarded: 3, missing: 1, private: 4 });
    }

    #[test]
    fn the_crowd_is_the_most_frequent_network_of_the_last_views() {
        let seen = Seen::new();
        assert_eq!(seen.crowd(), Crowd { views: 0, of: 0 });
        let view = |narrow| seen.view(Network::Known { narrow, wide: None });
        for n in 0..5_000 {
            view(if n % 4 == 0 { 7 } else { n + 100 });
            seen.view(Network::Unknown);
        }
        assert_eq!(seen.crowd(), Crowd { views: VIEWS / 4, of: VIEWS });
    }
}
