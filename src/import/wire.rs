//! A batch as bytes, for the way to the daemon.
//!
//! The form is this release's own: both sides are the same binary, or say that they do not understand each
//! other. Whatever comes in is bounded and checked like anything from outside.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::HEAD_LINES;
use crate::details::{Details, Dimension, Traits};
use crate::rows::{SiteChanges, Sketch};
use crate::store::{EdgeSecond, ImportBatch, ImportLog, LeftOut, Span};
use crate::words::{Day, PagePath, SiteId, StreamId, Tally, UnixMillis};

/// The most bytes of a batch: 25,000 lines that all ask for another page of 100 letters take 3 MiB.
pub const BATCH_BYTES_MAX: u64 = 128 << 20;
/// Says which form this is; another release has another.
const VERSION: u32 = 3;

#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    version: u32,
    site: &'a str,
    from: (u64, u64),
    left_out_before: usize,
    stream: u64,
    head: Vec<u64>,
    position: u64,
    tail: u64,
    counted_at: u64,
    replay_from: u64,
    replay_line: u64,
    span: Option<(u64, u64)>,
    left_out: Vec<[u64; 3]>,
    edges: Vec<(u64, u64, Vec<u64>)>,
    days: Vec<(i32, u64, u64)>,
    #[serde(borrow)]
    pages: Vec<(i32, &'a str, u64, u64)>,
    traits: Vec<(i32, u64, u64, u64)>,
    names: Vec<(i32, &'a str, &'a str, u64, u64)>,
    visitors: Vec<(i32, Vec<u8>)>,
    visitors_today: Vec<(i32, Vec<u8>)>,
}

/// The bytes of a batch.
#[must_use]
pub fn encode(batch: &ImportBatch) -> Vec<u8> {
    let sketches = |all: &BTreeMap<Day, Sketch>| {
        all.iter().map(|(day, visitors)| (day.0, visitors.to_bytes())).collect::<Vec<_>>()
    };
    let days = batch.changes.days.iter().map(|(day, tally)| (day.0, tally.views, tally.visits));
    let pages = batch.changes.pages.sorted().into_iter();
    let pages = pages.map(|(day, page, tally)| (day.0, page, tally.views, tally.visits));
    let (traits, names) = (batch.changes.details.traits(), batch.changes.details.names());
    let traits = traits.into_iter().map(|(day, packed, tally)| (day.0, packed, tally.views, tally.visits));
    let names = names
        .into_iter()
        .map(|((day, dimension), name, tally)| (day.0, dimension.as_str(), name, tally.views, tally.visits));
    let wire = Wire {
        version: VERSION,
        site: batch.site.as_str(),
        from: (batch.from.0, batch.from.1.0),
        left_out_before: batch.left_out_before,
        stream: batch.log.stream.0,
        head: batch.log.head.clone(),
        position: batch.log.position,
        tail: batch.log.tail,
        counted_at: batch.log.counted_at.0,
        replay_from: batch.log.replay_from,
        replay_line: batch.log.replay_line,
        span: batch.log.span.map(|span| (span.from.0, span.to.0)),
        left_out: batch.log.left_out.iter().map(LeftOut::numbers).collect(),
        edges: batch.edges.iter().map(|edge| (edge.second, edge.secret, edge.views.clone())).collect(),
        days: days.collect(),
        pages: pages.collect(),
        traits: traits.collect(),
        names: names.collect(),
        visitors: sketches(&batch.visitors),
        visitors_today: sketches(&batch.visitors_today),
    };
    postcard::to_stdvec(&wire).expect("numbers, texts and bytes always serialise")
}

