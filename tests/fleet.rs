//! Many machines, one number: one contract over every kind of shared store, its faults, and chaos.

mod chaos;
mod faults;
mod hours;
mod merge;
mod misuse;
mod told;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::client::Dice;
use crate::support::fleet::{Fleet, Load, PATIENT, count, until, with_logs};
use crate::support::redis::{Store, is_installed};
use crate::support::{Daemon, PATIENCE};

/// A number of the fleet is a flush and a round trip old; the rest is a machine that does ten other things.
const SOON: Duration = Duration::from_secs(15);

#[test]
fn one_server_is_shared_by_three_nodes() {
    contract(&Store::single("redis"), "one_server_is_shared_by_three_nodes");
}

#[test]
fn a_primary_behind_sentinels_is_shared_by_three_nodes() {
    contract(&Store::sentinel(), "a_primary_behind_sentinels_is_shared_by_three_nodes");
}

#[test]
fn a_cluster_is_shared_by_three_nodes() {
    contract(&Store::cluster(), "a_cluster_is_shared_by_three_nodes");
}

#[test]
fn valkey_is_shared_by_three_nodes() {
    if is_installed("valkey-server") {
        contract(&Store::single("valkey"), "valkey_is_shared_by_three_nodes");
    } else {
        eprintln!("there is no valkey-server on this machine");
    }
}

#[test]
fn a_leave_that_is_told_late_takes_nobody_away() {
    hours::late_leave(&Store::single("redis"));
}

#[test]
fn a_leave_long_after_the_last_look_keeps_the_visit_open() {
    hours::long_silence(&Store::single("redis"));
}

#[test]
fn an_online_window_may_be_longer_than_the_visit_window() {
    hours::long_window(&Store::single("redis"));
}

/// What holds over every kind of shared store.
fn contract(store: &Store, test: &str) {
    let mut dice = Dice::seeded(test);
    let mut load = Load::new(dice.below(u64::MAX), 400);
    let mut fleet = Fleet::start(&store.address, 3, &PATIENT);
    load.wander(&fleet, 600);
    assert_eq!(load.settled(&fleet), 0);
    numbers_are_soon_everywhere(&mut load, &fleet);
    adjustments_show_everywhere(&mut load, &fleet);
    nodes_end_and_come_back(&mut load, &mut fleet);
    the_highest_number_online_is_everywhere(&fleet);
    for never in ["headcount_fleet_visits_alone_total", "headcount_fleet_losses_total"] {
        assert_eq!(fleet.sum(never), 0, "{}", with_logs(&fleet, never));
    }
    assert_eq!(count(&fleet.nodes[0], "headcount_fleet_nodes_alive"), 3);
    hours::contract(store, dice.below(u64::MAX));
}

/// A view on one node shows in beacons, snippets and streams of another.
fn numbers_are_soon_everywhere(load: &mut Load, fleet: &Fleet) {
    let (here, there) = (&fleet.nodes[0], &fleet.nodes[1]);
    let mut stream = open_stream(there);
    for round in 0..3 {
        load.beacon(fleet, (0, 0), "view", round, "/");
        let (views, began) = (load.counted(0), Instant::now());
        let shows = |numbers: &Value| {
            let shown = numbers["total"]["views"].as_u64();
            if shown == Some(views) { Ok(()) } else { Err(format!("{shown:?}, not {views} views")) }
        };
        until(Duration::ZERO, || shows(&there.numbers("vks")));
        assert!(began.elapsed() < SOON, "a snippet knew after {:?}", began.elapsed());
        let ping = "/hit?s=vks&u=/&k=ping";
        until(Duration::ZERO, || shows(&there.get(ping, &[("X-Forwarded-For", "203.0.0.0")]).json()));
        read_stream(&mut stream, |numbers| shows(numbers).is_ok());
        assert!(began.elapsed() < SOON, "a stream knew after {:?}", began.elapsed());
        assert_eq!(here.numbers("vks")["total"]["views"], views);
    }
}

fn open_stream(node: &Daemon) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(node.public()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET /live/vks HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    BufReader::new(stream)
}

fn read_stream(stream: &mut BufReader<TcpStream>, wanted: impl Fn(&Value) -> bool) {
    let mut line = String::new();
    loop {
        line.clear();
        assert!(stream.read_line(&mut line).unwrap() > 0, "the stream ended");
        if let Some(json) = line.strip_prefix("data:")
            && wanted(&serde_json::from_str(json).unwrap())
        {
            return;
        }
    }
}

fn adjustments_show_everywhere(load: &mut Load, fleet: &Fleet) {
    fleet.nodes[0].print("adjust", &["vks", "visits", "+1000", "--reason", "the old counter"]);
    fleet.nodes[1].print("adjust", &["vks", "views", "+3000", "--on", "2020-02-29", "--reason", "the same"]);
    load.adjusted(0, 3_000, 1_000);
    load.settled(fleet);
}

/// One restarts, one dies with beacons under way.
fn nodes_end_and_come_back(load: &mut Load, fleet: &mut Fleet) {
    load.wander(fleet, 30);
    let (code, log) = fleet.nodes[1].stop();
    assert_eq!(code, 0, "{log}");
    load.reconnect(1);
    load.wander(fleet, 30);
    fleet.nodes[1].restart();
    load.wander(fleet, 30);
    load.kill_under_load(fleet, 2, 60);
    load.wander(fleet, 30);
    fleet.nodes[2].restart();
    load.wander(fleet, 30);
    assert_eq!(load.settled(fleet), 0);
}

fn the_highest_number_online_is_everywhere(fleet: &Fleet) {
    for node in &fleet.nodes {
        until(Duration::ZERO, || {
            let numbers = node.numbers("vks");
            let is_highest = numbers["peak_online"]["count"] == numbers["online"];
            if is_highest { Ok(()) } else { Err(format!("nobody left: {numbers}")) }
        });
    }
}
