//! The door.

use std::net::SocketAddr;

/// What the door is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Addresses of the public listener.
    pub listen: Vec<SocketAddr>,
    /// Addresses of the admin listener.
    pub admin_listen: Vec<SocketAddr>,
    /// What pages are told to paste; `None` takes scheme and host of the request.
    pub public_url: Option<String>,
    /// Whether `/` shows the welcome page.
    pub welcome_page: bool,
    /// Worker threads; `None` is one per core.
    pub workers: Option<usize>,
    /// Connections open at once, over all workers.
    pub connections_max: usize,
    /// How long a client may take to send a request's head, in milliseconds.
    pub header_read_timeout_ms: u64,
    /// How long a connection may stay without a request, in milliseconds.
    pub idle_timeout_ms: u64,
    /// How long requests in flight may take to finish on stop, in milliseconds.
    pub drain_timeout_ms: u64,
}
