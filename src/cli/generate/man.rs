//! Manual pages of section 8, from the same definition that commands are parsed by. What no flag tells (files,
//! signals, exit codes) stands in `headcount.roff` and is part of headcount(8).

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::Generated;
use crate::cli::Cli;

const MORE: &str = include_str!("headcount.roff");
const SEE_ALSO: &str = ".SH \"SEE ALSO\"\n.BR headcount (8)\n";

pub(super) fn files() -> Vec<Generated> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut files = Vec::new();
    pages_below(&command, &mut files);
    files
}

/// The page of a command, then those of the commands below it.
fn pages_below(command: &Command, files: &mut Vec<Generated>) {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let more = if files.is_empty() { MORE } else { SEE_ALSO };
    files.push(Generated { path: format!("{name}.8"), text: page(command, &name, more), name });
    for below in command.get_subcommands() {
        pages_below(below, files);
    }
}

fn page(command: &Command, name: &str, more: &str) -> String {
    // Without a date: the same source makes the same page on every day.
    let page = Man::new(command.clone())
        .title(name)
        .section("8")
        .source(concat!("headcount ", env!("CARGO_PKG_VERSION")))
        .manual("headcount");
    let mut bytes = Vec::new();
    page.render(&mut bytes).expect("memory takes what is written");
    let text = String::from_utf8(bytes).expect("help texts are text");
    // The generator's heading says nothing about what stands below it.
    plain(&(text.replace("\n.SH EXTRA\n", "\n.SH NOTES\n") + more))
}

/// With every letter beyond ASCII in the words of roff, which readers of pages take in every locale.
fn plain(text: &str) -> String {
    let letter = |c: char| if c.is_ascii() { c.to_string() } else { format!("\\[u{:04X}]", u32::from(c)) };
    text.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_that_headcount_names() {
        let files = files();
        let first = files.first().expect("headcount(8) is the first");
        assert_eq!((first.name.as_str(), first.path.as_str()), ("headcount", "headcount.8"));
        for section in
            ["NAME", "SYNOPSIS", "DESCRIPTION", "FILES", "SIGNALS", "ENVIRONMENT", "\"EXIT STATUS\""]
        {
            assert!(first.text.contains(&format!("\n.SH {section}\n")), "{section}");
        }
        for command in Cli::command().get_subcommands() {
            let page = format!("headcount-{}", command.get_name());
            assert!(files.iter().any(|file| file.name == page), "{page}");
            assert!(first.text.contains(&page.replace('-', "\\-")), "{page}");
        }
        assert!(
            files.iter().any(|file| file.name == "headcount-journal-check"),
            "commands below commands too"
        );
        assert!(files.iter().all(|file| file.text.is_ascii()));
        assert_eq!(plain("a…"), "a\\[u2026]");
    }
}
