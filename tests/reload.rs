//! New and changed sites are taken over while serving, and no beacon is lost; a bad configuration
//! leaves the old one in force and says where it is wrong.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::support::client::{Wire, browser, counted, logged, sums};
use crate::support::{Daemon, wait_for};

const GENERAL: &str = "[limits]\nviews_per_network_per_second = 0\nnew_visitors_per_network_per_hour = 0\n";
const SUCCESSFUL: &str = "headcount_config_last_reload_successful";

fn site(id: &str) -> String {
    format!("[[site]]\nid = \"{id}\"\n")
}

fn configure(daemon: &Daemon, text: &str) {
    fs::write(daemon.configuration(), format!("{GENERAL}{text}")).unwrap();
}

fn serves(daemon: &Daemon, site: &str) -> bool {
    daemon.get(&format!("/snippet/{site}.json"), &[]).status == 200
}

/// Views of one site over several connections, sent for as long as `during` lasts. Every one must be
/// counted. Gives how many there were.
fn under_load(daemon: &Daemon, site: &'static str, during: impl FnOnce()) -> u64 {
    let stop = Arc::new(AtomicBool::new(false));
    let sent = Arc::new(AtomicU64::new(0));
    let address = daemon.public();
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let (stop, sent) = (Arc::clone(&stop), Arc::clone(&sent));
            std::thread::spawn(move || {
                let mut wire = Wire::open(address);
                while !stop.load(Ordering::Relaxed) {
                    let n = sent.fetch_add(1, Ordering::Relaxed);
                    let client = format!("10.{thread}.0.{}", n % 50);
                    let reply = wire.ask(&browser(&format!("/hit?s={site}&u=/{}", n % 20), &client)).unwrap();
                    assert!(counted(&reply), "{}: {}", reply.status, reply.text());
                }
            })
        })
        .collect();
    wait_for(|| (sent.load(Ordering::Relaxed) > 100).then_some(()));
    during();
    let before = sent.load(Ordering::Relaxed);
    wait_for(|| (sent.load(Ordering::Relaxed) > before + 100).then_some(()));
    stop.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().unwrap();
    }
    sent.load(Ordering::Relaxed)
}

#[test]
fn sites_come_and_go_under_load_without_losing_a_beacon() {
    let daemon = Daemon::start(&format!("{GENERAL}{}", site("stays")));
    assert!(!serves(&daemon, "new"));
    let sent = under_load(&daemon, "stays", || {
        // By signal, and by the changed file alone.
        for round in 0..3 {
            configure(&daemon, &format!("{}{}", site("stays"), site("new")));
            daemon.signal("HUP");
            wait_for(|| serves(&daemon, "new").then_some(()));
            assert!(counted(&daemon.get(&format!("/hit?s=new&u=/{round}"), &[])));
            configure(&daemon, &site("stays"));
            wait_for(|| (!serves(&daemon, "new")).then_some(()));
            assert_eq!(daemon.get("/hit?s=new", &[]).status, 404);
        }
    });
    assert_eq!(daemon.numbers("stays")["total"]["views"], sent);
    let views = sums(&daemon, "view");
    assert_eq!((views.counted, views.refused, views.failed), (sent + 3, 0, 0));
    // What went is not forgotten.
    configure(&daemon, &format!("{}{}", site("new"), site("stays")));
    wait_for(|| serves(&daemon, "new").then_some(()));
    assert_eq!(daemon.numbers("new")["total"]["views"], 3);
    assert_eq!(daemon.numbers("stays")["total"]["views"], sent);
}

