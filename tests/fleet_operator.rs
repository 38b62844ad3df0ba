//! What an operator of a fleet meets: what is said of a shared store that is wrong, the smallest permissions, TLS,
//! sockets, nodes that come and go, dead machines, joining and leaving, and the numbers of all in every command.
//!
//! Every machine here speaks to a real Redis as a user with the printed permissions and no other, so that none can
//! be missing from them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::client::{Wire, browser, counted};
use crate::support::{Daemon, PATIENCE, free_port, wait_for};

/// A password that needs quoting nowhere.
const PASSWORD: &str = "s3cret-of-the-fleet";

/// A Redis of Debian on a free port, with a directory for what belongs to it.
struct Redis {
    directory: TempDir,
    port: u16,
    child: Child,
}

impl Redis {
    fn start(arguments: &[&str]) -> Redis {
        let directory = tempfile::tempdir().unwrap();
        let port = free_port();
        let mut command = Command::new("redis-server");
        if !arguments.contains(&"--port") {
            command.args(["--port", &port.to_string(), "--bind", "127.0.0.1"]);
        }
        command.args(["--save", "", "--appendonly", "no", "--dir"]).arg(directory.path()).args(arguments);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.expect("redis-server is installed: apt-get install redis-server");
        let redis = Redis { directory, port, child };
        if !arguments.contains(&"--port") {
            wait_for(|| (redis.cli(&["PING"]) == "PONG").then_some(()));
        }
        redis
    }

    /// One with a user that may do what check-config prints for it and nothing else.
    fn with_user() -> Redis {
        let redis = Redis::start(&[]);
        fs::write(redis.password_file(), format!("{PASSWORD}\n")).unwrap();
        redis.acl("reset on >{} ~* -@all");
        let machine = redis.machine("prefix = \"count.er\"\n");
        let (code, text) = said(&machine.run("check-config", &["--connect"]));
        assert_eq!(code, 3, "{text}");
        let rules = text.lines().find_map(|line| line.split_once("ACL SETUSER headcount ")).unwrap().1;
        redis.acl(&rules.replace("PASSWORD", "{}"));
        let text = machine.print("check-config", &["--connect"]);
        assert!(text.contains("the user may do all that is needed"), "{text}");
        redis
    }

    fn acl(&self, rules: &str) {
        let rules = rules.replace("{}", PASSWORD);
        let words: Vec<&str> = ["ACL", "SETUSER", "headcount"].into_iter().chain(rules.split(' ')).collect();
        assert_eq!(self.cli(&words), "OK", "{words:?}");
    }

    fn password_file(&self) -> PathBuf {
        self.directory.path().join("password")
    }

