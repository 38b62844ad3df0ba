//! How the daemon is: what `status` and `doctor` are told over control.sock.
//!
//! Every question is a plain function in one of two lists, [`WATCHED`] and [`EXAMINED`]; its answer is a
//! [`Finding`] in words, with what to do where there is something to do. Nothing here changes anything but
//! a file that is written and removed to see whether that works.

mod machine;
mod readers;
mod state;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use crate::web::{Address, Rooms, Worker};
use crate::words::{Kind, UnixMillis};

/// The views of a second are told as the mean of this long: a minute is what people mean by "now".
const PACE_SECONDS: usize = 60;
/// A part that made no progress for this long hangs, in a write most likely.
pub const STALLED_MS: u64 = 5_000;

/// What the findings are made from.
pub struct Vitals {
    /// Counts, clock, metrics and what the daemon knows about itself.
    pub rooms: Arc<Rooms>,
    /// Where everything is kept.
    pub state_directory: PathBuf,
    listening: Listening,
    workers: Vec<Arc<Worker>>,
    started: UnixMillis,
    pace: Mutex<Pace>,
    keeper: Mutex<Keeper>,
}

/// Where the daemon takes requests of the public.
#[derive(Debug, Default)]
pub struct Listening {
    /// Without TLS.
    pub http: Vec<Address>,
    /// With TLS.
    pub https: Vec<Address>,
}

/// Views counted so far, once a second.
#[derive(Default)]
struct Pace {
    moments: VecDeque<(UnixMillis, u64)>,
}

/// The keeper's counter, and since when it has been what it is.
#[derive(Default)]
struct Keeper {
    beats: u64,
    since: UnixMillis,
}

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// As it should be.
    Good,
    /// Somebody should look at it; counting goes on.
    Odd,
    /// This daemon does not count, or not all of it.
    Bad,
}

impl Grade {
    /// The word in replies.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Grade::Good => "good",
            Grade::Odd => "odd",
            Grade::Bad => "bad",
        }
    }
}

/// The answer to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How grave it is.
    pub grade: Grade,
    /// What was found, and what to do.
    pub text: String,
}

impl Finding {
    fn good(text: impl Into<String>) -> Finding {
        Finding { grade: Grade::Good, text: text.into() }
    }

    fn odd(text: impl Into<String>) -> Finding {
        Finding { grade: Grade::Odd, text: text.into() }
    }

    fn bad(text: impl Into<String>) -> Finding {
        Finding { grade: Grade::Bad, text: text.into() }
    }
}

