//! A real systemd, booted for each test, runs the units as they are shipped.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use headcount::details::Details;
use headcount::journal::{Ack, Journal, Options, RealDisk, encode};
use headcount::words::{Day, Kind, Record, StreamId, Touch, UnixMillis, VisitorId};

use crate::support::machine::{ADMIN, Machine, PUBLIC, Seen};
use crate::support::secure::{Secure, certificate, client};
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
        wait_for(|| (machine.property("ActiveState") == "active").then_some(()));
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
    machine.configure(&format!("shared_store = \"credential:redis-url\"\n{SITE}"));
    machine.must("systemctl start headcount.socket headcount-admin.socket");
    assert!(!machine.run("systemctl start headcount.service").status.success());
    machine.logged("/etc/headcount/headcount.toml:1: shared_store = \"credential:redis-url\": is empty in");
    machine.logged("LoadCredential=redis-url:/etc/headcount/credentials/redis-url");
    assert_eq!((machine.property("ExecMainStatus"), machine.property("NRestarts")), ("3".into(), "0".into()));
    machine.configure(SITE);
    machine.must("install -d -m 700 /etc/headcount/credentials");
    machine.must("echo redis://localhost >/etc/headcount/credentials/redis-url");
    machine.must("systemctl start headcount.service");
    assert_eq!(machine.get(ADMIN, "/readyz").status, 200);
}

#[test]
fn https_needs_the_shipped_socket_and_drop_in_and_no_network() {
    let files = "[tls]\ncertificate_files = [\"credential:tls.crt\"]\nkey_files = [\"credential:tls.key\"]\n";
    let configuration = format!("state_directory = \"/var/lib/headcount\"\n{SITE}{files}");
    let Some(machine) = Machine::boot(&configuration) else { return };
    machine.drop_in(include_str!("../config/headcount.service.d/tls.conf"));
    machine.must("systemctl start headcount.socket headcount-admin.socket");
    // Nobody has made the files yet.
    assert!(!machine.run("systemctl start headcount.service").status.success());
    machine.logged("/tls.crt: holds no certificate in PEM");
    assert_eq!((machine.property("ExecMainStatus"), machine.property("NRestarts")), ("3".into(), "0".into()));

    let shown = certificate(machine.share(), "a", "count.example.vn", (2020, 2040));
    let place = "/etc/letsencrypt/live/count.example.vn";
    machine.must(&format!("install -D -m 600 /share/a.crt {place}/fullchain.pem"));
    machine.must(&format!("install -D -m 600 /share/a.key {place}/privkey.pem"));
    machine.must("systemctl start headcount.service");
    let address = SocketAddr::new(PUBLIC.ip(), 443);
    let hit = || {
        machine.inside(|| {
            let mut wire = Secure::open(address, "count.example.vn", &client(&[])).unwrap();
            (wire.shown(), wire.get("/hit?s=demo&u=/a").unwrap().json()["counted"] == true)
        })
    };
    assert_eq!(hit(), (shown, true));
    // What an admin runs beside it reads the same credentials.
    let status = machine.must("headcount status --config /etc/headcount/headcount.toml");
    assert!(status.contains(", healthy, up "), "{status}");
    machine.must("headcount check-config --config /etc/headcount/headcount.toml");
    machine.must("systemctl reload headcount");
    machine.configure(&configuration.replace("[tls]", "[tils]"));
    assert!(!machine.run("systemctl reload headcount").status.success());
    machine.configure(&configuration);
    machine.must("systemctl reload headcount");
    // A renewal, as the README has it.
    let renewed = certificate(machine.share(), "a", "count.example.vn", (2021, 2041));
    machine.must(&format!("cp /share/a.crt {place}/fullchain.pem; cp /share/a.key {place}/privkey.pem"));
    machine.must("systemctl restart headcount");
    assert_eq!(hit(), (renewed, true));
    assert_eq!(views(&machine), 2);
}