#[test]
fn a_site_that_comes_back_has_its_numbers_even_when_they_were_not_stored_yet() {
    // No fold comes by itself within this test.
    let mut daemon =
        Daemon::start(&format!("fold_interval = \"1m\"\n{GENERAL}{}{}", site("stays"), site("goes")));
    let both = fs::read_to_string(daemon.configuration()).unwrap();
    let views = |daemon: &Daemon| daemon.numbers("goes")["total"]["views"].clone();
    for n in 1..=5 {
        assert!(counted(&daemon.get("/hit?s=goes&u=/a", &[])));
        assert_eq!(views(&daemon), n);
        fs::write(daemon.configuration(), both.replace(&site("goes"), "")).unwrap();
        daemon.signal("HUP");
        wait_for(|| (!serves(&daemon, "goes")).then_some(()));
        fs::write(daemon.configuration(), &both).unwrap();
        daemon.signal("HUP");
        wait_for(|| serves(&daemon, "goes").then_some(()));
        assert_eq!(views(&daemon), n);
    }
    daemon.kill();
    daemon.restart();
    assert_eq!(views(&daemon), 5);
}

#[test]
fn files_of_the_site_directory_are_taken_over_as_they_change() {
    let daemon = Daemon::stopped("site_directory = \"sites\"\n");
    let sites = daemon.directory.path().join("sites");
    fs::create_dir(&sites).unwrap();
    fs::write(sites.join("one.toml"), site("one")).unwrap();
    let mut daemon = daemon;
    daemon.restart();
    assert!(serves(&daemon, "one") && !serves(&daemon, "two"));
    fs::write(sites.join("two.toml"), site("two")).unwrap();
    wait_for(|| serves(&daemon, "two").then_some(()));
    assert!(counted(&daemon.get("/hit?s=two&u=https://a.example/", &[])));
    fs::write(sites.join("two.toml"), format!("{}hosts = [\"b.example\"]\n", site("two"))).unwrap();
    wait_for(|| {
        (daemon.get("/hit?s=two&u=https://a.example/", &[]).json()["reason"] == "foreign_host").then_some(())
    });
    fs::remove_file(sites.join("two.toml")).unwrap();
    wait_for(|| (!serves(&daemon, "two")).then_some(()));
    assert!(serves(&daemon, "one"));
}

#[test]
fn a_bad_configuration_leaves_the_old_one_in_force_and_says_where_it_is_wrong() {
    let daemon = Daemon::start(&format!("{GENERAL}{}", site("stays")));
    assert_eq!(format!("{}", daemon.metric(SUCCESSFUL)), "1");
    let sent = under_load(&daemon, "stays", || {
        configure(
            &daemon,
            "[[site]]\nid = \"BAD\"\n[[site]]\nid = \"new\"\ntotal = \"clicks\"\ncolour = 3\n",
        );
        daemon.signal("HUP");
        wait_for(|| (daemon.metric(SUCCESSFUL) < 0.5).then_some(()));
    });
    assert!(!serves(&daemon, "new"));
    assert_eq!(daemon.numbers("stays")["total"]["views"], sent);
    let log = logged(&daemon, "stays in force");
    let file = daemon.configuration().display().to_string();
    for expected in [
        format!("ERROR {file}:5: site[1].id = \"BAD\""),
        format!("ERROR {file}:8: site[new].total = \"clicks\""),
        format!("ERROR {file}:9: site[2].colour"),
        "ERROR the configuration was not taken over; the one before stays in force".to_owned(),
    ] {
        assert!(log.contains(&expected), "{expected:?} is not in\n{log}");
    }
    configure(&daemon, "no toml at all");
    daemon.signal("HUP");
    logged(&daemon, &format!("{file}:4: "));
    configure(&daemon, &format!("{}{}", site("stays"), site("new")));
    wait_for(|| serves(&daemon, "new").then_some(()));
    wait_for(|| (daemon.metric(SUCCESSFUL) > 0.5).then_some(()));
}

#[test]
fn a_key_that_needs_a_restart_is_named() {
    let daemon = Daemon::start(&format!("{GENERAL}{}", site("stays")));
    let text = format!("visit_window = \"45m\"\n{GENERAL}{}{}", site("stays"), site("new"));
    fs::write(daemon.configuration(), text).unwrap();
    daemon.signal("HUP");
    wait_for(|| serves(&daemon, "new").then_some(()));
    logged(&daemon, "WARN a changed key needs a restart key=\"visit_window\"");
}
