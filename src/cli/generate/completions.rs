//! Completions of shells, from the same definition that commands are parsed by.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use super::Generated;
use crate::cli::Cli;

/// Each with the file name that its shell looks for; bash's is the same as zsh's but for the underscore, so it
/// takes an ending until it is installed.
const SHELLS: &[(Shell, &str)] =
    &[(Shell::Bash, "headcount.bash"), (Shell::Zsh, "_headcount"), (Shell::Fish, "headcount.fish")];

pub(super) fn files() -> Vec<Generated> {
    SHELLS.iter().map(|(shell, path)| completion(*shell, path)).collect()
}

fn completion(shell: Shell, path: &str) -> Generated {
    let mut bytes = Vec::new();
    generate(shell, &mut Cli::command(), "headcount", &mut bytes);
    let text = String::from_utf8(bytes).expect("it is made of what commands and flags are called");
    Generated { name: shell.to_string(), path: path.to_owned(), text }
}
