//! A real Prometheus watches two real nodes under load, and every panel has something to show.

use std::collections::BTreeSet;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::panic::AssertUnwindSafe;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::{boards, directory, panels, text};
use crate::support::chromium::is_installed;
use crate::support::client::{Wire, browser, request};
use crate::support::{Daemon, exchange, free_port, get, wait_for};

/// A job as nobody should name one: both quotes and what a pattern takes for its own.
const JOB: &str = r#"headcount "it's" (a+b)"#;
/// From the first scrape to the last series that a rate needs.
const WATCHED: Duration = Duration::from_mins(1);

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Starts a program that listens on a free port, and waits until it does.
fn listening(start: impl Fn(u16) -> Command) -> (Process, SocketAddr) {
    let port = free_port();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let child = start(port).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let process = Process(child);
    wait_for(|| TcpStream::connect(address).ok());
    (process, address)
}

fn redis(directory: &TempDir) -> (Process, SocketAddr) {
    listening(|port| {
        let mut command = Command::new("redis-server");
        command.args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]);
        command.arg("--dir").arg(directory.path());
        command
    })
}

fn prometheus(directory: &TempDir, nodes: &[Daemon]) -> (Process, SocketAddr) {
    let targets: Vec<String> = nodes.iter().map(|node| format!("\"{}\"", node.admin())).collect();
    let rules = super::directory().join("headcount.rules.yml");
    let configuration = format!(
        "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [{rules}]\nscrape_configs:\n  \
         - job_name: {job}\n    static_configs: [{{ targets: [{targets}] }}]\n",
        rules = Value::from(rules.to_str().unwrap()),
        job = Value::from(JOB),
        targets = targets.join(", "),
    );
    let file = directory.path().join("prometheus.yml");
    fs::write(&file, configuration).unwrap();
    listening(|port| {
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", directory.path().join("tsdb").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        command
    })
}

/// One of everything that is measured, again and again from changing addresses, until told to stop.
fn load(node: SocketAddr, stop: &AtomicBool) {
    let mut wire = Wire::open(node);
    let mut live = Wire::open(node);
    live.send(&browser("/live/vks", "198.51.100.1"));
    for turn in 0_u32.. {
        if stop.load(Ordering::Acquire) {
            return;
        }
        let client = format!("203.0.113.{}", turn % 200);
        for path in [
            "/hit?s=vks&u=https://a.example/x",
            "/hit?s=vks&u=/x&k=ping",
            "/hit?s=vks&u=/x&k=leave",
            "/hit?s=shop&u=/x",
            "/hit?s=third&u=/x",
            "/hit?s=vks&u=/x&k=wrong",
            "/hit.gif?s=vks&u=/x",
            "/snippet/vks.svg?hit",
            "/headcount.js",
            "/",
            "/nowhere",
        ] {
            assert!(wire.ask(&browser(path, &client)).is_some(), "{path}");
        }
        wire.ask(&request("/hit?s=vks&u=/x", &client, "Googlebot/2.1")).unwrap();
        get(node, "/hit?s=vks&u=/x", &[]);
        std::thread::sleep(Duration::from_millis(40));
    }
}

/// The chosen values as Grafana puts them where `${name:regex}` stands.
fn as_regex(values: &[&str]) -> String {
    let escape = |value: &&str| {
        let special = |c: char| r"\^$*+?.()|[]{}/".contains(c);
        value.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect::<String>()
    };
    let escaped: Vec<String> = values.iter().map(escape).collect();
    if let [one] = &escaped[..] { one.clone() } else { format!("({})", escaped.join("|")) }
}

/// What the reader chose for each variable.
struct Choice {
    job: String,
    instance: String,
    site: String,
}

impl Choice {
    /// `All` is sent as it is.
    fn all() -> Choice {
        Choice { job: ".+".into(), instance: ".+".into(), site: ".+".into() }
    }

    fn put(&self, query: &str) -> String {
        query
            .replace("${job:regex}", &self.job)
            .replace("${instance:regex}", &self.instance)
            .replace("${site:regex}", &self.site)
            .replace("$__rate_interval", "8s")
            .replace("$__range", "60s")
    }
}

/// Asks Prometheus; HTTP/1.0, so that the answer comes in one piece.
fn ask(prometheus: SocketAddr, path: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let query = query.extend_pairs(parameters).finish();
    let reply = exchange(prometheus, format!("GET {path}?{query} HTTP/1.0\r\n\r\n").as_bytes());
    let answer: Value = serde_json::from_slice(&reply.body).map_err(|_| reply.text())?;
    if answer["status"] == "success" { Ok(answer["data"].clone()) } else { Err(answer["error"].to_string()) }
}

/// Whether a query has an answer with a number in it, and with the labels that its legend names.
fn has_data(prometheus: SocketAddr, query: &str, legend: &str) -> bool {
    let data = ask(prometheus, "/api/v1/query", &[("query", query)]);
    let data = match data {
        Err(starting) if starting.contains("Service Unavailable") => return false,
        data => data.unwrap_or_else(|error| panic!("{query}: {error}")),
    };
    let results = data["result"].as_array().unwrap();
    let labels = legend.split("{{").skip(1).filter_map(|rest| rest.split_once("}}"));
    for (label, _) in labels {
        assert!(results.iter().all(|one| one["metric"][label].is_string()), "{query} has no {label}");
    }
    results.iter().any(|one| one["value"][1].as_str().is_some_and(|number| number != "NaN"))
}

