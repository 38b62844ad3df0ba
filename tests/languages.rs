//! Which language a reader gets, over real sockets: of the request, the site, the page, the browser.

use headcount::snippet::Language;

use crate::support::Daemon;

const AUTO: &str = "[[site]]\nid = \"vks\"\n";
const FRENCH_MILLION: &str = "1\u{202f}234\u{202f}567";

/// A daemon whose site has 1,234,567 visits.
fn daemon(configuration: &str) -> Daemon {
    let daemon = Daemon::start(configuration);
    daemon.print("adjust", &["vks", "visits", "+1234567", "--reason", "the old counter"]);
    daemon
}

/// The first line of the text snippet.
fn first_line(daemon: &Daemon, query: &str, accepts: &str) -> String {
    let reply = daemon.get(&format!("/snippet/vks.txt?{query}"), &[("Accept-Language", accepts)]);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.text().lines().next().unwrap_or_default().to_owned()
}

#[test]
fn a_snippet_follows_the_page_and_then_the_browser_within_the_same_second() {
    let daemon = daemon(AUTO);
    for (query, accepts, expected) in [
        ("", "fr-CH, fr;q=0.9, en;q=0.8", format!("Nombre de visites\u{a0}: {FRENCH_MILLION}")),
        ("", "tlh, de;q=0.4, es;q=0.5", "Total de visitas: 1.234.567".to_owned()),
        ("page_lang=de-AT", "fr", "Besuche insgesamt: 1.234.567".to_owned()),
        ("page_lang=tlh", "zh-HK", "累計造訪：1,234,567 次".to_owned()),
        ("lang=ko&page_lang=de", "fr", "총 방문 수: 1,234,567회".to_owned()),
        ("", "*", "Total visits: 1,234,567".to_owned()),
        ("", ";;q=,,", "Total visits: 1,234,567".to_owned()),
    ] {
        assert_eq!(first_line(&daemon, query, accepts), expected, "{query} {accepts}");
    }
}

#[test]
fn a_site_with_a_language_and_a_grouping_of_its_own_keeps_them() {
    let daemon = daemon(&format!("{AUTO}language = \"ru\"\ndigit_grouping = \"'\"\n"));
    let line = "Всего посещений: 1'234'567";
    assert_eq!(first_line(&daemon, "page_lang=de", "fr"), line);
    assert_eq!(first_line(&daemon, "lang=es", "fr"), "Total de visitas: 1'234'567");
    assert_eq!(first_line(&daemon, "lang=auto", "de"), "Besuche insgesamt: 1'234'567");
}

#[test]
fn a_beacon_is_answered_in_the_number_format_of_its_page() {
    let daemon = daemon(AUTO);
    let total = |query: &str, accepts: &str| {
        let path = format!("/hit?s=vks&k=ping{query}");
        daemon.get(&path, &[("Accept-Language", accepts)]).json()["text"]["total"].clone()
    };
    assert_eq!(total("&page_lang=fr", "vi"), FRENCH_MILLION);
    assert_eq!(total("&page_lang=", "de"), "1.234.567");
    assert_eq!(total("", "de"), "1.234.567");
}

#[test]
fn caches_are_told_that_a_snippet_depends_on_what_the_browser_accepts() {
    let daemon = daemon(AUTO);
    let ask = |accepts: &str, etag: &str| {
        daemon.get("/snippet/vks.html", &[("Accept-Language", accepts), ("If-None-Match", etag)])
    };
    let german = ask("de", "");
    assert_eq!((german.status, german.headers["vary"].as_str()), (200, "accept-language"));
    let etag = &german.headers["etag"];
    let same = ask("de", etag);
    assert_eq!((same.status, same.headers["vary"].as_str()), (304, "accept-language"));
    assert_eq!(ask("ar", etag).status, 200, "another language is another snippet");
}

#[test]
fn an_unknown_language_is_refused_with_all_that_are_known() {
    let known = Language::tags().collect::<Vec<_>>().join(", ");
    let daemon = Daemon::start(AUTO);
    let refused = daemon.get("/snippet/vks.html?lang=tlh", &[]);
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains(&format!("\"tlh\"; allowed: auto, {known}")), "{}", refused.text());
    let (code, told) = Daemon::stopped(&format!("{AUTO}language = \"tlh\"\n")).refuses_to_start(&[]);
    assert_eq!(code, 3);
    assert!(told.contains("\"tlh\": is not spoken") && told.contains(&format!("auto, {known}")), "{told}");
}

#[test]
fn the_readme_lists_every_language() {
    let readme = include_str!("../README.md");
    for tag in Language::tags() {
        assert!(readme.contains(&format!("\n| `{tag}` | ")), "{tag}");
    }
}
