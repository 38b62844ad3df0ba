//! The real binary in a directory of its own, on free loopback ports, and a client that sends bytes
//! as they are.

pub mod client;

/// A real Chromium.
pub mod chromium;
/// A network that can be cut.
pub mod cut;
/// Nodes that share one count, and readers who wander between them.
pub mod fleet;
/// A machine with systemd.
pub mod machine;
/// Debian packages of the binary under test.
pub mod package;
/// Real servers of the shared store.
pub mod redis;
/// Certificates, and a client that speaks TLS.
pub mod secure;
/// The web server of a page that embeds the counter.
pub mod site;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// An ordinary browser.
pub const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
/// Ports below those that the system gives to clients, so that nobody else is given one meanwhile; the bus of
/// a Cluster lies 10,000 above.
const PORTS: std::ops::Range<u16> = 12_000..22_000;
/// Longer than anything takes here, so that only a hang reaches it.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A state directory and a configuration, with a daemon or without.
pub struct Daemon {
    /// Everything of this daemon.
    pub directory: TempDir,
    running: Option<Running>,
    environment: Vec<(String, String)>,
    flags: Vec<String>,
}

struct Running {
    child: Child,
    public: SocketAddr,
    admin: SocketAddr,
    log: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
}

impl Daemon {
    /// A daemon of this configuration, serving.
    pub fn start(configuration: &str) -> Daemon {
        let mut daemon = Daemon::stopped(configuration);
        daemon.restart();
        daemon
    }

