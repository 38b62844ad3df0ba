//! Every command, beside a running daemon and on a stopped one's directory: what it prints, what it
//! changes, and its exit code.

use std::process::Output;

use serde_json::Value;

use crate::support::client::{Wire, browser, counted, noon};
use crate::support::{Daemon, wait_for};

fn configuration() -> String {
    let zone = noon();
    format!(
        "[limits]\nviews_per_network_per_second = 0\n[[site]]\nid = \"demo\"\ntime_zone = \"{zone}\"\n\
         [[site]]\nid = \"other\"\ntime_zone = \"{zone}\"\nhosts = [\"vks.vn\"]\n"
    )
}

/// Views of a few pages by a few people: 24 views, 6 visitors, 4 pages.
fn send(daemon: &Daemon) {
    let mut wire = Wire::open(daemon.public());
    for n in 0..24 {
        let path = format!("/hit?s=demo&u=/p{}", n % 4);
        assert!(counted(&wire.ask(&browser(&path, &format!("10.0.{}.1", n % 6))).unwrap()));
    }
}

/// Exit code and everything that was printed, output first.
fn said(output: &Output) -> (i32, String) {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8(text).unwrap())
}

/// Runs a command and checks exit code and words. A failure is one plain line.
fn check(daemon: &Daemon, command: &str, arguments: &[&str], code: i32, words: &str) -> String {
    let (exit, text) = said(&daemon.run(command, arguments));
    assert_eq!(exit, code, "{command} {arguments:?}: {text}");
    assert!(text.contains(words), "{command} {arguments:?}: {words:?} is not in: {text}");
    if matches!(code, 1 | 4) {
        assert!(text.contains("headcount: ") && !text.contains("Error"), "{text}");
    }
    text
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The date that a site lives in now.
fn today(daemon: &Daemon) -> String {
    daemon.numbers("demo")["at"].as_str().unwrap()[..10].to_owned()
}

/// Of what prints what it was asked for, and of what prints what it has changed.
#[test]
fn output_that_cannot_be_written_is_a_failure_unless_it_tells_of_a_change() {
    let daemon = Daemon::start("[[site]]\nid = \"vks\"\n");
    for (name, arguments, code) in [
        ("adjust", &["vks", "visits", "+1", "--reason", "x"][..], 0),
        ("sites", &[], 1),
        ("sites", &["--json"], 1),
        ("status", &[], 1),
        ("doctor", &[], 1),
        ("config", &[], 1),
        ("check-config", &[], 1),
        ("journal check", &[], 1),
        ("export", &["vks"], 1),
        ("report", &["vks"], 1),
        ("explain", &["/hit?s=vks"], 1),
        ("adjust", &["vks", "--list"], 1),
        ("import", &["--site", "vks", "--json", "/dev/null"], 1),
        ("import", &["--finish"], 1),
    ] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = daemon.command(name, arguments).stdout(full).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{name} {arguments:?}: {said}");
        assert!(said.contains("headcount: cannot print: No space left"), "{name} {arguments:?}: {said}");
    }
}

#[test]
fn help_names_every_command_and_every_argument() {
    let daemon = Daemon::stopped("");
    let help = |name: &str| {
        let arguments: Vec<&str> =
            name.split(' ').chain(["--help"]).filter(|word| !word.is_empty()).collect();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_headcount")).args(arguments).output();
        let (code, text) = said(&output.unwrap());
        assert_eq!(code, 0, "{name}: {text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{name}: {text}");
        text
    };
    let all = help("");
    for (command, words) in [
        ("serve", "--listen <ADDRESS>"),
        ("check-config", "with file, line and key"),
        ("config", "where each value came from"),
        ("sites", "last counted beacon"),
        ("sites remove", "no longer configured"),
        ("adjust", "--on <DATE>"),
        ("import", "--from <SYSTEM>"),
        ("explain", "Example: headcount explain"),
        ("journal check", "Exit 4 on damage"),
        ("backup", "must not exist yet"),
        ("restore", "the daemon must be stopped"),
        ("import", "through every rotation"),
        ("export", "json: one object; csv: one table"),
        ("report", "How many rows of each list"),
    ] {
        let text = help(command);
        assert!(text.contains(words) && text.contains("--config <FILE>"), "{command}: {text}");
        let first = command.split(' ').next().unwrap();
        assert!(all.contains(&format!("\n  {first} ")), "{command} is not in: {all}");
    }
    assert!(all.contains("Exit codes: 0 fine, 1 failed"), "{all}");
    check(&daemon, "dance", &[], 2, "unrecognized subcommand 'dance'");
}

