//! Sockets to listen on, TCP and unix, and what every connection's bytes can do.
//!
//! A TCP port in use is an error, and so is a unix socket that somebody answers on; one that nobody answers
//! on was left behind by a process that is gone, and makes room.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustix::net::RecvFlags;
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

use crate::visitor::PeerAddress;

/// Connections that the system may hold for us while a turn lasts.
const BACKLOG: i32 = 4_096;

/// What the system may hold of a live stream that is not read, about: some twenty events. Left to itself
/// it would let that grow to megabytes, and a reader that reads again would hear of the past first.
const UNREAD_BYTES_MAX: usize = 16 << 10;

/// What stands before the path of a unix socket.
const UNIX: &str = "unix:";

/// Where somebody listens: `127.0.0.1:8080`, `[::1]:8080` or `unix:/run/headcount.sock`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An address and a port.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

impl Address {
    /// Whether two listeners cannot both have it: port 0 is another port each time.
    #[must_use]
    pub fn is_one_place(&self) -> bool {
        !matches!(self, Address::Tcp(address) if address.port() == 0)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

impl FromStr for Address {
    type Err = std::net::AddrParseError;

    fn from_str(text: &str) -> Result<Address, Self::Err> {
        match text.strip_prefix(UNIX) {
            Some(path) => Ok(Address::Unix(PathBuf::from(path))),
            None => text.parse().map(Address::Tcp),
        }
    }
}

/// Why an address could not be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}{}", hint(address, source))]
pub struct BindError {
    address: Address,
    source: io::Error,
}

fn hint(address: &Address, error: &io::Error) -> &'static str {
    match (error.kind(), address) {
        (io::ErrorKind::AddrInUse, Address::Tcp(_)) => {
            "; another program, or another headcount, has this port"
        }
        (io::ErrorKind::AddrInUse, Address::Unix(_)) => {
            "; another program, or another headcount, answers there"
        }
        (io::ErrorKind::PermissionDenied, Address::Tcp(_)) => {
            "; ports below 1024 need a privilege: let systemd open the socket, or put a web server in front"
        }
        (io::ErrorKind::PermissionDenied, Address::Unix(_)) => "; this user may not write in that directory",
        (io::ErrorKind::NotFound, Address::Unix(_)) => "; make its directory, owned by headcount's user",
        (io::ErrorKind::AlreadyExists, Address::Unix(_)) => {
            "; a file of that name is there and is no socket: move it away, or name another path"
        }
        (io::ErrorKind::AddrNotAvailable, _) => "; this machine has no such address",
        _ => "",
    }
}

/// A socket that connections come in through.
#[derive(Debug)]
pub enum Listener {
    /// By TCP, in the clear.
    Tcp(TcpListener),
    /// From this machine, in the clear. Whoever may connect is trusted.
    Unix(UnixListener),
    /// By TCP, with TLS.
    Tls(TcpListener, Arc<ServerConfig>),
}

impl Listener {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> Option<Address> {
        match self {
            Listener::Tcp(listener) | Listener::Tls(listener, _) => {
                listener.local_addr().ok().map(Address::Tcp)
            }
            Listener::Unix(listener) => listener.local_addr().ok().map(|address| path_of(&address)),
        }
    }

    /// Another handle of the same queue.
    ///
    /// # Errors
    /// When the system has no more handles.
    pub fn try_clone(&self) -> io::Result<Listener> {
        Ok(match self {
            Listener::Tcp(listener) => Listener::Tcp(listener.try_clone()?),
            Listener::Unix(listener) => Listener::Unix(listener.try_clone()?),
            Listener::Tls(listener, tls) => Listener::Tls(listener.try_clone()?, Arc::clone(tls)),
        })
    }
}

fn path_of(address: &std::os::unix::net::SocketAddr) -> Address {
    Address::Unix(address.as_pathname().map_or_else(PathBuf::new, Path::to_owned))
}

/// Listens on an address that nobody else has; port 0 takes a free one.
///
/// # Errors
/// When the address cannot be had.
pub fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    listener(address, false)
}

/// As many listeners on one address as there are workers: the system spreads connections over them.
/// The first takes the address alone, so that a port in use is an error, and lets the others in after that.
///
/// # Errors
/// When the address cannot be had.
pub fn bind_shared(address: SocketAddr, workers: usize) -> Result<Vec<TcpListener>, BindError> {
    let refused = |source| BindError { address: Address::Tcp(address), source };
    let first = bind(address)?;
    let address = first.local_addr().map_err(refused)?;
    SockRef::from(&first).set_reuse_port(true).map_err(refused)?;
    let others = (1..workers).map(|_| listener(address, true));
    std::iter::once(Ok(first)).chain(others).collect()
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
    open().map_err(|source| BindError { address: Address::Tcp(address), source })
}

