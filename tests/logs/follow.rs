//! A log that is being written is followed: through a rename, through a cut, past a daemon that goes away, and
//! behind a real nginx.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use serde_json::Value;

use super::{line, outcome};
use crate::support::chromium::is_installed;
use crate::support::client::{Wire, browser, counted, noon};
use crate::support::{Daemon, free_port, get, wait_for};

const LINES: u64 = 3_000;

fn start() -> (Daemon, PathBuf) {
    let daemon = Daemon::start(&format!("[[site]]\nid = \"vks\"\ntime_zone = \"{}\"\n", noon()));
    let log = daemon.directory.path().join("access.log");
    (daemon, log)
}

/// A follower, which ends with its test.
struct Follower(Option<Child>);

impl Follower {
    fn kill(&mut self) {
        if let Some(mut child) = self.0.take() {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.kill();
    }
}

fn follow(daemon: &Daemon, log: &Path) -> Follower {
    Follower(Some(daemon.spawn("import", &["--site", "vks", "--json", "--follow", log.to_str().unwrap()])))
}

/// Ends it as a supervisor does, and gives its account.
fn end(mut follower: Follower) -> Value {
    let mut child = follower.0.take().unwrap();
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    let (mut told, mut said) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut told).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{said}");
    serde_json::from_str(&told).unwrap_or_else(|_| panic!("{told} {said}"))
}

fn views(daemon: &Daemon) -> u64 {
    daemon.numbers("vks")["total"]["views"].as_u64().unwrap()
}

