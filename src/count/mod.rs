//! Counts.

/// What counting is told.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long a visit stays open without a beacon, in milliseconds.
    pub visit_window_ms: u64,
    /// Pages of a site with a row of their own; later ones are counted as `(other)`.
    pub pages_per_site: u32,
    /// People remembered at once, over all sites.
    pub presence_max: usize,
}
