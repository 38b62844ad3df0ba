//! What is kept for reports: from beacons over real sockets to `export` and `report`, through kills, reloads,
//! backups, and from a state directory of the first format.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use crate::support::client::{Wire, counted, noon, request};
use crate::support::{Daemon, wait_for};

const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1";
const ZALO: &str = "Mozilla/5.0 (Linux; Android 13; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/128.0.0.0 Mobile Safari/537.36 Zalo android/12100742";
const DIMENSIONS: [&str; 10] = [
    "referrer", "browser", "system", "device", "screen", "language", "country", "campaign", "source",
    "medium",
];

fn configuration(more: &str) -> String {
    format!(
        "fold_interval = \"50ms\"\ncountry_header = \"CF-IPCountry\"\n{more}\n\
         [limits]\ndetails_per_day = 5\n[[site]]\nid = \"vks\"\ntime_zone = \"{}\"\n",
        noon()
    )
}

/// A view that tells everything, unless a part is left out by being empty.
fn view(daemon: &Daemon, client: &str, agent: &str, query: &str, headers: &str) {
    let mut bytes = request(&format!("/hit?s=vks&{query}"), client, agent);
    bytes.truncate(bytes.len() - 2);
    bytes.extend(headers.as_bytes());
    bytes.extend(b"\r\n");
    let reply = Wire::open(daemon.public()).ask(&bytes).unwrap();
    assert!(counted(&reply), "{query}: {}", reply.text());
}

fn export(daemon: &Daemon) -> Value {
    serde_json::from_str(&daemon.print("export", &["vks"])).unwrap()
}

/// Views and visits by value.
fn values(export: &Value, dimension: &str) -> BTreeMap<String, (u64, u64)> {
    let rows = export["details"].as_array().unwrap().iter().filter(|row| row["dimension"] == dimension);
    let number = |row: &Value, name: &str| row[name].as_u64().unwrap();
    rows.map(|row| (row["value"].as_str().unwrap().to_owned(), (number(row, "views"), number(row, "visits"))))
        .collect()
}

fn value(name: &str, views: u64, visits: u64) -> (String, (u64, u64)) {
    (name.to_owned(), (views, visits))
}

/// Three people, each with a second view; the last tells nothing but its agent.
fn send(daemon: &Daemon) {
    let told = "Accept-Language: vi-VN,vi;q=0.9\r\nCF-IPCountry: VN\r\n";
    let tagged =
        "u=https://vks.vn/tin%3Futm_source%3Dzalo%26utm_medium%3Dsocial%26utm_campaign%3DT%25E1%25BA%25BFt";
    view(
        daemon,
        "10.0.0.1",
        CHROME,
        "u=https://vks.vn/&r=https://www.google.com/search%3Fq%3Da&w=1920",
        told,
    );
    view(daemon, "10.0.0.1", CHROME, "u=https://vks.vn/tin&r=https://vks.vn/&w=1920", told);
    view(daemon, "10.0.0.2", ZALO, &format!("{tagged}&r=https://zalo.me/&w=390"), told);
    view(daemon, "10.0.0.2", ZALO, "u=https://vks.vn/lien-he&r=https://vks.vn/tin&w=390", told);
    view(daemon, "10.0.0.3", IPHONE, "u=/tin", "");
    view(daemon, "10.0.0.3", IPHONE, "u=/tin&k=view", "");
    let ping =
        Wire::open(daemon.public()).ask(&request("/hit?s=vks&k=ping&r=https://b.vn/", "10.0.0.1", CHROME));
    assert!(counted(&ping.unwrap()));
}

fn check_values(daemon: &Daemon) {
    let export = export(daemon);
    assert_eq!(export["schema"], 1);
    for (dimension, expected) in [
        ("referrer", vec![value("google.com", 1, 1), value("zalo.me", 1, 1)]),
        ("browser", vec![value("Chrome", 2, 1), value("Safari", 2, 1), value("Zalo", 2, 1)]),
        ("system", vec![value("Android", 2, 1), value("Windows", 2, 1), value("iOS", 2, 1)]),
        ("device", vec![value("desktop", 2, 1), value("mobile", 4, 2)]),
        ("screen", vec![value("1440 and more", 2, 1), value("under 640", 2, 1)]),
        ("language", vec![value("vi", 4, 2)]),
        ("country", vec![value("VN", 4, 2)]),
        ("campaign", vec![value("Tết", 1, 1)]),
        ("source", vec![value("zalo", 1, 1)]),
        ("medium", vec![value("social", 1, 1)]),
    ] {
        let expected: BTreeMap<_, _> = expected.into_iter().collect();
        assert_eq!(values(&export, dimension), expected, "{dimension}");
    }
    let pages = export["pages"].as_array().unwrap();
    let entry = |page: &str| {
        let row = pages.iter().find(|row| row["page"] == page).unwrap();
        (row["views"].as_u64().unwrap(), row["visits"].as_u64().unwrap())
    };
    assert_eq!([entry("/"), entry("/tin"), entry("/lien-he")], [(1, 1), (4, 2), (1, 0)]);
}

