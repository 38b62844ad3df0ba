//! A machine of its own for one test: a real systemd as process 1 of namespaces over a copy-on-write view
//! of this machine's root (`machine.sh`), with the units as they are shipped and the binary under test.

use std::fs::{self, File};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use nix::sched::{CloneFlags, setns};
use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::client::browser;
use super::{PATIENCE, Reply, get, parse, wait_for};

/// Where the shipped socket listens.
pub const PUBLIC: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 80);
/// Where the shipped admin socket listens.
pub const ADMIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8081);

/// The shipped units.
const UNITS: [&str; 4] =
    ["headcount.service", "headcount.socket", "headcount-admin.socket", "headcount-tls.socket"];

/// A machine that runs; it is gone when this is dropped.
pub struct Machine {
    directory: TempDir,
    outside: Child,
    init: u32,
}

impl Machine {
    /// Boots one with the units installed, this configuration, and nothing started; `None`, told loudly,
    /// where namespaces are not permitted. Under CI they must be.
    pub fn boot(configuration: &str) -> Option<Machine> {
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        let unit = |name| format!("{}=/etc/systemd/system/{name}", config.join(name).display());
        let mut files = vec![format!("{}=/usr/bin/headcount", env!("CARGO_BIN_EXE_headcount"))];
        files.extend(UNITS.map(unit));
        let machine = Machine::with(&files)?;
        machine.configure(configuration);
        Some(machine)
    }

    /// Boots one that never heard of headcount, as `boot` does.
    pub fn bare() -> Option<Machine> {
        let machine = Machine::with(&[])?;
        // What keeps packages from starting anything in the container that the tests run in.
        machine.must("rm -f /usr/sbin/policy-rc.d");
        Some(machine)
    }

    /// Boots one that sees each FILE=PLACE.
    fn with(files: &[String]) -> Option<Machine> {
        let directory = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/machine.sh");
        let mut command = Command::new("bash");
        command.arg(script).arg(directory.path()).args(files);
        let console = File::create(directory.path().join("console")).unwrap();
        command.stdin(Stdio::null()).stdout(console.try_clone().unwrap()).stderr(console);
        let mut outside = command.spawn().unwrap();
        let booted = wait_for(|| {
            if outside.try_wait().unwrap().is_some() {
                return Some(None);
            }
            let init = child_of(outside.id())?;
            let state = enter(init, "systemctl is-system-running").output().unwrap();
            matches!(state.stdout.as_slice(), b"running\n" | b"degraded\n").then_some(Some(init))
        });
        let Some(init) = booted else {
            let why = fs::read_to_string(directory.path().join("console")).unwrap();
            assert!(std::env::var_os("CI").is_none(), "CI must be able to boot a systemd: {why}");
            // Past the capture of the test harness, so that nobody takes this for a success.
            let text = format!("SKIPPED: no systemd can be booted here (are you root?): {why}\n");
            std::io::stderr().write_all(text.as_bytes()).unwrap();
            return None;
        };
        Some(Machine { directory, outside, init })
    }

    /// Boots one and starts the service, which must become ready.
    pub fn serving(configuration: &str) -> Option<Machine> {
        let machine = Machine::boot(configuration)?;
        machine.must("systemctl start headcount.socket headcount-admin.socket headcount.service");
        Some(machine)
    }

    /// A directory that the machine sees as `/share`.
    pub fn share(&self) -> &Path {
        self.directory.path()
    }

    /// Writes the configuration of the service.
    pub fn configure(&self, text: &str) {
        fs::write(self.share().join("headcount.toml"), text).unwrap();
        self.must("install -D -m 644 /share/headcount.toml /etc/headcount/headcount.toml");
    }

    /// Adds a drop-in to the service.
    pub fn drop_in(&self, text: &str) {
        fs::write(self.share().join("test.conf"), text).unwrap();
        self.must("install -D /share/test.conf /etc/systemd/system/headcount.service.d/test.conf");
        self.must("systemctl daemon-reload");
    }

    /// Runs a script inside, as root.
    pub fn run(&self, script: &str) -> Output {
        enter(self.init, script).output().unwrap()
    }

    /// Runs a script that must succeed and gives what it printed.
    pub fn must(&self, script: &str) -> String {
        let output = self.run(script);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}: {said}\n{}", self.journal());
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// A property of the service, such as `MainPID`.
    pub fn property(&self, name: &str) -> String {
        self.must(&format!("systemctl show --value --property={name} headcount.service"))
    }

