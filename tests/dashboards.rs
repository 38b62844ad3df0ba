//! What is generated is what is checked in, and real Prometheus tools take it.

mod lint;
mod watched;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use headcount::dashboards::{self, RUNBOOKS};
use serde_json::Value;

use crate::support::Daemon;
use crate::support::chromium::is_installed;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards")
}

/// The dashboards as they are checked in, with their names.
fn boards() -> Vec<(String, Value)> {
    let read = |name: &str| {
        let text = fs::read_to_string(directory().join(format!("{name}.json"))).unwrap();
        (name.to_owned(), serde_json::from_str(&text).unwrap())
    };
    ["traffic", "health", "fleet"].map(read).into()
}

/// Every panel that asks something.
fn panels(board: &Value) -> impl Iterator<Item = &Value> {
    board["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row")
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value}"))
}

#[test]
fn the_files_are_those_that_are_generated() {
    let mut files: Vec<(String, String)> =
        dashboards::dashboards().into_iter().map(|file| (file.name, file.text)).collect();
    files.push(("headcount.rules.yml".to_owned(), dashboards::rules(RUNBOOKS)));
    files.push(("headcount.rules.test.yml".to_owned(), dashboards::rule_tests()));
    for (name, made) in files {
        let path = directory().join(&name);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &made).unwrap();
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == made, "dashboards/{name} is not what is generated; UPDATE_GOLDEN=1 rewrites it");
    }
}

#[test]
fn the_command_writes_the_same_files() {
    let daemon = Daemon::stopped("");
    let made = daemon.directory.path().join("made/here");
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_headcount")).args(arguments).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, said, _) = run(&["generate", "dashboards", "--into", made.to_str().unwrap()]);
    assert_eq!((code, said.lines().count()), (Some(0), 3), "{said}");
    for name in ["traffic.json", "health.json", "fleet.json"] {
        assert_eq!(fs::read(made.join(name)).unwrap(), fs::read(directory().join(name)).unwrap(), "{name}");
    }
    let (_, rules, _) = run(&["generate", "rules"]);
    assert_eq!(rules, fs::read_to_string(directory().join("headcount.rules.yml")).unwrap());
    let (_, rules, _) = run(&["generate", "rules", "--runbooks", "https://wiki.example.vn/headcount"]);
    assert!(rules.contains("https://wiki.example.vn/headcount#headcountdown"), "{rules}");
    let file = daemon.configuration();
    let (code, _, said) = run(&["generate", "dashboards", "--into", file.join("below").to_str().unwrap()]);
    assert!(code == Some(1) && said.contains("cannot write") && said.contains("below"), "{code:?} {said}");
}

/// What promtool says, and whether it is content.
fn promtool(arguments: &[&str], input: &str) -> (bool, String) {
    let mut command = Command::new("promtool");
    command.args(arguments).current_dir(directory());
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (output.status.success(), said)
}

#[test]
fn promtool_takes_the_rules_and_every_alert_fires_and_stays_silent() {
    if !is_installed("promtool") {
        return;
    }
    for arguments in [
        &["check", "rules", "headcount.rules.yml"][..],
        &["check", "config", "prometheus.yml"],
        &["test", "rules", "headcount.rules.test.yml"],
    ] {
        let (good, said) = promtool(arguments, "");
        assert!(good, "{arguments:?}: {said}");
    }
    // The tests are able to fail: an alert that lasts no time fires in its silent situation.
    let broken = tempfile::tempdir().unwrap();
    let rules = dashboards::rules(RUNBOOKS).replace("for: 2m", "for: 0m").replace("== 0", "== 1");
    fs::write(broken.path().join("headcount.rules.yml"), rules).unwrap();
    fs::write(broken.path().join("tests.yml"), dashboards::rule_tests()).unwrap();
    let (good, said) = promtool(&["test", "rules", broken.path().join("tests.yml").to_str().unwrap()], "");
    assert!(!good && said.contains("HeadcountDown"), "{said}");
}

#[test]
fn promtool_takes_the_metrics_page() {
    if !is_installed("promtool") {
        return;
    }
    let sites: String =
        ["a", "b", "c"].map(|id| format!("[[site]]\nid = \"{id}\"\ntime_zone = \"UTC\"\n")).concat();
    let daemon = Daemon::start(&format!("[metrics]\nmax_sites = 2\n{sites}"));
    daemon.get("/hit?s=a&u=/", &[]);
    daemon.get("/hit?s=c&u=/", &[]);
    daemon.get("/hit?s=c&u=/&k=wrong", &[]);
    let page = daemon.admin_get("/metrics").text();
    let (good, said) = promtool(&["check", "metrics"], &page);
    assert!(good && said.is_empty(), "{said}");
}

#[test]
fn sites_beyond_the_bound_are_one_line_and_nothing_is_lost() {
    let sites: String =
        ["a", "b", "c"].map(|id| format!("[[site]]\nid = \"{id}\"\ntime_zone = \"UTC\"\n")).concat();
    let daemon = Daemon::start(&format!("[metrics]\nmax_sites = 1\n{sites}"));
    for path in ["/hit?s=b&u=/1", "/hit?s=b&u=/2", "/hit?s=a&u=/", "/hit?s=c&u=/"] {
        assert_eq!(daemon.get(path, &[]).status, 200);
    }
    assert!((daemon.metric("headcount_views_total{site=\"b\"}") - 2.0).abs() < f64::EPSILON);
    assert!((daemon.metric("headcount_views_total{site=\"_other\"}") - 2.0).abs() < f64::EPSILON);
    assert!((daemon.metric("headcount_sites_folded") - 2.0).abs() < f64::EPSILON);
    daemon.get("/hit?s=a&u=/1", &[]);
    daemon.get("/hit?s=a&u=/2", &[]);
    assert!(
        (daemon.metric("headcount_views_total{site=\"_other\"}") - 4.0).abs() < f64::EPSILON,
        "and it stays so"
    );
    assert!(
        (daemon.metric("headcount_period_views{site=\"_other\",period=\"today\"}") - 4.0).abs()
            < f64::EPSILON
    );
}

#[test]
fn counters_of_a_site_do_not_follow_an_adjustment() {
    let daemon = Daemon::start("[[site]]\nid = \"demo\"\ntime_zone = \"UTC\"\n");
    daemon.get("/hit?s=demo&u=/", &[]);
    crate::support::wait_for(|| (daemon.metric("headcount_visits_total{site=\"demo\"}") > 0.5).then_some(()));
    daemon.print("adjust", &["demo", "visits", "+100", "--reason", "the old counter"]);
    daemon.print("adjust", &["demo", "visits", "-50", "--reason", "too many"]);
    let of = |name: &str| daemon.metric(name);
    assert!((of("headcount_visits_total{site=\"demo\"}") - 1.0).abs() < f64::EPSILON);
    assert!((of("headcount_period_visits{site=\"demo\",period=\"all_time\"}") - 51.0).abs() < f64::EPSILON);
}

#[test]
fn every_alert_has_a_section_in_the_readme() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    for name in dashboards::alert_names() {
        assert!(readme.contains(&format!("\n#### {name}\n")), "{name}");
    }
}
