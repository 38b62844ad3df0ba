//! Accept, connection limits, timeouts, draining.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::rustls::ServerConfig;

use super::route::{self, Ends, Measured};
use super::secure::{self, in_time};
use super::socket::{Accept, Address, Listener, Raw, Stream};
use super::strangers::Strange;
use super::wire::{Pulse, Wire};
use super::{Committer, Rooms, Worker, proxied};
use crate::visitor::PeerAddress;

/// Head of a request: what browsers with many cookies send, and no more.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// After an accept that the system refused (no file handles, say), a breath.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Clients that connected just before a stop have this long to send what they came for; whoever has not
/// begun by then is asked to come back. A request follows its connection within a round trip.
pub(super) const LAST_REQUESTS: Duration = Duration::from_millis(100);
/// How often a worker looks at what has no beacon to drive it: presence, peaks, old streams.
const HOUSEKEEPING: Duration = Duration::from_millis(500);

/// Who has the sockets that a worker listens on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// This process: what waits in their queues when it stops must be taken, or it is refused.
    Own,
    /// A service manager: what waits in their queues is for the process that comes next.
    Managers,
}

/// The public listeners of one worker.
#[derive(Debug)]
pub struct Listeners {
    /// One for each address.
    pub sockets: Vec<Listener>,
    /// Who has them.
    pub keeping: Keeping,
}

/// A worker: serves its listeners until `stop` says so, then finishes what is in flight.
///
/// # Errors
/// When a listener cannot be used.
pub async fn serve(
    rooms: Arc<Rooms>,
    worker: Arc<Worker>,
    mut committer: Committer,
    listeners: Listeners,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let graceful = Arc::new(GracefulShutdown::new());
    let inside = Arc::new(Inside {
        rooms: Arc::clone(&rooms),
        worker: Arc::clone(&worker),
        measured: Measured::new(&rooms.metrics),
    });
    let mut accepting = Vec::new();
    for listener in listeners.sockets {
        let door = Door {
            inside: Arc::clone(&inside),
            graceful: Arc::clone(&graceful),
            keeping: listeners.keeping,
            stop: stop.clone(),
        };
        accepting.push(door.open(listener)?);
    }
    drop(inside);
    let draining =
        tokio::spawn(drain(accepting, graceful, stop, Duration::from_millis(rooms.options.drain_timeout_ms)));
    commit(&rooms, &worker, &mut committer, draining).await;
    Ok(())
}

/// The committer: ends a turn whenever one has records, until all connections are gone.
async fn commit(rooms: &Rooms, worker: &Worker, committer: &mut Committer, draining: JoinHandle<()>) {
    let mut draining = pin!(draining);
    let mut housekeeping = tokio::time::interval(HOUSEKEEPING);
    let (mut drained, mut failing) = (false, false);
    while !drained {
        tokio::select! {
            biased;
            () = worker.due() => {}
            _ = housekeeping.tick() => {
                let now = rooms.clock.now();
                worker.gather_peaks(&rooms.counts);
                if failing {
                    worker.gather_probe(&rooms.sites());
                }
                committer.seal_if_old(now);
            }
            _ = &mut draining => drained = true,
        }
        let written = worker.turn(committer, &rooms.counts, &rooms.metrics, rooms.clock.now());
        match written {
            Some(false) if !failing => rooms.state.journal_failing.fetch_add(1, Ordering::AcqRel),
            Some(true) if failing => rooms.state.journal_failing.fetch_sub(1, Ordering::AcqRel),
            _ => continue,
        };
        failing = !failing;
    }
}

