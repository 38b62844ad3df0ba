//! A real systemd, booted for each test, runs the units as they are shipped.

use std::time::Duration;

use crate::support::machine::{ADMIN, Machine, PUBLIC, Seen};
use crate::support::wait_for;

const SITE: &str = "workers = 2\n[limits]\nviews_per_network_per_second = 0\n\
                    new_visitors_per_network_per_hour = 0\n[[site]]\nid = \"demo\"\n";

fn views(machine: &Machine) -> u64 {
    let reply = machine.get(PUBLIC, "/snippet/demo.json");
    reply.json()["total"]["views"].as_u64().unwrap()
}

/// Lets some load pass.
fn pause() {
    std::thread::sleep(Duration::from_millis(300));
}

#[test]
fn the_first_request_starts_the_service_which_is_sealed_and_has_a_user_of_its_own() {
    let Some(machine) = Machine::boot(SITE) else { return };
    machine.must("systemctl start headcount.socket headcount-admin.socket");
    assert_eq!(machine.property("ActiveState"), "inactive");
    let reply = machine.get(PUBLIC, "/hit?s=demo&u=/a");
    assert_eq!(reply.json()["counted"], true);
    assert_eq!(machine.property("ActiveState"), "active");
    assert_eq!(machine.property("StatusText"), "serving 1 site");
    assert_eq!(machine.get(ADMIN, "/readyz").text(), "ready\n");
    let uid: u32 = machine.must("stat --format=%u /var/lib/private/headcount/headcount.db").parse().unwrap();
    assert!((61_184..=65_519).contains(&uid), "{uid} is no user that systemd makes up");
    let status = machine.must("cat /proc/$(systemctl show --value --property=MainPID headcount)/status");
    for line in [&format!("Uid:\t{uid}\t"), "CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.contains(line), "{line} is not in\n{status}");
    }
}

#[test]
fn restarts_under_load_refuse_nobody_and_lose_nothing() {
    let Some(machine) = Machine::serving(SITE) else { return };
    let load = machine.load(3);
    for _ in 0..5 {
        pause();
        machine.must("systemctl restart headcount.service");
    }
    pause();
    let seen = load.end();
    assert_eq!((seen.refused, seen.broken, &seen.others), (0, 0, &Vec::new()), "{seen:?}");
    assert!(seen.counted > 500, "{seen:?}");
    assert_eq!(views(&machine), seen.counted);
}

#[test]
fn after_a_kill_under_load_every_view_answered_as_counted_is_in_the_numbers() {
    let Some(machine) = Machine::serving(SITE) else { return };
    let load = machine.load(3);
    for killed in 1..=2 {
        pause();
        machine.must("systemctl kill --signal=KILL headcount.service");
        wait_for(|| (machine.property("NRestarts") == killed.to_string()).then_some(()));
        machine.must("systemctl is-active --wait headcount.service || sleep 1");
    }
    pause();
    let Seen { counted, refused, broken, others } = load.end();
    assert_eq!(refused, 0);
    let known = views(&machine);
    // A view that was written and not answered any more may count.
    assert!((counted..=counted + broken).contains(&known), "{counted} {broken} {known} {others:?}");
    assert!(counted > 300 && broken <= 12, "{counted} {broken} {others:?}");
}

#[test]
fn a_worker_or_keeper_that_hangs_is_silence_and_the_process_is_replaced() {
    let Some(machine) = Machine::boot(SITE) else { return };
    machine.drop_in("[Service]\nWatchdogSec=2s\n");
    machine.must("systemctl start headcount.socket headcount-admin.socket headcount.service");
    assert_eq!(machine.get(PUBLIC, "/hit?s=demo&u=/a").json()["counted"], true);
    // Longer than the watchdog waits: one that works is left alone.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(machine.property("NRestarts"), "0");
    for (restarts, thread) in [(1, "worker-1"), (2, "keeper")] {
        let before = machine.property("MainPID");
        let frozen = machine.freeze(thread);
        wait_for(|| (machine.property("NRestarts") == restarts.to_string()).then_some(()));
        frozen.join().unwrap();
        wait_for(|| (machine.property("ActiveState") == "active").then_some(()));
        assert_ne!(machine.property("MainPID"), before);
        assert_eq!(views(&machine), 1, "what was counted before {thread} hung is still there");
    }
    let journal = machine.logged("Watchdog timeout");
    assert_eq!(journal.matches("Watchdog timeout").count(), 2, "{journal}");
}

#[test]
fn a_reload_takes_over_good_sites_and_refuses_a_mistake_with_its_line() {
    let Some(machine) = Machine::serving(SITE) else { return };
    let before = machine.property("MainPID");
    let serves = |site: &str| machine.get(PUBLIC, &format!("/snippet/{site}.json")).status == 200;
    assert!(!serves("new"));
    machine.configure(&format!("{SITE}[[site]]\nid = \"new\"\n"));
    machine.must("systemctl reload headcount.service");
    wait_for(|| serves("new").then_some(()));
    wait_for(|| (machine.property("StatusText") == "serving 2 sites").then_some(()));

    machine.configure(&format!("{SITE}[[site]]\nid = \"new\"\ntotal = \"clicks\"\n"));
    let refused = machine.run("systemctl reload headcount.service");
    assert!(!refused.status.success(), "a reload with a mistake must fail");
    machine.logged("/etc/headcount/headcount.toml:9: site[new].total = \"clicks\"");
    // The signal alone, as others send it.
    machine.must("systemctl kill --signal=HUP --kill-whom=main headcount.service");
    machine.logged("the configuration was not taken over; the one before stays in force");
    wait_for(|| machine.property("StatusText").contains("was refused").then_some(()));
    assert!(serves("demo") && serves("new"));
    assert_eq!(machine.property("MainPID"), before);
    assert_eq!(machine.property("ActiveState"), "active");
}

#[test]
fn a_start_with_a_mistake_ends_once_and_keeps_the_socket_for_the_next() {
    let Some(machine) = Machine::boot("[[site]]\nid = \"BAD\"\n") else { return };
    machine.must("systemctl start headcount.socket headcount-admin.socket");
    assert!(!machine.run("systemctl start headcount.service").status.success());
    let journal = machine.logged("/etc/headcount/headcount.toml:2: site[1].id = \"BAD\"");
    assert_eq!(machine.property("ExecMainStatus"), "3", "{journal}");
    assert_eq!(machine.property("NRestarts"), "0");
    // Requests that come meanwhile wait, start it again and again, and do not wear out the socket.
    let load = machine.load(3);
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(machine.must("systemctl is-active headcount.socket"), "active");
    machine.configure(SITE);
    wait_for(|| (machine.property("ActiveState") == "active").then_some(()));
    pause();
    let seen = load.end();
    assert_eq!((seen.refused, seen.broken), (0, 0), "{seen:?}");
    assert_eq!(views(&machine), seen.counted);
}

#[test]
fn a_credential_that_is_missing_refuses_the_start_by_name() {
    let Some(machine) = Machine::boot(SITE) else { return };
    let redis = include_str!("../config/headcount.service.d/redis.conf");
    machine.drop_in(redis);
    machine.must("systemctl start headcount.socket headcount-admin.socket");
    assert!(!machine.run("systemctl start headcount.service").status.success());
    assert_eq!(machine.property("ExecMainStatus"), "243", "systemd's number for credentials");
    machine.logged("redis-url");
    machine.must("install -d -m 700 /etc/headcount/credentials");
    machine.must("echo redis://localhost >/etc/headcount/credentials/redis-url");
    machine.must("systemctl start headcount.service");
    assert_eq!(machine.get(ADMIN, "/readyz").status, 200);
}
