//! Start, count, show, stop, start again: what a new user meets.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{Daemon, get, wait_for};

const ONE_SITE: &str = "[[site]]\nid = \"demo\"\ntime_zone = \"Asia/Ho_Chi_Minh\"\nlanguage = \"vi\"\n";

#[test]
fn a_view_is_counted_shown_and_kept_through_a_restart() {
    let mut daemon = Daemon::start(ONE_SITE);
    let reply = daemon.get("/hit?s=demo&u=/tin-tuc", &[]).json();
    assert_eq!(reply["counted"], true);
    assert_eq!(reply["total"]["views"], 1);
    assert_eq!(reply["page"]["path"], "/tin-tuc");
    let (code, log) = daemon.stop();
    assert_eq!(code, 0, "{log}");
    daemon.restart();
    let numbers = daemon.numbers("demo");
    assert_eq!((numbers["total"]["views"].as_u64(), numbers["online"].as_u64()), (Some(1), Some(1)));
}

#[test]
fn the_default_snippet_reads_as_on_the_founding_site() {
    let daemon = Daemon::start(ONE_SITE);
    daemon.print("adjust", &["demo", "visits", "+1333796", "--reason", "the old counter"]);
    let text = wait_for(|| {
        let text = daemon.get("/snippet/demo.txt", &[]).text();
        text.contains("1,333,796").then_some(text)
    });
    assert_eq!(text, "Số lượt truy cập: 1,333,796 lượt\nSố người online: 0 người\n");
}

/// The files of a directory, all the way down, with what they hold; sockets hold nothing.
fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .flat_map(|path| match path.metadata().unwrap() {
            found if found.is_dir() => files(&path),
            found if found.is_file() => vec![(path.display().to_string(), fs::read(&path).unwrap())],
            _ => Vec::new(),
        })
        .collect();
    files.sort();
    files
}

#[test]
fn the_demo_shows_a_day_of_made_up_people_leaves_nothing_behind_and_never_touches_real_counts() {
    let mut real = Daemon::start(ONE_SITE);
    assert_eq!(real.get("/hit?s=demo&u=/tin-tuc", &[]).json()["counted"], true);
    real.stop();
    let before = files(&real.state());
    let temporary = tempfile::tempdir().unwrap();
    let demo = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_headcount"));
        command.args(["demo", "--any-ports", "--people", "2000"]).env("TMPDIR", temporary.path());
        // What a service or a shell says of the real one is not heard.
        command.env("HEADCOUNT_CONFIG", real.configuration()).env("HEADCOUNT_STATE_DIRECTORY", real.state());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let mut child = demo().stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let address = lines.skip_while(|line| !line.contains("its numbers")).find_map(|line| {
        let (_, address) = line.split_once("http://")?;
        address.split_once('/')?.0.parse().ok()
    });
    let numbers = get(address.unwrap(), "/snippet/news.json", &[]).json();
    let of = |period: &str, what: &str| numbers[period][what].as_u64().unwrap();
    // The last day lies in two days of the calendar.
    assert!(of("today", "views") + of("yesterday", "views") > 1_000, "{numbers}");
    assert!(of("today", "visitors") * 2 >= of("today", "visits"), "{numbers}");
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 1);
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);

    let refused = demo().arg("--state-directory").arg(real.state()).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("is not empty, and the demo never adds made-up people to what is there"), "{said}");
    assert!(files(&real.state()) == before, "not a byte of the real counts has changed");
}

#[test]
fn the_demo_comes_to_a_running_daemon_that_has_counted_nothing_and_to_no_other() {
    let mut daemon = Daemon::start(
        "[[site]]\nid = \"a\"\ntime_zone = \"UTC\"\n[[site]]\nid = \"b\"\ntime_zone = \"UTC\"\n",
    );
    let demo = |daemon: &Daemon| {
        let mut command = daemon.command("demo", &["--running", "--people", "400000"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let mut child = demo(&daemon).spawn().unwrap();
    let first = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    assert!(
        first.ends_with("views that nobody made, and more coming until Ctrl-C. All of it is made up,"),
        "{first}"
    );
    let filled: u64 = first.split(' ').find_map(|word| word.parse().ok()).unwrap();
    let [a, b] = ["a", "b"].map(|site| daemon.numbers(site)["total"]["views"].as_u64().unwrap());
    assert!(a > b && a + b >= filled, "{a} {b} {filled}");
    // More come, with beacons of their own.
    wait_for(|| (daemon.numbers("a")["online"].as_u64() > Some(0)).then_some(()));
    // It goes with the daemon: whoever takes the port then may count real people.
    daemon.stop();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    daemon.restart();

    let refused = demo(&daemon).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(
        said.contains("headcount: site a in ") && said.contains("never adds made-up people to real ones"),
        "{said}"
    );

    let empty = tempfile::tempdir().unwrap();
    let nobody = Command::new(env!("CARGO_BIN_EXE_headcount"))
        .args(["demo", "--running", "--state-directory"])
        .arg(empty.path())
        .env_clear()
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&nobody.stderr).into_owned();
    assert_eq!(nobody.status.code(), Some(1), "{said}");
    assert!(said.contains("no daemon runs in ") && said.contains("start one by `headcount serve`"), "{said}");
}

#[test]
fn status_asks_a_daemon_whose_configuration_has_got_a_mistake_meanwhile() {
    let daemon = Daemon::start(ONE_SITE);
    let file = daemon.directory.path().join("other.toml");
    let state = daemon.state().display().to_string();
    fs::write(&file, format!("state_directory = \"{state}\"\nworkers = \"many\"\n")).unwrap();
    let status = |file: &Path| {
        let output = Command::new(env!("CARGO_BIN_EXE_headcount"))
            .args(["status", "--config"])
            .arg(file)
            .env_clear()
            .output()
            .unwrap();
        let said = [&output.stdout[..], &output.stderr[..]].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    };
    let (code, said) = status(&file);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(", healthy, up ") && said.contains("the configuration has mistakes now"), "{said}");
    fs::write(&file, format!("state_directory = \"{state}-of-nobody\"\nworkers = \"many\"\n")).unwrap();
    let (code, said) = status(&file);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("other.toml:2: workers = \"many\""), "{said}");
}

#[test]
fn a_journal_that_somebody_took_away_is_told_of() {
    let mut daemon = Daemon::start(ONE_SITE);
    assert_eq!(daemon.get("/hit?s=demo&u=/a", &[]).json()["counted"], true);
    // It adds up what it has before it prints.
    daemon.print("export", &["demo"]);
    daemon.kill();
    for entry in fs::read_dir(daemon.state().join("journal")).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    daemon.restart();
    assert!(daemon.log().contains("files of the journal are gone that the store knows"), "{}", daemon.log());
    assert_eq!(daemon.numbers("demo")["total"]["views"], 1);
}
