//! Behind a real nginx, Caddy and HAProxy, by the blocks of the README word for word; through unix sockets;
//! and what the PROXY protocol believes of whom.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::chromium::is_installed;
use crate::support::client::{browser, counted, logged};
use crate::support::secure::{Secure, certificate, client};
use crate::support::{Daemon, FIREFOX, PATIENCE, Reply, exchange, free_port, parse, wait_for};

/// Proxies come from 127.0.0.1; whoever comes from 127.0.0.66 is left out, which shows who is seen.
const SITE: &str = "[limits]\nviews_per_network_per_second = 0\nnew_visitors_per_network_per_hour = 0\n\
                    [[site]]\nid = \"vks\"\nexcluded_networks = [\"127.0.0.66\"]\n";
const LOCALHOST: &str = "127.0.0.1/32";

fn daemon(before: &str) -> Daemon {
    Daemon::start(&format!("trusted_proxies = [\"{LOCALHOST}\"]\n{before}\n{SITE}"))
}

/// The same with a unix socket beside its port.
fn daemon_with_socket(before: &str) -> (Daemon, PathBuf) {
    let mut daemon = Daemon::stopped(&format!("trusted_proxies = [\"{LOCALHOST}\"]\n{before}\n{SITE}"));
    let path = daemon.directory.path().join("headcount.sock");
    daemon.flag("--listen", &format!("unix:{}", path.display()));
    daemon.restart();
    (daemon, path)
}

/// A block of the README.
fn block(language: &str) -> String {
    let readme = include_str!("../README.md");
    let block = readme.split_once(&format!("```{language}\n")).and_then(|(_, rest)| rest.split_once("```"));
    block.unwrap_or_else(|| panic!("the README has a block for {language}")).0.to_owned()
}

/// The same with another upstream in place of the README's, which must be there.
fn block_with(language: &str, upstream: &str, ours: &str) -> String {
    let block = block(language);
    assert!(block.contains(upstream), "{block}");
    block.replace(upstream, ours)
}

/// A proxy with TLS, ended by its process id.
struct Proxy {
    directory: TempDir,
    port: u16,
    child: Option<Child>,
}

impl Proxy {
    /// A directory with `a.crt`, `a.key` and both in `a.pem`, and a free port.
    fn prepare() -> Proxy {
        let directory = tempfile::tempdir().unwrap();
        certificate(directory.path(), "a", "www.localhost", (2020, 2040));
        let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
        std::fs::write(directory.path().join("a.pem"), read("a.crt") + &read("a.key")).unwrap();
        let port = free_port();
        Proxy { directory, port, child: None }
    }

    fn here(&self) -> &Path {
        self.directory.path()
    }