/// Writes a journal of this many views, as a crash some seconds ago would have left it.
fn left_over(directory: &Path, views: u64) {
    std::fs::create_dir(directory).unwrap();
    let options = Options {
        directory: directory.to_owned(),
        ack: Ack::Written,
        retained_ms: 3_600_000,
        bytes_max: 1 << 30,
    };
    let (journal, _) = Journal::open(options, Arc::new(RealDisk)).unwrap();
    let mut writer = journal.writer();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let began = UnixMillis(u64::try_from(now.as_millis()).unwrap() - 60_000);
    let day = Day(i32::try_from(began.second() / 86_400).unwrap());
    let mut records = Vec::new();
    for n in 0..views {
        let page = format!("/page/{}", n % 1_000);
        let touch = Touch {
            kind: Kind::View,
            at: began.plus(n / 1_000),
            site: "demo",
            day,
            visitor: VisitorId(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            previous: None,
            in_visit: false,
            since_last_ms: 0,
            page: Some(&page),
            details: Details::default(),
        };
        encode(&Record::Touch(touch), &mut records);
        if n % 1_000 == 999 {
            writer.write(&records, touch.at, || StreamId(1)).unwrap();
            writer.publish(touch.at);
            records.clear();
        }
    }
}

#[test]
fn a_start_that_takes_long_is_given_time_for_as_long_as_it_goes_on_reading() {
    const VIEWS: u64 = 400_000;
    let Some(machine) = Machine::boot(SITE) else { return };
    left_over(&machine.share().join("journal"), VIEWS);
    machine
        .must("install -d -m 700 /var/lib/private/headcount; mv /share/journal /var/lib/private/headcount/");
    machine.drop_in("[Service]\nTimeoutStartSec=2s\n");
    let began = Instant::now();
    machine.must("systemctl start headcount.socket headcount-admin.socket headcount.service");
    let took = began.elapsed();
    assert!(took > Duration::from_secs(2), "{took:?} is no long start: more views are needed");
    assert_eq!(machine.property("NRestarts"), "0");
    assert_eq!(views(&machine), VIEWS);
}

/// Exposure of the service with some of the shipped files, by systemd's own measure: at most `tenths`.
fn is_sealed(drop_ins: &[&str], tenths: u32) {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("etc/systemd/system");
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    std::fs::create_dir_all(place.join("headcount.service.d")).unwrap();
    let units = ["headcount.service", "headcount.socket", "headcount-admin.socket", "headcount-tls.socket"];
    for name in units.iter().chain(drop_ins) {
        std::fs::copy(config.join(name), place.join(name)).unwrap();
    }
    let measured = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager", "headcount.service"])
        .arg(format!("--root={}", directory.path().display()))
        .arg(format!("--threshold={tenths}"))
        .output();
    match measured {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(said.contains("Overall exposure level for headcount.service"), "{said}");
            assert!(output.status.success(), "more than {tenths} tenths: {said}");
        }
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "CI must have systemd-analyze: {error}");
            std::io::stderr().write_all(b"SKIPPED: systemd-analyze is missing\n").unwrap();
        }
    }
}

#[test]
fn the_units_are_sealed_as_promised() {
    is_sealed(&[], 3);
    is_sealed(&["headcount.service.d/tls.conf"], 3);
    is_sealed(&["headcount.service.d/redis.conf"], 11);
}