    /// A configuration and an empty state directory.
    pub fn stopped(configuration: &str) -> Daemon {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("headcount.toml"), configuration).unwrap();
        Daemon { directory, running: None, environment: Vec::new(), flags: Vec::new() }
    }

    /// A variable for this daemon and its commands.
    pub fn variable(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// A flag of this daemon, beside those that every one is started with.
    pub fn flag(&mut self, name: &str, value: &str) {
        self.flags.extend([name.to_owned(), value.to_owned()]);
    }

    /// The state directory.
    pub fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// The configuration file.
    pub fn configuration(&self) -> PathBuf {
        self.directory.path().join("headcount.toml")
    }

    pub fn command(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_headcount"));
        let words: Vec<&str> = name.split(' ').collect();
        command.args(words).args(arguments).env_clear().env("HOME", self.directory.path());
        command
            .args(["--config".into(), self.configuration()])
            .args(["--state-directory".into(), self.state()]);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts the daemon, which must not be running, and waits until it serves.
    pub fn restart(&mut self) {
        assert!(self.running.is_none(), "it is running");
        let mut command =
            self.command("serve", &["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        command.args(&self.flags);
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = child.stderr.take().unwrap();
        let reader = std::thread::spawn({
            let log = Arc::clone(&log);
            move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    let mut log = log.lock().unwrap();
                    log.push_str(&line);
                    log.push('\n');
                }
            }
        });
        let addresses = wait_for(|| {
            let text = log.lock().unwrap().clone();
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the daemon ended with {status}: {text}");
            }
            let address = |before: &str| text.split_once(before)?.1.split_whitespace().next()?.parse().ok();
            Some((address("serving address=")?, address("admin pages address=")?))
        });
        let (public, admin) = addresses;
        self.running = Some(Running { child, public, admin, log, reader });
    }

    /// Whether it was started and not ended.
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("it is not running")
    }

    /// The public address.
    pub fn public(&self) -> SocketAddr {
        self.running().public
    }

    /// The admin address.
    pub fn admin(&self) -> SocketAddr {
        self.running().admin
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.running().child.id()
    }

    /// What it has logged in this life.
    pub fn log(&self) -> String {
        self.running().log.lock().unwrap().clone()
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let sent =
            Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Ends it at once, as a crash would. Gives the log.
    pub fn kill(&mut self) -> String {
        let mut running = self.running.take().expect("it is not running");
        running.child.kill().unwrap();
        running.child.wait().unwrap();
        running.reader.join().unwrap();
        Arc::into_inner(running.log).unwrap().into_inner().unwrap()
    }

    /// Stops it in order. Gives exit code and log.
    pub fn stop(&mut self) -> (i32, String) {
        self.signal("TERM");
        self.ended()
    }

    /// Waits for the end of one that was told to stop. Gives exit code and log.
    pub fn ended(&mut self) -> (i32, String) {
        let mut running = self.running.take().expect("it is not running");
        let status = wait_for(|| running.child.try_wait().unwrap());
        running.reader.join().unwrap();
        (status.code().unwrap_or(-1), Arc::into_inner(running.log).unwrap().into_inner().unwrap())
    }

    /// Runs a command beside it.
    pub fn run(&self, name: &str, arguments: &[&str]) -> Output {
        self.command(name, arguments).output().unwrap()
    }

    /// Starts a command beside it that goes on by itself.
    pub fn spawn(&self, name: &str, arguments: &[&str]) -> Child {
        let mut command = self.command(name, arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Starts the daemon, which must not be running, and ends it at once after this long, wherever it is.
    pub fn start_and_kill(&self, after: Duration) {
        assert!(self.running.is_none(), "it is running");
        let mut command =
            self.command("serve", &["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        let mut child = command.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(after);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Tries to start a daemon that must refuse, with these arguments too. Gives exit code and what it said.
    pub fn refuses_to_start(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = self.command("serve", arguments);
        let listens = |name: &str| arguments.contains(&name);
        for name in ["--listen", "--admin-listen"].into_iter().filter(|name| !listens(name)) {
            command.args([name, "127.0.0.1:0"]);
        }
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let began = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if began.elapsed() > PATIENCE {
                child.kill().unwrap();
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (status.code().unwrap_or(-1), said)
    }

    /// Runs a command that must succeed and gives what it printed.
    pub fn print(&self, name: &str, arguments: &[&str]) -> String {
        let output = self.run(name, arguments);
        assert!(output.status.success(), "{name} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// A GET as an ordinary browser sends it, with these headers too.
    pub fn get(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        get(self.public(), path, headers)
    }

    /// A GET on the admin listener.
    pub fn admin_get(&self, path: &str) -> Reply {
        get(self.admin(), path, &[])
    }

    /// The numbers of a site at this moment: a snippet is good for a second, so each call asks for one of
    /// its own, beside a page that nobody visits.
    pub fn numbers(&self, site: &str) -> Value {
        static CALLS: AtomicU64 = AtomicU64::new(0);
        let call = CALLS.fetch_add(1, Ordering::Relaxed);
        let mut numbers = self.get(&format!("/snippet/{site}.json?page=/nobody/{call}"), &[]).json();
        if let Some(numbers) = numbers.as_object_mut() {
            numbers.remove("page");
        }
        numbers
    }

    /// One line of the metrics page, such as `headcount_period_views{site="demo",period="today"}`.
    pub fn metric(&self, name: &str) -> f64 {
        let page = self.admin_get("/metrics").text();
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no metric {name}")).parse().unwrap()
    }

    /// The same of something that is counted.
    pub fn count(&self, name: &str) -> u64 {
        self.metric(name).to_string().parse().unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.child.kill().ok();
            running.child.wait().ok();
        }
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code; 0 when the connection ended without an answer.
    pub status: u16,
    /// Header names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("no JSON, {}: {}", self.status, self.text()))
    }
}

/// A GET as an ordinary browser sends it; headers given here come last and replace nothing.
pub fn get(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Reply {
    let mut lines = vec![format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close")];
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("user-agent")) {
        lines.push(format!("User-Agent: {FIREFOX}"));
    }
    lines.extend(headers.iter().map(|(name, value)| format!("{name}: {value}")));
    exchange(address, format!("{}\r\n\r\n", lines.join("\r\n")).as_bytes())
}

/// Sends bytes and reads to the end of the connection.
pub fn exchange(address: SocketAddr, request: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // A server that refuses early may close before all is sent.
    stream.write_all(request).ok();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok();
    parse(&bytes)
}

/// Reads a reply from the bytes of a connection.
pub fn parse(bytes: &[u8]) -> Reply {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let Some(end) = end else { return Reply { status: 0, headers: BTreeMap::new(), body: bytes.to_vec() } };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let status =
        lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok()).unwrap_or(0);
    let header =
        |line: &str| line.split_once(':').map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
    Reply { status, headers: lines.filter_map(header).collect(), body: bytes[end + 4..].to_vec() }
}

/// A port that is free, for a program that cannot say which one it took; and so is the one of its bus.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let width = PORTS.end - PORTS.start;
    let own = u16::try_from(std::process::id() % u32::from(width)).unwrap();
    loop {
        let port = PORTS.start + (own + NEXT.fetch_add(1, Ordering::Relaxed)) % width;
        let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if free(port) && free(port + 10_000) {
            return port;
        }
    }
}

/// Asks again and again until there is an answer; a hang ends the test.
pub fn wait_for<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "nothing happened for {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
