//! Every language on a screen, and against the browser's own copy of CLDR.
//!
//! With `UPDATE_PICTURES=1` the pictures are written to `target/pictures` to be looked at: all
//! languages, light and dark, on wide and narrow screens.

use headcount::snippet::Language;
use serde_json::json;

use super::pictures::{busy, check_nothing_sticks_out, keep};
use super::{base, script};
use crate::support::chromium::{Browser, CHROME_LINUX};
use crate::support::site::Site;
use crate::support::{Daemon, wait_for};

const AUTO: &str = "[[site]]\nid = \"vks\"\nhosts = [\"www.localhost\", \"127.0.0.1\"]\n";
/// Languages on one picture, so that each can be looked at without scrolling for long.
const LANGUAGES_PER_PICTURE: usize = 5;

/// What a machine can see of the images of a page: a line for each text that leaves its card or comes
/// too close to the number beside it. What is drawn on wheels is as wide as they are.
const CROWDED: &str = "return [...document.querySelectorAll('svg[role=img]')].flatMap(svg => {\
    let width = svg.viewBox.baseVal.width, rows = {}, bad = [];\
    for (let text of svg.querySelectorAll('text:not(svg svg text)')) {\
        let box = text.getBBox(), y = text.getAttribute('y');\
        if (box.x < 12 || box.x + box.width > width - 12) bad.push(svg.getAttribute('lang') + ' out: ' + text.textContent);\
        (rows[y] = rows[y] || []).push(box);\
    }\
    for (let [one, other] of Object.values(rows)) {\
        let gap = other && Math.max(other.x - one.x - one.width, one.x - other.x - other.width);\
        if (other && gap < 12) bad.push(svg.getAttribute('lang') + ' gap of ' + gap);\
    }\
    return bad;\
})";

/// Puts the images of a page into a font of a reader whose letters are about as wide as they come.
const WIDE_FONT: &str = "let style = document.createElement('style');\
    style.textContent = 'svg g { font-family: \"DejaVu Sans\", Verdana }'; document.head.append(style)";

#[test]
fn every_language_is_legible_in_light_and_dark_on_wide_and_narrow_screens() {
    let Some(browser) = Browser::open() else { return };
    let daemon = busy();
    let site = Site::start(daemon.public());
    let tags: Vec<_> = Language::tags().collect();
    for (at, tags) in tags.chunks(LANGUAGES_PER_PICTURE).enumerate() {
        let cells: String = tags.iter().map(|tag| cell(tag)).collect();
        site.put(&format!("/{at}"), &format!("{}{}<main>{cells}</main>", styles(&daemon), STYLE));
        for (scheme, width) in [("light", 1_200), ("dark", 1_200), ("light", 320), ("dark", 320)] {
            let name = format!("languages-{at}-{scheme}-{width}");
            browser.dress(scheme, width, 800);
            browser.visit(&site.at(&format!("/{at}")));
            check_nothing_sticks_out(&browser, &name);
            assert_eq!(browser.run(CROWDED), json!([]), "{name}");
            keep(&name, &browser.picture(None, 0));
            browser.run(WIDE_FONT);
            assert_eq!(browser.run(CROWDED), json!([]), "{name} in a wide font");
        }
    }
}

fn styles(daemon: &Daemon) -> String {
    format!("<link rel=\"stylesheet\" href=\"{}/snippet.css\">", base(daemon))
}

const STYLE: &str = "<meta name=\"color-scheme\" content=\"light dark\"><style>\
    body { font: 15px/1.6 'Noto Sans', sans-serif; margin: 8px }\
    main { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 16px }\
    svg { display: block; margin: 8px 0; max-width: 100%; height: auto }</style>";

/// A language in every format, with all its rows.
fn cell(tag: &str) -> String {
    let include = |path: &str| format!("<!--#include virtual=\"/hc/snippet/vks.{path}&lang={tag}\" -->");
    let all = "style=table&page=/&rows=online,peak_online,today,yesterday,this_week,last_week,this_month,\
               last_month,this_year,last_hour,last_24_hours,page,total";
    let table = format!("svg?{all}");
    // With one narrow row, the caption alone makes the card as wide as it is.
    let caption = "svg?style=table&rows=yesterday";
    // With few digits, labels alone make the card as wide as it is.
    let label = "svg?style=odometer&rows=online,peak_online,today,page&page=/";
    let (wheels, image) = ("html?style=odometer", "svg?style=odometer");
    let parts =
        ["html?style=plain", "svg?style=plain", "html?style=table", &table, caption, wheels, image, label];
    format!("<section>{tag}{}</section>", parts.map(include).concat())
}

#[test]
fn every_language_fits_the_frames_of_the_readme() {
    let Some(browser) = Browser::open() else { return };
    let daemon = busy();
    for tag in Language::tags() {
        for (style, height) in [("plain", 64), ("table", 340), ("odometer", 160)] {
            browser.dress("light", 320, height);
            browser.visit(&format!("{}/snippet/vks.html?frame&style={style}&lang={tag}", base(&daemon)));
            let size = "let e = document.documentElement; return [e.scrollWidth, e.scrollHeight]";
            assert_eq!(browser.run(size), json!([320, height]), "{tag} {style}");
            assert_eq!(browser.run("return document.documentElement.lang"), tag);
        }
    }
}

