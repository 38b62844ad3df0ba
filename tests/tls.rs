//! TLS without a proxy: real handshakes, certificates by name, HTTP/1.1 and HTTP/2, certificates that change
//! under load, and what clients and files get that are wrong.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::client::{logged, sums};
use crate::support::secure::{Secure, certificate, client};
use crate::support::{Daemon, FIREFOX, PATIENCE, Reply, exchange, wait_for};

const SITE: &str = "[limits]\nviews_per_network_per_second = 0\nnew_visitors_per_network_per_hour = 0\n\
                    [[site]]\nid = \"demo\"\n";
const VALID: (i32, i32) = (2020, 2040);
const RELOADED: &str = "headcount_config_last_reload_successful";

/// A configuration with these certificates, `before` ahead of everything.
fn configuration(before: &str, names: &[&str]) -> String {
    let files = |ending: &str| -> String {
        let files: Vec<String> = names.iter().map(|name| format!("\"{name}.{ending}\"")).collect();
        files.join(", ")
    };
    format!(
        "{before}\n[tls]\nlisten = [\"127.0.0.1:0\"]\ncertificate_files = [{}]\nkey_files = [{}]\n\
         handshake_timeout = \"2s\"\n{SITE}",
        files("crt"),
        files("key")
    )
}

/// A daemon with a certificate of `counter.test`.
fn start(before: &str) -> Daemon {
    let mut daemon = Daemon::stopped(&configuration(before, &["a"]));
    certificate(daemon.directory.path(), "a", "counter.test", VALID);
    daemon.restart();
    daemon
}

