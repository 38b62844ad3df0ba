//! Secrets that a service manager hands over as files: `credential:NAME` in the place of the secret itself.
//!
//! systemd puts them into a directory that only the service sees and names it in `$CREDENTIALS_DIRECTORY`
//! (systemd.exec(5), "Credentials"). What the file holds is never shown: messages and the printed
//! configuration have its name.

use std::fs::File;
use std::io::Read;

use super::problem::Wrong;
use super::shape::Surroundings;

/// What stands before the name.
const MARK: &str = "credential:";
/// The longest secret: an address with a password, or a few keys.
const BYTES_MAX: u64 = 64 << 10;

/// The text itself, or what lies in the credential that it names.
///
/// # Errors
/// When the credential is not there, cannot be read, or is empty.
pub(super) fn reveal(text: &str, around: &Surroundings<'_>) -> Result<String, Wrong> {
    let Some(name) = text.strip_prefix(MARK) else { return Ok(text.to_owned()) };
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        return Err(Wrong::mended_by(
            "names no credential",
            "write credential:NAME, with the NAME of a file",
        ));
    }
    let Some(directory) = around.credentials else {
        let wrong = "needs a service manager that hands credentials over: $CREDENTIALS_DIRECTORY is not set";
        let remedy = "start the service, or set that variable to the directory with the file";
        return Err(Wrong::mended_by(wrong, remedy));
    };
    let path = directory.join(name);
    let remedy = format!(
        "put LoadCredential={name}:/etc/headcount/credentials/{name} into the unit, and the file there"
    );
    let mut secret = String::new();
    let read = File::open(&path).and_then(|file| file.take(BYTES_MAX + 1).read_to_string(&mut secret));
    match read {
        Err(error) => {
            Err(Wrong::mended_by(format!("cannot be read from {}: {error}", path.display()), remedy))
        }
        Ok(bytes) if u64::try_from(bytes).is_ok_and(|bytes| bytes > BYTES_MAX) => {
            Err(Wrong::mended_by(format!("is longer than {BYTES_MAX} bytes in {}", path.display()), remedy))
        }
        Ok(_) if secret.trim_end().is_empty() => {
            Err(Wrong::mended_by(format!("is empty in {}", path.display()), remedy))
        }
        Ok(_) => Ok(secret.trim_end().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use jiff::tz::TimeZone;

    use super::*;

    fn revealed(text: &str, credentials: Option<&Path>) -> Result<String, String> {
        let around = Surroundings {
            known_languages: &[],
            machine_time_zone: &TimeZone::UTC,
            folder: PathBuf::new(),
            credentials,
        };
        reveal(text, &around).map_err(|wrong| wrong.what)
    }

    #[test]
    fn a_secret_is_what_its_file_holds_without_the_end_of_the_line() {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("redis-url"), "redis://:pw@host\n").expect("is written");
        let within = |text| revealed(text, Some(directory.path()));
        assert_eq!(within("credential:redis-url").as_deref(), Ok("redis://:pw@host"));
        assert_eq!(within("redis://host").as_deref(), Ok("redis://host"));
        assert_eq!(within("").as_deref(), Ok(""));
    }

    #[test]
    fn a_credential_that_cannot_be_had_is_named() {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("empty"), "\n").expect("is written");
        std::fs::write(directory.path().join("long"), "x".repeat(70_000)).expect("is written");
        std::fs::write(directory.path().join("bytes"), [0xff]).expect("is written");
        std::fs::create_dir(directory.path().join("folder")).expect("is made");
        let check = |name: &str, expected: &str| {
            let wrong = revealed(&format!("credential:{name}"), Some(directory.path())).expect_err(name);
            assert!(wrong.contains(expected), "{name}: {wrong}");
        };
        check("none", "none: No such file");
        check("empty", "is empty in");
        check("long", "is longer than 65536 bytes");
        check("bytes", "cannot be read from");
        check("folder", "cannot be read from");
        check("../x", "names no credential");
        check("", "names no credential");
        let wrong = revealed("credential:x", None).expect_err("no directory");
        assert!(wrong.contains("$CREDENTIALS_DIRECTORY is not set"), "{wrong}");
    }
}
