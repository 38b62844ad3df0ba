//! The disk under the journal: the real one, and one that fails and loses power on command.
//!
//! The seam is as narrow as the journal's needs. [`SimulatedDisk`] keeps for each file what was
//! written and what would outlive a power cut, and can make any operation fail.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Where streams lie.
pub trait Disk: Send + Sync {
    /// The files of a directory with their lengths, in no order.
    ///
    /// # Errors
    /// When the directory cannot be read.
    fn list(&self, directory: &Path) -> io::Result<Vec<(PathBuf, u64)>>;
    /// A new file to append to.
    ///
    /// # Errors
    /// When it exists already or cannot be made.
    fn create(&self, path: &Path) -> io::Result<Box<dyn Appending>>;
    /// Appends to `into` what the file holds from `offset` on, at most `bytes`.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read(&self, path: &Path, offset: u64, bytes: usize, into: &mut Vec<u8>) -> io::Result<()>;
    /// Cuts a file.
    ///
    /// # Errors
    /// When it cannot be cut.
    fn truncate(&self, path: &Path, length: u64) -> io::Result<()>;
    /// Gives a file another name.
    ///
    /// # Errors
    /// When it cannot be renamed.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    ///
    /// # Errors
    /// When it cannot be removed.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes new, renamed and removed names of a directory outlive a power cut.
    ///
    /// # Errors
    /// When they cannot be synced.
    fn sync_directory(&self, directory: &Path) -> io::Result<()>;
}

/// An open file that is appended to.
pub trait Appending: Send {
    /// One `write`: says how many bytes were taken, which may be fewer than given.
    ///
    /// # Errors
    /// When nothing could be written.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Makes what was written outlive a power cut.
    ///
    /// # Errors
    /// When that is not sure.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts the file; the next write goes to its new end.
    ///
    /// # Errors
    /// When it cannot be cut.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
}

/// The machine's own disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn list(&self, directory: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
        fs::read_dir(directory)?
            .map(|entry| entry.and_then(|e| Ok((e.path(), e.metadata()?.len()))))
            .collect()
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn Appending>> {
        let file = OpenOptions::new().create_new(true).append(true).mode(0o600).open(path)?;
        Ok(Box::new(file))
    }

    fn read(&self, path: &Path, offset: u64, bytes: usize, into: &mut Vec<u8>) -> io::Result<()> {
        let file = File::open(path)?;
        let start = into.len();
        into.resize(start + bytes, 0);
        let mut filled = start;
        while filled < into.len() {
            let at = offset + u64::try_from(filled - start).unwrap_or(u64::MAX);
            match file.read_at(&mut into[filled..], at) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    into.truncate(start);
                    return Err(error);
                }
            }
        }
        into.truncate(filled);
        Ok(())
    }

    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(length)?;
        file.sync_data()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        File::open(directory)?.sync_all()
    }
}

impl Appending for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match Write::write(self, bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}

/// A disk in memory that fails and loses power on command.
#[derive(Clone, Debug, Default)]
pub struct SimulatedDisk(Arc<Mutex<Simulation>>);

#[derive(Debug, Default)]
struct Simulation {
    files: BTreeMap<PathBuf, Contents>,
    faults: Faults,
}

#[derive(Clone, Debug, Default)]
struct Contents {
    written: Vec<u8>,
    durable: usize,
    named_durably: bool,
}

/// What the simulated disk refuses to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Bytes that can still be written before the disk is full; `None` is no end of them.
    pub room: Option<usize>,
    /// Whether files can no longer be cut.
    pub truncate_fails: bool,
    /// Whether names can no longer be changed.
    pub rename_fails: bool,
    /// Whether syncing fails.
    pub sync_fails: bool,
}

impl SimulatedDisk {
    /// From now on, these faults.
    pub fn set_faults(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    /// The power goes: every file keeps what was synced and as much of the rest as `keep` says,
    /// which is asked once per file with the number of bytes that were not synced.
    pub fn cut_power(&self, mut keep: impl FnMut(usize) -> usize) {
        let mut disk = self.lock();
        disk.files.retain(|_, file| file.named_durably || keep(1) > 0);
        for file in disk.files.values_mut() {
            let unsynced = file.written.len().saturating_sub(file.durable);
            let kept = file.durable + keep(unsynced).min(unsynced);
            file.written.truncate(kept);
            file.durable = file.written.len();
            file.named_durably = true;
        }
    }

    /// The bytes of a file, to be looked at or damaged.
    pub fn edit(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        if let Some(file) = self.lock().files.get_mut(path) {
            change(&mut file.written);
            file.durable = file.written.len();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Simulation> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn missing() -> io::Error {
    io::Error::from(io::ErrorKind::NotFound)
}

impl Disk for SimulatedDisk {
    fn list(&self, directory: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
        let disk = self.lock();
        let inside = disk.files.iter().filter(|(path, _)| path.parent() == Some(directory));
        Ok(inside
            .map(|(path, file)| (path.clone(), u64::try_from(file.written.len()).unwrap_or(0)))
            .collect())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn Appending>> {
        let mut disk = self.lock();
        if disk.faults.room == Some(0) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        if disk.files.insert(path.to_owned(), Contents::default()).is_some() {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        }
        Ok(Box::new(SimulatedFile { disk: self.clone(), path: path.to_owned() }))
    }

    fn read(&self, path: &Path, offset: u64, bytes: usize, into: &mut Vec<u8>) -> io::Result<()> {
        let disk = self.lock();
        let file = disk.files.get(path).ok_or_else(missing)?;
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(file.written.len());
        let to = from.saturating_add(bytes).min(file.written.len());
        into.extend_from_slice(&file.written[from..to]);
        Ok(())
    }

    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        SimulatedFile { disk: self.clone(), path: path.to_owned() }.truncate(length)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.lock();
        if disk.faults.rename_fails {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        let file = disk.files.remove(from).ok_or_else(missing)?;
        disk.files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.lock().files.remove(path).map(drop).ok_or_else(missing)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        let mut disk = self.lock();
        if disk.faults.sync_fails {
            return Err(io::Error::other("the simulated disk does not sync"));
        }
        for (_, file) in disk.files.iter_mut().filter(|(path, _)| path.parent() == Some(directory)) {
            file.named_durably = true;
        }
        Ok(())
    }
}

struct SimulatedFile {
    disk: SimulatedDisk,
    path: PathBuf,
}

impl Appending for SimulatedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut disk = self.disk.lock();
        let taken = disk.faults.room.map_or(bytes.len(), |room| room.min(bytes.len()));
        if let Some(room) = &mut disk.faults.room {
            *room -= taken;
        }
        if taken == 0 && !bytes.is_empty() {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        let file = disk.files.get_mut(&self.path).ok_or_else(missing)?;
        file.written.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut disk = self.disk.lock();
        if disk.faults.sync_fails {
            return Err(io::Error::other("the simulated disk does not sync"));
        }
        let file = disk.files.get_mut(&self.path).ok_or_else(missing)?;
        file.durable = file.written.len();
        Ok(())
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        let mut disk = self.disk.lock();
        if disk.faults.truncate_fails {
            return Err(io::Error::other("the simulated disk does not cut"));
        }
        let file = disk.files.get_mut(&self.path).ok_or_else(missing)?;
        file.written.truncate(usize::try_from(length).unwrap_or(usize::MAX));
        file.durable = file.durable.min(file.written.len());
        Ok(())
    }
}
