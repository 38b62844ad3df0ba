//! Who is it: a beacon, the peer that sent it and the day's salts become a [`Visitor`].
//!
//! Past this room nothing carries an address or a user agent: there are keyed hashes and verdicts only.
//! Visitor ids are keyed by the day's salt, networks by a key of this process life. The room knows
//! neither the time nor the limits.

mod address;
mod agent;

use std::hash::Hasher;
use std::net::IpAddr;

use hyper::HeaderMap;
use hyper::header::USER_AGENT;
use ipnet::IpNet;
use siphasher::sip::SipHasher24;

use crate::beacon::Beacon;
use crate::sites::{Identity, Site};
use crate::words::{Day, Salt, SiteId, VisitorId};
use address::{Client, Proxies};
use agent::Agents;

/// What telling people apart needs to know.
#[derive(Clone, Debug)]
pub struct Options {
    /// Peers whose forwarding header is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The one header that is read from them, lower case.
    pub client_address_header: String,
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
    /// Random for every process life, so that nobody can aim at a bucket or a cache slot.
    key: [u8; 16],
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
            key,
        })
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
        let id = |salt: &Salt| match (site.identity, beacon.browser) {
            (Identity::Browser, Some(browser)) => browser_id(salt, &site.id, browser),
            _ => address_id(salt, &site.id, client.address, agent),
        };
        Visitor {
            id: id(&salts.today),
            previous: salts.previous.as_ref().map(id),
            network: self.network(&client),
            excluded: is_excluded(client.address, &site.excluded_networks),
            robot: self.agents.is_robot(agent),
            forwarding: client.forwarding,
        }
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

fn is_excluded(address: Option<IpAddr>, networks: &[IpNet]) -> bool {
    address.is_some_and(|address| networks.iter().any(|network| network.contains(&address)))
}

/// Every part that may vary in length stands behind its length, so that no two visitors hash the same bytes.
fn address_id(salt: &Salt, site: &SiteId, address: Option<IpAddr>, agent: &[u8]) -> VisitorId {
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
    write_with_length(&mut hasher, agent);
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
