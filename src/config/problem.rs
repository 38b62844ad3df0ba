//! What can be wrong with a configuration, and where each value came from.
//!
//! A problem is one line: the place, the key with its value, what is wrong, and what to do. Nothing here
//! knows the keys.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a value came from, from the weakest source to the strongest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The file that is compiled in.
    Default,
    /// A line of a file, counted from 1.
    File { path: Arc<Path>, line: usize },
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Environment(name) => write!(f, "environment {name}"),
            Origin::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// A file or directory could not be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// What was to be read.
        path: PathBuf,
        /// Why it could not.
        source: std::io::Error,
    },
    /// A file is not TOML.
    #[error("{}:{line}: {shown}: is not TOML from character {column} on; {message}", path.display())]
    Syntax {
        /// The file.
        path: Arc<Path>,
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
        /// The line, as it was written.
        shown: String,
        /// What the parser says.
        message: String,
    },
    /// A value that its key does not take.
    #[error("{origin}: {key} = {shown}: {wrong}; {remedy}")]
    Value {
        /// The place, as people find it again: `FILE:LINE`, a variable or a flag.
        origin: String,
        /// The key with its section, such as `limits.pages_per_site`.
        key: String,
        /// The value, as it was written.
        shown: String,
        /// What is wrong with it.
        wrong: String,
        /// What is allowed, or what to do.
        remedy: String,
    },
    /// Something that should not stand where it does, or is missing.
    #[error("{origin}: {key}: {wrong}; {remedy}")]
    Place {
        /// As in [`Problem::Value`].
        origin: String,
        /// As in [`Problem::Value`].
        key: String,
        /// What is wrong with it.
        wrong: String,
        /// What to do.
        remedy: String,
    },
}

/// Something wrong, with its place for putting problems in order.
pub(super) type Misplaced = (Origin, Problem);

/// A value that does not do.
pub(super) fn value(origin: &Origin, key: &str, shown: &str, wrong: &str, remedy: &str) -> Misplaced {
    let problem = Problem::Value {
        origin: origin.to_string(),
        key: key.to_owned(),
        shown: shown.to_owned(),
        wrong: wrong.to_owned(),
        remedy: remedy.to_owned(),
    };
    (origin.clone(), problem)
}

/// A key that should not be there, or is missing.
pub(super) fn place(origin: &Origin, key: &str, wrong: &str, remedy: &str) -> Misplaced {
    let problem = Problem::Place {
        origin: origin.to_string(),
        key: key.to_owned(),
        wrong: wrong.to_owned(),
        remedy: remedy.to_owned(),
    };
    (origin.clone(), problem)
}

/// Everything that is wrong with a configuration, one line each, in the order of sources and lines.
#[derive(Debug)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            // A value may hold anything, a terminal shall not obey it.
            let line = problem.to_string().replace(|c: char| c.is_control(), " ");
            write!(f, "{separator}{line}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// What a parser of one value says: what is wrong, and how to mend it when that is more than "allowed: …".
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) what: String,
    pub(super) remedy: Option<String>,
}

impl Wrong {
    /// What is allowed says enough.
    pub(super) fn new(what: impl Into<String>) -> Wrong {
        Wrong { what: what.into(), remedy: None }
    }

    /// There is something better to say than what is allowed.
    pub(super) fn mended_by(what: impl Into<String>, remedy: impl Into<String>) -> Wrong {
        Wrong { what: what.into(), remedy: Some(remedy.into()) }
    }
}

/// The word that was probably meant: at most two letters away, and less than half of it mistaken.
pub(super) fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let ranked = known.into_iter().map(|candidate| (distance(word, candidate), candidate));
    ranked
        .filter(|(distance, candidate)| *distance <= 2 && *distance * 2 < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Insertions, removals and replacements that turn one word into the other.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in to.chars().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_keyboard_finds_its_key() {
        let known = ["ack", "listen", "online_window", "total"];
        assert_eq!(closest("lisen", known), Some("listen"));
        assert_eq!(closest("onlinewindow", known), Some("online_window"));
        assert_eq!(closest("totals", known), Some("total"));
        assert_eq!(closest("colour", known), None);
        assert_eq!(closest("abc", known), None, "two of three letters is a guess");
    }
}
