//! After kill -9 nothing that was answered as counted is missing and nothing counts twice; what is
//! damaged is cut off and reported, or stops the start and is named.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::support::client::{Dice, Wire, browser, counted, logged, noon};
use crate::support::{Daemon, wait_for};

const SITES: [&str; 3] = ["north", "centre", "south"];
const ROUNDS: u64 = 20;
const THREADS: u64 = 6;
/// Visitors that each thread has to itself on each site.
const VISITORS: u64 = 40;

fn configuration() -> String {
    let site =
        |site| format!("[[site]]\nid = \"{site}\"\ntime_zone = \"{}\"\nonline_window = \"1h\"\n", noon());
    "fold_interval = \"40ms\"\njournal_retained = \"3h\"\nworkers = 2\n[limits]\n\
     views_per_network_per_second = 0\nnew_visitors_per_network_per_hour = 0\npages_per_site = 1000000\n"
        .to_owned()
        + &SITES.map(site).concat()
}

/// One view, as the one who sent it knows it.
#[derive(Clone, Debug)]
struct Sent {
    site: &'static str,
    page: String,
    visitor: String,
    answered: bool,
}

/// What must be there, site by site.
#[derive(Default)]
struct Model {
    /// Views of each page: 0 or 1.
    pages: BTreeMap<String, u64>,
    visitors: HashSet<String>,
}

impl Model {
    fn views(&self) -> u64 {
        self.pages.values().sum()
    }

    fn visitors(&self) -> u64 {
        u64::try_from(self.visitors.len()).unwrap()
    }
}

/// Sends views and pings until the daemon is gone or told to stop. Two requests are in flight at once.
fn send(address: SocketAddr, thread: u64, round: u64, mut dice: Dice, shared: &Shared) -> Vec<Sent> {
    let mut wire = Wire::open(address);
    let mut sent: Vec<Sent> = Vec::new();
    let mut pinged = 0;
    while !shared.stop.load(Ordering::Relaxed) {
        let site = SITES[usize::try_from(dice.below(3)).unwrap()];
        let visitor = format!("10.{thread}.{}.{}", dice.below(VISITORS), 7);
        let page = format!("/r{round}/t{thread}/n{}", sent.len());
        let view = browser(&format!("/hit?s={site}&u={page}"), &visitor);
        // Only those who were counted already are still here: such a ping changes no number.
        let pings = dice.below(4) == 0;
        let known = sent.iter().rev().find(|sent| sent.answered && pings).cloned();
        sent.push(Sent { site, page, visitor, answered: false });
        let place = sent.len() - 1;
        let mut bytes = view;
        if let Some(known) = &known {
            bytes.extend(browser(&format!("/hit?s={}&k=ping", known.site), &known.visitor));
        }
        if !wire.send(&bytes) {
            break;
        }
        let Some(reply) = wire.reply() else { break };
        assert!(counted(&reply), "{}: {}", reply.status, reply.text());
        sent[place].answered = true;
        shared.answered.fetch_add(1, Ordering::Relaxed);
        if known.is_some() {
            let Some(reply) = wire.reply() else { break };
            assert!(counted(&reply), "{}", reply.text());
            pinged += 1;
        }
    }
    assert!(pinged > 0 || sent.len() < 50, "nobody pinged");
    sent
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    answered: AtomicU64,
}

/// Holds the database so that no fold reaches it, until dropped.
fn hold_store(daemon: &Daemon) -> rusqlite::Connection {
    let store = rusqlite::Connection::open(daemon.state().join("headcount.db")).unwrap();
    store.busy_timeout(crate::support::PATIENCE).unwrap();
    store.execute_batch("BEGIN EXCLUSIVE").unwrap();
    store
}

fn check(daemon: &Daemon, models: &mut BTreeMap<&'static str, Model>, sent: Vec<Sent>, about: &str) {
    let mut wire = Wire::open(daemon.public());
    for sent in sent {
        let ask = browser(&format!("/snippet/{}.json?page={}", sent.site, sent.page), "10.0.0.1");
        let reply = wire.ask(&ask).unwrap().json();
        let views = reply["page"]["views"].as_u64().unwrap();
        // What was in flight may or may not have been written; from now on it stays as it is.
        let right = if sent.answered { views == 1 } else { views <= 1 };
        assert!(right, "{about}: {sent:?} has {views} views");
        let model = models.entry(sent.site).or_default();
        model.pages.insert(sent.page, views);
        if views == 1 {
            model.visitors.insert(sent.visitor);
        }
    }
    for (site, model) in models.iter() {
        let numbers = daemon.numbers(site);
        let number = |path: &str| numbers.pointer(path).unwrap().as_u64().unwrap();
        for path in ["/total/views", "/today/views", "/this_year/views", "/last_24_hours/views"] {
            assert_eq!(number(path), model.views(), "{about}: {site} {path}");
        }
        for path in ["/total/visits", "/today/visits", "/last_24_hours/visits", "/online"] {
            assert_eq!(number(path), model.visitors(), "{about}: {site} {path}");
        }
        // A new peak is shown once it is a record, within the second.
        wait_for(|| (daemon.numbers(site)["peak_online"]["count"] == model.visitors()).then_some(()));
    }
}