/// Reads what [`encode`] wrote; `None` for anything else.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<ImportBatch> {
    let wire: Wire<'_> =
        postcard::from_bytes(bytes).ok().filter(|wire: &Wire<'_>| wire.version == VERSION)?;
    let day = |number: i32| Some(Day(number)).filter(|day| (Day::FIRST..=Day::LAST).contains(day));
    let sketches = |all: &[(i32, Vec<u8>)]| {
        let read = all.iter().map(|(number, bytes)| Some((day(*number)?, Sketch::from_bytes(bytes)?)));
        read.collect::<Option<BTreeMap<Day, Sketch>>>()
    };
    let mut changes = SiteChanges::default();
    for (number, views, visits) in wire.days {
        changes.days.insert(day(number)?, Tally { views, visits });
    }
    for (number, page, views, visits) in wire.pages {
        if page.len() > PagePath::BYTES_MAX {
            return None;
        }
        changes.pages.add(day(number)?, page, Tally { views, visits });
    }
    for (number, packed, views, visits) in wire.traits {
        let details = Details { traits: Traits::from_packed(packed), ..Details::default() };
        changes.details.add(day(number)?, &details, Tally { views, visits });
    }
    for (number, dimension, name, views, visits) in wire.names {
        if name.len() > Details::REFERRER_BYTES_MAX {
            return None;
        }
        let dimension = Dimension::parse(dimension)?;
        changes.details.add_name(day(number)?, dimension, name, Tally { views, visits });
    }
    if wire.left_out.len() > ImportLog::LEFT_OUT_MAX || wire.left_out_before > ImportLog::LEFT_OUT_MAX {
        return None;
    }
    if wire.edges.iter().any(|(.., views)| views.len() > EdgeSecond::VIEWS_MAX) {
        return None;
    }
    let edges = wire.edges.into_iter();
    let edges = edges.map(|(second, secret, views)| EdgeSecond { second, secret, views }).collect();
    let log = ImportLog {
        stream: StreamId(wire.stream),
        head: Some(wire.head).filter(|head| head.len() <= HEAD_LINES)?,
        position: wire.position,
        tail: wire.tail,
        counted_at: UnixMillis(wire.counted_at),
        replay_from: wire.replay_from,
        replay_line: wire.replay_line,
        span: wire.span.map(|(from, to)| Span { from: UnixMillis(from), to: UnixMillis(to) }),
        left_out: wire.left_out.into_iter().map(LeftOut::of_numbers).collect(),
    };
    Some(ImportBatch {
        site: SiteId::parse(wire.site).ok()?,
        from: (wire.from.0, UnixMillis(wire.from.1)),
        left_out_before: wire.left_out_before,
        log,
        changes,
        edges,
        visitors: sketches(&wire.visitors)?,
        visitors_today: sketches(&wire.visitors_today)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::details::Browser;
    use crate::rows::Addition;
    use crate::words::VisitorId;

    fn batch() -> ImportBatch {
        let mut changes = SiteChanges::default();
        let tally = Tally { views: 7, visits: 2 };
        for page in ["/a", "/tin-tức"] {
            changes.add_past(&Addition { day: Day(-3), minute: 0, page: Some(page), tally });
        }
        let traits = Traits { browser: Browser::Firefox, ..Traits::default() };
        let details =
            Details { traits, referrer: Some("a.example"), source: Some("zalo"), ..Details::default() };
        changes.details.add(Day(-3), &details, tally);
        let mut sketch = Sketch::default();
        sketch.insert(VisitorId(99));
        let log = ImportLog {
            stream: StreamId(1),
            head: vec![3, u64::MAX],
            position: 10,
            tail: 4,
            counted_at: UnixMillis(5),
            replay_from: 6,
            replay_line: 2,
            span: Some(Span { from: UnixMillis(1), to: UnixMillis(9) }),
            left_out: vec![LeftOut::of_numbers([2, 3, 4]), LeftOut::Lines { since: 5, until: 6 }],
        };
        ImportBatch {
            site: SiteId::parse("vks").expect("an id"),
            from: (8, UnixMillis(9)),
            left_out_before: 1,
            log,
            changes,
            edges: vec![EdgeSecond { second: 1, secret: u64::MAX, views: vec![2, 2] }],
            visitors: BTreeMap::from([(Day(-3), sketch.clone())]),
            visitors_today: BTreeMap::from([(Day(20_000), sketch)]),
        }
    }

    #[test]
    fn what_is_sent_is_received() {
        let (sent, received) = (batch(), decode(&encode(&batch())).expect("its own bytes"));
        assert_eq!((&received.site, received.from, &received.log), (&sent.site, sent.from, &sent.log));
        assert_eq!((&received.changes, &received.edges), (&sent.changes, &sent.edges));
        assert_eq!(received.visitors[&Day(-3)].count(), 1);
        assert_eq!(received.visitors_today[&Day(20_000)].count(), 1);
    }

    #[test]
    fn anything_else_is_not_taken() {
        let bytes = encode(&batch());
        assert!(decode(&bytes[..bytes.len() - 1]).is_none() && decode(b"").is_none());
        let mut other = bytes.clone();
        other[0] += 1;
        assert!(decode(&other).is_none(), "another release");
        let day = batch();
        let beyond = ImportBatch { visitors: BTreeMap::from([(Day(i32::MAX), Sketch::default())]), ..day };
        assert!(decode(&encode(&beyond)).is_none());
        let views = vec![1; EdgeSecond::VIEWS_MAX + 1];
        let flood = ImportBatch { edges: vec![EdgeSecond { second: 1, secret: 2, views }], ..batch() };
        assert!(decode(&encode(&flood)).is_none());
    }
}