/// Listens on a unix socket that nobody else answers on; `mode` says who may connect.
///
/// # Errors
/// When the path cannot be had.
pub fn bind_unix(path: &Path, mode: u32) -> Result<(UnixListener, SocketFile), BindError> {
    let open = || {
        make_room(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(path)?)?;
        // Nobody can connect before it listens, so there is no moment with another mode.
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode))?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok((UnixListener::from(socket), SocketFile::of(path)?))
    };
    open().map_err(|source| BindError { address: Address::Unix(path.to_owned()), source })
}

/// Removes a socket that nobody answers on.
fn make_room(path: &Path) -> io::Result<()> {
    let found = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
        _ => Err(io::ErrorKind::AddrInUse.into()),
    }
}

/// The file of a unix socket of ours: removed at the end, unless another process has put its own there.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: Identity,
}

/// What tells one file from another of the same name: device, inode, and the moment it was made, since the
/// numbers of removed files are given again. (Nothing but its making changes the time of a socket.)
type Identity = (u64, u64, i64, i64);

impl SocketFile {
    fn of(path: &Path) -> io::Result<SocketFile> {
        Ok(SocketFile { path: path.to_owned(), identity: identity(path)? })
    }
}

fn identity(path: &Path) -> io::Result<Identity> {
    let found = std::fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino(), found.mtime(), found.mtime_nsec()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            // What cannot be removed is found stale at the next start.
            std::fs::remove_file(&self.path).ok();
        }
    }
}

/// A connection's bytes, as the protocol reads and writes them.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// Whether a client may say that it sends no more and still wait for its answer.
    const HALF_CLOSE: bool;

    /// An error once the other side has hung up. Until then the task is woken by it.
    fn poll_hang_up(&self, context: &mut Context<'_>) -> io::Result<()>;

    /// Bounds what the system holds of what is not read.
    fn narrow(&self);
}

/// A connection as the system gives it.
pub(super) trait Raw: Stream + Sync {
    /// Looks at what has come without taking it; 0 bytes mean that no more will come.
    fn poll_peek(&self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Where it came in.
    fn local(&self) -> Option<Address>;

    /// The same as [`Raw::poll_peek`], to be waited for.
    fn peek(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> + Send {
        poll_fn(|context| self.poll_peek(context, buffer))
    }
}

fn hang_up(stream: &impl Raw, context: &mut Context<'_>) -> io::Result<()> {
    match stream.poll_peek(context, &mut [0]) {
        Poll::Ready(Ok(0)) => Err(io::ErrorKind::ConnectionAborted.into()),
        Poll::Ready(Err(error)) => Err(error),
        Poll::Ready(Ok(_)) | Poll::Pending => Ok(()),
    }
}

impl Stream for TcpStream {
    const HALF_CLOSE: bool = true;

    fn poll_hang_up(&self, context: &mut Context<'_>) -> io::Result<()> {
        hang_up(self, context)
    }

    fn narrow(&self) {
        // Where the system refuses, it holds more.
        SockRef::from(self).set_send_buffer_size(UNREAD_BYTES_MAX).ok();
    }
}

impl Raw for TcpStream {
    fn poll_peek(&self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        TcpStream::poll_peek(self, context, &mut ReadBuf::new(buffer))
    }

    fn local(&self) -> Option<Address> {
        self.local_addr().ok().map(Address::Tcp)
    }
}

impl Stream for UnixStream {
    const HALF_CLOSE: bool = true;

    fn poll_hang_up(&self, context: &mut Context<'_>) -> io::Result<()> {
        hang_up(self, context)
    }

    fn narrow(&self) {
        // Where the system refuses, it holds more.
        SockRef::from(self).set_send_buffer_size(UNREAD_BYTES_MAX).ok();
    }
}

impl Raw for UnixStream {
    fn poll_peek(&self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_read_ready(context))?;
            let peek = || Ok(rustix::net::recv(self, &mut buffer[..], RecvFlags::PEEK)?.1);
            match self.try_io(Interest::READABLE, peek) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                peeked => return Poll::Ready(peeked),
            }
        }
    }

    fn local(&self) -> Option<Address> {
        let address = self.local_addr().ok()?;
        Some(Address::Unix(address.as_pathname().map_or_else(PathBuf::new, Path::to_owned)))
    }
}

/// Behind TLS only the protocol knows whether the other side has hung up: it reads on while it answers, and
/// takes the end of reading for the end.
impl Stream for TlsStream<TcpStream> {
    const HALF_CLOSE: bool = false;

