//! What old sites and other places take: scripts that call a function, badges, pictures, digit wheels.

use serde_json::json;

use super::{VKS, base, numbers, script, total};
use crate::support::chromium::Browser;
use crate::support::site::Site;
use crate::support::{Daemon, Reply, wait_for};

const NOTHING: &[String] = &[];

/// A browser, a daemon, and a site; nothing where there is no browser.
fn scene() -> Option<(Browser, Daemon, Site)> {
    let browser = Browser::open()?;
    let daemon = Daemon::start(VKS);
    let site = Site::start(daemon.public());
    Some((browser, daemon, site))
}

/// A header of a reply.
fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    reply.headers.get(name).map(String::as_str)
}

/// The lines of the README that hold this.
fn pasted(daemon: &Daemon, held: &str) -> String {
    let readme = include_str!("../../README.md");
    let mut blocks = readme.split("```html\n").skip(1).filter_map(|rest| rest.split_once("\n```"));
    let (block, _) = blocks.find(|(block, _)| block.contains(held)).expect("is in the README");
    block.replace("https://www.example.vn/hc", &base(daemon))
}

#[test]
fn an_old_page_with_two_scripts_shows_the_numbers_and_counts() {
    let Some((browser, daemon, site)) = scene() else { return };
    site.put("/", &pasted(&daemon, "callback="));
    browser.visit(&site.at("/"));
    browser.wait_for_text("#visits", "1");
    browser.wait_for_text("#online", "1");
    assert_eq!((total(&daemon), browser.console()), ((1, 1), NOTHING.to_vec()));
}

#[test]
fn a_script_calls_nothing_but_functions_by_their_names() {
    let daemon = Daemon::start(VKS);
    let asked = |query: &str| daemon.get(&format!("/snippet/vks.js{query}"), &[]);
    let called = asked("?callback=a.b$_1");
    assert_eq!(header(&called, "content-type"), Some("application/javascript; charset=utf-8"));
    assert_eq!(header(&called, "x-content-type-options"), Some("nosniff"));
    assert_eq!(header(&called, "cross-origin-resource-policy"), Some("cross-origin"));
    assert!(called.text().starts_with("/**/a.b$_1({\"site\":\"vks\","), "{}", called.text());
    for query in
        ["", "?callback=", "?callback=alert(1)", "?callback=a%0Ab", "?callback=a.this", "?callback=%E2%80%A8"]
    {
        let refused = asked(query);
        assert_eq!(refused.status, 400, "{query}");
        assert!(refused.text().contains("parameter \"callback\" is "), "{}", refused.text());
    }
}

#[test]
fn pictures_and_badges_count_when_they_are_told_to_and_can_be_kept_for_a_second() {
    let Some((browser, daemon, site)) = scene() else { return };
    for (at, file) in ["snippet/vks.png", "badge/vks.svg", "badge/vks.png?scale=2"].into_iter().enumerate() {
        let hit = if file.contains('?') { "&hit" } else { "?hit" };
        let images = format!("<img src=\"{}/{file}\"><img src=\"{0}/{file}{hit}\">", base(&daemon));
        site.put("/", &images);
        browser.visit(&site.at("/"));
        assert_eq!(
            browser.run("return [...document.images].every(i => i.naturalWidth > 60)"),
            true,
            "{file}"
        );
        assert_eq!(total(&daemon), (u64::try_from(at).unwrap() + 1, 1), "{file}");

        let once = daemon.get(&format!("/{file}"), &[]);
        assert_eq!(header(&once, "cache-control"), Some("max-age=1"), "{file}");
        assert!(header(&once, "etag").is_some(), "{file}");
        let counted = daemon.get(&format!("/{file}{hit}"), &[("User-Agent", "curl/8.0")]);
        assert_eq!(header(&counted, "cache-control"), Some("no-store"), "{file}");
    }
    assert_eq!(browser.console(), NOTHING);
}

