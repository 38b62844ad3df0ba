//! Sockets that a service manager has opened and keeps: systemd's socket activation.
//!
//! The manager hands them down as file descriptors from 3 on and says in `LISTEN_FDNAMES` what each is
//! for, after `sd_listen_fds(3)`. They outlive the process, so that a restart refuses nobody. What is
//! handed down is all that is served: no address of the configuration is opened beside it. The room does
//! not read the environment; whoever calls has.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use listenfd::ListenFd;
use socket2::SockRef;

use super::socket::Listener;

/// The most sockets that are taken over; more are a mistake in the unit.
pub const PASSED_MAX: usize = 64;
/// The first descriptor that is handed down, by the protocol.
const FIRST: usize = 3;

/// The sockets that were handed down, by what they are for.
#[derive(Debug, Default)]
pub struct Passed {
    /// For beacons and snippets; there is at least one here or with TLS.
    pub public: Vec<Listener>,
    /// The same with TLS.
    pub tls: Vec<TcpListener>,
    /// For metrics and health.
    pub admin: Vec<Listener>,
}

/// Why a socket that was handed down cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum PassedError {
    /// Nobody opens that many.
    #[error(
        "LISTEN_FDS={count:?} is no number of sockets from 0 to {PASSED_MAX}; a service manager sets that variable, so \
         unset it if there is none"
    )]
    Count {
        /// What the variable says.
        count: String,
    },
    /// It is of another kind.
    #[error(
        "file descriptor {fd} ({name}), which the service manager passed, {is}; give the .socket unit a \
         ListenStream= with a TCP port{}",
        if name == "tls" { "" } else { ", or with a path" }
    )]
    Kind {
        /// The descriptor's number.
        fd: usize,
        /// The name it came with.
        name: String,
        /// What it is.
        is: &'static str,
    },
    /// Nobody knows what it is for.
    #[error(
        "file descriptor {fd}, which the service manager passed, is called {name:?}; \
         write FileDescriptorName=public or FileDescriptorName=admin into its .socket unit, or FileDescriptorName=tls"
    )]
    Name {
        /// The descriptor's number.
        fd: usize,
        /// The name it came with.
        name: String,
    },
    /// There is none for beacons.
    #[error(
        "the service manager passed no socket for beacons; write FileDescriptorName=public into one .socket \
         unit, and name that unit in Sockets= of headcount.service"
    )]
    NoPublic,
}

impl Passed {
    /// Takes over what was handed down; `None` when nothing was. `names` are those of `LISTEN_FDNAMES`,
    /// in the same order; a socket without a name is public.
    ///
    /// # Errors
    /// When one of them is no listening socket of TCP or unix streams, or has a name that says nothing to us.
    pub fn take(mut sockets: ListenFd, names: &[String]) -> Result<Option<Passed>, PassedError> {
        if sockets.len() == 0 {
            return Ok(None);
        }
        let mut passed = Passed::default();
        for place in 0..sockets.len().min(PASSED_MAX) {
            let fd = FIRST + place;
            let name = names.get(place).map_or("", String::as_str);
            let kind = |is| PassedError::Kind { fd, name: name.to_owned(), is };
            match name {
                // "unknown" stands for no name in the protocol.
                "public" | "unknown" | "" => {
                    passed.public.push(any_listener(&mut sockets, place).map_err(kind)?);
                }
                "admin" => passed.admin.push(any_listener(&mut sockets, place).map_err(kind)?),
                "tls" => passed.tls.push(listener(&mut sockets, place).map_err(kind)?),
                _ => return Err(PassedError::Name { fd, name: name.to_owned() }),
            }
        }
        let is_empty = passed.public.is_empty() && passed.tls.is_empty();
        if is_empty { Err(PassedError::NoPublic) } else { Ok(Some(passed)) }
    }
}

/// The listener at a place, TCP or unix, or in words what is there instead.
fn any_listener(sockets: &mut ListenFd, place: usize) -> Result<Listener, &'static str> {
    match sockets.take_unix_listener(place) {
        Ok(Some(listener)) => unix_listener(listener).map(Listener::Unix),
        _ => listener(sockets, place).map(Listener::Tcp),
    }
}

fn unix_listener(listener: UnixListener) -> Result<UnixListener, &'static str> {
    if !SockRef::from(&listener).is_listener().unwrap_or(false) {
        return Err("is a unix socket that does not listen (Accept=yes, perhaps)");
    }
    listener.set_nonblocking(true).map_err(|_| "cannot be set to non-blocking")?;
    Ok(listener)
}

/// The TCP listener at a place, or in words what is there instead.
fn listener(sockets: &mut ListenFd, place: usize) -> Result<TcpListener, &'static str> {
    let Ok(Some(listener)) = sockets.take_tcp_listener(place) else {
        return Err(kind(sockets, place));
    };
    if !SockRef::from(&listener).is_listener().unwrap_or(false) {
        return Err("is a TCP socket that does not listen (Accept=yes, perhaps)");
    }
    listener.set_nonblocking(true).map_err(|_| "cannot be set to non-blocking")?;
    Ok(listener)
}

/// What is there that is no TCP socket.
fn kind(sockets: &mut ListenFd, place: usize) -> &'static str {
    if sockets.take_udp_socket(place).is_ok_and(|taken| taken.is_some()) {
        "is a UDP socket (ListenDatagram=)"
    } else if sockets.take_unix_listener(place).is_ok_and(|taken| taken.is_some()) {
        "is a unix socket"
    } else if sockets.take_unix_datagram(place).is_ok_and(|taken| taken.is_some()) {
        "is a unix datagram socket (ListenDatagram=)"
    } else {
        "is no socket, or of a kind that headcount does not know"
    }
}
