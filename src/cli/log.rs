//! Log lines on standard error: for people, for the journal, or for programs.
//!
//! One event is one line, whatever its fields hold. The journal learns the level from a number in angle
//! brackets, after sd-daemon(3), and adds the time itself.

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::config::LogFormat;

/// Where fields begin on a terminal; longer messages push their own fields on.
const FIELDS_COLUMN: usize = 44;

/// Starts the log of this process in a format; `Auto` looks at what standard error is.
pub(super) fn start(format: LogFormat) {
    let stderr = std::io::stderr();
    let lines = match format {
        LogFormat::Auto if is_journal() => Lines::Journal,
        LogFormat::Auto | LogFormat::Text if stderr.is_terminal() => Lines::Columns,
        LogFormat::Auto | LogFormat::Text => Lines::Text,
        LogFormat::Journal => Lines::Journal,
        LogFormat::Json => Lines::Json,
    };
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(matches!(lines, Lines::Columns))
        .event_format(lines)
        .init();
}

/// What stands before the reason why a command failed: its priority, where the journal reads along.
pub(super) fn failure_mark() -> &'static str {
    if is_journal() { "<3>" } else { "" }
}

/// Whether standard error is the journal's: `JOURNAL_STREAM` names its device and inode. A child that
/// writes into a pipe has inherited the variable and not the stream.
fn is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    let stderr = std::io::stderr().as_fd().try_clone_to_owned().map(File::from);
    let found = stderr.and_then(|stderr| stderr.metadata());
    found.is_ok_and(|found| stream == format!("{}:{}", found.dev(), found.ino()))
}

/// How a line is written.
#[derive(Clone, Copy, Debug)]
enum Lines {
    Columns,
    Text,
    Journal,
    Json,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let level = *event.metadata().level();
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        writeln!(to, "{}", self.line(level, &time, &fields))
    }
}

impl Lines {
    fn line(self, level: Level, time: &str, fields: &Fields) -> String {
        let message = one_line(&fields.message);
        match self {
            Lines::Columns => {
                let (time, colour) = (time.get(11..23).unwrap_or(time), colour(level));
                let message =
                    if fields.others.is_empty() { message } else { format!("{message:<FIELDS_COLUMN$}") };
                format!("{time} {colour}{level:>5}\x1b[0m {message}\x1b[2m{}\x1b[0m", fields.told())
            }
            Lines::Text => format!("{time} {level:>5} {message}{}", fields.told()),
            Lines::Journal => format!("<{}>{message}{}", priority(level), fields.told()),
            Lines::Json => {
                let mut line = Map::new();
                line.insert("time".to_owned(), json!(time));
                line.insert("level".to_owned(), json!(level.as_str().to_ascii_lowercase()));
                line.insert("message".to_owned(), json!(fields.message));
                line.extend(fields.others.iter().map(|told| (told.name.to_owned(), told.value.clone())));
                Value::Object(line).to_string()
            }
        }
    }
}

/// The priorities of syslog(3).
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

fn colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG | Level::TRACE => "\x1b[2m",
    }
}

/// Text that may hold anything, on one line and without commands to a terminal.
fn one_line(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

/// What an event says.
#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<Told>,
}

/// One field: for people, and for programs.
struct Told {
    name: &'static str,
    text: String,
    value: Value,
}

impl Fields {
    /// The fields as ` name=value`.
    fn told(&self) -> String {
        let mut line = String::new();
        for Told { name, text, .. } in &self.others {
            write!(line, " {name}={}", one_line(text)).expect("a String takes everything");
        }
        line
    }

    fn put(&mut self, field: &Field, text: String, value: Value) {
        self.others.push(Told { name: field.name(), text, value });
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.message = text;
        } else {
            self.put(field, text.clone(), json!(text));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.put(field, format!("{value:?}"), json!(value));
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.to_string(), json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.to_string(), json!(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.to_string(), json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.to_string(), json!(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: Lines, expected: &str) {
        let text = |name, text: &str, value| Told { name, text: text.to_owned(), value };
        let others = vec![text("worker", "3", json!(3)), text("path", "\"/a b\"", json!("/a b"))];
        let fields = Fields { message: "a worker\nis \x1b[31mstuck".to_owned(), others };
        assert_eq!(lines.line(Level::WARN, "2026-11-23T07:17:25.123456Z", &fields), expected);
    }

    #[test]
    fn an_event_is_one_line_in_every_format() {
        let told = "a worker\\nis \\u{1b}[31mstuck";
        check(Lines::Journal, &format!("<4>{told} worker=3 path=\"/a b\""));
        check(Lines::Text, &format!("2026-11-23T07:17:25.123456Z  WARN {told} worker=3 path=\"/a b\""));
        let columns =
            format!("07:17:25.123 \x1b[33m WARN\x1b[0m {told:<44}\x1b[2m worker=3 path=\"/a b\"\x1b[0m");
        check(Lines::Columns, &columns);
        check(
            Lines::Json,
            "{\"level\":\"warn\",\"message\":\"a worker\\nis \\u001b[31mstuck\",\"path\":\"/a b\",\
             \"time\":\"2026-11-23T07:17:25.123456Z\",\"worker\":3}",
        );
    }

    #[test]
    fn the_journal_knows_the_levels() {
        assert_eq!([Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG].map(priority), [3, 4, 6, 7]);
    }
}
