//! What each fault of the shared store looks like to those on duty, and that it costs nothing: counting
//! goes on, no footer goes back, and afterwards all is exact.

use std::fs;
use std::time::Duration;

use crate::support::client::logged;
use crate::support::cut::Network;
use crate::support::fleet::{
    Fleet, HASTY, Load, PATIENT, Told, configuration, count, ready, until, with_logs,
};
use crate::support::redis::{Server, Store};
use crate::support::{Daemon, free_port, wait_for};

/// A fleet that has counted a little, and readers.
struct Scene {
    store: Store,
    fleet: Fleet,
    load: Load,
}

impl Scene {
    fn begin(store: Store) -> Scene {
        Scene::told(store, &HASTY)
    }

    fn told(store: Store, told: &Told<'_>) -> Scene {
        let fleet = Fleet::start(&store.address, 3, told);
        let mut load = Load::new(1, 200);
        load.wander(&fleet, 120);
        load.settled(&fleet);
        Scene { store, fleet, load }
    }

    fn single() -> Scene {
        Scene::begin(Store::single("redis"))
    }

    fn server(&mut self) -> &mut Server {
        &mut self.store.servers[0]
    }

    /// Readers go on; every node says what is wrong, in words and in numbers, and takes part in balancing.
    fn suffers(&mut self, kind: &str, words: &str) {
        self.load.views(&self.fleet, 60);
        for node in &self.fleet.nodes {
            degraded(node, words);
            until(Duration::ZERO, || {
                let page = node.admin_get("/metrics").text();
                let kind = format!("kind=\"{kind}\"");
                let mut lines = page.lines().filter(|line| line.contains(&kind) && !line.ends_with(" 0"));
                lines.next().map(drop).ok_or_else(|| format!("no {kind} was counted: {page}"))
            });
        }
        self.load.views(&self.fleet, 60);
    }

    /// Readers go on; soon every node is ready again and shows all that was counted.
    fn recovers(&mut self) {
        self.load.views(&self.fleet, 60);
        self.fleet.nodes.iter().for_each(ready);
        self.load.settled(&self.fleet);
        self.load.views(&self.fleet, 60);
        self.load.settled(&self.fleet);
    }
}

/// A node says so, and still wants to be sent readers.
fn degraded(node: &Daemon, words: &str) {
    until(Duration::ZERO, || {
        let reply = node.admin_get("/readyz");
        assert_eq!(reply.status, 200, "{}", reply.text());
        let text = reply.text();
        if text.starts_with("ready, degraded: ") && text.contains(words) {
            Ok(())
        } else {
            Err(format!("not {words:?}, but {text}\n{}", node.log()))
        }
    });
    logged(node, words);
}

#[test]
fn a_server_that_dies_and_comes_back_empty_is_sent_everything() {
    let mut scene = Scene::single();
    scene.server().kill();
    scene.suffers("connection", "no connection to the shared store");
    // Of two sites, one is told of first.
    wait_for(|| (count(&scene.fleet.nodes[0], "headcount_fleet_up") == 0).then_some(()));
    scene.server().start_again();
    scene.recovers();
    let node = &scene.fleet.nodes[0];
    assert_eq!(count(node, "headcount_fleet_up"), 1);
    assert!(count(node, "headcount_fleet_losses_total") > 0);
    assert!(count(node, "headcount_fleet_reconnects_total") > 0);
    assert_eq!(count(node, "headcount_fleet_missing_views"), 0);
    assert!(node.log().contains("the shared store lost what it had acknowledged; it is sent again"));
    logged(node, "the shared store answers again");
}

#[test]
fn a_server_that_is_half_open_holds_nobody_up() {
    let mut scene = Scene::single();
    scene.server().signal("STOP");
    scene.suffers("timeout", "the shared store does not answer");
    scene.server().signal("CONT");
    scene.recovers();
}

#[test]
fn a_server_that_is_down_at_the_start_keeps_nobody_from_counting() {
    let mut scene = Scene::single();
    scene.server().kill();
    for node in 0..3 {
        let log = scene.fleet.nodes[node].stop();
        assert_eq!(log.0, 0, "{}", log.1);
        scene.fleet.nodes[node].restart();
        scene.load.reconnect(node);
    }
    scene.suffers("connection", "no connection to the shared store");
    assert!(scene.fleet.nodes[0].log().contains("away; counting goes on with what this node knows"));
    scene.server().start_again();
    scene.recovers();
}