#[test]
fn what_only_later_views_of_a_visit_told_is_not_called_untold() {
    let daemon = Daemon::start(&configuration(""));
    view(&daemon, "10.0.0.1", CHROME, "u=https://vks.vn/", "");
    view(&daemon, "10.0.0.1", CHROME, "u=https://vks.vn/tin&r=https://zalo.me/", "");
    let text = daemon.print("report", &["vks"]).replace('\n', " ");
    assert_eq!(values(&export(&daemon), "referrer"), BTreeMap::from([value("zalo.me", 1, 0)]));
    assert!(text.contains("no visit began with what views told of: referrers;"), "{text}");
    let untold = text.split("nothing was told of: ").nth(1).unwrap();
    assert!(untold.contains("campaigns") && !untold.contains("referrers"), "{text}");
}

#[test]
fn what_views_tell_is_kept_through_a_kill_a_stop_and_a_backup() {
    let mut daemon = Daemon::start(&configuration(""));
    send(&daemon);
    daemon.kill();
    daemon.restart();
    check_values(&daemon);
    let csv = daemon.print("export", &["vks", "--format", "csv"]);
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("day,dimension,value,views,visits,visitors"));
    assert!(lines.next().unwrap().ends_with(",day,,6,3,3"), "{csv}");
    for line in ["page,/tin,4,2,", "referrer,zalo.me,1,1,", "device,mobile,4,2,", "campaign,Tết,1,1,"] {
        assert!(csv.lines().any(|found| found.ends_with(line)), "{line} in {csv}");
    }
    let backup = daemon.directory.path().join("backup.db");
    daemon.print("backup", &[backup.to_str().unwrap()]);
    daemon.stop();
    check_values(&daemon);
    daemon.print("restore", &[backup.to_str().unwrap()]);
    check_values(&daemon);
    daemon.restart();
    check_values(&daemon);
    let database = rusqlite::Connection::open(daemon.state().join("headcount.db")).unwrap();
    let sql = "SELECT count(*) FROM detail_calendar WHERE site = 'vks' AND dimension = 'browser'";
    assert_eq!(database.query_row(sql, [], |row| row.get::<_, u64>(0)), Ok(3));
}

#[test]
fn dimensions_that_every_view_tells_add_up_to_the_day_and_too_many_values_are_others() {
    let daemon = Daemon::start(&configuration(""));
    for n in 0..40 {
        let agent = [CHROME, IPHONE, ZALO][n % 3];
        let query = format!(
            "u=/p%3Futm_source%3Ds{n}%26utm_medium%3Dm%26utm_campaign%3D%3D{n}&r=https://r{n}.example/&w={}",
            300 + n * 40
        );
        let headers = format!("Accept-Language: {}\r\nCF-IPCountry: VN\r\n", ["vi", "en-US", "fil"][n % 3]);
        view(&daemon, &format!("10.0.0.{}", n % 20), agent, &query, &headers);
    }
    let export = export(&daemon);
    let day = &export["days"][0]["counted"];
    for dimension in DIMENSIONS {
        let found = values(&export, dimension);
        let sums = found.values().fold((0, 0), |sum, more| (sum.0 + more.0, sum.1 + more.1));
        assert_eq!(
            (Some(sums.0), Some(sums.1)),
            (day["views"].as_u64(), day["visits"].as_u64()),
            "{dimension}"
        );
        assert!(found.len() <= 6, "{found:?}");
    }
    assert_eq!(day["views"], 40);
    assert_eq!(values(&export, "referrer")["(other)"].0, 35);
    let other = wait_for(|| Some(daemon.metric("headcount_details_other_views_total")).filter(|n| *n > 0.0));
    assert!((other - 105.0).abs() < 0.5, "35 each of referrers, campaigns and sources: {other}");
    let csv = daemon.print("export", &["vks", "--format", "csv"]);
    assert!(csv.contains("campaign,'=0,"), "no value is a formula: {csv}");
}

