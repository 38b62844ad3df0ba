//! control.sock: whatever changes numbers, and what other commands ask a running daemon.
//!
//! A socket in the state directory, mode 0600. A request is one line of JSON, its answer another:
//! `{"ok": …}` or `{"error": "…"}`. Who asks is known by the system (the peer's uid), not by word.

mod imports;

use std::fs::Permissions;
use std::io::{self, BufRead, BufReader, Write};
use std::num::NonZeroI64;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;

pub use self::imports::DaemonDesk;
use crate::beacon::PageUrl;
use crate::health::Vitals;
use crate::keeper::{Answer, Order};
use crate::rows::LocalDay;
use crate::sites::Site;
use crate::store::{Adjustment, Batch, Brought, Earlier, Reason, Scope, Source};
use crate::web::Rooms;
use crate::words::{Day, Figure, PagePath, SiteId, StreamId, UnixMillis};

/// The longest line of a request: an old counter's half a million pages fit. Only this daemon's own user
/// can connect.
pub const REQUEST_BYTES_MAX: u64 = 128 << 20;

/// A daemon that does not say how it is within this time is not well.
const STATUS_PATIENCE: Duration = Duration::from_secs(5);

/// What can be asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Request {
    /// The numbers of every site.
    Sites,
    /// How the daemon is, on one screen.
    Status,
    /// Every question of the doctor with its answer.
    Doctor,
    /// A correction of a number.
    Adjust {
        /// The site's id.
        site: String,
        /// What is corrected, and by how much.
        #[serde(flatten)]
        change: Change,
        /// Why.
        reason: String,
    },
    /// An old counter's numbers, all of them or none.
    BringAlong {
        /// The site's id.
        site: String,
        /// What is corrected.
        changes: Vec<Change>,
        /// Why, for each of them.
        reason: String,
        /// Where the numbers come from.
        source: String,
        /// What becomes of earlier ones of the same system.
        earlier: Earlier,
        /// Whether nothing is to be changed.
        dry_run: bool,
    },
    /// A backup into a new file.
    Backup {
        /// Its whole path.
        path: PathBuf,
    },
    /// The end of a site's rows.
    RemoveSite {
        /// The site's id.
        site: String,
    },
    /// Fold now.
    Fold,
    /// How far a log is counted.
    ImportBegin {
        /// The site's id.
        site: String,
        /// Hashes of the log's first lines.
        head: Vec<u64>,
    },
    /// The salt of a day of a log of a site.
    ImportSalt {
        /// The site's id.
        site: String,
        /// The day, since 1970-01-01.
        day: i32,
    },
    /// What other logs tell of a minute at their edges.
    ImportEdges {
        /// The site's id.
        site: String,
        /// The log that asks.
        but: u64,
        /// The minute, since 1970-01-01T00:00:00Z.
        minute: u64,
    },
    /// A part of a log, in the bytes behind the line.
    ImportBatch {
        /// How many.
        bytes: u64,
    },
    /// The end of imported days.
    ImportFinish {
        /// The site's id; none is all.
        site: Option<String>,
    },
}

/// A change of one number.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Change {
    /// `views` or `visits`.
    pub figure: String,
    /// What to add, or to take away.
    pub amount: i64,
    /// `YYYY-MM-DD`; without it, and without a page, the total alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<String>,
    /// The page whose all-time numbers are meant, as a path or URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
}

/// What bringing numbers along has done, or would do.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct BroughtReply {
    /// The site's views from now on.
    pub views: u64,
    /// The site's visits from now on.
    pub visits: u64,
    /// Views that were taken back of the total.
    pub views_taken_back: u64,
    /// Visits that were taken back of the total.
    pub visits_taken_back: u64,
    /// Adjustments that took something back.
    pub adjustments_taken_back: usize,
}

impl BroughtReply {
    /// As the store says it.
    #[must_use]
    pub fn of(brought: &Brought) -> BroughtReply {
        let taken_back = brought.taken_back_of_total();
        BroughtReply {
            views: brought.total.views,
            visits: brought.total.visits,
            views_taken_back: taken_back.views,
            visits_taken_back: taken_back.visits,
            adjustments_taken_back: brought.taken_back.len(),
        }
    }
}

/// Who changes numbers of which site, when and why.
#[derive(Clone, Debug)]
pub struct Audit<'a> {
    /// The site as it is configured.
    pub site: &'a Site,
    /// Who.
    pub who: String,
    /// When.
    pub at: UnixMillis,
    /// Why, in the words that were given.
    pub reason: &'a str,
}

/// Listens, and answers for as long as the runtime lives.
///
/// # Errors
/// When the socket cannot be made.
pub fn listen(path: &Path, vitals: Arc<Vitals>, orders: Sender<Order>) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let (vitals, orders) = (Arc::clone(&vitals), orders.clone());
            tokio::spawn(async move {
                // Who hangs up does not want the answer.
                serve(stream, &vitals, &orders).await.ok();
            });
        }
    });
    Ok(())
}

