//! What is only read: snippets and the welcome page.
//!
//! A snippet is rendered from memory once a second for every way it is asked for, and answered from
//! there for the rest of the second. Reading never waits for writing.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use hyper::HeaderMap;
use hyper::body::Bytes;
use hyper::header::{HOST, HeaderName, IF_NONE_MATCH};

use super::reply::{self, Refusal, Reply};
use super::worker::Worker;
use super::{Rooms, hit};
use crate::beacon::{PageUrl, embedded};
use crate::page::{self, Reachability, Welcome};
use crate::sites::{Identity, Placed, SiteNumber};
use crate::snippet::{self, Format, Row, View};
use crate::visitor::Peer;
use crate::words::{Numbers, PagePath};

/// Snippets kept for the rest of the second; more ways of asking are rendered and not kept.
const CACHED_MAX: usize = 4_096;
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

const NO_PAGE: Refusal = Refusal::Query("page is neither a path that begins with / nor an http(s) URL");

/// The snippets of this second.
#[derive(Default)]
pub(super) struct Cache(Mutex<Second>);

#[derive(Default)]
struct Second {
    second: u64,
    rendered: HashMap<(SiteNumber, &'static str, View), Rendered>,
}

#[derive(Clone)]
struct Rendered {
    body: Bytes,
    etag: Box<str>,
}

/// `/snippet/{site}.{extension}`
pub(super) async fn snippet(
    rooms: &Rooms,
    worker: &Worker,
    (site, extension): (&str, &str),
    query: &str,
    headers: &HeaderMap,
    peer: &Peer,
) -> Result<Reply, Refusal> {
    let format = snippet::format(extension).ok_or(Refusal::UnknownFormat)?;
    let placed = rooms.sites().find(site).cloned().ok_or(Refusal::UnknownSite)?;
    let pairs = pairs(query)?;
    let asked = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let view = View::parse(asked, &placed.site, hit::accept_language(headers))?;
    let counts = pairs.iter().any(|(name, _)| name == "hit") && (extension == "svg" || view.frame);
    if counts {
        let beacon =
            embedded(site, query, headers).inspect_err(|error| rooms.metrics.malformed(error.field()))?;
        let dealt = hit::embedded(rooms, worker, &beacon, headers, peer).await?;
        let numbers = shown(rooms, &placed, &view, dealt.page)?;
        return Ok(reply::snippet(format, Bytes::from((format.render)(&numbers, &view)), None));
    }
    let rendered = rooms.cache.rendered(rooms, &placed, format, view)?;
    let known = headers.get(IF_NONE_MATCH).is_some_and(|value| value.as_bytes() == rendered.etag.as_bytes());
    if known {
        return Ok(reply::not_modified(&rendered.etag));
    }
    Ok(reply::snippet(format, rendered.body, Some(&rendered.etag)))
}

impl Cache {
    fn rendered(
        &self,
        rooms: &Rooms,
        placed: &Placed,
        format: &Format,
        view: View,
    ) -> Result<Rendered, Refusal> {
        let second = rooms.clock.now().second();
        let key = (placed.number, format.extension, view);
        {
            let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if cache.second != second {
                cache.second = second;
                cache.rendered.clear();
            }
            if let Some(rendered) = cache.rendered.get(&key) {
                return Ok(rendered.clone());
            }
        }
        let numbers = shown(rooms, placed, &key.2, None)?;
        let body = (format.render)(&numbers, &key.2);
        let etag = format!("\"{:08x}-{:x}\"", crc32c::crc32c(&body), body.len()).into_boxed_str();
        let rendered = Rendered { body: Bytes::from(body), etag };
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.second == second && cache.rendered.len() < CACHED_MAX {
            cache.rendered.insert(key, rendered.clone());
        }
        Ok(rendered)
    }

    /// Snippets kept now.
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).rendered.len()
    }
}

fn numbers(rooms: &Rooms, placed: &Placed, page: Option<PagePath>) -> Result<Numbers, Refusal> {
    rooms.counts.numbers(placed.number, page, rooms.clock.now()).ok_or(Refusal::UnknownSite)
}