fn tls(daemon: &Daemon) -> SocketAddr {
    let log = logged(daemon, "serving with TLS address=");
    let rest = log.split_once("serving with TLS address=").unwrap().1;
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

fn rejected(daemon: &Daemon, reason: &str) -> u64 {
    daemon.count(&format!("headcount_connections_rejected_total{{reason=\"{reason}\"}}"))
}

fn is_counted(reply: Option<&Reply>) -> bool {
    reply.is_some_and(|reply| reply.status == 200 && reply.json()["counted"] == true)
}

#[test]
fn beacons_count_by_tls_and_sessions_go_on_by_tickets_on_every_worker() {
    let daemon = start("workers = 2");
    let (address, config) = (tls(&daemon), client(&["http/1.1"]));
    let mut resumed = 0;
    for n in 0..20 {
        let mut wire = Secure::open(address, "counter.test", &config).unwrap();
        resumed += usize::from(wire.is_resumed());
        assert_eq!(wire.protocol().as_deref(), Some("http/1.1"));
        assert!(is_counted(wire.get(&format!("/hit?s=demo&u=/{n}")).as_ref()));
        assert!(is_counted(wire.get("/hit?s=demo&u=/again").as_ref()));
    }
    assert_eq!(resumed, 19);
    assert!(daemon.count("headcount_tls_handshakes_total") >= 20);
    assert_eq!(daemon.numbers("demo")["total"]["views"], 40);
    let welcome = Secure::open(address, "counter.test", &config).unwrap().get("/").unwrap();
    assert!(welcome.text().contains("https://counter.test/headcount.js"), "{}", welcome.text());
    let expiry = daemon.admin_get("/metrics").text();
    let line = expiry.lines().find(|line| line.starts_with("headcount_tls_certificate_expiry")).unwrap();
    assert!(line.ends_with("/a.crt\"} 2208988800"), "{line}");
}

#[test]
fn the_name_that_is_asked_for_chooses_the_certificate() {
    let mut daemon = Daemon::stopped(&configuration("", &["a", "b"]));
    let a = certificate(daemon.directory.path(), "a", "a.test", VALID);
    let b = certificate(daemon.directory.path(), "b", "*.b.test", VALID);
    daemon.restart();
    let config = client(&[]);
    for (host, expected) in [("a.test", &a), ("www.b.test", &b), ("c.test", &a), ("127.0.0.1", &a)] {
        let shown = Secure::open(tls(&daemon), host, &config).unwrap().shown();
        assert_eq!(&shown, expected, "{host}");
    }
}

/// What curl prints, with the version of HTTP behind it.
fn curl(address: SocketAddr, path: &str, arguments: &[&str]) -> (String, String) {
    let output = Command::new("curl")
        .args(["--silent", "--insecure", "--http2", "--max-time", "20", "--user-agent", FIREFOX])
        .args(["--resolve", &format!("counter.test:{}:127.0.0.1", address.port())])
        .args(["--write-out", "\n%{http_version}"])
        .args(arguments)
        .arg(format!("https://counter.test:{}{path}", address.port()))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let (body, version) = said.rsplit_once('\n').unwrap_or((&said, ""));
    (body.to_owned(), version.to_owned())
}

#[test]
fn http_2_goes_the_same_way() {
    let daemon = start("");
    let address = tls(&daemon);
    let (body, version) = curl(address, "/hit?s=demo&u=/a", &[]);
    let reply: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((reply["counted"].as_bool(), version.as_str()), (Some(true), "2"));
    let (body, _) = curl(address, "/hit", &["--data", "s=demo&u=/b"]);
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["counted"], true, "{body}");
    // Whoever still sends what nobody wants gets the answer all the same.
    let long = format!("s=demo&u=/{}", "x".repeat(100_000));
    for (path, expected) in [("/hit", "longer than 16384 bytes"), ("/nowhere", "there is nothing here")] {
        let (refusal, _) = curl(address, path, &["--data", &long]);
        assert!(refusal.contains(expected), "{path}: {refusal}");
    }
    let (welcome, _) = curl(address, "/", &[]);
    let script = format!("https://counter.test:{}/headcount.js", address.port());
    assert!(welcome.contains(&script), "the host is known by :authority");
    let many: Vec<String> =
        (0..50).map(|n| format!("https://counter.test:{}/hit?s=demo&u=/{n}", address.port())).collect();
    let mut arguments = vec!["--parallel", "--parallel-max", "50"];
    arguments.extend(many.iter().map(String::as_str));
    curl(address, "/hit?s=demo&u=/last", &arguments);
    assert_eq!(daemon.numbers("demo")["total"]["views"], 53);
    assert_eq!(curl(address, "/nowhere", &["--http1.1"]).1, "1.1");
}

#[test]
fn a_live_stream_by_tls_sends_and_ends_with_its_reader_and_with_the_daemon() {
    let mut daemon = start("");
    let address = tls(&daemon);
    let config = client(&["http/1.1"]);
    let mut live = Secure::open(address, "counter.test", &config).unwrap();
    live.send(b"GET /live/demo HTTP/1.1\r\nHost: counter.test\r\n\r\n").unwrap();
    let mut seen = String::new();
    while !seen.contains("event: numbers") {
        seen += &String::from_utf8_lossy(&live.read());
    }
    let second = Command::new("curl")
        .args(["--silent", "--insecure", "--http2", "--no-buffer", "--output", "/dev/null"])
        .arg(format!("https://{address}/live/demo"))
        .spawn()
        .unwrap();
    wait_for(|| (daemon.count("headcount_live_streams") == 2).then_some(()));
    drop(live);
    wait_for(|| (daemon.count("headcount_live_streams") == 1).then_some(()));
    let mut second = second;
    let began = Instant::now();
    let (code, log) = daemon.stop();
    assert_eq!(code, 0, "{log}");
    assert!(began.elapsed() < Duration::from_secs(30), "a stream does not keep it: {log}");
    assert!(!log.contains("were cut"), "{log}");
    second.wait().unwrap();
}

