//! Parts of logs on their way to the daemon: both ends of the socket.

use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use super::{Request, Unanswered, ask, ask_with};
use crate::import::{self, BATCH_BYTES_MAX, Begun, DaySalt, Desk, DeskError, Finished, HEAD_LINES};
use crate::keeper::Order;
use crate::store::{EdgeSecond, ImportBatch, ImportLog, LeftOut, Span};
use crate::web::Rooms;
use crate::words::{Day, Salt, SiteId, StreamId, UnixMillis};

/// [`Begun`] as it goes over the socket.
#[derive(Serialize, Deserialize)]
struct BegunReply {
    stream: u64,
    head: Vec<u64>,
    position: u64,
    tail: u64,
    counted_at: u64,
    replay_from: u64,
    replay_line: u64,
    span: Option<(u64, u64)>,
    left_out: Vec<[u64; 3]>,
    live_from: Option<u64>,
    others: Vec<(u64, u64, u64)>,
}

/// [`EdgeSecond`]s as they go over the socket: log, second, secret, views.
type EdgesReply = Vec<(u64, u64, u64, Vec<u64>)>;

/// [`DaySalt`] as it goes over the socket, which only the owner of the salts can open.
#[derive(Serialize, Deserialize)]
struct SaltReply {
    salt: [u8; 16],
    is_of_beacons: bool,
    is_anew: bool,
}

fn known(site: &str, rooms: &Rooms) -> Result<SiteId, String> {
    let id = SiteId::parse(site).map_err(|error| format!("site {error}"))?;
    match rooms.sites().find(id.as_str()) {
        Some(_) => Ok(id),
        None => Err(format!("there is no site {id} in the configuration of the running daemon")),
    }
}

pub(super) async fn begin(
    site: &str,
    head: Vec<u64>,
    rooms: &Rooms,
    orders: &Sender<Order>,
) -> Result<Value, String> {
    let site = known(site, rooms)?;
    if head.len() > HEAD_LINES {
        return Err(format!("a log is known by at most {HEAD_LINES} lines"));
    }
    let Begun { log, live_from, others } =
        ask(orders, |answer| Order::ImportBegin(site, head, answer)).await?;
    let reply = BegunReply {
        stream: log.stream.0,
        head: log.head,
        position: log.position,
        tail: log.tail,
        counted_at: log.counted_at.0,
        replay_from: log.replay_from,
        replay_line: log.replay_line,
        span: log.span.map(|span| (span.from.0, span.to.0)),
        left_out: log.left_out.iter().map(LeftOut::numbers).collect(),
        live_from: live_from.map(|at| at.0),
        others: others.iter().map(|(log, span)| (log.0, span.from.0, span.to.0)).collect(),
    };
    serde_json::to_value(reply).map_err(|error| error.to_string())
}

pub(super) async fn salt(site: &str, day: Day, orders: &Sender<Order>) -> Result<Value, String> {
    if !(Day::FIRST..=Day::LAST).contains(&day) {
        return Err("this is no day".to_owned());
    }
    let site = SiteId::parse(site).map_err(|error| format!("site {error}"))?;
    let salt = ask(orders, |answer| Order::ImportSalt(site, day, answer)).await?;
    let reply = SaltReply { salt: salt.salt.0, is_of_beacons: salt.is_of_beacons, is_anew: salt.is_anew };
    serde_json::to_value(reply).map_err(|error| error.to_string())
}

pub(super) async fn edges(
    site: &str,
    but: StreamId,
    minute: u64,
    orders: &Sender<Order>,
) -> Result<Value, String> {
    let site = SiteId::parse(site).map_err(|error| format!("site {error}"))?;
    let edges = ask(orders, |answer| Order::ImportEdges(site, but, minute, answer)).await?;
    let edges = edges.into_iter().map(|(log, edge)| (log.0, edge.second, edge.secret, edge.views));
    serde_json::to_value(edges.collect::<EdgesReply>()).map_err(|error| error.to_string())
}

pub(super) async fn finish(site: Option<&str>, orders: &Sender<Order>) -> Result<Value, String> {
    let site = site.map(SiteId::parse).transpose().map_err(|error| format!("site {error}"))?;
    let finished = ask(orders, |answer| Order::ImportFinish(site, answer)).await?;
    serde_json::to_value(finished).map_err(|error| error.to_string())
}

