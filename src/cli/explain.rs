//! `explain`: a beacon's headers and address in, "counted" or the reason out.

use std::net::IpAddr;

use clap::Args;
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};

use super::{Failure, Settings, failed};
use crate::beacon::{Beacon, Method, PROTOCOLS, Request, embedded};
use crate::clock::Clock;
use crate::config::Config;
use crate::details::{Details, Dimension};
use crate::guard::{Admission, Guard, Outcome};
use crate::rows::LocalDay;
use crate::sites::Sites;
use crate::visitor::{self, Forwarding, Peer, PeerAddress, SiteSalts, Visitors};
use crate::web;
use crate::words::{Kind, Salt};

#[derive(Debug, Args)]
#[command(
    after_help = "Example: headcount explain '/hit?s=demo&u=https://www.example.vn/' --address 203.0.113.9 \\\n  \
--header 'User-Agent: Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0' --header 'Origin: https://www.example.vn'"
)]
pub(super) struct Explain {
    /// What is asked for, as a path or a whole address with its query, such as '/hit?s=demo&u=/news' or
    /// '/snippet/demo.svg?hit'.
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
        let asked = below(&self.path, config.web.public_url.as_deref());
        let sites = Sites::default().replaced_by(config.sites.clone());
        match decoded(asked, &sites, &headers)? {
            Ok(beacon) => self.judged(&config, &sites, &headers, &beacon),
            Err(words) => {
                say!("{words}");
                Ok(())
            }
        }
    }

    fn judged(
        &self,
        config: &Config,
        sites: &Sites,
        headers: &HeaderMap,
        beacon: &Beacon<'_>,
    ) -> Result<(), Failure> {
        let Some(placed) = sites.find(&beacon.site) else {
            say!("refused with 404: there is no site {} in the configuration", beacon.site);
            return Ok(());
        };
        let now = Clock::system().now();
        let day = LocalDay::of(now, &placed.site.time_zone).day;
        let salts = SiteSalts { day, today: Salt([0; 16]), previous: None };
        let visitors = Visitors::new(&config.visitor, [0; 16]).map_err(|error| failed(&error))?;
        let peer = Peer { address: PeerAddress::Ip(self.address) };
        let visitor = visitors.identify(beacon, &peer, headers, &placed.site, &salts);
        say!("{}", forwarding(visitor.forwarding));
        let admission =
            Guard::new(&config.guard).admit(beacon, &visitor, &placed.site, placed.number, false, now);
        say!("{}", verdict(admission, beacon.kind));
        if matches!(admission.outcome, Outcome::Counted) && beacon.kind == Kind::View {
            let tags = visitor::tags(beacon);
            tell(&visitor::details(beacon, &tags, &placed.site, visitor.traits))?;
        }
        Ok(())
    }
}

/// The path and query of an address that was pasted whole, as the daemon meets it: without what the web
/// server takes off, the path of `public_url`, and without a fragment.
fn below<'a>(asked: &'a str, public_url: Option<&str>) -> &'a str {
    let path_of = |url: &'a str| url.find('/').map_or("/", |at| &url[at..]);
    let whole = ["https://", "http://"].iter().find_map(|scheme| asked.strip_prefix(scheme));
    let path = whole.map_or(asked, path_of);
    let path = path.split_once('#').map_or(path, |(path, _)| path);
    let url = public_url.and_then(|url| url.split_once("://")).map_or("", |(_, url)| url);
    let prefix = url.find('/').map_or("", |at| &url[at..]);
    path.strip_prefix(prefix).filter(|rest| rest.starts_with('/')).unwrap_or(path)
}

/// The beacon that a request is, or in words what else becomes of it.
fn decoded<'a>(
    asked: &'a str,
    sites: &Sites,
    headers: &'a HeaderMap,
) -> Result<Result<Beacon<'a>, String>, Failure> {
    let (path, query) = asked.split_once('?').unwrap_or((asked, ""));
    let decoded = match web::fetched(sites, path, query, headers) {
        Some(Err(refusal)) => return Ok(Err(format!("refused with {refusal}"))),
        Some(Ok((_, false))) => {
            let words =
                "shows the numbers and counts nothing; frames, svg, png and js count with hit in the query";
            return Ok(Err(words.to_owned()));
        }
        Some(Ok((site, true))) => embedded(site, query, headers),
        None => {
            let protocol = PROTOCOLS.iter().find(|protocol| protocol.paths.contains(&path));
            let protocol = protocol.ok_or_else(|| no_beacon(path))?;
            (protocol.decode)(&Request { method: Method::Get, path, query, headers, body: &[] })
        }
    };
    Ok(decoded.map_err(|error| format!("refused with 400: {error}")))
}

/// Nothing counts at this path; perhaps further down something would.
fn no_beacon(path: &str) -> Failure {
    let served = PROTOCOLS.iter().flat_map(|protocol| protocol.paths).any(|served| path.ends_with(served));
    let before = ["/snippet/", "/badge/"].iter().find_map(|shelf| path.find(shelf));
    let before = before.or_else(|| path.rfind('/').filter(|_| served)).filter(|at| *at > 0);
    Failure::Argument(match before {
        Some(at) => format!(
            "{path} takes no beacon; leave out {}, which the web server takes off, or name it in public_url",
            &path[..at]
        ),
        None => format!("{path} takes no beacon; /hit and /hit.gif do, and snippets and badges with ?hit"),
    })
}

/// What becomes of a beacon, in a line.
fn verdict(admission: Admission, kind: Kind) -> String {
    let done = match (admission.outcome, kind) {
        (Outcome::Refused(reason), _) => {
            return format!("not counted: {}. {}", reason.as_str(), reason.remedy());
        }
        (Outcome::Counted, Kind::View) => "counted",
        (Outcome::Counted, Kind::Ping) => "taken: a ping keeps a reader online and counts no view",
        (Outcome::Counted, Kind::Leave) => {
            "taken: a leave lets a reader go offline sooner and counts no view"
        }
    };
    format!("{done}{}", if admission.no_origin { ", though nothing told the host of the page" } else { "" })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pasted_address_is_read_as_the_daemon_meets_it() {
        let public_url = Some("https://www.example.vn/hc");
        for (asked, expected) in [
            ("/hit?s=a", "/hit?s=a"),
            ("/hc/hit?s=a", "/hit?s=a"),
            ("https://www.example.vn/hc/badge/a.svg?hit&u=https://b.vn/", "/badge/a.svg?hit&u=https://b.vn/"),
            ("http://127.0.0.1:8080/hit?s=a#top", "/hit?s=a"),
            ("/hcx/hit", "/hcx/hit"),
            ("/hc", "/hc"),
            ("https://www.example.vn", "/"),
        ] {
            assert_eq!(below(asked, public_url), expected, "{asked}");
        }
        assert_eq!(below("/hc/hit", Some("https://count.example.vn")), "/hc/hit");
        assert_eq!(below("/hc/hit", None), "/hc/hit");
    }
}
