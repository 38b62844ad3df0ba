//! The five ways to embed the counter, read from the README: its lines, under its policies.
//!
//! Headcount has an origin of its own here, so its host stands in the place of `'self'`, as the
//! README says. A policy begins with `default-src 'none'`: what the README does not name is refused.

use super::{VKS, base, numbers, online, reads, total};
use serde_json::json;

use crate::support::chromium::{Browser, CHROME_LINUX};
use crate::support::site::Site;
use crate::support::{Daemon, get, wait_for};

const NOTHING: &[String] = &[];
/// Whether there is nothing to scroll.
const FITS: &str = "let e = document.documentElement; return e.scrollHeight <= innerHeight";

/// The lines to paste and the policies of one way, in the order in which the README gives them.
pub(super) struct Way {
    pub(super) lines: Vec<String>,
    pub(super) policies: Vec<String>,
}

/// A way of the README, by its number.
pub(super) fn way(number: usize) -> Way {
    let readme = include_str!("../../README.md");
    let after = readme.split_once(&format!("\n### {number}. ")).expect("the way is in the README").1;
    let section = after.split("\n### ").next().unwrap_or(after);
    let blocks = section.split("```html\n").skip(1).filter_map(|rest| rest.split_once("\n```"));
    let policies = section.lines().filter_map(|line| line.strip_prefix("    Content-Security-Policy: "));
    Way {
        lines: blocks.map(|(block, _)| block.to_owned()).collect(),
        policies: policies.map(|policy| format!("default-src 'none'; {policy}")).collect(),
    }
}

/// A browser, a daemon, and a site; nothing where there is no browser.
fn scene() -> Option<(Browser, Daemon, Site)> {
    let browser = Browser::open()?;
    let daemon = Daemon::start(VKS);
    let site = Site::start(daemon.public());
    Some((browser, daemon, site))
}

/// Puts lines of the README on a page of another origin, under a policy of the README.
fn put(site: &Site, path: &str, daemon: &Daemon, lines: &str, policy: &str) {
    let lines = lines.replace("https://www.example.vn/hc", &base(daemon));
    site.put_guarded(path, &lines, &policy.replace("'self'", &base(daemon)));
}

#[test]
fn a_script_with_spans_counts_fills_and_unhides() {
    let Some((browser, daemon, site)) = scene() else { return };
    let way = way(1);
    put(&site, "/", &daemon, &way.lines[0], &way.policies[0]);
    browser.visit(&site.at("/"));
    browser.wait_for_text("[data-headcount-block]", &reads(1, 1));
    assert_eq!((total(&daemon), browser.console()), ((1, 1), NOTHING.to_vec()));
}

#[test]
fn a_script_alone_inserts_the_default_block() {
    let Some((browser, daemon, site)) = scene() else { return };
    let way = way(2);
    put(&site, "/", &daemon, &format!("<p>before</p>{}<p>behind</p>", way.lines[0]), &way.policies[0]);
    browser.visit(&site.at("/"));
    browser.wait_for_text("script + p.headcount", &reads(1, 1));
    assert_eq!((total(&daemon), browser.console()), ((1, 1), NOTHING.to_vec()));
}

#[test]
fn a_script_that_hides_counts_and_shows_nothing() {
    let Some((browser, daemon, site)) = scene() else { return };
    let way = way(2);
    put(&site, "/", &daemon, &format!("<p>a page</p>{}", way.lines[1]), &way.policies[0]);
    browser.visit(&site.at("/"));
    wait_for(|| (total(&daemon) == (1, 1)).then_some(()));
    // A second view has been answered, so whatever the first one would insert is there by now.
    browser.run("history.pushState(0, '', '/other')");
    wait_for(|| (total(&daemon) == (2, 1)).then_some(()));
    assert_eq!(browser.run("return document.body.innerText.trim()"), "a page");
    assert_eq!(browser.console(), NOTHING);
}

#[test]
fn a_frame_counts_when_it_is_told_to_and_shows_always() {
    let Some((browser, daemon, site)) = scene() else { return };
    let way = way(3);
    for (path, lines, views) in [
        ("/counts", way.lines[0].clone(), 1),
        ("/names-its-page", way.lines[0].replace("&hit", "&hit&u=/news/today"), 2),
        ("/shows", way.lines[0].replace("&hit", ""), 2),
    ] {
        put(&site, path, &daemon, &lines, &way.policies[0]);
        browser.visit(&site.at(path));
        browser.enter_frame();
        assert_eq!(browser.text("p.headcount"), reads(1, 1), "{path}");
        // The README's measures leave nothing to scroll.
        assert_eq!(browser.run(FITS), true, "{path}");
        browser.leave_frame();
        assert_eq!(total(&daemon), (views, 1), "{path}");
    }
    assert_eq!(page_views(&daemon, "/news/today"), 1);
    let table = way.lines[0].replace("&hit", "&style=table").replace("\"64\"", "\"340\"");
    put(&site, "/table", &daemon, &table, &way.policies[0]);
    browser.visit(&site.at("/table"));
    browser.enter_frame();
    assert!(browser.text("table.headcount").ends_with("Tổng cộng\t1 lượt"));
    assert_eq!(browser.run(FITS), true);
    browser.leave_frame();
    assert_eq!(browser.console(), NOTHING);
}

