//! Rounds of faults under load, seeded. After every round each beacon that was answered as counted is in the
//! sums once, and visits are as many as visitors, but for those that the nodes say they decided alone.
//!
//! `HEADCOUNT_CHAOS_ROUNDS=n` makes more of them, `HEADCOUNT_SEED=n` the same again.

use std::fs;
use std::time::Duration;

use crate::support::client::Dice;
use crate::support::cut::Network;
use crate::support::fleet::{Fleet, HASTY, Load, ready, until};
use crate::support::redis::Store;

/// Each fault is met twice, in an order that the seed decides.
const ROUNDS: usize = 2;

fn rounds() -> usize {
    std::env::var("HEADCOUNT_CHAOS_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS)
}

/// Everything of one story.
struct Chaos {
    store: Store,
    networks: Vec<Network>,
    fleet: Fleet,
    load: Load,
    dice: Dice,
}

/// Something that breaks and is mended, with beacons before, meanwhile and afterwards.
type Fault = (&'static str, fn(&mut Chaos));

const OF_ONE_SERVER: [Fault; 6] = [
    ("a node is cut off", Chaos::cut_off),
    ("the server hangs", Chaos::hang),
    ("the server dies and comes back empty", Chaos::die_empty),
    ("the server is emptied", Chaos::empty),
    ("an older dump is restored", Chaos::restore),
    ("a node dies", Chaos::kill_node),
];

const OF_A_CLUSTER: [Fault; 5] = [
    ("a primary dies, and its replica takes over", Chaos::fail_over),
    ("a primary dies, and its replica lacks the last writes", Chaos::fail_over_losing),
    ("a primary is emptied", Chaos::empty),
    ("a slot moves", Chaos::move_slot),
    ("a node dies", Chaos::kill_node),
];

#[test]
fn faults_of_one_server_under_load_lose_nothing_and_count_nothing_twice() {
    let dice = Dice::seeded("faults_of_one_server_under_load");
    let store = Store::single("redis");
    let networks: Vec<Network> = (0..3).map(|_| Network::to(store.servers[0].port)).collect();
    let addresses: Vec<String> =
        networks.iter().map(|network| format!("redis://127.0.0.1:{}", network.port)).collect();
    let fleet = Fleet::of(&addresses, &HASTY);
    story(Chaos { store, networks, fleet, load: Load::new(dice.0, 3_000), dice }, &OF_ONE_SERVER);
}

#[test]
fn faults_of_a_cluster_under_load_lose_nothing_and_count_nothing_twice() {
    let dice = Dice::seeded("faults_of_a_cluster_under_load");
    let store = Store::cluster();
    let fleet = Fleet::start(&store.address, 3, &HASTY);
    story(Chaos { store, networks: Vec::new(), fleet, load: Load::new(dice.0, 3_000), dice }, &OF_A_CLUSTER);
}

fn story(mut chaos: Chaos, faults: &[Fault]) {
    for round in 0..rounds() {
        let mut left: Vec<&Fault> = faults.iter().collect();
        while !left.is_empty() {
            let (name, fault) = left.swap_remove(chaos.below(left.len()));
            let began = std::time::Instant::now();
            chaos.views(40);
            fault(&mut chaos);
            chaos.views(40);
            chaos.fleet.nodes.iter().for_each(ready);
            let alone = chaos.load.settled(&chaos.fleet);
            eprintln!(
                "round {round}: {name}: {alone} visits more than visitors so far, {:?}",
                began.elapsed()
            );
        }
    }
}

impl Drop for Chaos {
    /// What the servers hold is the evidence of what went wrong.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for server in
            self.store.servers.iter().filter(|server| server.info("role").as_deref() == Some("master"))
        {
            let mut keys: Vec<String> = server.ask(&["KEYS", "hc:1:{*"]).unwrap_or_default();
            keys.sort();
            for key in keys.iter().filter(|key| !key.contains(":open:")) {
                let fields: Vec<String> = server.ask(&["HGETALL", key]).unwrap_or_default();
                let mut rows: Vec<String> = fields
                    .chunks(2)
                    .filter(|row| !row[0].starts_with("m:"))
                    .map(|row| format!("{}={}", row[0], row[1]))
                    .collect();
                rows.sort();
                eprintln!("{} {key}: {}", server.port, rows.join("; "));
            }
        }
    }
}

impl Chaos {
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.dice.below(end.try_into().unwrap())).unwrap()
    }

    fn views(&mut self, count: usize) {
        self.load.views(&self.fleet, count);
    }

    /// The server of one of the sites.
    fn primary(&mut self) -> usize {
        let site = ["vks", "ny"][self.below(2)];
        self.store.primary(site)
    }

    fn kill_node(&mut self) {
        let node = self.below(3);
        self.load.kill_under_load(&mut self.fleet, node, 40);
        self.views(40);
        self.fleet.nodes[node].restart();
    }

    fn cut_off(&mut self) {
        let node = self.below(3);
        self.networks[node].cut();
        self.views(200);
        self.networks[node].mend();
    }

    fn hang(&mut self) {
        self.store.servers[0].signal("STOP");
        self.views(200);
        self.store.servers[0].signal("CONT");
    }

    fn die_empty(&mut self) {
        fs::remove_file(self.store.servers[0].dump()).ok();
        self.store.servers[0].kill();
        self.views(100);
        self.store.servers[0].start_again();
    }

    fn empty(&mut self) {
        let primary = self.primary();
        self.store.servers[primary].tell(&["FLUSHALL"]);
        self.views(100);
    }

    fn restore(&mut self) {
        self.store.servers[0].tell(&["SAVE"]);
        self.views(100);
        self.store.servers[0].kill();
        self.views(100);
        self.store.servers[0].start_again();
    }

    fn fail_over(&mut self) {
        let primary = self.primary();
        let replica = self.store.replica_of(primary);
        self.store.servers[primary].kill();
        self.succeed(primary, replica);
    }

    fn fail_over_losing(&mut self) {
        let primary = self.primary();
        let replica = self.store.replica_of(primary);
        let (lost, heir) = (&self.store.servers[primary], &self.store.servers[replica]);
        lost.tell(&["ACL", "SETUSER", "repl", "off"]);
        lost.tell(&["CLIENT", "KILL", "USER", "repl"]);
        until(Duration::ZERO, || {
            let link = heir.info("master_link_status");
            if link.as_deref() == Some("down") { Ok(()) } else { Err(format!("the link is {link:?}")) }
        });
        self.views(100);
        self.store.servers[primary].kill();
        self.succeed(primary, replica);
    }

    /// Readers go on until the replica is the primary; then the dead one comes back as its replica.
    fn succeed(&mut self, primary: usize, replica: usize) {
        until(Duration::ZERO, || {
            self.load.views(&self.fleet, 10);
            let role = self.store.servers[replica].info("role");
            if role.as_deref() == Some("master") { Ok(()) } else { Err(format!("it is {role:?}")) }
        });
        self.views(60);
        self.store.servers[primary].start_again();
        self.store.wait_for_cluster();
    }

    fn move_slot(&mut self) {
        let from = self.store.primary("vks");
        let others =
            |n: &usize| *n != from && self.store.servers[*n].info("role").as_deref() == Some("master");
        let to = (0..6).find(others).unwrap();
        let slot: u16 = self.store.servers[from].ask(&["CLUSTER", "KEYSLOT", "{vks}"]).unwrap();
        let load = &mut self.load;
        let fleet = &self.fleet;
        self.store.move_slot(slot, from, to, || load.views(fleet, 4));
    }
}
