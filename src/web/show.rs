//! What is only read: snippets, badges and the welcome page.
//!
//! A snippet is rendered from memory once a second for every way it is asked for, and answered from
//! there for the rest of the second. Reading never waits for writing. Pictures take milliseconds to draw,
//! so they are drawn on a thread beside the worker, one at a time in the whole daemon: however many are
//! asked for, beacons share their cores with one thread that draws.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::HeaderMap;
use hyper::body::Bytes;
use hyper::header::{HOST, HeaderName, IF_NONE_MATCH};
use tokio::sync::Semaphore;

use super::reply::{self, Refusal, Reply};
use super::route::Ends;
use super::socket::Address;
use super::worker::Worker;
use super::{Rooms, hit};
use crate::beacon::{PageUrl, embedded};
use crate::page::{self, Reachability, Welcome};
use crate::sites::{Identity, Placed, Site, SiteNumber, Sites};
use crate::snippet::{self, Badge, Format, Row, View};
use crate::visitor::Peer;
use crate::words::{Numbers, PagePath};

/// Snippets kept for the rest of the second; more ways of asking are rendered and not kept.
const CACHED_MAX: usize = 4_096;
/// What they may take together: a thousand pictures, or all the snippets above with room to spare.
const CACHED_BYTES_MAX: usize = 32 << 20;
/// Pictures that may be waited for at once: at ten milliseconds each the last one comes within a second.
const DRAWINGS_MAX: usize = 64;
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

const DRAWN_FULL: Refusal =
    Refusal::Busy("too many pictures are asked for at once; the same is there as an svg");
const NO_PAGE: Refusal = Refusal::Query("page is neither a path that begins with / nor an http(s) URL");

/// The two places where numbers are fetched from.
#[derive(Clone, Copy)]
pub(super) enum Shelf {
    /// `/snippet/`
    Snippets,
    /// `/badge/`
    Badges,
}

/// What to show, and how.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Way {
    Snippet(&'static Format, View),
    Badge(&'static Format<Badge>, Badge),
}

/// The snippets of this second, and who may draw.
pub(super) struct Cache {
    second: Mutex<Second>,
    drawing: Arc<Semaphore>,
    awaited: Arc<Semaphore>,
}

#[derive(Default)]
struct Second {
    /// Since the epoch.
    number: u64,
    bytes: usize,
    rendered: HashMap<Key, Rendered>,
}

/// A site, a way of asking for it, and the page that was counted where a picture shows its numbers.
type Key = (SiteNumber, Way, Option<PagePath>);

#[derive(Clone)]
struct Rendered {
    body: Bytes,
    etag: Box<str>,
}

/// `/snippet/{site}.{extension}` and `/badge/{site}.{extension}`
pub(super) async fn shown(
    rooms: &Rooms,
    worker: &Worker,
    (shelf, site, extension): (Shelf, &str, &str),
    query: &str,
    headers: &HeaderMap,
    peer: &Peer,
) -> Result<Reply, Refusal> {
    let placed = rooms.sites().find(site).cloned().ok_or(Refusal::UnknownSite)?;
    let (way, counts) = Way::asked((shelf, extension), query, &placed.site, headers)?;
    if counts {
        let beacon =
            embedded(site, query, headers).inspect_err(|error| rooms.metrics.malformed(error.field()))?;
        let dealt = hit::embedded(rooms, worker, &beacon, headers, peer).await?;
        // Of what is slow, those who come in one second share the first one's.
        let body = if way.is_slow() {
            let page = dealt.page.filter(|_| way.view().rows.contains(&Row::Page));
            rooms.cache.drawn(rooms, &placed, way.clone(), page).await?.body
        } else {
            way.render(&present(rooms, &placed, way.view(), dealt.page)?)
        };
        return Ok(way.reply(body, None));
    }
    let rendered = if way.is_slow() {
        rooms.cache.drawn(rooms, &placed, way.clone(), None).await?
    } else {
        rooms.cache.rendered(rooms, &placed, &way)?
    };
    let known = headers.get(IF_NONE_MATCH).is_some_and(|value| value.as_bytes() == rendered.etag.as_bytes());
    if known {
        return Ok(reply::not_modified(&rendered.etag));
    }
    Ok(way.reply(rendered.body, Some(&rendered.etag)))
}

/// What fetching `path` would do, for who asks without a daemon: the site, and whether a view of it is counted;
/// or with which status and words it would be refused. `None` for what is neither a snippet nor a badge.
#[must_use]
pub fn fetched<'p>(
    sites: &Sites,
    path: &'p str,
    query: &str,
    headers: &HeaderMap,
) -> Option<Result<(&'p str, bool), String>> {
    let (shelf, site, extension) = Shelf::of(path)?;
    let counts = || {
        let placed = sites.find(site).ok_or(Refusal::UnknownSite)?;
        let (way, counts) = Way::asked((shelf, extension), query, &placed.site, headers)?;
        page_of(placed, way.view()).map(|_| (site, counts))
    };
    Some(counts().map_err(|refusal| format!("{}: {refusal}", refusal.status().as_u16())))
}

