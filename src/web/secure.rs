//! Connections with TLS: the handshake, then HTTP/1.1 or HTTP/2 as the client chose (ALPN, RFC 7301).
//!
//! A handshake has a time of its own and may not be one of too many, so that clients who never go on leave
//! room for others. Plain HTTP is told in plain HTTP that this port is another one. A request of HTTP/2 goes
//! the same way as any other; what a connection may hold of unfinished ones is bounded.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use hyper::header::{HOST, HeaderValue};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioExecutor;
use hyper_util::server::graceful::Watcher;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

use super::listen::{Inside, LAST_REQUESTS, Talk, alarmed, connection};
use super::live::Body;
use super::socket::Raw;
use super::strangers::Strange;
use super::wire::{Pulse, UNWANTED_BYTES_MAX, Wire};
use super::{Rooms, proxied, reply, route};
use crate::visitor::PeerAddress;

/// Unfinished handshakes may take one in this many of the connections.
const HANDSHAKES_PART: usize = 4;
/// The record type of a handshake, the first byte of TLS (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 0x16;
/// What is looked at to tell what somebody speaks.
const SPOKEN_BYTES: usize = 16;
/// What is read of a request in plain HTTP, so that its answer is not lost with the connection.
const PLAIN_BYTES_MAX: u64 = 16 << 10;

/// Requests of one connection at a time: a page asks for a handful.
const STREAMS_MAX: u32 = 64;
/// What a client may send of one request before it was read: a whole beacon.
const STREAM_WINDOW_BYTES: u32 = 32 << 10;
/// The same of all requests of a connection.
const CONNECTION_WINDOW_BYTES: u32 = 128 << 10;
/// Heads of requests: what browsers with many cookies send, and no more.
const HEAD_BYTES_MAX: u32 = 16 << 10;
/// What may wait of one answer.
const SEND_BYTES_MAX: usize = 64 << 10;
/// Requests that were taken back before we saw them (CVE-2023-44487); who does more is cut off.
const RESETS_MAX: usize = 20;
/// Mistakes of a client that are answered one by one; who makes more is cut off.
const MISTAKES_MAX: usize = 64;

/// A place among the unfinished handshakes, free again when it is dropped.
struct Place<'a>(&'a Rooms);

impl Place<'_> {
    fn take(rooms: &Rooms) -> Result<Place<'_>, Strange> {
        let max = (rooms.options.connections_max / HANDSHAKES_PART).max(1);
        let place = Place(rooms);
        if rooms.handshakes.fetch_add(1, Ordering::AcqRel) < max {
            Ok(place)
        } else {
            Err(Strange::HandshakesFull)
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.handshakes.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Serves a connection that speaks TLS, from its first byte on.
pub(super) async fn serve(
    inside: Arc<Inside>,
    mut stream: TcpStream,
    mut peer: PeerAddress,
    tls: Arc<ServerConfig>,
    stop: watch::Receiver<bool>,
    watcher: Watcher,
) {
    let rooms = Arc::clone(&inside.rooms);
    let Some(local) = Raw::local(&stream) else { return };
    let handshake = async {
        let _place = Place::take(&rooms)?;
        if rooms.options.proxy_protocol_from.include(peer) {
            peer = proxied::announced(&mut stream, peer).await?;
        }
        shake_hands(stream, tls).await
    };
    let patience = Duration::from_millis(rooms.options.tls.handshake_timeout_ms);
    let stream = match in_time(patience, stop, handshake).await {
        Some(Ok(stream)) => stream,
        Some(Err(strange)) => return rooms.strangers.note(strange, &rooms.clock),
        None => return rooms.strangers.note(Strange::HandshakeLate, &rooms.clock),
    };
    rooms.metrics.tls_handshakes.inc();
    let talk = Talk { inside, peer, local, is_tls: true, pulse: Arc::new(Pulse::default()) };
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        second(talk, stream, watcher).await;
    } else {
        connection(&talk, stream, watcher).await;
    }
}