#[test]
fn the_configuration_is_checked_and_printed() {
    let daemon = Daemon::stopped(&configuration());
    let text = check(&daemon, "check-config", &[], 0, "the configuration is right: 2 sites, state in ");
    assert!(text.contains(&format!("read {}", daemon.configuration().display())), "{text}");
    let text = check(&daemon, "config", &[], 0, "views_per_network_per_second = 0");
    assert!(text.contains("id = \"other\"") && text.contains("headcount.toml:2"), "{text}");
    // A variable is stronger than the file.
    let mut other = Daemon::stopped(&configuration());
    other.variable("HEADCOUNT_VISIT_WINDOW", "45m");
    check(&other, "config", &[], 0, "environment HEADCOUNT_VISIT_WINDOW");
    other.variable("HEADCOUNT_VISIT_WINDOW", "soon");
    check(
        &other,
        "check-config",
        &[],
        3,
        "environment HEADCOUNT_VISIT_WINDOW: visit_window = soon: does not begin with a whole number",
    );
    std::fs::write(daemon.configuration(), "listen = 5\nvisit_windows = \"1h\"\nack = \"never\"\n").unwrap();
    for command in [
        "check-config",
        "config",
        "serve",
        "sites",
        "export demo",
        "report demo",
        "adjust demo --list",
        "backup x",
    ] {
        let text = check(&daemon, command, &[], 3, "headcount.toml:3: ack = \"never\"");
        assert!(text.contains(".toml:1: listen") && text.contains(".toml:2: visit_windows"), "{text}");
    }
    std::fs::remove_file(daemon.configuration()).unwrap();
    check(&daemon, "check-config", &[], 3, "headcount.toml: cannot be read: No such file");
}

#[test]
fn sites_are_shown_with_their_numbers_and_refusals() {
    let mut daemon = Daemon::start(&configuration());
    send(&daemon);
    daemon.get("/hit?s=other&u=https://thief.example/", &[]);
    daemon.get("/hit?s=other&u=https://thief.example/", &[]);
    daemon.get("/hit?s=other", &[("User-Agent", "curl/8")]);
    let text = check(
        &daemon,
        "sites",
        &[],
        0,
        "demo\n  total     6 visits, 24 views\n  today     6 visits, 24 views, ",
    );
    assert!(text.contains("online    6\n  last beacon counted "), "{text}");
    assert!(
        text.contains("no beacon was counted yet\n  refused in the last hour: foreign_host 2, robot 1"),
        "{text}"
    );
    let sites = json(&daemon.print("sites", &["--json"]));
    assert_eq!(sites[0]["total"]["visits"], 6);
    assert_eq!(sites[1]["refused_last_hour"]["foreign_host"], 2);
    daemon.stop();
    let text = check(&daemon, "sites", &[], 0, "demo\n  total     6 visits, 24 views\n");
    assert!(text.contains("the daemon is stopped; these are the numbers it kept"), "{text}");
}

/// Adjusts and looks; the same words and codes with and without a daemon.
fn adjust(daemon: &Daemon, day: &str) {
    for (arguments, code, words) in [
        (&["demo", "visits", "+1000", "--reason", "the old counter"][..], 0, "demo now has "),
        (&["demo", "views", "-4", "--reason", "a test of ours"], 0, "demo now has "),
        (&["demo", "views", "+7", "--reason", "seen late", "--on", day], 0, "demo now has "),
        (
            &["demo", "views", "-100000", "--reason", "x"],
            1,
            "cannot take 100000 views from the total of demo: there are only ",
        ),
        (&["demo", "visits", "-100", "--reason", "x", "--on", day], 1, "cannot take 100 visits from "),
        (&["nobody", "visits", "1", "--reason", "x"], 1, "there is no site nobody in the configuration"),
        (&["NOBODY", "visits", "1", "--reason", "x"], 2, "the site id may only hold a-z"),
        (&["demo", "visits", "0", "--reason", "x"], 2, "the amount must not be 0"),
        (&["demo", "visits", "1", "--reason", ""], 2, "headcount: a reason is needed"),
        (&["demo", "visits", "1"], 2, "--reason <REASON>"),
        (&["demo", "clicks", "1", "--reason", "x"], 2, "invalid value 'clicks'"),
        (&["demo", "visits", "some", "--reason", "x"], 2, "invalid value 'some'"),
        (
            &["demo", "visits", "1", "--reason", "x", "--on", "2199-01-01"],
            2,
            "2199-01-01 has not come yet; today is ",
        ),
        (
            &["demo", "visits", "1", "--reason", "x", "--on", "yesterday"],
            2,
            "the day must be a date such as ",
        ),
    ] {
        check(daemon, "adjust", arguments, code, words);
    }
}

