//! What a log holds besides the pages of the site: the counter's own requests, other hosts, itself once more, and
//! days that are finished.

use std::fmt::Write as _;

use super::{BEGAN, SITE, days, import, line, outcome, refused, write};
use crate::support::Daemon;

/// One request by one reader each, so that each would be a view.
fn requests(paths: &[&str]) -> String {
    let mut text = String::new();
    for (second, path) in (BEGAN..).zip(paths) {
        text.push_str(&line(second, "203.0.113.9", path));
    }
    text
}

#[test]
fn requests_for_headcount_itself_are_no_views() {
    let own = [
        "/hc/",
        "/hc/snippet/vks.html?frame",
        "/hc/hit?s=vks&u=%2F",
        "/hc/hit.gif?s=vks",
        "/hc/live/vks",
        "/hc/snippet/vks.json",
        "/hc/snippet/vks.txt",
        "/hc/snippet/vks.js?callback=show",
        "/hc/badge/vks.json",
        "/hc/headcount.js",
        "https://www.example.vn/hc/live/vks?page=/",
    ];
    let pages = ["/", "/hcx/", "/a/hc/", "/live/vks", "/hit"];
    let daemon = Daemon::stopped(&format!("public_url = \"https://www.example.vn/hc\"\n{SITE}"));
    let log = write(&daemon, "access.log", requests(&[&own[..], &pages[..]].concat()).as_bytes());
    let summary = import(&daemon, &[&log]);
    assert_eq!((outcome(&summary, "own"), outcome(&summary, "counted")), (11, 5), "{summary}");
    let everything = Daemon::stopped(&format!("public_url = \"https://www.example.vn/hc\"\n{SITE}"));
    assert_eq!(outcome(&import(&everything, &["--everything", &log]), "counted"), 16);
}

#[test]
fn without_a_path_of_its_own_the_routes_of_headcount_are_told_by_their_names() {
    let own = [
        "/hit?s=vks&u=%2F",
        "/hit.gif?s=vks",
        "/snippet/vks.html?frame",
        "/snippet/other.json",
        "/snippet/vks.js",
        "/badge/vks.json",
        "/live/vks?page=/",
        "/headcount.js",
    ];
    let pages =
        ["/", "/hits", "/hit/parade", "/live/", "/live/football", "/snippet/of-the-day.html", "/badge/"];
    for url in ["", "public_url = \"https://count.example.vn\"\n"] {
        let daemon = Daemon::stopped(&format!("{url}{SITE}"));
        let log = write(&daemon, "access.log", requests(&[&own[..], &pages[..]].concat()).as_bytes());
        let summary = import(&daemon, &[&log]);
        assert_eq!((outcome(&summary, "own"), outcome(&summary, "counted")), (8, 7), "{summary}");
    }
}

#[test]
fn lines_that_begin_with_the_host_count_by_their_client_and_only_for_the_hosts_of_the_site() {
    let daemon = Daemon::stopped(&SITE.replacen("id = \"vks\"", "id = \"vks\"\nhosts = [\"example.vn\"]", 1));
    let mut text = String::new();
    for (n, host) in ["example.vn:443", "example.vn", "EXAMPLE.vn:80", "other.example:443", "other.example"]
        .into_iter()
        .enumerate()
    {
        let line = line(BEGAN, &format!("203.0.113.{n}"), &format!("/p{n}"));
        write!(text, "{host} {line}").unwrap();
    }
    let log = write(&daemon, "other_vhosts_access.log", text.as_bytes());
    let summary = import(&daemon, &[&log]);
    assert_eq!((outcome(&summary, "counted"), outcome(&summary, "foreign_host")), (3, 2), "{summary}");
    assert_eq!(days(&daemon), ["2024-03-01,day,,3,3,3"]);
}

#[test]
fn a_log_that_begins_again_within_itself_counts_once_and_is_refused_there() {
    let daemon = Daemon::stopped(SITE);
    let lines: Vec<String> =
        (0..120).map(|n| line(BEGAN + n, &format!("203.0.113.{}", n % 9), &format!("/p{n}"))).collect();
    let once = lines.concat();
    let twice = write(&daemon, "twice.log", once.repeat(2).as_bytes());
    refused(&daemon, &[&twice], "line 121 of twice.log");
    refused(&daemon, &[&twice], "begins again");
    assert_eq!(days(&daemon), ["2024-03-01,day,,120,9,9"]);
    let alone = write(&daemon, "alone.log", once.as_bytes());
    assert_eq!(outcome(&import(&daemon, &[&alone]), "already"), 120);
    // A line like the first one is an equal request near its place, and another one that comes late is no beginning.
    let equal = [&lines[0], &lines[0], &lines[70], &lines[1], &lines[119], &lines[20]];
    let equal: String = equal.map(String::as_str).concat();
    let equal = write(&daemon, "equal.log", equal.replace("/p", "/q").as_bytes());
    assert_eq!(outcome(&import(&daemon, &["--overlap", &equal]), "counted"), 6);
}

#[test]
fn the_lines_of_a_finished_day_count_and_its_readers_anew_and_that_is_told() {
    let daemon = Daemon::stopped(SITE);
    let of =
        |from: i64| (from..from + 10).map(|n| line(BEGAN + 600 * n, "203.0.113.9", "/")).collect::<String>();
    let (first, second) = (of(0), of(10));
    let first = write(&daemon, "a.log", first.as_bytes());
    assert_eq!(import(&daemon, &[&first])["days_with_visitors_anew"], 0);
    daemon.print("import", &["--finish"]);
    let second = write(&daemon, "b.log", second.as_bytes());
    let text = daemon.print("import", &["--site", "vks", &second]);
    let note = "1  days, the first 2024-03-01, had visitors whose secret is erased";
    assert!(text.contains(note), "{text}");
    assert_eq!(days(&daemon), ["2024-03-01,day,,20,2,2"]);
}