/// Requests over new and old connections while certificates change. Gives how many there were.
fn under_load(daemon: &Daemon, during: impl FnOnce(&dyn Fn())) -> u64 {
    let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let address = tls(daemon);
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let (stop, sent, config) = (Arc::clone(&stop), Arc::clone(&sent), client(&[]));
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let mut wire = Secure::open(address, "counter.test", &config).unwrap();
                    for _ in 0..5 {
                        sent.fetch_add(1, Ordering::Relaxed);
                        assert!(is_counted(wire.get("/hit?s=demo&u=/a").as_ref()));
                    }
                }
            })
        })
        .collect();
    let go_on = || {
        let before = sent.load(Ordering::Relaxed);
        wait_for(|| (sent.load(Ordering::Relaxed) > before + 30).then_some(()));
    };
    go_on();
    during(&go_on);
    stop.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().unwrap();
    }
    sent.load(Ordering::Relaxed)
}

#[test]
fn certificates_change_under_load_and_a_bad_one_leaves_the_old_one_in_force() {
    let daemon = start("");
    let (directory, address, config) = (daemon.directory.path(), tls(&daemon), client(&[]));
    let shown = || Secure::open(address, "counter.test", &config).unwrap().shown();
    let sent = under_load(&daemon, |go_on| {
        for round in 0..3 {
            let newer = certificate(directory, "a", "counter.test", VALID);
            if round % 2 == 0 {
                daemon.signal("HUP");
            }
            wait_for(|| (shown() == newer).then_some(()));
            go_on();
        }
        let good = shown();
        let key = std::fs::read(directory.join("a.key")).unwrap();
        certificate(directory, "b", "counter.test", VALID);
        std::fs::copy(directory.join("b.key"), directory.join("a.key")).unwrap();
        daemon.signal("HUP");
        wait_for(|| (daemon.count(RELOADED) == 0).then_some(()));
        let log = logged(&daemon, "is not the key of the certificate in");
        assert!(log.contains("a.key is not") && log.contains("a.crt"), "{log}");
        assert!(log.contains("the one before stays in force"), "{log}");
        assert_eq!(shown(), good);
        go_on();
        std::fs::write(directory.join("a.key"), key).unwrap();
        wait_for(|| (daemon.count(RELOADED) == 1).then_some(()));
    });
    assert_eq!(daemon.numbers("demo")["total"]["views"], sent);
}

#[test]
fn an_expired_certificate_is_shown_and_told_loudly() {
    let mut daemon = Daemon::stopped(&configuration("", &["a"]));
    certificate(daemon.directory.path(), "a", "counter.test", (2019, 2020));
    assert!(daemon.print("check-config", &[]).contains("warning: the certificate in "));
    daemon.restart();
    assert!(logged(&daemon, "has expired, ").contains("browsers refuse to connect; renew it"));
    let mut wire = Secure::open(tls(&daemon), "counter.test", &client(&[])).unwrap();
    assert!(is_counted(wire.get("/hit?s=demo&u=/a").as_ref()));
    assert!(daemon.print("status", &[]).contains("WARNING   certificates: the certificate in "));
    assert!(daemon.print("doctor", &[]).contains("has expired, "));
    certificate(daemon.directory.path(), "a", "counter.test", VALID);
    wait_for(|| (!daemon.print("status", &[]).contains("certificates")).then_some(()));
}