#[test]
fn numbers_are_adjusted_with_and_without_a_daemon() {
    let mut daemon = Daemon::start(&configuration());
    send(&daemon);
    let day = today(&daemon);
    adjust(&daemon, &day);
    let check_numbers = |daemon: &Daemon, rounds: u64| {
        let numbers = daemon.numbers("demo");
        let number = |path: &str| numbers.pointer(path).unwrap().as_u64().unwrap();
        assert_eq!(number("/total/visits"), 6 + rounds * 1_000);
        assert_eq!(number("/total/views"), 24 + rounds * 3);
        assert_eq!((number("/today/visits"), number("/today/views")), (6, 24 + rounds * 7));
        assert_eq!(number("/this_year/views"), 24 + rounds * 7);
        assert_eq!(number("/yesterday/views"), 0);
    };
    check_numbers(&daemon, 1);
    daemon.stop();
    adjust(&daemon, &day);
    let list = |daemon: &Daemon| check(daemon, "adjust", &["demo", "--list"], 0, "the old counter");
    let stopped = list(&daemon);
    assert_eq!(stopped.lines().count(), 6, "{stopped}");
    let line = stopped.lines().find(|line| line.contains("seen late")).unwrap();
    assert!(line.contains("+7 views") && line.contains(&day) && line.contains("uid "), "{line}");
    daemon.restart();
    check_numbers(&daemon, 2);
    assert_eq!(list(&daemon), stopped);
    check(&daemon, "adjust", &["other", "--list"], 0, "other was never adjusted");
    // A day of the past has a row of its own from then on.
    check(
        &daemon,
        "adjust",
        &["demo", "visits", "+5", "--reason", "x", "--on", "2020-02-29"],
        0,
        "2011 visits",
    );
    let days = json(&daemon.print("export", &["demo", "--to", "2020-12-31"]))["days"].clone();
    assert_eq!((&days[0]["day"], &days[0]["visits"]), (&"2020-02-29".into(), &5.into()), "{days}");
    assert_eq!(days[0]["counted"]["visits"], 0, "what was added by hand was not counted");
}

