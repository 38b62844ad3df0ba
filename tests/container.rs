//! The Containerfile. No engine runs here, so the image is made by hand from what the file says: a root with the binary,
//! the libraries it names and the time zones, nothing else, and the process as number 1 of namespaces of its own.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use nix::sched::{CloneFlags, setns};
use tempfile::TempDir;

use crate::support::machine::child_of;
use crate::support::{Reply, get, wait_for};

/// Where the file says that the counter is reached.
const PUBLIC: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// The instructions of the stage that becomes the image.
struct Containerfile {
    instructions: Vec<(String, String)>,
}

impl Containerfile {
    fn read() -> Containerfile {
        let text = fs::read_to_string(root().join("config/Containerfile")).unwrap();
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let pairs = lines.map(|line| line.split_once(' ').expect("an instruction and its words"));
        let all: Vec<(String, String)> =
            pairs.map(|(name, words)| (name.to_owned(), words.to_owned())).collect();
        let last = all.iter().rposition(|(name, _)| name == "FROM").expect("a base");
        Containerfile { instructions: all[last..].to_vec() }
    }

    fn every<'a>(&'a self, instruction: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let instruction = instruction.to_owned();
        let is_it = move |(name, _): &&(String, String)| *name == instruction;
        self.instructions.iter().filter(is_it).map(|(_, words)| words.as_str())
    }

    /// The words of an instruction that must be there once.
    fn one(&self, instruction: &str) -> &str {
        let all: Vec<&str> = self.every(instruction).collect();
        assert_eq!(all.len(), 1, "{instruction}: {all:?}");
        all[0]
    }

    /// The words of an instruction in the form that needs no shell.
    fn command(&self, instruction: &str) -> Vec<String> {
        let words = self.one(instruction);
        let list = &words[words.find('[').expect("a list, since there is no shell")..];
        serde_json::from_str(list).unwrap()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The image, unpacked, and the volume beside it.
struct Image {
    directory: TempDir,
    file: Containerfile,
}

impl Image {
    fn make() -> Image {
        let (directory, file) = (tempfile::tempdir().unwrap(), Containerfile::read());
        let image = Image { directory, file };
        for copied in image.file.every("COPY") {
            let words: Vec<&str> = copied.split(' ').filter(|word| !word.starts_with("--")).collect();
            match words.as_slice() {
                ["/source/target/release/headcount", place] => {
                    image.put(Path::new(env!("CARGO_BIN_EXE_headcount")), place);
                }
                // The volume is made with the owner that the file says.
                ["/state", place] => {
                    assert!(copied.contains("--chown=65532:65532"), "{copied}");
                    assert_eq!(*place, image.file.one("VOLUME"));
                    chown(image.volume(), Some(65_532), Some(65_532)).unwrap();
                    fs::create_dir_all(image.at(place)).unwrap();
                }
                other => panic!("a COPY that this test does not know: {other:?}"),
            }
        }
        let named = Command::new("ldd").arg(env!("CARGO_BIN_EXE_headcount")).output().unwrap();
        for word in
            String::from_utf8(named.stdout).unwrap().split_whitespace().filter(|word| word.starts_with('/'))
        {
            image.put(Path::new(word), word);
        }
        for directory in ["proc", "tmp"] {
            fs::create_dir(image.at(directory)).unwrap();
        }
        image.put(Path::new("/usr/share/zoneinfo/Asia/Ho_Chi_Minh"), "/usr/share/zoneinfo/Asia/Ho_Chi_Minh");
        image
    }

    fn at(&self, place: &str) -> PathBuf {
        self.directory.path().join("root").join(place.trim_start_matches('/'))
    }

    fn volume(&self) -> PathBuf {
        let volume = self.directory.path().join("volume");
        fs::create_dir_all(&volume).unwrap();
        volume
    }

    fn put(&self, from: &Path, place: &str) {
        let to = self.at(place);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
    }

    fn environment(&self) -> BTreeMap<&str, &str> {
        self.file.every("ENV").map(|pair| pair.split_once('=').unwrap()).collect()
    }

    /// Starts a container; its root is read only, as engines can make it.
    fn start(&self) -> Container<'_> {
        let script = "ip link set lo up; cd \"$1\"; mount --bind root root; mount -t proc proc root/proc; \
                      mount -o remount,bind,ro root; mount --bind volume \"root$2\"; user=$3; shift 3; \
                      exec chroot --userspec=\"$user\" root \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child"]);
        command.args(["--propagation", "private", "bash", "-euc", script, "bash"]).arg(self.directory.path());
        command.args([self.file.one("VOLUME"), self.file.one("USER")]);
        command.args(self.file.command("ENTRYPOINT")).args(self.file.command("CMD"));
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        command.env_clear().env("PATH", path).envs(self.environment());
        let log = File::create(self.directory.path().join("log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Container { image: self, outside: command.spawn().unwrap() }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap()
    }
}

struct Container<'a> {
    image: &'a Image,
    outside: Child,
}