impl Shelf {
    /// The shelf that a path names, and the site and the ending of what lies there.
    pub(super) fn of(path: &str) -> Option<(Shelf, &str, &str)> {
        let snippet = path.strip_prefix("/snippet/").map(|file| (Shelf::Snippets, file));
        let (shelf, file) = snippet.or_else(|| Some((Shelf::Badges, path.strip_prefix("/badge/")?)))?;
        file.rsplit_once('.').map(|(site, extension)| (shelf, site, extension))
    }
}

impl Way {
    /// The way that a query asks for, and whether it counts a view.
    fn asked(
        (shelf, extension): (Shelf, &str),
        query: &str,
        site: &Site,
        headers: &HeaderMap,
    ) -> Result<(Way, bool), Refusal> {
        let pairs = pairs(query)?;
        let asked: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let way = Way::parse(shelf, extension, &asked, site, hit::accept_language(headers))?;
        let counts = way.counts() && asked.iter().any(|(name, _)| *name == "hit");
        Ok((way, counts))
    }

    fn parse(
        shelf: Shelf,
        extension: &str,
        query: &[(&str, &str)],
        site: &Site,
        accept_language: Option<&str>,
    ) -> Result<Way, Refusal> {
        match shelf {
            Shelf::Snippets => {
                let format = snippet::format(extension).ok_or(Refusal::UnknownFormat)?;
                let view = format.view(query, site, accept_language).map_err(Refusal::no("snippet"))?;
                Ok(Way::Snippet(format, view))
            }
            Shelf::Badges => {
                let format = snippet::badge(extension).ok_or(Refusal::UnknownFormat)?;
                let badge = Badge::parse(query.iter().copied(), site, accept_language);
                Ok(Way::Badge(format, badge.map_err(Refusal::no("badge"))?))
            }
        }
    }

    fn view(&self) -> &View {
        match self {
            Way::Snippet(_, view) => view,
            Way::Badge(_, badge) => &badge.view,
        }
    }

    fn counts(&self) -> bool {
        match self {
            Way::Snippet(format, view) => (format.counts)(view),
            Way::Badge(format, badge) => (format.counts)(badge),
        }
    }

    fn is_slow(&self) -> bool {
        match self {
            Way::Snippet(format, _) => format.slow,
            Way::Badge(format, _) => format.slow,
        }
    }

    fn render(&self, numbers: &Numbers) -> Bytes {
        Bytes::from(match self {
            Way::Snippet(format, view) => (format.render)(numbers, view),
            Way::Badge(format, badge) => (format.render)(numbers, badge),
        })
    }

    fn reply(&self, body: Bytes, etag: Option<&str>) -> Reply {
        match self {
            Way::Snippet(format, _) => reply::snippet(format, body, etag),
            Way::Badge(format, _) => reply::snippet(format, body, etag),
        }
    }
}

impl Default for Cache {
    fn default() -> Cache {
        Cache {
            second: Mutex::default(),
            drawing: Arc::new(Semaphore::new(1)),
            awaited: Arc::new(Semaphore::new(DRAWINGS_MAX)),
        }
    }
}

impl Cache {
    fn rendered(&self, rooms: &Rooms, placed: &Placed, way: &Way) -> Result<Rendered, Refusal> {
        let key = (placed.number, way.clone(), None);
        let second = rooms.clock.now().second();
        if let Some(rendered) = self.kept(&key, second) {
            return Ok(rendered);
        }
        let rendered = Rendered::of(way.render(&present(rooms, placed, way.view(), None)?));
        self.keep(key, second, &rendered);
        Ok(rendered)
    }

