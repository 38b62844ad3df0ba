//! `check-config` and `journal check`.

use clap::Subcommand;

use super::{Failure, Settings, failed};
use crate::clock::Clock;
use crate::daemon::DaemonError;
use crate::journal::{self, RealDisk, Verdict};
use crate::web::{Certificates, read_certificates};

/// Says whether the configuration is right.
pub(super) fn config(settings: &Settings) -> Result<(), Failure> {
    let config = settings.load()?;
    let certificates = Certificates::new(read_certificates(&config.web.tls).map_err(DaemonError::from)?);
    let late = certificates.warnings(Clock::system().now());
    for warning in config.warnings.iter().chain(&late) {
        say!("warning: {warning}");
    }
    for file in &config.files {
        say!("read {}", file.display());
    }
    say!(
        "the configuration is right: {}, state in {}",
        counted(config.sites.len(), "site"),
        config.state_directory.display()
    );
    Ok(())
}

#[derive(Debug, Subcommand)]
pub(super) enum Journal {
    /// Read every record of every stream, change nothing, and say what is sound. Exit 4 on damage.
    Check(Settings),
}

impl Journal {
    pub(super) fn run(self) -> Result<(), Failure> {
        let Journal::Check(settings) = self;
        let config = settings.load()?;
        let directory = &config.journal.directory;
        let streams = match journal::inspect(directory, &RealDisk) {
            Ok(streams) => streams,
            Err(error) => {
                return Err(Failure::Failed(format!("cannot read {}: {error}", directory.display())));
            }
        };
        let mut damaged = 0;
        for stream in &streams {
            let name = stream.path.display();
            let (records, bytes) = (stream.records, stream.bytes);
            match &stream.verdict {
                Verdict::Sound => say!("{name}: sound, {records} records, {bytes} bytes"),
                Verdict::Torn { offset } => {
                    say!(
                        "{name}: {records} records, torn at byte {offset} of {bytes}; a start cuts that off"
                    );
                }
                Verdict::Damaged { offset } => {
                    say!("{name}: DAMAGED at byte {offset} of {bytes}, after {records} sound records");
                }
                Verdict::Copied => say!("{name}: is a copy under another name; move it away"),
                Verdict::Newer { version } => say!("{name}: has format {version}, of a later release"),
                Verdict::Unreadable { why } => say!("{name}: cannot be read: {why}"),
            }
            damaged += usize::from(!matches!(stream.verdict, Verdict::Sound | Verdict::Torn { .. }));
        }
        say!("{} in {}", counted(streams.len(), "stream"), directory.display());
        if damaged == 0 {
            return Ok(());
        }
        Err(Failure::Damaged(format!(
            "{} cannot be used; move what is named out of {} to start without it, or restore a backup",
            counted(damaged, "stream"),
            directory.display()
        )))
    }
}

/// A number and what it counts.
fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

impl From<journal::OpenError> for Failure {
    fn from(error: journal::OpenError) -> Failure {
        failed(&error)
    }
}
