//! Days that pass in seconds: three nodes with one clock set by hand, beside a machine alone that gets the
//! same beacons. After every step all must show the same numbers, through midnights, visits that end and
//! begin, leaves, and a node that restarts. `HEADCOUNT_FLEET_STEPS=n` makes more of them.

use std::collections::BTreeSet;
use std::path::Path;

use headcount::clock::Clock;
use headcount::config::{Sources, load};
use headcount::daemon::{Daemon, Host};
use headcount::web::Address;
use headcount::words::{Day, UnixMillis};
use serde_json::Value;

use crate::support::client::Dice;
use crate::support::fleet::{PAGES, until};
use crate::support::get;
use crate::support::redis::Store;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const NODES: usize = 3;
/// How far the clock may go at once: within and beyond the windows of 15 s, 5 and 30 minutes.
const STEPS: [u64; 10] = [
    2 * SECOND,
    11 * SECOND,
    40 * SECOND,
    3 * MINUTE,
    6 * MINUTE,
    14 * MINUTE,
    29 * MINUTE,
    31 * MINUTE,
    2 * HOUR,
    5 * HOUR,
];
const SITES: [(&str, &str); 2] = [("vks", "Asia/Ho_Chi_Minh"), ("ny", "America/New_York")];
/// Never silent for long: the marks that a node folded what came before.
const MARKERS: u64 = 1_000;

/// A daemon in this process.
struct Machine {
    directory: tempfile::TempDir,
    daemon: Option<Daemon>,
}

impl Machine {
    fn start(configuration: &str, clock: &Clock) -> Machine {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("headcount.toml"), configuration).unwrap();
        let daemon = Some(serve(directory.path(), clock));
        Machine { directory, daemon }
    }

    fn restart(&mut self, clock: &Clock) {
        self.daemon.take().unwrap().stop().unwrap();
        self.daemon = Some(serve(self.directory.path(), clock));
    }

    fn get(&self, path: &str, client: &str) -> Value {
        let Address::Tcp(address) = self.daemon.as_ref().unwrap().public[0] else {
            unreachable!("it listens on a port")
        };
        get(address, path, &[("X-Forwarded-For", client)]).json()
    }

    /// A beacon that is counted as soon as there is a secret for the day.
    fn send(&self, path: &str, client: &str) {
        until(std::time::Duration::ZERO, || {
            let reply = self.get(path, client);
            match (&reply["counted"], &reply["reason"]) {
                (Value::Bool(true), _) => Ok(()),
                (_, Value::String(reason)) if reason == "no_salt" => Err(reply.to_string()),
                _ => panic!("{path} of {client}: {reply}"),
            }
        });
    }

    fn numbers(&self, site: &str, nonce: u64) -> Value {
        let mut numbers = self.get(&format!("/snippet/{site}.json?page=/nobody/{nonce}"), "127.0.0.1");
        let fields = numbers.as_object_mut().unwrap();
        fields.remove("page");
        numbers
    }
}

fn serve(directory: &Path, clock: &Clock) -> Daemon {
    let state = directory.join("state").to_str().unwrap().to_owned();
    let environment = vec![("HEADCOUNT_STATE_DIRECTORY".to_owned(), state)];
    let file = Some(directory.join("headcount.toml"));
    let sources = Sources { file, environment, known_languages: vec!["vi", "en"], ..Sources::default() };
    Daemon::start(load(&sources).unwrap(), clock.clone(), Host::default()).unwrap()
}

fn configuration(shared: &str) -> String {
    let sites = SITES.map(|(id, zone)| format!("[[site]]\nid = \"{id}\"\ntime_zone = \"{zone}\"\n")).concat();
    format!(
        "listen = [\"127.0.0.1:0\"]\nadmin_listen = []\nworkers = 1\nfold_interval = \"50ms\"\n{shared}\n\
         [fleet]\nflush_interval = \"50ms\"\ntimeout = \"10s\"\nprefix = \"hours\"\n{sites}"
    )
}

