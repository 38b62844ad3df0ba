//! `check-config` and `journal check`.

use clap::{Args, Subcommand};

use super::{Failure, Settings, failed};
use crate::clock::Clock;
use crate::config::Config;
use crate::daemon::DaemonError;
use crate::fleet::{Identity, SharedStore, Weight};
use crate::journal::{self, RealDisk, Verdict};
use crate::web::{Certificates, read_certificates};

#[derive(Debug, Args)]
pub(super) struct CheckConfig {
    /// Reach the shared store of a fleet too, as the daemon would, and say what is wrong with it.
    #[arg(long)]
    connect: bool,
    #[command(flatten)]
    settings: Settings,
}

impl CheckConfig {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = self.settings.load()?;
        let certificates = read_certificates(&config.web.tls).map_err(DaemonError::from)?;
        let late = Certificates::new(certificates).warnings(Clock::system().now());
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
        if self.connect { connect(&config) } else { Ok(()) }
    }
}

/// Reaches the shared store. Exit 1 for what may pass by itself, 3 for what somebody must mend.
fn connect(config: &Config) -> Result<(), Failure> {
    let Some(options) = &config.fleet else {
        say!("there is no shared_store: this machine counts alone");
        return Ok(());
    };
    let identity = Identity::find(&config.state_directory).map_err(|error| failed(&error))?;
    let shared = SharedStore::new(options).map_err(|error| failed(&error))?;
    let findings = shared.check(&Clock::system(), identity.as_ref());
    let of = |weight| findings.iter().filter(move |finding| finding.weight == weight);
    for finding in of(Weight::Fine) {
        say!("{}", finding.text);
    }
    for finding in of(Weight::Warning) {
        say!("warning: {}", finding.text);
    }
    let bad: Vec<&str> =
        of(Weight::Wrong).chain(of(Weight::Away)).map(|finding| finding.text.as_str()).collect();
    for paste in findings.iter().filter_map(|finding| finding.paste.as_ref()) {
        say!("this user suffices; in redis-cli, on every server:\n{paste}");
    }
    match findings.iter().map(|finding| finding.weight).max() {
        Some(Weight::Wrong) => Err(Failure::SharedStore(bad.join("\n"))),
        Some(Weight::Away) => Err(Failure::Failed(bad.join("\n"))),
        _ => {
            say!("the shared store is right");
            Ok(())
        }
    }
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
