//! Guard.

/// The limits of each kind; 0 turns one off.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Views that one network may bring each second, in the long run.
    pub views_per_network_per_second: u32,
    /// Views that one network may bring at once.
    pub views_per_network_burst: u32,
    /// Views that one site may count each second.
    pub views_per_site_per_second: u32,
    /// Unknown visitors that one network may bring in an hour.
    pub new_visitors_per_network_per_hour: u32,
    /// Networks and visitors remembered at once.
    pub buckets_max: usize,
}
