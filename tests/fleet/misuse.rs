//! What operators do that would count twice, or for nobody: it is refused, or said to those on duty.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::support::client::logged;
use crate::support::fleet::{Fleet, HASTY, Load, configuration, count, ready, until};
use crate::support::redis::Store;
use crate::support::{Daemon, wait_for};

/// Two nodes that have counted, and a copy of the first one's state directory, as it was when the node died.
struct Scene {
    store: Store,
    fleet: Fleet,
    load: Load,
    copy: Daemon,
}

impl Scene {
    fn begin() -> Scene {
        let store = Store::single("redis");
        let mut fleet = Fleet::start(&store.address, 2, &HASTY);
        let mut load = Load::new(1, 100);
        load.wander(&fleet, 120);
        load.settled(&fleet);
        let copy = Daemon::stopped(&configuration(&store.address, &HASTY));
        fs::create_dir(copy.state()).unwrap();
        fleet.nodes[0].kill();
        load.reconnect(0);
        copy_files(&fleet.nodes[0].state(), &copy.state());
        fleet.nodes[0].restart();
        Scene { store, fleet, load, copy }
    }

    /// The fleet counts on, and nothing twice.
    fn goes_on(&mut self) {
        self.load.views(&self.fleet, 60);
        self.fleet.nodes.iter().for_each(ready);
        self.load.settled(&self.fleet);
    }
}

fn copy_files(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            fs::create_dir(&target).unwrap();
            copy_files(&entry.path(), &target);
        } else if kind.is_file() {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Waits until a node says something to those on duty.
fn says(node: &Daemon, words: &str) {
    until(Duration::ZERO, || {
        let said = node.admin_get("/readyz").text();
        if said.contains(words) { Ok(()) } else { Err(format!("not {words:?}, but {said}")) }
    });
}

#[test]
fn a_copy_of_a_state_directory_is_refused_under_either_name() {
    let mut scene = Scene::begin();
    let (code, said) = scene.copy.refuses_to_start(&[]);
    assert!(code == 1 && said.contains("another process speaks for node"), "{code} {said}");
    assert!(said.contains("let one of them begin with an empty state directory"), "{said}");
    fs::remove_file(scene.copy.state().join("node")).unwrap();
    let (code, said) = scene.copy.refuses_to_start(&[]);
    assert!(
        code == 1 && said.contains("the numbers in this state directory are those of node"),
        "{code} {said}"
    );
    scene.goes_on();
}

#[test]
fn a_copy_that_starts_while_the_store_is_away_ends_when_it_is_back() {
    let mut scene = Scene::begin();
    scene.goes_on();
    scene.store.servers[0].signal("STOP");
    scene.copy.restart();
    scene.store.servers[0].signal("CONT");
    let (code, said) = scene.copy.ended();
    assert!(code == 1 && said.contains("another process speaks for node"), "{code} {said}");
    scene.goes_on();
}

#[test]
fn a_policy_that_drops_totals_is_said_while_nodes_run() {
    let mut scene = Scene::begin();
    scene.store.servers[0].tell(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    says(&scene.fleet.nodes[1], "may drop totals");
    assert_eq!(count(&scene.fleet.nodes[1], "headcount_fleet_up"), 0);
    scene.load.views(&scene.fleet, 60);
    scene.store.servers[0].tell(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    scene.goes_on();
    assert_eq!(count(&scene.fleet.nodes[1], "headcount_fleet_up"), 1);
}

#[test]
fn values_of_a_node_that_somebody_deletes_are_added_up_anew() {
    let mut scene = Scene::begin();
    let server = &scene.store.servers[0];
    let own: Vec<String> = server.ask(&["KEYS", "hc:1:{vks}:own:*"]).unwrap();
    let own = own.into_iter().find(|key| key.matches(':').count() == 4).unwrap();
    server.tell(&["DEL", &own]);
    logged_by_any(&scene.fleet, "lost what it had acknowledged");
    scene.goes_on();
}

fn logged_by_any(fleet: &Fleet, words: &str) {
    wait_for(|| fleet.nodes.iter().any(|node| node.log().contains(words)).then_some(()));
}

#[test]
fn nodes_with_other_settings_of_sites_are_named() {
    let scene = Scene::begin();
    let other = configuration(&scene.store.address, &HASTY).replace("\"25m\"", "\"24m\"");
    let mut stranger = Daemon::start(&other);
    says(&stranger, "other sites, parts, time zones or windows");
    says(&scene.fleet.nodes[0], "other sites, parts, time zones or windows");
    logged(&stranger, "give all the same configuration");
    assert_eq!(count(&stranger, "headcount_fleet_nodes_differing"), 2);
    stranger.stop();
}

#[test]
fn a_machine_that_took_the_sums_does_not_bring_them_back() {
    let mut scene = Scene::begin();
    let others = scene.copy.directory.path().join("others.json");
    let mut leaver = scene.fleet.nodes.remove(1);
    leaver.print("fleet export", &["--beside-own", others.to_str().unwrap()]);
    leaver.stop();
    let together = fs::read_to_string(leaver.configuration()).unwrap();
    let (before, fleet) = together.split_once("[fleet]").unwrap();
    let sites = &fleet[fleet.find("[[site]]").unwrap()..];
    let before: String =
        before.lines().filter(|line| !line.contains("shared_store")).collect::<Vec<_>>().join("\n");
    fs::write(leaver.configuration(), format!("{before}\n{sites}")).unwrap();
    leaver.restart();
    leaver.print("import", &["--from", "headcount", others.to_str().unwrap(), "--site", "vks"]);
    leaver.stop();
    fs::write(leaver.configuration(), together).unwrap();
    let (code, said) = leaver.refuses_to_start(&[]);
    assert!(code == 1 && said.contains("has the sums of a fleet as its own numbers"), "{code} {said}");
}
