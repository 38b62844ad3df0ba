//! The welcome page: this daemon's own counter, live, and the lines to paste.
//!
//! `welcome.html` holds the words, this file fills its places. Without JavaScript the page is right
//! too, only not live. Whether readers can reach the daemon is the caller's finding; the page says
//! in words what to do when they cannot.

use crate::words::SiteId;

/// The `Content-Security-Policy` that the page needs, and no more.
pub const POLICY: &str =
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'";

/// Whether readers of a site can reach the address that the page prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reachability {
    /// They can.
    Fine,
    /// The address is this machine's own; only its own browsers can.
    Loopback,
    /// The address is plain http; pages that came by https may not use it.
    PlainHttp,
}

/// What the page shows.
#[derive(Clone, Debug)]
pub struct Welcome<'a> {
    /// Where readers find the daemon: scheme, host and path, without a slash at its end.
    pub base_url: &'a str,
    /// Where a proxy on this machine finds it: host and port.
    pub upstream: &'a str,
    /// Whether `base_url` will do.
    pub reachability: Reachability,
    /// The site whose counter is shown.
    pub site: &'a SiteId,
    /// How many sites this daemon counts.
    pub site_count: usize,
    /// The hosts whose pages count, as configured; none for any.
    pub hosts: &'a [String],
    /// Whether the site knows its visitors by an id in their browser.
    pub identity_browser: bool,
    /// The tag of the language that the counter is in; the page's own words are English.
    pub language: &'a str,
    /// The site's counter, as html in that language.
    pub counter: &'a str,
    /// The site's calendar rows, as html in that language.
    pub table: &'a str,
    /// The block to paste, as html in that language.
    pub spans: &'a str,
    /// The names of the numbers, as the script knows them.
    pub names: &'a [&'a str],
    /// The daemon's version.
    pub version: &'a str,
}

/// What to say of an address that only this machine can reach.
const LOOPBACK: &str = r#"<h2 id="reach">Only this computer can reach it yet</h2>
<p><code>{{base}}</code> is an address that every computer has for itself. The browser of a reader would
look for the counter on the reader’s own computer, and find nothing.</p>"#;

/// What to say of an address that pages with https may not use.
const PLAIN_HTTP: &str = r#"<h2 id="reach">Pages with https cannot use it yet</h2>
<p><code>{{base}}</code> is plain http. Browsers do not let a page that came by https load a script from
there.</p>"#;

/// What to do about either.
const REMEDY: &str = r#"<p>The remedy: let your web server pass a path of your site on to headcount. It
needs no second certificate, and blockers leave it alone. For nginx, inside the <code>server</code> block of
your site:</p>
<pre tabindex="0" role="region" aria-label="The block for nginx"><code>location /hc/ {
    proxy_pass http://{{upstream}}/;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
}</code></pre>
<p>Then set <code>public_url = "https://www.example.vn/hc"</code>, with your own host, and the lines below
will say so too.</p>"#;

/// The welcome page, as html.
#[must_use]
pub fn welcome(view: &Welcome<'_>) -> String {
    let identity = if view.identity_browser { " data-identity=\"browser\"" } else { "" };
    let address = escaped(view.base_url);
    let script = format!(
        "<script defer src=\"{}/headcount.js\" data-site=\"{}\"{identity}></script>",
        view.base_url, view.site
    );
    let names: Vec<String> =
        view.names.iter().map(|name| format!("<code>{}</code>", escaped(name))).collect();
    fill(
        include_str!("welcome.html"),
        &[
            ("site", view.site.as_str()),
            ("language", view.language),
            ("among", &among(view.site_count)),
            ("whose", &whose(view.hosts)),
            ("version", &escaped(view.version)),
            ("identity", identity),
            ("counter", view.counter),
            ("table", view.table),
            ("notice", &notice(view)),
            ("base", &address),
            ("path", path_of(&address)),
            ("script", &escaped(&script)),
            ("spans", &escaped(view.spans)),
            ("names", &names.join(" ")),
        ],
    )
}

fn among(site_count: usize) -> String {
    match site_count {
        0 | 1 => String::new(),
        more => format!(", the first of {more} sites that are counted here"),
    }
}

/// Whose visits are in the numbers: yours too, unless only pages of other hosts may count.
fn whose(hosts: &[String]) -> String {
    if hosts.is_empty() {
        return "Your visit to this page is in them.".to_owned();
    }
    let hosts: Vec<String> = hosts.iter().map(|host| format!("<code>{}</code>", escaped(host))).collect();
    format!("Pages on {} count.", hosts.join(", "))
}

fn notice(view: &Welcome<'_>) -> String {
    let says = match view.reachability {
        Reachability::Fine => return String::new(),
        Reachability::Loopback => LOOPBACK,
        Reachability::PlainHttp => PLAIN_HTTP,
    };
    let places = [("base", &*escaped(view.base_url)), ("upstream", &*escaped(view.upstream))];
    let body = fill(&[says, REMEDY].join("\n"), &places);
    format!("<section class=\"notice\" aria-labelledby=\"reach\">\n{body}\n</section>")
}

