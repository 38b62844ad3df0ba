//! The shapes a value can have, each with its range and the place it goes to.
//!
//! A [`Key`] is one entry of a table: adding a key is adding an entry and its lines in
//! `config/headcount.toml`. A shape can say what it allows; the errors and the shipped file use the same words.

use std::fmt::Write;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use super::problem::{Wrong, closest};

/// Milliseconds.
pub(super) const SECOND: u64 = 1_000;
/// Milliseconds.
pub(super) const MINUTE: u64 = 60 * SECOND;
/// Milliseconds.
pub(super) const HOUR: u64 = 60 * MINUTE;
/// Milliseconds.
pub(super) const DAY: u64 = 24 * HOUR;
/// Bytes.
pub(super) const MIB: u64 = 1 << 20;
/// Bytes.
pub(super) const TIB: u64 = 1 << 40;

const DURATION_UNITS: [(&str, u64); 5] = [("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", 1)];
const SIZE_UNITS: [(&str, u64); 5] =
    [("TiB", TIB), ("GiB", 1 << 30), ("MiB", MIB), ("KiB", 1 << 10), ("B", 1)];

/// A value as it was found, whatever the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Raw {
    Switch(bool),
    Number(i64),
    Text(String),
    List(Vec<String>),
    /// Something no key takes, named.
    Other(&'static str),
    /// On a line that is reported already.
    Broken,
}

/// What a value may depend on besides itself.
#[derive(Clone, Debug)]
pub(super) struct Surroundings<'a> {
    /// Language tags that the counter speaks.
    pub(super) known_languages: &'a [&'a str],
    /// What `time_zone = "auto"` means.
    pub(super) machine_time_zone: &'a TimeZone,
    /// Where relative paths begin.
    pub(super) folder: PathBuf,
    /// Where a service manager has put secrets.
    pub(super) credentials: Option<&'a Path>,
}

/// One key of a table: its name and what happens to its value.
pub(super) struct Key<T: 'static> {
    pub(super) name: &'static str,
    pub(super) shape: Shape<T>,
}

/// Takes one text.
pub(super) type TakeText<T> = fn(&mut T, &str, &Surroundings<'_>) -> Result<(), Wrong>;
/// Takes the entries of a list; each may be wrong.
pub(super) type TakeList<T> = fn(&mut T, &[String], &Surroundings<'_>) -> Result<(), Vec<Wrong>>;

/// What a key takes, and where it goes.
pub(super) enum Shape<T: 'static> {
    Switch { put: fn(&mut T, bool) },
    Number { range: RangeInclusive<u64>, put: fn(&mut T, u64) },
    Duration { range: RangeInclusive<u64>, put: fn(&mut T, u64) },
    Size { range: RangeInclusive<u64>, put: fn(&mut T, u64) },
    Text { allowed: &'static str, take: TakeText<T> },
    List { allowed: &'static str, take: TakeList<T> },
}

impl<T> Key<T> {
    /// Puts the value where it belongs.
    pub(super) fn take(&self, to: &mut T, raw: &Raw, around: &Surroundings<'_>) -> Result<(), Vec<Wrong>> {
        let taken = match (&self.shape, raw) {
            (_, Raw::Broken) => return Err(Vec::new()),
            (Shape::List { take, .. }, Raw::List(list)) => return take(to, list, around),
            (Shape::Text { take, .. }, Raw::Text(text)) => take(to, text, around),
            (Shape::Switch { put }, Raw::Switch(on)) => {
                put(to, *on);
                Ok(())
            }
            (Shape::Number { range, put }, Raw::Number(number)) => within(range, *number).map(|n| put(to, n)),
            (Shape::Duration { range, put }, Raw::Text(text)) => {
                measure(text, &DURATION_UNITS, range).map(|ms| put(to, ms))
            }
            (Shape::Size { range, put }, Raw::Text(text)) => {
                measure(text, &SIZE_UNITS, range).map(|bytes| put(to, bytes))
            }
            (Shape::Duration { .. } | Shape::Size { .. }, Raw::Number(_)) => Err(Wrong::new("has no unit")),
            (shape, raw) => Err(Wrong::new(format!("is {}, not {}", raw.kind(), shape.kind()))),
        };
        taken.map_err(|wrong| vec![wrong])
    }
}

impl<T> Shape<T> {
    /// What may be written, in the words of errors and of the shipped file.
    pub(super) fn allowed(&self) -> String {
        match self {
            Shape::Switch { .. } => "true or false".to_owned(),
            Shape::Number { range, .. } => format!("{} to {}", range.start(), range.end()),
            Shape::Duration { range, .. } => {
                let text = |amount: &u64| written(*amount, &DURATION_UNITS).replace(' ', "");
                format!("\"{}\" to \"{}\"", text(range.start()), text(range.end()))
            }
            Shape::Size { range, .. } => {
                let text = |amount: &u64| written(*amount, &SIZE_UNITS);
                format!("\"{}\" to \"{}\"", text(range.start()), text(range.end()))
            }
            Shape::Text { allowed, .. } | Shape::List { allowed, .. } => (*allowed).to_owned(),
        }
    }

    /// Gives bare text, as variables and flags bring it, the type that this shape takes.
    pub(super) fn settle(&self, text: &str) -> Raw {
        match self {
            Shape::Switch { .. } => text.parse().map_or_else(|_| Raw::Text(text.to_owned()), Raw::Switch),
            Shape::Number { .. } => text.parse().map_or_else(|_| Raw::Text(text.to_owned()), Raw::Number),
            Shape::List { .. } => {
                let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
                Raw::List(entries.map(str::to_owned).collect())
            }
            _ => Raw::Text(text.to_owned()),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Shape::Switch { .. } => "true or false",
            Shape::Number { .. } => "a whole number",
            Shape::Duration { .. } => "a duration in quotes",
            Shape::Size { .. } => "a size in quotes",
            Shape::Text { .. } => "a text in quotes",
            Shape::List { .. } => "a list of texts",
        }
    }
}

impl Raw {
    /// The value as TOML.
    pub(super) fn toml(&self) -> String {
        match self {
            Raw::Switch(on) => on.to_string(),
            Raw::Number(number) => number.to_string(),
            Raw::Text(text) => quoted(text),
            Raw::List(list) => {
                let entries: Vec<String> = list.iter().map(|entry| quoted(entry)).collect();
                format!("[{}]", entries.join(", "))
            }
            Raw::Other(kind) => quoted(kind),
            Raw::Broken => quoted(""),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Raw::Switch(_) => "true or false",
            Raw::Number(_) => "a number",
            Raw::Text(_) => "a text",
            Raw::List(_) => "a list",
            Raw::Other(kind) => kind,
            Raw::Broken => "broken",
        }
    }
}

/// A basic string of TOML.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            control if control.is_control() => {
                write!(out, "\\u{:04X}", u32::from(control)).expect("a String takes everything");
            }
            plain => out.push(plain),
        }
    }
    out.push('"');
    out
}

