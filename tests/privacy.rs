//! Nobody's address and nobody's user agent leaves the memory of the daemon: no file, no log line, no
//! metric and no reply holds them. Visitors are told apart all the same.

use std::path::{Path, PathBuf};

use crate::support::client::{Wire, counted, noon, request};
use crate::support::{Daemon, wait_for};

/// What would give somebody away, in every spelling that is looked for.
const SECRETS: [&str; 9] = [
    "203.0.113.77",
    "203.0.113",
    "2001:db8:abcd:1234",
    "abcd:1234",
    "Netscape Navigator",
    "Navigator/77",
    "ShibbolethBrowser",
    "zz-browser-id-zz",
    "hidden-query-value",
];
/// The addresses as bytes, and backwards.
const RAW: [&[u8]; 3] =
    [&[203, 0, 113, 77], &[77, 113, 0, 203], &[0x20, 0x01, 0x0d, 0xb8, 0xab, 0xcd, 0x12, 0x34]];
const AGENTS: [&str; 2] = [
    "Mozilla/5.0 (X11; Linux x86_64) Netscape Navigator/77.0",
    "Mozilla/5.0 (Windows NT 10.0) Gecko/20100101 Firefox/140.0 ShibbolethBrowser",
];

fn check(place: &str, bytes: &[u8]) {
    let needles = SECRETS.iter().map(|secret| secret.as_bytes()).chain(RAW);
    for needle in needles {
        let found = bytes.windows(needle.len()).any(|at| at.eq_ignore_ascii_case(needle));
        assert!(!found, "{place} holds {:?}", String::from_utf8_lossy(needle));
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn check_state(daemon: &Daemon) {
    let files = files(&daemon.state());
    assert!(files.iter().any(|path| path.ends_with("headcount.db")), "{files:?}");
    assert!(files.iter().any(|path| path.extension().is_some_and(|end| end == "hcj")), "{files:?}");
    for path in files {
        // The control socket has no content.
        if let Ok(bytes) = std::fs::read(&path) {
            check(&path.display().to_string(), &bytes);
        }
    }
}

#[test]
fn no_address_and_no_user_agent_is_in_any_file_log_line_or_metric() {
    let mut daemon = Daemon::stopped(&format!(
        "fold_interval = \"50ms\"\n[[site]]\nid = \"demo\"\ntime_zone = \"{0}\"\n\
         [[site]]\nid = \"office\"\ntime_zone = \"{0}\"\nidentity = \"browser\"\n",
        noon()
    ));
    daemon.restart();
    let mut wire = Wire::open(daemon.public());
    for client in ["203.0.113.77", "2001:db8:abcd:1234::5"] {
        for agent in AGENTS {
            for (path, status, counts) in [
                (
                    "/hit?s=demo&u=/a?key=hidden-query-value&r=https://news.example/hidden-query-value%3Fhidden-query-value",
                    200,
                    true,
                ),
                ("/hit?s=demo&k=ping&u=/a", 200, true),
                ("/hit?s=demo&k=leave&d=10&u=/a", 200, true),
                ("/hit?s=office&u=/a&i=zz-browser-id-zz", 200, true),
                ("/hit?s=demo&u=hidden-query-value", 400, false),
                ("/hit?s=nobody&u=/hidden-query-value", 404, false),
                ("/hidden-query-value", 404, false),
                ("/snippet/demo.svg?hit&u=/b", 200, false),
            ] {
                let reply = wire.ask(&request(path, client, agent)).unwrap();
                check(path, &reply.body);
                assert_eq!(reply.status, status, "{path}: {}", reply.text());
                assert!(!counts || counted(&reply), "{path}: {}", reply.text());
            }
        }
    }
    // Two addresses with two browsers each; one browser id is one visitor whatever its address.
    assert_eq!(daemon.numbers("demo")["total"]["visits"], 4);
    assert_eq!(daemon.numbers("office")["total"]["visits"], 1);
    wait_for(|| (daemon.numbers("demo")["today"]["visitors"] == 4).then_some(()));
    let metrics = daemon.admin_get("/metrics").body;
    check("/metrics", &metrics);
    check("the command `sites`", daemon.print("sites", &[]).as_bytes());
    check("the command `report`", daemon.print("report", &["demo"]).as_bytes());
    assert!(daemon.print("export", &["demo"]).contains("news.example"), "a referrer's host is kept");
    check("the command `export`", daemon.print("export", &["demo"]).as_bytes());
    let backup = daemon.directory.path().join("backup.db");
    daemon.print("backup", &[backup.to_str().unwrap()]);
    check("the backup", &std::fs::read(&backup).unwrap());
    check_state(&daemon);
    let log = daemon.kill();
    check("the log", log.as_bytes());
    check_state(&daemon);
    daemon.restart();
    assert_eq!(daemon.numbers("demo")["total"]["visits"], 4);
    let (_, log) = daemon.stop();
    check("the log", log.as_bytes());
    check_state(&daemon);
}

#[test]
fn what_is_looked_for_would_be_found() {
    let found = |bytes: &'static [u8]| std::panic::catch_unwind(|| check("here", bytes)).is_err();
    assert!(found(b"a line with 203.0.113.77 in it") && found(b"\x01\xcb\x00\x71\x4d\x02"));
    assert!(found(b"agent=netscape navigator") && !found(b"nobody was here"));
}

#[test]
fn the_state_directory_is_open_to_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let daemon = Daemon::start("[[site]]\nid = \"demo\"\n");
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(daemon.state()), 0o700);
    for name in ["salts", "control.sock"] {
        assert_eq!(mode(daemon.state().join(name)), 0o600, "{name}");
    }
}
