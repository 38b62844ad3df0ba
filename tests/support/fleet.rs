//! Nodes that share one count, readers who change the node at every request, and what must come of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::client::{Dice, Wire, browser, noon};
use super::{Daemon, PATIENCE, Reply};

/// The sites of every fleet.
pub const SITES: [&str; 2] = ["vks", "ny"];
/// Their pages.
pub const PAGES: [&str; 4] = ["/", "/tin-tuc", "/about", "/a/b"];

/// What the nodes are told besides where the store is.
#[derive(Clone, Copy)]
pub struct Told<'a> {
    /// Keys of the configuration before its first table.
    pub top: &'a str,
    /// What keys in the store begin with.
    pub prefix: &'a str,
    /// How long an answer may take, in milliseconds.
    pub timeout_ms: u32,
}

/// Long enough that only a dead store is decided without.
pub const PATIENT: Told<'_> = Told { top: "", prefix: "hc", timeout_ms: 10_000 };
/// For tests that break the store.
pub const HASTY: Told<'_> = Told { timeout_ms: 500, ..PATIENT };

/// Several daemons and one store.
pub struct Fleet {
    /// The daemons.
    pub nodes: Vec<Daemon>,
}

/// The configuration of a node.
pub fn configuration(address: &str, told: &Told<'_>) -> String {
    let Told { top, prefix, timeout_ms } = told;
    let sites = SITES
        .map(|site| {
            format!("[[site]]\nid = \"{site}\"\ntime_zone = \"{}\"\nonline_window = \"25m\"\n", noon())
        })
        .concat();
    format!(
        "shared_store = \"{address}\"\nworkers = 1\nfold_interval = \"100ms\"\n{top}\n\
         [limits]\nviews_per_network_per_second = 0\nnew_visitors_per_network_per_hour = 0\n\
         [fleet]\nprefix = \"{prefix}\"\nflush_interval = \"100ms\"\ntimeout = \"{timeout_ms}ms\"\n{sites}"
    )
}

impl Fleet {
    /// So many nodes, serving and ready.
    pub fn start(address: &str, count: usize, told: &Told<'_>) -> Fleet {
        Fleet::of(&vec![address.to_owned(); count], told)
    }

    /// Nodes that each reach the store in their own way.
    pub fn of(addresses: &[String], told: &Told<'_>) -> Fleet {
        let fleet = Fleet {
            nodes: addresses.iter().map(|address| Daemon::start(&configuration(address, told))).collect(),
        };
        fleet.nodes.iter().for_each(ready);
        fleet
    }

    /// The sum of a metric over all nodes that run.
    pub fn sum(&self, metric: &str) -> u64 {
        self.nodes.iter().filter(|node| node.is_running()).map(|node| count(node, metric)).sum()
    }
}

/// A metric that is a whole number.
pub fn count(node: &Daemon, metric: &str) -> u64 {
    node.metric(metric).to_string().parse().unwrap()
}

/// Waits until a node says that it is ready, and nothing else.
pub fn ready(node: &Daemon) {
    until(Duration::ZERO, || {
        let said = node.admin_get("/readyz");
        match said.text().as_str() {
            "ready\n" => Ok(()),
            _ => Err(format!("{} {}\n{}", said.status, said.text(), node.log())),
        }
    });
}

