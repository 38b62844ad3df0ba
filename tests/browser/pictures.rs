//! Pictures of everything that is shown, in light and dark, on wide and narrow screens.
//!
//! Each is checked for what a machine can see: it is drawn, and nothing sticks out sideways. With
//! `UPDATE_PICTURES=1` they are written to `target/pictures` to be looked at, and the README's own
//! picture to `.assets/counter.png`.

use std::path::{Path, PathBuf};

use headcount::snippet::Language;

use super::{SPANS, VKS, base, numbers, script};
use crate::support::chromium::Browser;
use crate::support::site::Site;
use crate::support::{Daemon, wait_for};

/// The numbers on top of DESIGN.md: the browser that takes the picture is one of them.
const PEOPLE: u32 = 911;
const VISITS: u64 = 1_333_796;
/// So that the README opens fast.
const PICTURE_BYTES_MAX: usize = 60_000;

/// A daemon that has counted for years, and on whose site many people are.
pub(super) fn busy() -> Daemon {
    let daemon = Daemon::start(VKS);
    for person in 0..PEOPLE {
        let address = format!("198.{}.{}.7", 18 + person / 250, person % 250);
        daemon.get("/hit?s=vks&u=http://www.localhost/", &[("X-Forwarded-For", &address)]);
    }
    let now = numbers(&daemon, "/");
    let visits = now["total"]["visits"].as_u64().unwrap();
    let today: jiff::civil::Date = now["at"].as_str().unwrap()[..10].parse().unwrap();
    let mut rest = VISITS - visits - 1;
    for (days, visits) in
        [(0, 892), (1, 2_240), (2, 1_976), (7, 8_215), (12, 11_902), (31, 41_370), (70, 98_031)]
    {
        let date = today.saturating_sub(jiff::Span::new().days(days)).to_string();
        adjust(&daemon, visits, &["--on", &date]);
        rest -= visits;
    }
    adjust(&daemon, rest, &[]);
    daemon
}

fn adjust(daemon: &Daemon, visits: u64, more: &[&str]) {
    let by = format!("+{visits}");
    let arguments = [&["vks", "visits", &by, "--reason", "the old counter"], more].concat();
    daemon.print("adjust", &arguments);
}

pub(super) fn keep(name: &str, png: &[u8]) {
    assert!(png.starts_with(b"\x89PNG") && png.len() > 2_000, "{name}");
    if std::env::var_os("UPDATE_PICTURES").is_some() {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("pictures");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join(format!("{name}.png")), png).unwrap();
    }
}

pub(super) fn check_nothing_sticks_out(browser: &Browser, name: &str) {
    let sideways = browser.run("return document.documentElement.scrollWidth - innerWidth");
    assert_eq!(sideways, 0, "{name} is wider than the window");
}

#[test]
fn the_welcome_page_fits_wide_and_narrow_screens_in_light_and_dark() {
    let Some(browser) = Browser::open() else { return };
    let daemon = busy();
    for (scheme, width) in [("light", 1_200), ("dark", 1_200), ("light", 360), ("dark", 360)] {
        let name = format!("welcome-{scheme}-{width}");
        browser.dress(scheme, width, 800);
        browser.visit(&format!("http://www.localhost:{}/", daemon.public().port()));
        browser.wait_for_text("p.headcount [data-headcount=total]", "1,333,796");
        browser.run("document.querySelectorAll('[loading]').forEach(e => e.loading = 'eager')");
        check_nothing_sticks_out(&browser, &name);
        keep(&name, &still_picture(&browser));
    }
}

#[test]
fn every_way_to_show_the_numbers_is_legible_in_light_and_dark() {
    let Some(browser) = Browser::open() else { return };
    let daemon = busy();
    let (base, site) = (base(&daemon), Site::start(daemon.public()));
    let frame = |query: &str, height: u32| {
        format!(
            "<iframe src=\"{base}/snippet/vks.html?frame{query}\" width=\"320\" height=\"{height}\" frameborder=\"0\"></iframe>"
        )
    };
    let image = |query: &str| format!("<img src=\"{base}/snippet/vks.svg{query}\">");
    let ways = [
        ("spans", format!("{}{SPANS}", script(&daemon, ""))),
        ("include", "<!--#include virtual=\"/hc/snippet/vks.html\" -->".to_owned()),
        ("include-table", "<!--#include virtual=\"/hc/snippet/vks.html?style=table\" -->".to_owned()),
        ("frame", frame("", 64)),
        ("frame-table", frame("&style=table", 360)),
        (
            "include-table-styled",
            format!(
                "<link rel=\"stylesheet\" href=\"{base}/snippet.css\">\
                     <!--#include virtual=\"/hc/snippet/vks.html?style=table\" -->"
            ),
        ),
        ("image", image("")),
        ("image-table", image("?style=table")),
        ("image-english", image("?lang=en&rows=online,today,total")),
    ];
    for (name, html) in &ways {
        picture_of(&browser, &site, name, html, &[360]);
    }
}

