//! Why the daemon did not start, or ended: what was tried, whose it is, what to do.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::fleet::{FleetError, IdentityError};
use crate::fold::FoldError;
use crate::journal::OpenError;
use crate::keeper::OrderError;
use crate::salt::SaltError;
use crate::store::StoreError;
use crate::visitor::VisitorsError;
use crate::web::{BindError, CertificateError};

/// Why the daemon did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The state directory cannot be used.
    #[error("cannot {doing} {}: {source}{}", path.display(), whose(path, source))]
    State {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no database.
    #[error(
        "nothing was ever counted in {}, and no daemon runs on it; name the daemon's own --config or --state-directory",
        path.display()
    )]
    Nothing {
        /// The state directory.
        path: PathBuf,
    },
    /// Another process has the state directory.
    #[error("{} is in use by another headcount; stop that one, or name another state_directory", path.display())]
    InUse {
        /// The state directory.
        path: PathBuf,
    },
    /// An address cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A certificate cannot be shown.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The journal cannot be opened.
    #[error(transparent)]
    Journal(#[from] OpenError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was left over could not be folded.
    #[error(transparent)]
    Fold(#[from] FoldError),
    /// The salts cannot be used.
    #[error(transparent)]
    Salt(#[from] SaltError),
    /// A site could not be put in service.
    #[error(transparent)]
    Place(#[from] OrderError),
    /// This machine may not take part in the fleet.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// The node's name cannot be had.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The header of client addresses is none.
    #[error(transparent)]
    Visitors(#[from] VisitorsError),
    /// The system refused a thread, a socket or a signal.
    #[error("cannot {doing}: {source}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A thread ended before its time.
    #[error("{0} ended unexpectedly; what it had answered as counted is in the journal")]
    Thread(String),
}

/// What to do about a place that belongs to somebody else.
fn whose(path: &Path, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {}
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            return "; name a directory as state_directory".to_owned();
        }
        _ => return String::new(),
    }
    let owner = |path: &Path| std::fs::metadata(path).ok().map(|found| found.uid());
    let place = path.ancestors().find_map(|place| Some((place, owner(place)?)));
    match (place, owner(Path::new("/proc/self"))) {
        (Some((place, theirs)), Some(ours)) if theirs != ours => format!(
            "; {} belongs to uid {theirs} and this runs as uid {ours}: run it as that user, or name another state_directory",
            place.display()
        ),
        _ => "; name a state_directory that this user may write in".to_owned(),
    }
}

impl DaemonError {
    /// The exit code: 3 for certificates, which are configuration, 4 for damaged data, 1 for anything else.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let damaged = match self {
            DaemonError::Certificate(_) => return 3,
            DaemonError::Journal(error) => !matches!(error, OpenError::Read { .. }),
            DaemonError::Store(error) | DaemonError::Fold(FoldError::Store(error)) => error.is_damage(),
            DaemonError::Salt(error) => matches!(error, SaltError::Line { .. }),
            _ => false,
        };
        if damaged { 4 } else { 1 }
    }
}
