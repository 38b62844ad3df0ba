//! Midnight on a real door with a clock set by hand: one person stays one, and the old secret goes.

use std::net::SocketAddr;
use std::path::Path;

use headcount::clock::Clock;
use headcount::config::{Sources, load};
use headcount::daemon::{Daemon, Host};
use headcount::web::Address;
use headcount::words::UnixMillis;
use jiff::civil::date;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::support::{get, wait_for};

const CONFIGURATION: &str = "listen = [\"127.0.0.1:0\"]\nadmin_listen = []\nworkers = 2\nfold_interval = \"100ms\"\n\
                             [[site]]\nid = \"vks\"\ntime_zone = \"Asia/Ho_Chi_Minh\"\n";

/// Minutes before (−) or after midnight between 22 and 23 November 2026 in Hồ Chí Minh City.
fn around_midnight(minutes: i64) -> UnixMillis {
    let midnight = date(2026, 11, 23).to_zoned(TimeZone::get("Asia/Ho_Chi_Minh").unwrap()).unwrap();
    UnixMillis(u64::try_from(midnight.timestamp().as_millisecond() + minutes * 60_000).unwrap())
}

struct Night {
    directory: tempfile::TempDir,
    clock: Clock,
    daemon: Daemon,
}

impl Night {
    fn begin(minutes: i64) -> Night {
        let directory = tempfile::tempdir().unwrap();
        let clock = Clock::manual(around_midnight(minutes));
        let daemon = start(directory.path(), &clock);
        Night { directory, clock, daemon }
    }

    fn address(&self) -> SocketAddr {
        match self.daemon.public[0] {
            Address::Tcp(address) => address,
            Address::Unix(_) => unreachable!("it listens on a port"),
        }
    }

    fn at(&self, minutes: i64) {
        self.clock.set(around_midnight(minutes));
    }

    fn send(&self, kind: &str, client: &str) -> Value {
        let path = format!("/hit?s=vks&u=/&k={kind}&d=1000");
        get(self.address(), &path, &[("X-Forwarded-For", client)]).json()
    }

    /// What the snippet says, a second later: it is cached for the second.
    fn numbers(&self) -> Value {
        self.clock.set(self.clock.now().plus(1_000));
        get(self.address(), "/snippet/vks.json", &[]).json()
    }

    fn salts(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("state/salts")).unwrap()
    }
}

fn start(directory: &Path, clock: &Clock) -> Daemon {
    let file = directory.join("headcount.toml");
    std::fs::write(&file, CONFIGURATION).unwrap();
    let state = directory.join("state").to_str().unwrap().to_owned();
    let environment = vec![("HEADCOUNT_STATE_DIRECTORY".to_owned(), state)];
    let known_languages = vec!["vi", "en"];
    let sources = Sources { file: Some(file), environment, known_languages, ..Sources::default() };
    Daemon::start(load(&sources).unwrap(), clock.clone(), Host::default()).unwrap()
}

#[test]
fn a_person_who_reads_through_midnight_is_one_visitor_of_each_day_and_one_visit() {
    let night = Night::begin(-10);
    night.send("view", "203.0.113.1");
    night.at(10);
    let reply = night.send("view", "203.0.113.1");
    assert_eq!((&reply["online"], &reply["total"]["visits"]), (&1.into(), &1.into()));
    assert_eq!(reply["today"]["visits"], 0, "the visit belongs to the day it opened");
    assert_eq!((&reply["today"]["views"], &reply["yesterday"]["views"]), (&1.into(), &1.into()));
    let visitors = wait_for(|| {
        let numbers = night.numbers();
        let visitors = (numbers["today"]["visitors"].as_u64()?, numbers["yesterday"]["visitors"].as_u64()?);
        (visitors.0 > 0).then_some(visitors)
    });
    assert_eq!(visitors, (1, 1));
    // Past the visit window only the new day knows the person, and the visit still goes on.
    night.at(35);
    assert_eq!(night.send("view", "203.0.113.1")["total"]["visits"], 1);
    night.daemon.stop().unwrap();
}

#[test]
fn a_restart_just_after_midnight_still_knows_the_person() {
    let night = Night::begin(-3);
    night.send("view", "203.0.113.1");
    let Night { directory, clock, daemon } = night;
    daemon.stop().unwrap();
    clock.set(around_midnight(1));
    let daemon = start(directory.path(), &clock);
    let night = Night { directory, clock, daemon };
    assert_eq!(night.numbers()["online"], 1);
    let reply = night.send("ping", "203.0.113.1");
    assert_eq!((&reply["online"], &reply["total"]["visits"]), (&1.into(), &1.into()));
    assert_eq!(night.send("view", "203.0.113.1")["total"]["visits"], 1);
    night.daemon.stop().unwrap();
}

#[test]
fn the_secret_of_a_day_is_erased_one_visit_window_after_its_end() {
    let night = Night::begin(-10);
    night.send("view", "203.0.113.1");
    assert!(night.salts().contains("2026-11-22 "));
    night.at(29);
    let salts = wait_for(|| Some(night.salts()).filter(|salts| salts.contains("2026-11-24 ")));
    assert!(salts.contains("2026-11-22 "), "it is needed until 00:30");
    night.at(31);
    let salts = wait_for(|| Some(night.salts()).filter(|salts| !salts.contains("2026-11-22 ")));
    assert!(salts.contains("2026-11-23 ") && salts.contains("2026-11-24 "));
    assert_eq!(night.send("view", "203.0.113.1")["counted"], true);
    night.daemon.stop().unwrap();
}
