//! `backup` and `restore`.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use clap::Args;

use super::{Failure, Settings, failed};
use crate::control::{Request, ask_daemon};
use crate::daemon::{database, lock, open_stopped};
use crate::journal::{self, RealDisk, Verdict};
use crate::keeper::write_backup;
use crate::salt::{self, imported_file};
use crate::store::{self, StoreError};
use crate::words::StreamId;

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
        let new = New::below(state);
        new.remove().map_err(|error| about(state, &error))?;
        let laid_out = self.lay_out(&new);
        if laid_out.is_err() {
            new.remove().ok();
        }
        laid_out?;
        replace(state, &new).map_err(|error| about(state, &error))?;
        say_done!("{} now holds what {} held; start the daemon", state.display(), self.file.display());
        Ok(())
    }
}

impl Restore {
    /// Puts what the backup holds beside the old, and reads all of it.
    fn lay_out(&self, new: &New) -> Result<(), Failure> {
        let file = self.file.display();
        fs::copy(&self.file, &new.database).map_err(|error| about(&self.file, &error))?;
        let streams = store::take_streams(&new.database).map_err(|error| match error {
            StoreError::NotADatabase { .. } | StoreError::Foreign { .. } => {
                Failure::Failed(format!("{file} is not a backup of headcount"))
            }
            StoreError::Damaged { .. } => self.damaged(),
            error => failed(&error),
        })?;
        new.write(&streams).map_err(|error| about(&new.journal, &error))?;
        let found = journal::inspect(&new.journal, &RealDisk).map_err(|error| about(&new.journal, &error))?;
        let is_sound = |verdict: &Verdict| matches!(verdict, Verdict::Sound | Verdict::Torn { .. });
        if found.iter().all(|stream| is_sound(&stream.verdict)) { Ok(()) } else { Err(self.damaged()) }
    }

    fn damaged(&self) -> Failure {
        Failure::Damaged(format!(
            "{} is damaged, and nothing was replaced; copy it anew, or take an earlier backup",
            self.file.display()
        ))
    }
}

/// What is restored, until it takes the place of the old.
struct New {
    database: PathBuf,
    journal: PathBuf,
}

impl New {
    fn below(state: &Path) -> New {
        New { database: state.join("headcount.db.restoring"), journal: state.join("journal.restoring") }
    }

    fn remove(&self) -> io::Result<()> {
        remove_if_there(&self.database)?;
        match fs::remove_dir_all(&self.journal) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn write(&self, streams: &[(StreamId, Vec<u8>)]) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(&self.journal)?;
        for (id, bytes) in streams {
            let path = self.journal.join(format!("{id}.hcj"));
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            file.write_all(bytes)?;
            file.sync_all()?;
        }
        File::open(&self.database)?.sync_all()
    }
}

fn replace(state: &Path, new: &New) -> io::Result<()> {
    let journal = state.join("journal");
    // The old streams go first: they are part of what is replaced, and must not be folded into it.
    for stream in streams_in(&journal)? {
        fs::remove_file(stream)?;
    }
    let database = database(state);
    for beside in ["-wal", "-shm"] {
        let mut name = database.clone().into_os_string();
        name.push(beside);
        remove_if_there(Path::new(&name))?;
    }
    remove_if_there(&imported_file(state))?;
    remove_if_there(&salt::file(state))?;
    fs::rename(&new.database, &database)?;
    for stream in streams_in(&new.journal)? {
        let name = stream.file_name().unwrap_or_default();
        fs::rename(&stream, journal.join(name))?;
    }
    fs::remove_dir(&new.journal)?;
    File::open(&journal)?.sync_all()?;
    File::open(state)?.sync_all()
}

fn streams_in(journal: &Path) -> io::Result<Vec<PathBuf>> {
    let paths = fs::read_dir(journal)?.map(|entry| entry.map(|entry| entry.path()));
    let is_stream = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "hcj");
    paths.filter(|path| path.as_ref().map_or(true, is_stream)).collect()
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
