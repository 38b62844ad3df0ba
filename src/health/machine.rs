//! Questions about the machine: disk, clock, permissions, open files.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::{Finding, Vitals, size};

/// With less room than this nothing can be written soon.
const ROOM_BYTES_MIN: u64 = 64 << 20;
/// The clock may stand ahead of the system's by this much after a small correction.
const AHEAD_MS_MAX: u64 = 2_000;
/// Files that are open beside connections: journal, store, listeners, their clones.
const OTHER_FILES: u64 = 200;

/// How much room the disk has.
pub(super) fn disk(vitals: &Vitals) -> Finding {
    let found = match rustix::fs::statvfs(&vitals.state_directory) {
        Ok(found) => found,
        Err(error) => return Finding::odd(format!("the disk does not say how much room it has: {error}")),
    };
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    let (free, all) = (bytes(found.f_bavail), bytes(found.f_blocks));
    let text = format!(
        "{} of {} are free on the disk of {}",
        size(free),
        size(all),
        vitals.state_directory.display()
    );
    if free < ROOM_BYTES_MIN {
        return Finding::odd(format!("{text}; when nothing is left, beacons are refused: make room"));
    }
    Finding::good(text)
}

/// Whether our clock is the system's.
pub(super) fn clock(vitals: &Vitals) -> Finding {
    let ahead = vitals.rooms.clock.ahead_ms();
    if ahead > AHEAD_MS_MAX {
        return Finding::odd(format!(
            "the system's clock stepped back by {} s; ours goes at half speed until they agree; look at the time server",
            ahead / 1_000
        ));
    }
    Finding::good("the clock has not stepped back")
}

/// Whether the state directory is ours alone and can be written.
pub(super) fn permissions(vitals: &Vitals) -> Finding {
    let directory = &vitals.state_directory;
    let look = |path: &Path| fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()));
    let found = match look(directory) {
        Ok(found) => found,
        Err(wrong) => return Finding::bad(wrong),
    };
    if let Err(wrong) = write_and_remove(directory) {
        return Finding::bad(format!("nothing can be written in {}: {wrong}", directory.display()));
    }
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let place = directory.display();
        return Finding::odd(format!(
            "{place} has mode {mode:03o}: others on this machine may look in, where the day's secrets lie; chmod 700 {place}"
        ));
    }
    Finding::good(format!("{} is ours alone (uid {})", directory.display(), found.uid()))
}

fn write_and_remove(directory: &Path) -> std::io::Result<()> {
    let path = directory.join("doctor");
    File::create(&path)?;
    fs::remove_file(&path)
}

/// Whether as many connections can be open as are allowed.
pub(super) fn files(vitals: &Vitals) -> Finding {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let limit = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let Some(soft) = limit.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()) else {
        return Finding::good("the number of open files has no limit that is known");
    };
    let wanted =
        u64::try_from(vitals.rooms.options.connections_max).unwrap_or(u64::MAX).saturating_add(OTHER_FILES);
    if soft < wanted {
        return Finding::odd(format!(
            "only {soft} files may be open, and connections_max needs {wanted}: raise LimitNOFILE in the unit, or ulimit -n"
        ));
    }
    Finding::good(format!("{soft} files may be open, {wanted} are needed at most"))
}
