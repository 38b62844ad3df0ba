//! `explain`: a beacon's headers and address in, "counted" or the reason out.

use std::net::IpAddr;

use clap::Args;
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};

use super::{Failure, Settings, failed};
use crate::beacon::{Method, PROTOCOLS, Request};
use crate::clock::Clock;
use crate::details::{Details, Dimension};
use crate::guard::{Guard, Outcome};
use crate::rows::LocalDay;
use crate::sites::Sites;
use crate::visitor::{self, Forwarding, Peer, PeerAddress, SiteSalts, Visitors};
use crate::words::Salt;

#[derive(Debug, Args)]
#[command(
    after_help = "Example: headcount explain '/hit?s=demo&u=https://www.example.vn/' --address 203.0.113.9 \\\n  \
--header 'User-Agent: Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0' --header 'Origin: https://www.example.vn'"
)]
pub(super) struct Explain {
    /// The path that the beacon asks for, with its query, such as '/hit?s=demo&u=/news'.
    path: String,
    /// The address that the connection comes from: a reader's, or that of a proxy.
    #[arg(long, value_name = "ADDRESS", default_value = "203.0.113.1")]
    address: IpAddr,
    /// A header of the request, such as 'User-Agent: …'; may be given more than once.
    #[arg(long, value_name = "NAME: VALUE", value_parser = header)]
    header: Vec<(HeaderName, HeaderValue)>,
    #[command(flatten)]
    settings: Settings,
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("a header needs a colon behind its name")?;
    let name = HeaderName::try_from(name.trim()).map_err(|_| "that is not the name of a header")?;
    let value = HeaderValue::from_str(value.trim()).map_err(|_| "that is not the value of a header")?;
    Ok((name, value))
}

impl Explain {
    /// Walks through the rooms as a beacon does, with the limits fresh: what others sent before is
    /// not looked at, and nothing is counted.
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = self.settings.load()?;
        let headers: HeaderMap = self.header.iter().cloned().collect();
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let Some(protocol) = PROTOCOLS.iter().find(|protocol| protocol.paths.contains(&path)) else {
            return Err(Failure::Argument(format!("{path} takes no beacon; /hit and /hit.gif do")));
        };
        let request = Request { method: Method::Get, path, query, headers: &headers, body: &[] };
        let beacon = match (protocol.decode)(&request) {
            Ok(beacon) => beacon,
            Err(error) => {
                say!("refused with 400: {error}");
                return Ok(());
            }
        };
        let sites = Sites::default().replaced_by(config.sites.clone());
        let Some(placed) = sites.find(&beacon.site) else {
            say!("refused with 404: there is no site {} in the configuration", beacon.site);
            return Ok(());
        };
        let now = Clock::system().now();
        let day = LocalDay::of(now, &placed.site.time_zone).day;
        let salts = SiteSalts { day, today: Salt([0; 16]), previous: None };
        let visitors = Visitors::new(&config.visitor, [0; 16]).map_err(|error| failed(&error))?;
        let peer = Peer { address: PeerAddress::Ip(self.address) };
        let visitor = visitors.identify(&beacon, &peer, &headers, &placed.site, &salts);
        say!("{}", forwarding(visitor.forwarding));
        let admission =
            Guard::new(&config.guard).admit(&beacon, &visitor, &placed.site, placed.number, false, now);
        match admission.outcome {
            Outcome::Counted if admission.no_origin => {
                say!("counted, though nothing told the host of the page");
            }
            Outcome::Counted => say!("counted"),
            Outcome::Refused(reason) => say!("not counted: {}. {}", reason.as_str(), reason.remedy()),
        }
        if matches!(admission.outcome, Outcome::Counted) {
            let tags = visitor::tags(&beacon);
            tell(&visitor::details(&beacon, &tags, &placed.site, visitor.traits))?;
        }
        Ok(())
    }
}

/// What the beacon would add to reports.
fn tell(details: &Details<'_>) -> Result<(), Failure> {
    for (dimension, value) in details.traits.values() {
        say!("{}: {value}", dimension.as_str());
    }
    let names = [
        (Dimension::Referrer, details.referrer),
        (Dimension::Campaign, details.campaign),
        (Dimension::Source, details.source),
        (Dimension::Medium, details.medium),
    ];
    for (dimension, name) in names {
        if let Some(name) = name {
            say!("{}: {name}", dimension.as_str());
        }
    }
    Ok(())
}

fn forwarding(found: Forwarding) -> &'static str {
    match found {
        Forwarding::Direct => "the connection is the client's own",
        Forwarding::Ignored => {
            "the connection is taken for the client's own: a peer outside trusted_proxies is not believed"
        }
        Forwarding::Forwarded => "a trusted proxy named the client",
        Forwarding::Missing => {
            "a trusted proxy did not name the client; no network limit applies. Add to nginx: \
             proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
        }
    }
}