#[test]
fn numbers_weeks_and_directions_are_those_of_cldr() {
    let Some(browser) = Browser::open() else { return };
    let daemon = Daemon::start(AUTO);
    daemon.get("/hit?s=vks&u=http://www.localhost/", &[]);
    let today = daemon.numbers("vks")["at"].as_str().unwrap()[..10].to_owned();
    daemon.print("adjust", &["vks", "visits", "+1233", "--on", &today, "--reason", "four digits"]);
    daemon.print("adjust", &["vks", "visits", "+1233333", "--reason", "seven digits"]);
    browser.visit(&format!("{}/robots.txt", base(&daemon)));
    for tag in Language::tags() {
        let language = Language::find(tag).unwrap();
        let facts = format!(
            "let locale = new Intl.Locale('{tag}').maximize(), numbers = new Intl.NumberFormat('{tag}');\
             return [numbers.format(1234), numbers.format(1234567), locale.getTextInfo().direction,\
                     locale.getWeekInfo().firstDay]"
        );
        let mut facts = browser.run(&facts);
        // The two that we know better: the founding sites write commas, and English is not of one country.
        match tag {
            "vi" => (facts[0], facts[1]) = (json!("1,234"), json!("1,234,567")),
            "en" => facts[3] = json!(1),
            _ => {}
        }
        let text = daemon.get(&format!("/snippet/vks.json?lang={tag}"), &[]).json()["text"].clone();
        let day = language.first_weekday.to_monday_one_offset();
        assert_eq!(facts, json!([text["today"], text["total"], language.direction, day]), "{tag}");
    }
}

#[test]
fn a_number_among_arabic_words_is_read_from_left_to_right_whatever_parts_it() {
    let Some(browser) = Browser::open() else { return };
    let daemon = Daemon::start(&format!("{AUTO}language = \"ar\"\ndigit_grouping = \"'\"\n"));
    daemon.print("adjust", &["vks", "visits", "+1234567", "--reason", "the old counter"]);
    let site = Site::start(daemon.public());
    let include = |ending: &str| format!("<!--#include virtual=\"/hc/snippet/vks.{ending}\" -->");
    let text = format!("<pre dir=\"auto\">{}</pre>", include("txt"));
    site.put("/", &[include("html"), include("svg"), text].concat());
    browser.visit(&site.at("/"));
    let places = "return ['.headcount-number', 'tspan.number', 'pre'].map(selector => {\
        let node = document.querySelector(selector).firstChild, at = node.data.indexOf(\"1'234'567\");\
        let left = [0, 2, 6, 8].map(digit => { let range = document.createRange();\
            range.setStart(node, at + digit); range.setEnd(node, at + digit + 1);\
            return range.getBoundingClientRect().left });\
        return at >= 0 && left.every((x, i) => !i || x > left[i - 1]) })";
    assert_eq!(browser.run(places), json!([true, true, true]));
    let sides = "let box = s => document.querySelector(s).getBoundingClientRect().left;\
                 return [box('.headcount-label') > box('.headcount-number'), box('text.label') > box('tspan.number')]";
    assert_eq!(browser.run(sides), json!([true, true]), "labels stand on the right");
}

#[test]
fn the_block_and_its_numbers_are_in_the_language_around_the_script() {
    let Some(browser) = Browser::open() else { return };
    let daemon = Daemon::start(AUTO);
    daemon.print("adjust", &["vks", "visits", "+1234567", "--reason", "the old counter"]);
    let site = Site::start(daemon.public());
    site.put("/", &script(&daemon, ""));
    site.put("/fr", &format!("<div lang=\"fr\">{}</div>", script(&daemon, "")));
    site.put("/ar", &script(&daemon, "lang=\"ar\""));
    for (path, block) in [
        ("/", "Số lượt truy cập: 1,234,568 lượt\nSố người online: 1 người"),
        ("/fr", "Nombre de visites\u{a0}: 1\u{202f}234\u{202f}568\nVisiteurs en ligne\u{a0}: 1"),
        ("/ar", "إجمالي الزيارات: 1,234,568\nالمتصلون الآن: 1"),
    ] {
        browser.visit(&site.at(path));
        browser.wait_for_text("p.headcount", block);
        // A ping refreshes the numbers, and leaves them in the language that they are in.
        browser.run("document.querySelector('[data-headcount=total]').textContent = ''");
        browser.run("document.dispatchEvent(new Event('visibilitychange'))");
        wait_for(|| (browser.text("p.headcount") == block).then_some(()));
    }
}

#[test]
fn the_counter_of_the_welcome_page_is_in_the_language_of_the_browser() {
    let likes = json!({"intl.accept_languages": "fr-CA,fr,en"});
    let Some(browser) = Browser::open_as(CHROME_LINUX, &likes) else { return };
    let daemon = Daemon::start(AUTO);
    daemon.print("adjust", &["vks", "visits", "+1234567", "--reason", "the old counter"]);
    browser.visit(&format!("{}/", base(&daemon)));
    let total = "p.headcount [data-headcount=total]";
    browser.wait_for_text(total, "1\u{202f}234\u{202f}568");
    assert!(browser.text("p.headcount").contains("Visiteurs en ligne"));
}

#[test]
fn an_arabic_counter_stands_well_on_the_english_welcome_page() {
    let likes = json!({"intl.accept_languages": "ar-EG,ar"});
    let Some(browser) = Browser::open_as(CHROME_LINUX, &likes) else { return };
    let daemon = Daemon::start(AUTO);
    daemon.print("adjust", &["vks", "visits", "+1234567", "--reason", "the old counter"]);
    for width in [1_200, 360] {
        let name = format!("welcome-arabic-{width}");
        browser.dress("light", width, 800);
        browser.visit(&format!("{}/", base(&daemon)));
        browser.wait_for_text("p.headcount [data-headcount=total]", "1,234,568");
        browser.run("document.querySelectorAll('[loading]').forEach(e => e.loading = 'eager')");
        check_nothing_sticks_out(&browser, &name);
        keep(&name, &browser.picture(None, 0));
    }
}