/// Every page of the store has the views that the model knows.
fn check_pages(daemon: &Daemon, models: &BTreeMap<&'static str, Model>) {
    for (site, model) in models {
        let export: serde_json::Value =
            serde_json::from_str(&daemon.print("export", &[site, "--format", "json"])).unwrap();
        let mut kept: BTreeMap<String, u64> = BTreeMap::new();
        for row in export["pages"].as_array().unwrap() {
            *kept.entry(row["page"].as_str().unwrap().to_owned()).or_default() +=
                row["views"].as_u64().unwrap();
        }
        let expected: BTreeMap<String, u64> = model
            .pages
            .iter()
            .filter(|(_, views)| **views > 0)
            .map(|(page, views)| (page.clone(), *views))
            .collect();
        assert_eq!(kept, expected, "{site}");
    }
}

#[test]
fn after_twenty_kills_every_answered_beacon_is_there_exactly_once() {
    let mut dice = Dice::seeded("after_twenty_kills");
    let mut daemon = Daemon::start(&configuration());
    let mut models = BTreeMap::new();
    let mut in_flight = 0;
    for round in 0..ROUNDS {
        let shared = Arc::new(Shared::default());
        let address = daemon.public();
        // In every fourth round the store refuses until the kill, in every other fourth up to shortly before.
        let mut held = (round % 4 >= 2).then(|| hold_store(&daemon));
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (shared, dice) = (Arc::clone(&shared), Dice(dice.below(u64::MAX)));
                std::thread::spawn(move || send(address, thread, round, dice, &shared))
            })
            .collect();
        let (release, kill) = (dice.below(200), 200 + dice.below(500));
        wait_for(|| (shared.answered.load(Ordering::Relaxed) > release).then_some(()));
        if round % 4 == 2 {
            held = None;
        }
        wait_for(|| (shared.answered.load(Ordering::Relaxed) > kill).then_some(()));
        daemon.kill();
        shared.stop.store(true, Ordering::Relaxed);
        let sent: Vec<Sent> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        drop(held);
        in_flight += sent.iter().filter(|sent| !sent.answered).count();
        daemon.restart();
        check(&daemon, &mut models, sent, &format!("round {round}"));
    }
    assert!(in_flight > 0, "no kill struck anything in flight");
    check_pages(&daemon, &models);
    let (code, log) = daemon.stop();
    assert_eq!(code, 0, "{log}");
    daemon.restart();
    check(&daemon, &mut models, Vec::new(), "after a stop in order");
    check_pages(&daemon, &models);
}

#[test]
fn kills_in_the_middle_of_a_start_or_a_stop_lose_nothing() {
    let mut dice = Dice::seeded("kills_in_the_middle");
    let mut daemon = Daemon::start(&configuration());
    let mut models = BTreeMap::new();
    for round in 0..6 {
        // Nothing is folded while this is sent, so that the stop or the next start has it all to do.
        let mut held = Some(hold_store(&daemon));
        let mut wire = Wire::open(daemon.public());
        let mut sent = Vec::new();
        for n in 0..300 {
            let (site, page) = (SITES[n % 3], format!("/r{round}/n{n}"));
            let visitor = format!("10.8.{}.{round}", n % 30);
            assert!(counted(&wire.ask(&browser(&format!("/hit?s={site}&u={page}"), &visitor)).unwrap()));
            sent.push(Sent { site, page, visitor, answered: true });
        }
        if round % 2 == 0 {
            held = None;
            daemon.signal("TERM");
            std::thread::sleep(Duration::from_millis(dice.below(30)));
        }
        daemon.kill();
        drop(held);
        for _ in 0..8 {
            daemon.start_and_kill(Duration::from_millis(dice.below(80)));
        }
        daemon.restart();
        check(&daemon, &mut models, sent, &format!("round {round}"));
    }
    check_pages(&daemon, &models);
}