    fn poll_hang_up(&self, _: &mut Context<'_>) -> io::Result<()> {
        Ok(())
    }

    fn narrow(&self) {
        self.get_ref().0.narrow();
    }
}

/// A listener within a runtime.
pub(super) trait Accept: Sized + Send + 'static {
    /// What it accepts.
    type Stream: Raw;
    /// The same listener outside of one.
    type Blocking;

    /// The next connection.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, PeerAddress)>> + Send;

    /// The listener as the system knows it.
    fn into_blocking(self) -> io::Result<Self::Blocking>;

    /// A connection that waits in the system's queue, whether or not the runtime has heard of it.
    fn waiting(listener: &Self::Blocking) -> Option<(Self::Stream, PeerAddress)>;
}

impl Accept for tokio::net::TcpListener {
    type Stream = TcpStream;
    type Blocking = TcpListener;

    async fn accept(&self) -> io::Result<(TcpStream, PeerAddress)> {
        let (stream, peer) = tokio::net::TcpListener::accept(self).await?;
        stream.set_nodelay(true).ok();
        Ok((stream, PeerAddress::Ip(peer.ip())))
    }

    fn into_blocking(self) -> io::Result<TcpListener> {
        self.into_std()
    }

    fn waiting(listener: &TcpListener) -> Option<(TcpStream, PeerAddress)> {
        let (stream, peer) = listener.accept().ok()?;
        stream.set_nonblocking(true).ok()?;
        stream.set_nodelay(true).ok();
        Some((TcpStream::from_std(stream).ok()?, PeerAddress::Ip(peer.ip())))
    }
}

impl Accept for tokio::net::UnixListener {
    type Stream = UnixStream;
    type Blocking = UnixListener;

    async fn accept(&self) -> io::Result<(UnixStream, PeerAddress)> {
        let (stream, _) = tokio::net::UnixListener::accept(self).await?;
        Ok((stream, PeerAddress::Unix))
    }

    fn into_blocking(self) -> io::Result<UnixListener> {
        self.into_std()
    }

    fn waiting(listener: &UnixListener) -> Option<(UnixStream, PeerAddress)> {
        let (stream, _) = listener.accept().ok()?;
        stream.set_nonblocking(true).ok()?;
        Some((UnixStream::from_std(stream).ok()?, PeerAddress::Unix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_written() {
        for text in ["127.0.0.1:8080", "[::1]:80", "unix:/run/headcount.sock"] {
            assert_eq!(text.parse::<Address>().map(|address| address.to_string()), Ok(text.to_owned()));
        }
        assert!("localhost:80".parse::<Address>().is_err());
    }

    #[test]
    fn workers_share_a_port_that_nobody_else_gets() {
        let listeners = bind_shared(([127, 0, 0, 1], 0).into(), 3).expect("a port is free");
        let address = listeners[0].local_addr().expect("is bound");
        for refused in [bind(address).map(drop), bind_shared(address, 3).map(drop)] {
            let said = refused.expect_err("is taken").to_string();
            assert!(said.contains("another headcount, has this port"), "{said}");
        }
        let clients = (0..300).map(|_| std::net::TcpStream::connect(address).expect("is listened on"));
        let clients: Vec<_> = clients.collect();
        let taken = listeners.iter().map(|listener| std::iter::from_fn(|| listener.accept().ok()).count());
        let taken: Vec<usize> = taken.collect();
        assert!(taken.iter().all(|taken| *taken > 0), "each has some: {taken:?}");
        assert_eq!(taken.iter().sum::<usize>(), clients.len());
    }

    #[test]
    fn a_socket_that_nobody_answers_on_makes_room_and_no_other_file_does() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("socket");
        let (first, file) = bind_unix(&path, 0o640).expect("is free");
        let mode = std::fs::metadata(&path).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        let refused = bind_unix(&path, 0o600).expect_err("is answered on").to_string();
        assert!(refused.contains("another headcount, answers there"), "{refused}");
        drop(first);
        // Times of files move in steps of some milliseconds.
        std::thread::sleep(std::time::Duration::from_millis(30));
        let (second, newer) = bind_unix(&path, 0o600).expect("nobody answers");
        drop(file);
        assert!(path.exists(), "it is another's by now");
        drop((second, newer));
        assert!(!path.exists());
        std::fs::write(&path, "a diary").expect("is written");
        let refused = bind_unix(&path, 0o600).expect_err("is no socket").to_string();
        assert!(refused.contains("is no socket: move it away"), "{refused}");
        assert_eq!(std::fs::read_to_string(&path).expect("is left alone"), "a diary");
    }
}
