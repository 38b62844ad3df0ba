//! The sockets that are served: those that a service manager passed, or the addresses of the
//! configuration.

use std::net::{SocketAddr, TcpListener};

use crate::config::Config;
use crate::web::{self, BindError, Keeping, Listeners, Passed};

/// Every socket, before anybody is served.
pub(super) struct Door {
    /// One set for each worker.
    pub(super) public: Vec<Listeners>,
    /// For metrics and health.
    pub(super) admin: Vec<TcpListener>,
    /// Where the public ones are.
    pub(super) addresses: Vec<SocketAddr>,
}

/// Takes the addresses of the configuration.
///
/// # Errors
/// When one of them cannot be had.
pub(super) fn bind(config: &Config, workers: usize) -> Result<Door, BindError> {
    let shared = config.web.listen.iter().map(|address| web::bind_shared(*address, workers));
    let mut shared: Vec<Vec<TcpListener>> = shared.collect::<Result<_, _>>()?;
    let addresses = addresses(shared.iter().filter_map(|shared| shared.first()));
    let mut worker =
        || Listeners { sockets: shared.iter_mut().filter_map(Vec::pop).collect(), keeping: Keeping::Own };
    let public = (0..workers).map(|_| worker()).collect();
    let admin =
        config.web.admin_listen.iter().map(|address| web::bind(*address)).collect::<Result<_, _>>()?;
    Ok(Door { public, admin, addresses })
}

/// Gives every worker the sockets that were passed: all of them accept from the same queues.
///
/// # Errors
/// When the system does not hand out another descriptor.
pub(super) fn share(passed: Passed, workers: usize) -> std::io::Result<Door> {
    let clones = || {
        let sockets = passed.public.iter().map(TcpListener::try_clone).collect::<Result<_, _>>()?;
        Ok(Listeners { sockets, keeping: Keeping::Managers })
    };
    let public = (0..workers).map(|_| clones()).collect::<std::io::Result<_>>()?;
    let addresses = addresses(passed.public.iter());
    if passed.admin.is_empty() {
        tracing::warn!(
            "the service manager passed no socket called admin: metrics and health are not served"
        );
    }
    Ok(Door { public, admin: passed.admin, addresses })
}

fn addresses<'a>(sockets: impl Iterator<Item = &'a TcpListener>) -> Vec<SocketAddr> {
    sockets.filter_map(|socket| socket.local_addr().ok()).collect()
}
