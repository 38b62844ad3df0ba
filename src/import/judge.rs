//! What of a log counts: a GET that was answered with a page, by somebody who is no robot.
//!
//! The questions are those that the guard asks of a beacon, as far as a log can answer them, and two more:
//! a server logs what went wrong and every picture too. They are asked in one order, and the first that is
//! answered with no is the outcome. Robots come before methods, states and files, so that their number is
//! that of all their requests.

use super::order::Told;
use super::{Outcome, Own};
use crate::beacon::PageUrl;
use crate::beacon::log::{self, LogLine};
use crate::guard::is_spam_referrer;
use crate::sites::{Site, is_host_of};
use crate::visitor::{Logged, logged_details};
use crate::words::PagePath;

/// What a page loads besides itself, or hands out to be kept, by the end of its path: images, styles,
/// scripts, fonts, archives and programs, media. In lower case, sorted.
const STATIC: [&str; 83] = [
    "7z",
    "aac",
    "apk",
    "apng",
    "appimage",
    "avi",
    "avif",
    "bin",
    "bmp",
    "br",
    "bz2",
    "cab",
    "css",
    "cur",
    "deb",
    "dmg",
    "eot",
    "exe",
    "flac",
    "flv",
    "gif",
    "gz",
    "heic",
    "ico",
    "iso",
    "jar",
    "jfif",
    "jpeg",
    "jpg",
    "js",
    "jxl",
    "less",
    "m3u8",
    "m4a",
    "m4s",
    "m4v",
    "map",
    "mid",
    "midi",
    "mjs",
    "mkv",
    "mov",
    "mp3",
    "mp4",
    "mpd",
    "mpeg",
    "mpg",
    "msi",
    "oga",
    "ogg",
    "ogv",
    "opus",
    "otf",
    "pkg",
    "png",
    "psd",
    "rar",
    "rpm",
    "scss",
    "svg",
    "svgz",
    "swf",
    "tar",
    "tbz2",
    "tgz",
    "tif",
    "tiff",
    "ttf",
    "txz",
    "vtt",
    "wasm",
    "wav",
    "weba",
    "webm",
    "webmanifest",
    "webp",
    "wma",
    "wmv",
    "woff",
    "woff2",
    "xz",
    "zip",
    "zst",
];
const EXTENSION_BYTES_MAX: usize = 11;

/// What programs ask a site for, by its whole path; in the same place below are files of [`WELL_KNOWN`].
const FOR_PROGRAMS: [&[u8]; 2] = [b"/robots.txt", b"/sitemap.xml"];
/// RFC 8615.
const WELL_KNOWN: &[u8] = b"/.well-known/";

/// Whether a path asks for a file that is no page.
fn is_static(path: &[u8]) -> bool {
    if FOR_PROGRAMS.contains(&path) || path.starts_with(WELL_KNOWN) {
        return true;
    }
    let tail = &path[path.len().saturating_sub(EXTENSION_BYTES_MAX + 1)..];
    let Some(dot) = tail.iter().rposition(|b| matches!(b, b'.' | b'/')) else { return false };
    if tail[dot] == b'/' {
        return false;
    }
    let mut lower = [0; EXTENSION_BYTES_MAX];
    let extension = &tail[dot + 1..];
    let lower = &mut lower[..extension.len()];
    lower.copy_from_slice(extension);
    lower.make_ascii_lowercase();
    STATIC.binary_search_by(|known| known.as_bytes().cmp(lower)).is_ok()
}

/// The path of a target, which may be a whole address, without its query.
fn path_of(target: &[u8]) -> &[u8] {
    let end = target.iter().position(|b| matches!(b, b'?' | b'#')).unwrap_or(target.len());
    let target = &target[..end];
    if target.starts_with(b"/") {
        return target;
    }
    let Some(authority) = memchr::memmem::find(target, b"://") else { return target };
    let behind = &target[authority + 3..];
    memchr::memchr(b'/', behind).map_or(b"/", |slash| &behind[slash..])
}

/// Whether a request was for another host: the target is a whole address there, as when somebody took the server for
/// a proxy, or the log says so. Some servers log their own addresses in that form, so without a list of hosts any is
/// taken, as that of a beacon.
fn is_foreign(line: &LogLine<'_>, hosts: &[String]) -> bool {
    let is_path = line.target.starts_with(b"/");
    if hosts.is_empty() || (is_path && line.host.is_empty()) {
        return false;
    }
    let url = if is_path { None } else { log::page(line.target) };
    let host = url.as_ref().and_then(PageUrl::host).or_else(|| log::asked_host(line));
    host.is_some_and(|host| !hosts.iter().any(|allowed| is_host_of(allowed, &host)))
}

/// Whether a line counts, as the rules say.
pub(super) fn judge(line: &LogLine<'_>, who: &Logged, site: &Site, own: &Own) -> Outcome {
    if who.excluded {
        return Outcome::Excluded;
    }
    if who.robot {
        return Outcome::Robot;
    }
    if line.method != b"GET" {
        return Outcome::Method;
    }
    if !(200..300).contains(&line.status) && line.status != 304 {
        return Outcome::Status;
    }
    if is_foreign(line, &site.hosts) {
        return Outcome::ForeignHost;
    }
    let path = path_of(line.target);
    if own.has(path) {
        return Outcome::Own;
    }
    if is_static(path) {
        return Outcome::Static;
    }
    if log::referrer_host(line.referrer).is_some_and(|host| is_spam_referrer(&host)) {
        return Outcome::ReferrerSpam;
    }
    Outcome::Counted
}

