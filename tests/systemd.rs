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