/// What rightly shows nothing here: yesterday, and alerts.
fn may_be_empty(query: &str) -> bool {
    query.contains("offset 1d") || query.contains("offset 1w") || query.contains("ALERTS{")
}

/// Waits until every panel has data; names those that have none.
fn check_panels(prometheus: SocketAddr, choice: &Choice) -> usize {
    let mut waiting: Vec<(String, String, String)> = Vec::new();
    for (name, board) in boards() {
        for panel in panels(&board) {
            for target in panel["targets"].as_array().unwrap() {
                let place = format!("{name}, {}", text(panel, "title"));
                let legend = text(target, "legendFormat").to_owned();
                waiting.push((place, choice.put(text(target, "expr")), legend));
            }
        }
    }
    let all = waiting.len();
    let began = Instant::now();
    loop {
        waiting.retain(|(_, query, legend)| !has_data(prometheus, query, legend) && !may_be_empty(query));
        if waiting.is_empty() {
            return all;
        }
        assert!(began.elapsed() < WATCHED, "no data: {waiting:#?}");
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// The values that a variable offers.
fn offered(prometheus: SocketAddr, board: &Value, name: &str, choice: &Choice) -> BTreeSet<String> {
    let variables = board["templating"]["list"].as_array().unwrap();
    let variable = variables.iter().find(|variable| variable["name"] == name).unwrap();
    let query = choice.put(text(&variable["query"], "query"));
    let inner = query.strip_prefix("label_values(").unwrap().strip_suffix(')').unwrap();
    let (series, label) = inner.rsplit_once(", ").unwrap();
    let values = ask(prometheus, &format!("/api/v1/label/{label}/values"), &[("match[]", series)]).unwrap();
    values.as_array().unwrap().iter().map(|value| value.as_str().unwrap().to_owned()).collect()
}

/// Every metric that is asked for, in panels and rules, is one that the nodes have.
fn check_names(prometheus: SocketAddr) {
    let known = ask(prometheus, "/api/v1/label/__name__/values", &[]).unwrap();
    let known: BTreeSet<&str> = known.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let rules = fs::read_to_string(directory().join("headcount.rules.yml")).unwrap();
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = rules.lines().filter(|line| !line.contains("- ") && !line.contains(": \""));
    for word in words.flat_map(|line| line.split(|c| !is_of_name(c))) {
        if word.starts_with("headcount_") || word.starts_with("process_") {
            assert!(known.contains(word), "no node has {word}");
        }
    }
}

#[test]
fn every_panel_shows_something_of_two_nodes_under_load() {
    if !is_installed("prometheus") || !is_installed("redis-server") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let (_redis, store) = redis(&directory);
    let sites =
        ["vks", "shop", "third"].map(|id| format!("[[site]]\nid = \"{id}\"\ntime_zone = \"UTC\"\n")).concat();
    let configuration =
        format!("shared_store = \"redis://{store}\"\nworkers = 1\n[metrics]\nmax_sites = 2\n{sites}");
    let nodes = [Daemon::start(&configuration), Daemon::start(&configuration)];
    let (_prometheus, address) = prometheus(&directory, &nodes);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for node in &nodes {
            scope.spawn(|| load(node.public(), &stop));
        }
        let done = std::panic::catch_unwind(AssertUnwindSafe(|| watch(address, &nodes)));
        stop.store(true, Ordering::Release);
        if let Err(panic) = done {
            std::panic::resume_unwind(panic);
        }
    });
}

fn watch(prometheus: SocketAddr, nodes: &[Daemon]) {
    let asked = check_panels(prometheus, &Choice::all());
    eprintln!("{asked} queries of panels were asked");
    check_names(prometheus);
    // The same with everything chosen by name, quotes and all.
    let instances: Vec<String> = nodes.iter().map(|node| node.admin().to_string()).collect();
    let instances: Vec<&str> = instances.iter().map(String::as_str).collect();
    let chosen = Choice {
        job: as_regex(&[JOB]),
        instance: as_regex(&instances),
        site: as_regex(&["shop", "vks", "_other"]),
    };
    check_panels(prometheus, &chosen);
    let (_, traffic) = boards().into_iter().find(|(name, _)| name == "traffic").unwrap();
    assert_eq!(offered(prometheus, &traffic, "job", &chosen), BTreeSet::from([JOB.to_owned()]));
    assert_eq!(offered(prometheus, &traffic, "instance", &chosen).len(), 2);
    assert!(offered(prometheus, &traffic, "site", &chosen).contains("_other"));
    // A value made to break out is nothing but a job that is not there.
    let hostile = Choice { job: as_regex(&[r#""} or vector(1) or up{a=~""#, "'"]), ..Choice::all() };
    for (name, board) in boards() {
        for target in panels(&board).flat_map(|panel| panel["targets"].as_array().unwrap()) {
            let query = hostile.put(text(target, "expr"));
            assert!(!has_data(prometheus, &query, "") || query.contains("ALERTS{"), "{name}: {query}");
        }
    }
}
