//! The scripts that run inside the shared store.
//!
//! Each lies in a file beside this one, is known to a server by the hash of its text, and is sent whole
//! when the server does not know it: after a restart, a `SCRIPT FLUSH` or a failover.

use std::sync::OnceLock;

/// One script.
pub(super) struct Script {
    /// Its text.
    pub(super) text: &'static str,
    hash: OnceLock<String>,
}

impl Script {
    const fn new(text: &'static str) -> Script {
        Script { text, hash: OnceLock::new() }
    }

    /// The hash that a server knows it by (SHA-1, as `EVALSHA` wants).
    pub(super) fn hash(&self) -> &str {
        self.hash.get_or_init(|| redis::Script::new(self.text).get_hash().to_owned())
    }
}

/// Values in, sums out.
pub(super) static MERGE: Script = Script::new(include_str!("scripts/merge.lua"));
/// Who was here, and which visits opened.
pub(super) static TOUCH: Script = Script::new(include_str!("scripts/touch.lua"));
/// The visitors of a day.
pub(super) static SKETCH: Script = Script::new(include_str!("scripts/sketch.lua"));
/// One process speaks for a node.
pub(super) static LEASE: Script = Script::new(include_str!("scripts/lease.lua"));
/// People who change parts at midnight.
pub(super) static CARRY: Script = Script::new(include_str!("scripts/carry.lua"));
/// A node will never send again.
pub(super) static RETIRE: Script = Script::new(include_str!("scripts/retire.lua"));
/// Every script.
#[cfg(test)]
pub(super) static ALL: [&Script; 6] = [&MERGE, &TOUCH, &SKETCH, &LEASE, &RETIRE, &CARRY];
