//! The sockets that are served: those that a service manager passed, or the addresses of the
//! configuration.

use std::io;
use std::sync::Arc;

use super::DaemonError;
use crate::config::Config;
use crate::web::{self, Address, BindError, Certificates, Keeping, Listener, Listeners, Passed, SocketFile};

/// Every socket, before anybody is served.
pub(super) struct Door {
    /// One set for each worker.
    pub(super) public: Vec<Listeners>,
    /// For metrics and health.
    pub(super) admin: Vec<Listener>,
    /// Where the public ones are.
    pub(super) addresses: Addresses,
    /// Removed when it is dropped.
    pub(super) files: Vec<SocketFile>,
}

/// Where readers find us.
#[derive(Clone, Debug, Default)]
pub(super) struct Addresses {
    /// In the clear.
    pub(super) plain: Vec<Address>,
    /// With TLS.
    pub(super) tls: Vec<Address>,
}

/// Opens the sockets: those that were passed, else those of the configuration.
///
/// # Errors
/// When one of them cannot be had, or there is TLS without a certificate.
pub(super) fn open(
    config: &Config,
    passed: Option<Passed>,
    certificates: &Arc<Certificates>,
    workers: usize,
) -> Result<Door, DaemonError> {
    let system = |source| DaemonError::System { doing: "share a socket", source };
    match passed {
        None => {
            let mut files = Vec::new();
            let mut public = bind(config, workers, &mut files)?;
            if !config.web.tls.listen.is_empty() {
                let tls = certificates.server()?;
                for address in &config.web.tls.listen {
                    let listeners = bind_all(address, config, workers, &mut files)?;
                    public.push(listeners.into_iter().map(|listener| with_tls(listener, &tls)).collect());
                }
            }
            let admin = bind_admin(config, &mut files)?;
            let addresses = addresses(public.iter().filter_map(|all| all.first()));
            let mut worker = || Listeners {
                sockets: public.iter_mut().filter_map(Vec::pop).collect(),
                keeping: Keeping::Own,
            };
            let public = (0..workers).map(|_| worker()).collect();
            Ok(Door { public, admin, addresses, files })
        }
        Some(passed) => {
            let mut public = passed.public;
            if !passed.tls.is_empty() {
                let tls = certificates.server()?;
                public
                    .extend(passed.tls.into_iter().map(|listener| Listener::Tls(listener, Arc::clone(&tls))));
            }
            share(&public, passed.admin, workers).map_err(system)
        }
    }
}

/// Listeners of each public address in the clear, as many as there are workers.
fn bind(
    config: &Config,
    workers: usize,
    files: &mut Vec<SocketFile>,
) -> Result<Vec<Vec<Listener>>, DaemonError> {
    config.web.listen.iter().map(|address| bind_all(address, config, workers, files)).collect()
}

fn bind_all(
    address: &Address,
    config: &Config,
    workers: usize,
    files: &mut Vec<SocketFile>,
) -> Result<Vec<Listener>, DaemonError> {
    match address {
        Address::Tcp(address) => {
            Ok(web::bind_shared(*address, workers)?.into_iter().map(Listener::Tcp).collect())
        }
        Address::Unix(path) => {
            let (listener, file) = web::bind_unix(path, config.web.socket_mode)?;
            files.push(file);
            let listener = Listener::Unix(listener);
            let clones: io::Result<_> = (0..workers).map(|_| listener.try_clone()).collect();
            clones.map_err(|source| DaemonError::System { doing: "share a socket", source })
        }
    }
}

fn bind_admin(config: &Config, files: &mut Vec<SocketFile>) -> Result<Vec<Listener>, BindError> {
    let bind = |address: &Address| match address {
        Address::Tcp(address) => web::bind(*address).map(Listener::Tcp),
        Address::Unix(path) => {
            let (listener, file) = web::bind_unix(path, config.web.socket_mode)?;
            files.push(file);
            Ok(Listener::Unix(listener))
        }
    };
    config.web.admin_listen.iter().map(bind).collect()
}

fn with_tls(listener: Listener, tls: &Arc<rustls::ServerConfig>) -> Listener {
    match listener {
        Listener::Tcp(listener) => Listener::Tls(listener, Arc::clone(tls)),
        other => other,
    }
}

/// Gives every worker the sockets that were passed: all of them accept from the same queues.
fn share(public: &[Listener], admin: Vec<Listener>, workers: usize) -> io::Result<Door> {
    let clones = || {
        let sockets = public.iter().map(Listener::try_clone).collect::<Result<_, _>>()?;
        Ok(Listeners { sockets, keeping: Keeping::Managers })
    };
    let shared = (0..workers).map(|_| clones()).collect::<io::Result<_>>()?;
    if admin.is_empty() {
        tracing::warn!(
            "the service manager passed no socket called admin: metrics and health are not served"
        );
    }
    Ok(Door { public: shared, admin, addresses: addresses(public.iter()), files: Vec::new() })
}

fn addresses<'a>(sockets: impl Iterator<Item = &'a Listener>) -> Addresses {
    let mut addresses = Addresses::default();
    for socket in sockets {
        let of_its_kind =
            if matches!(socket, Listener::Tls(..)) { &mut addresses.tls } else { &mut addresses.plain };
        of_its_kind.extend(socket.address());
    }
    addresses
}