/// Asks again and again until nothing is amiss; else ends with what was amiss last.
pub fn until<T>(more: Duration, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let began = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(amiss) => assert!(began.elapsed() < PATIENCE + more, "{amiss}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What one site must show.
#[derive(Default)]
struct Expected {
    views: u64,
    pages: BTreeMap<String, u64>,
    visitors: BTreeSet<u64>,
    online: BTreeSet<u64>,
    /// Pages of beacons that were sent and not answered: each was seen once or not at all.
    unsure: BTreeSet<String>,
}

/// Readers, and a plain count of what they did.
pub struct Load {
    /// Chance.
    pub dice: Dice,
    /// How many different people there are.
    pub people: u64,
    wires: Vec<Option<Wire>>,
    sites: [Expected; 2],
    /// Per node and site, the highest total ever shown: views and visits.
    shown: BTreeMap<(usize, usize), (u64, u64)>,
    /// Visits that lives of nodes that ended had decided alone.
    alone: u64,
    /// Adjustments of the total, per site: views and visits.
    adjusted: [(u64, u64); 2],
    nonce: u64,
}

impl Load {
    /// Nobody yet, of so many people.
    pub fn new(seed: u64, people: u64) -> Load {
        Load {
            dice: Dice(seed),
            people,
            wires: Vec::new(),
            sites: Default::default(),
            shown: BTreeMap::new(),
            alone: 0,
            adjusted: Default::default(),
            nonce: 0,
        }
    }

    /// Sends so many views from anybody to any node that runs; each must be counted.
    pub fn views(&mut self, fleet: &Fleet, count: usize) {
        for _ in 0..count {
            let (person, page) = (self.dice.below(self.people), self.page());
            let (node, site) = (self.node(fleet), self.site());
            self.beacon(fleet, (node, site), "view", person, page);
        }
    }

    /// Views, pings and leaves; who leaves a page is at the next one at once.
    pub fn wander(&mut self, fleet: &Fleet, count: usize) {
        for _ in 0..count {
            let (person, page, next) = (self.dice.below(self.people), self.page(), self.page());
            let (nodes, site) = ([self.node(fleet), self.node(fleet)], self.site());
            match self.dice.below(6) {
                0 if self.sites[site].online.contains(&person) => {
                    self.beacon(fleet, (nodes[0], site), "ping", person, page);
                }
                1 if self.sites[site].online.contains(&person) => {
                    self.beacon(fleet, (nodes[0], site), "leave&d=40", person, page);
                    self.beacon(fleet, (nodes[1], site), "view", person, next);
                }
                _ => self.beacon(fleet, (nodes[0], site), "view", person, page),
            }
        }
    }

    fn page(&mut self) -> &'static str {
        PAGES[usize::try_from(self.dice.below(4)).unwrap()]
    }

    fn site(&mut self) -> usize {
        usize::from(self.dice.below(3) == 0)
    }

    fn node(&mut self, fleet: &Fleet) -> usize {
        let running: Vec<usize> = (0..fleet.nodes.len()).filter(|n| fleet.nodes[*n].is_running()).collect();
        running[usize::try_from(self.dice.below(running.len().try_into().unwrap())).unwrap()]
    }

    /// One beacon, which must be counted, and whose answer must show no less than the node has shown.
    pub fn beacon(
        &mut self,
        fleet: &Fleet,
        (node, site): (usize, usize),
        kind: &str,
        person: u64,
        page: &str,
    ) {
        let request = hit(site, kind, person, page);
        let reply = self.wire(fleet, node).ask(&request).expect("the node answers");
        self.answered(node, site, kind, person, page, &reply);
    }

    fn wire(&mut self, fleet: &Fleet, node: usize) -> &mut Wire {
        self.wires.resize_with(fleet.nodes.len(), || None);
        self.wires[node].get_or_insert_with(|| Wire::open(fleet.nodes[node].public()))
    }

    fn answered(&mut self, node: usize, site: usize, kind: &str, person: u64, page: &str, reply: &Reply) {
        assert_eq!(reply.status, 200, "{}", reply.text());
        let numbers = reply.json();
        assert_eq!(numbers["counted"], true, "{kind} of {person} on node {node}: {numbers}");
        self.not_less(node, site, &numbers);
        let expected = &mut self.sites[site];
        if kind == "view" {
            expected.views += 1;
            *expected.pages.entry(page.to_owned()).or_default() += 1;
            expected.visitors.insert(person);
        }
        expected.online.insert(person);
    }

    /// A footer never shows less than the same node has shown before, and nobody there only before the first.
    fn not_less(&mut self, node: usize, site: usize, numbers: &Value) {
        let total = |figure: &str| numbers["total"][figure].as_u64().unwrap_or(0);
        let now = (total("views"), total("visits"));
        let before = self.shown.insert((node, site), now).unwrap_or_default();
        assert!(
            now.0 >= before.0 && now.1 >= before.1,
            "node {node} showed {before:?} of {} and now {now:?}: {numbers}",
            SITES[site]
        );
    }

    /// Ends a node at once while beacons are under way. Of those that it answered each must be there once.
    pub fn kill_under_load(&mut self, fleet: &mut Fleet, node: usize, beacons: usize) {
        self.keep_alone(&fleet.nodes[node]);
        let mut sent = Vec::new();
        let mut bytes = Vec::new();
        for _ in 0..beacons {
            self.nonce += 1;
            let (person, site) = (self.dice.below(self.people), self.site());
            let page = format!("/once/{}", self.nonce);
            bytes.extend(hit(site, "view", person, &page));
            sent.push((site, person, page));
        }
        let mut wire = Wire::open(fleet.nodes[node].public());
        wire.send(&bytes);
        let until = self.dice.below(u64::try_from(beacons).unwrap());
        let mut sent = sent.into_iter();
        for (site, person, page) in sent.by_ref().take(usize::try_from(until).unwrap()) {
            let reply = wire.reply().expect("the node answers");
            self.answered(node, site, "view", person, &page, &reply);
        }
        fleet.nodes[node].kill();
        self.wires[node] = None;
        for (site, person, page) in sent {
            match wire.reply() {
                Some(reply) => self.answered(node, site, "view", person, &page, &reply),
                None => drop(self.sites[site].unsure.insert(page)),
            }
        }
    }

    /// Remembers what a node decided alone, before it ends; connections to it are gone.
    pub fn keep_alone(&mut self, node: &Daemon) {
        self.alone += count(node, "headcount_fleet_visits_alone_total");
    }

    /// Connections to a node are made anew: it was restarted.
    pub fn reconnect(&mut self, node: usize) {
        if let Some(wire) = self.wires.get_mut(node) {
            *wire = None;
        }
    }

    /// Somebody adjusted the total.
    pub fn adjusted(&mut self, site: usize, views: u64, visits: u64) {
        self.adjusted[site].0 += views;
        self.adjusted[site].1 += visits;
    }

    /// How many views of a site were answered as counted.
    pub fn counted(&self, site: usize) -> u64 {
        self.sites[site].views
    }

    /// How many visitors there were.
    pub fn visitors(&self, site: usize) -> u64 {
        self.sites[site].visitors.len().try_into().unwrap()
    }

    /// Waits until every node shows exactly what was counted, and no visit more than the nodes say they
    /// decided alone. Gives the visits beyond one a visitor, of both sites.
    pub fn settled(&mut self, fleet: &Fleet) -> u64 {
        until(Duration::ZERO, || self.look(fleet).map_err(|amiss| with_logs(fleet, &amiss)))
    }

    fn look(&mut self, fleet: &Fleet) -> Result<u64, String> {
        let alone = self.alone + fleet.sum("headcount_fleet_visits_alone_total");
        let mut beyond = 0;
        for (site, name) in SITES.iter().enumerate() {
            let mut all = Vec::new();
            for (n, node) in fleet.nodes.iter().enumerate().filter(|(_, node)| node.is_running()) {
                let numbers = node.numbers(name);
                self.not_less(n, site, &numbers);
                self.look_at(site, node, &numbers).map_err(|amiss| format!("node {n}: {amiss}"))?;
                all.push((n, numbers));
            }
            for (n, numbers) in &all[1..] {
                let (first, shown) = (all[0].1.as_object().unwrap(), numbers.as_object().unwrap());
                let other = |field: &&String| *field != "at" && first.get(*field) != shown.get(*field);
                if let Some(field) = shown.keys().find(other) {
                    let (one, other) = (&first[field], &shown[field]);
                    return Err(format!("node {n} shows {field} as {other}, another as {one}"));
                }
            }
            let visits =
                all[0].1["total"]["visits"].as_u64().unwrap_or(0).saturating_sub(self.adjusted[site].1);
            let visitors = self.visitors(site);
            // Of a page that was sent and not answered, nobody knows whose visit it was.
            let unsure = u64::try_from(self.sites[site].unsure.len()).unwrap();
            if visits < visitors {
                return Err(format!("{visits} visits of {visitors} visitors"));
            }
            beyond += (visits - visitors).saturating_sub(unsure);
        }
        if beyond > alone {
            return Err(format!("{beyond} visits too many, {alone} decided alone"));
        }
        Ok(beyond)
    }

    fn look_at(&self, site: usize, node: &Daemon, numbers: &Value) -> Result<(), String> {
        let expected = &self.sites[site];
        let page = |path: &str| {
            let reply = node.get(&format!("/snippet/{}.json?page={path}", SITES[site]), &[]).json();
            reply["page"]["views"].as_u64().unwrap_or(0)
        };
        let mut views = expected.views;
        for path in &expected.unsure {
            match page(path) {
                seen @ (0 | 1) => views += seen,
                more => return Err(format!("{path} was sent once and has {more} views")),
            }
        }
        let adjusted = self.adjusted[site].0;
        let spans = ["today", "this_week", "this_month", "this_year", "last_hour", "last_24_hours", "total"];
        for span in spans {
            let views = if span == "total" { views + adjusted } else { views };
            if numbers[span]["views"] != views {
                return Err(format!("{span}: {views} views were counted: {numbers}"));
            }
            let [visits, all] = [&numbers[span]["visits"], &numbers["total"]["visits"]];
            if span != "total"
                && visits.as_u64() != all.as_u64().map(|all| all.saturating_sub(self.adjusted[site].1))
            {
                return Err(format!("{span}: {visits} visits: {numbers}"));
            }
        }
        for (path, views) in &expected.pages {
            let shown = page(path);
            if shown != *views {
                return Err(format!(
                    "{}: {path}: {views} views were counted, {shown} are shown",
                    SITES[site]
                ));
            }
        }
        let (online, unsure) = (expected.online.len(), expected.unsure.len());
        let shown = usize::try_from(numbers["online"].as_u64().unwrap_or(0)).unwrap();
        if !(online..=online + unsure).contains(&shown) {
            return Err(format!("{online} are online: {numbers}"));
        }
        let (seen, shown) = (num(self.visitors(site)), numbers["today"]["visitors"].as_f64().unwrap_or(0.0));
        // Five standard errors of the sketch; those whose beacon was not answered may have been seen.
        let unsure = num(unsure.try_into().unwrap());
        if (shown - seen).abs() > seen * 0.0405 + unsure {
            return Err(format!("{seen} visitors were here: {numbers}"));
        }
        Ok(())
    }
}

/// The bytes of a beacon.
fn hit(site: usize, kind: &str, person: u64, page: &str) -> Vec<u8> {
    let [.., a, b, c] = person.to_be_bytes();
    let path = format!("/hit?s={}&u={page}&k={kind}", SITES[site]);
    browser(&path, &format!("203.{a}.{b}.{c}"))
}

fn num(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}

pub fn with_logs(fleet: &Fleet, amiss: &str) -> String {
    let running = fleet.nodes.iter().enumerate().filter(|(_, node)| node.is_running());
    let logs: Vec<String> = running.map(|(n, node)| format!("node {n}:\n{}", node.log())).collect();
    format!("{amiss}\n{}", logs.join("\n"))
}