#[test]
fn a_node_without_a_shared_secret_answers_and_does_not_count() {
    let mut server = Server::stopped("redis", &["--save", ""]);
    let node = Daemon::start(&configuration(&format!("redis://127.0.0.1:{}", server.port), &HASTY));
    let reply = node.get("/hit?s=vks&u=/", &[("X-Forwarded-For", "203.0.113.1")]).json();
    assert_eq!((&reply["counted"], &reply["reason"]), (&false.into(), &"no_salt".into()), "{reply}");
    let said = node.admin_get("/readyz");
    assert_eq!(said.status, 503, "{}", said.text());
    assert!(said.text().contains("secret"), "{}", said.text());
    server.start_again();
    ready(&node);
    let reply = node.get("/hit?s=vks&u=/", &[("X-Forwarded-For", "203.0.113.1")]).json();
    assert_eq!(reply["counted"], true, "{reply}");
}

#[test]
fn a_read_only_replica_is_named_and_waited_out() {
    let mut scene = Scene::single();
    let nobody = free_port().to_string();
    scene.server().tell(&["REPLICAOF", "127.0.0.1", &nobody]);
    scene.suffers("read_only", "the shared store is a read-only replica");
    scene.server().tell(&["REPLICAOF", "NO", "ONE"]);
    scene.recovers();
}

#[test]
fn a_full_memory_is_named_and_waited_out() {
    let mut scene = Scene::single();
    scene.server().tell(&["CONFIG", "SET", "maxmemory", "1"]);
    scene.suffers("out_of_memory", "the shared store is out of memory; raise its maxmemory");
    scene.server().tell(&["CONFIG", "SET", "maxmemory", "0"]);
    scene.recovers();
}

#[test]
fn a_server_that_is_loading_is_named_and_waited_out() {
    let mut scene = Scene::single();
    let filler: Vec<String> = (0..80).map(|n| format!("filler{n}")).collect();
    let mut command: Vec<&str> = vec!["MSET"];
    let value = "x".repeat(100);
    for name in &filler {
        command.extend([name.as_str(), &value]);
    }
    scene.server().tell(&command);
    scene.server().tell(&["SAVE"]);
    scene.server().kill();
    // Microseconds a key: three seconds of loading.
    scene.server().start_with(&[
        "--key-load-delay",
        "30000",
        "--loading-process-events-interval-bytes",
        "1024",
    ]);
    scene.suffers("loading", "the shared store is loading its data");
    scene.recovers();
}

#[test]
fn a_key_of_the_wrong_type_is_named_until_it_is_gone() {
    let mut scene = Scene::single();
    scene.server().tell(&["DEL", "hc:1:{vks}:left"]);
    scene.server().tell(&["SET", "hc:1:{vks}:left", "something else"]);
    scene
        .suffers("key_type", "the key hc:1:{vks}:left of the shared store holds a string, which is not ours");
    scene.server().tell(&["DEL", "hc:1:{vks}:left"]);
    scene.recovers();
    for key in ["sums", "changed", "meta"].map(|key| format!("hc:1:{{vks}}:{key}")) {
        scene.server().tell(&["SET", &key, "something else"]);
        scene.suffers("key_type", &format!("the key {key} of the shared store holds a string"));
        scene.server().tell(&["DEL", &key]);
        scene.recovers();
    }
}

#[test]
fn a_store_that_is_emptied_is_sent_everything() {
    let mut scene = Scene::single();
    for _ in 0..3 {
        scene.server().tell(&["FLUSHALL"]);
        scene.recovers();
    }
    assert!(scene.fleet.sum("headcount_fleet_losses_total") >= 3);
}

#[test]
fn scripts_that_are_forgotten_are_sent_again() {
    // Nobody may decide alone here, however slow this machine is at the moment.
    let mut scene = Scene::told(Store::single("redis"), &PATIENT);
    for _ in 0..3 {
        scene.server().tell(&["SCRIPT", "FLUSH"]);
        assert_eq!(
            {
                scene.load.views(&scene.fleet, 60);
                scene.load.settled(&scene.fleet)
            },
            0
        );
    }
    let alone = "headcount_fleet_visits_alone_total";
    assert_eq!(scene.fleet.sum(alone), 0, "{}", with_logs(&scene.fleet, alone));
}