async fn drain(
    accepting: Vec<JoinHandle<()>>,
    graceful: Arc<GracefulShutdown>,
    mut stop: watch::Receiver<bool>,
    deadline: Duration,
) {
    // A sender that is gone means the daemon is gone: stop as well.
    stop.wait_for(|stop| *stop).await.ok();
    for task in accepting {
        task.await.ok();
    }
    let Some(graceful) = Arc::into_inner(graceful) else { return };
    if graceful.count() > 0 {
        tokio::time::sleep(LAST_REQUESTS).await;
    }
    if timeout(deadline, graceful.shutdown()).await.is_err() {
        tracing::warn!("some connections were cut at the end of drain_timeout");
    }
}

/// What every connection of a worker needs.
pub(super) struct Inside {
    pub(super) rooms: Arc<Rooms>,
    pub(super) worker: Arc<Worker>,
    pub(super) measured: Measured,
}

/// One listener of a worker.
struct Door {
    inside: Arc<Inside>,
    graceful: Arc<GracefulShutdown>,
    keeping: Keeping,
    stop: watch::Receiver<bool>,
}

impl Door {
    fn open(self, listener: Listener) -> io::Result<JoinHandle<()>> {
        Ok(match listener {
            Listener::Tcp(listener) => {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                tokio::spawn(self.accept(listener, Door::admit))
            }
            Listener::Unix(listener) => {
                let listener = tokio::net::UnixListener::from_std(listener)?;
                tokio::spawn(self.accept(listener, Door::admit))
            }
            Listener::Tls(listener, tls) => {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                let admit = move |door: &Door, stream, peer| door.admit_tls(stream, peer, Arc::clone(&tls));
                tokio::spawn(self.accept(listener, admit))
            }
        })
    }