#[test]
fn an_image_counts_when_it_is_told_to_and_shows_always() {
    let Some((browser, daemon, site)) = scene() else { return };
    let way = way(4);
    for (path, lines, views) in [
        ("/counts", way.lines[0].clone(), 1),
        ("/names-its-page", way.lines[0].replace("?hit", "?hit&u=/news/today"), 2),
        ("/shows", way.lines[0].replace("?hit", ""), 2),
    ] {
        put(&site, path, &daemon, &lines, &way.policies[0]);
        browser.visit(&site.at(path));
        assert_eq!(browser.run("return document.images[0].naturalWidth > 200"), true, "{path}");
        assert_eq!(total(&daemon), (views, 1), "{path}");
    }
    assert_eq!(page_views(&daemon, "/news/today"), 1);
    assert_eq!(browser.console(), NOTHING);
}

#[test]
fn a_transparent_dot_counts_and_shows_nothing() {
    let Some((browser, daemon, site)) = scene() else { return };
    let way = way(4);
    put(&site, "/", &daemon, &way.lines[1], &way.policies[0]);
    browser.visit(&site.at("/"));
    assert_eq!(browser.run("return document.images[0].naturalWidth"), 1);
    assert_eq!((total(&daemon), browser.console()), ((1, 1), NOTHING.to_vec()));
}

#[test]
fn a_server_side_include_shows_without_a_script_and_does_not_count() {
    let daemon = Daemon::start(VKS);
    let site = Site::start(daemon.public());
    let way = way(5);
    put(&site, "/", &daemon, &way.lines[0], "default-src 'none'");
    daemon.get("/hit?s=vks&u=http://www.localhost/", &[]);
    let html = get(site.address(), "/", &[]).text();
    assert!(html.contains("<span class=\"headcount-number\" data-headcount=\"total\">1</span>"), "{html}");
    assert_eq!(total(&daemon), (1, 1));
}

#[test]
fn a_server_side_include_with_a_silent_script_counts_and_stays_fresh() {
    let Some((browser, daemon, site)) = scene() else { return };
    let lines = format!("{}\n{}", way(5).lines[0], way(2).lines[1]);
    put(&site, "/", &daemon, &lines, &way(2).policies[0]);
    browser.visit(&site.at("/"));
    browser.wait_for_text("p.headcount", &reads(1, 1));
    assert_eq!(browser.run("return document.querySelectorAll('.headcount').length"), 1);
    assert_eq!((total(&daemon), online(&daemon)), ((1, 1), 1));
    assert_eq!(browser.console(), NOTHING);
}

#[test]
fn a_policy_that_forbids_the_counter_leaves_the_page_whole() {
    let Some((browser, daemon, site)) = scene() else { return };
    put(&site, "/", &daemon, &format!("<p>a page</p>{}", way(1).lines[0]), "default-src 'none'");
    browser.visit(&site.at("/"));
    assert_eq!(browser.run("return document.body.innerText.trim()"), "a page");
    assert_eq!(total(&daemon), (0, 0));
}

#[test]
fn readers_without_javascript_are_counted_by_frame_and_image_and_see_every_number() {
    let without = json!({"profile": {"managed_default_content_settings": {"javascript": 2}}});
    let Some(browser) = Browser::open_as(CHROME_LINUX, &without) else { return };
    let daemon = Daemon::start(VKS);
    let site = Site::start(daemon.public());
    let lines = [way(1).lines[0].as_str(), &way(3).lines[0], &way(4).lines[0], &way(5).lines[0]].concat();
    site.put("/", &lines.replace("https://www.example.vn/hc", &base(&daemon)));
    browser.visit(&site.at("/"));
    assert_eq!(total(&daemon), (2, 1));
    browser.visit(&site.at("/?again"));
    let spoken = browser.spoken();
    assert!(
        spoken.contains("Iframe: Visitors") && spoken.contains("image: The number of visits"),
        "{spoken}"
    );
    // The block that only the script would fill stays out of sight; the included one is there.
    assert_eq!(spoken.matches("StaticText: Số lượt truy cập:").count(), 1, "{spoken}");
}

#[test]
fn a_screen_reader_finds_the_numbers_in_words_and_the_online_number_as_a_status() {
    let Some((browser, daemon, site)) = scene() else { return };
    put(&site, "/", &daemon, &way(2).lines[0], &way(2).policies[0]);
    browser.visit(&site.at("/"));
    browser.wait_for_text("p.headcount", &reads(1, 1));
    let spoken = browser.spoken();
    for said in ["StaticText: Số lượt truy cập:", "StaticText: 1", "status", "StaticText: người"] {
        assert!(spoken.lines().any(|line| line.trim_end_matches(": ") == said), "{said} is not in\n{spoken}");
    }
}

fn page_views(daemon: &Daemon, page: &str) -> u64 {
    numbers(daemon, page)["page"]["views"].as_u64().unwrap_or(0)
}
