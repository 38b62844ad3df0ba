//! The commands: one file each, and the only place that prints.

/// Prints a line of what was asked for, and ends the command where it cannot be printed. Whoever has read enough,
/// as `head` does, may go.
macro_rules! say {
    ($($words:tt)*) => {
        super::put(&format!("{}\n", format_args!($($words)*)))?
    };
}

/// Prints a line about a change that was made: one that cannot be printed was made all the same, and whoever is
/// told of a failure makes it twice.
macro_rules! say_done {
    ($($words:tt)*) => {
        super::tell(&format!("{}\n", format_args!($($words)*)))
    };
}

mod adjust;
mod adopt;
mod backup;
mod check;
mod demo;
mod explain;
mod export;
mod fleet;
mod generate;
mod import;
mod import_from;
mod log;
mod nodes;
mod report;
mod screen;
mod serve;
mod shown;
mod sites;
mod status;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use jiff::tz::TimeZone;

use crate::config::{self, Config, Overrides, Problems, Sources};
use crate::control::with_sources;
use crate::daemon::DaemonError;
use crate::fleet::SharedStore;
use crate::snippet::Language;
use crate::web::PassedError;

/// What was typed.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, about = ABOUT, long_about = LONG_ABOUT, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const ABOUT: &str = "Counts the people on your website, and shows them in its footer";
const LONG_ABOUT: &str = "Counts the people on your website, and shows them in its footer.\n\n\
Start with `headcount serve` and open http://127.0.0.1:8080/: the page there counts your visit and shows the \
line to paste. All settings have defaults; `headcount config` prints them.";
const EXIT_CODES: &str = "Exit codes: 0 fine, 1 failed while running, 2 bad arguments, 3 bad configuration, 4 damaged data.\n\
Every key of the configuration is also a variable: HEADCOUNT_LISTEN, HEADCOUNT_LIMITS__PAGES_PER_SITE, …";

/// Settings that every command takes; a flag is stronger than a variable, a variable than the file.
#[derive(Debug, Args)]
pub struct Settings {
    /// The configuration file.
    #[arg(long, value_name = "FILE", help = "The configuration file. Default: $HEADCOUNT_CONFIG, else none")]
    config: Option<PathBuf>,
    /// Where everything is kept.
    #[arg(long, value_name = "DIRECTORY", help = STATE_DIRECTORY)]
    state_directory: Option<String>,
}

/// Where systemd lays the credentials of the shipped service, for its user and root.
const CREDENTIALS: &str = "/run/credentials/headcount.service";
const STATE_DIRECTORY: &str =
    "Where everything is kept. Default: $STATE_DIRECTORY, else ~/.local/state/headcount";

#[derive(Debug, Subcommand)]
enum Command {
    /// Count and show: the daemon.
    Serve(serve::Serve),
    /// Say whether the configuration is right; every problem, with file, line and key.
    CheckConfig(check::CheckConfig),
    /// Print the configuration in force, and where each value came from.
    Config(Settings),
    /// Per site: its numbers, its last counted beacon, and what was refused in the last hour.
    Sites(sites::Sites),
    /// Say on one screen how the daemon is; exit 1 when it is not healthy.
    Status(status::Status),
    /// Ask every question about this setup: proxies, networks, clock, disk, permissions, store.
    Doctor(status::Doctor),
    /// Correct a number, with a reason: the total alone, or one day.
    Adjust(adjust::Adjust),
    /// Say whether a beacon would be counted, and if not, why.
    Explain(explain::Explain),
    /// The machines of a fleet: which there are, and which is gone for good.
    Nodes(nodes::Nodes),
    /// Send what a dead machine's state directory still holds to the fleet, under that machine's name.
    Adopt(adopt::Adopt),
    /// What a fleet counted, for a machine that shall go on alone.
    #[command(subcommand)]
    Fleet(fleet::FleetCommand),
    /// Look at the journal.
    #[command(subcommand)]
    Journal(check::Journal),
    /// Write everything but the secrets of the day into one new file, while serving too.
    Backup(backup::Backup),
    /// Replace everything by what a backup holds; the daemon must be stopped.
    Restore(backup::Restore),
    /// Count from a server's log, past or as it is written; or bring the numbers of an old counter along.
    Import(import::Import),
    /// Print days, pages, referrers, browsers and the like of a site, for other programs.
    Export(export::Export),
    /// Write what belongs beside the binary: manual pages, completions, units, dashboards, rules.
    Generate(generate::Generate),
    /// Show on one screen what was counted of a site: days, pages, referrers, browsers and the like.
    Report(report::Report),
    /// Start a daemon to throw away, with a day of made-up people behind it and more coming.
    Demo(demo::Demo),
}