/// What comes of a piece of work within its time; nothing once the daemon stops, a moment after that.
pub(super) async fn in_time<T>(
    patience: Duration,
    mut stop: watch::Receiver<bool>,
    work: impl Future<Output = T>,
) -> Option<T> {
    let stopped = async {
        stop.wait_for(|stop| *stop).await.ok();
        sleep(LAST_REQUESTS).await;
    };
    tokio::select! {
        done = timeout(patience, work) => done.ok(),
        () = stopped => None,
    }
}

async fn shake_hands(mut stream: TcpStream, tls: Arc<ServerConfig>) -> Result<TlsStream<TcpStream>, Strange> {
    let mut begin = [0; SPOKEN_BYTES];
    let seen = Raw::peek(&stream, &mut begin).await.map_err(|_| Strange::HandshakeFailed)?;
    match &begin[..seen] {
        [HANDSHAKE, ..] => {}
        bytes if proxied::is_header(bytes) => return Err(Strange::ProxyUnlisted),
        [letter, ..] if letter.is_ascii_uppercase() => {
            tell_plain(&mut stream).await.ok();
            return Err(Strange::PlainOnTls);
        }
        _ => return Err(Strange::HandshakeFailed),
    }
    TlsAcceptor::from(tls).accept(stream).await.map_err(|_| Strange::HandshakeFailed)
}

/// Tells a client in plain HTTP that this port speaks https.
async fn tell_plain(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(reply::PLAIN_ON_TLS.as_bytes()).await?;
    stream.shutdown().await?;
    // A socket that closes with unread bytes resets the connection, and the answer may be lost with it.
    tokio::io::copy(&mut stream.take(PLAIN_BYTES_MAX), &mut tokio::io::sink()).await?;
    Ok(())
}

/// HTTP/2: many requests at a time, each of which goes the way of any other.
async fn second(talk: Talk, stream: TlsStream<TcpStream>, watcher: Watcher) {
    let talk = Arc::new(talk);
    let (rooms, pulse) = (Arc::clone(&talk.inside.rooms), Arc::clone(&talk.pulse));
    let service = service_fn(|request| answer(Arc::clone(&talk), request));
    let connection = http2::Builder::new(TokioExecutor::new())
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_header_list_size(HEAD_BYTES_MAX)
        .max_send_buf_size(SEND_BYTES_MAX)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_local_error_reset_streams(MISTAKES_MAX)
        .serve_connection(Wire::new(stream, Arc::clone(&pulse), Arc::clone(&rooms)), service);
    alarmed(watcher.watch(connection), &rooms, &pulse).await;
}

/// One request. A body that does not come does not keep its place.
async fn answer(talk: Arc<Talk>, mut request: Request<Incoming>) -> io::Result<Response<Body>> {
    name_host(&mut request);
    let (head, mut body) = request.into_parts();
    let inside = &talk.inside;
    let parts = (&head, &mut body);
    let answered = route::answer(&inside.rooms, &inside.worker, &inside.measured, parts, talk.ends());
    let patience = Duration::from_millis(inside.rooms.options.idle_timeout_ms);
    let reply = timeout(patience, answered).await.map_err(|_| io::ErrorKind::TimedOut)?;
    // Who does not send the rest gets the answer now.
    timeout(patience, hear_out(&mut body)).await.ok();
    talk.pulse.beat();
    Ok(reply)
}

/// Reads and drops a body that nobody wanted, within bounds: a stream that is answered before it came is reset, and
/// some clients lose the answer with it.
async fn hear_out(body: &mut Incoming) {
    let mut read = 0;
    while read < UNWANTED_BYTES_MAX
        && let Some(Ok(frame)) = body.frame().await
    {
        read += frame.data_ref().map_or(0, Bytes::len);
    }
}

/// HTTP/2 names the host in its own way (`:authority`, RFC 9113, section 8.3.1); the rooms know one.
fn name_host(request: &mut Request<Incoming>) {
    if let Some(authority) = request.uri().authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        request.headers_mut().insert(HOST, host);
    }
}
