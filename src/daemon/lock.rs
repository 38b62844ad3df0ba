//! The lock of a state directory, and whose its files are.
//!
//! A service has a user of its own, and the commands beside it are run by root. What root makes in the
//! directory while the daemon is stopped is handed to the directory's owner when the lock goes, or the next
//! start could not open it.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::DaemonError;

/// A state directory that no other process has.
#[derive(Debug)]
pub struct Lock {
    _file: File,
    state: PathBuf,
}

/// Locks the state directory, for as long as the lock is held.
///
/// # Errors
/// When the directory cannot be made, or another process has it.
pub fn lock(state: &Path) -> Result<Lock, DaemonError> {
    let refused = |doing, path: &Path| {
        let path = path.to_owned();
        move |source| DaemonError::State { doing, path, source }
    };
    let builder = |directory: &Path| DirBuilder::new().recursive(true).mode(0o700).create(directory);
    builder(&state.join("journal")).map_err(refused("create", state))?;
    let path = state.join("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(refused("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock { _file: file, state: state.to_owned() }),
        Err(TryLockError::WouldBlock) => Err(DaemonError::InUse { path: state.to_owned() }),
        Err(TryLockError::Error(source)) => Err(refused("lock", &path)(source)),
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // What cannot be handed over is named, with its owner, by the start that cannot open it.
        hand_over(&self.state).ok();
    }
}

/// Gives root's files in a directory of another user to that user.
fn hand_over(state: &Path) -> io::Result<()> {
    let (owner, ours) = (fs::metadata(state)?, fs::metadata("/proc/self")?);
    if ours.uid() != 0 || owner.uid() == 0 {
        return Ok(());
    }
    for directory in [state.to_owned(), state.join("journal")] {
        for entry in fs::read_dir(&directory)? {
            hand_over_one(&entry?.path(), owner.uid(), owner.gid())?;
        }
    }
    Ok(())
}

/// Gives one entry away if it is root's. The directory is another's, who may have put a link to anything
/// there: links are not followed, and a file that has a second name elsewhere is left alone.
fn hand_over_one(path: &Path, user: u32, group: u32) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    // A socket or a link cannot be opened like this, and needs no new owner.
    let Ok(opened) = rustix::fs::open(path, flags, Mode::empty()) else { return Ok(()) };
    let file = File::from(opened);
    let found = file.metadata()?;
    let is_plain = found.is_dir() || found.is_file() && found.nlink() == 1;
    if found.uid() == 0 && is_plain { fchown(&file, Some(user), Some(group)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{chown, symlink};

    use super::*;

    #[test]
    fn one_process_has_a_state_directory() {
        let directory = tempfile::tempdir().expect("a directory");
        let state = directory.path().join("state");
        let held = lock(&state).expect("is free");
        assert!(matches!(lock(&state), Err(DaemonError::InUse { .. })));
        drop(held);
        assert!(lock(&state).is_ok());
    }

    #[test]
    fn what_root_made_belongs_to_the_owner_and_what_a_link_names_does_not() {
        let directory = tempfile::tempdir().expect("a directory");
        let state = directory.path().join("state");
        let held = lock(&state).expect("is free");
        if chown(&state, Some(4_242), Some(4_242)).is_err() {
            // Only root can give anything away; the machine of tests/systemd.rs is root's in any case.
            return;
        }
        let outside = directory.path().join("precious");
        for path in [&outside, &state.join("salts"), &state.join("journal/stream")] {
            fs::write(path, "x").expect("is written");
        }
        symlink(&outside, state.join("link")).expect("is linked");
        fs::hard_link(&outside, state.join("second")).expect("is linked");
        drop(held);
        let owner = |path: &Path| fs::metadata(path).expect("is there").uid();
        for path in ["lock", "salts", "journal", "journal/stream"] {
            assert_eq!(owner(&state.join(path)), 4_242, "{path}");
        }
        assert_eq!(owner(&outside), 0);
    }
}
