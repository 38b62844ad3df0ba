//! Logs beside a followed one: what rotation made of it, by name and by first lines.
//!
//! The follower remembers in a small file which log it stood in. When another has the name, the one that it stood
//! in and those that came and went meanwhile are found by their first lines and counted in the order of their
//! times. A name alone makes no log ours: one that is not known yet is only taken when its name is that of the
//! log with numbers, as rotation gives them.

use std::fs::{File, Metadata};
use std::hash::Hasher;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use siphasher::sip::SipHasher24;

use super::{HEAD_LINES, Log};
use crate::words::{SiteId, UnixMillis};

/// The first line of the file in which a follower remembers.
const MEMORY: &str = "headcount follow 1";
/// More than [`HEAD_LINES`] lines of 17 bytes, and two more.
const MEMORY_BYTES_MAX: usize = 2_048;

/// The log that a follower stood in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stood {
    /// The moment of its first line.
    pub(super) first_at: UnixMillis,
    /// What it is known by.
    pub(super) head: Vec<u64>,
}

impl Stood {
    /// What the file says; nothing of one that is new or was not written by us.
    pub(super) fn read(memory: &File) -> io::Result<Option<Stood>> {
        let mut bytes = vec![0; MEMORY_BYTES_MAX];
        let read = memory.read_at(&mut bytes, 0)?;
        let text = String::from_utf8_lossy(&bytes[..read]);
        let mut lines = text.lines();
        if lines.next() != Some(MEMORY) {
            return Ok(None);
        }
        let Some(first_at) = lines.next().and_then(|line| line.parse().ok()).map(UnixMillis) else {
            return Ok(None);
        };
        let head: Option<Vec<u64>> =
            lines.take(HEAD_LINES).map(|line| u64::from_str_radix(line, 16).ok()).collect();
        Ok(head.filter(|head| !head.is_empty()).map(|head| Stood { first_at, head }))
    }

    /// Writes it into the file.
    pub(super) fn write(&self, memory: &File) -> io::Result<()> {
        let hashes: Vec<String> = self.head.iter().map(|hash| format!("{hash:016x}")).collect();
        let text = format!("{MEMORY}\n{}\n{}\n", self.first_at.0, hashes.join("\n"));
        memory.write_all_at(text.as_bytes(), 0)?;
        memory.set_len(u64::try_from(text.len()).unwrap_or(0))
    }
}

/// The file in which the follower of a log for a site remembers, and by which it is the only one.
///
/// # Errors
/// When the log's directory cannot be looked at.
pub fn follow_file(state: &Path, site: &SiteId, log: &Path) -> io::Result<PathBuf> {
    let whole = directory_of(log).canonicalize()?.join(log.file_name().unwrap_or_default());
    let mut hasher = SipHasher24::new();
    hasher.write(site.as_str().as_bytes());
    hasher.write(b"\n");
    hasher.write(whole.as_os_str().as_encoded_bytes());
    Ok(state.join(format!("follow-{:016x}", hasher.finish())))
}

/// A log beside the followed one.
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) head: Vec<u64>,
    pub(super) first_at: UnixMillis,
    /// Its name is one that rotation gives.
    pub(super) is_rotated: bool,
    is_packed: bool,
}

/// The logs beside one that were written to since a moment, in the order of their first lines, each once: of a log
/// that is being packed, the plain one.
pub(super) fn beside(path: &Path, since: UnixMillis) -> Vec<Found> {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return Vec::new() };
    let entries = std::fs::read_dir(directory_of(path)).into_iter().flatten().filter_map(Result::ok);
    let mut found = Vec::new();
    for entry in entries {
        let Ok(other) = entry.file_name().into_string() else { continue };
        let is_rotated = is_rotation_of(name, &other);
        let is_like = other != name && (is_rotated || other.starts_with(name));
        let is_late = |found: &Metadata| found.is_file() && written(found) >= since;
        if !is_like || !entry.metadata().is_ok_and(|found| is_late(&found)) {
            continue;
        }
        // What cannot be read beside the log is not ours to complain about.
        let Ok(log) = Log::open(&entry.path(), true) else { continue };
        if log.head.is_empty() {
            continue;
        }
        let (is_packed, first_at) = (log.source.plain().is_none(), log.first_at().unwrap_or_default());
        found.push(Found { path: entry.path(), head: log.head, first_at, is_rotated, is_packed });
    }
    found.sort_by_key(|log| (log.first_at, log.is_packed, log.path.clone()));
    let mut each: Vec<Found> = Vec::new();
    for log in found {
        if !each.iter().any(|other| is_same(&other.head, &log.head)) {
            each.push(log);
        }
    }
    each
}

