//! One table: path -> what serves it.

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Incoming};
use hyper::http::request::Parts;
use hyper::{Method, Response};
use std::sync::Arc;
use std::time::Instant;

use super::live::{self, Body as Answer};
use super::reply::{self, Refusal};
use super::show::{self, Shelf};
use super::socket::Address;
use super::wire::Pulse;
use super::worker::Worker;
use super::{Rooms, hit};
use crate::beacon::{self, PROTOCOLS, Protocol};
use crate::metrics::{Metrics, RouteMetrics};
use crate::page::{self, Asset};
use crate::visitor::{Peer, PeerAddress};

/// The longest body of a beacon.
const BODY_BYTES_MAX: usize = 16 << 10;

/// What serves a path.
enum Target<'a> {
    Beacon(&'static Protocol),
    Shown(Shelf, &'a str, &'a str),
    Live(&'a str),
    Welcome,
    Asset(&'static Asset),
}

/// The ends of a connection.
#[derive(Clone, Copy)]
pub(super) struct Ends<'a> {
    pub(super) peer: PeerAddress,
    pub(super) local: &'a Address,
    pub(super) is_tls: bool,
    pub(super) pulse: &'a Arc<Pulse>,
}

/// What is measured of every route; the labels of metrics come from here.
pub(super) struct Measured {
    beacon: RouteMetrics,
    snippet: RouteMetrics,
    live: RouteMetrics,
    page: RouteMetrics,
    asset: RouteMetrics,
    none: RouteMetrics,
}

impl Measured {
    pub(super) fn new(metrics: &Metrics) -> Measured {
        Measured {
            beacon: metrics.route("beacon"),
            snippet: metrics.route("snippet"),
            live: metrics.route("live"),
            page: metrics.route("page"),
            asset: metrics.route("asset"),
            none: metrics.route("none"),
        }
    }

    fn of(&self, target: Option<&Target<'_>>) -> &RouteMetrics {
        match target {
            Some(Target::Beacon(_)) => &self.beacon,
            Some(Target::Shown(..)) => &self.snippet,
            Some(Target::Live(_)) => &self.live,
            Some(Target::Welcome) => &self.page,
            Some(Target::Asset(_)) => &self.asset,
            None => &self.none,
        }
    }
}

fn target<'a>(rooms: &Rooms, path: &'a str) -> Option<Target<'a>> {
    if let Some(protocol) = PROTOCOLS.iter().find(|protocol| protocol.paths.contains(&path)) {
        return Some(Target::Beacon(protocol));
    }
    // What is served here is left out of a server's log by `import::Own`.
    if let Some((shelf, site, extension)) = Shelf::of(path) {
        return Some(Target::Shown(shelf, site, extension));
    }
    if let Some(site) = path.strip_prefix("/live/") {
        return Some(Target::Live(site));
    }
    if path == "/" {
        return rooms.options.welcome_page.then_some(Target::Welcome);
    }
    page::asset(path).map(Target::Asset)
}

/// Answers a request, whatever it is. A body that nobody wants stays with the caller.
pub(super) async fn answer(
    rooms: &Arc<Rooms>,
    worker: &Worker,
    measured: &Measured,
    (head, body): (&Parts, &mut Incoming),
    ends: Ends<'_>,
) -> Response<Answer> {
    let began = Instant::now();
    let target = target(rooms, head.uri.path());
    let measured = measured.of(target.as_ref());
    let peer = Peer { address: ends.peer };
    let query = head.uri.query().unwrap_or("");
    let mut is_unread = !body.is_end_stream();
    let answered = match target {
        None => Err(Refusal::NotFound),
        Some(Target::Beacon(protocol)) => match beacon_method(&head.method, body).await {
            Err(refusal) => Err(refusal),
            Ok((method, body)) => {
                is_unread &= method == beacon::Method::Get;
                let path = head.uri.path();
                let request = beacon::Request { method, path, query, headers: &head.headers, body: &body };
                hit::answer(rooms, worker, protocol, &request, &peer).await
            }
        },
        Some(_) if !matches!(head.method, Method::GET | Method::HEAD) => Err(Refusal::Method("GET, HEAD")),
        Some(Target::Shown(shelf, site, extension)) => {
            show::shown(rooms, worker, (shelf, site, extension), query, &head.headers, &peer).await
        }
        Some(Target::Live(site)) => {
            let how = (&head.method, &head.headers);
            match live::answer(rooms, (site, query), how, &peer, ends.pulse) {
                Err(refusal) => Err(refusal),
                Ok(reply) => {
                    measured.answered(reply.status().as_u16(), began.elapsed().as_secs_f64());
                    return reply;
                }
            }
        }
        Some(Target::Welcome) => show::welcome(rooms, &head.headers, ends),
        Some(Target::Asset(asset)) => Ok(reply::asset(asset)),
    };
    if is_unread {
        ends.pulse.hear_out();
    }
    let reply = answered.unwrap_or_else(|refusal| reply::refusal(&refusal));
    measured.answered(reply.status().as_u16(), began.elapsed().as_secs_f64());
    reply.map(Answer::Whole)
}

/// The method and the whole body of a beacon; a body that is too long is refused before it is read.
async fn beacon_method(method: &Method, body: &mut Incoming) -> Result<(beacon::Method, Bytes), Refusal> {
    match *method {
        Method::GET => Ok((beacon::Method::Get, Bytes::new())),
        Method::POST => {
            if body.size_hint().lower() > u64::try_from(BODY_BYTES_MAX).unwrap_or(u64::MAX) {
                return Err(Refusal::TooLarge(BODY_BYTES_MAX));
            }
            whole(body).await.map(|body| (beacon::Method::Post, body))
        }
        _ => Err(Refusal::Method("GET, POST")),
    }
}

/// The whole body. Nearly every one comes in one piece, which is taken as it is.
async fn whole(body: &mut Incoming) -> Result<Bytes, Refusal> {
    let mut whole = Bytes::new();
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.map_err(|_| Refusal::Body)?.into_data() else { continue };
        if whole.len() + piece.len() > BODY_BYTES_MAX {
            return Err(Refusal::TooLarge(BODY_BYTES_MAX));
        }
        whole = if whole.is_empty() { piece } else { [whole, piece].concat().into() };
        if body.is_end_stream() {
            break;
        }
    }
    Ok(whole)
}