/// The path of a URL, without a slash at its end; empty for none.
fn path_of(url: &str) -> &str {
    let host_and_path = url.split_once("://").map_or(url, |(_, rest)| rest);
    host_and_path.find('/').map_or("", |at| &host_and_path[at..])
}

/// Puts values into the `{{places}}` of a template. A place that nobody fills stays, for a test to find.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some((before, (name, after))) =
        rest.split_once("{{").and_then(|(before, tail)| Some((before, tail.split_once("}}")?)))
    {
        filled.push_str(before);
        match values.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => filled.push_str(value),
            None => filled.extend(["{{", name, "}}"]),
        }
        rest = after;
    }
    filled.push_str(rest);
    filled
}

/// Text made safe for html, between tags and inside double quotes.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTER: &str = "<p class=\"headcount\">Visits: <span data-headcount=\"total\">7</span></p>\n";

    fn page(change: impl FnOnce(&mut Welcome<'_>)) -> String {
        let site = SiteId::parse("vks").expect("a valid id");
        let mut view = Welcome {
            base_url: "https://www.example.vn/hc",
            upstream: "127.0.0.1:8080",
            reachability: Reachability::Fine,
            site: &site,
            site_count: 1,
            hosts: &[],
            identity_browser: false,
            language: "vi",
            counter: COUNTER,
            table: "<table></table>",
            spans: "<p data-headcount-block hidden>Visits: <span data-headcount=\"total\"></span></p>",
            names: &["online", "total"],
            version: "0.1.0",
        };
        change(&mut view);
        welcome(&view)
    }

    #[test]
    fn every_place_of_the_page_is_filled() {
        for reachability in [Reachability::Fine, Reachability::Loopback, Reachability::PlainHttp] {
            let html = page(|view| view.reachability = reachability);
            assert!(!html.contains("{{"), "{html}");
        }
    }

    #[test]
    fn the_counter_has_its_numbers_without_javascript() {
        assert!(page(|_| ()).contains(COUNTER));
    }

    #[test]
    fn a_site_with_hosts_does_not_promise_that_this_very_page_counts() {
        assert!(page(|_| ()).contains("Your visit to this page is in them."));
        let hosts = ["www.example.vn".to_owned(), "*.example.vn".to_owned()];
        let mut of_hosts = String::new();
        let site = SiteId::parse("vks").expect("a valid id");
        page(|view| of_hosts = welcome(&Welcome { hosts: &hosts, site: &site, ..view.clone() }));
        assert!(of_hosts.contains("Pages on <code>www.example.vn</code>, <code>*.example.vn</code> count."));
        assert!(!of_hosts.contains("Your visit"));
    }

    #[test]
    fn the_lines_to_paste_name_the_real_address_and_site() {
        let html = page(|_| ()).replace("&quot;", "\"");
        let base = "https://www.example.vn/hc";
        for line in [
            &format!(
                "&lt;script defer src=\"{base}/headcount.js\" data-site=\"vks\"&gt;&lt;/script&gt;\n&lt;p"
            ),
            &format!("&lt;img src=\"{base}/snippet/vks.svg?hit\" alt=\"\"&gt;"),
            &format!("&lt;iframe src=\"{base}/snippet/vks.html?frame&amp;hit\""),
            "&lt;!--#include virtual=\"/hc/snippet/vks.html\" --&gt;",
        ] {
            assert!(html.contains(line), "{line}");
        }
    }

    #[test]
    fn a_site_that_knows_browsers_says_so_in_every_script() {
        let html = page(|view| view.identity_browser = true);
        assert!(html.contains("lang=\"vi\" data-site=\"vks\" data-identity=\"browser\"></script>"));
        assert_eq!(html.matches("data-identity=&quot;browser&quot;").count(), 3);
    }

    #[test]
    fn an_address_that_readers_cannot_reach_is_told_in_words_with_the_remedy() {
        let loopback = page(|view| view.reachability = Reachability::Loopback);
        assert!(
            loopback.contains("Only this computer")
                && loopback.contains("proxy_pass http://127.0.0.1:8080/;")
        );
        let plain = page(|view| view.reachability = Reachability::PlainHttp);
        assert!(
            plain.contains("plain http") && plain.contains("X-Forwarded-For $proxy_add_x_forwarded_for;")
        );
        assert!(!page(|_| ()).contains("proxy_pass"));
    }

    #[test]
    fn the_page_keeps_to_its_own_policy() {
        let html = page(|_| ());
        for banned in ["<style", " style=", "onclick=", "onload=", "<script>", "javascript:"] {
            assert!(!html.contains(banned), "{banned}");
        }
        assert_eq!(html.matches("<script ").count(), 1, "headcount.js and nothing else");
    }

    #[test]
    fn a_forged_host_cannot_write_into_the_page() {
        let html = page(|view| view.base_url = "http://\"><script>alert(1)</script>");
        assert!(!html.contains("<script>alert"));
    }

    #[test]
    fn places_are_filled_once_and_never_inside_values() {
        assert_eq!(fill("{{a}}-{{b}}-{{c}}{{", &[("a", "{{b}}"), ("b", "2")]), "{{b}}-2-{{c}}{{");
    }
}
