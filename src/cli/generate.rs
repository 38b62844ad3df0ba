//! `generate`: the files that go with the program, made by it, so that they fit this release.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::{Failure, put};
use crate::dashboards::{self, RUNBOOKS};

#[derive(Debug, Subcommand)]
pub(super) enum Generate {
    /// Write the Grafana dashboards into a directory: traffic.json, health.json, fleet.json.
    Dashboards {
        /// The directory; it is made when it is missing.
        #[arg(value_name = "DIRECTORY")]
        to: PathBuf,
    },
    /// Print the recording and alerting rules for Prometheus.
    Rules {
        /// The address of the README with the runbooks, as alerts shall name it.
        #[arg(long, value_name = "URL", default_value = RUNBOOKS)]
        runbooks: String,
    },
}

impl Generate {
    pub(super) fn run(&self) -> Result<(), Failure> {
        match self {
            Generate::Dashboards { to } => write(to).map_err(|(path, error)| {
                Failure::Failed(format!("cannot write {}: {error}", path.display()))
            }),
            Generate::Rules { runbooks } => put(&dashboards::rules(runbooks)),
        }
    }
}

fn write(to: &Path) -> Result<(), (PathBuf, io::Error)> {
    fs::create_dir_all(to).map_err(|error| (to.to_owned(), error))?;
    for file in dashboards::dashboards() {
        let path = to.join(&file.name);
        fs::write(&path, &file.text).map_err(|error| (path.clone(), error))?;
        say_done!("{}", path.display());
    }
    Ok(())
}