#[test]
fn files_that_do_not_do_are_named_with_exit_code_3() {
    let daemon = Daemon::stopped(&configuration("", &["a"]));
    let directory = daemon.directory.path();
    let refused = |expected: &[&str]| {
        let (code, said) = daemon.refuses_to_start(&[]);
        let check = daemon.run("check-config", &[]);
        assert_eq!((code, check.status.code()), (3, Some(3)), "{said}");
        for said in [said, String::from_utf8_lossy(&check.stderr).into_owned()] {
            assert!(expected.iter().all(|words| said.contains(words)), "{expected:?} is not in {said}");
        }
    };
    refused(&[
        "a.crt: cannot be read: No such file or directory (os error 2); correct the name in [tls], or hand",
    ]);
    certificate(directory, "a", "counter.test", VALID);
    certificate(directory, "b", "counter.test", VALID);
    std::fs::rename(directory.join("b.key"), directory.join("a.key")).unwrap();
    refused(&["a.key is not the key of the certificate in ", "a.crt; name the two files that were issued"]);
    std::fs::write(directory.join("a.key"), "secret").unwrap();
    refused(&["a.key: holds no private key in PEM", "privkey.pem"]);
    std::fs::write(daemon.configuration(), configuration("", &[])).unwrap();
    refused(&["tls.listen = [\"127.0.0.1:0\"]: needs a certificate"]);
    let one = configuration("", &["a"]).replace("key_files = [\"a.key\"]", "key_files = []");
    std::fs::write(daemon.configuration(), one).unwrap();
    refused(&["names 0, and tls.certificate_files names 1; name the key of each certificate"]);
}

#[test]
fn a_tls_port_in_use_is_an_error_that_names_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let daemon = Daemon::stopped(&configuration("", &["a"]).replace("127.0.0.1:0", &address));
    certificate(daemon.directory.path(), "a", "counter.test", VALID);
    let (code, said) = daemon.refuses_to_start(&[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains(&format!("cannot listen on {address}: ")), "{said}");
}

#[test]
fn who_speaks_something_else_is_told_or_hung_up_on() {
    let daemon = start("");
    let address = tls(&daemon);
    let reply = crate::support::get(address, "/hit?s=demo&u=/a", &[]);
    assert_eq!(reply.status, 400);
    assert_eq!(reply.text(), "this port speaks https alone; write https:// in place of http://\r\n");
    assert_eq!(exchange(address, b"\x16\x03\x01\x00\x05hello").status, 0);
    assert_eq!(exchange(address, b"\x00\x01nothing known").status, 0);
    let refused = Secure::open(daemon.public(), "counter.test", &client(&[]));
    assert!(refused.is_err(), "no TLS on the plain port");
    logged(&daemon, "somebody spoke TLS on a listener without it: https needs the listeners of [tls]");
    assert_eq!(rejected(&daemon, "plain_on_tls"), 1);
    assert_eq!(rejected(&daemon, "tls_failed"), 2);
    assert_eq!(rejected(&daemon, "tls_on_plain"), 1);
    assert_eq!(daemon.get("/hit?s=demo&u=/a", &[]).json()["counted"], true);
}

#[test]
fn half_open_handshakes_are_bounded_in_number_and_time() {
    let daemon = start("workers = 1\nconnections_max = 40");
    let address = tls(&daemon);
    let began = Instant::now();
    let mut held: Vec<TcpStream> = (0..30).map(|_| TcpStream::connect(address).unwrap()).collect();
    for stream in held.iter_mut().take(5) {
        stream.write_all(b"\x16\x03\x01\x02").unwrap();
    }
    wait_for(|| (rejected(&daemon, "tls_full") == 20).then_some(()));
    assert_eq!(daemon.get("/hit?s=demo&u=/a", &[]).json()["counted"], true, "there is room for others");
    wait_for(|| (rejected(&daemon, "tls_late") == 10).then_some(()));
    assert!(began.elapsed() >= Duration::from_secs(2));
    for mut stream in held {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        assert!(!stream.read(&mut [0]).is_ok_and(|read| read > 0), "it was closed");
    }
    let mut wire = Secure::open(address, "counter.test", &client(&[])).unwrap();
    assert!(is_counted(wire.get("/hit?s=demo&u=/a").as_ref()));
    logged(&daemon, "so many TLS handshakes are unfinished");
}

