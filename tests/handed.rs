//! Sockets handed down that cannot be served, and the other mistakes of a start by hand: each is named with
//! its remedy and has the documented exit code. What status and doctor say beside a plain daemon.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::chromium::is_installed;
use crate::support::client::{Wire, browser, counted, logged};
use crate::support::secure::{Secure, certificate, client};
use crate::support::{Daemon, exchange, free_port, parse, wait_for};

const SITE: &str = "[limits]\nviews_per_network_per_second = 0\nnew_visitors_per_network_per_hour = 0\n\
                    [[site]]\nid = \"demo\"\n";

/// Starts the daemon by a shell that opens descriptor 3 and says what systemd says.
fn handed(open: &str, variables: &str) -> (i32, String) {
    let daemon = Daemon::stopped(SITE);
    let script = format!("{open}\n{variables} exec \"$0\" serve --config \"$1\" --state-directory \"$2\"");
    let output = Command::new("bash")
        .args(["-c", &script, env!("CARGO_BIN_EXE_headcount")])
        .args([daemon.configuration(), daemon.state()])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_socket_that_cannot_be_served_is_named_with_the_remedy() {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let tcp = listener.local_addr().unwrap().port();
    let one = "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=public";
    let check = |open: &str, variables: &str, expected: &str| {
        let (code, said) = handed(open, variables);
        assert!(said.contains(expected), "{open} {variables}: {expected:?} is not in {said}");
        assert_eq!(code, 3, "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    };
    let udp = format!("exec 3<>/dev/udp/127.0.0.1/{udp}");
    check(&udp, one, "file descriptor 3 (public), which the service manager passed, is a UDP socket");
    check(&udp, one, "give the .socket unit a ListenStream= with a TCP port");
    check(&format!("exec 3<>/dev/tcp/127.0.0.1/{tcp}"), one, "is a TCP socket that does not listen");
    check(
        "exec 3</dev/null",
        one,
        "file descriptor 3 (public), which the service manager passed, is no socket",
    );
    check("", one, "is no socket");
    check("", &one.replace("public", "metrics"), "is called \"metrics\"; write FileDescriptorName=public or");
    check("", "LISTEN_PID=$$ LISTEN_FDS=9999999999", "LISTEN_FDS=\"9999999999\" is no number of sockets");
    check("", "LISTEN_PID=$$ LISTEN_FDS=two", "LISTEN_FDS=\"two\" is no number of sockets");
}

/// A daemon with sockets that systemd's own tool opens and hands down; it starts with the first connection.
fn activated(daemon: &Daemon, sockets: &[(&str, &str)]) -> std::process::Child {
    let mut command = Command::new("systemd-socket-activate");
    let names: Vec<&str> = sockets.iter().map(|(name, _)| *name).collect();
    command.args(sockets.iter().map(|(_, place)| format!("--listen={place}")));
    command.arg(format!("--fdname={}", names.join(":"))).arg(env!("CARGO_BIN_EXE_headcount")).arg("serve");
    command.args(["--config".into(), daemon.configuration()]);
    command.args(["--state-directory".into(), daemon.state()]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

fn free() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

#[test]
fn unix_sockets_and_ports_for_tls_are_served_as_they_are_handed_down() {
    if !is_installed("systemd-socket-activate") {
        return;
    }
    let files = "[tls]\ncertificate_files = [\"a.crt\"]\nkey_files = [\"a.key\"]\n";
    let daemon = Daemon::stopped(&format!("{files}{SITE}"));
    certificate(daemon.directory.path(), "a", "counter.test", (2020, 2040));
    let (public, admin) = (daemon.directory.path().join("p.sock"), daemon.directory.path().join("a.sock"));
    let tls = free();
    let (public, admin) = (public.display().to_string(), admin.display().to_string());
    let mut child = activated(&daemon, &[("public", &public), ("tls", &tls.to_string()), ("admin", &admin)]);
    let ask = |path: &str, request: &[u8]| {
        let mut stream = wait_for(|| UnixStream::connect(path).ok());
        stream.write_all(request).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        parse(&bytes)
    };
    assert!(counted(&ask(&public, &browser("/hit?s=demo&u=/a", "198.51.100.1"))));
    let mut wire = Secure::open(tls, "counter.test", &client(&[])).unwrap();
    assert_eq!(wire.get("/hit?s=demo&u=/a").unwrap().json()["counted"], true);
    let metrics = ask(&admin, b"GET /metrics HTTP/1.0\r\n\r\n");
    assert!(
        metrics.text().contains("headcount_tls_handshakes_total 1"),
        "{} {}",
        metrics.status,
        metrics.text()
    );
    Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(std::path::Path::new(&public).exists(), "it is the manager's");
}

#[test]
fn a_port_for_tls_without_a_certificate_and_a_unix_socket_for_it_are_mistakes() {
    if !is_installed("systemd-socket-activate") {
        return;
    }
    let daemon = Daemon::stopped(SITE);
    let refused = |place: &str, connect: &dyn Fn() -> bool| {
        let child = activated(&daemon, &[("tls", place)]);
        wait_for(|| connect().then_some(()));
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(3));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let tls = free();
    let said = refused(&tls.to_string(), &|| TcpStream::connect(tls).is_ok());
    assert!(said.contains("TLS is to be spoken, but tls.certificate_files is empty"), "{said}");
    let path = daemon.directory.path().join("t.sock");
    let said = refused(&path.display().to_string(), &|| UnixStream::connect(&path).is_ok());
    assert!(said.contains("(tls), which the service manager passed, is a unix socket"), "{said}");
    assert!(said.contains("ListenStream= with a TCP port\n"), "{said}");
}

#[test]
fn variables_that_are_meant_for_another_process_change_nothing() {
    let mut daemon = Daemon::stopped(SITE);
    for (name, value) in [("LISTEN_PID", "1"), ("LISTEN_FDS", "1"), ("LISTEN_FDNAMES", "public")] {
        daemon.variable(name, value);
    }
    // A stream that standard error is not, as a child of a service inherits it.
    daemon.variable("JOURNAL_STREAM", "8:123456789");
    daemon.restart();
    assert_eq!(daemon.get("/hit?s=demo&u=/a", &[]).json()["counted"], true);
    assert!(daemon.log().contains("Z  INFO starting"), "{}", daemon.log());
}

#[test]
fn a_port_in_use_is_an_error_that_names_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for flag in ["--listen", "--admin-listen"] {
        let (code, said) = Daemon::stopped(SITE).refuses_to_start(&[flag, &address]);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(&format!("cannot listen on {address}: ")), "{said}");
        assert!(said.contains("another program, or another headcount, has this port"), "{said}");
    }
    let daemon = Daemon::start(SITE);
    let port = daemon.public().to_string();
    let (code, said) = Daemon::stopped(SITE).refuses_to_start(&["--listen", &port]);
    assert_eq!(code, 1, "{said}");
    assert_eq!(daemon.get("/hit?s=demo&u=/a", &[]).json()["counted"], true, "the first one has them all");
}

#[test]
fn a_credential_that_is_missing_is_named_with_the_remedy() {
    let mut daemon = Daemon::stopped("shared_store = \"credential:redis-url\"\n");
    let (code, said) = daemon.refuses_to_start(&[]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("$CREDENTIALS_DIRECTORY is not set; start the service"), "{said}");
    daemon.variable("CREDENTIALS_DIRECTORY", "/nonexistent");
    let (code, said) = daemon.refuses_to_start(&[]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("cannot be read from /nonexistent/redis-url: No such file"), "{said}");
    assert!(said.contains("LoadCredential=redis-url:/etc/headcount/credentials/redis-url"), "{said}");
}

#[test]
fn a_certificate_that_nobody_hands_over_and_a_state_directory_that_is_a_file_are_named() {
    let files = "certificate_files = [\"credential:tls.crt\"]\nkey_files = [\"credential:tls.key\"]\n";
    let daemon = Daemon::stopped(&format!("[tls]\nlisten = [\"127.0.0.1:0\"]\n{files}{SITE}"));
    let (code, said) = daemon.refuses_to_start(&[]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("credential:tls.crt: cannot be read: "), "{said}");
    assert!(said.contains("a service manager hands it over: start the service, or name the file"), "{said}");

    let daemon = Daemon::stopped(SITE);
    std::fs::write(daemon.state(), "").unwrap();
    let file = daemon.state().display().to_string();
    let (code, said) = daemon.refuses_to_start(&[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains(&format!("cannot create {file}: ")), "{said}");
    assert!(said.contains("; name a directory as state_directory"), "{said}");
}

#[test]
fn a_state_directory_of_another_user_is_named_with_both() {
    let daemon = Daemon::start(SITE);
    let nobody = |arguments: &[&str]| -> Output {
        std::fs::set_permissions(daemon.directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
        // The binary lies where others may not look.
        let program = daemon.directory.path().join("headcount");
        std::fs::hard_link(env!("CARGO_BIN_EXE_headcount"), &program)
            .or_else(|_| std::fs::copy(env!("CARGO_BIN_EXE_headcount"), &program).map(drop))
            .or_else(|error| if program.exists() { Ok(()) } else { Err(error) })
            .unwrap();
        Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(program)
            .args(arguments)
            .args(["--config".into(), daemon.configuration()])
            .args(["--state-directory".into(), daemon.state()])
            .stdin(Stdio::null())
            .output()
            .unwrap()
    };
    let output = nobody(&["status"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if said.contains("setpriv:") {
        assert!(std::env::var_os("CI").is_none(), "CI must run as root: {said}");
        return eprintln!("SKIPPED: only root can become another user: {said}");
    }
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("Permission denied (os error 13); run this as its user, or as root"), "{said}");
    let output = nobody(&["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("belongs to uid 0 and this runs as uid 65534: run it as that user"), "{said}");
}

#[test]
fn a_stop_answers_who_had_begun_and_who_was_waiting() {
    let mut daemon = Daemon::start(SITE);
    let mut begun = Wire::open(daemon.public());
    let request = browser("/hit?s=demo&u=/a", "198.51.100.1");
    let (first, rest) = request.split_at(request.len() / 2);
    assert!(begun.send(first));
    // It sleeps while others connect and speak, and wakes to be told to stop.
    daemon.signal("STOP");
    let mut waiting: Vec<Wire> = (0..20).map(|_| Wire::open(daemon.public())).collect();
    assert!(waiting.iter_mut().all(|wire| wire.send(&request)));
    daemon.signal("TERM");
    daemon.signal("CONT");
    for wire in &mut waiting {
        assert!(wire.reply().is_some_and(|reply| counted(&reply)));
    }
    logged(&daemon, "stopping");
    assert!(begun.send(rest));
    assert!(begun.reply().is_some_and(|reply| counted(&reply)), "what had begun is finished");
    drop((begun, waiting));
    let (code, log) = daemon.ended();
    assert_eq!(code, 0, "{log}");
    daemon.restart();
    assert_eq!(daemon.numbers("demo")["total"]["views"], 21);
}

#[test]
fn status_tells_on_one_screen_and_by_its_exit_code() {
    let mut daemon = Daemon::start(SITE);
    for n in 0..3 {
        assert_eq!(daemon.get(&format!("/hit?s=demo&u=/{n}"), &[]).json()["counted"], true);
    }
    let screen = wait_for(|| {
        let screen = daemon.print("status", &[]);
        screen.contains("last written").then_some(screen).filter(|screen| screen.contains("0 B of it not"))
    });
    assert!(screen.starts_with("headcount 0.1.0, healthy, up "), "{screen}");
    for line in ["  sites     1\n", "  online    1\n", "  warnings  none\n"] {
        assert!(screen.contains(line), "{line:?} is not in\n{screen}");
    }
    let pace = wait_for(|| {
        let status: Value = serde_json::from_str(&daemon.print("status", &["--json"])).unwrap();
        assert_eq!(status["healthy"], true);
        status["views_per_second"].as_f64().filter(|pace| *pace > 0.0)
    });
    assert!(pace <= 3.0, "{pace}");
    // A configuration that was refused is a warning in words, and no illness.
    std::fs::write(daemon.configuration(), format!("{SITE}colour = 3\n")).unwrap();
    daemon.signal("HUP");
    std::fs::write(daemon.directory.path().join("good.toml"), SITE).unwrap();
    let good = daemon.directory.path().join("good.toml").display().to_string();
    wait_for(|| {
        let state = daemon.state().display().to_string();
        let output = Command::new(env!("CARGO_BIN_EXE_headcount"))
            .args(["status", "--config", &good, "--state-directory", &state])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8_lossy(&output.stdout)
            .contains("WARNING   configuration: the changed configuration was refused")
            .then_some(())
    });
    std::fs::write(daemon.configuration(), SITE).unwrap();
    daemon.stop();
    let output = daemon.run("status", &[]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("no daemon runs on") && said.contains("is it started"), "{said}");
}

#[test]
fn the_doctor_says_what_is_seen_of_readers_behind_proxies() {
    let daemon = Daemon::start(&format!("trusted_proxies = [\"127.0.0.0/8\"]\n{SITE}"));
    let about = |name: &str| {
        let output = daemon.print("doctor", &["--json"]);
        let examination: Value = serde_json::from_str(&output).unwrap();
        let findings = examination["findings"].as_array().unwrap().clone();
        let finding = findings.into_iter().find(|finding| finding["about"] == name).unwrap();
        (finding["grade"].as_str().unwrap().to_owned(), finding["text"].as_str().unwrap().to_owned())
    };
    assert_eq!(about("proxies"), ("good".to_owned(), "no beacon has come yet".to_owned()));
    for n in 0..200 {
        let client = if n % 4 == 0 { format!("198.51.100.{}", n % 200) } else { "203.0.113.7".to_owned() };
        let close = String::from_utf8(browser("/hit?s=demo&u=/a", &client)).unwrap();
        exchange(daemon.public(), close.replacen("\r\n", "\r\nConnection: close\r\n", 1).as_bytes());
    }
    assert_eq!(about("proxies").1, "all 200 beacons came through a trusted proxy that names the client");
    assert_eq!(about("addresses").1, "200 of 200 clients have public addresses");
    let (grade, text) = about("networks");
    assert_eq!(grade, "odd");
    assert!(text.starts_with("75 % of the last 200 views came from one network"), "{text}");
    daemon.get("/hit?s=demo&u=/a", &[]);
    let (grade, text) = about("proxies");
    assert_eq!(grade, "odd");
    assert!(
        text.starts_with("1 of 201 beacons came from a trusted proxy that did not name the client"),
        "{text}"
    );
    assert!(text.contains("proxy_set_header X-Forwarded-For"), "{text}");
    for name in ["counting", "threads", "store", "journal", "disk", "clock", "permissions"] {
        assert_eq!(about(name).0, "good", "{:?}", about(name));
    }
    let screen = daemon.print("doctor", &[]);
    assert!(screen.contains("ok       permissions    "), "{screen}");
    assert!(!daemon.state().join("doctor").exists(), "what was written to see is removed");
    std::fs::set_permissions(daemon.state(), PermissionsExt::from_mode(0o755)).unwrap();
    let (grade, text) = about("permissions");
    assert!(grade == "odd" && text.contains("has mode 755"), "{text}");
}

#[test]
fn a_peer_that_is_not_trusted_is_told_by_the_doctor() {
    let daemon = Daemon::start(&format!("trusted_proxies = [\"192.0.2.1/32\"]\n{SITE}"));
    daemon.get("/hit?s=demo&u=/a", &[("X-Forwarded-For", "203.0.113.7")]);
    let screen = daemon.print("doctor", &[]);
    let told = "1 of 1 beacons claimed to come from elsewhere, by a peer that is not in trusted_proxies";
    assert!(screen.contains(told), "{screen}");
}

#[test]
fn json_lines_are_objects_with_the_same_fields() {
    let mut daemon = Daemon::stopped(SITE);
    daemon.variable("HEADCOUNT_LOG_FORMAT", "json");
    let mut child = daemon.spawn("serve", &["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    let address = lines.by_ref().map(Result::unwrap).filter(|line| line.starts_with('{')).find_map(|line| {
        let line: Value = serde_json::from_str(&line).unwrap();
        assert!(line["time"].is_string() && line["level"] == "info", "{line}");
        (line["message"] == "serving").then(|| line["address"].as_str().unwrap().to_owned())
    });
    let address = address.unwrap().parse().unwrap();
    assert_eq!(crate::support::get(address, "/hit?s=demo&u=/a", &[]).json()["counted"], true);
    Command::new("kill").arg(child.id().to_string()).status().unwrap();
    child.wait().unwrap();
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert!(!rest.is_empty() && rest.iter().all(|line| line.starts_with('{')), "{rest:?}");
    assert!(!rest.join("\n").contains("hit"), "no line a beacon: {rest:?}");
}
