//! The days' secret salts: made, kept, forgotten. The one place that draws random bytes.
//!
//! A visitor's id is a keyed hash under the salt of the site's day. Salts lie in one small file,
//! readable by its owner alone, that is replaced whole: a line for each day that is still in use.
//! Once no site can need a day's salt any more (its day is over everywhere and the visit window
//! after midnight has passed) the file is written without it, and the ids of that day can no longer
//! be traced to anybody. A salt is on disk before the first id is made with it, so a restart does
//! not count people twice. No backup holds salts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};

use crate::words::{Day, Salt};

/// Why the salts cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SaltError {
    /// The file could not be read or replaced.
    #[error("cannot {doing} {}: {source}", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line is not a day and 32 hexadecimal digits.
    #[error("{} line {line} is not a day and a salt; remove the line: visitors of that day may count once more", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The system gave no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
}

/// The salts of the days in use.
pub struct Salts {
    path: PathBuf,
    days: RwLock<BTreeMap<Day, Salt>>,
    /// The first day that is not over, once somebody said it.
    oldest: RwLock<Option<Day>>,
    /// Held while the file is replaced.
    writing: Mutex<()>,
}

impl Salts {
    /// Opens the file, which need not exist yet.
    ///
    /// # Errors
    /// When it cannot be read or holds something else.
    pub fn open(path: PathBuf) -> Result<Salts, SaltError> {
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(SaltError::File { doing: "read", path, source }),
        };
        let mut days = BTreeMap::new();
        for (n, line) in text.lines().enumerate() {
            let Some((day, salt)) = parse(line) else { return Err(SaltError::Line { path, line: n + 1 }) };
            days.insert(day, salt);
        }
        Ok(Salts { path, days: RwLock::new(days), oldest: RwLock::default(), writing: Mutex::default() })
    }

    /// The salt of a day, if it was made and not forgotten.
    #[must_use]
    pub fn of(&self, day: Day) -> Option<Salt> {
        self.days.read().unwrap_or_else(PoisonError::into_inner).get(&day).copied()
    }

    /// The first day whose salt a site may still need, as [`Salts::keep`] was told last.
    #[must_use]
    pub fn oldest(&self) -> Option<Day> {
        *self.oldest.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The salt of a day, made if there is none; none is forgotten.
    ///
    /// # Errors
    /// When the file cannot be replaced; then nothing changed.
    pub fn make(&self, day: Day) -> Result<Salt, SaltError> {
        if let Some(salt) = self.of(day) {
            return Ok(salt);
        }
        self.extend(&[day], Day(i32::MIN))?;
        Ok(self.of(day).expect("was made or found above, and nobody forgets single days meanwhile"))
    }

    /// Takes the salt of a day from others, in the place of an own one.
    ///
    /// # Errors
    /// When the file cannot be replaced; then nothing changed.
    pub fn adopt(&self, day: Day, salt: Salt) -> Result<(), SaltError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.days.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut days = before.clone();
        days.insert(day, salt);
        self.replace(&before, days).map(drop)
    }

    /// Forgets the days that are not among `needed`. Returns how many.
    ///
    /// # Errors
    /// When the file cannot be replaced; then nothing changed.
    pub fn forget_all_but(&self, needed: &BTreeSet<Day>) -> Result<usize, SaltError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.days.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut days = before.clone();
        days.retain(|day, _| needed.contains(day));
        self.replace(&before, days.clone())?;
        Ok(before.len() - days.len())
    }

    /// Makes the salts of those days that have none, and forgets all days before `oldest`.
    /// Returns whether anything changed.
    ///
    /// # Errors
    /// When the file cannot be replaced; then nothing changed.
    pub fn keep(&self, wanted: &[Day], oldest: Day) -> Result<bool, SaltError> {
        *self.oldest.write().unwrap_or_else(PoisonError::into_inner) = Some(oldest);
        self.extend(wanted, oldest)
    }

    /// Makes what is wanted, and keeps of what there is the days from `oldest` on.
    fn extend(&self, wanted: &[Day], oldest: Day) -> Result<bool, SaltError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.days.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut days: BTreeMap<Day, Salt> = before.range(oldest..).map(|(day, salt)| (*day, *salt)).collect();
        for day in wanted.iter().filter(|day| **day >= oldest) {
            if !days.contains_key(day) {
                days.insert(*day, Salt(random()?));
            }
        }
        self.replace(&before, days)
    }

    /// Writes what differs, first to the file. Returns whether anything did.
    fn replace(&self, before: &BTreeMap<Day, Salt>, days: BTreeMap<Day, Salt>) -> Result<bool, SaltError> {
        if days == *before {
            return Ok(false);
        }
        let refused = |source| SaltError::File { doing: "replace", path: self.path.clone(), source };
        replace(&self.path, &days).map_err(refused)?;
        *self.days.write().unwrap_or_else(PoisonError::into_inner) = days;
        Ok(true)
    }
}