#[test]
fn a_beacon_is_explained() {
    let daemon = Daemon::stopped(&configuration());
    let agent = format!("User-Agent: {}", crate::support::FIREFOX);
    let browser = ["--header", agent.as_str(), "--address", "203.0.113.9"];
    for (path, more, code, words) in [
        ("/hit?s=demo&u=/a", &browser[..], 0, "counted, though nothing told the host of the page\n"),
        ("/hit?s=other&u=https://vks.vn/", &browser, 0, "client's own\ncounted\n"),
        (
            "/hit?s=other&u=https://thief.example/",
            &browser,
            0,
            "not counted: foreign_host. Add the host of this page",
        ),
        ("/hit?s=demo", &["--header", "User-Agent: GPTBot/1.0"], 0, "not counted: robot. "),
        ("/hit?s=demo", &[], 0, "the connection is the client's own"),
        ("/hit?s=demo", &["--address", "127.0.0.1"], 0, "a trusted proxy did not name the client"),
        ("/hit?s=demo&u=x", &browser, 0, "refused with 400: parameter `u` must be"),
        ("/hit?s=nobody", &browser, 0, "refused with 404: there is no site nobody"),
        ("/hit?s=demo&k=ping", &browser, 0, "taken: a ping keeps a reader online and counts no view, though"),
        ("/hit?s=demo&k=leave&d=5", &browser, 0, "taken: a leave lets a reader go offline sooner"),
        ("/elsewhere", &browser, 2, "/elsewhere takes no beacon; /hit and /hit.gif do"),
        ("/snippet/demo.svg?hit&u=/a", &browser, 0, "client's own\ncounted, though nothing told the host"),
        ("/badge/other.png?hit&u=https://vks.vn/", &browser, 0, "client's own\ncounted\n"),
        ("/snippet/other.html?frame&hit&u=https://thief.example/", &browser, 0, "not counted: foreign_host"),
        ("/snippet/demo.html?hit", &browser, 0, "shows the numbers and counts nothing; frames, svg"),
        ("/badge/demo.svg", &browser, 0, "shows the numbers and counts nothing; "),
        ("/snippet/demo.svg?hit&lang=tlh", &browser, 0, "refused with 400: this is no snippet: "),
        ("/snippet/demo.exe?hit", &browser, 0, "refused with 404: this is no snippet: the ending"),
        ("/snippet/nobody.svg?hit", &browser, 0, "refused with 404: there is no site"),
        ("https://vks.vn/hit?s=other&u=https://vks.vn/#top", &browser, 0, "client's own\ncounted\n"),
        ("/hc/hit?s=demo", &browser, 2, "/hc/hit takes no beacon; leave out /hc, which the web server"),
        ("/a/b/snippet/demo.svg?hit", &browser, 2, "leave out /a/b, which the web server takes off"),
        ("/hit?s=demo", &["--header", "nonsense"], 2, "a header needs a colon behind its name"),
        ("/hit?s=demo", &["--address", "here"], 2, "invalid value 'here'"),
    ] {
        let arguments: Vec<&str> = [path].into_iter().chain(more.iter().copied()).collect();
        check(&daemon, "explain", &arguments, code, words);
    }
    assert!(!daemon.state().exists(), "explaining leaves nothing behind");
}

#[test]
fn calendar_rows_and_pages_are_exported() {
    let mut daemon = Daemon::start(&configuration());
    check(&daemon, "export", &["demo"], 1, "nothing is kept of demo");
    send(&daemon);
    assert!(counted(&daemon.get("/hit?s=demo&u=/a,%22b%22", &[("X-Forwarded-For", "10.0.0.1")])));
    let day = today(&daemon);
    let running = daemon.print("export", &["demo", "--format", "json"]);
    let csv = daemon.print("export", &["demo", "--format", "csv"]);
    let export = json(&running);
    assert_eq!(export["site"], "demo");
    assert_eq!(export["total"], json("{\"views\":25,\"visits\":6}"));
    let counted = "{\"views\":25,\"visits\":6}";
    let expected =
        format!("[{{\"day\":\"{day}\",\"views\":25,\"visits\":6,\"visitors\":6,\"counted\":{counted}}}]");
    assert_eq!(export["days"], json(&expected));
    assert_eq!(export["pages"].as_array().unwrap().len(), 5);
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("day,dimension,value,views,visits,visitors"));
    assert_eq!(lines.next(), Some(format!("{day},day,,25,6,6").as_str()));
    assert!(csv.contains(&format!("{day},page,/p3,6,1,\n")), "{csv}");
    assert!(csv.contains(&format!("{day},page,\"/a,\"\"b\"\"\",1,0,\n")), "{csv}");
    daemon.stop();
    assert_eq!(daemon.print("export", &["demo"]), running);
    assert_eq!(daemon.print("export", &["demo", "--format", "csv"]), csv);
    let none = json(&daemon.print("export", &["demo", "--from", "2000-01-01", "--to", "2000-12-31"]));
    assert_eq!((none["days"].clone(), none["pages"].clone()), (json("[]"), json("[]")));
    check(&daemon, "export", &["demo", "--format", "xml"], 2, "invalid value 'xml'");
    check(&daemon, "export", &["demo", "--from", "soon"], 2, "invalid value 'soon'");
}

#[test]
fn a_sound_journal_is_told_record_by_record() {
    let mut daemon = Daemon::start(&configuration());
    send(&daemon);
    check(&daemon, "journal check", &[], 0, ": sound, ");
    daemon.kill();
    let text = check(&daemon, "journal check", &[], 0, " in ");
    let records = text
        .lines()
        .filter_map(|line| line.split(": sound, ").nth(1)?.split(' ').next()?.parse::<u64>().ok());
    // The peak is a record too.
    assert!((24..=30).contains(&records.sum::<u64>()), "{text}");
}