/// The numbers, with those of the page that the view names, or else of the one that was counted.
fn shown(rooms: &Rooms, placed: &Placed, view: &View, counted: Option<PagePath>) -> Result<Numbers, Refusal> {
    numbers(rooms, placed, page_of(placed, view)?.or(counted))
}

/// The page that the view names, folded.
pub(super) fn page_of(placed: &Placed, view: &View) -> Result<Option<PagePath>, Refusal> {
    let Some(page) = view.page.as_deref() else { return Ok(None) };
    let url = PageUrl::asked(page).ok_or(NO_PAGE)?;
    url.page(&placed.site.page_parameters).map(Some).map_err(|_| NO_PAGE)
}

/// The names and values of a query, decoded.
pub(super) fn pairs(query: &str) -> Result<Vec<(String, String)>, Refusal> {
    let decode = |raw: &str| {
        let spaced = raw.replace('+', " ");
        let decoded = percent_encoding::percent_decode_str(&spaced).decode_utf8();
        decoded.map(std::borrow::Cow::into_owned).map_err(|_| Refusal::Query("a value is not valid UTF-8"))
    };
    let fields = query.split('&').filter(|field| !field.is_empty());
    fields
        .map(|field| {
            let (name, value) = field.split_once('=').unwrap_or((field, ""));
            Ok((decode(name)?, decode(value)?))
        })
        .collect()
}

/// `/`
pub(super) fn welcome(
    rooms: &Rooms,
    headers: &HeaderMap,
    local: std::net::SocketAddr,
) -> Result<Reply, Refusal> {
    let sites = rooms.sites();
    let placed = sites.iter().next().ok_or(Refusal::NotFound)?;
    let (base_url, reachability) = base_url(rooms, headers, local);
    let numbers = numbers(rooms, placed, None)?;
    let language = hit::accept_language(headers);
    let view = View::of(&placed.site, None, language);
    let table = View::parse([("style", "table")], &placed.site, language)?;
    let html = |view: &View| {
        let format = snippet::format("html").expect("html is one of the formats");
        String::from_utf8((format.render)(&numbers, view)).unwrap_or_default()
    };
    let names: Vec<&str> = Row::ALL.iter().map(|row| row.as_str()).collect();
    let page = page::welcome(&Welcome {
        base_url: &base_url,
        upstream: &local.to_string(),
        reachability,
        site: &placed.site.id,
        site_count: sites.iter().count(),
        hosts: &placed.site.hosts,
        identity_browser: placed.site.identity == Identity::Browser,
        language: view.language.tag,
        counter: &html(&view),
        table: &html(&table),
        spans: &view.spans(),
        names: &names,
        version: env!("CARGO_PKG_VERSION"),
    });
    Ok(reply::page(page, page::POLICY))
}

/// Where readers find the daemon: as configured, else as this very request found it.
fn base_url(rooms: &Rooms, headers: &HeaderMap, local: std::net::SocketAddr) -> (String, Reachability) {
    let url = rooms.options.public_url.clone().unwrap_or_else(|| {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let scheme = if text(FORWARDED_PROTO) == Some("https") { "https" } else { "http" };
        let sound = |host: &&str| host.parse::<hyper::http::uri::Authority>().is_ok_and(|a| is_plain(&a));
        let host = text(HOST).filter(sound).map_or_else(|| local.to_string(), str::to_owned);
        format!("{scheme}://{host}")
    });
    let host = url.split("://").nth(1).unwrap_or("").split('/').next().unwrap_or("");
    let loopback = ["localhost", "127.", "[::1]"].iter().any(|name| host.starts_with(name));
    let reachability = if loopback {
        Reachability::Loopback
    } else if url.starts_with("http://") {
        Reachability::PlainHttp
    } else {
        Reachability::Fine
    };
    (url, reachability)
}

/// Whether an authority is a host with a port or without: nobody's name before an `@`, and nothing
/// behind the colon but digits.
fn is_plain(authority: &hyper::http::uri::Authority) -> bool {
    let host = authority.host();
    let rest = authority.as_str().strip_prefix(host);
    let port = rest.is_some_and(|rest| rest.is_empty() || authority.port_u16().is_some());
    port && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b))
}
