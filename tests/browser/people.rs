//! One person, two people, one who leaves: what online means on a screen.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{SPANS, VKS, online, reads, script, total};
use crate::support::chromium::{Browser, CHROME_LINUX, CHROME_WINDOWS};
use crate::support::site::Site;
use crate::support::{Daemon, wait_for};

const BLOCK: &str = "[data-headcount-block]";

/// Two browsers with these names; nothing where there is none.
fn two(agents: [&str; 2]) -> Option<[Browser; 2]> {
    let open = |agent| Browser::open_as(agent, &json!({}));
    Some([open(agents[0])?, open(agents[1])?])
}

/// The opening scene: one daemon and one page, which one browser looks at and then the other. They read who has
/// come by then, and how many are there.
fn arrive([first, second]: &[Browser; 2], more: &str, attributes: &str, both: (u64, u64)) -> (Daemon, Site) {
    let daemon = Daemon::start(&format!("{VKS}{more}"));
    let site = Site::start(daemon.public());
    site.put("/", &format!("{}\n{SPANS}", script(&daemon, attributes)));
    first.visit(&site.at("/"));
    first.wait_for_text(BLOCK, &reads(1, 1));
    second.visit(&site.at("/"));
    second.wait_for_text(BLOCK, &reads(both.0, both.1));
    (daemon, site)
}

#[test]
fn two_browsers_are_two_people_until_one_of_them_leaves() {
    let Some(both) = two([CHROME_LINUX, CHROME_WINDOWS]) else { return };
    let (daemon, _site) = arrive(&both, "", "", (2, 2));
    let [first, second] = &both;
    // A tab that comes to the front asks at once.
    first.run("document.dispatchEvent(new Event('visibilitychange'))");
    first.wait_for_text(BLOCK, &reads(2, 2));

    let left = Instant::now();
    second.close_tab();
    wait_for(|| (online(&daemon) == 1).then_some(()));
    assert!(left.elapsed() > Duration::from_secs(10), "gone after {:?}", left.elapsed());
    first.run("document.dispatchEvent(new Event('visibilitychange'))");
    first.wait_for_text(BLOCK, &reads(2, 1));
    assert_eq!(total(&daemon), (2, 2));
}

#[test]
fn two_equal_browsers_at_one_address_are_one_person() {
    let Some(both) = two([CHROME_LINUX, CHROME_LINUX]) else { return };
    let (daemon, _site) = arrive(&both, "", "", (1, 1));
    let [first, _] = &both;
    assert_eq!(total(&daemon), (2, 1));
    assert_eq!(first.run("return [localStorage.length, document.cookie]"), json!([0, ""]));
}

#[test]
fn a_site_that_knows_browsers_tells_two_equal_ones_apart() {
    let Some(both) = two([CHROME_LINUX, CHROME_LINUX]) else { return };
    let (daemon, site) = arrive(&both, "identity = \"browser\"\n", "data-identity=\"browser\"", (2, 2));
    let [first, _] = &both;
    first.visit(&site.at("/?again"));
    first.wait_for_text(BLOCK, &reads(2, 2));
    assert_eq!(total(&daemon), (3, 2));
}