/// Why a command ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The configuration is wrong: exit 3.
    #[error("{0}")]
    Config(#[from] Problems),
    /// The daemon did not start or ended.
    #[error("{}", with_sources(.0))]
    Daemon(#[from] DaemonError),
    /// What the service manager passed cannot be served, which is its unit's mistake: exit 3.
    #[error("{0}")]
    Passed(#[from] PassedError),
    /// The shared store is not as it must be: exit 3.
    #[error("{0}")]
    SharedStore(String),
    /// An argument makes no sense: exit 2.
    #[error("{0}")]
    Argument(String),
    /// Data is damaged: exit 4.
    #[error("{0}")]
    Damaged(String),
    /// Anything else: exit 1.
    #[error("{0}")]
    Failed(String),
}

impl Failure {
    fn exit_code(&self) -> u8 {
        match self {
            Failure::Config(_) | Failure::Passed(_) | Failure::SharedStore(_) => 3,
            Failure::Daemon(error) => error.exit_code(),
            Failure::Argument(_) => 2,
            Failure::Damaged(_) => 4,
            Failure::Failed(_) => 1,
        }
    }
}

/// Runs the command that was typed.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    let done = match cli.command {
        Command::Serve(serve) => serve.run(),
        Command::CheckConfig(check) => check.run(),
        Command::Config(settings) => settings.load().and_then(|config| put(&config.print())),
        Command::Sites(sites) => sites.run(),
        Command::Status(status) => status.run(),
        Command::Doctor(doctor) => doctor.run(),
        Command::Adjust(adjust) => adjust.run(),
        Command::Import(import) => import.run(),
        Command::Explain(explain) => explain.run(),
        Command::Nodes(nodes) => nodes.run(),
        Command::Adopt(adopt) => adopt.run(),
        Command::Fleet(fleet) => fleet.run(),
        Command::Journal(journal) => journal.run(),
        Command::Backup(backup) => backup.run(),
        Command::Restore(restore) => restore.run(),
        Command::Export(export) => export.run(),
        Command::Report(report) => report.run(),
        Command::Demo(demo) => demo.run(),
        Command::Generate(generate) => generate.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let mark = log::failure_mark();
            for line in failure.to_string().lines() {
                eprintln!("{mark}headcount: {line}");
            }
            ExitCode::from(failure.exit_code())
        }
    }
}

impl Settings {
    fn sources(&self) -> Sources {
        let environment: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Sources {
            file: self.config.clone(),
            environment,
            overrides: Overrides { state_directory: self.state_directory.clone(), ..Overrides::default() },
            machine_time_zone: TimeZone::try_system().ok(),
            known_languages: Language::tags().collect(),
        }
    }

    /// Of a command beside the daemon, which may read the secrets that the service was handed.
    fn sources_beside(&self) -> Sources {
        let mut sources = self.sources();
        let is_told = sources.environment.iter().any(|(name, _)| name == "CREDENTIALS_DIRECTORY");
        if !is_told && Path::new(CREDENTIALS).is_dir() {
            sources.environment.push(("CREDENTIALS_DIRECTORY".to_owned(), CREDENTIALS.to_owned()));
        }
        sources
    }

    fn load(&self) -> Result<Config, Failure> {
        Ok(config::load(&self.sources_beside())?)
    }
}

/// Prints much at once. Whoever has read enough, as `head` does, may go.
fn put(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::Failed(format!("cannot print: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints what a command has changed: that it could not be said is no reason to call it undone.
fn tell(text: &str) {
    if let Err(failure) = put(text) {
        eprintln!("headcount: {failure}; what was asked for is done");
    }
}

/// The shared store of the configuration; a machine alone has none.
fn shared_store(config: &Config) -> Result<SharedStore, Failure> {
    let Some(options) = &config.fleet else {
        return Err(Failure::Failed(
            "there is no fleet: shared_store is empty in the configuration".to_owned(),
        ));
    };
    SharedStore::new(options).map_err(|error| failed(&error))
}

/// A failure in the words of an error and its causes.
fn failed(error: &dyn std::error::Error) -> Failure {
    Failure::Failed(with_sources(error))
}