/// Reads the bytes behind a request and hands them in. The outer error is that of the connection.
pub(super) async fn take(
    bytes: u64,
    read: &mut (impl AsyncReadExt + Unpin),
    rooms: &Rooms,
    orders: &Sender<Order>,
) -> std::io::Result<Result<Value, String>> {
    if bytes > BATCH_BYTES_MAX {
        return Ok(Err(format!("a part of a log has at most {BATCH_BYTES_MAX} bytes")));
    }
    // Room is made as bytes come, so a number alone costs no memory.
    let mut batch = Vec::new();
    read.take(bytes).read_to_end(&mut batch).await?;
    let batch = import::decode(&batch).filter(|batch| known(batch.site.as_str(), rooms).is_ok());
    let Some(batch) = batch else {
        return Ok(Err(
            "this is no part of a log of a site that is configured; are both of one release?".to_owned()
        ));
    };
    let live_from = ask(orders, |answer| Order::ImportBatch(Box::new(batch), answer)).await;
    Ok(live_from.map(|live_from| json!(live_from.map(|at| at.0))))
}

/// The desk of a running daemon.
pub struct DaemonDesk {
    state: PathBuf,
}

impl DaemonDesk {
    /// The desk of the daemon that runs on a state directory.
    #[must_use]
    pub fn new(state: &Path) -> DaemonDesk {
        DaemonDesk { state: state.to_owned() }
    }

    fn ask<T: serde::de::DeserializeOwned>(&self, request: &Request, bytes: &[u8]) -> Result<T, DeskError> {
        let answer = ask_with(&self.state, request, bytes).map_err(|error| match error {
            Unanswered::NoDaemon => DeskError::Away(format!("no daemon runs on {}", self.state.display())),
            Unanswered::BrokenOff(text) => DeskError::Away(text),
            Unanswered::Refused(text) => DeskError::Refused(text),
        })?;
        let odd = |error| DeskError::Refused(format!("the daemon is of another release: {error}"));
        serde_json::from_value(answer).map_err(odd)
    }
}

impl Desk for DaemonDesk {
    fn begin(&mut self, site: &SiteId, head: &[u64]) -> Result<Begun, DeskError> {
        let request = Request::ImportBegin { site: site.as_str().to_owned(), head: head.to_vec() };
        let reply: BegunReply = self.ask(&request, &[])?;
        let span = |(from, to)| Span { from: UnixMillis(from), to: UnixMillis(to) };
        let log = ImportLog {
            stream: StreamId(reply.stream),
            head: reply.head,
            position: reply.position,
            tail: reply.tail,
            counted_at: UnixMillis(reply.counted_at),
            replay_from: reply.replay_from,
            replay_line: reply.replay_line,
            span: reply.span.map(span),
            left_out: reply.left_out.into_iter().map(LeftOut::of_numbers).collect(),
        };
        let others = reply.others.into_iter().map(|(log, from, to)| (StreamId(log), span((from, to))));
        let others = others.collect();
        Ok(Begun { log, live_from: reply.live_from.map(UnixMillis), others })
    }

    fn salt(&mut self, site: &SiteId, day: Day) -> Result<DaySalt, DeskError> {
        let request = Request::ImportSalt { site: site.as_str().to_owned(), day: day.0 };
        let SaltReply { salt, is_of_beacons, is_anew } = self.ask(&request, &[])?;
        Ok(DaySalt { salt: Salt(salt), is_of_beacons, is_anew })
    }

    fn edges(
        &mut self,
        site: &SiteId,
        but: StreamId,
        minute: u64,
    ) -> Result<Vec<(StreamId, EdgeSecond)>, DeskError> {
        let request = Request::ImportEdges { site: site.as_str().to_owned(), but: but.0, minute };
        let reply: EdgesReply = self.ask(&request, &[])?;
        let edge = |(log, second, secret, views)| (StreamId(log), EdgeSecond { second, secret, views });
        Ok(reply.into_iter().map(edge).collect())
    }

    fn take(&mut self, batch: &ImportBatch) -> Result<Option<UnixMillis>, DeskError> {
        let bytes = import::encode(batch);
        let request = Request::ImportBatch { bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX) };
        let live_from: Option<u64> = self.ask(&request, &bytes)?;
        Ok(live_from.map(UnixMillis))
    }

    fn finish(&mut self, site: Option<&SiteId>) -> Result<Finished, DeskError> {
        self.ask(&Request::ImportFinish { site: site.map(|site| site.as_str().to_owned()) }, &[])
    }
}