/// One of a few words.
pub(super) fn choice<V: Copy>(text: &str, known: &[(&str, V)]) -> Result<V, Wrong> {
    let found = known.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        match closest(&text.to_lowercase(), known.iter().map(|(word, _)| *word)) {
            Some(meant) => Wrong::mended_by("is not known", format!("did you mean \"{meant}\"?")),
            None => Wrong::new("is not known"),
        }
    })
}

/// A number of things in memory; more than the machine can address is as good as all it can.
pub(super) fn entries(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// A number whose range ends below 2^32.
pub(super) fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Whole days of a duration.
pub(super) fn days(ms: u64) -> u32 {
    small(ms / DAY)
}

fn within(range: &RangeInclusive<u64>, number: i64) -> Result<u64, Wrong> {
    let below = || Wrong::new("is too small");
    let number = u64::try_from(number).map_err(|_| below())?;
    match number {
        number if number < *range.start() => Err(below()),
        number if number > *range.end() => Err(Wrong::new("is too large")),
        number => Ok(number),
    }
}

/// A whole number and a unit, with or without a space between: `30m`, `4 GiB`.
fn measure(text: &str, units: &[(&str, u64)], range: &RangeInclusive<u64>) -> Result<u64, Wrong> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = (&text[..digits], text[digits..].trim_start());
    if number.is_empty() {
        return Err(Wrong::new("does not begin with a whole number"));
    }
    if unit.is_empty() {
        return Err(Wrong::new("has no unit"));
    }
    let Some((_, factor)) = units.iter().find(|(name, _)| *name == unit) else {
        let names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
        return Err(Wrong::mended_by(
            format!("has an unknown unit \"{unit}\""),
            format!("a whole number and one of the units {}", names.join(", ")),
        ));
    };
    let amount = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor));
    match amount {
        Some(amount) if amount < *range.start() => Err(Wrong::new("is too small")),
        Some(amount) if amount <= *range.end() => Ok(amount),
        _ => Err(Wrong::new("is too large")),
    }
}

/// An amount in the largest unit that leaves it whole.
fn written(amount: u64, units: &[(&str, u64)]) -> String {
    let fitting = units.iter().find(|(_, factor)| amount > 0 && amount.is_multiple_of(*factor));
    fitting.or(units.last()).map_or_else(String::new, |(name, factor)| format!("{} {name}", amount / factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_need_a_unit_and_stay_in_their_range() {
        let duration = |text: &str| measure(text, &DURATION_UNITS, &(SECOND..=DAY)).map_err(|w| w.what);
        assert_eq!(duration("30m"), Ok(30 * MINUTE));
        assert_eq!(duration(" 1500 ms "), Ok(1_500));
        assert_eq!(duration("30"), Err("has no unit".into()));
        assert_eq!(duration("m"), Err("does not begin with a whole number".into()));
        assert_eq!(duration("-5m"), Err("does not begin with a whole number".into()));
        assert_eq!(duration("1.5h"), Err("has an unknown unit \".5h\"".into()));
        assert_eq!(duration("2d"), Err("is too large".into()));
        assert_eq!(duration("99999999999999999999d"), Err("is too large".into()));
        assert_eq!(duration("999ms"), Err("is too small".into()));
        let size = |text: &str| measure(text, &SIZE_UNITS, &(1..=TIB)).map_err(|w| w.what);
        assert_eq!(size("4 GiB"), Ok(4 << 30));
        assert_eq!(size("64KiB"), Ok(65_536));
        assert_eq!(size("4 GB"), Err("has an unknown unit \"GB\"".into()));
    }

    #[test]
    fn ranges_are_told_in_their_largest_whole_unit() {
        let shape: Shape<()> = Shape::Duration { range: 30 * SECOND..=HOUR, put: |(), _| () };
        assert_eq!(shape.allowed(), "\"30s\" to \"1h\"");
        let shape: Shape<()> = Shape::Size { range: 64 * MIB..=TIB, put: |(), _| () };
        assert_eq!(shape.allowed(), "\"64 MiB\" to \"1 TiB\"");
    }

    #[test]
    fn any_text_survives_being_quoted() {
        for text in ["", "plain", "a \"b\" \\c", "tab\t newline\n bell\u{7}", "số lượt", "\u{202f}"] {
            let document = format!("x = {}", quoted(text));
            let table = toml::de::DeTable::parse(&document).expect("is TOML");
            assert_eq!(table.get_ref()["x"].get_ref().as_str(), Some(text));
        }
    }
}