    /// What the service has written, and systemd about it.
    pub fn journal(&self) -> String {
        let output =
            self.run("journalctl --sync; journalctl --unit=headcount.service --output=cat --no-pager");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Waits until the journal of the service has these words, and gives it whole.
    pub fn logged(&self, words: &str) -> String {
        let began = std::time::Instant::now();
        loop {
            let journal = self.journal();
            if journal.contains(words) {
                return journal;
            }
            assert!(began.elapsed() < PATIENCE, "{words:?} is not in\n{journal}");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    /// Does something in the network of the machine.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let network = self.network();
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                setns(network, CloneFlags::CLONE_NEWNET).unwrap();
                work()
            });
            thread.join().unwrap()
        })
    }

    /// A GET from inside.
    pub fn get(&self, address: SocketAddr, path: &str) -> Reply {
        self.inside(|| get(address, path, &[]))
    }

    /// Views of the site `demo`, from now until they are ended.
    pub fn load(&self, threads: usize) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..threads).map(|thread| {
            let (network, stop) = (self.network(), Arc::clone(&stop));
            std::thread::spawn(move || {
                setns(network, CloneFlags::CLONE_NEWNET).unwrap();
                let mut seen = Seen::default();
                for n in 0_u64.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    seen.send(&format!("198.51.{thread}.{}", n % 250));
                }
                seen
            })
        });
        let threads = threads.collect();
        Load { stop, threads }
    }

    fn network(&self) -> File {
        File::open(format!("/proc/{}/ns/net", self.init)).unwrap()
    }

    /// A thread of the service, by its name, as this machine numbers it.
    pub fn thread(&self, name: &str) -> Pid {
        let here = fs::read_link(format!("/proc/{}/ns/pid", self.init)).unwrap();
        let is_ours = |process: &Path| {
            fs::read_to_string(process.join("comm")).is_ok_and(|comm| comm == "headcount\n")
                && fs::read_link(process.join("ns/pid")).is_ok_and(|there| there == here)
        };
        let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
        let process = processes.filter(|path| is_ours(path)).min().expect("the service runs");
        let threads = fs::read_dir(process.join("task")).unwrap().map(|entry| entry.unwrap().path());
        let called = |path: &PathBuf| fs::read_to_string(path.join("comm")).unwrap() == format!("{name}\n");
        let thread = threads.into_iter().find(called).expect("the thread is there");
        Pid::from_raw(thread.file_name().unwrap().to_str().unwrap().parse().unwrap())
    }

    /// Makes one thread of the service stand still until its process ends, as in a write to a disk that
    /// does not answer: a debugger's stop, which the other threads do not notice.
    pub fn freeze(&self, name: &str) -> JoinHandle<()> {
        let thread = self.thread(name);
        std::thread::spawn(move || {
            ptrace::seize(thread, ptrace::Options::empty()).unwrap();
            ptrace::interrupt(thread).unwrap();
            // First the stop, then the end, which nobody else can take notice of.
            for _ in 0..2 {
                waitpid(thread, Some(WaitPidFlag::__WALL)).unwrap();
            }
        })
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.outside.kill().ok();
        self.outside.wait().ok();
        let Ok(branch) = fs::read_to_string(self.directory.path().join("branch")) else { return };
        // Its processes are gone a moment after process 1 is.
        wait_for(|| remove_groups(Path::new(branch.trim_end())).is_ok().then_some(()));
    }
}

/// Removes a branch of the control groups, which must be empty.
fn remove_groups(branch: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(branch)? {
        let path = entry?.path();
        if path.is_dir() {
            remove_groups(&path)?;
        }
    }
    fs::remove_dir(branch)
}

/// The first child of a process, as this machine numbers it.
pub fn child_of(process: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

fn enter(init: u32, script: &str) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["--target", &init.to_string(), "--all", "--", "/bin/sh", "-c", &format!("cd /; {script}")]);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null());
    command
}

/// Views that are being sent.
pub struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Seen>>,
}

impl Load {
    /// Ends it and says what became of the views.
    pub fn end(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Seen::default();
        for thread in self.threads {
            let seen = thread.join().unwrap();
            all.counted += seen.counted;
            all.refused += seen.refused;
            all.broken += seen.broken;
            all.others.extend(seen.others);
        }
        all
    }
}

/// What became of views, each sent over a connection of its own.
#[derive(Debug, Default)]
pub struct Seen {
    /// Answered as counted.
    pub counted: u64,
    /// Connections that were refused.
    pub refused: u64,
    /// Connections that ended without an answer.
    pub broken: u64,
    /// Answers of another kind.
    pub others: Vec<String>,
}

impl Seen {
    fn send(&mut self, client: &str) {
        let Ok(mut stream) = TcpStream::connect(PUBLIC) else {
            self.refused += 1;
            return;
        };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = browser("/hit?s=demo&u=/a", client);
        let request = String::from_utf8(request).unwrap().replacen("\r\n", "\r\nConnection: close\r\n", 1);
        let mut bytes = Vec::new();
        let sent = stream.write_all(request.as_bytes());
        let read = std::io::Read::read_to_end(&mut stream, &mut bytes);
        let reply = parse(&bytes);
        match reply.status {
            200 if reply.json()["counted"] == true => self.counted += 1,
            0 => {
                self.broken += 1;
                self.others.push(format!("{sent:?} {read:?}"));
            }
            _ => self.others.push(reply.text()),
        }
    }
}
