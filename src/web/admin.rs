//! The admin listener, read only: alive, ready, metrics.

use std::convert::Infallible;
use std::fmt::Write;
use std::io;
use std::sync::{Arc, PoisonError};

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};

use super::Rooms;
use super::reply::{self, Refusal, Reply};
use super::socket::{Accept, Listener};
use crate::metrics::Family;

/// Serves the admin pages on one listener for as long as the daemon lives.
///
/// # Errors
/// When the listener cannot be used.
pub async fn serve_admin(rooms: Arc<Rooms>, listener: Listener) -> io::Result<()> {
    match listener {
        Listener::Tcp(listener) | Listener::Tls(listener, _) => {
            accept(rooms, tokio::net::TcpListener::from_std(listener)?).await;
        }
        Listener::Unix(listener) => accept(rooms, tokio::net::UnixListener::from_std(listener)?).await,
    }
    Ok(())
}

async fn accept(rooms: Arc<Rooms>, listener: impl Accept) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            rooms.metrics.accept_errors.inc();
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            continue;
        };
        let rooms = Arc::clone(&rooms);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let reply = answer(&rooms, &request);
                async move { Ok::<_, Infallible>(reply) }
            });
            // A scraper that breaks off ends its own connection, no more.
            http1::Builder::new()
                .timer(TokioTimer::new())
                // Whoever has said all and listens still is answered.
                .half_close(true)
                .serve_connection(TokioIo::new(stream), service)
                .await
                .ok();
        });
    }
}

fn answer(rooms: &Rooms, request: &Request<Incoming>) -> Reply {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return reply::refusal(&Refusal::Method("GET, HEAD"));
    }
    match request.uri().path() {
        "/metrics" => reply::metrics(metrics(rooms)),
        "/healthz" => reply::text(StatusCode::OK, "ok\n".to_owned()),
        "/readyz" => readyz(rooms),
        "/" => reply::text(StatusCode::OK, "headcount: /metrics /healthz /readyz\n".to_owned()),
        _ => reply::text(StatusCode::NOT_FOUND, "there are /metrics, /healthz and /readyz\n".to_owned()),
    }
}

fn readyz(rooms: &Rooms) -> Reply {
    let degraded = rooms.state.store_failing.load(std::sync::atomic::Ordering::Acquire);
    match rooms.ready() {
        Err(why) => reply::text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
        Ok(()) if degraded => reply::text(
            StatusCode::OK,
            "ready, degraded: the store refuses; counting goes on in the journal\n".to_owned(),
        ),
        Ok(()) => match rooms.state.fleet().1 {
            Some(why) => reply::text(StatusCode::OK, format!("ready, degraded: {why}\n")),
            None => reply::text(StatusCode::OK, "ready\n".to_owned()),
        },
    }
}

/// The page: what is counted about the process, then what every site shows, then what the last fold
/// found about journal and store.
fn metrics(rooms: &Rooms) -> String {
    let now = rooms.clock.now();
    let mut page = rooms.metrics.page();
    page.push_str(&rooms.named.page(rooms, now));
    page.push_str(&maps(rooms));
    page.push_str(&certificates(rooms));
    page.push_str(&rooms.state.kept.read().unwrap_or_else(PoisonError::into_inner));
    page.push_str(&rooms.state.fleet().0);
    page
}

fn maps(rooms: &Rooms) -> String {
    let mut entries = Family::new("headcount_map_entries", "gauge", "Entries of a bounded map.");
    let mut overflowed =
        Family::new("headcount_map_overflows_total", "counter", "Newcomers that found a bounded map full.");
    entries.line(&[("map", "presence")], rooms.counts.present());
    entries.line(&[("map", "user_agents")], rooms.visitors.agents_len());
    entries.line(&[("map", "snippets")], rooms.cache.len());
    entries.line(&[("map", "live_variants")], rooms.live.variants_len());
    entries.line(&[("map", "site_ids")], rooms.sites().iter().count());
    for map in rooms.guard.maps() {
        entries.line(&[("map", map.name)], map.entries);
        overflowed.line(&[("map", map.name)], map.overflowed);
    }
    let mut clock = Family::new(
        "headcount_clock_ahead_seconds",
        "gauge",
        "How far our clock is ahead of a system clock that stepped back.",
    );
    let mut seconds = String::new();
    write!(seconds, "{}.{:03}", rooms.clock.ahead_ms() / 1_000, rooms.clock.ahead_ms() % 1_000).ok();
    clock.line(&[], seconds);
    [entries, overflowed, clock].map(Family::into_text).concat() + &process(rooms)
}

/// When certificates end; nothing where no TLS is spoken.
fn certificates(rooms: &Rooms) -> String {
    let terms = rooms.certificates.terms();
    if terms.is_empty() {
        return String::new();
    }
    let name = "headcount_tls_certificate_expiry_timestamp_seconds";
    let mut expiry = Family::new(name, "gauge", "When the certificate in a file ends.");
    for term in terms {
        let file = term.file.display().to_string().replace(['"', '\\', '\n'], "?");
        expiry.line(&[("file", &file)], term.until.second());
    }
    expiry.into_text()
}

/// What Prometheus' own names say about a process, read from /proc; lines that cannot be read are
/// left out. (The crate's collector reads /proc/stat, which a sealed unit hides.)
fn process(rooms: &Rooms) -> String {
    let mut text = String::new();
    let mut add = |name: &'static str, kind: &str, help: &str, value: Option<String>| {
        if let Some(value) = value {
            let mut family = Family::new(name, kind, help);
            family.line(&[], value);
            text.push_str(&family.into_text());
        }
    };
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').split_whitespace().next().map(str::to_owned)
    };
    let bytes = |name: &str| field(name)?.parse::<u64>().ok().map(|kib| (kib * 1_024).to_string());
    add("process_resident_memory_bytes", "gauge", "Resident memory.", bytes("VmRSS"));
    add("process_virtual_memory_bytes", "gauge", "Virtual memory.", bytes("VmSize"));
    add("process_threads", "gauge", "Threads.", field("Threads"));
    let open = std::fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count().to_string());
    add("process_open_fds", "gauge", "Open file descriptors.", open);
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let limit = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = limit.and_then(|line| line.split_whitespace().next()).map(str::to_owned);
    add("process_max_fds", "gauge", "The most file descriptors.", soft);
    add("process_cpu_seconds_total", "counter", "User and system time.", cpu_seconds());
    let started = Some(rooms.started.second().to_string());
    add("process_start_time_seconds", "gauge", "When the process began, since 1970.", started);
    text
}

/// Utime and stime of /proc/self/stat, in clock ticks of 10 ms, as Linux has them on every machine
/// that this runs on (proc(5), fields 14 and 15).
fn cpu_seconds() -> Option<String> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let behind_name = stat.rsplit_once(')')?.1;
    let mut fields = behind_name.split_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(format!("{}.{:02}", ticks / 100, ticks % 100))
}