#[test]
fn a_picture_that_is_known_already_is_not_sent_again() {
    let daemon = Daemon::start(VKS);
    let first = daemon.get("/badge/vks.png", &[]);
    assert_eq!(header(&first, "content-type"), Some("image/png"));
    let again = daemon.get("/badge/vks.png", &[("If-None-Match", header(&first, "etag").unwrap())]);
    assert_eq!((again.status, again.body.len()), (304, 0));
}

#[test]
fn a_picture_that_counts_shows_the_page_that_it_counted() {
    let daemon = Daemon::start(VKS);
    let drawn = |query: &str| daemon.get(&format!("/badge/vks.png?label=&{query}"), &[]).body;
    let dash = drawn("show=page");
    assert_ne!(drawn("show=page&u=http://www.localhost/a&hit"), dash);
    assert_eq!(drawn("show=page"), dash, "no page was named");
}

#[test]
fn many_pictures_at_once_are_drawn_or_refused_in_words_and_beacons_go_on() {
    let daemon = Daemon::start(VKS);
    let replies: Vec<_> = std::thread::scope(|scope| {
        let ask = |n: u32| daemon.get(&format!("/badge/vks.png?label={n}"), &[]);
        let asking: Vec<_> = (0..100).map(|n| scope.spawn(move || ask(n))).collect();
        let beacon = daemon.get("/hit?s=vks&u=http://www.localhost/", &[]);
        assert_eq!(beacon.json()["counted"], true);
        asking.into_iter().map(|asking| asking.join().unwrap()).collect()
    });
    for reply in &replies {
        match reply.status {
            200 => assert!(reply.body.starts_with(b"\x89PNG")),
            503 => assert!(reply.text().contains("too many pictures"), "{}", reply.text()),
            other => panic!("{other}: {}", reply.text()),
        }
    }
    assert!(replies.iter().filter(|reply| reply.status == 200).count() >= 64);
}

#[test]
fn a_badge_service_finds_the_data_that_it_knows() {
    let daemon = Daemon::start(VKS);
    daemon.get("/hit?s=vks&u=http://www.localhost/", &[]);
    let badge = daemon.get("/badge/vks.json?show=online&label=here&color=blue", &[]);
    assert_eq!(header(&badge, "access-control-allow-origin"), Some("*"));
    assert_eq!(
        badge.json(),
        json!({"schemaVersion": 1, "label": "here", "message": "1", "color": "#1f6fc4", "style": "flat", "cacheSeconds": 300})
    );
    for (path, status) in [
        ("/badge/vks.svg?color=neon", 400),
        ("/badge/vks.svg?show=all", 400),
        ("/badge/vks.html", 404),
        ("/badge/nobody.svg", 404),
    ] {
        assert_eq!(daemon.get(path, &[]).status, status, "{path}");
    }
}

/// The digits on the wheels beside the total.
const WHEELS: &str = "return [...document.querySelectorAll('[data-headcount=total] + .headcount-wheels > *')]\
                      .map(e => e.dataset.digit).join('')";

#[test]
fn wheels_turn_when_the_number_changes_and_are_made_where_there_are_none() {
    let Some((browser, daemon, site)) = scene() else { return };
    site.put("/", &pasted(&daemon, "headcount-odometer"));
    browser.visit(&site.at("/"));
    wait_for(|| (browser.run(WHEELS) == "1").then_some(()));
    let turning = "return document.getAnimations().map(a => a.animationName).filter(n => n.includes('turn'))";
    assert_eq!(browser.run(turning), json!([]), "the first number passes through no other");
    browser.run("document.getAnimations().forEach(a => a.finish())");
    browser.run("document.querySelector('[data-headcount=total]').textContent = '1'");
    assert_eq!(browser.run(turning), json!([]), "the same number turns nothing");
    browser.run("document.querySelector('[data-headcount=total]').textContent = '9,998'");
    wait_for(|| (browser.run(WHEELS) == "9,998").then_some(()));
    browser.run("document.getAnimations().forEach(a => a.finish())");
    browser.run("document.querySelector('[data-headcount=total]').textContent = '10,008'");
    wait_for(|| (browser.run(WHEELS) == "10,008").then_some(()));
    let turned = ["headcount-turn-0", "headcount-turn-0", "headcount-turn-0"];
    assert_eq!(browser.run(turning), json!(turned), "the eight stays, and the one is new");
    assert_eq!(browser.console(), NOTHING);
}

