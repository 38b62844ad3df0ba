//! `backup` and `restore`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{Failure, Settings, failed};
use crate::control::{Request, ask_daemon};
use crate::daemon::{database, lock, open_stopped};
use crate::keeper::write_backup;
use crate::salt::{self, imported_file};
use crate::store::{self, StoreError};

#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The file to write; it must not exist yet.
    file: PathBuf,
    #[command(flatten)]
    settings: Settings,
}

impl Backup {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = self.settings.load()?;
        let path = std::path::absolute(&self.file).map_err(|error| Failure::Argument(error.to_string()))?;
        if path.exists() {
            return Err(Failure::Argument(format!("{} is there already; name a new file", path.display())));
        }
        let request = Request::Backup { path: path.clone() };
        if ask_daemon(&config.state_directory, &request).map_err(Failure::Failed)?.is_none() {
            let mut kept = open_stopped(&config)?;
            write_backup(kept.fold.store(), &kept.journal, &path).map_err(|error| failed(&error))?;
        }
        say_done!("{} holds everything but the secrets of the day", path.display());
        Ok(())
    }
}

#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The backup.
    file: PathBuf,
    #[command(flatten)]
    settings: Settings,
}

impl Restore {
    /// All that is new is made beside the old and synced; then names are exchanged. A restore that
    /// is cut short before that changed nothing, and one that is cut short after it can be repeated.
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = self.settings.load()?;
        let state = &config.state_directory;
        let _lock = lock(state)?;
        let fresh = state.join("headcount.db.restoring");
        remove_if_there(&fresh).map_err(|error| about(&fresh, &error))?;
        fs::copy(&self.file, &fresh).map_err(|error| about(&self.file, &error))?;
        let streams = store::take_streams(&fresh).map_err(|error| {
            fs::remove_file(&fresh).ok();
            match error {
                StoreError::NotADatabase { .. } | StoreError::Foreign { .. } => {
                    Failure::Failed(format!("{} is not a backup of headcount", self.file.display()))
                }
                error => failed(&error),
            }
        })?;
        replace(state, &fresh, &streams).map_err(|error| about(state, &error))?;
        say_done!("{} now holds what {} held; start the daemon", state.display(), self.file.display());
        Ok(())
    }
}

fn replace(state: &Path, fresh: &Path, streams: &[(crate::words::StreamId, Vec<u8>)]) -> io::Result<()> {
    let journal = state.join("journal");
    for (id, bytes) in streams {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(journal.join(format!("{id}.restoring")))?;
        file.write_all(bytes)?;
        file.sync_all()?;
    }
    File::open(fresh)?.sync_all()?;
    // The old streams go first: they are part of what is replaced, and must not be folded into it.
    for entry in fs::read_dir(&journal)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "hcj") {
            fs::remove_file(path)?;
        }
    }
    let database = database(state);
    for beside in ["-wal", "-shm"] {
        let mut name = database.clone().into_os_string();
        name.push(beside);
        remove_if_there(Path::new(&name))?;
    }
    remove_if_there(&imported_file(state))?;
    remove_if_there(&salt::file(state))?;
    fs::rename(fresh, &database)?;
    for (id, _) in streams {
        fs::rename(journal.join(format!("{id}.restoring")), journal.join(format!("{id}.hcj")))?;
    }
    File::open(&journal)?.sync_all()?;
    File::open(state)?.sync_all()
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn about(path: &Path, error: &io::Error) -> Failure {
    Failure::Failed(format!("cannot restore: {}: {error}", path.display()))
}