/// Every page was asked for once, so every page has one view.
fn each_once(daemon: &Daemon, lines: u64) {
    wait_for(|| (views(daemon) >= lines).then_some(()));
    let kept = daemon.print("export", &["vks", "--format", "csv"]);
    let pages: Vec<&str> = kept.lines().filter(|line| line.contains(",page,")).collect();
    assert_eq!(u64::try_from(pages.len()).unwrap(), lines);
    assert!(pages.iter().all(|page| page.split(',').nth(3) == Some("1")), "{pages:?}");
    assert_eq!(views(daemon), lines);
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

fn append(log: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(log).unwrap()
}

/// Writes lines, each of another page, and does something before some of them.
fn write_lines(mut file: File, mut before: impl FnMut(u64, &mut File)) {
    for n in 0..LINES {
        before(n, &mut file);
        let line = line(now(), &format!("203.0.113.{}", n % 200), &format!("/n{n}"));
        // In two pieces, as a full buffer is written.
        let (first, second) = line.split_at(line.len() / 3);
        file.write_all(first.as_bytes()).unwrap();
        file.write_all(second.as_bytes()).unwrap();
        if n % 10 == 0 {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

#[test]
fn a_renamed_log_is_read_to_its_end_and_the_new_one_from_its_beginning() {
    let (daemon, log) = start();
    let child = follow(&daemon, &log);
    let mut old: Option<(u64, File)> = None;
    write_lines(append(&log), |n, file| {
        if n % 1_000 == 500 {
            fs::rename(&log, log.with_extension(format!("log.{n}"))).unwrap();
            old = Some((n, file.try_clone().unwrap()));
        }
        // The server is told a little later.
        if old.as_ref().is_some_and(|(at, _)| n == at + 50) {
            *file = append(&log);
            old = None;
        }
    });
    each_once(&daemon, LINES);
    let summary = end(child);
    assert_eq!(outcome(&summary, "counted"), LINES, "{summary}");
}

#[test]
fn a_follower_says_at_once_that_beacons_count_the_site_already() {
    let (daemon, log) = start();
    assert!(counted(&Wire::open(daemon.public()).ask(&browser("/hit?s=vks&u=/", "10.0.0.1")).unwrap()));
    append(&log).write_all(line(now() + 1, "203.0.113.9", "/a").as_bytes()).unwrap();
    let mut child = daemon.spawn("import", &["--site", "vks", "--follow", log.to_str().unwrap()]);
    let mut said = std::io::BufReader::new(child.stderr.take().unwrap()).lines();
    let _follower = Follower(Some(child));
    let told = said.find(|text| text.as_ref().is_ok_and(|text| text.contains("--overlap"))).unwrap().unwrap();
    assert!(told.contains("counts beacons since 20") && told.contains("left out"), "{told}");
}

#[test]
fn a_log_that_is_copied_and_cut_is_read_to_the_end_of_its_copy() {
    let (daemon, log) = start();
    let child = follow(&daemon, &log);
    write_lines(append(&log), |n, file| {
        if n % 1_000 == 500 {
            fs::copy(&log, log.with_extension(format!("log.{n}"))).unwrap();
            file.set_len(0).unwrap();
        }
    });
    each_once(&daemon, LINES);
    let summary = end(child);
    assert_eq!(outcome(&summary, "counted"), LINES, "{summary}");
}

#[test]
fn a_daemon_or_a_follower_that_dies_is_got_over() {
    let (mut daemon, log) = start();
    let mut child = follow(&daemon, &log);
    let file = append(&log);
    write_lines(file, |n, file| match n {
        500 => drop(daemon.kill()),
        800 => daemon.restart(),
        1_200 | 2_200 => {
            child.kill();
        }
        1_500 | 2_600 => child = follow(&daemon, &log),
        // The log is rotated while nobody follows it.
        2_400 => {
            fs::rename(&log, log.with_extension("log.1")).unwrap();
            *file = append(&log);
        }
        _ => {}
    });
    each_once(&daemon, LINES);
    end(child);
}

#[test]
fn equal_lines_on_both_sides_of_a_rotation_all_count() {
    let (daemon, log) = start();
    let child = follow(&daemon, &log);
    let began = now() - 100;
    let equal = line(began, "203.0.113.1", "/again");
    for n in 0..3 {
        let first = line(began, "203.0.113.1", &format!("/n{n}"));
        append(&log).write_all((first + &equal.repeat(20)).as_bytes()).unwrap();
        wait_for(|| (views(&daemon) == n * 22 + 21).then_some(()));
        // One is put on the old log after it has got its other name.
        let old = log.with_extension(format!("log.{n}"));
        fs::rename(&log, &old).unwrap();
        append(&old).write_all(equal.as_bytes()).unwrap();
    }
    append(&log).write_all(line(began, "203.0.113.1", "/last").as_bytes()).unwrap();
    wait_for(|| (views(&daemon) == 67).then_some(()));
    assert_eq!(outcome(&end(child), "counted"), 67);
}

#[test]
fn a_follower_that_is_killed_behind_a_rotation_knows_the_open_visits_again() {
    let (daemon, log) = start();
    let began = now() - 300;
    fs::write(&log, line(began, "203.0.113.1", "/first")).unwrap();
    let mut child = follow(&daemon, &log);
    wait_for(|| (views(&daemon) == 1).then_some(()));
    fs::rename(&log, log.with_extension("log.1")).unwrap();
    fs::write(&log, line(began + 10, "203.0.113.2", "/second")).unwrap();
    wait_for(|| (views(&daemon) == 2).then_some(()));
    child.kill();
    append(&log).write_all(line(began + 20, "203.0.113.1", "/third").as_bytes()).unwrap();
    let child = follow(&daemon, &log);
    wait_for(|| (views(&daemon) == 3).then_some(()));
    assert_eq!(daemon.numbers("vks")["total"]["visits"], 2);
    assert_eq!(outcome(&end(child), "counted"), 1);
}

#[test]
fn a_log_that_is_not_there_is_waited_for() {
    let (daemon, log) = start();
    let child = follow(&daemon, &log);
    std::thread::sleep(std::time::Duration::from_millis(600));
    fs::write(&log, line(now(), "203.0.113.1", "/a")).unwrap();
    wait_for(|| (views(&daemon) == 1).then_some(()));
    assert_eq!(outcome(&end(child), "counted"), 1);
}

/// Lines of ten seconds, each of another page, in a log that tells of some seconds ago.
fn lines(log: u64, seconds_ago: i64) -> String {
    (0..10).map(|n| line(now() - seconds_ago + n, "203.0.113.7", &format!("/l{log}/{n}"))).collect()
}

fn gzip(path: &Path) {
    let packed = super::gzip(&fs::read(path).unwrap());
    fs::write(path.with_extension(format!("{}.gz", path.extension().unwrap().to_str().unwrap())), packed)
        .unwrap();
    fs::remove_file(path).unwrap();
}

#[test]
fn logs_that_came_and_went_while_nobody_followed_are_counted() {
    let (daemon, log) = start();
    let (one, two, three) =
        (log.with_extension("log.1"), log.with_extension("log.2"), log.with_extension("log.3"));
    // An older one was there before anybody followed; nobody asked for it.
    fs::write(&three, lines(9, 1_000)).unwrap();
    fs::write(&log, lines(0, 900)).unwrap();
    let mut child = follow(&daemon, &log);
    wait_for(|| (views(&daemon) == 10).then_some(()));
    child.kill();
    append(&log).write_all(lines(1, 800).as_bytes()).unwrap();
    fs::rename(&log, &two).unwrap();
    gzip(&two);
    fs::write(&one, lines(2, 700)).unwrap();
    fs::write(&log, lines(3, 600)).unwrap();
    let child = follow(&daemon, &log);
    wait_for(|| (views(&daemon) == 40).then_some(()));
    // Two rotations between two looks.
    fs::rename(&log, &two).unwrap();
    fs::write(&one, lines(4, 500)).unwrap();
    fs::write(&log, lines(5, 400)).unwrap();
    each_once(&daemon, 60);
    let summary = end(child);
    assert_eq!(
        (outcome(&summary, "counted"), &summary["remarks"]),
        (50, &serde_json::json!([])),
        "{summary}"
    );
}

#[test]
fn what_is_missed_is_said() {
    let (daemon, log) = start();
    fs::write(&log, lines(0, 900)).unwrap();
    let mut child = follow(&daemon, &log);
    wait_for(|| (views(&daemon) == 10).then_some(()));
    child.kill();
    append(&log).write_all(lines(1, 800).as_bytes()).unwrap();
    let elsewhere = daemon.directory.path().join("old");
    fs::create_dir(&elsewhere).unwrap();
    fs::rename(&log, elsewhere.join("access.log.1")).unwrap();
    fs::write(&log, lines(2, 700)).unwrap();
    let child = follow(&daemon, &log);
    wait_for(|| (views(&daemon) == 20).then_some(()));
    // Emptied by hand: there is no copy.
    fs::write(&log, "").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(600));
    fs::write(&log, lines(3, 600)).unwrap();
    wait_for(|| (views(&daemon) == 30).then_some(()));
    let summary = end(child);
    let remarks = summary["remarks"].as_array().unwrap();
    assert_eq!(remarks.len(), 2, "{summary}");
    assert!(remarks[0].as_str().unwrap().contains("If it was moved, import it"), "{summary}");
    assert!(remarks[1].as_str().unwrap().contains("there is no copy of it beside it"), "{summary}");
    let moved = elsewhere.join("access.log.1");
    assert_eq!(outcome(&super::import(&daemon, &[moved.to_str().unwrap()]), "counted"), 10);
    each_once(&daemon, 40);
}

#[test]
fn one_log_has_one_follower_and_standard_input_none() {
    let (daemon, log) = start();
    fs::write(&log, lines(0, 900)).unwrap();
    let child = follow(&daemon, &log);
    wait_for(|| (views(&daemon) == 10).then_some(()));
    let refused = |name: &str, code: i32, words: &str| {
        let output = daemon.run("import", &["--site", "vks", "--follow", name]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(words), "{said}");
    };
    refused(log.to_str().unwrap(), 1, "another `headcount import --follow` reads");
    refused("-", 2, "standard input cannot be followed");
    let pipe = daemon.directory.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    refused(pipe.to_str().unwrap(), 1, "is no plain file, so it cannot be followed");
    end(child);
}

struct Nginx {
    child: Child,
    port: u16,
}

impl Nginx {
    fn start(directory: &Path) -> Nginx {
        let port = free_port();
        let (here, file) = (directory.display(), directory.join("nginx.conf"));
        let configuration = format!(
            "daemon off;\nmaster_process on;\nworker_processes 2;\npid {here}/nginx.pid;\nevents {{}}\nhttp {{\n\
             access_log {here}/access.log combined;\n\
             client_body_temp_path {here}/b; proxy_temp_path {here}/p; fastcgi_temp_path {here}/f;\n\
             uwsgi_temp_path {here}/u; scgi_temp_path {here}/s;\n\
             server {{\nlisten 127.0.0.1:{port};\nlocation / {{ default_type text/html; return 200 ok; }}\n\
             location = /missing {{ return 404; }}\n}}\n}}\n"
        );
        fs::write(&file, configuration).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-p").arg(directory).arg("-c").arg(&file).args(["-e", "stderr"]);
        let child = command.spawn().unwrap();
        wait_for(|| TcpStream::connect(("127.0.0.1", port)).ok());
        Nginx { child, port }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.signal("TERM");
        self.child.wait().ok();
    }
}

#[test]
fn the_log_of_a_real_nginx_counts_what_nginx_served() {
    if !is_installed("nginx") {
        return;
    }
    let (daemon, log) = start();
    let nginx = Nginx::start(daemon.directory.path());
    let child = follow(&daemon, &log);
    let address = ([127, 0, 0, 1], nginx.port).into();
    let served: u64 = std::thread::scope(|scope| {
        let load = |thread: u64| {
            move || {
                let ask = |n: u64| match n % 10 {
                    0 => u64::from(get(address, "/missing", &[]).status != 404),
                    1 => u64::from(get(address, "/picture.png", &[]).status != 200),
                    2 => u64::from(get(address, "/", &[("User-Agent", "curl/8")]).status != 200),
                    _ => u64::from(get(address, &format!("/t{thread}/n{n}"), &[]).status == 200),
                };
                (0..500).map(ask).sum::<u64>()
            }
        };
        let threads: Vec<_> = (0..4).map(|thread| scope.spawn(load(thread))).collect();
        for n in 0..3 {
            std::thread::sleep(std::time::Duration::from_millis(700));
            fs::rename(&log, log.with_extension(format!("log.{n}"))).unwrap();
            nginx.signal("USR1");
            wait_for(|| log.exists().then_some(()));
        }
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(served, 4 * 500 * 7 / 10);
    let logged = |name: &str| fs::read_to_string(daemon.directory.path().join(name)).unwrap();
    let names = ["access.log", "access.log.0", "access.log.1", "access.log.2"];
    let pages = |text: String| text.lines().filter(|line| line.contains("\"GET /t")).count();
    let by_nginx: usize = names.iter().map(|name| pages(logged(name))).sum();
    assert_eq!(u64::try_from(by_nginx).unwrap(), served, "nginx logged what it served");
    wait_for(|| (views(&daemon) >= served).then_some(()));
    let summary = end(child);
    assert_eq!((outcome(&summary, "counted"), views(&daemon)), (served, served), "{summary}");
    assert_eq!((outcome(&summary, "robot"), outcome(&summary, "static")), (200, 200), "{summary}");
}
