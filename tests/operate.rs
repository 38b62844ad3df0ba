//! Start, count, show, stop, start again: what a new user meets.

use crate::support::{Daemon, wait_for};

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