/// A fleet, and a machine alone that is its measure.
pub(super) struct Days {
    clock: Clock,
    fleet: Vec<Machine>,
    alone: Machine,
    dice: Dice,
    /// When every person's last beacon was, and on which page.
    people: Vec<Option<(UnixMillis, usize)>>,
    nonce: u64,
}

impl Days {
    /// Everybody starts, two days from now, in the evening of one zone and the morning of the other.
    pub(super) fn begin(store: &Store, seed: u64) -> Days {
        let mut dice = Dice(seed);
        let now = Clock::system().now().0 / HOUR * HOUR + 48 * HOUR + dice.below(HOUR);
        let clock = Clock::manual(UnixMillis(now));
        let shared = configuration(&format!("shared_store = \"{}\"", store.address));
        Days {
            fleet: (0..NODES).map(|_| Machine::start(&shared, &clock)).collect(),
            alone: Machine::start(&configuration(""), &clock),
            people: vec![None; 24],
            nonce: 0,
            dice,
            clock,
        }
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.dice.below(end.try_into().unwrap())).unwrap()
    }

    /// The clock goes on.
    pub(super) fn pass(&mut self, ms: u64) {
        self.clock.set(self.clock.now().plus(ms));
    }

    /// Some people do something, each on any node.
    pub(super) fn act(&mut self) {
        let first = self.below(self.people.len());
        for n in 0..self.below(9) {
            let person = (first + n * 7) % self.people.len();
            let site = person % 2;
            let (node, mut page) = (self.below(NODES), self.below(PAGES.len()));
            let now = self.clock.now();
            let kind = match (self.people[person], self.below(5)) {
                (Some((last, at)), 0) => {
                    page = at;
                    format!("leave&d={}", now.since(last).min(HOUR))
                }
                (Some(_), 1 | 2) => "ping".to_owned(),
                _ => "view".to_owned(),
            };
            self.beacon(node, site, &kind, person.try_into().unwrap(), page);
            self.people[person] = Some((now, page));
        }
        // Whoever sees these views of a node in the sums knows that it has folded what came before.
        for node in 0..NODES {
            self.beacon(node, 0, "view", MARKERS + u64::try_from(node).unwrap(), 0);
        }
    }

    fn beacon(&mut self, node: usize, site: usize, kind: &str, person: u64, page: usize) {
        let path = format!("/hit?s={}&u={}&k={kind}", SITES[site].0, PAGES[page]);
        let client = format!("203.0.{}.{}", person / 250, person % 250);
        self.fleet[node].send(&path, &client);
        self.alone.send(&path, &client);
    }

    /// Any node ends in order and starts again.
    pub(super) fn restart_one(&mut self) {
        let node = self.below(NODES);
        self.fleet[node].restart(&self.clock);
    }

    /// Waits until every node shows what the machine alone shows.
    pub(super) fn agree(&mut self, step: &str) {
        let Days { fleet, alone, nonce, .. } = self;
        until(std::time::Duration::ZERO, || {
            for (site, _) in SITES {
                *nonce += 1;
                let expected = alone.numbers(site, *nonce);
                for (n, machine) in fleet.iter().enumerate() {
                    let shown = machine.numbers(site, *nonce);
                    if shown != expected {
                        return Err(format!(
                            "{step}: node {n} shows\n{shown}\nand a machine alone\n{expected}"
                        ));
                    }
                }
                for page in PAGES {
                    let path = format!("/snippet/{site}.json?page={page}&nonce={nonce}");
                    let of_page = |machine: &Machine| {
                        let page = machine.get(&path, "127.0.0.1")["page"].clone();
                        (page["views"].clone(), page["visits"].clone())
                    };
                    let expected = of_page(alone);
                    if let Some(shown) = fleet.iter().map(of_page).find(|shown| *shown != expected) {
                        return Err(format!(
                            "{step}: {page} has {shown:?}, and on a machine alone {expected:?}"
                        ));
                    }
                }
            }
            Ok(())
        });
    }

    /// At noon in London it is the same day for both sites. The secrets of the days before it are gone, from
    /// the store and from every node.
    fn secrets_go(&mut self, store: &Store) {
        const DAY: u64 = 24 * HOUR;
        let now = self.clock.now();
        let day = now.0 / DAY + 1;
        self.pass(day * DAY + 12 * HOUR - now.0);
        let today = Day(i32::try_from(day).unwrap()).to_string();
        until(std::time::Duration::ZERO, || {
            for machine in self.fleet.iter().chain([&self.alone]) {
                let file = std::fs::read_to_string(machine.directory.path().join("state/salts")).unwrap();
                let days: Vec<&str> = file.lines().map(|line| line.split_once(' ').unwrap().0).collect();
                if days.first() != Some(&today.as_str()) {
                    return Err(format!("a node has secrets of {days:?}, and it is {today}"));
                }
            }
            let mut days = BTreeSet::new();
            for server in &store.servers {
                let keys: Vec<String> = server.ask(&["KEYS", "hours:1:salt:*"]).unwrap();
                days.extend(keys.into_iter().map(|key| key.rsplit(':').next().unwrap().to_owned()));
            }
            match days.first() {
                Some(first) if *first == today => Ok(()),
                _ => Err(format!("the store has secrets of {days:?}, and it is {today}")),
            }
        });
    }

    /// Everything ends in order.
    pub(super) fn end(self) {
        for machine in self.fleet.into_iter().chain([self.alone]) {
            machine.daemon.unwrap().stop().unwrap();
        }
    }
}