#[test]
fn wheels_are_heard_as_one_number_and_keep_their_order_in_pages_from_right_to_left() {
    let Some((browser, daemon, site)) = scene() else { return };
    for _ in 0..2 {
        daemon.get("/hit?s=vks&u=http://www.localhost/", &[]);
    }
    daemon.print("adjust", &["vks", "visits", "+1233", "--reason", "the old counter"]);
    let style = format!("<link rel=\"stylesheet\" href=\"{}/snippet.css\">", base(&daemon));
    let include = "<div dir=\"rtl\"><!--#include virtual=\"/hc/snippet/vks.html?style=odometer\" --></div>";
    site.put_guarded(
        "/",
        &format!("{style}{include}"),
        &format!("default-src 'none'; style-src {}", base(&daemon)),
    );
    browser.visit(&site.at("/"));
    let spoken = browser.spoken();
    assert!(spoken.contains("StaticText: 1,234\n"), "{spoken}");
    for digit in ["StaticText: 9", "StaticText: 0", "StaticText: 3\n"] {
        assert!(!spoken.contains(digit), "{spoken}");
    }
    let places = "let places = [...document.querySelectorAll('.headcount-wheels')[0].children]\
                  .map(e => e.getBoundingClientRect().x); return places.every((x, i) => !i || x > places[i - 1])";
    assert_eq!(browser.run(places), true);
    let height = "return document.querySelector('.headcount-wheels i').getBoundingClientRect().height > 20";
    assert_eq!(browser.run(height), true, "the stylesheet shows them");
    assert_eq!(browser.console(), NOTHING);
    assert_eq!(numbers(&daemon, "/")["text"]["total"], "1,234");
}

#[test]
fn wheels_fit_into_a_frame_of_the_readmes_height_under_a_policy_without_scripts() {
    let Some((browser, daemon, site)) = scene() else { return };
    daemon.get("/hit?s=vks&u=http://www.localhost/", &[]);
    let address = format!("{}/snippet/vks.html?frame&style=odometer", base(&daemon));
    let frame = format!("<iframe src=\"{address}\" width=\"320\" height=\"160\" frameborder=\"0\"></iframe>");
    assert!(
        include_str!("../../README.md")
            .contains("see [below](#digit-wheels); a frame needs `height=\"160\"`")
    );
    site.put_guarded("/", &frame, &format!("default-src 'none'; frame-src {}", base(&daemon)));
    browser.visit(&site.at("/"));
    browser.enter_frame();
    let fits = "let e = document.documentElement; return e.scrollHeight <= innerHeight && e.scrollWidth <= innerWidth";
    assert_eq!(browser.run(fits), true);
    assert_eq!(browser.run("return document.querySelectorAll('.headcount-wheels i').length"), 2);
    browser.leave_frame();
    assert_eq!(browser.console(), NOTHING);
}

#[test]
fn a_page_without_the_stylesheet_shows_the_number_alone() {
    let Some((browser, daemon, site)) = scene() else { return };
    daemon.get("/hit?s=vks&u=http://www.localhost/", &[]);
    site.put("/", "<!--#include virtual=\"/hc/snippet/vks.html?style=odometer\" -->");
    browser.visit(&site.at("/"));
    assert_eq!(browser.text("p.headcount"), "Số lượt truy cập: 1 lượt\nSố người online: 1 người");
    let width = "return document.querySelector('.headcount-wheels').getBoundingClientRect().width";
    assert_eq!(browser.run(width), 0);
    // The script alone changes nothing that is seen either.
    site.put(
        "/scripts",
        &format!(
            "{}<!--#include virtual=\"/hc/snippet/vks.html?style=odometer\" -->",
            script(&daemon, "data-hide")
        ),
    );
    browser.visit(&site.at("/scripts"));
    browser.wait_for_text("p.headcount", "Số lượt truy cập: 2 lượt\nSố người online: 2 người");
}
