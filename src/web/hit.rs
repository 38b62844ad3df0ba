//! The way of a beacon, top to bottom.

use hyper::HeaderMap;

use super::Rooms;
use super::reply::{self, Refusal, Reply};
use super::worker::{Worker, Written};
use crate::beacon::{AnswerKind, Beacon, PROTOCOLS, Protocol, Request};
use crate::details::Details;
use crate::guard::{Outcome, Reason};
use crate::sites::{LanguageChoice, Placed, Site};
use crate::snippet::{self, Rendered, View};
use crate::visitor::{self, Forwarding, Peer, SiteSalts, Visitor};
use crate::words::{Kind, PagePath, Touch, UnixMillis};

/// The protocol label of views that a fetched snippet counts.
const EMBEDDED: &str = "embedded";

/// The protocol labels of every way that beacons come in.
#[must_use]
pub fn protocols() -> Vec<&'static str> {
    PROTOCOLS.iter().map(|protocol| protocol.name).chain([EMBEDDED]).collect()
}

/// A beacon that was dealt with.
pub(super) struct Dealt {
    placed: Placed,
    pub(super) page: Option<PagePath>,
    /// Refused for a reason, or written.
    outcome: Result<Written, Reason>,
}

/// A request to the path of a protocol.
pub(super) async fn answer(
    rooms: &Rooms,
    worker: &Worker,
    protocol: &Protocol,
    request: &Request<'_>,
    peer: &Peer,
) -> Result<Reply, Refusal> {
    let beacon = (protocol.decode)(request).inspect_err(|error| rooms.metrics.malformed(error.field()))?;
    let dealt = deal(rooms, worker, protocol.name, &beacon, request.headers, peer).await?;
    match protocol.answer {
        AnswerKind::Pixel => Ok(reply::pixel()),
        AnswerKind::Numbers => {
            let view = dealt.view(request);
            dealt.shown(rooms, &view).map(reply::numbers)
        }
    }
}

/// A view that is counted while a snippet is fetched.
pub(super) async fn embedded(
    rooms: &Rooms,
    worker: &Worker,
    beacon: &Beacon<'_>,
    headers: &HeaderMap,
    peer: &Peer,
) -> Result<Dealt, Refusal> {
    deal(rooms, worker, EMBEDDED, beacon, headers, peer).await
}

/// One step a room: find the site, tell who it is, admit, commit, show.
async fn deal(
    rooms: &Rooms,
    worker: &Worker,
    protocol: &'static str,
    beacon: &Beacon<'_>,
    headers: &HeaderMap,
    peer: &Peer,
) -> Result<Dealt, Refusal> {
    let now = rooms.clock.now();
    let placed = rooms.site(&beacon.site).ok_or(Refusal::UnknownSite)?;
    let page = page_of(beacon, &placed.site).inspect_err(|_| rooms.metrics.malformed("u"))?;
    rooms.metrics.parsed(beacon.kind, protocol);
    let admitted = admit(rooms, &placed, beacon, headers, peer, now);
    let outcome = match admitted {
        Err(reason) => {
            rooms.metrics.refused(beacon.kind, reason.index());
            rooms.refusals.note(placed.number, reason, now);
            Err(reason)
        }
        Ok(who) => {
            let page = page.as_ref().map(PagePath::as_str);
            // What only the record needs is gone before the waiting begins.
            let committed = {
                let tags = visitor::tags(beacon);
                let details = visitor::details(beacon, &tags, &placed.site, who.visitor.traits);
                worker.commit(&Touch { details, ..touch(beacon, &placed.site, &who, page, now) })
            };
            Ok(committed.await.ok_or(Refusal::Unwritten)?)
        }
    };
    Ok(Dealt { placed, page, outcome })
}

impl Dealt {
    /// What the reply shows; a site with a language of its own need not ask which the reader likes.
    fn view(&self, request: &Request<'_>) -> View {
        let site = &self.placed.site;
        let (page, accepted) = match site.language {
            LanguageChoice::Fixed(_) => (None, None),
            LanguageChoice::Auto => (snippet::page_language(request.query), accept_language(request.headers)),
        };
        View::of(site, page, accepted)
    }

    /// The numbers that go back with the beacon: of its turn if it counts, else of this moment.
    fn shown(self, rooms: &Rooms, view: &View) -> Result<Vec<u8>, Refusal> {
        let number = self.placed.number;
        let render = |at| {
            let numbers = rooms.counts.numbers(number, None, at).ok_or(Refusal::UnknownSite)?;
            Ok::<_, Refusal>(Rendered::of(&numbers, view))
        };
        let page = self.page.and_then(|page| rooms.counts.page(number, page));
        let reply = |rendered: &Rendered, outcome| rendered.reply(page.as_ref(), outcome);
        match self.outcome {
            Ok(written) => {
                let render = || render(written.at);
                let reply = |rendered: &Rendered| reply(rendered, snippet::Outcome::Counted);
                written.turn.show(number, view.language, render, reply)
            }
            Err(reason) => {
                let (reason, remedy) = (reason.as_str(), reason.remedy());
                Ok(reply(&render(rooms.clock.now())?, snippet::Outcome::NotCounted { reason, remedy }))
            }
        }
    }
}

/// Somebody whose beacon counts.
struct Who {
    visitor: Visitor,
    salts: SiteSalts,
    in_visit: bool,
}

fn admit(
    rooms: &Rooms,
    placed: &Placed,
    beacon: &Beacon<'_>,
    headers: &HeaderMap,
    peer: &Peer,
    now: UnixMillis,
) -> Result<Who, Reason> {
    let salts = rooms.salts_of(placed.number, now).ok_or(Reason::NoSalt)?;
    let visitor = rooms.visitors.identify(beacon, peer, headers, &placed.site, &salts);
    match visitor.forwarding {
        Forwarding::Missing => rooms.metrics.forwarding_missing.inc(),
        Forwarding::Ignored => rooms.metrics.forwarding_ignored.inc(),
        Forwarding::Direct | Forwarding::Forwarded => {}
    }
    let known = rooms.counts.known(visitor.id, now);
    let known = known.or_else(|| visitor.previous.and_then(|id| rooms.counts.known(id, now)));
    let is_known = known.is_some();
    let admission = rooms.guard.admit(beacon, &visitor, &placed.site, placed.number, is_known, now);
    match admission.outcome {
        Outcome::Refused(reason) => Err(reason),
        Outcome::Counted if !is_known && beacon.kind != Kind::Leave && rooms.counts.is_full() => {
            Err(Reason::PresenceFull)
        }
        Outcome::Counted => {
            if admission.no_origin {
                rooms.metrics.without_origin.inc();
            }
            Ok(Who { visitor, salts, in_visit: known == Some(true) })
        }
    }
}

fn page_of(beacon: &Beacon<'_>, site: &Site) -> Result<Option<PagePath>, Refusal> {
    Ok(beacon.url.as_ref().map(|url| url.page(&site.page_parameters)).transpose()?)
}

fn touch<'a>(
    beacon: &Beacon<'_>,
    site: &'a Site,
    who: &Who,
    page: Option<&'a str>,
    at: UnixMillis,
) -> Touch<'a> {
    Touch {
        kind: beacon.kind,
        at,
        site: site.id.as_str(),
        day: who.salts.day,
        visitor: who.visitor.id,
        previous: who.visitor.previous,
        in_visit: who.in_visit,
        since_last_ms: beacon.since_last_ms,
        page,
        details: Details::default(),
    }
}

pub(super) fn accept_language(headers: &HeaderMap) -> Option<&str> {
    headers.get(hyper::header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok())
}