/// Somebody leaves a page of a slow node for one of a fast node, which tells of it first.
pub(super) fn late_leave(store: &Store) {
    let clock = Clock::manual(UnixMillis(Clock::system().now().0 / HOUR * HOUR + 48 * HOUR));
    let fast = configuration(&format!("shared_store = \"{}\"", store.address));
    let slow = fast.replace("\"50ms\"", "\"1500ms\"");
    let [slow, fast] = [slow, fast].map(|configuration| Machine::start(&configuration, &clock));
    let reader = "203.0.113.1";
    let mut nonce = 0;
    let mut shows = |online: u64, views: u64| {
        until(std::time::Duration::ZERO, || {
            nonce += 1;
            let [a, b] = [&slow, &fast].map(|machine| machine.numbers("vks", nonce));
            let is = |numbers: &Value| numbers["online"] == online && numbers["total"]["views"] == views;
            if is(&a) && is(&b) {
                Ok(())
            } else {
                Err(format!("{online} are online after {views}:\n{a}\n{b}"))
            }
        });
    };
    slow.send("/hit?s=vks&u=/&k=view", reader);
    shows(1, 1);
    clock.set(clock.now().plus(40));
    slow.send("/hit?s=vks&u=/&k=leave&d=40", reader);
    clock.set(clock.now().plus(30));
    fast.send("/hit?s=vks&u=/about&k=view", reader);
    // Of somebody else, to know when the slow node has told of the leave.
    slow.send("/hit?s=vks&u=/&k=view", "203.0.113.2");
    shows(2, 3);
    clock.set(clock.now().plus(20 * SECOND));
    fast.send("/hit?s=vks&u=/&k=ping", "203.0.113.2");
    shows(2, 3);
    clock.set(clock.now().plus(1));
    fast.send("/hit?s=vks&u=/&k=view", "203.0.113.3");
    shows(3, 4);
    for machine in [slow, fast] {
        machine.daemon.unwrap().stop().unwrap();
    }
}

/// Waits until both nodes have agreed up to when nobody asks any more.
fn nodes_know_the_time(store: &Store, clock: &Clock) {
    until(std::time::Duration::ZERO, || {
        let words: Vec<String> = store.servers[0].ask(&["HVALS", "hours:1:nodes"]).unwrap();
        let watermark = |word: &String| serde_json::from_str::<Value>(word).unwrap()["watermark"].as_u64();
        if words.len() == 2 && words.iter().all(|word| watermark(word) >= Some(clock.now().0)) {
            Ok(())
        } else {
            Err(words.join("\n"))
        }
    });
}

