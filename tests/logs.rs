//! Logs of a server are counted: each line once, however often it is read, wherever an import was cut off, and
//! through every rotation.

mod follow;
mod seams;

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::support::client::{Dice, browser, counted, noon};
use crate::support::{Daemon, FIREFOX, exchange, wait_for};

const SITE: &str = "[retention]\ndetails = \"3650d\"\n[[site]]\nid = \"vks\"\ntime_zone = \"Asia/Ho_Chi_Minh\"\n[[site]]\nid = \"other\"\n";
/// 29 lines, of which 14 count; each line says in its path or status why it stands there.
const SMALL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/access.log");
/// 2024-03-01T00:00:00Z
const BEGAN: i64 = 1_709_251_200;

/// Imports that must succeed, and the account of it.
fn import(daemon: &Daemon, arguments: &[&str]) -> Value {
    let arguments: Vec<&str> = ["--site", "vks", "--json"].iter().chain(arguments).copied().collect();
    serde_json::from_str(&daemon.print("import", &arguments)).unwrap()
}

fn outcome(summary: &Value, word: &str) -> u64 {
    let sum: u64 = summary["outcomes"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!(summary["lines"].as_u64(), Some(sum), "every line has one outcome: {summary}");
    summary["outcomes"][word].as_u64().unwrap_or(0)
}

/// Everything that is kept of the site, as `export` prints it.
fn kept(daemon: &Daemon) -> String {
    daemon.print("export", &["vks", "--format", "csv"])
}

fn days(daemon: &Daemon) -> Vec<String> {
    kept(daemon).lines().filter(|line| line.contains(",day,")).map(str::to_owned).collect()
}

/// Both keep the same: the first rows that differ are shown.
fn same(one: &Daemon, other: &Daemon) {
    let (one, other) = (kept(one), kept(other));
    let differing = one.lines().zip(other.lines()).filter(|(one, other)| one != other).take(3);
    assert_eq!(differing.collect::<Vec<_>>(), []);
    assert_eq!(one.len(), other.len());
}

fn write(daemon: &Daemon, name: &str, bytes: &[u8]) -> String {
    let path: PathBuf = daemon.directory.path().join(name);
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A line by an ordinary reader.
fn line(second: i64, client: &str, path: &str) -> String {
    let at = jiff::Timestamp::from_second(second).unwrap().to_zoned(jiff::tz::TimeZone::UTC);
    let at = at.strftime("%d/%b/%Y:%H:%M:%S +0000");
    format!("{client} - - [{at}] \"GET {path} HTTP/1.1\" 200 512 \"-\" \"{FIREFOX}\"\n")
}

/// Lines of many days, each at most a minute from its place: 100 readers, so that their number is exact, 300
/// pages, robots and pictures.
fn generated(lines: u64, dice: &mut Dice) -> String {
    let mut text = String::new();
    for n in 0..lines {
        let second = BEGAN + i64::try_from(n * 15 + dice.below(60)).unwrap();
        let client = format!("203.0.113.{}", dice.below(100));
        let line = line(second, &client, &format!("/p{}", dice.below(300)));
        match dice.below(10) {
            0 => text.push_str(&line.replace(" HTTP/1.1", ".png HTTP/1.1")),
            1 => text.push_str(&line.replace(FIREFOX, "Googlebot/2.1")),
            _ => text.push_str(&line),
        }
    }
    text
}

#[test]
fn a_log_counts_by_the_rules_and_twice_is_once() {
    let daemon = Daemon::stopped(SITE);
    let summary = import(&daemon, &[SMALL]);
    for (word, lines) in [
        ("counted", 14),
        ("robot", 5),
        ("method", 1),
        ("status", 2),
        ("static", 2),
        ("referrer_spam", 1),
        ("no_page", 1),
        ("unreadable", 3),
    ] {
        assert_eq!(outcome(&summary, word), lines, "{word}: {summary}");
    }
    assert_eq!((summary["lines"].as_u64(), summary["visits"].as_u64()), (Some(29), Some(10)));
    assert_eq!(summary["odd"][1]["first"][0], "access.log:22");
    let once = kept(&daemon);
    assert_eq!(days(&daemon), ["2024-03-01,day,,10,7,6", "2024-03-02,day,,4,3,4"], "{once}");
    let again = import(&daemon, &[SMALL]);
    assert_eq!((outcome(&again, "already"), kept(&daemon)), (29, once));
    let text = daemon.print("import", &["--site", "vks", SMALL]);
    assert!(text.contains("29  already        dealt with by an earlier import"), "{text}");
}

#[test]
fn everything_counts_every_line_that_can_be_read() {
    let daemon = Daemon::stopped(SITE);
    let summary = import(&daemon, &["--everything", SMALL]);
    assert_eq!((outcome(&summary, "counted"), outcome(&summary, "unreadable")), (26, 3));
}

#[test]
fn a_log_that_has_grown_counts_its_new_lines() {
    let daemon = Daemon::stopped(SITE);
    let text = fs::read_to_string(SMALL).unwrap();
    let whole = Daemon::stopped(SITE);
    import(&whole, &[SMALL]);
    let mut total = 0;
    for bytes in [100, 260, 2_000, 2_001, text.len()] {
        let log = write(&daemon, "growing.log", &text.as_bytes()[..bytes]);
        total += outcome(&import(&daemon, &[&log]), "counted");
    }
    assert_eq!(total, 14);
    same(&daemon, &whole);
}

#[test]
fn a_last_line_that_gets_its_end_later_stays_counted_and_the_log_goes_on() {
    let daemon = Daemon::stopped(SITE);
    let text: String = (0..5).map(|n| line(BEGAN + n, "203.0.113.1", &format!("/p{n}"))).collect();
    let log = write(&daemon, "a.log", text.trim_end().as_bytes());
    let counted = |summary: &Value| (outcome(summary, "already"), outcome(summary, "counted"));
    assert_eq!(counted(&import(&daemon, &["--final", &log])), (0, 5));
    assert_eq!(counted(&import(&daemon, &["--final", &log])), (5, 0));
    write(&daemon, "a.log", text.as_bytes());
    assert_eq!(counted(&import(&daemon, &[&log])), (5, 0), "only the end of the line is new");
    let grown = format!("{text}{}", line(BEGAN + 9, "203.0.113.1", "/p9"));
    write(&daemon, "a.log", grown.as_bytes());
    assert_eq!(counted(&import(&daemon, &[&log])), (5, 1));
    assert_eq!(counted(&import(&daemon, &[&log])), (6, 0));
    // Both at once: the end of the line, and more behind it.
    let other = Daemon::stopped(SITE);
    let log = write(&other, "a.log", text.trim_end().as_bytes());
    import(&other, &["--final", &log]);
    write(&other, "a.log", grown.as_bytes());
    assert_eq!(counted(&import(&other, &[&log])), (5, 1));
    same(&daemon, &other);
    // One that was counted while half of it was written is not counted again once it is whole; one of which
    // nothing could be read yet is.
    for (missing, expected) in [(20, (5, 1)), (FIREFOX.len() + 30, (4, 2))] {
        let half = Daemon::stopped(SITE);
        let log = write(&half, "a.log", &text.as_bytes()[..text.len() - missing]);
        import(&half, &["--final", &log]);
        assert_eq!(counted(&import(&half, &["--final", &log])).1, 0);
        let other = grown.replace(":04 +0000", ":05 +0000");
        refused(&half, &[&write(&half, "a.log", other.as_bytes())], "is not what it was");
        write(&half, "a.log", grown.as_bytes());
        assert_eq!(counted(&import(&half, &[&log])), expected);
        assert_eq!(counted(&import(&half, &[&log])), (6, 0));
    }
}

#[test]
fn packed_logs_are_the_same_logs() {
    let text = fs::read(SMALL).unwrap();
    let plain = Daemon::stopped(SITE);
    import(&plain, &[SMALL]);
    let expected = kept(&plain);
    for packed in [gzip(&text), zstd::encode_all(&text[..], 3).unwrap()] {
        // Not by its name, but by its first bytes.
        let log = write(&plain, "access.txt", &packed);
        assert_eq!(outcome(&import(&plain, &[&log]), "already"), 29);
        let daemon = Daemon::stopped(SITE);
        assert_eq!(outcome(&import(&daemon, &[&log]), "counted"), 14);
        assert_eq!(kept(&daemon), expected);
    }
}

#[test]
fn rotated_logs_are_read_in_the_order_of_their_times() {
    let text = fs::read_to_string(SMALL).unwrap();
    let whole = Daemon::stopped(SITE);
    import(&whole, &[SMALL]);
    let daemon = Daemon::stopped(SITE);
    let cut = text.match_indices('\n').nth(18).unwrap().0 + 1;
    let older = write(&daemon, "access.log.1", &gzip(&text.as_bytes()[..cut]));
    let newer = write(&daemon, "access.log", &text.as_bytes()[cut..]);
    assert_eq!(outcome(&import(&daemon, &[&newer, &older]), "counted"), 14);
    same(&daemon, &whole);
}

#[test]
fn rotated_logs_that_meet_count_whole_in_any_order() {
    let text = generated(4_000, &mut Dice(5));
    let daemon = Daemon::stopped(SITE);
    let parts: Vec<String> =
        text.split_inclusive('\n').collect::<Vec<_>>().chunks(800).map(<[_]>::concat).collect();
    let mut counted = 0;
    for part in [3, 0, 4, 1, 2] {
        let summary = import(&daemon, &[&write(&daemon, &format!("{part}.log"), parts[part].as_bytes())]);
        assert_eq!((outcome(&summary, "covered"), summary["lines"].as_u64()), (0, Some(800)), "{summary}");
        counted += outcome(&summary, "counted");
    }
    let whole = Daemon::stopped(SITE);
    let summary = import(&whole, &[&write(&whole, "a.log", text.as_bytes())]);
    assert_eq!(outcome(&summary, "counted"), counted);
}

#[test]
fn lines_that_were_counted_from_another_log_are_left_out() {
    let text = generated(6_000, &mut Dice(3));
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    lines.sort_by_key(|line| line.split(['[', ']']).nth(1).map(str::to_owned));
    let text = lines.concat();
    let (daemon, whole) = (Daemon::stopped(SITE), Daemon::start(SITE));
    let middle = text.match_indices('\n').nth(2_999).unwrap().0 + 1;
    let (first, second) = text.split_at(middle);
    for daemon in [&daemon, &whole] {
        import(
            daemon,
            &[&write(daemon, "1.log", first.as_bytes()), &write(daemon, "2.log", second.as_bytes())],
        );
    }
    let before = kept(&daemon);
    let cut = text.match_indices('\n').nth(1_499).unwrap().0 + 1;
    let cut_too = text.match_indices('\n').nth(4_499).unwrap().0 + 1;
    for (name, copy) in [
        ("joined.log", text.clone()),
        ("windows.log", text.replace('\n', "\r\n")),
        ("b.log", text[cut..cut_too].to_owned()),
        ("c.log", text[cut_too..].to_owned()),
        ("turned.log", format!("{second}{first}")),
    ] {
        let log = write(&daemon, name, copy.as_bytes());
        let known = name == "joined.log" || name == "turned.log";
        for daemon in [&daemon, &whole] {
            let summary = import(daemon, &[&log]);
            assert_eq!(outcome(&summary, "counted"), 0, "{name}: {summary}");
            assert!(known || outcome(&summary, "covered") > 1_000, "{name}: {summary}");
        }
        assert_eq!(kept(&daemon), before, "{name}");
    }
    same(&daemon, &whole);
    // A copy that has grown counts what is new.
    let last = BEGAN + 6_000 * 15 + 100;
    let grown = text.replace('\n', "\r\n") + &line(last, "203.0.113.1", "/new");
    let summary = import(&daemon, &[&write(&daemon, "grown.log", format!("\r\n{grown}").as_bytes())]);
    assert_eq!(outcome(&summary, "counted"), 1, "{summary}");
}

/// Every line has a time and a page of its own, six of them a second.
fn busy(lines: u64) -> Vec<String> {
    let line = |n| line(BEGAN + i64::try_from(n / 6).unwrap(), "203.0.113.1", &format!("/n{n}"));
    (0..lines).map(line).collect()
}

#[test]
fn logs_that_were_cut_copied_or_joined_near_their_edges_count_each_line_once() {
    let lines = busy(3_000);
    let part = |range: std::ops::Range<usize>| lines[range].concat();
    let cases = [
        // Shorter than a minute, and a copy with other line ends.
        vec![part(0..300), part(0..300).replace('\n', "\r\n")],
        // Parts that overlap by half a minute.
        vec![part(0..1_500), part(1_320..3_000), part(200..1_600).replace('\n', "\r\n")],
        // Joined with the newest first, a short one at the beginning.
        vec![part(0..2_800), part(2_800..3_000), part(2_700..3_000) + &part(0..2_700)],
        // In parts, then as a whole.
        vec![part(0..400), part(400..800), part(800..900), part(900..3_000), part(0..3_000)],
    ];
    for (case, logs) in cases.into_iter().enumerate() {
        for daemon in [Daemon::stopped(SITE), Daemon::start(SITE)] {
            let logs = logs.iter().enumerate();
            let logs: Vec<String> =
                logs.map(|(n, log)| write(&daemon, &format!("{n}.log"), log.as_bytes())).collect();
            for log in &logs {
                import(&daemon, &[log]);
            }
            let pages = |text: &str| text.lines().filter(|line| line.contains(",page,")).count();
            let once = kept(&daemon);
            let expected = if case == 0 { 300 } else { 3_000 };
            let views: u64 =
                days(&daemon).iter().map(|day| day.split(',').nth(3).unwrap().parse::<u64>().unwrap()).sum();
            assert_eq!((views, pages(&once)), (expected, usize::try_from(expected).unwrap()), "{case}");
            // A part that the whole begins with has nothing new, and says so.
            for log in &logs {
                daemon.run("import", &["--site", "vks", log]);
            }
            assert_eq!(kept(&daemon), once, "{case}");
        }
    }
}

#[test]
fn a_log_with_all_its_lines_within_one_minute_of_an_hour_is_known_when_its_parts_are_joined() {
    // As the sample of Elastic has them: out of order within a minute, and then nothing for an hour.
    let mut dice = Dice::seeded("logs");
    let hour = |n: i64| BEGAN + n * 3_600;
    let lines: Vec<String> = (0..2_000_i64)
        .map(|n| {
            let second = hour(n / 100) + i64::try_from(dice.below(60)).unwrap();
            line(second, "203.0.113.1", &format!("/n{n}"))
        })
        .collect();
    let daemon = Daemon::stopped(SITE);
    let mut counted = 0;
    for (n, part) in lines.chunks(286).map(<[String]>::concat).enumerate() {
        let log = write(&daemon, &format!("{n}.log"), part.as_bytes());
        counted += outcome(&import(&daemon, &[&log]), "counted");
    }
    let summary = import(&daemon, &[&write(&daemon, "whole.log", lines.concat().as_bytes())]);
    assert_eq!((counted, outcome(&summary, "counted")), (2_000, 0), "{summary}");
}

#[test]
fn logs_of_two_servers_count_with_overlap_also_afterwards() {
    let mut dice = Dice(4);
    let (first, second) = (generated(3_000, &mut dice), generated(3_100, &mut dice));
    let (daemon, running, at_once) = (Daemon::stopped(SITE), Daemon::start(SITE), Daemon::stopped(SITE));
    let rows = |daemon: &Daemon| -> Vec<Vec<String>> {
        let without_visits = |row: String| {
            row.split(',').enumerate().filter(|(n, _)| *n != 4).map(|(_, cell)| cell.to_owned()).collect()
        };
        days(daemon).into_iter().map(without_visits).collect()
    };
    let logs = [write(&daemon, "1.log", first.as_bytes()), write(&daemon, "2.log", second.as_bytes())];
    let expected = import(&at_once, &["--overlap", &logs[0], &logs[1]]);
    for daemon in [&daemon, &running] {
        let one = import(daemon, &[&logs[0]]);
        let summary = import(daemon, &[&logs[1]]);
        assert!(outcome(&summary, "covered") > 2_900 && outcome(&summary, "counted") > 20, "{summary}");
        assert!(summary["odd"][0]["cause"].as_str().unwrap().contains("--overlap"), "{summary}");
        let again = import(daemon, &[&logs[1]]);
        assert_eq!(outcome(&again, "already"), 3_100, "{again}");
        let retaken = import(daemon, &["--overlap", &logs[1]]);
        let counted =
            [&one, &summary, &retaken].map(|summary| outcome(summary, "counted")).iter().sum::<u64>();
        assert_eq!(counted, outcome(&expected, "counted"), "{retaken}");
        assert_eq!(rows(daemon), rows(&at_once));
        let twice = import(daemon, &["--overlap", &logs[1]]);
        assert_eq!(outcome(&twice, "already"), 3_100, "{twice}");
        assert_eq!(rows(daemon), rows(&at_once));
    }
}

#[test]
fn lines_out_of_order_count_as_the_sorted_log() {
    let mut dice = Dice::seeded("logs");
    let text = generated(4_000, &mut dice);
    let (shuffled, sorted) = (Daemon::stopped(SITE), Daemon::stopped(SITE));
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_by_key(|line| line.split(['[', ']']).nth(1).map(str::to_owned));
    import(&shuffled, &[&write(&shuffled, "a.log", text.as_bytes())]);
    import(&sorted, &[&write(&sorted, "a.log", format!("{}\n", lines.join("\n")).as_bytes())]);
    same(&shuffled, &sorted);
}

#[test]
fn a_running_daemon_counts_as_a_stopped_one_and_shows_it() {
    let stopped = Daemon::stopped(SITE);
    import(&stopped, &[SMALL]);
    let daemon = Daemon::start(SITE);
    assert_eq!(outcome(&import(&daemon, &[SMALL]), "counted"), 14);
    assert_eq!(outcome(&import(&daemon, &[SMALL]), "already"), 29);
    let numbers = daemon.numbers("vks");
    assert_eq!(
        (&numbers["total"]["views"], &numbers["total"]["visits"]),
        (&Value::from(14), &Value::from(10))
    );
    for quiet in ["online", "peak_online"] {
        assert!(numbers[quiet].as_u64().unwrap_or(0) == 0, "{quiet}: {numbers}");
    }
    for window in ["last_hour", "last_24_hours", "today"] {
        assert_eq!(numbers[window]["views"], 0, "{window}: {numbers}");
    }
    let page = daemon.get("/snippet/vks.json?page=/contact", &[]).json();
    assert_eq!(page["page"]["views"], 3);
    same(&daemon, &stopped);
}

#[test]
fn an_import_that_is_killed_goes_on_and_no_line_counts_twice() {
    let mut dice = Dice::seeded("logs");
    let text = generated(200_000, &mut dice);
    let whole = Daemon::stopped(SITE);
    let log = write(&whole, "a.log", text.as_bytes());
    let at_once = import(&whole, &[&log]);
    for daemon in [Daemon::stopped(SITE), Daemon::start(SITE)] {
        let mut killed = 0;
        for _ in 0..12 {
            let mut child = daemon.spawn("import", &["--site", "vks", &log]);
            std::thread::sleep(Duration::from_millis(100 + dice.below(1_500)));
            killed += u32::from(child.try_wait().unwrap().is_none());
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert!(killed > 0, "it was too quick to be killed");
        let last = import(&daemon, &[&log]);
        assert_eq!(last["lines"], at_once["lines"]);
        same(&daemon, &whole);
    }
}

#[test]
fn beacons_and_lines_of_today_know_one_reader_by_one_id() {
    let daemon = Daemon::start(&format!("[[site]]\nid = \"vks\"\ntime_zone = \"{}\"\n", noon()));
    let hour_ago = jiff::Timestamp::now().as_second() - 3_600;
    let reply = exchange(daemon.public(), &browser_once("/hit?s=vks&u=/now", "10.9.9.9"));
    assert!(counted(&reply), "{}", reply.text());
    let ahead = line(hour_ago + 7_200, "10.9.9.9", "/later");
    let text = [line(hour_ago, "10.9.9.9", "/then"), line(hour_ago, "10.9.9.8", "/then"), ahead].concat();
    let log = write(&daemon, "a.log", text.as_bytes());
    let summary = import(&daemon, &[&log]);
    assert_eq!((outcome(&summary, "counted"), outcome(&summary, "live")), (2, 1));
    assert_eq!(days(&daemon).len(), 1);
    assert!(days(&daemon)[0].ends_with(",3,3,2"), "{:?}", days(&daemon));
    assert_eq!(daemon.numbers("vks")["today"]["views"], 3);
    assert_eq!(outcome(&import(&daemon, &["--overlap", &log]), "counted"), 1);
    assert!(days(&daemon)[0].ends_with(",4,4,2"), "{:?}", days(&daemon));
    assert!(!daemon.state().join("salts.import").exists(), "today has its secret already");
}

#[test]
fn visitors_of_today_from_a_log_stay_when_beacons_come() {
    let configuration = format!("[[site]]\nid = \"vks\"\ntime_zone = \"{}\"\n", noon());
    let mut daemon = Daemon::stopped(&configuration);
    let hour_ago = jiff::Timestamp::now().as_second() - 3_600;
    let text: String = (0..5).map(|n| line(hour_ago, &format!("10.9.9.{n}"), "/then")).collect();
    import(&daemon, &[&write(&daemon, "a.log", text.as_bytes())]);
    daemon.restart();
    assert_eq!(daemon.numbers("vks")["today"]["visitors"], 5);
    let reply = exchange(daemon.public(), &browser_once("/hit?s=vks&u=/now", "10.9.9.9"));
    assert!(counted(&reply), "{}", reply.text());
    wait_for(|| days(&daemon)[0].ends_with(",6,6,6").then_some(()));
    assert_eq!(daemon.numbers("vks")["today"]["visitors"], 6);
}

fn browser_once(path: &str, client: &str) -> Vec<u8> {
    let text = String::from_utf8(browser(path, client)).unwrap();
    text.replace("\r\nHost", "\r\nConnection: close\r\nHost").into_bytes()
}

#[test]
fn finished_days_lose_their_secrets_and_keep_their_numbers() {
    let mut daemon = Daemon::start(SITE);
    import(&daemon, &[SMALL]);
    let (before, salts) = (kept(&daemon), daemon.state().join("salts.import"));
    assert_eq!(fs::read_to_string(&salts).unwrap().lines().count(), 2);
    // A night goes by, and a restart.
    daemon.stop();
    daemon.restart();
    assert_eq!((kept(&daemon), fs::read_to_string(&salts).unwrap().lines().count()), (before.clone(), 2));
    let backup = daemon.directory.path().join("backup");
    daemon.print("backup", &[backup.to_str().unwrap()]);
    let secret = fs::read_to_string(&salts).unwrap()[11..43].to_owned();
    let bytes = fs::read(&backup).unwrap();
    assert!(!bytes.windows(32).any(|window| window == secret.as_bytes()));
    let text = daemon.print("import", &["--finish", "--site", "vks"]);
    assert_eq!(text, "2 imported days keep the number of their visitors; 2 secrets were erased\n");
    assert_eq!((kept(&daemon), fs::read_to_string(&salts).unwrap()), (before.clone(), String::new()));
    assert_eq!(outcome(&import(&daemon, &[SMALL]), "already"), 29);
    assert_eq!(kept(&daemon), before);
}

#[test]
fn days_older_than_the_retention_are_told_of() {
    let daemon = Daemon::stopped(&SITE.replace("3650d", "30d"));
    let text = daemon.print("import", &["--site", "vks", SMALL]);
    assert!(text.contains("    2  days are older than [retention] details = \"30d\": their views"), "{text}");
    let mut daemon = daemon;
    daemon.restart();
    let report = || daemon.print("report", &["vks", "--from", "2024-03-01", "--to", "2024-03-02"]);
    let text = wait_for(|| Some(report()).filter(|text| text.contains("of 2 days only")));
    assert!(text.contains("of 2 days only views, visits and visitors are kept"), "{text}");
}

#[test]
fn nothing_of_a_log_but_sums_stays() {
    let daemon = Daemon::start(SITE);
    import(&daemon, &[SMALL]);
    for entry in fs::read_dir(daemon.state()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap_or_default();
        for personal in ["203.0.113", "198.51.100", "2001:db8", "reader.example", "Mozilla", "Googlebot"] {
            let found = bytes.windows(personal.len()).any(|window| window == personal.as_bytes());
            assert!(!found, "{personal} is in {}", path.display());
        }
    }
    assert!(!daemon.log().contains("203.0.113"));
}

/// Exit code and words of an import that must fail.
fn refused(daemon: &Daemon, arguments: &[&str], words: &str) {
    let arguments: Vec<&str> = ["--site", "vks"].iter().chain(arguments).copied().collect();
    let output = daemon.run("import", &arguments);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
    assert!(text.contains(words) && text.starts_with("headcount: "), "{arguments:?}: {text}");
}

#[test]
fn bad_input_is_named_and_nothing_is_half_counted() {
    let daemon = Daemon::stopped(SITE);
    let mut dice = Dice(7);
    let garbage: Vec<u8> = (0..300_000).map(|_| u8::try_from(dice.below(256)).unwrap()).collect();
    refused(
        &daemon,
        &[&write(&daemon, "garbage", &garbage)],
        "is no access log in the common or combined format",
    );
    refused(&daemon, &[&write(&daemon, "long", &vec![b'x'; 10 << 20])], "longer than 64 KiB");
    refused(&daemon, &[daemon.directory.path().to_str().unwrap()], "is a directory");
    refused(&daemon, &["/nonexistent/access.log"], "cannot read /nonexistent/access.log");
    let output = daemon.run("import", &["--site", "nobody", SMALL]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no site nobody in the configuration"));
    assert!(!daemon.run("export", &["vks"]).status.success(), "nothing is kept");
    let empty = import(&daemon, &[&write(&daemon, "empty", b"")]);
    assert_eq!(empty["lines"], 0);
}

#[test]
fn a_bad_file_does_not_keep_the_others_out_and_is_named() {
    let daemon = Daemon::stopped(SITE);
    let here = daemon.directory.path().to_str().unwrap().to_owned();
    let garbage = write(&daemon, "garbage", b"no log\n");
    let arguments = ["--site", "vks", "--json", "/nonexistent/a.log", SMALL, &garbage, &here];
    let output = daemon.run("import", &arguments);
    assert_eq!(output.status.code(), Some(1));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((outcome(&summary, "counted"), summary["lines"].as_u64()), (14, Some(29)), "{summary}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    for (place, file) in ["/nonexistent/a.log", &here, &garbage].into_iter().enumerate() {
        assert_eq!(summary["uncounted"][place]["file"], file, "{summary}");
        assert!(said.lines().any(|line| line.starts_with("headcount: ") && line.contains(file)), "{said}");
    }
}

#[test]
fn odd_lines_are_named_and_the_others_count() {
    let daemon = Daemon::stopped(SITE);
    let good = line(BEGAN, "203.0.113.1", "/a");
    let mut text = good.clone();
    let at = |year: &str| good.replace("2024", year);
    let _ = write!(text, "{}{}{}\n\0\u{1}\n", at("1970"), at("2099"), "x".repeat(10 << 20));
    text.push_str(&line(BEGAN + 1, "fe80::1%eth0", "/\\q\\x4"));
    text.push_str(&good.replace(":00:00 +0000", ":00:60 +1400"));
    text.push_str("203.0.113.9 - - [");
    let log = write(&daemon, "odd.log", text.as_bytes());
    let summary = import(&daemon, &[&log]);
    for (word, lines) in [("counted", 3), ("future", 1), ("unreadable", 3), ("unfinished", 1)] {
        assert_eq!(outcome(&summary, word), lines, "{word}: {summary}");
    }
    let causes: Vec<_> =
        summary["odd"].as_array().unwrap().iter().map(|odd| odd["cause"].as_str().unwrap()).collect();
    assert!(causes.contains(&"the line is longer than 64 KiB"), "{causes:?}");
    let whole = import(&daemon, &["--final", &log]);
    assert_eq!((outcome(&whole, "already"), outcome(&whole, "unreadable")), (7, 1));
}

#[test]
fn a_damaged_archive_is_refused_whole_and_the_good_one_counts() {
    let mut dice = Dice(11);
    let text = generated(5_000, &mut dice);
    let (daemon, whole) = (Daemon::stopped(SITE), Daemon::stopped(SITE));
    let first = write(&daemon, "first.log", line(BEGAN - 100_000, "203.0.113.1", "/a").as_bytes());
    import(&daemon, &[&first]);
    import(&whole, &[&first]);
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(text.as_bytes()).unwrap();
    for packed in [gzip(text.as_bytes()), encoder.finish().unwrap()] {
        let before = kept(&daemon);
        let mut bytes_of_crc = packed.clone();
        let last = packed.len() - 6;
        bytes_of_crc[last] ^= 1;
        let mut middle = packed.clone();
        middle[packed.len() / 2] ^= 0x10;
        for damaged in [&packed[..packed.len() / 2], &bytes_of_crc, &middle] {
            let cut = write(&daemon, "damaged.gz", damaged);
            refused(&daemon, &[&cut], "is damaged or cut short");
            assert_eq!(kept(&daemon), before, "nothing of it is counted");
        }
        let log = write(&daemon, "whole.gz", &packed);
        import(&daemon, &[&log]);
        import(&whole, &[&write(&whole, "whole.log", text.as_bytes())]);
        same(&daemon, &whole);
    }
}

#[test]
fn a_damaged_archive_through_a_pipe_is_refused_whole_too() {
    let text = generated(5_000, &mut Dice(12));
    let daemon = Daemon::stopped(SITE);
    let packed = gzip(text.as_bytes());
    let bad = write(&daemon, "bad.gz", &packed[..packed.len() / 2]);
    let padded = [&packed[..], &[0; 700]].concat();
    let good = write(&daemon, "good.gz", &padded);
    let import = |file: &str| {
        let mut child = daemon.command("import", &["--site", "vks", "--json", "-"]);
        child.stdin(fs::File::open(file).unwrap()).output().unwrap()
    };
    let output = import(&bad);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("damaged or cut short") && said.contains("Nothing of it was counted"), "{said}");
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap()["lines"], 0);
    let output = import(&good);
    assert!(output.status.success(), "zeros behind the end are no damage, as for gzip(1)");
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap()["lines"], 5_000);
    let left: Vec<_> =
        fs::read_dir(daemon.state()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("import-")), "{left:?}");
}

#[test]
fn a_log_that_is_another_now_is_refused() {
    let daemon = Daemon::stopped(SITE);
    // The same monitor looks in at the same seconds on two machines; then they differ.
    let head: String = (0..70).map(|n| line(BEGAN + n, "203.0.113.200", "/up")).collect();
    let first = head.clone() + &line(BEGAN + 100, "203.0.113.1", "/a");
    let other = head + &line(BEGAN + 100, "203.0.113.2", "/b") + &line(BEGAN + 101, "203.0.113.3", "/b");
    let log = write(&daemon, "a.log", first.as_bytes());
    import(&daemon, &[&log]);
    let before = kept(&daemon);
    refused(&daemon, &[&write(&daemon, "b.log", other.as_bytes())], "is not what it was");
    fs::write(Path::new(&log), &first.as_bytes()[..500]).unwrap();
    refused(&daemon, &[&log], "there is nothing new in it");
    assert_eq!(kept(&daemon), before);
}