#[test]
fn ops_ask_the_sealed_daemon_as_root_and_the_journal_knows_the_levels() {
    let Some(machine) = Machine::boot(&format!("state_directory = \"/var/lib/headcount\"\n{SITE}")) else {
        return;
    };
    let ask = |command: &str| format!("headcount {command} --config /etc/headcount/headcount.toml");
    let stopped = machine.run(&ask("status"));
    assert_eq!(stopped.status.code(), Some(1), "nothing runs yet");
    machine.must("systemctl enable --now headcount.socket headcount-admin.socket headcount.service");
    let screen = machine.must(&ask("status"));
    assert!(screen.contains(", healthy, up ") && screen.ends_with("warnings  none"), "{screen}");
    let doctor = machine.must(&ask("doctor"));
    assert!(!doctor.contains("WARNING") && !doctor.contains("BAD"), "{doctor}");
    machine.must(&ask("adjust demo visits +5 --reason test"));
    let list = machine.must(&ask("adjust demo --list"));
    assert!(list.contains("uid 0"), "who adjusts is known through the seal: {list}");
    machine.must(&ask("backup /var/lib/headcount/copy"));
    machine.must("test -s /var/lib/headcount/copy");

    machine.configure("[[site]]\nid = \"BAD\"\n");
    machine.must("systemctl kill --signal=HUP --kill-whom=main headcount.service");
    machine.logged("stays in force");
    let entries = machine.must("journalctl --unit=headcount.service --output=json --no-pager");
    let priority = |words: &str| {
        let entry =
            entries.lines().find(|line| line.contains(words)).unwrap_or_else(|| panic!("{words}: {entries}"));
        let entry: serde_json::Value = serde_json::from_str(entry).unwrap();
        let message = entry["MESSAGE"].as_str().unwrap().to_owned();
        assert!(!message.starts_with('<') && !message.contains("INFO"), "{message}");
        entry["PRIORITY"].as_str().unwrap().to_owned()
    };
    assert_eq!((priority("serving address="), priority("stays in force")), ("6".to_owned(), "3".to_owned()));
    // A start that fails has its reason at the same level.
    assert!(!machine.run("systemctl restart headcount.service").status.success());
    machine.logged("headcount: /etc/headcount/headcount.toml:2");
    let failed = machine.must("journalctl --unit=headcount.service --priority=err --output=cat --no-pager");
    assert!(failed.contains("headcount: /etc/headcount/headcount.toml:2: site[1].id"), "{failed}");
}

#[test]
fn a_socket_of_the_wrong_kind_fails_the_start_by_its_number() {
    let Some(machine) = Machine::boot(SITE) else { return };
    machine.must("mkdir /etc/systemd/system/headcount.socket.d");
    machine.must("printf '[Socket]\\nListenStream=\\nListenDatagram=80\\n' >/etc/systemd/system/headcount.socket.d/x.conf");
    machine.must("systemctl daemon-reload; systemctl start headcount.socket");
    assert!(!machine.run("systemctl start headcount.service").status.success());
    machine.logged("(public), which the service manager passed, is a UDP socket (ListenDatagram=)");
    assert_eq!(machine.property("ExecMainStatus"), "3");
    assert_eq!(machine.property("NRestarts"), "0");
}

#[test]
fn what_root_does_on_a_stopped_daemon_leaves_its_files_to_the_daemon() {
    let Some(machine) = Machine::serving(&format!("state_directory = \"/var/lib/headcount\"\n{SITE}")) else {
        return;
    };
    assert_eq!(machine.get(PUBLIC, "/hit?s=demo&u=/a").json()["counted"], true);
    machine.must(
        "systemctl kill --signal=KILL headcount.service; systemctl stop headcount.service headcount.socket",
    );
    let ask =
        |command: &str| machine.must(&format!("headcount {command} --config /etc/headcount/headcount.toml"));
    ask("adjust demo views +5 --reason test");
    ask("sites");
    ask("backup /share/copy");
    machine.must("systemctl start headcount.socket headcount.service");
    assert_eq!(views(&machine), 6);
    assert_eq!(machine.get(PUBLIC, "/hit?s=demo&u=/a").json()["counted"], true);
    machine.must("systemctl stop headcount.service headcount.socket");
    ask("restore /share/copy");
    machine.must("systemctl start headcount.socket headcount.service");
    assert_eq!(views(&machine), 6);
    assert_eq!(machine.get(PUBLIC, "/hit?s=demo&u=/a").json()["counted"], true);
}