#[test]
fn a_report_is_one_readable_screen() {
    let mut daemon = Daemon::start(&configuration(""));
    let refused = daemon.run("report", &["vks"]);
    assert_eq!(refused.status.code(), Some(1));
    send(&daemon);
    view(&daemon, "10.0.0.4", CHROME, "u=/日本語のとても長いページの名前です&r=https://rất-dài.example/", "");
    let running = daemon.print("report", &["vks"]);
    for words in
        ["visits 4", "views 7", "Entry pages", "google.com", "(not told)", "Zalo", "all time: 4 visits"]
    {
        assert!(running.contains(words), "{words} in\n{running}");
    }
    assert!(!running.contains('\u{1b}'), "no colours where nobody looks");
    for line in running.lines() {
        assert!(line.width() <= 80, "{} columns: {line}", line.width());
    }
    daemon.stop();
    assert_eq!(daemon.print("report", &["vks"]), running);
    let day = export(&daemon)["days"][0]["day"].as_str().unwrap().to_owned();
    let json: Value =
        serde_json::from_str(&daemon.print("report", &["vks", "--json", "--from", &day, "--to", &day]))
            .unwrap();
    assert_eq!((&json["sum"]["views"], &json["days_without_details"]), (&Value::from(7), &Value::from(0)));
    let browsers = &json["lists"]["browser"];
    assert_eq!((&browsers["of"], &browsers["rows"][0]["value"]), (&Value::from(4), &Value::from("Chrome")));
    let campaigns = json["lists"]["campaign"]["rows"].as_array().unwrap();
    assert_eq!(campaigns.last().unwrap()["value"], "(not told)");
    assert_eq!(campaigns.last().unwrap()["visits"], 3);
    let cut = daemon.print("report", &["vks", "--limit", "1"]);
    assert!(cut.contains("… 2 more"), "{cut}");
    let none = daemon.print("report", &["vks", "--from", "2000-01-01", "--to", "2000-12-31"]);
    assert!(none.contains("nothing was counted in these days"), "{none}");
    for command in ["report", "export"] {
        let refused = daemon.run(command, &["vks", "--from", "2001-01-02", "--to", "2001-01-01"]);
        assert_eq!(refused.status.code(), Some(2), "{command}");
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(said.contains("the last day 2001-01-01 lies before the first day 2001-01-02"), "{said}");
    }
}

