//! What may go wrong with the shared store, and what each failure means to a person on duty.

use std::io;
use std::path::Path;

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Why a call failed. Nothing is lost by it: values are sent again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No connection could be made, or it broke.
    #[error("no connection to the shared store: {0}")]
    Connection(String),
    /// No answer came in time: the server hangs, or a network swallows what is sent.
    #[error("the shared store does not answer")]
    Timeout,
    /// User or password are wrong.
    #[error("the shared store refuses user or password: {0}; look at fleet.user and fleet.password_file")]
    Login(String),
    /// The server's certificate is none that we accept.
    #[error("the shared store's certificate is refused: {0}")]
    Certificate(String),
    /// The user may not do this.
    #[error(
        "the shared store's user lacks a permission: {0}; `headcount check-config --connect` prints the ACL line that suffices"
    )]
    Permission(String),
    /// A replica was asked to write.
    #[error("the shared store is a read-only replica; name the primary, or the Sentinels")]
    ReadOnly,
    /// The memory limit is reached.
    #[error("the shared store is out of memory; raise its maxmemory")]
    Memory,
    /// It reads its file after a start.
    #[error("the shared store is loading its data")]
    Loading,
    /// The Cluster, or the part of it that holds the key, is down or being moved.
    #[error("the Cluster has no primary for this part: {0}")]
    ClusterDown(String),
    /// A key of ours holds something else.
    #[error(
        "the key {key} of the shared store holds a {found}, which is not ours: delete it, or choose another fleet.prefix"
    )]
    KeyType {
        /// The key.
        key: String,
        /// What it is.
        found: String,
    },
    /// The server does not know the script.
    #[error("the shared store does not know a script")]
    UnknownScript,
    /// The answer makes no sense.
    #[error("the shared store answered something that this release does not understand")]
    Answer,
    /// A file of ours could not be read.
    #[error("cannot read {path}: {why}")]
    File {
        /// Which.
        path: String,
        /// What the system said.
        why: String,
    },
    /// An operator told this node to stay away.
    #[error(
        "this node was forgotten by `headcount nodes forget`; begin with an empty state directory to join as a new one"
    )]
    Forgotten,
    /// An operator removed the site from the whole fleet.
    #[error(
        "this site was removed from the fleet; take it out of the configuration and run `headcount sites remove` here too"
    )]
    Removed,
    /// Anything else it says.
    #[error("the shared store says: {0}")]
    Other(String),
}

impl CallError {
    /// Every kind, as metrics name it.
    pub const KINDS: [&str; 16] = [
        "connection",
        "timeout",
        "login",
        "permission",
        "read_only",
        "out_of_memory",
        "loading",
        "cluster_down",
        "key_type",
        "unknown_script",
        "answer",
        "file",
        "certificate",
        "forgotten",
        "removed",
        "other",
    ];

    /// The kind, as metrics name it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        let place = match self {
            CallError::Connection(_) => 0,
            CallError::Timeout => 1,
            CallError::Login(_) => 2,
            CallError::Permission(_) => 3,
            CallError::ReadOnly => 4,
            CallError::Memory => 5,
            CallError::Loading => 6,
            CallError::ClusterDown(_) => 7,
            CallError::KeyType { .. } => 8,
            CallError::UnknownScript => 9,
            CallError::Answer => 10,
            CallError::File { .. } => 11,
            CallError::Certificate(_) => 12,
            CallError::Forgotten => 13,
            CallError::Removed => 14,
            CallError::Other(_) => 15,
        };
        Self::KINDS[place]
    }

    pub(super) fn file(path: &Path, source: &io::Error) -> CallError {
        CallError::File { path: path.display().to_string(), why: source.to_string() }
    }

    pub(super) fn is_unknown_script(&self) -> bool {
        *self == CallError::UnknownScript
    }

    /// Whether the connection must be made anew: it broke, or leads to a server that is not the primary.
    pub(super) fn breaks_connection(&self) -> bool {
        matches!(
            self,
            CallError::Connection(_) | CallError::Timeout | CallError::ReadOnly | CallError::Login(_)
        )
    }

    pub(super) fn of(error: &RedisError) -> CallError {
        let said = error.to_string();
        if error.is_timeout() {
            return CallError::Timeout;
        }
        if said.contains("invalid peer certificate") {
            return CallError::Certificate(said);
        }
        // The client of a Cluster gives its members' errors as one text.
        if error.kind() == ErrorKind::Parse || said.contains("Parse error at") {
            return CallError::Connection("what answers there does not speak Redis's protocol".to_owned());
        }
        match error.code() {
            Some("OOM") => return CallError::Memory,
            Some("NOAUTH" | "WRONGPASS") => return CallError::Login(said),
            Some("MISCONF") => return CallError::Other(said),
            _ => {}
        }
        match error.kind() {
            ErrorKind::AuthenticationFailed => CallError::Login(said),
            ErrorKind::Server(kind) => match kind {
                ServerErrorKind::NoScript => CallError::UnknownScript,
                ServerErrorKind::BusyLoading => CallError::Loading,
                ServerErrorKind::ReadOnly => CallError::ReadOnly,
                ServerErrorKind::NoPerm => CallError::Permission(said),
                ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::TryAgain
                | ServerErrorKind::Moved
                | ServerErrorKind::Ask => CallError::ClusterDown(said),
                _ => CallError::Other(said),
            },
            ErrorKind::ClusterConnectionNotFound => CallError::ClusterDown(said),
            _ if error.is_io_error() || error.is_connection_dropped() || error.is_connection_refusal() => {
                CallError::Connection(said)
            }
            ErrorKind::MasterNameNotFoundBySentinel
            | ErrorKind::NoValidReplicasFoundBySentinel
            | ErrorKind::EmptySentinelList => CallError::Connection(said),
            _ if error.is_unrecoverable_error() => CallError::Connection(said),
            _ => CallError::Other(said),
        }
    }
}
