//! What becomes of a line, and the account that every line of a log is in.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Value, json};

use crate::beacon::log::LogError;
use crate::words::Day;

/// Remarks that are kept; whatever causes more has said enough.
const REMARKS_MAX: usize = 20;
/// Places that are named of each kind of unreadable line.
const EXAMPLES_MAX: usize = 5;

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// A view.
    Counted,
    /// It was counted, or left out, by an earlier import.
    Already,
    /// Beacons count the site at that moment already.
    Live,
    /// Another log of the site tells of it, or of its time.
    Covered,
    /// The owner left the client's network out.
    Excluded,
    /// A robot's.
    Robot,
    /// Not a GET.
    Method,
    /// Not answered with 2xx or 304.
    Status,
    /// An address on a host that the site does not have.
    ForeignHost,
    /// For headcount itself, behind the same server.
    Own,
    /// An image, a style, a script, a font, an archive or media, or a file for programs.
    Static,
    /// The referrer is a known sender of false ones.
    ReferrerSpam,
    /// The target is no page, or too long for one.
    NoPage,
    /// Its day has not come yet.
    Future,
    /// No line of an access log.
    Unreadable(LogError),
    /// The last line, still without its end; it is left for the next time.
    Unfinished,
}

impl Outcome {
    /// The word in the summary.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Counted => "counted",
            Outcome::Already => "already",
            Outcome::Live => "live",
            Outcome::Covered => "covered",
            Outcome::Excluded => "excluded",
            Outcome::Robot => "robot",
            Outcome::Method => "method",
            Outcome::Status => "status",
            Outcome::ForeignHost => "foreign_host",
            Outcome::Own => "own",
            Outcome::Static => "static",
            Outcome::ReferrerSpam => "referrer_spam",
            Outcome::NoPage => "no_page",
            Outcome::Future => "future",
            Outcome::Unreadable(_) => "unreadable",
            Outcome::Unfinished => "unfinished",
        }
    }

    /// What it means, in a few words.
    fn meaning(self) -> String {
        match self {
            Outcome::Counted => "views".to_owned(),
            Outcome::Already => "dealt with by an earlier import".to_owned(),
            Outcome::Live => "since the first beacon of the site, which counts them itself".to_owned(),
            Outcome::Covered => {
                "counted from another log already, by their time; if these are other requests, as another server's are, \
                 import the log again with --overlap"
                    .to_owned()
            }
            Outcome::Excluded => "from networks that are left out".to_owned(),
            Outcome::Robot => "by robots".to_owned(),
            Outcome::Method => "not a GET".to_owned(),
            Outcome::Status => "not answered with 2xx or 304".to_owned(),
            Outcome::ForeignHost => "for addresses on hosts that the site does not list".to_owned(),
            Outcome::Own => "for headcount itself: its beacons, numbers and welcome page".to_owned(),
            Outcome::Static => "images, styles, scripts, fonts, archives, media, robots.txt and the like".to_owned(),
            Outcome::ReferrerSpam => "with a referrer that is spam".to_owned(),
            Outcome::NoPage => "for something that is no page, or too long for one".to_owned(),
            Outcome::Future => "of a day that has not come yet".to_owned(),
            Outcome::Unreadable(error) => error.to_string(),
            Outcome::Unfinished => "the last line has no end yet; left for the next time".to_owned(),
        }
    }

    fn is_odd(self) -> bool {
        matches!(self, Outcome::Covered | Outcome::NoPage | Outcome::Future | Outcome::Unreadable(_))
    }
}

/// Every line that was read, by what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    lines: u64,
    outcomes: BTreeMap<Outcome, u64>,
    /// Where the first odd ones stand: file and line.
    examples: BTreeMap<Outcome, Vec<(String, u64)>>,
    /// Visits that the counted views opened.
    pub visits: u64,
    /// Files that were not counted, or not to their end, and why.
    uncounted: Vec<(String, String)>,
    /// Counted days of which what views told does not stay, and for how many days it would.
    old_days: BTreeSet<Day>,
    /// Counted days that have visitors by a secret that is erased.
    days_anew: BTreeSet<Day>,
    /// What somebody should know besides.
    remarks: Vec<String>,
    details_days: u32,
}

impl Summary {
    /// Notes what became of a line.
    pub fn note(&mut self, outcome: Outcome, file: &str, line: u64) {
        self.note_many(outcome, 1);
        if outcome.is_odd() {
            let examples = self.examples.entry(outcome).or_default();
            if examples.len() < EXAMPLES_MAX {
                examples.push((file.to_owned(), line));
            }
        }
    }

    /// Notes what became of many lines that are alike.
    pub fn note_many(&mut self, outcome: Outcome, lines: u64) {
        if lines > 0 {
            self.lines += lines;
            *self.outcomes.entry(outcome).or_default() += lines;
        }
    }

    /// Notes a counted day of which what views told does not stay.
    pub(super) fn note_old_day(&mut self, day: Day, details_days: u32) {
        self.old_days.insert(day);
        self.details_days = details_days;
    }

    /// Notes a counted day that has visitors by a secret that is erased.
    pub(super) fn note_anew(&mut self, day: Day) {
        self.days_anew.insert(day);
    }

    /// Notes something that somebody should know besides.
    pub(super) fn note_remark(&mut self, text: &str) {
        if self.remarks.len() < REMARKS_MAX {
            self.remarks.push(text.to_owned());
        }
    }

    /// Notes a file that was not counted, or not to its end.
    pub(super) fn note_uncounted(&mut self, file: &str, cause: &str) {
        self.uncounted.push((file.to_owned(), cause.to_owned()));
    }