/// Everything in a site's numbers that does not move with the clock, but for who is here.
fn lasting(daemon: &Daemon) -> Value {
    let mut numbers = daemon.numbers("demo");
    for moving in ["at", "online", "text"] {
        numbers.as_object_mut().unwrap().remove(moving);
    }
    numbers
}

#[test]
fn a_backup_taken_while_serving_restores_the_same_numbers_and_no_secret() {
    let mut daemon = Daemon::start(&configuration());
    send(&daemon);
    daemon.print("adjust", &["demo", "visits", "+1000", "--reason", "the old counter"]);
    wait_for(|| (daemon.numbers("demo")["peak_online"]["count"] == 6).then_some(()));
    wait_for(|| (daemon.numbers("demo")["today"]["visitors"] == 6).then_some(()));
    let before = lasting(&daemon);
    let backup = daemon.directory.path().join("backup.db");
    let backup = backup.to_str().unwrap();
    check(&daemon, "backup", &[backup], 0, "holds everything but the secrets of the day");
    check(&daemon, "backup", &[backup], 2, "backup.db is there already; name a new file");
    let bytes = std::fs::read(backup).unwrap();
    let salts = std::fs::read_to_string(daemon.state().join("salts")).unwrap();
    assert!(salts.lines().count() >= 2, "{}", salts.lines().count());
    for line in salts.lines() {
        let hex = line.split_whitespace().last().unwrap();
        assert_eq!(hex.len(), 32);
        let raw: Vec<u8> = (0..16).map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap()).collect();
        let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|at| at == needle);
        assert!(!holds(hex.as_bytes()) && !holds(&raw), "a salt is in the backup");
    }
    check(&daemon, "restore", &[backup], 1, "is in use by another headcount; stop that one");
    send(&daemon);
    assert_ne!(lasting(&daemon), before);
    // On a directory of its own, then on the one that went on.
    let mut fresh = Daemon::stopped(&configuration());
    check(&fresh, "restore", &[backup], 0, "; start the daemon");
    assert!(!fresh.state().join("salts").exists());
    daemon.stop();
    check(&daemon, "restore", &[backup], 0, "; start the daemon");
    assert!(!daemon.state().join("salts").exists());
    for restored in [&mut fresh, &mut daemon] {
        restored.restart();
        assert_eq!(lasting(restored), before);
        assert!(!restored.log().contains("files of the journal are gone"), "{}", restored.log());
        check(restored, "adjust", &["demo", "--list"], 0, "the old counter");
        assert!(counted(&restored.get("/hit?s=demo&u=/after", &[])));
        assert_eq!(restored.numbers("demo")["total"]["views"], 25);
        restored.stop();
        restored.restart();
        assert_eq!(restored.numbers("demo")["total"]["views"], 25);
    }
}

#[test]
fn a_backup_that_is_damaged_anywhere_replaces_nothing() {
    let mut daemon = Daemon::start(&format!("fold_interval = \"1m\"\n{}", configuration()));
    (0..300).for_each(|n| assert!(counted(&daemon.get(&format!("/hit?s=demo&u=/{n}"), &[]))));
    let place = |name: &str| daemon.directory.path().join(name).to_str().unwrap().to_owned();
    let (backup, bad) = (place("b.db"), place("bad.db"));
    check(&daemon, "backup", &[&backup], 0, "holds everything");
    let bytes = std::fs::read(&backup).unwrap();
    daemon.stop();
    let mut other = Daemon::start(&configuration());
    assert!(counted(&other.get("/hit?s=demo&u=/old", &[])));
    other.stop();
    let mut refused = 0;
    for n in 0..40 {
        let mut damaged = bytes.clone();
        damaged[bytes.len() * n / 40 + 7] ^= 4;
        std::fs::write(&bad, &damaged).unwrap();
        let done = other.command("restore", &[&bad]).output().unwrap();
        if done.status.success() {
            // It hit a byte that nobody reads.
            other.restart();
            assert_eq!(other.numbers("demo")["total"]["views"], 300, "byte {}", bytes.len() * n / 40 + 7);
            other.stop();
        } else {
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            assert!(
                said.contains("bad.db is damaged, and nothing was replaced") || said.contains("not a backup"),
                "{said}"
            );
            refused += 1;
        }
    }
    assert!(refused > 5, "{refused} of 40");
}