#[test]
fn a_table_shrinks_to_a_narrow_column_and_keeps_its_numbers_in_sight() {
    let Some(browser) = Browser::open() else { return };
    let daemon = Daemon::start(VKS);
    daemon.print("adjust", &["vks", "visits", "+1333796", "--reason", "the old counter"]);
    let site = Site::start(daemon.public());
    for (language, direction) in [("vi", "ltr"), ("ar", "rtl")] {
        let table = daemon.get(&format!("/snippet/vks.html?style=table&lang={language}"), &[]);
        let table = String::from_utf8(table.body).unwrap();
        let css = format!("<link rel=\"stylesheet\" href=\"{}/snippet.css\">", base(&daemon));
        let column = "width:220px;font:16px sans-serif";
        site.put("/narrow", &format!("{css}<div dir=\"{direction}\" style=\"{column}\">{table}</div>"));
        browser.visit(&site.at("/narrow"));
        let width = browser.run("return document.querySelector('table').getBoundingClientRect().width");
        assert!(width.as_f64().unwrap() <= 220.0, "{language}: {width}");
    }
}

#[test]
fn digit_wheels_are_beautiful_in_light_and_dark_narrow_and_wide() {
    let Some(browser) = Browser::open() else { return };
    let daemon = busy();
    let (base, site) = (base(&daemon), Site::start(daemon.public()));
    let style = format!("<link rel=\"stylesheet\" href=\"{base}/snippet.css\">");
    let frame = format!("{base}/snippet/vks.html?frame&style=odometer");
    let image = |query: &str| format!("<img src=\"{base}/snippet/vks.svg?style=odometer{query}\">");
    let ways = [
        (
            "wheels-include",
            format!("{style}<!--#include virtual=\"/hc/snippet/vks.html?style=odometer\" -->"),
        ),
        (
            "wheels-frame",
            format!(
                "<iframe src=\"{frame}\" style=\"width:100%\" height=\"160\" frameborder=\"0\"></iframe>"
            ),
        ),
        ("wheels-own-words", format!("{style}{}{}", wheels_script(&base), own_words(&script(&daemon, "")))),
        ("wheels-image", image("")),
        ("wheels-image-english", image("&lang=en&rows=today,this_month,total,online")),
    ];
    for (name, html) in &ways {
        picture_of(&browser, &site, name, html, &[320, 900]);
    }
}

#[test]
fn badges_and_pictures_are_legible_in_light_and_dark() {
    let Some(browser) = Browser::open() else { return };
    let daemon = busy();
    let (base, site) = (base(&daemon), Site::start(daemon.public()));
    let badge = |file: &str| format!("<p><img src=\"{base}/badge/vks.{file}\"></p>");
    let colours = [
        "brightgreen",
        "green",
        "yellowgreen",
        "yellow",
        "orange",
        "red",
        "pink",
        "purple",
        "blue",
        "teal",
        "grey",
        "black",
        "fff",
        "ffe9a8",
    ];
    let all = |style: &str| -> String {
        let badges =
            colours.map(|colour| badge(&format!("svg?lang=en&show=today&style={style}&color={colour}")));
        [
            badge(&format!("svg?style={style}")),
            badge(&format!("svg?style={style}&show=online&label=đang xem")),
            badge(&format!("svg?style={style}&label=访问 / ผู้เข้าชม")),
            badge(&format!("svg?style={style}&label=")),
        ]
        .concat()
            + &badges.concat()
    };
    let languages: String = Language::tags()
        .map(|tag| {
            let both = ["svg", "png"].map(|ending| badge(&format!("{ending}?lang={tag}")));
            both.concat() + &badge(&format!("svg?lang={tag}&style=classic&show=online"))
        })
        .collect();
    let picture = |file: &str, width: u32| format!("<p><img src=\"{base}/{file}\" width=\"{width}\"></p>");
    let ways = [
        ("badges-flat", all("flat")),
        ("badges-classic", all("classic")),
        ("badges-languages", languages),
        ("png-once", [badge("png"), badge("png?style=classic"), badge("png?label=访问 ผู้เข้าชม"), format!("<img src=\"{base}/snippet/vks.png\"><br><img src=\"{base}/snippet/vks.png?style=odometer\">")].concat()),
        ("png-twice", [picture("badge/vks.png?scale=2", 172), picture("badge/vks.png?scale=2&style=classic", 172), picture("snippet/vks.png?scale=2", 279), picture("snippet/vks.png?scale=2&style=odometer", 230), picture("snippet/vks.png?scale=2&style=table", 275)].concat()),
    ];
    for (name, html) in &ways {
        picture_of(&browser, &site, name, html, &[360]);
    }
}