    /// As [`Cache::rendered`], on a thread for work that takes long.
    async fn drawn(
        &self,
        rooms: &Rooms,
        placed: &Placed,
        way: Way,
        counted: Option<PagePath>,
    ) -> Result<Rendered, Refusal> {
        let key = (placed.number, way.clone(), counted);
        if let Some(rendered) = self.kept(&key, rooms.clock.now().second()) {
            return Ok(rendered);
        }
        let place = Arc::clone(&self.awaited).try_acquire_owned().map_err(|_| DRAWN_FULL)?;
        let turn = Arc::clone(&self.drawing).acquire_owned().await.map_err(|_| DRAWN_FULL)?;
        // While this one waited, another may have drawn the same.
        let second = rooms.clock.now().second();
        if let Some(rendered) = self.kept(&key, second) {
            return Ok(rendered);
        }
        let numbers = present(rooms, placed, way.view(), key.2.clone())?;
        // The drawing goes on when the client hangs up; its turn ends with it and not before.
        let drawing = tokio::task::spawn_blocking(move || {
            let rendered = Rendered::of(way.render(&numbers));
            drop((place, turn));
            rendered
        });
        let rendered = drawing.await.map_err(|_| DRAWN_FULL)?;
        self.keep(key, second, &rendered);
        Ok(rendered)
    }

    fn kept(&self, key: &Key, second: u64) -> Option<Rendered> {
        let mut cache = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.number != second {
            *cache = Second { number: second, ..Second::default() };
        }
        cache.rendered.get(key).cloned()
    }

    fn keep(&self, key: Key, second: u64, rendered: &Rendered) {
        let mut cache = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = cache.bytes + rendered.body.len();
        if cache.number == second && cache.rendered.len() < CACHED_MAX && bytes <= CACHED_BYTES_MAX {
            cache.bytes = bytes;
            cache.rendered.insert(key, rendered.clone());
        }
    }

    /// Snippets kept now.
    pub(super) fn len(&self) -> usize {
        self.second.lock().unwrap_or_else(PoisonError::into_inner).rendered.len()
    }
}

impl Rendered {
    fn of(body: Bytes) -> Rendered {
        let etag = format!("\"{:08x}-{:x}\"", crc32c::crc32c(&body), body.len()).into_boxed_str();
        Rendered { body, etag }
    }
}

fn numbers(rooms: &Rooms, placed: &Placed, page: Option<PagePath>) -> Result<Numbers, Refusal> {
    rooms.counts.numbers(placed.number, page, rooms.clock.now()).ok_or(Refusal::UnknownSite)
}

/// The numbers, with those of the page that the view names, or else of the one that was counted.
fn present(
    rooms: &Rooms,
    placed: &Placed,
    view: &View,
    counted: Option<PagePath>,
) -> Result<Numbers, Refusal> {
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
pub(super) fn welcome(rooms: &Rooms, headers: &HeaderMap, ends: Ends<'_>) -> Result<Reply, Refusal> {
    let sites = rooms.sites();
    let placed = sites.iter().next().ok_or(Refusal::NotFound)?;
    let (base_url, reachability) = base_url(rooms, headers, ends);
    let numbers = numbers(rooms, placed, None)?;
    let language = hit::accept_language(headers);
    let view = View::of(&placed.site, None, language);
    let table = View::parse([("style", "table")], &placed.site, language).map_err(Refusal::no("snippet"))?;
    let html = |view: &View| {
        let format = snippet::format("html").expect("html is one of the formats");
        String::from_utf8((format.render)(&numbers, view)).unwrap_or_default()
    };
    let names: Vec<&str> = Row::ALL.iter().map(|row| row.as_str()).collect();
    let page = page::welcome(&Welcome {
        base_url: &base_url,
        upstream: &upstream(ends.local),
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
fn base_url(rooms: &Rooms, headers: &HeaderMap, ends: Ends<'_>) -> (String, Reachability) {
    let url = rooms.options.public_url.clone().unwrap_or_else(|| {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let is_https = ends.is_tls || text(FORWARDED_PROTO) == Some("https");
        let scheme = if is_https { "https" } else { "http" };
        let sound = |host: &&str| host.parse::<hyper::http::uri::Authority>().is_ok_and(|a| is_plain(&a));
        let host = text(HOST).filter(sound).map_or_else(|| host(ends.local), str::to_owned);
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

/// What stands in for a host that the request does not name.
fn host(local: &Address) -> String {
    match local {
        Address::Tcp(address) => address.to_string(),
        Address::Unix(_) => "localhost".to_owned(),
    }
}

/// Where nginx finds us, in its own spelling.
fn upstream(local: &Address) -> String {
    match local {
        Address::Tcp(address) => address.to_string(),
        Address::Unix(_) => format!("{local}:"),
    }
}

/// Whether an authority is a host with a port or without: nobody's name before an `@`, and nothing
/// behind the colon but digits.
fn is_plain(authority: &hyper::http::uri::Authority) -> bool {
    let host = authority.host();
    let rest = authority.as_str().strip_prefix(host);
    let port = rest.is_some_and(|rest| rest.is_empty() || authority.port_u16().is_some());
    port && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b))
}
