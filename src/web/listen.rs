//! Accept, connection limits, timeouts, draining.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::server::graceful::GracefulShutdown;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::route::{self, Ends, Measured};
use super::wire::{Pulse, Wire};
use super::{Committer, Rooms, Worker};

/// Connections that the system may hold for us while a turn lasts.
const BACKLOG: i32 = 4_096;
/// Head of a request: what browsers with many cookies send, and no more.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// After an accept that the system refused (no file handles, say), a breath.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Clients that connected just before a stop have this long to send what they came for; whoever has not
/// begun by then is asked to come back. A request follows its connection within a round trip.
const LAST_REQUESTS: Duration = Duration::from_millis(100);
/// How often a worker looks at what has no beacon to drive it: presence, peaks, old streams.
const HOUSEKEEPING: Duration = Duration::from_millis(500);

/// Why an address could not be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}{}", hint(source))]
pub struct BindError {
    address: SocketAddr,
    source: io::Error,
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; another program, or another headcount, has this port",
        io::ErrorKind::PermissionDenied => "; ports below 1024 need a privilege: put nginx in front",
        io::ErrorKind::AddrNotAvailable => "; this machine has no such address",
        _ => "",
    }
}

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
    pub sockets: Vec<TcpListener>,
    /// Who has them.
    pub keeping: Keeping,
}

/// Listens on an address that nobody else has; port 0 takes a free one.
///
/// # Errors
/// When the address cannot be had.
pub fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    listener(address, false)
}

/// As many listeners on one address as there are workers: the system spreads connections over them.
/// The address is taken alone first, so that a port in use is an error.
///
/// # Errors
/// When the address cannot be had.
pub fn bind_shared(address: SocketAddr, workers: usize) -> Result<Vec<TcpListener>, BindError> {
    let refused = |source| BindError { address, source };
    let alone = bind(address)?;
    let address = alone.local_addr().map_err(refused)?;
    drop(alone);
    (0..workers).map(|_| listener(address, true)).collect()
}

fn listener(address: SocketAddr, shared: bool) -> Result<TcpListener, BindError> {
    let open = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if shared {
            socket.set_reuse_port(true)?;
        }
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(TcpListener::from(socket))
    };
    open().map_err(|source| BindError { address, source })
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
    let mut accepting = Vec::new();
    for listener in listeners.sockets {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let door = Door {
            rooms: Arc::clone(&rooms),
            worker: Arc::clone(&worker),
            measured: Arc::new(Measured::new(&rooms.metrics)),
            graceful: Arc::clone(&graceful),
        };
        accepting.push(tokio::spawn(door.open(listener, listeners.keeping, stop.clone())));
    }
    let draining =
        tokio::spawn(drain(accepting, graceful, stop, Duration::from_millis(rooms.options.drain_timeout_ms)));
    commit(&rooms, &worker, &mut committer, draining).await;
    Ok(())
}

/// The committer: ends a turn whenever one has records, until all connections are gone.
async fn commit(
    rooms: &Rooms,
    worker: &Worker,
    committer: &mut Committer,
    draining: tokio::task::JoinHandle<()>,
) {
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
    accepting: Vec<tokio::task::JoinHandle<()>>,
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

/// What a connection needs that comes in through one listener.
struct Door {
    rooms: Arc<Rooms>,
    worker: Arc<Worker>,
    measured: Arc<Measured>,
    graceful: Arc<GracefulShutdown>,
}

impl Door {
    /// Accepts until the stop, and then whoever has been waiting, unless that is left to the process that
    /// comes next.
    async fn open(
        self,
        listener: tokio::net::TcpListener,
        keeping: Keeping,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut stopped = pin!(stop.wait_for(|stop| *stop));
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = &mut stopped => break,
            };
            match accepted {
                Ok((stream, peer)) => self.admit(stream, peer),
                Err(error) => {
                    self.rooms.metrics.accept_errors.inc();
                    tracing::debug!(%error, "a connection was not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        if keeping == Keeping::Own
            && let Ok(listener) = listener.into_std()
        {
            // Asked of the system itself, since the runtime may not have heard of them yet.
            while let Ok((stream, peer)) = listener.accept() {
                if stream.set_nonblocking(true).is_ok()
                    && let Ok(stream) = TcpStream::from_std(stream)
                {
                    self.admit(stream, peer);
                }
            }
        }
    }

    fn admit(&self, stream: TcpStream, peer: SocketAddr) {
        let rooms = &self.rooms;
        if rooms.connections.fetch_add(1, Ordering::AcqRel) >= rooms.options.connections_max {
            rooms.connections.fetch_sub(1, Ordering::AcqRel);
            rooms.metrics.connections_refused.inc();
            return;
        }
        rooms.metrics.connections.inc();
        let watcher = self.graceful.watcher();
        let (rooms, worker, measured) =
            (Arc::clone(rooms), Arc::clone(&self.worker), Arc::clone(&self.measured));
        tokio::spawn(async move {
            connection(&rooms, &worker, &measured, stream, peer, watcher).await;
            rooms.connections.fetch_sub(1, Ordering::AcqRel);
            rooms.metrics.connections.dec();
        });
    }
}

/// One connection. It is closed when no request was finished on it for the idle timeout (the first
/// one has less time), which bounds idle clients and slow senders of heads and bodies alike. A live
/// stream counts as busy for as long as it can be written.
async fn connection(
    rooms: &Arc<Rooms>,
    worker: &Arc<Worker>,
    measured: &Arc<Measured>,
    stream: TcpStream,
    peer: SocketAddr,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let Ok(local) = stream.local_addr() else { return };
    stream.set_nodelay(true).ok();
    let pulse = Arc::new(Pulse::default());
    let ends = Ends { peer, local, pulse: &pulse };
    let service = service_fn(|request| async {
        let reply = route::answer(rooms, worker, measured, request, ends).await;
        pulse.beat();
        Ok::<_, Infallible>(reply)
    });
    let connection = http1::Builder::new()
        .half_close(true)
        // Head and body leave as one piece: copying a kilobyte costs less than `writev` does.
        .writev(false)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(Wire::new(stream, Arc::clone(&pulse), Arc::clone(rooms)), service);
    let mut served = pin!(watcher.watch(connection));
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