#[test]
fn a_store_that_refuses_is_told_and_costs_nothing() {
    let mut daemon = Daemon::start(&configuration());
    assert_eq!(daemon.admin_get("/readyz").text(), "ready\n");
    let held = hold_store(&daemon);
    assert!(counted(&daemon.get("/hit?s=north&u=/a", &[])));
    let degraded = wait_for(|| {
        let reply = daemon.admin_get("/readyz");
        reply.text().contains("degraded").then_some(reply)
    });
    assert_eq!(degraded.status, 200, "{}", degraded.text());
    assert!(counted(&daemon.get("/hit?s=north&u=/b", &[])));
    assert!(daemon.metric("headcount_store_errors_total") > 0.0);
    drop(held);
    wait_for(|| (daemon.admin_get("/readyz").text() == "ready\n").then_some(()));
    logged(&daemon, "the store takes folds again");
    daemon.kill();
    daemon.restart();
    assert_eq!(daemon.numbers("north")["total"]["views"], 2);
}

#[test]
fn a_stop_in_order_and_a_start_change_no_number() {
    let mut daemon = Daemon::start(&configuration());
    for n in 0..30 {
        let client = format!("10.9.{}.1", n % 7);
        assert!(counted(
            &daemon.get(&format!("/hit?s=south&u=/p{}", n % 5), &[("X-Forwarded-For", &client)])
        ));
    }
    daemon.print("adjust", &["south", "visits", "+1000", "--reason", "the counter before"]);
    let settled = |daemon: &Daemon| {
        let mut numbers = daemon.get("/snippet/south.json?page=/p3", &[]).json();
        (numbers["today"]["visitors"] == 7 && numbers["peak_online"]["count"] == 7).then(|| {
            numbers.as_object_mut().unwrap().remove("at");
            numbers
        })
    };
    let before = wait_for(|| settled(&daemon));
    let (code, log) = daemon.stop();
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("stopping") && log.contains("stopped"), "{log}");
    daemon.restart();
    assert_eq!(settled(&daemon), Some(before));
}

/// A daemon that counted some views into one stream and was killed, and that stream.
fn killed_with_one_stream() -> (Daemon, PathBuf) {
    let mut daemon = Daemon::start(&format!("workers = 1\n{}", "[[site]]\nid = \"demo\"\n"));
    for n in 0..20 {
        assert!(counted(&daemon.get(&format!("/hit?s=demo&u=/page/{n}"), &[])));
    }
    daemon.kill();
    let mut streams: Vec<PathBuf> = fs::read_dir(daemon.state().join("journal"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "hcj"))
        .collect();
    assert_eq!(streams.len(), 1, "{streams:?}");
    (daemon, streams.remove(0))
}

#[test]
fn a_torn_end_is_cut_off_and_reported() {
    let (mut daemon, stream) = killed_with_one_stream();
    let whole = fs::read(&stream).unwrap();
    let mut torn = whole.clone();
    torn.extend_from_slice(&whole[32..52]);
    fs::write(&stream, &torn).unwrap();
    let said = daemon.print("journal check", &[]);
    assert!(said.contains(&format!("torn at byte {} of {}", whole.len(), torn.len())), "{said}");
    daemon.restart();
    assert_eq!(daemon.numbers("demo")["total"]["views"], 20);
    let log = logged(&daemon, "torn end");
    let line = log.lines().find(|line| line.contains("torn end")).unwrap();
    assert!(line.contains("WARN") && line.contains(&stream.display().to_string()), "{line}");
    assert!(line.contains(&format!("offset={}", whole.len())) && line.contains("bytes=20"), "{line}");
    assert_eq!(fs::read(&stream).unwrap(), whole);
}

#[test]
fn a_stream_that_ends_within_its_header_is_cut_off_and_reported() {
    let (mut daemon, stream) = killed_with_one_stream();
    let header = fs::read(&stream).unwrap()[..20].to_vec();
    let torn = stream.with_file_name("0123456789abcdef.hcj");
    fs::write(&torn, header).unwrap();
    let said = daemon.print("journal check", &[]);
    assert!(said.contains("0123456789abcdef.hcj: 0 records, torn at byte 0 of 20"), "{said}");
    daemon.restart();
    logged(&daemon, "0123456789abcdef.hcj offset=0 bytes=20");
    assert_eq!(daemon.numbers("demo")["total"]["views"], 20);
    assert!(!torn.exists());
}

#[test]
fn a_flipped_byte_stops_the_start_and_is_named() {
    let (mut daemon, stream) = killed_with_one_stream();
    let whole = fs::read(&stream).unwrap();
    // The second record begins behind the header and the first; the first is as long as it says.
    let second = 32 + 6 + usize::from(u16::from_le_bytes([whole[32], whole[33]]));
    let mut flipped = whole.clone();
    flipped[second + 12] ^= 0x10;
    fs::write(&stream, &flipped).unwrap();
    let (code, said) = daemon.refuses_to_start(&[]);
    assert_eq!(code, 4, "{said}");
    assert!(said.contains(&stream.display().to_string()), "{said}");
    assert!(said.contains(&format!("damaged at byte {second};")), "{said}");
    let check = daemon.run("journal check", &[]);
    let (out, err) = (String::from_utf8(check.stdout).unwrap(), String::from_utf8(check.stderr).unwrap());
    assert_eq!(check.status.code(), Some(4), "{out}{err}");
    assert!(out.contains(&format!("{}: DAMAGED at byte {second} of", stream.display())), "{out}");
    assert!(err.contains("restore a backup"), "{err}");
    assert_eq!(fs::read(&stream).unwrap(), flipped, "it was changed");
    fs::write(&stream, &whole).unwrap();
    daemon.restart();
    assert_eq!(daemon.numbers("demo")["total"]["views"], 20);
}

