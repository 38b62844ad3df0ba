//! The journal: every counted beacon, written before it is answered.

use std::path::PathBuf;

/// When a beacon counts as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// After `write`: survives the death of the process.
    Written,
    /// After `fdatasync`: survives a power cut too.
    Synced,
}

/// What the journal is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the streams lie.
    pub directory: PathBuf,
    /// When a beacon counts as written.
    pub ack: Ack,
    /// How long a folded stream stays, to bring presence back after a restart, in milliseconds.
    pub retained_ms: u64,
    /// All streams together may take this many bytes.
    pub bytes_max: u64,
}