/// Somebody whose page pings without a visit stays online as long as the site wants it.
pub(super) fn long_window(store: &Store) {
    let clock = Clock::manual(UnixMillis(Clock::system().now().0 / HOUR * HOUR + 48 * HOUR));
    let shared = configuration(&format!("shared_store = \"{}\"", store.address))
        .replace("time_zone", "online_window = \"1h\"\ntime_zone");
    let [a, b] = [(); 2].map(|()| Machine::start(&shared, &clock));
    let mut nonce = 0;
    let mut shows = |online: u64| {
        until(std::time::Duration::ZERO, || {
            nonce += 1;
            let shown = [&a, &b].map(|machine| machine.numbers("vks", nonce)["online"].clone());
            if shown.iter().all(|shown| *shown == online) {
                Ok(())
            } else {
                Err(format!("not {online}: {shown:?}"))
            }
        });
    };
    a.send("/hit?s=vks&u=/&k=ping", "203.0.113.1");
    shows(1);
    clock.set(clock.now().plus(40 * MINUTE));
    nodes_know_the_time(store, &clock);
    b.send("/hit?s=vks&u=/&k=view", "203.0.113.2");
    shows(2);
    a.send("/hit?s=vks&u=/&k=view", "203.0.113.3");
    shows(3);
    for machine in [a, b] {
        machine.daemon.unwrap().stop().unwrap();
    }
}

/// A tab that nobody looked at is closed after twenty minutes, and its reader comes back within a visit window of
/// that. By then the nodes have agreed that nobody asks for what is older.
pub(super) fn long_silence(store: &Store) {
    let clock = Clock::manual(UnixMillis(Clock::system().now().0 / HOUR * HOUR + 48 * HOUR));
    let shared = configuration(&format!("shared_store = \"{}\"", store.address));
    let [a, b] = [(); 2].map(|()| Machine::start(&shared, &clock));
    let reader = "203.0.113.1";
    let mut nonce = 0;
    let mut shows = |views: u64, visits: u64| {
        until(std::time::Duration::ZERO, || {
            nonce += 1;
            let shown = [&a, &b].map(|machine| machine.numbers("vks", nonce)["total"].clone());
            let is_right = |total: &Value| total["views"] == views && total["visits"] == visits;
            if shown.iter().all(is_right) { Ok(()) } else { Err(format!("not {views}, {visits}: {shown:?}")) }
        });
    };
    a.send("/hit?s=vks&u=/&k=view", reader);
    shows(1, 1);
    clock.set(clock.now().plus(20 * MINUTE));
    b.send(&format!("/hit?s=vks&u=/&k=leave&d={}", 20 * MINUTE), reader);
    // Of somebody else, to know that the leave was told.
    b.send("/hit?s=vks&u=/&k=view", "203.0.113.2");
    shows(2, 2);
    clock.set(clock.now().plus(29 * MINUTE));
    nodes_know_the_time(store, &clock);
    // Each node asks about somebody, and lets the store forget what is over, before the reader is back.
    for (node, other) in [(&a, "203.0.113.3"), (&b, "203.0.113.4")] {
        node.send("/hit?s=vks&u=/&k=view", other);
    }
    shows(4, 4);
    b.send("/hit?s=vks&u=/next&k=view", reader);
    shows(5, 4);
    for machine in [a, b] {
        machine.daemon.unwrap().stop().unwrap();
    }
}

/// Days over a shared store that always answers.
pub(super) fn contract(store: &Store, seed: u64) {
    let steps = std::env::var("HEADCOUNT_FLEET_STEPS").ok().and_then(|steps| steps.parse().ok());
    let mut days = Days::begin(store, seed);
    for step in 0..steps.unwrap_or(24) {
        days.act();
        days.agree(&format!("step {step} of seed {seed}"));
        let ms = STEPS[days.below(STEPS.len())];
        days.pass(ms);
        if step % 8 == 5 {
            days.restart_one();
        }
    }
    days.agree("the end");
    days.secrets_go(store);
    days.end();
}