#[test]
fn a_store_that_is_restored_from_an_older_dump_is_sent_the_rest() {
    let mut scene = Scene::single();
    scene.server().tell(&["SAVE"]);
    let old = fs::read(scene.server().dump()).unwrap();
    scene.load.views(&scene.fleet, 100);
    scene.load.settled(&scene.fleet);
    scene.server().kill();
    fs::write(scene.server().dump(), old).unwrap();
    scene.load.views(&scene.fleet, 30);
    scene.server().start_again();
    scene.recovers();
    assert!(scene.fleet.sum("headcount_fleet_losses_total") > 0);
    assert_eq!(scene.fleet.sum("headcount_fleet_missing_views"), 0);
}

#[test]
fn a_failover_that_loses_what_was_acknowledged_is_healed() {
    let mut scene = Scene::begin(Store::cluster());
    let primary = scene.store.primary("vks");
    let replica = scene.store.replica_of(primary);
    let (lost, heir) = (&scene.store.servers[primary], &scene.store.servers[replica]);
    // The replica's link goes; what is written from here on lies in the primary alone.
    lost.tell(&["ACL", "SETUSER", "repl", "off"]);
    lost.tell(&["CLIENT", "KILL", "USER", "repl"]);
    until(Duration::ZERO, || {
        let link = heir.info("master_link_status");
        if link.as_deref() == Some("down") { Ok(()) } else { Err(format!("the link is {link:?}")) }
    });
    scene.load.views(&scene.fleet, 100);
    scene.load.settled(&scene.fleet);
    scene.store.servers[primary].kill();
    scene.load.views(&scene.fleet, 60);
    assert_eq!(scene.store.primary("vks"), replica);
    scene.recovers();
    assert!(scene.fleet.sum("headcount_fleet_losses_total") > 0);
    assert_eq!(scene.fleet.sum("headcount_fleet_missing_views"), 0);
}

#[test]
fn a_failover_of_sentinels_is_followed() {
    let mut scene = Scene::begin(Store::sentinel());
    let primary = scene.store.primary("vks");
    scene.store.servers[primary].kill();
    scene.suffers("connection", "no connection to the shared store");
    assert_ne!(scene.store.primary("vks"), primary);
    scene.recovers();
}

#[test]
fn a_part_of_a_cluster_that_is_down_holds_up_its_own_sites_only() {
    let mut scene = Scene::begin(Store::cluster());
    for server in &scene.store.servers {
        server.tell(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]);
    }
    let (vks, ny) = (scene.store.primary("vks"), scene.store.primary("ny"));
    assert_ne!(vks, ny, "the two sites lie in different slots");
    let replica = scene.store.replica_of(ny);
    scene.store.servers[replica].kill();
    scene.store.servers[ny].kill();
    scene.load.views(&scene.fleet, 60);
    let counted = scene.load.counted(0);
    for node in &scene.fleet.nodes {
        until(Duration::ZERO, || {
            let (shown, said) = (node.numbers("vks"), node.admin_get("/readyz"));
            assert_eq!(said.status, 200, "{}", said.text());
            if shown["total"]["views"] == counted && said.text().contains("degraded") {
                Ok(())
            } else {
                Err(format!("{counted} of vks: {shown}\n{}\n{}", said.text(), node.log()))
            }
        });
    }
    scene.store.servers[ny].start_again();
    scene.store.servers[replica].start_again();
    scene.recovers();
}

#[test]
fn a_cluster_that_is_down_is_named_and_waited_out() {
    let mut scene = Scene::begin(Store::cluster());
    let vks = scene.store.primary("vks");
    let replica = scene.store.replica_of(vks);
    scene.store.servers[replica].kill();
    scene.store.servers[vks].kill();
    scene.suffers("cluster_down", "the Cluster has no primary for this part");
    scene.store.servers[vks].start_again();
    scene.store.servers[replica].start_again();
    scene.recovers();
}

#[test]
fn slots_that_move_under_load_lose_nothing() {
    let mut scene = Scene::begin(Store::cluster());
    let from = scene.store.primary("vks");
    let to = scene.store.primary("ny");
    let slot: u16 = scene.store.servers[from].ask(&["CLUSTER", "KEYSLOT", "{vks}"]).unwrap();
    let Scene { store, fleet, load } = &mut scene;
    store.move_slot(slot, from, to, || load.views(fleet, 5));
    scene.recovers();
    assert_eq!(scene.fleet.sum("headcount_fleet_losses_total"), 0);
}