    fn cli(&self, words: &[&str]) -> String {
        let output =
            Command::new("redis-cli").args(["-p", &self.port.to_string()]).args(words).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// A machine of its fleet that does not run yet, with these lines in its section.
    fn machine(&self, fleet: &str) -> Daemon {
        Daemon::stopped(&configuration(&self.url(), &format!("{}{fleet}", self.login())))
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn login(&self) -> String {
        format!("user = \"headcount\"\npassword_file = \"{}\"\n", self.password_file().display())
    }

    /// The same, serving.
    fn serving(&self) -> Daemon {
        let mut machine = self.machine("prefix = \"count.er\"\n");
        machine.restart();
        machine
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn configuration(shared_store: &str, fleet: &str) -> String {
    format!(
        "shared_store = \"{shared_store}\"\nworkers = 1\n[limits]\nviews_per_network_per_second = 0\n[fleet]\n\
         flush_interval = \"50ms\"\n{fleet}[[site]]\nid = \"vks\"\ntime_zone = \"UTC\"\n"
    )
}

/// Exit code and everything that was printed, output first.
fn said(output: &Output) -> (i32, String) {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8(text).unwrap())
}

/// Views of `/p0`, `/p1` and `/p2` in turn by so many people, from this one on.
fn send(machine: &Daemon, views: usize, people: usize, first: usize) {
    let mut wire = Wire::open(machine.public());
    for n in 0..views {
        let client = format!("10.0.{}.1", first + n % people);
        let reply = wire.ask(&browser(&format!("/hit?s=vks&u=/p{}", n % 3), &client)).unwrap();
        assert!(counted(&reply), "{}", reply.text());
    }
}

/// Waits until a machine shows so many views and visits in all.
fn shows(machine: &Daemon, views: u64, visits: u64) {
    let total = || {
        let numbers = machine.numbers("vks");
        (numbers["total"]["views"].as_u64().unwrap(), numbers["total"]["visits"].as_u64().unwrap())
    };
    let began = std::time::Instant::now();
    while total() != (views, visits) {
        assert!(began.elapsed() < PATIENCE, "{:?} and not {views}, {visits}", total());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn node(machine: &Daemon) -> String {
    fs::read_to_string(machine.state().join("node")).unwrap().trim().to_owned()
}

/// What `nodes --json` says of a node.
fn entry(machine: &Daemon, node: &str) -> Value {
    let list = json(&machine.print("nodes", &["--json"]));
    let entry = list.as_array().unwrap().iter().find(|entry| entry["node"] == node);
    entry.unwrap_or_else(|| panic!("{node} is not in {list}")).clone()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copied = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &copied);
        } else if path.extension().is_none_or(|extension| extension != "sock") {
            fs::copy(&path, copied).unwrap();
        }
    }
}

/// Whether the machine's own store holds everything that was counted on it.
fn folded(machine: &Daemon) {
    machine.print("export", &["vks"]);
}

#[test]
fn every_permission_that_is_missing_is_named_and_the_printed_ones_suffice() {
    let redis = Redis::with_user();
    let machine = redis.machine("prefix = \"count.er\"\n");
    let (_, text) = said(&machine.run("check-config", &["--connect"]));
    assert!(text.contains("the shared store is right") && text.contains("Redis "), "{text}");
    let rules = redis.cli(&["ACL", "GETUSER", "headcount"]);
    let rules: Vec<&str> =
        rules.split_whitespace().filter(|word| word.starts_with('+')).map(|word| &word[1..]).collect();
    assert!(rules.len() > 15, "{rules:?}");
    for rule in rules {
        redis.acl(&format!("-{rule}"));
        let (code, text) = said(&machine.run("check-config", &["--connect"]));
        assert_eq!(code, 3, "without {rule}: {text}");
        assert!(text.contains(&format!("the user \"headcount\" lacks +{rule}\n")), "without {rule}: {text}");
        redis.acl(&format!("+{rule}"));
    }
    redis.acl("resetkeys ~other:*");
    let (code, text) = said(&machine.run("check-config", &["--connect"]));
    assert!(code == 3 && text.contains("lacks ~count.er:*\n"), "{text}");
}

#[test]
fn what_is_wrong_with_a_shared_store_is_said_in_words() {
    let redis = Redis::with_user();
    let check = |url: &str, fleet: &str, code: i32, words: &str| {
        let machine = Daemon::stopped(&configuration(url, fleet));
        let (exit, text) = said(&machine.run("check-config", &["--connect"]));
        assert!(exit == code && text.contains(words), "{url}: {exit}, {words:?} is not in: {text}");
        assert!(!text.contains(PASSWORD), "{text}");
    };
    let (url, login) = (redis.url(), format!("{}prefix = \"count.er\"\n", redis.login()));
    let free = free_port();
    check("", "", 0, "there is no shared_store: this machine counts alone");
    check(&format!("redis://127.0.0.1:{free}"), "", 1, "is it started, and is this the address and port");
    check("redis://no.such.host.invalid", "", 1, "not known to the resolver");
    check("redis+unix:///no/such/socket", "", 1, "there is no such socket");
    check(&url.replace("//", "//headcount:wrong@"), "", 3, "look at fleet.user and fleet.password_file");
    check(&url, "user = \"headcount\"\npassword_file = \"/no/such\"\n", 3, "cannot read /no/such: ");
    let tls = url.replace("redis:", "rediss:");
    check(&tls, "timeout = \"500ms\"\n", 1, "or it speaks no TLS (redis://)");
    check(&url.replace("redis:", "redis+cluster:"), "", 3, "write redis:// instead");
    check(&url, &login, 0, "the shared store is right");
    redis.cli(&["SET", "count.er:schema", "7"]);
    check(&url, &login, 3, "has schema version 7, and this headcount knows up to 1");
    redis.cli(&["DEL", "count.er:schema"]);
    redis.cli(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    check(&url, &login, 3, "may drop totals when its memory is full (maxmemory-policy allkeys-lru)");
    check(&url, &format!("{login}allow_eviction = true\n"), 0, "warning: the shared store may drop totals");
    redis.cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    check(&url, &login, 1, "out of memory; raise its maxmemory");
    redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    redis.cli(&["REPLICAOF", "127.0.0.1", &free.to_string()]);
    check(&url, &login, 3, "it is a replica: name the primary");
    redis.cli(&["REPLICAOF", "NO", "ONE"]);
    check(&url, &login, 0, "the shared store is right");
}

/// An authority, and what it signs.
struct Authority {
    certificate: rcgen::Certificate,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut about = rcgen::CertificateParams::new(Vec::new()).unwrap();
        about.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = about.self_signed(&key).unwrap();
        Authority { certificate, issuer: rcgen::Issuer::new(about, key) }
    }

    /// A server's certificate and key, as files.
    fn sign(&self, directory: &Path, name: &str, last_year: i32) -> [String; 2] {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut about = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        about.not_after = rcgen::date_time_ymd(last_year, 1, 1);
        let certificate = about.signed_by(&key, &self.issuer).unwrap();
        let file = |what: &str, text: &str| {
            let path = directory.join(format!("{name}-{last_year}.{what}"));
            fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        [file("crt", &certificate.pem()), file("key", &key.serialize_pem())]
    }

    fn file(&self, path: &Path) -> String {
        fs::write(path, self.certificate.pem()).unwrap();
        path.display().to_string()
    }
}

#[test]
fn a_private_authority_is_believed_and_a_bad_certificate_is_named_with_the_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let (ours, theirs) = (Authority::new(), Authority::new());
    let (ours_file, theirs_file) = (ours.file(&at("ours.pem")), theirs.file(&at("theirs.pem")));
    fs::write(at("empty.pem"), "no certificate\n").unwrap();
    let listen = |authority: &Authority, name: &str, last_year: i32| {
        let [certificate, key] = authority.sign(directory.path(), name, last_year);
        let port = free_port();
        let more = ["--port", "0", "--tls-port", &port.to_string(), "--tls-auth-clients", "no"];
        let files =
            ["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-ca-cert-file", &ours_file];
        let redis = Redis::start(&[more, files].concat());
        wait_for(|| std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        (redis, format!("rediss://127.0.0.1:{port}"))
    };
    let check = |url: &str, ca: &str, code: i32, words: &str| {
        let machine = Daemon::stopped(&configuration(url, &format!("ca_file = \"{ca}\"\n")));
        let (exit, text) = said(&machine.run("check-config", &["--connect"]));
        assert!(exit == code && text.contains(words), "{url}: {exit}, {words:?} is not in: {text}");
    };
    let (_good, good) = listen(&ours, "127.0.0.1", 2050);
    let (_expired, expired) = listen(&ours, "127.0.0.1", 2020);
    let (_other, other) = listen(&ours, "redis.example.vn", 2051);
    check(&good, &ours_file, 0, "the shared store is right");
    check(&good, &theirs_file, 3, &format!("it is not signed by fleet.ca_file ({theirs_file})"));
    check(&good, "", 3, "it is not signed by the system's authorities (name your own in fleet.ca_file)");
    check(&expired, &ours_file, 3, "renew the server's certificate");
    check(&other, &ours_file, 3, "name the server as its certificate does");
    check(&good, &at("none.pem").display().to_string(), 3, "none.pem: No such file");
    check(&good, &at("empty.pem").display().to_string(), 3, "empty.pem: it holds no certificate");
    let mut machine = Daemon::stopped(&configuration(&good, &format!("ca_file = \"{ours_file}\"\n")));
    machine.restart();
    let mut second = Daemon::stopped(&configuration(&good, &format!("ca_file = \"{ours_file}\"\n")));
    second.restart();
    send(&machine, 4, 2, 0);
    shows(&second, 4, 2);
}

#[test]
fn a_socket_a_database_and_a_prefix_keep_fleets_apart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("redis.sock");
    let redis = Redis::start(&["--unixsocket", path.to_str().unwrap()]);
    wait_for(|| path.exists().then_some(()));
    let url = |database: u8| format!("redis+unix://{}?db={database}", path.display());
    let start = |database, prefix: &str| {
        let mut machine =
            Daemon::stopped(&configuration(&url(database), &format!("prefix = \"{prefix}\"\n")));
        machine.restart();
        machine
    };
    let (first, second) = (start(3, "a"), start(3, "a"));
    let (elsewhere, apart) = (start(4, "a"), start(3, "b"));
    send(&first, 6, 3, 0);
    shows(&second, 6, 3);
    assert_eq!(elsewhere.numbers("vks")["total"]["views"], 0);
    assert_eq!(apart.numbers("vks")["total"]["views"], 0);
    assert!(
        redis
            .cli(&["-n", "3", "KEYS", "*"])
            .lines()
            .all(|key| key.starts_with("a:") || key.starts_with("b:"))
    );
    assert!(redis.cli(&["-n", "0", "KEYS", "*"]).is_empty());
}

#[test]
fn a_dead_node_is_listed_forgotten_and_refused_and_its_values_stay() {
    let redis = Redis::with_user();
    let (mut dead, living) = (redis.serving(), redis.serving());
    send(&dead, 5, 5, 0);
    shows(&living, 5, 5);
    let (name, other) = (node(&dead), node(&living));
    let of_dead = wait_for(|| {
        let entry = entry(&living, &name);
        entry["last_merge"].is_string().then_some(entry)
    });
    assert_eq!((&of_dead["state"], &of_dead["own"]), (&"alive".into(), &false.into()));
    assert_eq!(of_dead["version"], env!("CARGO_PKG_VERSION"));
    assert!(of_dead["skew_ms"].as_i64().unwrap().abs() < 1_000 && of_dead["unsent_transactions"] == 0);
    let text = living.print("nodes", &[]);
    assert!(text.contains(&format!("{other}*")) && text.contains(&format!("{name} ")), "{text}");
    let (code, text) = said(&living.run("nodes forget", &[&name]));
    assert!(code == 1 && text.contains("is alive: a process speaks for it"), "{text}");
    dead.kill();
    // Its lease runs out; here at once.
    redis.cli(&["DEL", &format!("count.er:1:lease:{name}")]);
    assert_eq!(entry(&living, &name)["state"], "silent");
    assert!(living.print("nodes forget", &[&name]).contains("it can never send again"));
    assert_eq!(entry(&living, &name)["state"], "forgotten");
    assert_eq!(redis.cli(&["HKEYS", &format!("count.er:1:{{vks}}:own:{name}")]), "#forgotten");
    let (code, text) = dead.refuses_to_start(&[]);
    assert!(code == 1 && text.contains("was forgotten by `headcount nodes forget`"), "{text}");
    // Even if all of that is lost, as a failover may, its values are not taken a second time.
    redis.cli(&["DEL", &format!("count.er:1:lease:{name}")]);
    assert_eq!(dead.refuses_to_start(&[]).0, 1);
    redis.cli(&["HDEL", "count.er:1:nodes", &name]);
    dead.restart();
    wait_for(|| dead.admin_get("/readyz").text().contains("was forgotten").then_some(()));
    send(&living, 2, 2, 100);
    shows(&living, 7, 7);
    let fresh = redis.serving();
    shows(&fresh, 7, 7);
    let (code, text) = said(&living.run("nodes forget", &["0123456789abcdef"]));
    assert!(code == 1 && text.contains("has no node 0123456789abcdef"), "{text}");
    // Where the daemon is stopped the list is there all the same.
    let mut living = living;
    living.stop();
    assert_eq!(entry(&living, &other)["own"], true);
}

#[test]
fn what_a_dead_machine_left_behind_is_sent_once_and_counts_once_when_it_comes_back() {
    let redis = Redis::with_user();
    let (mut dead, living) = (redis.machine("prefix = \"count.er\"\n"), redis.serving());
    // It adds up once a second, so that it dies with records in its journal alone.
    let slowly = fs::read_to_string(dead.configuration()).unwrap().replace("50ms", "3s");
    fs::write(dead.configuration(), slowly).unwrap();
    dead.restart();
    send(&dead, 6, 6, 0);
    shows(&living, 6, 6);
    // What it counts now it cannot tell any more: it is cut off, and then dies with records that are not added up.
    redis.acl("off");
    redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
    send(&dead, 9, 3, 50);
    dead.kill();
    redis.acl("on");
    let left = living.directory.path().join("left");
    copy(&dead.state(), &left);
    let left = left.to_str().unwrap();
    redis.cli(&["DEL", &format!("count.er:1:lease:{}", node(&dead))]);
    let text = living.print("adopt", &[left]);
    assert!(text.contains("visits and 9 views of them new"), "{text}");
    shows(&living, 15, 9);
    assert_eq!(entry(&living, &node(&dead))["state"], "silent");
    let text = living.print("adopt", &[left]);
    assert!(
        text.contains("vks: nothing was missing") && text.contains("0 beacons that were not added"),
        "{text}"
    );
    // The machine comes back with a disk that knows nothing of this.
    dead.restart();
    send(&dead, 1, 1, 90);
    for machine in [&dead, &living, &redis.serving()] {
        shows(machine, 16, 10);
    }
    let (code, text) = said(&living.run("adopt", &[left]));
    assert!(code == 1 && text.contains("is alive"), "{text}");
    let state = dead.state();
    let (code, text) = said(&living.run("adopt", &[state.to_str().unwrap()]));
    assert!(code == 1 && text.contains("in use by another headcount"), "{text}");
    let (code, text) = said(&living.run("adopt", &["/tmp"]));
    assert!(code == 1 && text.contains("is no state directory"), "{text}");
}

#[test]
fn one_machine_becomes_a_fleet_and_leaves_it_with_its_own_rows_or_with_all() {
    let redis = Redis::with_user();
    let alone = "[limits]\nviews_per_network_per_second = 0\n[[site]]\nid = \"vks\"\ntime_zone = \"UTC\"\n";
    let mut first = Daemon::start(alone);
    send(&first, 12, 4, 0);
    first.print("adjust", &["vks", "visits", "+1000", "--reason", "an old counter"]);
    let before = first.numbers("vks");
    first.stop();
    // One key and a restart.
    let together = configuration(&redis.url(), &format!("{}prefix = \"count.er\"\n", redis.login()));
    fs::write(first.configuration(), &together).unwrap();
    first.restart();
    let mut second = redis.serving();
    shows(&second, 12, 1_004);
    let of = |machine: &Daemon| {
        let numbers = machine.numbers("vks");
        [numbers["total"].clone(), numbers["today"].clone(), numbers["this_year"].clone()]
    };
    let expected = ["total", "today", "this_year"].map(|name| before[name].clone());
    wait_for(|| (of(&second) == expected).then_some(()));
    let page = |machine: &Daemon| machine.get("/snippet/vks.json?page=/p1", &[]).json()["page"].clone();
    assert_eq!((page(&second)["views"].as_u64(), page(&second)["visits"].as_u64()), (Some(4), Some(1)));
    assert_eq!(before["today"]["visitors"], 4);
    send(&second, 3, 3, 100);
    shows(&first, 15, 1_007);
    first.print("adjust", &["vks", "views", "-2", "--reason", "two of ours"]);
    shows(&second, 13, 1_007);
    // What a machine alone takes in: all of it, or what the others counted.
    let (all, others) = (first.directory.path().join("all.json"), first.directory.path().join("others.json"));
    first.print("fleet export", &["vks", all.to_str().unwrap()]);
    second.print("fleet export", &["--beside-own", others.to_str().unwrap()]);
    let stranger = Daemon::start(alone);
    let text = stranger.print("import", &["--from", "headcount", all.to_str().unwrap(), "--site", "vks"]);
    assert!(text.contains("1007 visits and 13 views"), "{text}");
    shows(&stranger, 13, 1_007);
    assert_eq!(stranger.numbers("vks")["today"]["views"], 15);
    assert_eq!(page(&stranger)["views"], 5);
    let list = stranger.print("adjust", &["vks", "--list"]);
    assert!(list.contains("headcount: all.json"), "{list}");
    // The second leaves: its own rows at first, and then all.
    second.stop();
    fs::write(second.configuration(), alone).unwrap();
    second.restart();
    shows(&second, 3, 3);
    let (code, text) =
        said(&second.run("import", &["--from", "headcount", all.to_str().unwrap(), "--site", "vks"]));
    assert!(code == 1 && text.contains("--beside-own"), "{text}");
    second.print("import", &["--from", "headcount", others.to_str().unwrap(), "--site", "vks"]);
    shows(&second, 13, 1_007);
}

#[test]
fn an_adjustment_may_take_what_others_counted_and_no_more() {
    let redis = Redis::with_user();
    let (mut first, second) = (redis.serving(), redis.serving());
    send(&first, 10, 10, 0);
    shows(&second, 10, 10);
    let today = second.numbers("vks")["at"].as_str().unwrap()[..10].to_owned();
    let take = |machine: &Daemon, words: &[&str]| {
        said(&machine.run("adjust", &[words, &["--reason", "ours"]].concat()))
    };
    let (code, text) = take(&second, &["vks", "visits", "-4"]);
    assert!(code == 0 && text.contains("vks now has 6 visits and 10 views in all"), "{text}");
    shows(&first, 10, 6);
    let (code, text) = take(&second, &["vks", "views", "-3", "--on", &today]);
    assert!(code == 0, "{text}");
    let (code, text) = take(&second, &["vks", "views", "-1", "--page", "/p0"]);
    assert!(code == 0, "{text}");
    shows(&first, 7, 6);
    let (code, text) = take(&first, &["vks", "visits", "-7"]);
    assert!(code == 1 && text.contains("there are only 6"), "{text}");
    let (code, text) = take(&second, &["vks", "visits", "-7"]);
    assert!(code == 1 && text.contains("there are only 6"), "{text}");
    // Both show the same after a restart, although the second has taken more than its own rows hold.
    first.stop();
    let (code, text) = take(&first, &["vks", "visits", "-1"]);
    assert!(code == 0 && text.contains("vks now has 5 visits and 7 views"), "{text}");
    first.restart();
    let mut second = second;
    second.stop();
    second.restart();
    for machine in [&first, &second, &redis.serving()] {
        shows(machine, 7, 5);
        let numbers = machine.numbers("vks");
        assert_eq!(numbers["today"]["views"], 7);
        wait_for(|| {
            let page = machine.get("/snippet/vks.json?page=/p0", &[]).json()["page"].clone();
            (page["views"] == 3).then_some(())
        });
    }
}

#[test]
fn export_and_report_show_the_fleet_and_say_so_when_they_cannot() {
    let mut redis = Redis::with_user();
    let (first, second) = (redis.serving(), redis.serving());
    send(&first, 6, 2, 0);
    send(&second, 3, 1, 50);
    shows(&first, 9, 3);
    shows(&second, 9, 3);
    folded(&second);
    for machine in [&first, &second] {
        // Details of days follow their values within a flush.
        let whole = wait_for(|| {
            let whole = json(&machine.print("export", &["vks"]));
            let views: u64 =
                whole["pages"].as_array().unwrap().iter().map(|row| row["views"].as_u64().unwrap()).sum();
            (views == 9).then_some(whole)
        });
        assert_eq!(whole["total"]["views"], 9);
        assert_eq!(whole["details_of"], "fleet");
        let day = &whole["days"][0];
        assert_eq!([&day["views"], &day["visits"], &day["counted"]["views"]], [9, 3, 9]);
        let sum = |of: &str, dimension: &str| -> u64 {
            let rows = whole[of].as_array().unwrap().iter();
            rows.filter(|row| of == "pages" || row["dimension"] == dimension)
                .map(|row| row["visits"].as_u64().unwrap())
                .sum()
        };
        assert_eq!((sum("pages", ""), sum("details", "browser")), (3, 3));
        let report = json(&machine.print("report", &["vks", "--json"]));
        assert_eq!((&report["sum"]["views"], &report["lists"]["page"]["of"]), (&9.into(), &9.into()));
        assert_eq!(report["lists"]["browser"]["rows"][0]["visits"], 3);
    }
    redis.child.kill().unwrap();
    redis.child.wait().unwrap();
    let output = first.run("export", &["vks"]);
    let whole = json(&String::from_utf8(output.stdout).unwrap());
    let views: u64 =
        whole["pages"].as_array().unwrap().iter().map(|row| row["views"].as_u64().unwrap()).sum();
    assert_eq!((&whole["total"]["views"], views), (&9.into(), 6));
    assert_eq!(whole["details_of"], "this machine");
    let note = String::from_utf8(output.stderr).unwrap();
    assert!(note.contains("pages and details are of this machine alone: no connection"), "{note}");
}

#[test]
fn a_removed_site_does_not_come_back_from_another_machine() {
    let redis = Redis::with_user();
    let (first, second) = (redis.serving(), redis.serving());
    send(&first, 6, 2, 0);
    shows(&second, 6, 2);
    let (code, text) = said(&first.run("sites remove", &["vks"]));
    assert!(code == 1 && text.contains("in service"), "{text}");
    let other = configuration(&redis.url(), &format!("{}prefix = \"count.er\"\n", redis.login()))
        .replace("vks", "new");
    fs::write(first.configuration(), other).unwrap();
    first.signal("HUP");
    wait_for(|| first.log().contains("the sites were taken over").then_some(()));
    let text = first.print("sites remove", &["vks"]);
    assert!(text.contains("here and in the shared store"), "{text}");
    // The second still has it, goes on showing it, and is told.
    send(&second, 3, 3, 50);
    wait_for(|| {
        second.admin_get("/readyz").text().contains("this site was removed from the fleet").then_some(())
    });
    assert_eq!(second.numbers("vks")["total"]["views"], 9);
    let keys = redis.cli(&["KEYS", "count.er:1:{vks}*"]);
    let kept: Vec<&str> =
        keys.lines().filter(|key| !key.ends_with("here") && !key.contains(":open:")).collect();
    assert_eq!(kept, ["count.er:1:{vks}:meta"], "{keys}");
    // A machine that begins with this site now begins with nothing, and shares nothing.
    let fresh = redis.serving();
    assert_eq!(fresh.numbers("vks")["total"]["views"], 0);
}