/// What a view shows: see [`page`].
pub(super) type Shown = (Option<PagePath>, Option<Box<Told>>);

/// The page that a line names, folded as that of a beacon, and what the line tells besides.
pub(super) fn page(line: &LogLine<'_>, who: &Logged, site: &Site) -> Shown {
    let url = log::page(line.target);
    let page = url.as_ref().and_then(|url| url.page(&site.page_parameters).ok());
    let tags = url.as_ref().map(PageUrl::tags).unwrap_or_default();
    let host = log::referrer_host(line.referrer);
    let told = Told::of(&logged_details(host.as_deref(), &tags, site, who.traits));
    (page, told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::details::{Browser, Device, Screen, System, Traits};
    use crate::import::tests::site;
    use crate::words::VisitorId;

    const READER: Logged = Logged {
        id: VisitorId(1),
        previous: None,
        excluded: false,
        robot: false,
        traits: Traits {
            browser: Browser::Unknown,
            system: System::Unknown,
            device: Device::Unknown,
            screen: Screen::Unknown,
            language: None,
            country: None,
        },
    };

    /// Of a site with these hosts.
    fn judged_for(hosts: &[&str], request: &str, status: u16, referrer: &str, who: &Logged) -> Outcome {
        let text = format!(
            "203.0.113.9 - - [17/May/2015:10:05:03 +0000] \"{request}\" {status} 9 \"{referrer}\" \"x\""
        );
        let site = Site { hosts: hosts.iter().map(|host| (*host).to_owned()).collect(), ..(*site()).clone() };
        judge(&log::parse(text.as_bytes()).expect("a line"), who, &site, &Own::default())
    }

    #[test]
    fn an_address_on_another_host_is_no_page_of_the_site() {
        let hosts = ["vks.vn", "*.vks.vn"];
        for (target, expected) in [
            ("/", Outcome::Counted),
            ("//evil.com/a", Outcome::Counted),
            ("http://vks.vn/a", Outcome::Counted),
            ("HTTPS://WWW.vks.vn:443/a", Outcome::Counted),
            ("http://evil.com/abs", Outcome::ForeignHost),
            ("http://vks.vn@evil.com/", Outcome::ForeignHost),
            ("http://evil.com/a.png", Outcome::ForeignHost),
            ("http://vks.vn/robots.txt", Outcome::Static),
        ] {
            let request = format!("GET {target} HTTP/1.1");
            assert_eq!(judged_for(&hosts, &request, 200, "-", &READER), expected, "{target}");
        }
        assert_eq!(judged_for(&[], "GET http://evil.com/abs HTTP/1.1", 200, "-", &READER), Outcome::Counted);
    }

    #[test]
    fn the_first_question_that_is_answered_with_no_is_the_outcome() {
        let robot = Logged { robot: true, ..READER };
        let excluded = Logged { excluded: true, ..robot };
        for (request, status, referrer, who, expected) in [
            ("GET / HTTP/1.1", 200, "-", &READER, Outcome::Counted),
            ("GET / HTTP/1.1", 304, "-", &READER, Outcome::Counted),
            ("GET / HTTP/1.1", 206, "https://a.example/", &READER, Outcome::Counted),
            ("POST /a.png HTTP/1.1", 404, "-", &excluded, Outcome::Excluded),
            ("POST /a.png HTTP/1.1", 404, "-", &robot, Outcome::Robot),
            ("POST /a.png HTTP/1.1", 404, "-", &READER, Outcome::Method),
            ("HEAD / HTTP/1.1", 200, "-", &READER, Outcome::Method),
            ("get / HTTP/1.1", 200, "-", &READER, Outcome::Method),
            ("GET /a.png HTTP/1.1", 404, "-", &READER, Outcome::Status),
            ("GET / HTTP/1.1", 301, "-", &READER, Outcome::Status),
            ("GET / HTTP/1.1", 101, "-", &READER, Outcome::Status),
            ("GET /a.png HTTP/1.1", 200, "http://semalt.com/", &READER, Outcome::Static),
            ("GET / HTTP/1.1", 200, "http://x.semalt.com/", &READER, Outcome::ReferrerSpam),
        ] {
            let judged = judged_for(&[], request, status, referrer, who);
            assert_eq!(judged, expected, "{request} {status}");
        }
    }

    #[test]
    fn files_are_told_by_the_end_of_the_path() {
        for target in [
            "/a.png",
            "/A.PNG?x=1",
            "/x/jquery.min.js",
            "/a.tar.gz",
            "/f.woff2#x",
            "/b.zip",
            "/s.webmanifest",
            "/favicon.ico",
            "/robots.txt",
            "/robots.txt?x",
            "/sitemap.xml",
            "/sitemap.xml.gz",
            "/.well-known/security.txt",
        ] {
            assert!(is_static(path_of(target.as_bytes())), "{target}");
        }
        for target in [
            "/",
            "",
            "/a",
            "/a.html",
            "/a.php?f=x.png",
            "/a.js/",
            "/js",
            "/.png/x",
            "/feed.xml",
            "/a.pdf",
            "/a.jsp",
            "/version-1.2",
            "/x.averyverylongextension",
            "/a.",
            "/a/robots.txt",
            "/about/sitemap.xml",
            "/.well-known",
            "/data.json",
        ] {
            assert!(!is_static(path_of(target.as_bytes())), "{target}");
        }
    }

    #[test]
    fn the_table_can_be_searched() {
        assert!(STATIC.is_sorted() && STATIC.iter().all(|known| known.len() <= EXTENSION_BYTES_MAX));
    }
}