impl Container<'_> {
    /// Process 1 of the container, as this machine numbers it: a moment after the start there is none yet.
    fn first(&self) -> u32 {
        wait_for(|| child_of(self.outside.id()))
    }

    /// What an engine does for the health check: the command inside, as the user of the file.
    fn health(&self) -> Output {
        let (user, group) = self.image.file.one("USER").split_once(':').unwrap();
        let mut command = Command::new("nsenter");
        command.args([
            "--target",
            &self.first().to_string(),
            "--mount",
            "--pid",
            "--net",
            "--ipc",
            "--uts",
            "--root",
        ]);
        command.args(["--wd", "--setuid", user, "--setgid", group, "--"]);
        command.args(self.image.file.command("HEALTHCHECK"));
        command.env_clear().envs(self.image.environment()).output().unwrap()
    }

    fn becomes_healthy(&self) {
        wait_for(|| (self.health().status.code() == Some(0)).then_some(()));
    }

    fn send(&self, path: &str) -> Reply {
        let network = File::open(format!("/proc/{}/ns/net", self.first())).unwrap();
        let work = move || {
            setns(network, CloneFlags::CLONE_NEWNET).unwrap();
            get(PUBLIC, path, &[])
        };
        std::thread::scope(|scope| scope.spawn(work).join().unwrap())
    }

    /// Sends the stop signal of the file and gives the exit code.
    fn stop(mut self) -> Option<i32> {
        let signal = format!("-{}", self.image.file.one("STOPSIGNAL").trim_start_matches("SIG"));
        Command::new("kill").args([&signal, &self.first().to_string()]).status().unwrap();
        self.outside.wait().unwrap().code()
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        self.outside.kill().ok();
        self.outside.wait().ok();
    }
}

/// Whether namespaces can be made here; under CI they must.
fn may_run() -> bool {
    let tried =
        Command::new("unshare").args(["--mount", "--pid", "--net", "--fork", "true"]).output().unwrap();
    let why = String::from_utf8_lossy(&tried.stderr).into_owned();
    if !tried.status.success() {
        assert!(std::env::var_os("CI").is_none(), "CI must be able to make namespaces: {why}");
        let text = format!("SKIPPED: no container can be made here (are you root?): {why}\n");
        std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes()).unwrap();
    }
    tried.status.success()
}

#[test]
fn a_container_becomes_healthy_counts_stops_cleanly_and_keeps_its_numbers() {
    if !may_run() {
        return;
    }
    let image = Image::make();
    let container = image.start();
    container.becomes_healthy();
    let first = fs::read_to_string(format!("/proc/{}/status", container.first())).unwrap();
    assert!(
        first.contains("Name:\theadcount\n") && first.contains("\nUid:\t65532\t65532\t65532\t65532\n"),
        "{first}"
    );
    assert!(first.lines().any(|line| line.starts_with("NSpid:") && line.ends_with("\t1")), "{first}");
    assert_eq!(container.send("/hit?s=demo&u=/a").json()["counted"], true, "{}", image.log());
    assert_eq!(container.stop(), Some(0), "{}", image.log());

    let again = image.start();
    again.becomes_healthy();
    assert_eq!(again.send("/snippet/demo.json").json()["total"]["views"], 1);
    assert_eq!(again.stop(), Some(0));
}

#[test]
fn the_health_check_fails_while_the_daemon_hangs_or_cannot_count() {
    if !may_run() {
        return;
    }
    let image = Image::make();
    let container = image.start();
    container.becomes_healthy();
    let volume = image.volume();
    fs::rename(volume.join("control.sock"), volume.join("elsewhere")).unwrap();
    let unhealthy = container.health();
    assert_eq!(unhealthy.status.code(), Some(1));
    let said = String::from_utf8_lossy(&unhealthy.stderr).into_owned();
    assert!(said.contains("no daemon runs on /var/lib/headcount"), "{said}");
}

#[test]
fn a_volume_of_another_user_is_refused_by_name() {
    if !may_run() {
        return;
    }
    let image = Image::make();
    chown(image.volume(), Some(0), Some(0)).unwrap();
    let mut container = image.start();
    assert_eq!(container.outside.wait().unwrap().code(), Some(1), "{}", image.log());
    let log = image.log();
    assert!(log.contains("/var/lib/headcount") && log.contains("ermission denied"), "{log}");
}

#[test]
fn the_image_is_built_by_the_compiler_that_the_manifest_names_and_runs_as_nobody_in_particular() {
    let text = fs::read_to_string(root().join("config/Containerfile")).unwrap();
    let rust = env!("CARGO_PKG_RUST_VERSION");
    assert!(text.contains(&format!("FROM docker.io/library/rust:{rust}-slim-bookworm AS build\n")), "{rust}");
    let file = Containerfile::read();
    assert_eq!((file.one("USER"), file.one("STOPSIGNAL")), ("65532:65532", "SIGTERM"));
    assert_eq!(file.command("HEALTHCHECK"), ["/usr/bin/headcount", "status"]);
    let ignored = fs::read_to_string(root().join(".dockerignore")).unwrap();
    assert!(ignored.lines().any(|line| line == "target"), "what was built at home is not sent along");
}
