//! Who is it.

use ipnet::IpNet;

/// What telling people apart needs to know.
#[derive(Clone, Debug)]
pub struct Options {
    /// Peers whose forwarding header is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The one header that is read from them, lower case.
    pub client_address_header: String,
    /// User agents remembered at once, per worker.
    pub agents_max: usize,
}