#[test]
fn a_half_open_handshake_does_not_keep_a_stop() {
    let mut daemon = Daemon::stopped(&configuration("", &["a"]).replace("\"2s\"", "\"60s\""));
    certificate(daemon.directory.path(), "a", "counter.test", VALID);
    daemon.restart();
    let mut half = TcpStream::connect(tls(&daemon)).unwrap();
    half.write_all(b"\x16\x03\x01").unwrap();
    wait_for(|| (daemon.count("headcount_http_connections") == 1).then_some(()));
    let began = Instant::now();
    assert_eq!(daemon.stop().0, 0);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

/// A frame of HTTP/2 (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The head of `GET /hit` by the static table alone (RFC 7541, appendix A).
fn head(stream: u32) -> Vec<u8> {
    let text = |text: &'static str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let block = [
        [0x82, 0x87, 0x41].as_slice(),
        &text("a"),
        &[0x04],
        &text("/hit?s=demo&u=/"),
        &[0x7a],
        &text(FIREFOX),
    ]
    .concat();
    frame(1, 0x5, stream, &block)
}

#[test]
fn requests_that_are_taken_back_at_once_cut_the_connection_and_nobody_else() {
    let daemon = start("workers = 1");
    let address = tls(&daemon);
    let mut wire = Secure::open(address, "counter.test", &client(&["h2"])).unwrap();
    assert_eq!(wire.protocol().as_deref(), Some("h2"));
    let mut bytes = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(4, 0, 0, &[])].concat();
    for n in 0..2_000 {
        bytes.extend(head(2 * n + 1));
        bytes.extend(frame(3, 0, 2 * n + 1, &8_u32.to_be_bytes()));
    }
    wire.send(&bytes).ok();
    let began = Instant::now();
    // What it says last (GOAWAY) may be lost with the connection, since it does not read what still comes.
    while !wire.read().is_empty() {}
    assert!(began.elapsed() < PATIENCE, "it was cut");
    let views = sums(&daemon, "view");
    assert!(views.parsed < 200, "{} of 2000 were looked at", views.parsed);
    assert_eq!(daemon.numbers("demo")["total"]["views"], views.counted);
    assert_eq!(daemon.get("/hit?s=demo&u=/a", &[]).json()["counted"], true);
}

#[test]
fn a_request_that_is_taken_back_after_it_was_understood_has_an_outcome() {
    let daemon = start("workers = 1");
    let mut wire = Secure::open(tls(&daemon), "counter.test", &client(&["h2"])).unwrap();
    let mut bytes = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(4, 0, 0, &[])].concat();
    for n in 0..5 {
        bytes.extend(head(2 * n + 1));
        bytes.extend(frame(3, 0, 2 * n + 1, &8_u32.to_be_bytes()));
    }
    bytes.extend(head(11));
    wire.send(&bytes).unwrap();
    wait_for(|| (daemon.numbers("demo")["total"]["views"].as_u64()? > 0).then_some(()));
    let views = sums(&daemon, "view");
    assert_eq!(daemon.numbers("demo")["total"]["views"], views.counted, "{views:?}");
}

#[test]
fn a_stop_finishes_what_is_under_way_by_tls_and_takes_who_waits() {
    let mut daemon = start("workers = 1");
    let address = tls(&daemon);
    let config = client(&["http/1.1"]);
    let mut idle = Secure::open(address, "counter.test", &config).unwrap();
    assert!(is_counted(idle.get("/hit?s=demo&u=/a").as_ref()));
    let mut begun = Secure::open(address, "counter.test", &config).unwrap();
    begun
        .send(b"POST /hit HTTP/1.1\r\nHost: counter.test\r\nUser-Agent: Mozilla/5.0 Firefox/140.0\r\n")
        .unwrap();
    let body = "s=demo&u=/b";
    begun.send(format!("Content-Length: {}\r\n\r\n{}", body.len(), &body[..4]).as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    daemon.signal("TERM");
    logged(&daemon, "stopping");
    begun.send(&body.as_bytes()[4..]).unwrap();
    let reply = crate::support::parse(&begun.read());
    assert!(is_counted(Some(&reply)), "{reply:?}");
    assert_eq!(daemon.ended().0, 0);
    daemon.restart();
    assert_eq!(daemon.numbers("demo")["total"]["views"], 2);
}
