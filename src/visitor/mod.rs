//! Who is it: a beacon, the peer that sent it and the day's salts become a [`Visitor`].
//!
//! Past this room nothing carries an address or a user agent: there are keyed hashes and verdicts only.
//! Visitor ids are keyed by the day's salt, networks by a key of this process life. The room knows
//! neither the time nor the limits.

mod address;
mod agent;
mod browser;
mod country;
mod id;
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
use crate::words::{Day, Kind, Salt, VisitorId};
use address::{Client, Proxies};
use agent::{Agent, Agents};
pub use country::{Countries, CountriesError};
use id::{address_id, browser_id, name_id};
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

#[cfg(test)]
mod tests;