/// The salts of the days in use, in the state directory.
#[must_use]
pub fn file(state: &Path) -> PathBuf {
    state.join("salts")
}

/// The salts of imported days lie in a file of their own: they stay until somebody says that a day is
/// whole, however long ago it was.
#[must_use]
pub fn imported_file(state: &Path) -> PathBuf {
    state.join("salts.import")
}

/// Random bytes from the system.
///
/// # Errors
/// When the system has none to give.
pub fn random<const N: usize>() -> Result<[u8; N], SaltError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(SaltError::Random)?;
    Ok(bytes)
}

fn parse(line: &str) -> Option<(Day, Salt)> {
    let (day, digits) = line.split_once(' ')?;
    let mut salt = [0; 16];
    if digits.len() != 2 * salt.len() || !digits.is_ascii() {
        return None;
    }
    for (n, byte) in salt.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * n..2 * n + 2], 16).ok()?;
    }
    Some((day.parse().ok()?, Salt(salt)))
}

fn replace(path: &Path, days: &BTreeMap<Day, Salt>) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    for (day, salt) in days {
        writeln!(file, "{day} {:032x}", u128::from_be_bytes(salt.0))?;
    }
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn salts_survive_a_restart_and_are_gone_once_forgotten() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("salts");
        let salts = Salts::open(path.clone()).expect("opens");
        assert!(salts.keep(&[Day(10), Day(11)], Day(10)).expect("writes"));
        assert!(!salts.keep(&[Day(10), Day(11)], Day(10)).expect("writes"));
        let ten = salts.of(Day(10));
        assert!(ten.is_some() && ten != salts.of(Day(11)));
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        let again = Salts::open(path.clone()).expect("opens");
        assert_eq!(again.of(Day(10)), ten);
        again.keep(&[Day(12)], Day(11)).expect("writes");
        assert_eq!(again.of(Day(10)), None);
        assert_eq!(
            (again.oldest(), Salts::open(path.clone()).expect("opens").oldest()),
            (Some(Day(11)), None)
        );
        assert_eq!(fs::read_to_string(&path).expect("there").lines().count(), 2);
    }

    #[test]
    fn salts_of_single_days_stay_until_they_are_not_needed() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = imported_file(directory.path());
        let salts = Salts::open(path.clone()).expect("opens");
        let old = salts.make(Day(-3)).expect("writes");
        let new = salts.make(Day(20_000)).expect("writes");
        assert!(old != new && salts.make(Day(-3)).expect("is there") == old);
        assert_eq!(salts.forget_all_but(&BTreeSet::from([Day(20_000)])).expect("writes"), 1);
        let again = Salts::open(path.clone()).expect("opens");
        assert_eq!((again.of(Day(-3)), again.of(Day(20_000))), (None, Some(new)));
        again.forget_all_but(&BTreeSet::new()).expect("writes");
        assert_eq!(fs::read_to_string(&path).expect("there"), "");
    }

    #[test]
    fn a_damaged_line_is_named() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("salts");
        fs::write(&path, "2026-01-01 00112233445566778899aabbccddeeff\n2026-01-02 short\n").expect("writes");
        assert!(matches!(Salts::open(path), Err(SaltError::Line { line: 2, .. })));
    }
}
