//! Old counters' numbers are brought along: beside a running daemon and on a stopped one's directory,
//! all of them or none, and a file only once.

use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::support::Daemon;

const SITE: &str = "[[site]]\nid = \"vks\"\nhosts = [\"blog.example.vn\"]\nlanguage = \"vi\"\n\
                    time_zone = \"Asia/Ho_Chi_Minh\"\n";

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// Runs `import --from` with these arguments too. Gives exit code and all that was printed.
fn import(daemon: &Daemon, system: &str, file: &Path, more: &[&str]) -> (i32, String) {
    let file = file.to_str().unwrap();
    let arguments = [&["--from", system, file, "--site", "vks"], more].concat();
    let output = daemon.run("import", &arguments);
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8(text).unwrap())
}

fn check(daemon: &Daemon, system: &str, file: &Path, more: &[&str], code: i32, words: &str) -> String {
    let (exit, text) = import(daemon, system, file, more);
    assert_eq!(exit, code, "{text}");
    assert!(text.contains(words), "{words:?} is not in: {text}");
    text
}

/// All that is kept of the site, as the export tells it.
fn export(daemon: &Daemon) -> Value {
    serde_json::from_str(&daemon.print("export", &["vks"])).unwrap()
}

fn page(daemon: &Daemon, path: &str) -> Value {
    daemon.get(&format!("/snippet/vks.json?page={path}"), &[]).json()["page"].clone()
}

#[test]
fn numbers_come_along_beside_a_running_daemon_and_stay() {
    let mut daemon = Daemon::start(SITE);
    assert_eq!(daemon.get("/hit?s=vks&u=http://blog.example.vn/tin-tức", &[]).json()["counted"], true);
    let goats = sample("goatcounter.csv");
    let text = check(&daemon, "goatcounter", &goats, &[], 0, "vks now has 5 visits and 7 views in all");
    assert!(text.starts_with("brought along: 4 visits and 6 views, 3 days, 2 pages\n"), "{text}");
    assert!(text.contains("note: 2 views of robots were not taken"), "{text}");
    check(
        &daemon,
        "nukeviet",
        &sample("nukeviet.sql"),
        &[],
        0,
        "vks now has 1333801 visits and 7 views in all",
    );
    let shown = |daemon: &Daemon| {
        let numbers = daemon.numbers("vks");
        assert_eq!(numbers["text"]["total"], "1,333,801");
        assert_eq!(page(daemon, "/tin-tức")["views"], 3);
        assert_eq!(page(daemon, "/")["views"], 3);
        let export = export(daemon);
        let day =
            |day: &str| export["days"].as_array().unwrap().iter().find(|row| row["day"] == day).cloned();
        assert_eq!(day("2026-11-02").unwrap()["visits"], 287);
        assert_eq!(day("2026-11-20").unwrap()["views"], 3);
    };
    shown(&daemon);
    let list = daemon.print("adjust", &["vks", "--list"]);
    assert_eq!(list.lines().count(), 2, "a line for each of the files: {list}");
    let goats =
        "  +4 visits +6 views  total, 10 numbers, 3 days, 2 pages  goatcounter: goatcounter.csv, known as ";
    assert!(list.contains(goats), "{list}");
    let list = daemon.print("adjust", &["vks", "--list", "--all"]);
    assert!(list.contains("  +3 views  /  goatcounter: goatcounter.csv, known as "), "{list}");
    assert!(list.contains("  +287 visits  2026-11-02  nukeviet: nukeviet.sql, known as "), "{list}");
    assert!(list.contains("  +1332702 visits  total  nukeviet: "), "{list}");
    assert!(list.lines().all(|line| line.contains("  uid ")), "{list}");
    assert_eq!(daemon.stop().0, 0);
    daemon.restart();
    shown(&daemon);
}

