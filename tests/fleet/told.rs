//! What commands say of the shared store, and of what else may answer at its address.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use serde_json::Value;

use crate::support::Daemon;
use crate::support::fleet::{HASTY, configuration, ready, until};
use crate::support::redis::{Server, Store};

/// What status and doctor say of the shared store: its grade and text, of each.
fn told(node: &Daemon, about: &str) -> [Option<(String, String)>; 2] {
    [("status", "warnings"), ("doctor", "findings")].map(|(command, list)| {
        let output = node.run(command, &["--json"]).stdout;
        let said: Value = serde_json::from_slice(&output).unwrap();
        let found = said[list].as_array().unwrap().iter().find(|finding| finding["about"] == about)?;
        let word = |name: &str| found[name].as_str().unwrap().to_owned();
        Some((word("grade"), word("text")))
    })
}

/// What `check-config --connect` says of an address: everything that was printed.
fn checked(address: &str) -> String {
    let output = Daemon::stopped(&configuration(address, &HASTY)).run("check-config", &["--connect"]);
    assert_ne!(output.status.code(), Some(0), "{address}");
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[test]
fn status_and_doctor_say_what_readiness_says_of_the_shared_store() {
    let alone = Daemon::start("[[site]]\nid = \"vks\"\n");
    assert_eq!(told(&alone, "shared store"), [None, None]);
    let mut store = Store::single("redis");
    let node = Daemon::start(&configuration(&store.address, &HASTY));
    ready(&node);
    let [warning, finding] = told(&node, "shared store");
    assert_eq!((warning, finding.unwrap().0.as_str()), (None, "good"));
    store.servers[0].kill();
    until(Duration::ZERO, || {
        let said = told(&node, "shared store");
        let is_told = said.iter().all(|said| {
            said.as_ref().is_some_and(|(grade, text)| {
                grade == "odd"
                    && text.contains("no connection to the shared store")
                    && text.contains("counting goes on")
            })
        });
        if is_told { Ok(()) } else { Err(format!("{said:?}")) }
    });
    let readiness = node.admin_get("/readyz").text();
    assert!(readiness.starts_with("ready, degraded: ") && readiness.contains("no connection"), "{readiness}");
    assert_eq!(node.run("status", &[]).status.code(), Some(0), "a warning alone is healthy");
}

#[test]
fn a_node_without_a_shared_secret_says_what_its_beacons_get() {
    let server = Server::stopped("redis", &[]);
    let node = Daemon::start(&configuration(&format!("redis://127.0.0.1:{}", server.port), &HASTY));
    let reply = node.get("/hit?s=vks&u=/", &[("X-Forwarded-For", "203.0.113.1")]);
    assert_eq!((reply.status, &reply.json()["reason"]), (200, &"no_salt".into()));
    for said in told(&node, "counting") {
        let (grade, text) = said.unwrap();
        assert!(
            grade == "bad" && text.starts_with("beacons are answered with 200 and not counted (no_salt)"),
            "{text}"
        );
    }
}

#[test]
fn what_is_no_redis_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // It ends with the tests.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            if stream.read(&mut [0; 512]).is_ok_and(|heard| heard > 0) {
                stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").ok();
            }
        }
    });
    for address in ["redis://HOST", "redis+cluster://HOST", "redis+sentinel://HOST/hc"] {
        let text = checked(&address.replace("HOST", &format!("127.0.0.1:{port}")));
        assert!(text.contains("does not speak Redis's protocol; look at host and port"), "{address}: {text}");
        assert!(!text.contains("Unexpected"), "{text}");
    }
}

#[test]
fn a_sentinel_that_is_taken_for_something_else_is_named() {
    let sentinel = Server::sentinel("");
    let host = format!("127.0.0.1:{}", sentinel.port);
    let remedy = "if it is a Sentinel, write redis+sentinel://host/name";
    for scheme in ["redis", "redis+cluster"] {
        let text = checked(&format!("{scheme}://{host}"));
        assert!(text.contains(remedy), "{scheme}: {text}");
    }
    let sentinel = Server::sentinel("requirepass its-own\n");
    let text = checked(&format!("redis://:of-the-fleet@127.0.0.1:{}", sentinel.port));
    assert!(text.contains("refuses user or password") && text.contains(remedy), "{text}");
}

#[test]
fn a_server_with_a_password_that_is_taken_for_a_sentinel_is_named() {
    let server = Server::start("redis", &["--save", "", "--requirepass", "s3cret"]);
    let text = checked(&format!("redis+sentinel://:s3cret@127.0.0.1:{}/hc", server.port));
    assert!(text.contains("if it is no Sentinel, write redis://host"), "{text}");
}

#[test]
fn the_key_of_a_wrong_type_is_named_by_commands_too() {
    let store = Store::single("redis");
    let node = Daemon::stopped(&configuration(&store.address, &HASTY));
    store.servers[0].tell(&["SET", "hc:1:nodes", "x"]);
    let output = node.run("nodes", &[]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("the key hc:1:nodes of the shared store holds a string, which is not ours: delete it"),
        "{text}"
    );
}