/// A database in `MaxMind`'s format that knows one country for every IPv4 address: a tree of one node whose two
/// records of 24 bits name the same data.
fn database(code: &str) -> Vec<u8> {
    let text = |text: &str| [&[0x40 | u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let mut bytes = [[0, 0, 1 + 16], [0, 0, 1 + 16]].concat();
    bytes.extend([0; 16]);
    bytes.extend([&[0xe1][..], &text("country"), &[0xe1], &text("iso_code"), &text(code)].concat());
    bytes.extend(b"\xab\xcd\xefMaxMind.com\xe9");
    for (name, value) in [
        ("node_count", vec![0xc1, 1]),
        ("record_size", vec![0xa1, 24]),
        ("ip_version", vec![0xa1, 4]),
        ("binary_format_major_version", vec![0xa1, 2]),
        ("binary_format_minor_version", vec![0xa0]),
        ("build_epoch", vec![0x01, 0x02, 1]),
        ("database_type", text("Test")),
        ("languages", vec![0x00, 0x04]),
        ("description", vec![0xe0]),
    ] {
        bytes.extend(text(name));
        bytes.extend(value);
    }
    bytes
}

#[test]
fn countries_come_from_a_database_that_is_read_again_when_it_changes() {
    let mut daemon = Daemon::stopped(&configuration("country_database = \"country.mmdb\""));
    let path = daemon.directory.path().join("country.mmdb");
    let (code, said) = daemon.refuses_to_start(&[]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("country_database = \"country.mmdb\": cannot be read"), "{said}");
    std::fs::write(&path, "network,country\n").unwrap();
    let (code, said) = daemon.refuses_to_start(&[]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("is no database in MaxMind's format"), "{said}");
    let replace = |bytes: &[u8]| {
        let fresh = path.with_extension("new");
        std::fs::write(&fresh, bytes).unwrap();
        std::fs::rename(&fresh, &path).unwrap();
    };
    replace(&database("VN"));
    daemon.restart();
    view(&daemon, "10.0.0.1", CHROME, "u=/", "CF-IPCountry: US\r\n");
    replace(&database("LA"));
    wait_for(|| daemon.log().contains("the sites were taken over").then_some(()));
    assert!(!daemon.log().contains("needs a restart"), "{}", daemon.log());
    view(&daemon, "10.0.0.2", CHROME, "u=/", "");
    let expected: BTreeMap<_, _> = [value("LA", 1, 1), value("VN", 1, 1)].into();
    assert_eq!(values(&export(&daemon), "country"), expected);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

/// Kept from the first version: 21 views by 7 visits in its database, 3 views by 3 visitors in its journal alone,
/// an old counter's 1,333,000 visits, and 20 views added to the 20th.
#[test]
fn a_state_directory_of_the_first_format_opens_with_its_numbers() {
    let mut daemon = Daemon::stopped(
        "fold_interval = \"50ms\"\n[[site]]\nid = \"vks\"\ntime_zone = \"Asia/Ho_Chi_Minh\"\n\
         [[site]]\nid = \"demo\"\ntime_zone = \"UTC\"\n",
    );
    let kept: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "state", "first"].iter().collect();
    copy(&kept, &daemon.state());
    let check = String::from_utf8(daemon.run("journal check", &[]).stdout).unwrap();
    assert!(!check.contains("DAMAGED"), "{check}");
    daemon.restart();
    let total = |daemon: &Daemon, site: &str| daemon.numbers(site)["total"].clone();
    assert_eq!(total(&daemon, "vks"), serde_json::json!({ "views": 44, "visits": 1_333_010 }));
    assert_eq!(total(&daemon, "demo"), serde_json::json!({ "views": 1, "visits": 1 }));
    let first = export(&daemon);
    assert_eq!(first["total"], total(&daemon, "vks"));
    assert_eq!(first["details"], Value::Array(Vec::new()), "views of before told nothing");
    let days: Vec<_> = first["days"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["day"].clone(), row["views"].clone()))
        .collect();
    assert_eq!(days, [("2026-11-20".into(), 20.into()), ("2026-11-23".into(), 24.into())]);
    let contact = first["pages"].as_array().unwrap().iter().find(|row| row["page"] == "/lien-he").unwrap();
    assert_eq!((&contact["views"], &contact["visits"]), (&Value::from(3), &Value::from(3)));

    view(&daemon, "10.9.9.9", ZALO, "u=/moi&r=https://zalo.me/", "");
    assert_eq!(total(&daemon, "vks"), serde_json::json!({ "views": 45, "visits": 1_333_011 }));
    daemon.kill();
    daemon.restart();
    assert_eq!(total(&daemon, "vks"), serde_json::json!({ "views": 45, "visits": 1_333_011 }));
    assert_eq!(values(&export(&daemon), "referrer"), [value("zalo.me", 1, 1)].into());
    let first_beacon: u64 = rusqlite::Connection::open(daemon.state().join("headcount.db"))
        .unwrap()
        .query_row("SELECT first_beacon_at FROM site WHERE id = 'vks'", [], |row| row.get(0))
        .unwrap();
    assert!(first_beacon < 1_795_500_000_000, "the first beacon is still that of before: {first_beacon}");
    assert!(
        daemon.print("report", &["vks", "--from", "2026-11-20", "--to", "2026-11-23"]).contains("1,333,011")
    );
}

/// A database of the first version is a backup of it that the journal does not stand beside.
#[test]
fn a_backup_of_the_first_version_is_restored() {
    let mut daemon = Daemon::stopped("[[site]]\nid = \"vks\"\ntime_zone = \"Asia/Ho_Chi_Minh\"\n");
    let kept: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "tests", "state", "first", "headcount.db"].iter().collect();
    daemon.print("restore", &[kept.to_str().unwrap()]);
    daemon.restart();
    assert_eq!(daemon.numbers("vks")["total"], serde_json::json!({ "views": 41, "visits": 1_333_007 }));
    let empty = daemon.directory.path().join("empty.db");
    std::fs::write(&empty, "").unwrap();
    daemon.stop();
    let refused = daemon.run("restore", &[empty.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("is not a backup of headcount"));
}