#[test]
fn a_file_is_taken_once_unless_it_is_asked_for() {
    let mut daemon = Daemon::stopped(SITE);
    let reply = sample("busuanzi.jsonp");
    let total =
        |times: u64| format!("vks now has {} visits and {} views in all", 8_123 * times, 20_987 * times);
    let refused = "these very numbers were brought along for vks before (";
    check(&daemon, "busuanzi", &reply, &[], 0, &total(1));
    check(&daemon, "busuanzi", &reply, &[], 1, refused);
    daemon.restart();
    check(&daemon, "busuanzi", &reply, &[], 1, refused);
    check(&daemon, "busuanzi", &reply, &["--dry-run"], 1, refused);
    check(&daemon, "busuanzi", &reply, &["--again"], 0, &total(2));
    // Under another name it is the same file, and so it is packed or in another dress.
    let other = |name: &str, bytes: &[u8]| {
        let path = daemon.directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let bytes = std::fs::read(&reply).unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    let json = &text[text.find('{').unwrap() + 1..];
    let json = &json[json.find('{').unwrap()..=json.find('}').unwrap()];
    for (name, bytes) in [
        ("renamed", bytes.clone()),
        ("reply.jsonp.gz", packed(&bytes)),
        ("reply.json", json.as_bytes().to_vec()),
        ("within.json", format!("{{\"data\": {json}}}").into_bytes()),
    ] {
        check(&daemon, "busuanzi", &other(name, &bytes), &[], 1, refused);
    }
    assert_eq!(export(&daemon)["total"]["visits"], 16_246);
}

#[test]
fn a_newer_export_is_no_second_counter_unless_it_is_said_to_be() {
    let mut daemon = Daemon::start(SITE);
    let older = sample("goatcounter.csv");
    let text = std::fs::read_to_string(&older).unwrap();
    let again = text.lines().find(|line| line.starts_with("/,")).unwrap();
    let newer = daemon.directory.path().join("newer.csv");
    std::fs::write(&newer, format!("{text}{again}\n")).unwrap();
    check(&daemon, "goatcounter", &older, &[], 0, "vks now has 4 visits and 6 views in all");
    let known =
        "numbers of goatcounter were brought along for vks before (4 visits and 6 views, 2 pages, on ";
    for more in [&[][..], &["--dry-run"]] {
        let text = check(&daemon, "goatcounter", &newer, more, 1, known);
        assert!(text.contains("with --replace") && text.contains("with --again"), "{text}");
    }
    let would = ["--replace", "--dry-run"];
    let text = check(&daemon, "goatcounter", &newer, &would, 0, "would be taken back: 4 visits and 6 views");
    assert!(text.contains("vks would have 4 visits and 7 views in all"), "{text}");
    assert_eq!(export(&daemon)["total"]["views"], 6);
    check(&daemon, "goatcounter", &newer, &["--replace"], 0, "taken back: 4 visits and 6 views of before");
    let shown = |daemon: &Daemon| {
        assert_eq!(daemon.numbers("vks")["total"]["views"], 7);
        assert_eq!(page(daemon, "/")["views"], 4);
        assert_eq!(page(daemon, "/tin-tức")["views"], 2);
    };
    shown(&daemon);
    let list = daemon.print("adjust", &["vks", "--list", "--all"]);
    assert!(list.contains("  -3 views  /  replaced by goatcounter: newer.csv, known as "), "{list}");
    daemon.stop();
    check(&daemon, "goatcounter", &older, &["--again"], 0, "vks now has 8 visits and 13 views in all");
    check(&daemon, "goatcounter", &newer, &["--replace"], 0, "taken back: 8 visits and 13 views of before");
    daemon.restart();
    shown(&daemon);
    check(&daemon, "goatcounter", &newer, &["--replace", "--again"], 2, "cannot be used with");
}

#[test]
fn what_came_along_is_in_exports_and_reports_and_visitors_that_nobody_knows_are_not_none() {
    let daemon = Daemon::stopped(SITE);
    check(&daemon, "goatcounter", &sample("goatcounter.csv"), &[], 0, "brought along");
    check(&daemon, "nukeviet", &sample("nukeviet.sql"), &[], 0, "brought along");
    let json = export(&daemon);
    assert_eq!(json["undated"]["visits"], 1_332_702);
    let page = serde_json::json!({ "page": "/tin-tức", "views": 2, "visits": 1 });
    assert!(json["undated"]["pages"].as_array().unwrap().contains(&page), "{json}");
    assert_eq!(json["days"][0]["visitors"], Value::Null);
    let csv = daemon.print("export", &["vks", "--format", "csv"]);
    for line in [",day,,0,1332702,", ",page,/,3,2,", ",page,/tin-tức,2,1,", "2026-11-20,day,,3,2,"] {
        assert!(csv.lines().any(|found| found == line), "{line} in {csv}");
    }
    let part = daemon.print("export", &["vks", "--format", "csv", "--from", "2026-11-20"]);
    assert!(!part.contains("\n,"), "{part}");
    let days = ["vks", "--from", "2026-11-20", "--to", "2026-11-22"];
    let report = daemon.print("report", &days);
    assert!(report.contains("visitors a day unknown") && report.contains("Pages, all time"), "{report}");
    assert!(report.lines().any(|line| line.starts_with("/tin-tức ") && line.contains(" 2 ")), "{report}");
    let json: Value =
        serde_json::from_str(&daemon.print("report", &[&days[..], &["--json"]].concat())).unwrap();
    assert_eq!(json["lists"]["page_all_time"]["rows"][0]["value"], "/");
    assert_eq!(json["days"][0]["visitors"], Value::Null);
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_trial_shows_a_table_and_changes_nothing() {
    let daemon = Daemon::stopped(SITE);
    let text =
        check(&daemon, "goatcounter", &sample("goatcounter.csv"), &["--dry-run"], 0, "would be added to vks");
    for line in [
        "        visits          views",
        "             0              0  to the total alone",
        "             2              3  2026-11-20",
        "             4              6  to the total in all",
        "             2              3  /",
        "note: 1 events are no views",
    ] {
        assert!(text.contains(line), "{line:?} is not in: {text}");
    }
    assert!(!daemon.state().exists());
    let known = daemon.directory.path().join("pages.txt");
    std::fs::write(&known, "/\n/tin-tuc\n").unwrap();
    let more = ["--dry-run", "--pages", known.to_str().unwrap()];
    check(
        &daemon,
        "busuanzi",
        &sample("busuanzi.redis.json"),
        &more,
        0,
        "             0             21  /tin-tuc",
    );
}

#[test]
fn a_compressed_export_is_read_and_one_that_is_cut_short_counts_nothing() {
    let daemon = Daemon::start(SITE);
    let whole = packed(&std::fs::read(sample("goatcounter.csv")).unwrap());
    let file = daemon.directory.path().join("export.csv.gz");
    std::fs::write(&file, &whole[..whole.len() - 20]).unwrap();
    check(&daemon, "goatcounter", &file, &[], 1, "export.csv.gz: cannot be read: ");
    let dump = std::fs::read_to_string(sample("nukeviet.sql")).unwrap();
    for (cut, words) in [
        (dump.split_once("UNLOCK").unwrap().0.to_owned(), "is cut short: it ends within a dump that says"),
        (dump[..dump.len() / 2].to_owned(), "is cut short: it ends within "),
        (dump.replace("'hits'", "'oops'"), "is no dump of NukeViet's counter"),
        (dump.replace("nv4_counter", "nv4_visitors"), "is no dump of NukeViet's counter"),
        ("\u{0}\u{1}\u{2}".repeat(100_000), "is no SQL dump: a statement does not begin with a word"),
    ] {
        let file = daemon.directory.path().join("dump.sql");
        std::fs::write(&file, cut).unwrap();
        let text = check(&daemon, "nukeviet", &file, &[], 1, words);
        assert!(text.starts_with("headcount: ") && text.lines().count() == 1, "{text}");
    }
    check(&daemon, "goatcounter", &sample("nukeviet.sql"), &[], 1, "is no CSV export of GoatCounter");
    check(&daemon, "wordpress", &file, &[], 2, "there is no system wordpress; there are vinaora, nukeviet");
    check(&daemon, "nukeviet", Path::new("/nowhere"), &[], 1, "/nowhere: cannot be read: No such file");
    assert_eq!(daemon.print("adjust", &["vks", "--list"]), "vks was never adjusted\n");
    std::fs::write(&file, &whole).unwrap();
    check(&daemon, "goatcounter", &file, &[], 0, "vks now has 4 visits and 6 views in all");
    let elsewhere =
        daemon.run("import", &["--from", "goatcounter", file.to_str().unwrap(), "--site", "other"]);
    assert!(
        String::from_utf8_lossy(&elsewhere.stderr).contains("there is no site other in the configuration")
    );
}

#[test]
fn a_page_is_corrected_by_hand_too() {
    let mut daemon = Daemon::start(SITE);
    let adjust =
        ["vks", "views", "+40", "--page", "http://blog.example.vn/tin//", "--reason", "from the old server"];
    daemon.print("adjust", &adjust);
    assert_eq!(page(&daemon, "/tin")["views"], 40);
    assert_eq!(daemon.numbers("vks")["total"]["views"], 0);
    daemon.stop();
    let less = ["vks", "views", "-41", "--page", "/tin", "--reason", "too much"];
    let output = daemon.run("adjust", &less);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(said, "headcount: cannot take 41 views from the page /tin of vks: there are only 40\n");
    daemon.print("adjust", &["vks", "views", "-4", "--page", "/tin", "--reason", "too much"]);
    assert!(daemon.print("adjust", &["vks", "--list"]).contains("  -4 views  /tin  too much\n"));
    daemon.restart();
    assert_eq!(page(&daemon, "/tin")["views"], 36);
}