    /// Accepts until the stop, and then whoever has been waiting, unless that is left to the process that
    /// comes next.
    async fn accept<L: Accept>(self, listener: L, admit: impl Fn(&Door, L::Stream, PeerAddress)) {
        let mut stop = self.stop.clone();
        let mut stopped = pin!(stop.wait_for(|stop| *stop));
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = &mut stopped => break,
            };
            match accepted {
                Ok((stream, peer)) => admit(&self, stream, peer),
                Err(error) => {
                    self.inside.rooms.metrics.accept_errors.inc();
                    tracing::debug!(%error, "a connection was not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        if self.keeping == Keeping::Own
            && let Ok(listener) = listener.into_blocking()
        {
            // Asked of the system itself, since the runtime may not have heard of them yet.
            while let Some((stream, peer)) = L::waiting(&listener) {
                admit(&self, stream, peer);
            }
        }
    }

    /// A connection in the clear.
    fn admit<S: Raw>(&self, mut stream: S, peer: PeerAddress) {
        let Some(place) = Place::take(&self.inside.rooms) else { return };
        let (inside, watcher) = (Arc::clone(&self.inside), self.graceful.watcher());
        if self.inside.rooms.options.proxy_protocol_from.include(peer) {
            let stop = self.stop.clone();
            tokio::spawn(async move {
                if let Some(peer) = announced(&inside.rooms, &mut stream, peer, stop).await {
                    in_the_clear(inside, stream, peer, watcher).await;
                }
                drop(place);
            });
            return;
        }
        tokio::spawn(async move {
            in_the_clear(inside, stream, peer, watcher).await;
            drop(place);
        });
    }

    fn admit_tls(&self, stream: TcpStream, peer: PeerAddress, tls: Arc<ServerConfig>) {
        let Some(place) = Place::take(&self.inside.rooms) else { return };
        let (inside, watcher, stop) = (Arc::clone(&self.inside), self.graceful.watcher(), self.stop.clone());
        tokio::spawn(async move {
            secure::serve(inside, stream, peer, tls, stop, watcher).await;
            drop(place);
        });
    }
}

/// A place among the connections, free again when it is dropped.
struct Place(Arc<Rooms>);

impl Place {
    fn take(rooms: &Arc<Rooms>) -> Option<Place> {
        if rooms.connections.fetch_add(1, Ordering::AcqRel) >= rooms.options.connections_max {
            rooms.connections.fetch_sub(1, Ordering::AcqRel);
            rooms.metrics.connections_refused.inc();
            return None;
        }
        rooms.metrics.connections.inc();
        Some(Place(Arc::clone(rooms)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::AcqRel);
        self.0.metrics.connections.dec();
    }
}

/// For whom a balancer asks, if it says so in time.
async fn announced<S: Raw>(
    rooms: &Rooms,
    stream: &mut S,
    peer: PeerAddress,
    stop: watch::Receiver<bool>,
) -> Option<PeerAddress> {
    let patience = Duration::from_millis(rooms.options.header_read_timeout_ms);
    let announced = in_time(patience, stop, proxied::announced(stream, peer)).await;
    match announced.unwrap_or(Err(Strange::ProxyLate)) {
        Ok(peer) => Some(peer),
        Err(strange) => {
            rooms.strangers.note(strange, &rooms.clock);
            None
        }
    }
}

async fn in_the_clear<S: Raw>(inside: Arc<Inside>, stream: S, peer: PeerAddress, watcher: Watcher) {
    let Some(local) = stream.local() else { return };
    let talk = Talk { inside, peer, local, is_tls: false, pulse: Arc::new(Pulse::default()) };
    connection(&talk, stream, watcher).await;
}

/// One connection, as all of its requests see it.
pub(super) struct Talk {
    pub(super) inside: Arc<Inside>,
    pub(super) peer: PeerAddress,
    pub(super) local: Address,
    pub(super) is_tls: bool,
    pub(super) pulse: Arc<Pulse>,
}

impl Talk {
    pub(super) fn ends(&self) -> Ends<'_> {
        Ends { peer: self.peer, local: &self.local, is_tls: self.is_tls, pulse: &self.pulse }
    }
}

/// A connection of HTTP/1.1.
pub(super) async fn connection<S: Stream>(talk: &Talk, stream: S, watcher: Watcher) {
    let Inside { rooms, worker, measured } = &*talk.inside;
    let pulse = &talk.pulse;
    let service = service_fn(|request: Request<Incoming>| async {
        let (head, mut body) = request.into_parts();
        let reply = route::answer(rooms, worker, measured, (&head, &mut body), talk.ends()).await;
        pulse.beat();
        Ok::<_, Infallible>(reply)
    });
    let connection = http1::Builder::new()
        .half_close(S::HALF_CLOSE)
        // Head and body leave as one piece: copying a kilobyte costs less than `writev` does.
        .writev(false)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(Wire::new(stream, Arc::clone(pulse), Arc::clone(rooms)), service);
    alarmed(watcher.watch(connection), rooms, pulse).await;
}

/// Serves until the client ends it. It is closed when no request was finished on it for the idle timeout
/// (the first one has less time), which bounds idle clients and slow senders of heads and bodies alike. A
/// live stream counts as busy for as long as it can be written.
pub(super) async fn alarmed(served: impl Future, rooms: &Rooms, pulse: &Pulse) {
    let mut served = pin!(served);
    let mut seen = 0;
    let mut alarm =
        pin!(sleep_until(Instant::now() + Duration::from_millis(rooms.options.header_read_timeout_ms)));
    let mut is_set = false;
    loop {
        let closed = poll_fn(|context| {
            // A client that breaks off or speaks something else ends its own connection, no more.
            if served.as_mut().poll(context).is_ready() {
                return Poll::Ready(true);
            }
            // Once the alarm knows whom to wake, asking it at every turn would only cost.
            if is_set && !alarm.is_elapsed() {
                return Poll::Pending;
            }
            is_set = true;
            alarm.as_mut().poll(context).map(|()| false)
        });
        if closed.await {
            return;
        }
        let beats = pulse.beats();
        if beats == seen {
            return;
        }
        seen = beats;
        alarm.as_mut().reset(Instant::now() + pulse.patience(rooms.options.idle_timeout_ms));
        is_set = false;
    }
}