#[test]
fn a_journal_of_a_later_release_stops_the_start() {
    let (daemon, stream) = killed_with_one_stream();
    let mut bytes = fs::read(&stream).unwrap();
    bytes[8] = 3;
    fs::write(&stream, &bytes).unwrap();
    let (code, said) = daemon.refuses_to_start(&[]);
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("has format 3, this release reads up to 2; start the newer release"), "{said}");
    let check = daemon.run("journal check", &[]);
    assert_eq!(check.status.code(), Some(4));
    assert!(String::from_utf8(check.stdout).unwrap().contains("has format 3, of a later release"));
}

#[test]
fn a_store_of_a_later_release_stops_the_start() {
    let (daemon, _) = killed_with_one_stream();
    let store = rusqlite::Connection::open(daemon.state().join("headcount.db")).unwrap();
    store.pragma_update(None, "user_version", 99).unwrap();
    drop(store);
    let (code, said) = daemon.refuses_to_start(&[]);
    assert_eq!(code, 4, "{said}");
    assert!(
        said.contains("headcount.db has schema version 99") && said.contains("use a newer one"),
        "{said}"
    );
}

#[test]
fn a_file_that_is_no_database_stops_the_start() {
    let (daemon, _) = killed_with_one_stream();
    for beside in ["headcount.db-wal", "headcount.db-shm"] {
        fs::remove_file(daemon.state().join(beside)).ok();
    }
    fs::write(daemon.state().join("headcount.db"), "once upon a time ".repeat(100)).unwrap();
    let (code, said) = daemon.refuses_to_start(&[]);
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("is not an SQLite database"), "{said}");
}

#[test]
fn a_state_directory_in_use_is_left_alone() {
    let daemon = Daemon::start(&configuration());
    let (code, said) = daemon.refuses_to_start(&[]);
    assert_eq!(code, 1, "{said}");
    let expected = format!("{} is in use by another headcount; stop that one", daemon.state().display());
    assert!(said.contains(&expected), "{said}");
    assert!(counted(&daemon.get("/hit?s=north&u=/a", &[])));
}

#[test]
fn a_port_in_use_is_named() {
    let daemon = Daemon::stopped(&configuration());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for flag in ["--listen", "--admin-listen"] {
        let (code, said) = daemon.refuses_to_start(&[flag, &address]);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(&format!("cannot listen on {address}")), "{said}");
        assert!(said.contains("another program, or another headcount, has this port"), "{said}");
    }
}

#[test]
fn views_of_one_visitor_over_many_connections_are_one_visit() {
    let limits = "[limits]\nviews_per_network_per_second = 0\nnew_visitors_per_network_per_hour = 0\n";
    let mut daemon =
        Daemon::start(&format!("workers = 4\nfold_interval = \"100ms\"\n{limits}[[site]]\nid = \"demo\"\n"));
    let senders = 4;
    let each = 150;
    std::thread::scope(|scope| {
        for sender in 0..senders {
            let daemon = &daemon;
            scope.spawn(move || {
                for n in 0..each {
                    let client = format!("10.{sender}.{}.{}", n / 250, n % 250 + 1);
                    // Each view on a connection of its own, so that any worker may have it.
                    for page in ["/a", "/b"] {
                        let path = format!("/hit?s=demo&u={page}");
                        let reply = daemon.get(&path, &[("X-Forwarded-For", client.as_str())]).json();
                        assert_eq!(reply["counted"], true);
                    }
                }
            });
        }
    });
    let expected = (Some(2 * senders * each), Some(senders * each));
    let total = |daemon: &Daemon| {
        let total = daemon.numbers("demo")["total"].clone();
        (total["views"].as_u64(), total["visits"].as_u64())
    };
    assert_eq!(total(&daemon), expected, "as they were answered");
    // Twice the interval: whatever the fold has to say, it has said.
    let folds = daemon.metric("headcount_fold_duration_seconds_count");
    wait_for(|| (daemon.metric("headcount_fold_duration_seconds_count") > folds + 2.0).then_some(()));
    assert_eq!(total(&daemon), expected, "after the fold");
    daemon.kill();
    daemon.restart();
    assert_eq!(total(&daemon), expected, "after a restart");
}