    /// Files that were not counted, or not to their end, and why.
    #[must_use]
    pub fn uncounted(&self) -> &[(String, String)] {
        &self.uncounted
    }

    /// Lines that were noted as views turn out to be something else.
    pub(super) fn take_back(&mut self, outcome: Outcome, lines: u64) {
        let counted = self.outcomes.entry(Outcome::Counted).or_default();
        *counted = counted.saturating_sub(lines);
        self.lines -= lines.min(self.lines);
        self.note_many(outcome, lines);
        self.outcomes.retain(|_, lines| *lines > 0);
    }

    /// All lines.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Lines of one outcome.
    #[must_use]
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.outcomes.get(&outcome).copied().unwrap_or(0)
    }

    /// Lines that tell of no request.
    #[must_use]
    pub fn unreadable(&self) -> u64 {
        let unreadable = |(outcome, _): &(&Outcome, &u64)| matches!(outcome, Outcome::Unreadable(_));
        self.outcomes.iter().filter(unreadable).map(|(_, lines)| lines).sum()
    }

    /// For programs: `lines`, `visits`, a number for each outcome, `odd` lines by cause with the first few
    /// places, `uncounted` files with the cause, `days_before_retention`, `days_with_visitors_anew` whose
    /// readers may be visitors of that day twice, and `remarks`: what somebody should know besides.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut by_word: BTreeMap<&str, u64> = BTreeMap::new();
        for (outcome, lines) in &self.outcomes {
            *by_word.entry(outcome.as_str()).or_default() += lines;
        }
        let odd = self.outcomes.iter().filter(|(outcome, _)| outcome.is_odd());
        let odd = odd.map(|(outcome, lines)| {
            let examples = self.examples.get(outcome).into_iter().flatten();
            let places: Vec<_> = examples.map(|(file, line)| format!("{file}:{line}")).collect();
            json!({ "outcome": outcome.as_str(), "cause": outcome.meaning(), "lines": lines, "first": places })
        });
        let uncounted = self.uncounted.iter();
        let uncounted = uncounted.map(|(file, cause)| json!({ "file": file, "cause": cause }));
        json!({
            "lines": self.lines,
            "visits": self.visits,
            "outcomes": by_word,
            "odd": odd.collect::<Vec<_>>(),
            "uncounted": uncounted.collect::<Vec<_>>(),
            "days_before_retention": self.old_days.len(),
            "days_with_visitors_anew": self.days_anew.len(),
            "remarks": self.remarks,
        })
    }
}

impl fmt::Display for Summary {
    /// A table for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.lines.to_string().len().max(5);
        writeln!(f, "{:>width$}  lines read", self.lines)?;
        for (outcome, lines) in &self.outcomes {
            write!(f, "{lines:>width$}  {:<13}  {}", outcome.as_str(), outcome.meaning())?;
            if *outcome == Outcome::Counted {
                write!(f, ", which opened {} visits", self.visits)?;
            }
            if let Some(examples) = self.examples.get(outcome) {
                let places: Vec<_> = examples.iter().map(|(file, line)| format!("{file}:{line}")).collect();
                write!(f, ": {}", places.join(", "))?;
            }
            writeln!(f)?;
        }
        for remark in &self.remarks {
            writeln!(f, "{:>width$}  {remark}", "note")?;
        }
        if !self.old_days.is_empty() {
            let (many, kept) = (self.old_days.len(), self.details_days);
            writeln!(
                f,
                "{many:>width$}  days are older than [retention] details = \"{kept}d\": their views, visits and \
                 visitors stay, their pages, referrers and the like are erased"
            )?;
        }
        if let Some(first) = self.days_anew.first() {
            let many = self.days_anew.len();
            writeln!(
                f,
                "{many:>width$}  days, the first {first}, had visitors whose secret is erased: who is in these lines too \
                 counts as another visitor of them"
            )?;
        }
        if !self.uncounted.is_empty() {
            let files: Vec<_> = self.uncounted.iter().map(|(file, _)| file.as_str()).collect();
            let many = files.len();
            writeln!(f, "{many:>width$}  files not counted, or not to their end: {}", files.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_adds_up_and_names_the_first_odd_lines() {
        let mut summary = Summary::default();
        summary.note_many(Outcome::Already, 1_000);
        summary.note_many(Outcome::Robot, 0);
        (1..=7).for_each(|line| summary.note(Outcome::Unreadable(LogError::Status), "access.log", line));
        summary.note(Outcome::Unreadable(LogError::Empty), "access.log", 9);
        summary.note(Outcome::Counted, "access.log", 8);
        summary.visits = 1;
        assert_eq!((summary.lines(), summary.unreadable()), (1_009, 8));
        let text = summary.to_string();
        let expected = " 1009  lines read\n    1  counted        views, which opened 1 visits\n";
        assert!(text.starts_with(expected), "{text}");
        assert!(
            text.contains("access.log:1, access.log:2, access.log:3, access.log:4, access.log:5\n"),
            "{text}"
        );
        assert!(!text.contains("robot") && !text.contains("files"), "{text}");
        summary.note_uncounted("/a/b.log", "it is a directory");
        assert!(summary.to_string().ends_with("    1  files not counted, or not to their end: /a/b.log\n"));
        let json = summary.json();
        let sum: u64 =
            json["outcomes"].as_object().expect("an object").values().filter_map(Value::as_u64).sum();
        assert_eq!((json["lines"].as_u64(), sum), (Some(1_009), 1_009));
        assert_eq!(json["odd"][1]["first"][0], "access.log:1");
    }
}