#[test]
fn commands_on_a_directory_without_counts_say_so_and_make_none() {
    let daemon = Daemon::stopped(&configuration());
    let backup = daemon.directory.path().join("b.db");
    let backup = backup.to_str().unwrap();
    for (name, arguments) in [
        ("backup", &[backup][..]),
        ("sites", &[]),
        ("adjust", &["demo", "visits", "+7", "--reason", "x"]),
        ("export", &["demo"]),
        ("report", &["demo"]),
    ] {
        check(&daemon, name, arguments, 1, "nothing was ever counted in ");
    }
    assert!(!daemon.state().exists() && !std::path::Path::new(backup).exists());
}

#[test]
fn a_stopped_daemon_is_backed_up_too_and_a_bad_backup_changes_nothing() {
    let mut daemon = Daemon::start(&configuration());
    send(&daemon);
    daemon.kill();
    let place = |name: &str| daemon.directory.path().join(name).to_str().unwrap().to_owned();
    let (backup, none, bad) = (place("b.db"), place("none.db"), place("bad.db"));
    check(&daemon, "backup", &[&backup], 0, "holds everything");
    std::fs::write(&bad, "no backup at all").unwrap();
    check(&daemon, "restore", &[&none], 1, "none.db: No such file");
    check(&daemon, "restore", &[&bad], 1, "bad.db is not a backup of headcount");
    let foreign = rusqlite::Connection::open(place("foreign.db")).unwrap();
    foreign.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)").unwrap();
    drop(foreign);
    check(&daemon, "restore", &[&place("foreign.db")], 1, "foreign.db is not a backup of headcount");
    daemon.restart();
    assert_eq!(daemon.numbers("demo")["total"], json("{\"views\":24,\"visits\":6}"));
    assert_eq!(daemon.numbers("demo")["online"], 6);
    let mut fresh = Daemon::stopped(&configuration());
    check(&fresh, "restore", &[&backup], 0, "; start the daemon");
    fresh.restart();
    assert_eq!(fresh.numbers("demo")["total"], json("{\"views\":24,\"visits\":6}"));
}

#[test]
fn a_site_is_removed_only_once_it_is_out_of_the_configuration() {
    let mut daemon = Daemon::start(&configuration());
    send(&daemon);
    check(
        &daemon,
        "sites remove",
        &["demo"],
        1,
        "demo is in service; take it out of the configuration first",
    );
    let both = configuration();
    let without = both.replace("id = \"demo\"", "id = \"new\"");
    std::fs::write(daemon.configuration(), &without).unwrap();
    daemon.signal("HUP");
    wait_for(|| (daemon.get("/snippet/demo.json", &[]).status == 404).then_some(()));
    check(&daemon, "export", &["demo"], 0, "\"views\":24");
    let told = "everything that was kept of demo is deleted\nwho was there is remembered for 30 more minutes";
    check(&daemon, "sites remove", &["demo"], 0, told);
    check(&daemon, "export", &["demo"], 1, "nothing is kept of demo");
    check(&daemon, "sites remove", &["demo"], 1, "nothing is kept of demo");
    check(&daemon, "sites remove", &["DEMO"], 2, "the site id may only hold");
    // What is put back begins at nothing, now and after a kill.
    std::fs::write(daemon.configuration(), &both).unwrap();
    daemon.signal("HUP");
    wait_for(|| (daemon.get("/snippet/demo.json", &[]).status == 200).then_some(()));
    let numbers = daemon.numbers("demo");
    assert_eq!((&numbers["total"]["views"], &numbers["online"]), (&json("0"), &json("6")), "as was told");
    send(&daemon);
    assert_eq!(daemon.numbers("demo")["total"]["views"], 24);
    daemon.kill();
    daemon.restart();
    assert_eq!(daemon.numbers("demo")["total"]["views"], 24);
    daemon.stop();
    check(&daemon, "sites remove", &["demo"], 1, "demo is still configured; take it out");
    std::fs::write(daemon.configuration(), &without).unwrap();
    check(&daemon, "sites remove", &["demo"], 0, "everything that was kept of demo is deleted");
    std::fs::write(daemon.configuration(), &both).unwrap();
    daemon.restart();
    assert_eq!(daemon.numbers("demo")["total"]["views"], 0);
}