    fn run(mut self, command: &mut Command) -> Proxy {
        let log = std::fs::File::create(self.here().join("log")).unwrap();
        command.env("HOME", self.here()).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(command.spawn().unwrap());
        let port = self.port;
        wait_for(|| {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            let log = || std::fs::read_to_string(self.directory.path().join("log")).unwrap();
            assert!(ended.is_none(), "it ended: {}", log());
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        self
    }

    fn nginx(location: &str) -> Proxy {
        let proxy = Proxy::prepare();
        let (here, port) = (proxy.here().display(), proxy.port);
        let text = format!(
            "daemon off;\nmaster_process off;\npid nginx.pid;\nevents {{}}\nhttp {{\naccess_log off;\n\
             client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;\n\
             server {{\nlisten 127.0.0.1:{port} ssl http2;\nserver_name www.localhost;\n\
             ssl_certificate {here}/a.crt;\nssl_certificate_key {here}/a.key;\n{location}}}\n}}\n"
        );
        let file = proxy.here().join("nginx.conf");
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-p").arg(proxy.here()).arg("-c").arg(file).args(["-e", "stderr"]);
        proxy.run(&mut command)
    }

    fn caddy(handle: &str) -> Proxy {
        let proxy = Proxy::prepare();
        let (here, port) = (proxy.here().display(), proxy.port);
        let text = format!(
            "{{\nadmin off\nauto_https disable_redirects\n}}\n\
             https://www.localhost:{port} {{\nbind 127.0.0.1\ntls {here}/a.crt {here}/a.key\n{handle}}}\n"
        );
        let file = proxy.here().join("Caddyfile");
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new("caddy");
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
        proxy.run(&mut command)
    }

    fn haproxy(frontend: &str, backend: &str) -> Proxy {
        let proxy = Proxy::prepare();
        let bind = format!("bind 127.0.0.1:{}", proxy.port);
        let frontend =
            frontend.replace("BIND", &bind).replace("PEM", &proxy.here().join("a.pem").display().to_string());
        let text = format!(
            "defaults\n    timeout connect 5s\n    timeout client 30s\n    timeout server 30s\n\n{frontend}\n{backend}"
        );
        let file = proxy.here().join("haproxy.cfg");
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new("haproxy");
        command.args(["-db", "-f"]).arg(file);
        proxy.run(&mut command)
    }

    /// What curl gets from a path of the site, as a client of this address.
    fn get(&self, path: &str, from: &str, arguments: &[&str]) -> String {
        let output = Command::new("curl")
            .args(["--silent", "--insecure", "--user-agent", FIREFOX, "--interface", from])
            .args(["--resolve", &format!("www.localhost:{}:127.0.0.1", self.port), "--noproxy", "*"])
            .args(["--max-time", "20"])
            .args(arguments)
            .arg(format!("https://www.localhost:{}{path}", self.port))
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    fn hit(&self, from: &str, arguments: &[&str]) -> Value {
        let text = self.get("/hc/hit?s=vks&u=/a", from, arguments);
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// The path of the site with https, the client's own address whatever it claims, and a stream that is not
/// held back.
fn works(proxy: &Proxy, daemon: &Daemon) {
    assert_eq!(proxy.hit("127.0.0.5", &[])["counted"], true);
    let claims = ["--header", "X-Forwarded-For: 127.0.0.66", "--header", "Forwarded: for=127.0.0.66"];
    assert_eq!(proxy.hit("127.0.0.6", &claims)["counted"], true, "a claim is not believed");
    assert_eq!(proxy.hit("127.0.0.66", &[])["reason"], "excluded");
    let claims = ["--header", "X-Forwarded-For: 127.0.0.5"];
    assert_eq!(proxy.hit("127.0.0.66", &claims)["reason"], "excluded", "nor is another");
    assert_eq!(daemon.count("headcount_forwarding_missing_total"), 0);
    let welcome = proxy.get("/hc/", "127.0.0.5", &[]);
    assert!(welcome.contains("https://www.localhost"), "{welcome}");
    assert!(proxy.get("/hc/headcount.js", "127.0.0.5", &[]).contains("data-headcount"));
    // curl is ended while the stream goes on, so what it has was not held back for the end.
    let live = proxy.get("/hc/live/vks", "127.0.0.5", &["--no-buffer", "--max-time", "2"]);
    assert!(live.starts_with("retry: ") && live.contains("event: numbers"), "{live}");
}

/// Whether a proxy is there, and the client.
fn has(program: &str) -> bool {
    is_installed(program) && is_installed("curl")
}

#[test]
fn nginx_by_the_block_of_the_readme_and_through_a_unix_socket() {
    if !has("nginx") {
        return;
    }
    let (daemon, socket) = daemon_with_socket("");
    let port = daemon.public().to_string();
    works(&Proxy::nginx(&block_with("nginx", "127.0.0.1:8080", &port)), &daemon);
    let unix = format!("unix:{}:", socket.display());
    assert!(include_str!("../README.md").contains("proxy_pass http://unix:/run/headcount/headcount.sock:/;"));
    works(&Proxy::nginx(&block_with("nginx", "127.0.0.1:8080", &unix)), &daemon);
}

#[test]
fn caddy_by_the_block_of_the_readme_and_through_a_unix_socket() {
    if !has("caddy") {
        return;
    }
    let (daemon, socket) = daemon_with_socket("");
    let port = daemon.public().to_string();
    works(&Proxy::caddy(&block_with("caddy", "127.0.0.1:8080", &port)), &daemon);
    let unix = format!("unix/{}", socket.display());
    assert!(include_str!("../README.md").contains("reverse_proxy unix//run/headcount/headcount.sock"));
    works(&Proxy::caddy(&block_with("caddy", "127.0.0.1:8080", &unix)), &daemon);
}

/// A frontend with https, by the line of the README.
fn frontend() -> String {
    let line = "use_backend headcount if { path /hc } or { path_beg /hc/ }";
    assert!(include_str!("../README.md").contains(line));
    format!("frontend https\n    mode http\n    BIND ssl crt PEM alpn h2,http/1.1\n    {line}\n")
}

#[test]
fn haproxy_by_the_block_of_the_readme_and_through_a_unix_socket() {
    if !has("haproxy") {
        return;
    }
    let (daemon, socket) = daemon_with_socket("");
    let port = daemon.public().to_string();
    works(&Proxy::haproxy(&frontend(), &block_with("haproxy", "127.0.0.1:8080", &port)), &daemon);
    let unix = format!("unix@{}", socket.display());
    assert!(include_str!("../README.md").contains("server headcount unix@/run/headcount/headcount.sock"));
    works(&Proxy::haproxy(&frontend(), &block_with("haproxy", "127.0.0.1:8080", &unix)), &daemon);
}

#[test]
fn haproxy_by_the_proxy_protocol_of_both_versions() {
    if !has("haproxy") {
        return;
    }
    let (daemon, socket) = daemon_with_socket(&format!("proxy_protocol_from = [\"{LOCALHOST}\", \"unix\"]"));
    let places = [daemon.public().to_string(), format!("unix@{}", socket.display())];
    for (place, how) in
        [(&places[0], "send-proxy-v2"), (&places[0], "send-proxy"), (&places[1], "send-proxy-v2")]
    {
        let backend = block_with("haproxy", "127.0.0.1:8080", &format!("{place} {how} check inter 100"));
        let backend = backend.replace("    option forwardfor\n", "");
        works(&Proxy::haproxy(&frontend(), &backend), &daemon);
    }
    assert!(daemon.count("headcount_connections_rejected_total{reason=\"proxy_malformed\"}") < 1);
}

#[test]
fn haproxy_passes_tls_on_to_a_daemon_that_speaks_it() {
    if !has("haproxy") {
        return;
    }
    let tls = "[tls]\nlisten = [\"127.0.0.1:0\"]\ncertificate_files = [\"a.crt\"]\nkey_files = [\"a.key\"]\n";
    let mut daemon = Daemon::stopped(&format!("proxy_protocol_from = [\"{LOCALHOST}\"]\n{tls}{SITE}"));
    certificate(daemon.directory.path(), "a", "www.localhost", (2020, 2040));
    daemon.restart();
    let log = logged(&daemon, "serving with TLS address=");
    let address = log.split_once("TLS address=").unwrap().1.split_whitespace().next().unwrap().to_owned();
    let proxy = Proxy::haproxy(
        "frontend https\n    mode tcp\n    BIND\n    default_backend headcount\n",
        &format!("backend headcount\n    mode tcp\n    server headcount {address} send-proxy-v2\n"),
    );
    let hit = |from: &str| -> Value {
        serde_json::from_str(&proxy.get("/hit?s=vks&u=/a", from, &["--http2"])).unwrap()
    };
    assert_eq!(hit("127.0.0.5")["counted"], true);
    assert_eq!(hit("127.0.0.66")["reason"], "excluded");
    // Who comes past the balancer has nothing to show.
    let address: SocketAddr = address.parse().unwrap();
    assert!(Secure::open(address, "www.localhost", &client(&[])).is_err());
    assert_eq!(daemon.count("headcount_connections_rejected_total{reason=\"proxy_missing\"}"), 1);
}

#[test]
fn a_proxy_header_counts_from_listed_peers_alone() {
    let plain = daemon("");
    let request = browser("/hit?s=vks&u=/a", "127.0.0.9");
    let close = String::from_utf8(request.clone()).unwrap().replacen("\r\n", "\r\nConnection: close\r\n", 1);
    let with = |header: &[u8]| [header, close.as_bytes()].concat();
    let rejected = |daemon: &Daemon, reason: &str| {
        daemon.count(&format!("headcount_connections_rejected_total{{reason=\"{reason}\"}}"))
    };
    let line: &[u8] = b"PROXY TCP4 127.0.0.7 127.0.0.1 1 2\r\n";
    let second =
        [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".as_slice(), &[127, 0, 0, 7, 127, 0, 0, 1, 0, 1, 0, 2]]
            .concat();
    for header in [line, &second] {
        assert_eq!(exchange(plain.public(), &with(header)).status, 0, "hung up on");
    }
    assert_eq!(rejected(&plain, "proxy_unlisted"), 2);
    let log = logged(&plain, "a PROXY header came from an address that is not in proxy_protocol_from");
    assert_eq!(log.matches("a PROXY header came").count(), 1, "told once in a while: {log}");
    assert!(!log.contains("127.0.0.7"), "{log}");

    let listed = daemon(&format!("proxy_protocol_from = [\"{LOCALHOST}\"]\nheader_read_timeout = \"500ms\""));
    for header in [line, &second, b"PROXY UNKNOWN\r\n"] {
        assert!(counted(&exchange(listed.public(), &with(header))));
    }
    let excluded = exchange(listed.public(), &with(b"PROXY TCP4 127.0.0.66 127.0.0.1 1 2\r\n"));
    assert_eq!(excluded.json()["reason"], "excluded");
    for (bytes, reason) in [
        (with(b""), "proxy_missing"),
        (with(b"PROXY TCP4 nobody 127.0.0.1 1 2\r\n"), "proxy_malformed"),
        (with(&[&second[..14], &[0xff, 0xff]].concat()), "proxy_malformed"),
    ] {
        let before = rejected(&listed, reason);
        assert_eq!(exchange(listed.public(), &bytes).status, 0);
        assert_eq!(rejected(&listed, reason), before + 1, "{reason}");
    }
    let mut slow = TcpStream::connect(listed.public()).unwrap();
    slow.set_read_timeout(Some(PATIENCE)).unwrap();
    slow.write_all(&line[..12]).unwrap();
    assert!(!slow.read(&mut [0]).is_ok_and(|read| read > 0), "it is not waited for without end");
    assert_eq!(rejected(&listed, "proxy_late"), 1);
}

/// Sends a request through a unix socket and reads to the end.
fn ask(path: &Path, request: &[u8]) -> Reply {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok();
    parse(&bytes)
}

#[test]
fn unix_sockets_serve_both_listeners_and_stale_ones_make_room() {
    use std::os::unix::fs::PermissionsExt;
    let mut daemon = Daemon::stopped(&format!("socket_mode = \"0640\"\ntrusted_proxies = []\n{SITE}"));
    let (public, admin) = (daemon.directory.path().join("p.sock"), daemon.directory.path().join("a.sock"));
    daemon.flag("--listen", &format!("unix:{}", public.display()));
    daemon.flag("--admin-listen", &format!("unix:{}", admin.display()));
    daemon.restart();
    assert!(logged(&daemon, "serving address=unix:").contains("admin pages address=unix:"));
    let mode = std::fs::metadata(&public).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    // Always trusted, whatever trusted_proxies says.
    assert!(counted(&ask(&public, &browser("/hit?s=vks&u=/a", "198.51.100.1"))));
    assert_eq!(ask(&public, &browser("/hit?s=vks&u=/a", "127.0.0.66")).json()["reason"], "excluded");
    let welcome = ask(&public, b"GET / HTTP/1.0\r\nUser-Agent: Firefox\r\n\r\n").text();
    assert!(welcome.contains(&format!("proxy_pass http://unix:{}:/;", public.display())), "{welcome}");
    assert!(ask(&admin, b"GET /readyz HTTP/1.0\r\n\r\n").text().starts_with("ready"));
    // Another one may not take it; after a crash the next one may.
    let other = Daemon::stopped(SITE);
    let (code, said) = other.refuses_to_start(&["--listen", &format!("unix:{}", public.display())]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("p.sock: ") && said.contains("another headcount, answers there"), "{said}");
    daemon.kill();
    assert!(public.exists());
    daemon.restart();
    assert!(counted(&ask(&public, &browser("/hit?s=vks&u=/a", "198.51.100.1"))));
    daemon.stop();
    assert!(!public.exists() && !admin.exists(), "a stop removes them");
    let (code, said) = other.refuses_to_start(&["--listen", "unix:/nonexistent/p.sock"]);
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("cannot listen on unix:/nonexistent/p.sock: ") && said.contains("make its directory")
    );
    std::fs::write(&public, "a diary").unwrap();
    let (code, said) = other.refuses_to_start(&["--listen", &format!("unix:{}", public.display())]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("is no socket: move it away"), "{said}");
}

#[test]
fn a_live_stream_through_a_unix_socket_ends_with_its_reader() {
    let (daemon, path) = daemon_with_socket("");
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(b"GET /live/vks HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut seen = Vec::new();
    while !seen.windows(14).any(|window| window == b"event: numbers") {
        let mut bytes = [0; 4096];
        let read = stream.read(&mut bytes).unwrap();
        assert!(read > 0);
        seen.extend_from_slice(&bytes[..read]);
    }
    assert_eq!(daemon.count("headcount_live_streams"), 1);
    drop(stream);
    wait_for(|| (daemon.count("headcount_live_streams") == 0).then_some(()));
}