/// Whether two heads are of one log, as far as the shorter tells.
pub(super) fn is_same(one: &[u64], other: &[u64]) -> bool {
    let lines = one.len().min(other.len());
    lines > 0 && one[lines - 1] == other[lines - 1]
}

/// Whether a name is that of a log with numbers behind it or before its end, packed or not: `access.log.1`,
/// `access.log-20260301.gz`, `access-2026-03-01.log`; or `access.log.old`.
fn is_rotation_of(name: &str, other: &str) -> bool {
    let other = [".gz", ".zst"].iter().find_map(|end| other.strip_suffix(end)).unwrap_or(other);
    let is_number = |part: &str| {
        let number = part.strip_prefix(['.', '-', '_']);
        number.is_some_and(|number| {
            number.starts_with(|c: char| c.is_ascii_digit())
                && number.chars().all(|c| c.is_ascii_digit() || ".-_T:".contains(c))
        })
    };
    if let Some(behind) = other.strip_prefix(name) {
        return is_number(behind) || behind == ".old";
    }
    let Some((stem, end)) = name.rsplit_once('.') else { return false };
    let middle = other.strip_prefix(stem).and_then(|rest| rest.strip_suffix(end)?.strip_suffix('.'));
    middle.is_some_and(is_number)
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}

fn written(metadata: &Metadata) -> UnixMillis {
    let since =
        metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotation_is_told_by_numbers() {
        for other in [
            "access.log.1",
            "access.log.2.gz",
            "access.log-20260301",
            "access.log-20260301.zst",
            "access.log.2026-03-01T10:00",
            "access-20260301.log",
            "access.1.log.gz",
            "access.log.old",
        ] {
            assert!(is_rotation_of("access.log", other), "{other}");
        }
        for other in [
            "access.log",
            "access.log.gz",
            "access.log.bak",
            "access.log.1.tmp",
            "access_ssl.log",
            "error.log.1",
        ] {
            assert!(!is_rotation_of("access.log", other), "{other}");
        }
        assert!(is_rotation_of("access", "access.1") && !is_rotation_of("access", "access_ssl.1"));
    }

    #[test]
    fn a_follower_remembers_where_it_stood_and_nothing_else() {
        let memory = tempfile::tempfile().expect("a file");
        assert_eq!(Stood::read(&memory).expect("reads"), None);
        let long = Stood { first_at: UnixMillis(1_700_000_000_000), head: vec![u64::MAX; HEAD_LINES] };
        let short = Stood { first_at: UnixMillis(1), head: vec![7] };
        for stood in [short.clone(), long, short] {
            stood.write(&memory).expect("room");
            assert_eq!(Stood::read(&memory).expect("reads"), Some(stood));
        }
        memory.write_all_at(b"x", 0).expect("room");
        assert_eq!(Stood::read(&memory).expect("reads"), None);
    }

    #[test]
    fn one_log_is_found_once_and_in_the_order_of_its_lines() {
        let directory = tempfile::tempdir().expect("a directory");
        let line = |minute: u32| {
            format!("203.0.113.9 - - [17/May/2015:10:{minute:02}:03 +0000] \"GET /a HTTP/1.1\" 200 1\n")
        };
        let write = |name: &str, text: &[u8]| {
            std::fs::write(directory.path().join(name), text).expect("room");
        };
        write("a.log", line(9).as_bytes());
        write("a.log.2", line(1).as_bytes());
        write("a.log.2.zst", &zstd::encode_all(line(1).as_bytes(), 0).expect("memory"));
        write("a.log.1", line(5).as_bytes());
        write("a.log.0", b"");
        write("a.log.other", line(3).as_bytes());
        let found = beside(&directory.path().join("a.log"), UnixMillis(0));
        let names: Vec<_> =
            found.iter().map(|log| (log.path.file_name().expect("a name"), log.is_rotated)).collect();
        let expected = [("a.log.2", true), ("a.log.other", false), ("a.log.1", true)];
        assert_eq!(names, expected.map(|(name, is_rotated)| (std::ffi::OsStr::new(name), is_rotated)));
        assert!(beside(&directory.path().join("a.log"), UnixMillis(u64::MAX)).is_empty());
    }
}