/// A question: what it is about, and the function that answers it.
pub type Question = (&'static str, fn(&Vitals) -> Finding);

/// What `status` asks each time, and a container's health check every few seconds: cheap, memory but for one
/// look at the disk.
pub static WATCHED: &[Question] = &[
    ("counting", state::counting),
    ("threads", state::threads),
    ("store", state::store),
    ("journal", state::journal),
    ("configuration", state::configuration),
    ("connections", state::connections),
    ("PROXY protocol", state::announced),
    ("certificates", state::certificates),
    ("disk", machine::disk),
    ("clock", machine::clock),
];

/// What `doctor` asks besides.
pub static EXAMINED: &[Question] = &[
    ("permissions", machine::permissions),
    ("files", machine::files),
    ("proxies", readers::proxies),
    ("addresses", readers::addresses),
    ("networks", readers::networks),
];

impl Vitals {
    /// Begins to watch.
    #[must_use]
    pub fn new(
        rooms: Arc<Rooms>,
        state_directory: PathBuf,
        listening: Listening,
        workers: Vec<Arc<Worker>>,
    ) -> Vitals {
        let started = rooms.clock.now();
        let keeper = Mutex::new(Keeper { beats: 0, since: started });
        Vitals { rooms, state_directory, listening, workers, started, pace: Mutex::default(), keeper }
    }

    /// Takes the pulse: to be called once a second.
    pub fn tick(&self) {
        let now = self.rooms.clock.now();
        let views = self.rooms.metrics.counted_so_far(Kind::View);
        self.pace.lock().unwrap_or_else(PoisonError::into_inner).note(now, views);
        let beats = self.rooms.state.keeper_beats.load(Ordering::Relaxed);
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        if keeper.beats != beats {
            *keeper = Keeper { beats, since: now };
        }
    }

    /// The parts that make no progress, by name, and for how many milliseconds.
    #[must_use]
    pub fn stalled(&self) -> Vec<(String, u64)> {
        let now = self.rooms.clock.now();
        let worker = |(number, worker): (usize, &Arc<Worker>)| {
            let beat = worker.heartbeat();
            (beat.0 > 0).then(|| (format!("worker {number}"), now.since(beat)))
        };
        let workers = self.workers.iter().enumerate().filter_map(worker);
        let since = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).since;
        let all = workers.chain([("the keeper".to_owned(), now.since(since))]);
        all.filter(|(_, quiet_ms)| *quiet_ms > STALLED_MS).collect()
    }

    /// One screen, as data: figures, and findings that are not good.
    #[must_use]
    pub fn status(&self) -> Value {
        let now = self.rooms.clock.now();
        let sites = self.rooms.sites();
        let online = |placed: &crate::sites::Placed| self.rooms.counts.numbers(placed.number, None, now);
        let online: u64 = sites.iter().filter_map(online).map(|numbers| u64::from(numbers.online)).sum();
        let findings = self.watched();
        let warnings: Vec<Value> =
            findings.iter().filter(|(_, finding)| finding.grade > Grade::Good).map(told).collect();
        let texts = |all: &[Address]| all.iter().map(Address::to_string).collect::<Vec<_>>();
        let lag = &self.rooms.state.lag;
        let bytes = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "healthy": is_healthy(&findings),
            "uptime_seconds": now.since(self.started) / 1_000,
            "listening": { "http": texts(&self.listening.http), "https": texts(&self.listening.https) },
            "sites": sites.iter().count(),
            "views_per_second": self.pace.lock().unwrap_or_else(PoisonError::into_inner).per_second(),
            "online": online,
            "journal": {
                "bytes": bytes(&lag.journal_bytes),
                "bytes_max": bytes(&lag.journal_bytes_max),
                "not_stored_bytes": bytes(&lag.unapplied_bytes),
            },
            "store": {
                "bytes": bytes(&lag.store_bytes),
                "stored_seconds_ago": state::stored_seconds_ago(self),
            },
            "warnings": warnings,
        })
    }

    /// What is watched everywhere, and the shared store where there is one.
    fn watched(&self) -> Vec<(&'static str, Finding)> {
        let mut findings = ask(WATCHED, self);
        findings.extend(state::shared_store(self).map(|finding| ("shared store", finding)));
        findings
    }

    /// Every question with its answer, as data.
    #[must_use]
    pub fn examination(&self) -> Value {
        let mut findings = self.watched();
        findings.extend(ask(EXAMINED, self));
        let all: Vec<Value> = findings.iter().map(told).collect();
        json!({ "healthy": is_healthy(&findings), "findings": all })
    }
}

fn ask(questions: &[Question], vitals: &Vitals) -> Vec<(&'static str, Finding)> {
    questions.iter().map(|(about, answer)| (*about, answer(vitals))).collect()
}

fn is_healthy(findings: &[(&'static str, Finding)]) -> bool {
    findings.iter().all(|(_, finding)| finding.grade < Grade::Bad)
}

fn told((about, finding): &(&'static str, Finding)) -> Value {
    json!({ "about": about, "grade": finding.grade.as_str(), "text": finding.text })
}

impl Pace {
    fn note(&mut self, now: UnixMillis, views: u64) {
        self.moments.push_back((now, views));
        if self.moments.len() > PACE_SECONDS + 1 {
            self.moments.pop_front();
        }
    }

    /// The mean over the last minute, or since the start.
    fn per_second(&self) -> f64 {
        let (Some((from, before)), Some((to, after))) = (self.moments.front(), self.moments.back()) else {
            return 0.0;
        };
        let seconds = to.since(*from) / 1_000;
        let views = u32::try_from(after.saturating_sub(*before)).unwrap_or(u32::MAX);
        match u32::try_from(seconds) {
            Ok(seconds) if seconds > 0 => f64::from(views) / f64::from(seconds),
            _ => 0.0,
        }
    }
}

/// Bytes in words that people compare at a glance.
#[must_use]
pub fn size(bytes: u64) -> String {
    let units = [("GiB", 1_u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units.into_iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_the_mean_of_the_last_minute() {
        let mut pace = Pace::default();
        assert!(pace.per_second() < f64::EPSILON);
        for second in 0..=200_u64 {
            pace.note(UnixMillis(second * 1_000), if second < 140 { 0 } else { (second - 140) * 5 });
        }
        assert!((pace.per_second() - 5.0).abs() < f64::EPSILON, "{}", pace.per_second());
        assert_eq!(pace.moments.len(), PACE_SECONDS + 1);
    }

    #[test]
    fn sizes_are_told_in_their_largest_unit() {
        assert_eq!(
            [0, 1_023, 1_536, 5 << 20, (3 << 30) + (1 << 29)].map(size),
            ["0 B", "1023 B", "1.5 KiB", "5.0 MiB", "3.5 GiB"]
        );
    }
}