#[test]
fn a_node_restored_from_an_older_backup_takes_its_own_values_back() {
    let mut scene = Scene::single();
    let backup = scene.fleet.nodes[1].directory.path().join("old.db").to_str().unwrap().to_owned();
    scene.fleet.nodes[1].print("backup", &[&backup]);
    scene.load.views(&scene.fleet, 100);
    scene.load.settled(&scene.fleet);
    let (code, log) = scene.fleet.nodes[1].stop();
    assert_eq!(code, 0, "{log}");
    scene.fleet.nodes[1].print("restore", &[&backup]);
    scene.fleet.nodes[1].restart();
    scene.load.reconnect(1);
    assert!(scene.fleet.nodes[1].log().contains("as after a restored backup; its values were taken back"));
    scene.recovers();
}

#[test]
fn a_store_that_may_drop_totals_is_refused() {
    for store in [Store::single("redis"), Store::cluster()] {
        for server in &store.servers {
            server.tell(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
        }
        let node = Daemon::stopped(&configuration(&store.address, &HASTY));
        let (code, said) = node.refuses_to_start(&[]);
        assert_eq!(code, 1, "{said}");
        assert!(
            said.contains("may drop totals when its memory is full (maxmemory-policy allkeys-lru)"),
            "{said}"
        );
    }
}

#[test]
fn a_store_of_a_later_release_is_refused() {
    let store = Store::single("redis");
    store.servers[0].tell(&["SET", "hc:schema", "7"]);
    let node = Daemon::stopped(&configuration(&store.address, &HASTY));
    let (code, said) = node.refuses_to_start(&[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("the shared store has schema version 7"), "{said}");
}

#[test]
fn what_a_node_had_not_sent_when_it_died_is_sent_by_its_next_life_of_a_site_with_many_rows_too() {
    let store = Store::single("redis");
    let network = Network::to(store.servers[0].port);
    let addresses = [network.port, store.servers[0].port].map(|port| format!("redis://127.0.0.1:{port}"));
    let mut fleet = Fleet::of(&addresses, &HASTY);
    let view = |node: &Daemon, page: &str| {
        let reply = node.get(&format!("/hit?s=vks&u={page}"), &[("X-Forwarded-For", "203.0.113.1")]);
        assert_eq!(reply.json()["counted"], true, "{}", reply.text());
    };
    let shows = |node: &Daemon, page: &str, total: u64| {
        until(Duration::ZERO, || {
            let numbers = node.get(&format!("/snippet/vks.json?page={page}"), &[]).json();
            let views = [&numbers["page"]["views"], &numbers["total"]["views"]];
            if views == [1, total] { Ok(()) } else { Err(format!("{page} of {total} views: {numbers}")) }
        });
    };
    // More than one answer holds, so that the first exchange of a life takes several messages.
    for n in 0..300 {
        view(&fleet.nodes[0], &format!("/many/{n}"));
    }
    shows(&fleet.nodes[1], "/many/299", 300);
    network.cut();
    view(&fleet.nodes[0], "/late");
    fleet.nodes[0].kill();
    network.mend();
    fleet.nodes[0].restart();
    shows(&fleet.nodes[1], "/late", 301);
    for node in &fleet.nodes {
        assert!(!node.log().contains("other nodes have other sites"), "{}", node.log());
    }
}

#[test]
fn a_store_that_was_told_of_nobody_has_forgotten_nobody() {
    let server = Server::start("redis", &[]);
    let both = configuration(&format!("redis://127.0.0.1:{}", server.port), &PATIENT);
    let later = both.rfind("[[site]]").unwrap();
    let node = Daemon::start(&both[..later]);
    let view = |site: &str| {
        node.get(&format!("/hit?s={site}&u=/"), &[("X-Forwarded-For", "203.0.113.1")]);
        until(Duration::ZERO, || {
            let numbers = node.numbers(site);
            if numbers["total"]["visits"] == 1 { Ok(()) } else { Err(numbers.to_string()) }
        });
    };
    view("vks");
    let told = "headcount_fleet_call_duration_seconds_count{operation=\"touch\"}";
    let is_told = |times: u64| {
        until(Duration::ZERO, || if count(&node, told) == times { Ok(()) } else { Err(node.log()) });
    };
    // Once to ask whether it was a visit, and once of all who are there, as of every site at first.
    is_told(2);
    fs::write(node.configuration(), &both).unwrap();
    node.signal("HUP");
    // Nobody is at the new site.
    is_told(3);
    view("ny");
    for never in ["headcount_fleet_losses_total", "headcount_fleet_visits_alone_total"] {
        assert_eq!(count(&node, never), 0, "{never}: {}", node.log());
    }
}
