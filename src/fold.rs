//! The fold.

/// What the fold is told.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How often it runs, in milliseconds: how old the visitors of a day may be.
    pub interval_ms: u64,
    /// How long pages of single days are kept, in days.
    pub details_days: u32,
}
