//! What the script does on a page, and what it leaves alone.

use serde_json::json;

use super::{SPANS, VKS, numbers, reads, script, total};
use crate::support::chromium::{Browser, CHROME_LINUX};
use crate::support::site::Site;
use crate::support::{Daemon, free_port, wait_for};

const BLOCK: &str = "[data-headcount-block]";

/// A browser, a daemon of this configuration, and a site with a page at `/`.
fn scene(configuration: &str, attributes: &str) -> Option<(Browser, Daemon, Site)> {
    let browser = Browser::open()?;
    let (daemon, site) = served(configuration, attributes);
    Some((browser, daemon, site))
}

fn served(configuration: &str, attributes: &str) -> (Daemon, Site) {
    let daemon = Daemon::start(configuration);
    let site = Site::start(daemon.public());
    site.put("/", &format!("{}\n{SPANS}", script(&daemon, attributes)));
    (daemon, site)
}

#[test]
fn every_number_on_the_page_equals_the_json() {
    let Some((browser, daemon, site)) = scene(VKS, "") else { return };
    for (figure, by) in [("visits", "+1333796"), ("views", "+4021877")] {
        daemon.print("adjust", &["vks", figure, by, "--reason", "the old counter"]);
    }
    daemon.get("/hit?s=vks&u=http://www.localhost/tin-tuc", &[]);
    let names = daemon.numbers("vks")["text"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(names.len(), 13);
    let place = |name: &&str| format!("<b data-headcount=\"{name}\"></b>");
    site.put("/all", &format!("{}{}", script(&daemon, ""), names.iter().map(place).collect::<String>()));
    browser.visit(&site.at("/all"));
    let shown = "let all = {}; document.querySelectorAll('b').forEach(e => all[e.dataset.headcount] = e.innerText);\
                 return all";
    wait_for(|| {
        let told = daemon.get("/snippet/vks.json?page=/all", &[]).json()["text"].clone();
        assert_eq!(told.as_object().unwrap().len(), 13);
        (browser.run(shown) == told && told["total"] == "1,333,798").then_some(())
    });
}

#[test]
fn single_page_navigation_is_a_second_view_and_no_second_visit() {
    let Some((browser, daemon, site)) = scene(VKS, "") else { return };
    browser.visit(&site.at("/"));
    browser.wait_for_text(BLOCK, &reads(1, 1));
    browser.run("history.pushState(0, '', '/tin-tuc')");
    wait_for(|| (total(&daemon) == (2, 1)).then_some(()));
    // Neither a fragment nor the same address again is another page.
    browser.run("location.hash = 'top'; history.replaceState(0, '', '/tin-tuc')");
    browser.back();
    browser.back();
    wait_for(|| (total(&daemon) == (3, 1)).then_some(()));
    let page = numbers(&daemon, "/tin-tuc")["page"].clone();
    assert_eq!((&page["views"], &page["visits"]), (&json!(1), &json!(0)));
    assert_eq!(browser.text(BLOCK), reads(1, 1));
}

#[test]
fn a_page_that_cleans_up_its_query_is_still_the_same_page() {
    let Some((browser, daemon, site)) = scene(VKS, "") else { return };
    browser.visit(&site.at("/?fbclid=x"));
    browser.wait_for_text(BLOCK, &reads(1, 1));
    browser.run("history.replaceState(0, '', '/')");
    // A fragment of the cleaned address is not another page either.
    browser.run("location.hash = 'top'; history.replaceState(0, '', '/?sort=name')");
    // A path of its own is, and so is a query that somebody goes to.
    browser.run("history.replaceState(0, '', '/tin-tuc')");
    wait_for(|| (total(&daemon).0 >= 2).then_some(()));
    assert_eq!(total(&daemon), (2, 1));
    browser.run("history.pushState(0, '', '/tin-tuc?trang=2'); history.pushState(0, '', '/tin-tuc?trang=2')");
    wait_for(|| (total(&daemon).0 >= 3).then_some(()));
    browser.run("history.pushState(0, '', '/last')");
    wait_for(|| (total(&daemon).0 >= 4).then_some(()));
    assert_eq!(total(&daemon), (4, 1));
    assert_eq!(numbers(&daemon, "/")["page"]["views"], json!(1));
}

#[test]
fn a_daemon_that_is_down_leaves_the_block_hidden() {
    let Some((browser, mut daemon, site)) = scene(VKS, "") else { return };
    let nobody = format!("127.0.0.1:{}", free_port());
    site.put(
        "/never-up",
        &format!("<script defer src=\"http://{nobody}/headcount.js\" data-site=\"vks\"></script>{SPANS}"),
    );
    browser.visit(&site.at("/never-up"));
    assert_eq!(browser.run("return document.body.innerText.trim()"), "");
    // The script is in the browser's cache by now, and the daemon goes away behind its back.
    browser.visit(&site.at("/"));
    browser.wait_for_text(BLOCK, &reads(1, 1));
    daemon.stop();
    browser.visit(&site.at("/?again"));
    wait_for(|| {
        browser
            .console()
            .iter()
            .any(|line| line.contains("/hit") && line.contains("net::ERR_CONNECTION_REFUSED"))
            .then_some(())
    });
    assert!(!browser.shows(BLOCK));
}

#[test]
fn an_owner_leaves_the_own_browser_out_and_takes_it_back() {
    let Some((browser, daemon, site)) = scene(VKS, "") else { return };
    for address in ["/#headcount=off", "/", "/?again"] {
        browser.visit(&site.at(address));
        browser.wait_for_text(BLOCK, &reads(0, 0));
    }
    assert_eq!(total(&daemon), (0, 0));
    browser.visit(&site.at("/?back#headcount=on"));
    browser.wait_for_text(BLOCK, &reads(1, 1));
}

#[test]
fn an_owner_may_leave_on_a_page_that_is_open_already() {
    let Some((browser, daemon, site)) = scene(VKS, "") else { return };
    browser.visit(&site.at("/"));
    browser.wait_for_text(BLOCK, &reads(1, 1));
    // The browser goes to a fragment: the page is not loaded anew.
    browser.run("window.kept = 1");
    browser.visit(&site.at("/#headcount=off"));
    assert_eq!(browser.run("return [window.kept, localStorage.headcount]"), json!([1, "off"]));
    browser.run("history.pushState(0, '', '/next')");
    browser.visit(&site.at("/?anew"));
    browser.wait_for_text(BLOCK, &reads(1, 1));
    assert_eq!(total(&daemon), (1, 1));
    browser.visit(&site.at("/?anew#headcount=on"));
    browser.run("history.pushState(0, '', '/next')");
    wait_for(|| (total(&daemon) == (2, 1)).then_some(()));
}

#[test]
fn browsers_that_ask_not_to_be_tracked_are_left_out_and_still_see_the_numbers() {
    let asks = json!({"enable_do_not_track": true});
    let Some(browser) = Browser::open_as(CHROME_LINUX, &asks) else { return };
    let (daemon, site) = served(VKS, "data-dnt");
    site.put("/counted", &format!("{}\n{SPANS}", script(&daemon, "")));
    browser.visit(&site.at("/"));
    browser.wait_for_text(BLOCK, &reads(0, 0));
    assert_eq!(total(&daemon), (0, 0));
    browser.visit(&site.at("/counted"));
    browser.wait_for_text(BLOCK, &reads(1, 1));
}

#[test]
fn a_site_that_honours_the_wish_not_to_be_tracked_says_so_on_the_console() {
    let asks = json!({"enable_do_not_track": true});
    let Some(browser) = Browser::open_as(CHROME_LINUX, &asks) else { return };
    let (daemon, site) = served(&format!("{VKS}honour_opt_out = true\n"), "");
    browser.visit(&site.at("/"));
    browser.wait_for_text(BLOCK, &reads(0, 0));
    check_console(&browser, "opted_out", "honour");
    assert_eq!(total(&daemon), (0, 0));
}

#[test]
fn a_script_that_waits_does_nothing_until_it_is_started() {
    let Some((browser, daemon, site)) = scene(VKS, "data-wait") else { return };
    browser.visit(&site.at("/"));
    assert_eq!(browser.run("return [typeof headcount.start, localStorage.length]"), json!(["function", 0]));
    assert!(!browser.shows(BLOCK));
    assert_eq!(total(&daemon), (0, 0));
    browser.run("headcount.start(); headcount.start()");
    browser.wait_for_text(BLOCK, &reads(1, 1));
    assert_eq!(total(&daemon), (1, 1));
}

#[test]
fn a_beacon_that_was_not_counted_writes_reason_and_remedy_on_the_console() {
    let Some((browser, daemon, site)) = scene(VKS, "") else { return };
    browser.visit(&site.on("blog.localhost", "/"));
    browser.wait_for_text(BLOCK, &reads(0, 0));
    check_console(&browser, "foreign_host", "Add the host of this page to the hosts of the site.");
    assert_eq!(total(&daemon), (0, 0));
}

#[test]
fn a_browser_that_says_it_is_a_robot_is_told_so() {
    let agent = CHROME_LINUX.replace("Chrome/", "HeadlessChrome/");
    let Some(browser) = Browser::open_as(&agent, &json!({})) else { return };
    let (daemon, site) = served(VKS, "");
    browser.visit(&site.at("/"));
    browser.wait_for_text(BLOCK, &reads(0, 0));
    check_console(&browser, "robot", "open the page in an ordinary browser");
    assert_eq!(total(&daemon), (0, 0));
}

#[test]
fn a_page_that_pastes_the_line_twice_is_counted_once() {
    let Some((browser, daemon, site)) = scene(VKS, "") else { return };
    site.put("/twice", &[script(&daemon, ""), script(&daemon, ""), SPANS.to_owned()].concat());
    browser.visit(&site.at("/twice"));
    browser.wait_for_text(BLOCK, &reads(1, 1));
    browser.run("history.pushState(0, '', '/next')");
    wait_for(|| (total(&daemon).0 >= 2).then_some(()));
    assert_eq!(total(&daemon), (2, 1));
}

#[test]
fn a_page_with_a_wrong_site_shows_nothing_and_the_console_tells() {
    let Some((browser, daemon, site)) = scene(VKS, "") else { return };
    site.put("/", &[script(&daemon, "").replace("\"vks\"", "\"vsk\""), SPANS.to_owned()].concat());
    browser.visit(&site.at("/"));
    wait_for(|| browser.console().iter().any(|line| line.contains("404")).then_some(()));
    assert!(!browser.shows(BLOCK));
}

fn check_console(browser: &Browser, reason: &str, remedy: &str) {
    let console = browser.console();
    let told = console
        .iter()
        .any(|line| line.contains("not counted") && line.contains(reason) && line.contains(remedy));
    assert!(told && console.len() == 1, "{console:?}");
}
