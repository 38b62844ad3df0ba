//! `generate`: files that packages and machines need beside the binary, as they belong to this very version.
//!
//! A kind is a row of `files`, with a file of its own below `generate/`.

mod completions;
mod dashboards;
mod man;
mod unit;

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::{Failure, put};
use crate::dashboards::RUNBOOKS;

#[derive(Debug, Args)]
#[command(
    after_help = "Without a NAME and without --into it prints the first of them: headcount(8), the completion \
                        of bash, headcount.service, the dashboard of traffic, the rules."
)]
pub(super) struct Generate {
    /// What to write.
    kind: Kind,
    /// The one to print, such as headcount-status, zsh or headcount.socket.
    #[arg(conflicts_with = "into")]
    name: Option<String>,
    /// Write all of them into this directory, over those that are there. It is created when it is missing.
    #[arg(long, value_name = "DIRECTORY")]
    into: Option<PathBuf>,
    /// Where alerts shall say that their runbooks are, if not in this project's README.
    #[arg(long, value_name = "URL", default_value = RUNBOOKS, value_parser = address)]
    runbooks: String,
}

/// An address that a rule may hold as it is.
fn address(text: &str) -> Result<String, &'static str> {
    let has_scheme =
        text.split_once("://").is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty());
    let is_plain = text.chars().all(|c| c.is_ascii_graphic() && !"{}\"'<>\\`".contains(c));
    if has_scheme && is_plain {
        Ok(text.to_owned())
    } else {
        Err("an address is needed, as https://wiki.example.vn/runbooks")
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// Manual pages: headcount(8), and one for each command.
    Man,
    /// Completions for bash, zsh and fish.
    Completions,
    /// The units of systemd, as they are shipped.
    Unit,
    /// Dashboards for Grafana: traffic, health, fleet.
    Dashboards,
    /// The recording and alerting rules for Prometheus.
    Rules,
}

impl Kind {
    /// The files; `runbooks` is the address of the README that alerts name.
    fn files(self, runbooks: &str) -> Vec<Generated> {
        match self {
            Kind::Man => man::files(),
            Kind::Completions => completions::files(),
            Kind::Unit => unit::files(),
            Kind::Dashboards => dashboards::files(),
            Kind::Rules => dashboards::rules(runbooks),
        }
    }
}

/// A file that was made.
#[derive(Debug)]
struct Generated {
    /// How a person asks for it.
    name: String,
    /// Where it lies below the directory that was named.
    path: String,
    text: String,
}

impl Generate {
    pub(super) fn run(self) -> Result<(), Failure> {
        let files = self.kind.files(&self.runbooks);
        match (&self.into, &self.name) {
            (Some(directory), _) => write_all(directory, &files),
            (None, Some(name)) => put(&called(&files, name)?.text),
            (None, None) => files.first().map_or(Ok(()), |file| put(&file.text)),
        }
    }
}

fn called<'a>(files: &'a [Generated], name: &str) -> Result<&'a Generated, Failure> {
    files.iter().find(|file| file.name == name || file.path == name).ok_or_else(|| {
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        Failure::Argument(format!("there is no {name:?}; there are {}", names.join(", ")))
    })
}

fn write_all(directory: &Path, files: &[Generated]) -> Result<(), Failure> {
    for file in files {
        let path = directory.join(&file.path);
        let parent = path.parent().unwrap_or(directory);
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, &file.text))
            .map_err(|error| Failure::Failed(format!("cannot write {}: {error}", path.display())))?;
        say_done!("{}", path.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What packages take from the repository, since they are packed without running anything.
    const CHECKED_IN: &[(Kind, &str)] =
        &[(Kind::Man, "config/man"), (Kind::Completions, "config/completions")];

    /// After a change of a command or its help: `UPDATE_GENERATED=1 cargo test --lib generate`.
    #[test]
    fn what_is_checked_in_is_what_would_be_generated() {
        for (kind, directory) in CHECKED_IN {
            let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
            let files = kind.files(RUNBOOKS);
            if std::env::var_os("UPDATE_GENERATED").is_some() {
                fs::remove_dir_all(&directory).ok();
                write_all(&directory, &files).expect("the repository can be written");
            }
            for file in &files {
                let path = directory.join(&file.path);
                let found = fs::read_to_string(&path).unwrap_or_default();
                assert!(found == file.text, "{} differs; see above this test", path.display());
            }
            let known = |name: &std::ffi::OsStr| files.iter().any(|file| *file.path == *name);
            for entry in fs::read_dir(&directory).expect("it was just read from") {
                let name = entry.expect("it can be listed").file_name();
                assert!(known(&name), "{} is not generated any more", name.display());
            }
        }
    }

    #[test]
    fn every_file_has_a_name_a_place_and_a_text_of_its_own() {
        for kind in Kind::value_variants() {
            let files = kind.files(RUNBOOKS);
            assert!(!files.is_empty(), "{kind:?}");
            for (n, file) in files.iter().enumerate() {
                assert!(file.text.ends_with('\n') && file.text.len() > 100, "{kind:?}: {}", file.name);
                assert!(!files[..n].iter().any(|other| other.name == file.name || other.path == file.path));
            }
        }
    }

    #[test]
    fn a_name_that_is_not_there_is_answered_with_those_that_are() {
        let error = called(&Kind::Completions.files(RUNBOOKS), "powershell").expect_err("no such shell");
        assert_eq!(error.to_string(), "there is no \"powershell\"; there are bash, zsh, fish");
        assert_eq!(error.exit_code(), 2);
        let files = Kind::Completions.files(RUNBOOKS);
        assert_eq!(called(&files, "_headcount").expect("by its path").name, "zsh");
    }
}
