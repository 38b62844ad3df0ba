//! `status` and `doctor`: what a running daemon says of itself.

use clap::Args;
use serde_json::Value;

use super::{Failure, Settings};
use crate::config;
use crate::control::{Request, ask_daemon};

#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 healthy, 1 not healthy, not running or out of reach, 3 not running and bad \
                        configuration. Warnings alone leave it at 0, so it serves as the health check of a container."
)]
pub(super) struct Status {
    #[command(flatten)]
    settings: Settings,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 nothing to do, or warnings alone; 1 something is bad, or the daemon is not \
                        running or out of reach; 3 bad configuration."
)]
pub(super) struct Doctor {
    #[command(flatten)]
    settings: Settings,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(super) fn run(self) -> Result<(), Failure> {
        let status = ask(&self.settings, &Request::Status)?;
        if self.json {
            say!("{status}");
        } else {
            say!("{}", screen(&status));
        }
        healthy(&status)
    }
}

impl Doctor {
    pub(super) fn run(self) -> Result<(), Failure> {
        let examination = ask(&self.settings, &Request::Doctor)?;
        if self.json {
            say!("{examination}");
            return healthy(&examination);
        }
        let findings = examination["findings"].as_array();
        for finding in findings.into_iter().flatten() {
            say!("{:<8} {:<14} {}", mark(finding), word(finding, "about"), word(finding, "text"));
        }
        healthy(&examination)
    }
}

/// What the daemon answers. One that runs is asked also when its configuration has got a mistake meanwhile.
fn ask(settings: &Settings, request: &Request) -> Result<Value, Failure> {
    let loaded = settings.load().map(|config| config.state_directory);
    let state = loaded.as_ref().ok().cloned();
    let state = state.or_else(|| config::state_directory(&settings.sources_beside()));
    if let Some(state) = state
        && let Some(answer) = ask_daemon(&state, request).map_err(Failure::Failed)?
    {
        if loaded.is_err() {
            eprintln!("headcount: the configuration has mistakes now; `headcount check-config` names them");
        }
        return Ok(answer);
    }
    Err(Failure::Failed(format!(
        "no daemon runs on {}; is it started, and is this its state_directory?",
        loaded?.display()
    )))
}

fn healthy(answer: &Value) -> Result<(), Failure> {
    if answer["healthy"] == true { Ok(()) } else { Err(Failure::Failed("it is not healthy".to_owned())) }
}

fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or("?")
}

fn mark(finding: &Value) -> &'static str {
    match finding["grade"].as_str() {
        Some("good") => "ok",
        Some("odd") => "WARNING",
        _ => "BAD",
    }
}

/// One screen.
fn screen(status: &Value) -> String {
    let number = |path: &str| status.pointer(path).and_then(Value::as_u64);
    let bytes = |path: &str| number(path).map_or_else(|| "?".to_owned(), crate::health::size);
    let count = |path: &str| number(path).map_or_else(|| "?".to_owned(), |count| count.to_string());
    let health = if status["healthy"] == true { "healthy" } else { "NOT HEALTHY" };
    let stored =
        number("/store/stored_seconds_ago").map_or_else(|| "never".to_owned(), |s| format!("{s} s ago"));
    let mut lines = vec![
        format!(
            "headcount {}, {health}, up {}",
            word(status, "version"),
            span(number("/uptime_seconds").unwrap_or(0))
        ),
        format!("  listening {}", listening(status)),
        format!("  sites     {}", count("/sites")),
        format!("  views     {:.1} a second", status["views_per_second"].as_f64().unwrap_or(0.0)),
        format!("  online    {}", count("/online")),
        format!(
            "  journal   {} of {}, {} of it not stored yet",
            bytes("/journal/bytes"),
            bytes("/journal/bytes_max"),
            bytes("/journal/not_stored_bytes")
        ),
        format!("  store     {}, last written {stored}", bytes("/store/bytes")),
    ];
    let warnings = status["warnings"].as_array().map_or(&[][..], Vec::as_slice);
    if warnings.is_empty() {
        lines.push("  warnings  none".to_owned());
    }
    for warning in warnings {
        lines.push(format!("  {:<9} {}: {}", mark(warning), word(warning, "about"), word(warning, "text")));
    }
    lines.join("\n")
}

/// Where the public comes in.
fn listening(status: &Value) -> String {
    let of = |kind: &str| {
        let addresses = status["listening"][kind].as_array().into_iter().flatten();
        addresses.filter_map(Value::as_str).map(|address| format!("{kind} {address}")).collect::<Vec<_>>()
    };
    let all = [of("http"), of("https")].concat();
    if all.is_empty() { "nowhere".to_owned() } else { all.join(", ") }
}

/// A span of time in its two largest units.
fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_screen_says_what_is_and_what_to_do() {
        let mut status = json!({
            "version": "1.2.3", "healthy": true, "uptime_seconds": 93_784, "sites": 2,
            "listening": {"http": ["127.0.0.1:8080"], "https": ["[::]:443"]}, "views_per_second": 41.25,
            "online": 912, "journal": {"bytes": 1_572_864, "bytes_max": 4_294_967_296_u64, "not_stored_bytes": 512},
            "store": {"bytes": 5_242_880, "stored_seconds_ago": 1}, "warnings": [],
        });
        let expected = "headcount 1.2.3, healthy, up 1 d 2 h\n  listening http 127.0.0.1:8080, https [::]:443\n  \
                        sites     2\n  views     41.2 a second\n  \
                        online    912\n  journal   1.5 MiB of 4.0 GiB, 512 B of it not stored yet\n  \
                        store     5.0 MiB, last written 1 s ago\n  warnings  none";
        assert_eq!(screen(&status), expected);
        status["healthy"] = json!(false);
        status["warnings"] = json!([
            {"about": "disk", "grade": "odd", "text": "nearly full"},
            {"about": "counting", "grade": "bad", "text": "the journal cannot be written"},
        ]);
        let text = screen(&status);
        assert!(text.starts_with("headcount 1.2.3, NOT HEALTHY, up"), "{text}");
        assert!(text.contains("  WARNING   disk: nearly full\n  BAD       counting: the journal"), "{text}");
    }

    #[test]
    fn spans_have_two_units_at_most() {
        assert_eq!([5, 65, 3_660, 200_000].map(span), ["5 s", "1 min", "1 h 1 min", "2 d 7 h"]);
    }
}