async fn serve(stream: UnixStream, vitals: &Vitals, orders: &Sender<Order>) -> io::Result<()> {
    let who = stream.peer_cred().map(|peer| format!("uid {}", peer.uid()))?;
    let (read, mut write) = stream.into_split();
    let mut read = tokio::io::BufReader::new(read);
    let mut line = String::new();
    (&mut read).take(REQUEST_BYTES_MAX).read_line(&mut line).await?;
    let answer = match serde_json::from_str(&line) {
        Ok(Request::ImportBatch { bytes }) => imports::take(bytes, &mut read, &vitals.rooms, orders).await?,
        Ok(Request::Status) => Ok(vitals.status()),
        Ok(Request::Doctor) => Ok(vitals.examination()),
        Ok(request) => answer(request, who, &vitals.rooms, orders).await,
        Err(error) => Err(format!("this is no request: {error}")),
    };
    let answer = match answer {
        Ok(value) => json!({ "ok": value }),
        Err(error) => json!({ "error": error }),
    };
    write.write_all(format!("{answer}\n").as_bytes()).await
}

async fn answer(
    request: Request,
    who: String,
    rooms: &Rooms,
    orders: &Sender<Order>,
) -> Result<Value, String> {
    match request {
        Request::Sites => Ok(sites(rooms)),
        Request::Adjust { site, change, reason } => {
            let site = configured(rooms, &site)?;
            let audit = Audit { site: &site, who, at: rooms.clock.now(), reason: &reason };
            let adjustment = audit.adjustment(&change)?;
            let total = ask(orders, |answer| Order::Adjust(adjustment, answer)).await?;
            Ok(json!({ "views": total.views, "visits": total.visits }))
        }
        Request::BringAlong { site, changes, reason, source, earlier, dry_run } => {
            let site = configured(rooms, &site)?;
            let audit = Audit { site: &site, who, at: rooms.clock.now(), reason: &reason };
            let batch = audit.batch(&changes, &source, earlier)?;
            let order = if dry_run { Order::TryAlong } else { Order::BringAlong };
            let brought = ask(orders, |answer| order(batch, answer)).await?;
            serde_json::to_value(BroughtReply::of(&brought)).map_err(|error| error.to_string())
        }
        Request::Backup { path } => {
            ask(orders, |answer| Order::Backup(path, answer)).await.map(|()| Value::Null)
        }
        Request::RemoveSite { site } => {
            let site = SiteId::parse(&site).map_err(|error| format!("site {error}"))?;
            ask(orders, |answer| Order::RemoveSite(site, answer)).await.map(Value::Bool)
        }
        Request::Fold => ask(orders, Order::Fold).await.map(|()| Value::Null),
        Request::ImportBegin { site, head } => imports::begin(&site, head, rooms, orders).await,
        Request::ImportSalt { site, day } => imports::salt(&site, Day(day), orders).await,
        Request::ImportEdges { site, but, minute } => {
            imports::edges(&site, StreamId(but), minute, orders).await
        }
        Request::ImportFinish { site } => imports::finish(site.as_deref(), orders).await,
        // Answered where the connection is.
        Request::Status | Request::Doctor | Request::ImportBatch { .. } => {
            Err("a part of a log needs its bytes".to_owned())
        }
    }
}

async fn ask<T>(orders: &Sender<Order>, order: impl FnOnce(Answer<T>) -> Order) -> Result<T, String> {
    let (answer, answered) = oneshot::channel();
    orders.send(order(answer)).map_err(|_| "the daemon is stopping".to_owned())?;
    let done = answered.await.map_err(|_| "the daemon is stopping".to_owned())?;
    done.map_err(|error| with_sources(&error))
}

/// An error and what caused it, in one line.
#[must_use]
pub fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = cause.source();
    }
    text
}

fn configured(rooms: &Rooms, site: &str) -> Result<Arc<Site>, String> {
    let id = SiteId::parse(site).map_err(|error| format!("site {error}"))?;
    let placed = rooms.sites().find(id.as_str()).cloned();
    placed.map(|placed| placed.site).ok_or_else(|| format!("there is no site {id} in the configuration"))
}

