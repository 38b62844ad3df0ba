//! Which node this is, and who else is there.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::engine::{self, Engine};
use super::error::CallError;
use super::keys::Keys;
use super::node_file;
use super::script::LEASE;
use crate::salt::{SaltError, random};
use crate::words::UnixMillis;

/// A node that was not heard of for so long is not alive.
pub(super) const SILENT_MS: u64 = 15_000;
/// How long a lease lasts that is not renewed.
pub(super) const LEASE_MS: u64 = 15_000;
/// Owns the lease of a node that was told to stay away, for ever. No process has this name.
pub(super) const NOBODY: &str = "forgotten";

/// Who speaks: the node, and the process that speaks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// 16 hexadecimal digits, kept in the state directory.
    pub node: String,
    /// The directory on its machine: a copied state directory is another owner of the same node, and a
    /// restarted process the same.
    pub owner: String,
}

/// Why the node's name could not be had.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file could not be read or written.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{} is not 16 hexadecimal digits; write the node that `headcount nodes` names on the other machines", path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
    },
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] SaltError),
}

impl Identity {
    /// Reads the node's name from the state directory, or makes one.
    ///
    /// # Errors
    /// When the file cannot be read or written, or holds something else.
    pub fn open(state: &Path) -> Result<Identity, IdentityError> {
        if let Some(identity) = Identity::find(state)? {
            return Ok(identity);
        }
        let node = format!("{:016x}", u64::from_be_bytes(random()?));
        let path = node_file(state);
        let refused = |source| IdentityError::File { path: path.clone(), source };
        fs::write(&path, format!("{node}\n")).map_err(refused)?;
        Ok(Identity { node, owner: owner(state).map_err(refused)? })
    }

    /// Reads the node's name from a state directory that may have none: of a machine that never took part.
    ///
    /// # Errors
    /// When the file cannot be read, or holds something else.
    pub fn find(state: &Path) -> Result<Option<Identity>, IdentityError> {
        let path = node_file(state);
        let refused = |source| IdentityError::File { path: path.clone(), source };
        let node = match fs::read_to_string(&path) {
            Ok(text) => text.trim().to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(refused(source)),
        };
        if node.len() != 16 || !node.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(IdentityError::Malformed { path });
        }
        Ok(Some(Identity { node, owner: owner(state).map_err(refused)? }))
    }

    /// Nobody, in the place of the process that speaks for a node.
    pub(super) fn nobody(node: &str) -> Identity {
        Identity { node: node.to_owned(), owner: NOBODY.to_owned() }
    }
}

/// The state directory on its machine.
fn owner(state: &Path) -> io::Result<String> {
    let found = fs::metadata(state)?;
    let machine = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    Ok(format!("{}:{:x}:{:x}", machine.trim(), found.dev(), found.ino()))
}

/// What every node says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Word {
    /// When it said so, in milliseconds since the epoch.
    pub(super) seen: u64,
    /// Up to when it has told who was here.
    pub(super) watermark: u64,
    /// Its release.
    pub(super) version: String,
    /// How far the store's clock is ahead of its own, in milliseconds.
    pub(super) skew_ms: i64,
    /// When the site that waits longest was exchanged last, by its own clock; 0 if none was.
    #[serde(default)]
    pub(super) merged: u64,
    /// Transactions that it had not sent then.
    #[serde(default)]
    pub(super) lag: u64,
    /// A fingerprint of its sites and their settings; all nodes have the same.
    #[serde(default)]
    pub(super) sites: String,
    /// It was told to stay away.
    #[serde(default)]
    pub(super) forgotten: bool,
}

impl Word {
    pub(super) fn is_alive(&self, now: UnixMillis) -> bool {
        !self.forgotten && now.0.saturating_sub(self.seen) < SILENT_MS
    }
}

/// Takes a node's lease for so many milliseconds, or renews it; 0 is for ever. Gives who owns it now, and for
/// how many milliseconds; without a number it is for ever.
pub(super) async fn lease(
    engine: &Engine,
    keys: &Keys,
    identity: &Identity,
    ms: u64,
) -> Result<(String, Option<u64>), CallError> {
    let names = [keys.lease(&identity.node)];
    let arguments = [identity.owner.clone().into_bytes(), ms.to_string().into_bytes()];
    let (_, rest) = engine::answer(engine.run(&LEASE, &names, &arguments).await?)?;
    let owner = rest.first().and_then(engine::text).ok_or(CallError::Answer)?;
    Ok((owner, rest.get(1).and_then(engine::number)))
}

/// The moment before which nobody asks about a visit any more: what the slowest living node has told, less
/// the visit window.
pub(super) fn cut(words: &[(String, Word)], now: UnixMillis, visit_window_ms: u64) -> UnixMillis {
    let living = words.iter().filter(|(_, word)| word.is_alive(now));
    let slowest = living.map(|(_, word)| word.watermark).min().unwrap_or(0);
    UnixMillis(slowest.saturating_sub(visit_window_ms))
}