/// The line of the wheels' script.
fn wheels_script(base: &str) -> String {
    format!("<script defer src=\"{base}/odometer.js\"></script>")
}

/// A page's own words around wheels that the scripts fill.
fn own_words(script: &str) -> String {
    format!(
        "{script}<p class=\"headcount-odometer\" data-headcount-block hidden>Đã có <span data-headcount=\"total\"></span> \
         lượt truy cập, và <span data-headcount=\"online\"></span> người đang xem.</p>"
    )
}

/// Pictures of a page with this in its body, in light and dark and in each of these widths.
fn picture_of(browser: &Browser, site: &Site, name: &str, html: &str, widths_px: &[u32]) {
    let style = "<meta name=\"color-scheme\" content=\"light dark\">";
    site.put(&format!("/{name}"), &format!("{style}{html}"));
    for scheme in ["light", "dark"] {
        for width_px in widths_px {
            let of = if widths_px.len() > 1 { format!("-{width_px}") } else { String::new() };
            let shown = format!("{name}-{scheme}{of}");
            browser.dress(scheme, *width_px, 420);
            browser.visit(&site.at(&format!("/{name}")));
            if html.contains("data-headcount-block") {
                browser.wait_for_text("[data-headcount=total]", "1,333,796");
            }
            check_nothing_sticks_out(browser, &shown);
            keep(&shown, &still_picture(browser));
        }
    }
}

/// A picture of the page once nothing moves any more: what is drawn within images and frames turns even
/// where the page around it was told to keep still.
fn still_picture(browser: &Browser) -> Vec<u8> {
    let mut last = Vec::new();
    wait_for(|| {
        let before = std::mem::replace(&mut last, browser.picture(None, 0));
        (before == last).then_some(())
    });
    last
}

#[test]
fn the_picture_of_the_readme_is_a_real_footer() {
    let Some(browser) = Browser::open() else { return };
    let daemon = busy();
    let site = Site::start(daemon.public());
    site.put(
        "/",
        &format!(
            "{FOOTER_STYLE}<footer><div><b>Cổng thông tin điện tử</b><br>\
        Số 9 đường Hoa Sữa · Điện thoại 024 0000 0000<br>Ghi rõ nguồn khi phát hành lại thông tin</div>\
        {}{SPANS}</footer>",
            script(&daemon, "")
        ),
    );
    browser.dress("light", 800, 300);
    browser.visit(&site.at("/"));
    browser.wait_for_text(
        "[data-headcount-block]",
        "Số lượt truy cập: 1,333,796 lượt\nSố người online: 912 người",
    );
    keep_for_readme("counter", &browser.picture(Some("footer"), 0));
}

#[test]
fn the_picture_of_the_wheels_is_a_real_include() {
    let Some(browser) = Browser::open() else { return };
    let daemon = busy();
    let site = Site::start(daemon.public());
    let include = "<!--#include virtual=\"/hc/snippet/vks.html?style=odometer\" -->";
    let (style, scripts) =
        (format!("<link rel=\"stylesheet\" href=\"{}/snippet.css\">", base(&daemon)), script(&daemon, ""));
    let scripts = format!("{}{scripts}", wheels_script(&base(&daemon)));
    site.put("/", &format!("<style>body {{ font: 15px/1.5 'Noto Sans', sans-serif }} div {{ display: inline-block; padding: 20px 0 8px 32px }} p {{ margin: 0 }}</style>{style}<div>{include}</div>{scripts}"));
    browser.dress("light", 800, 300);
    browser.visit(&site.at("/"));
    wait_for(|| {
        (browser.run("return document.querySelector('[data-headcount=online]').textContent") == "912")
            .then_some(())
    });
    keep_for_readme("wheels", &browser.picture(Some("div"), 0));
}

/// Keeps a picture that stands in the README.
fn keep_for_readme(name: &str, png: &[u8]) {
    keep(name, png);
    assert!(png.len() < PICTURE_BYTES_MAX, "{} bytes", png.len());
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!(".assets/{name}.png"));
    if std::env::var_os("UPDATE_PICTURES").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, png).unwrap();
    }
    assert!(path.exists(), "UPDATE_PICTURES=1 makes it");
}

/// The looks of an ordinary footer; the counter takes them over.
const FOOTER_STYLE: &str = "<style>body { margin: 0; font: 15px/1.7 'Noto Sans', sans-serif }\
    footer { display: flex; justify-content: space-between; align-items: center; gap: 2rem; padding: 26px 32px; color: #d7e4dd; background: #0d3b2e }\
    footer b { color: #fff; font-size: 17px; line-height: 1.9 } footer p { margin: 0; padding-left: 2rem; border-left: 1px solid #2c5e4e; white-space: nowrap }\
    footer span { color: #fff; font-weight: 700; font-variant-numeric: tabular-nums }</style>";