impl Audit<'_> {
    /// Reads a change.
    ///
    /// # Errors
    /// When one of its words is no figure, amount, day or page, the day has not come yet, or the reason
    /// is none.
    pub fn adjustment(&self, change: &Change) -> Result<Adjustment, String> {
        let figure = match change.figure.as_str() {
            "views" => Figure::Views,
            "visits" => Figure::Visits,
            _ => return Err("the figure must be views or visits".to_owned()),
        };
        Ok(Adjustment {
            site: self.site.id.clone(),
            figure,
            amount: NonZeroI64::new(change.amount).ok_or("the amount must not be 0")?,
            scope: self.scope(change)?,
            reason: Reason::parse(self.reason).map_err(|error| error.to_string())?,
            who: self.who.clone(),
            at: self.at,
        })
    }

    /// Reads changes that belong together.
    ///
    /// # Errors
    /// As [`Audit::adjustment`], and when `source` is none.
    pub fn batch(&self, changes: &[Change], source: &str, earlier: Earlier) -> Result<Batch, String> {
        let adjustments = changes.iter().map(|change| self.adjustment(change)).collect::<Result<_, _>>()?;
        let taken_back = format!("replaced by {}", self.reason);
        Ok(Batch {
            site: self.site.id.clone(),
            adjustments,
            source: Source::parse(source).ok_or("the source is none")?,
            earlier,
            taken_back: Reason::parse(&taken_back).map_err(|error| error.to_string())?,
            who: self.who.clone(),
            at: self.at,
        })
    }

    fn scope(&self, change: &Change) -> Result<Scope, String> {
        match (&change.day, &change.page) {
            (None, None) => Ok(Scope::Total),
            (Some(day), None) => self.day(day).map(Scope::Day),
            (None, Some(page)) => self.page(page).map(Scope::Page),
            (Some(_), Some(_)) => Err("a day or a page can be corrected, not a page on a day".to_owned()),
        }
    }

    fn day(&self, day: &str) -> Result<Day, String> {
        let day: Day = day.parse().map_err(|_| "the day must be a date such as 2026-11-22".to_owned())?;
        let today = LocalDay::of(self.at, &self.site.time_zone).day;
        if day > today {
            return Err(format!("{day} has not come yet; today is {today}"));
        }
        Ok(day)
    }

    fn page(&self, page: &str) -> Result<PagePath, String> {
        if page == PagePath::OTHER {
            return Ok(PagePath::other());
        }
        let folded = PageUrl::asked(page).map(|url| url.page(&self.site.page_parameters));
        let wanted = "the page must be a path that begins with /, or an http(s) URL";
        folded.ok_or(wanted)?.map_err(|error| format!("the page {error}"))
    }
}

fn sites(rooms: &Rooms) -> Value {
    let now = rooms.clock.now();
    let one = |placed: &crate::sites::Placed| {
        let numbers = rooms.counts.numbers(placed.number, None, now)?;
        let last = rooms.counts.extent(placed.number).and_then(|(_, last)| last);
        let refused = rooms.refused_last_hour(placed.number, now);
        let refused: serde_json::Map<_, _> =
            refused.into_iter().map(|(reason, count)| (reason.as_str().to_owned(), json!(count))).collect();
        Some(json!({
            "site": placed.site.id.as_str(),
            "online": numbers.online,
            "total": { "views": numbers.total.views, "visits": numbers.total.visits },
            "today": { "views": numbers.today.views, "visits": numbers.today.visits, "visitors": numbers.today_visitors },
            "last_beacon_seconds_ago": last.map(|at| now.since(at) / 1_000),
            "refused_last_hour": refused,
        }))
    };
    Value::Array(rooms.sites().iter().filter_map(one).collect())
}

/// Asks a running daemon; `None` when none runs on this state directory.
///
/// # Errors
/// When the daemon refuses, with its words, or breaks off.
pub fn ask_daemon(state: &Path, request: &Request) -> Result<Option<Value>, String> {
    match ask_with(state, request, &[]) {
        Ok(answer) => Ok(Some(answer)),
        Err(Unanswered::NoDaemon) => Ok(None),
        Err(Unanswered::BrokenOff(error) | Unanswered::Refused(error)) => Err(error),
    }
}

/// Why a request has no good answer.
enum Unanswered {
    /// No daemon runs.
    NoDaemon,
    /// It cannot be reached, or went away before it answered.
    BrokenOff(String),
    /// It said no.
    Refused(String),
}

/// Asks with bytes behind the line.
fn ask_with(state: &Path, request: &Request, bytes: &[u8]) -> Result<Value, Unanswered> {
    let path = state.join("control.sock");
    let mut stream = match BlockingStream::connect(&path) {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Err(Unanswered::NoDaemon);
        }
        Err(error) => {
            let hint = match error.kind() {
                io::ErrorKind::PermissionDenied => "; run this as its user, or as root",
                _ => "",
            };
            let text = format!("cannot reach the daemon on {}: {error}{hint}", path.display());
            return Err(Unanswered::BrokenOff(text));
        }
    };
    if matches!(request, Request::Status | Request::Doctor) {
        stream.set_read_timeout(Some(STATUS_PATIENCE)).ok();
    }
    let broken = |error: io::Error| {
        Unanswered::BrokenOff(match error.kind() {
            io::ErrorKind::WouldBlock => format!("the daemon runs and does not answer on {}", path.display()),
            _ => format!("the daemon broke off: {error}"),
        })
    };
    let line = serde_json::to_string(request).map_err(|error| Unanswered::Refused(error.to_string()))?;
    stream
        .write_all(format!("{line}\n").as_bytes())
        .and_then(|()| stream.write_all(bytes))
        .map_err(broken)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).map_err(broken)?;
    let mut answer: Value = serde_json::from_str(&answer)
        .map_err(|_| Unanswered::BrokenOff("the daemon broke off".to_owned()))?;
    match answer.get("error").and_then(Value::as_str) {
        Some(error) => Err(Unanswered::Refused(error.to_owned())),
        None => Ok(answer["ok"].take()),
    }
}
