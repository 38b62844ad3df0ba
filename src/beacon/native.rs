//! The native protocol: `/hit` answers with the numbers, `/hit.gif` with a pixel; both read the same.
//!
//! | name | value | when |
//! |---|---|---|
//! | `s` | site id | always |
//! | `k` | `view` (default), `ping` or `leave` | |
//! | `u` | the page: a path or a whole URL, at most 8,192 bytes | without it the site alone counts |
//! | `r` | `document.referrer`, at most 8,192 bytes, may be empty | only its host is kept |
//! | `w` | screen width, 0 to 65,535 | |
//! | `i` | browser id, 8 to 64 of `A-Z a-z 0-9 - _` | |
//! | `d` | milliseconds since the page's last beacon | with `k=leave`, always |
//!
//! A GET is read from its query, a POST from query and body together, whatever its content type says:
//! `sendBeacon` sends text as `text/plain`. The `Referer` header is never taken for the page.

use std::borrow::Cow;

use hyper::HeaderMap;
use siphasher::sip::SipHasher24;

use super::form::Form;
use super::signals::Signals;
use super::{AnswerKind, Beacon, BeaconError, Method, PageUrl, Protocol, Request, host};
use crate::words::{Kind, SiteId};

/// The beacon of the script.
pub(super) static NATIVE: Protocol =
    Protocol { name: "native", paths: &["/hit"], decode, answer: AnswerKind::Numbers };

/// The beacon of a page without JavaScript.
pub(super) static GIF: Protocol =
    Protocol { name: "gif", paths: &["/hit.gif"], decode, answer: AnswerKind::Pixel };

/// Addresses that come from advertisements carry thousands of bytes behind the `?`, which a page leaves
/// out anyway; two of them fit into the longest body.
const URL_BYTES_MAX: usize = 8_192;
/// The longest value of the small parameters; a browser id is the longest of them.
const WORD_BYTES_MAX: usize = 64;
/// Fewer characters cannot hold enough chance to tell browsers apart.
const BROWSER_ID_BYTES_MIN: usize = 8;

fn decode<'a>(request: &Request<'a>) -> Result<Beacon<'a>, BeaconError> {
    let mut form = Form::default();
    form.read_query(request.query)?;
    if request.method == Method::Post {
        form.read_body(request.body)?;
    }
    let kind = kind(&form)?;
    let signals = Signals::read(request.headers);
    Ok(Beacon {
        kind,
        site: site(&form)?,
        url: url(&form)?,
        came_from: came_from(&form)?,
        browser: browser(&form)?,
        screen_width: screen_width(&form)?,
        since_last_ms: since_last_ms(&form, kind)?,
        origin: signals.origin,
        referer_host: signals.referer_host,
        speculative: signals.speculative,
        opted_out: signals.opted_out,
    })
}

/// The view behind `?hit`; see [`super::embedded`].
pub(super) fn embedded<'a>(
    site: &'a str,
    query: &'a str,
    headers: &'a HeaderMap,
) -> Result<Beacon<'a>, BeaconError> {
    SiteId::check(site).map_err(BeaconError::Site)?;
    let mut form = Form::default();
    for pair in query.split('&').filter(|pair| *pair == "u" || pair.starts_with("u=")) {
        form.read_query(pair)?;
    }
    let signals = Signals::read(headers);
    Ok(Beacon {
        kind: Kind::View,
        site: Cow::Borrowed(site),
        url: url(&form)?,
        came_from: None,
        browser: None,
        screen_width: None,
        since_last_ms: 0,
        origin: signals.origin,
        referer_host: signals.referer_host,
        speculative: signals.speculative,
        opted_out: signals.opted_out,
    })
}

fn site<'a>(form: &Form<'a>) -> Result<Cow<'a, str>, BeaconError> {
    let site = form.text("s", SiteId::BYTES_MAX)?.ok_or(BeaconError::Missing { field: "s" })?;
    SiteId::check(&site).map_err(BeaconError::Site)?;
    Ok(site)
}

fn kind(form: &Form<'_>) -> Result<Kind, BeaconError> {
    let Some(word) = form.text("k", WORD_BYTES_MAX)? else { return Ok(Kind::View) };
    let malformed = BeaconError::Malformed { field: "k", expected: "`view`, `ping` or `leave`" };
    Kind::ALL.into_iter().find(|kind| kind.as_str() == word).ok_or(malformed)
}

fn url<'a>(form: &Form<'a>) -> Result<Option<PageUrl<'a>>, BeaconError> {
    form.text("u", URL_BYTES_MAX)?.map(PageUrl::parse).transpose()
}

/// The host in `r`. What is no URL is no error: browsers and apps put many things there.
fn came_from<'a>(form: &Form<'a>) -> Result<Option<Cow<'a, str>>, BeaconError> {
    Ok(match form.text("r", URL_BYTES_MAX)? {
        None => None,
        Some(Cow::Borrowed(referrer)) => host::of_url(referrer.as_bytes()),
        Some(Cow::Owned(referrer)) => {
            host::of_url(referrer.as_bytes()).map(|host| Cow::Owned(host.into_owned()))
        }
    })
}

fn screen_width(form: &Form<'_>) -> Result<Option<u16>, BeaconError> {
    let malformed = BeaconError::Malformed { field: "w", expected: "a whole number from 0 to 65535" };
    let Some(width) = form.text("w", WORD_BYTES_MAX)? else { return Ok(None) };
    number(&width).and_then(|width| u16::try_from(width).ok()).map(Some).ok_or(malformed)
}

fn since_last_ms(form: &Form<'_>, kind: Kind) -> Result<u32, BeaconError> {
    let malformed = BeaconError::Malformed { field: "d", expected: "a whole number of milliseconds" };
    match form.text("d", WORD_BYTES_MAX)? {
        // A tab that was open for two months, or a clock that was set back.
        Some(since) if kind == Kind::Leave => {
            since.parse::<i64>().map(|ms| u32::try_from(ms.max(0)).unwrap_or(u32::MAX)).map_err(|_| malformed)
        }
        None if kind == Kind::Leave => Err(BeaconError::Missing { field: "d" }),
        _ => Ok(0),
    }
}

/// The browser's id as a number. The hash only shortens it here; the day's salt comes with the visitor.
fn browser(form: &Form<'_>) -> Result<Option<u64>, BeaconError> {
    let Some(id) = form.text("i", WORD_BYTES_MAX)? else { return Ok(None) };
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if id.len() < BROWSER_ID_BYTES_MIN || !id.bytes().all(allowed) {
        let expected = "8 to 64 characters of A-Z, a-z, 0-9, `-` and `_`";
        return Err(BeaconError::Malformed { field: "i", expected });
    }
    Ok(Some(SipHasher24::new().hash(id.as_bytes())))
}

/// Digits alone: `parse` would take a sign too.
fn number(text: &str) -> Option<u32> {
    let digits = |number: u32, b| number.checked_mul(10)?.checked_add(char::from(b).to_digit(10)?);
    if text.is_empty() { None } else { text.bytes().try_fold(0, digits) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::beacon::{Origin, PROTOCOLS};
    use hyper::header::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    fn request<'a>(method: Method, query: &'a str, body: &'a [u8], headers: &'a HeaderMap) -> Request<'a> {
        Request { method, path: "/hit", query, headers, body }
    }

    fn plain(site: &str) -> Beacon<'_> {
        Beacon {
            kind: Kind::View,
            site: Cow::Borrowed(site),
            url: None,
            came_from: None,
            browser: None,
            screen_width: None,
            since_last_ms: 0,
            origin: Origin::Absent,
            referer_host: None,
            speculative: false,
            opted_out: false,
        }
    }

    fn check(query: &str, expected: &Result<Beacon<'_>, BeaconError>) {
        let headers = HeaderMap::new();
        assert_eq!(decode(&request(Method::Get, query, b"", &headers)), *expected, "GET {query}");
        assert_eq!(decode(&request(Method::Post, query, b"", &headers)), *expected, "POST {query}");
    }

    #[test]
    fn requests_become_beacons() {
        let url = |text| PageUrl::parse(Cow::Borrowed(text)).ok();
        let host = |host| Some(Cow::Borrowed(host));
        let browser = Some(SipHasher24::new().hash(b"Ab-_0123"));
        check("s=vks", &Ok(plain("vks")));
        check("s=vk%73", &Ok(plain("vks")));
        check("s=vks&rows=3&lang=vi&=&&x", &Ok(plain("vks")));
        check("s=vks&k=view", &Ok(plain("vks")));
        check("s=vks&k=ping", &Ok(Beacon { kind: Kind::Ping, ..plain("vks") }));
        check("s=vks&k=leave&d=0", &Ok(Beacon { kind: Kind::Leave, ..plain("vks") }));
        let leave = Beacon { kind: Kind::Leave, since_last_ms: u32::MAX, ..plain("vks") };
        check("s=vks&k=leave&d=4294967295", &Ok(leave));
        check("s=vks&k=leave&d=-1", &Ok(Beacon { kind: Kind::Leave, ..plain("vks") }));
        check(
            "s=vks&k=leave&d=4294967296",
            &Ok(Beacon { since_last_ms: u32::MAX, kind: Kind::Leave, ..plain("vks") }),
        );
        check("s=vks&d=nonsense", &Ok(plain("vks")));
        check("s=vks&u=/tin", &Ok(Beacon { url: url("/tin"), ..plain("vks") }));
        check("s=vks&u=%2Ftin", &Ok(Beacon { url: url("/tin"), ..plain("vks") }));
        let page = "https://a.vn/x?y=1#z";
        check("u=https%3A%2F%2Fa.vn%2Fx%3Fy%3D1%23z&s=vks", &Ok(Beacon { url: url(page), ..plain("vks") }));
        check("s=vks&r=https://Google.com/x", &Ok(Beacon { came_from: host("google.com"), ..plain("vks") }));
        check("s=vks&r=https%3A%2F%2Fa.vn%3A80%2F", &Ok(Beacon { came_from: host("a.vn"), ..plain("vks") }));
        check("s=vks&r=", &Ok(plain("vks")));
        check("s=vks&r=about:blank", &Ok(plain("vks")));
        check("s=vks&w=0", &Ok(Beacon { screen_width: Some(0), ..plain("vks") }));
        check("s=vks&w=65535", &Ok(Beacon { screen_width: Some(65_535), ..plain("vks") }));
        check("s=vks&i=Ab-_0123", &Ok(Beacon { browser, ..plain("vks") }));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let malformed = |query, name| {
            let headers = HeaderMap::new();
            let error = decode(&request(Method::Get, query, b"", &headers)).expect_err(query);
            assert!(
                matches!(error, BeaconError::Malformed { field, .. } if field == name),
                "{query} {error}"
            );
        };
        check("", &Err(BeaconError::Missing { field: "s" }));
        check("u=/x", &Err(BeaconError::Missing { field: "s" }));
        check("s=", &Err(BeaconError::Site(crate::words::NameError::Empty)));
        check("s=VKS", &Err(BeaconError::Site(crate::words::NameError::Character)));
        check("s=a&s=a", &Err(BeaconError::Duplicate { field: "s" }));
        check("s=a&u=/&u=/", &Err(BeaconError::Duplicate { field: "u" }));
        check("s=a&k=leave", &Err(BeaconError::Missing { field: "d" }));
        check("s=a&u=/%0", &Err(BeaconError::Escape { field: "u" }));
        check("s=a&u=/%ff", &Err(BeaconError::Encoding { field: "u" }));
        check("s=a&u=/%01", &Err(BeaconError::Control { field: "u" }));
        check("s=a&r=%7f", &Err(BeaconError::Control { field: "r" }));
        check("s=a&r=%c2%9f", &Err(BeaconError::Control { field: "r" }));
        for (query, field) in [
            ("s=a&u=", "u"),
            ("s=a&u=tin", "u"),
            ("s=a&u=file:///x", "u"),
            ("s=a&k=", "k"),
            ("s=a&k=View", "k"),
            ("s=a&k=click", "k"),
            ("s=a&w=", "w"),
            ("s=a&w=-1", "w"),
            ("s=a&w=%2B1", "w"),
            ("s=a&w=65536", "w"),
            ("s=a&w=1.5", "w"),
            ("s=a&i=1234567", "i"),
            ("s=a&i=12345678!", "i"),
            ("s=a&i=1234567%C3%A9", "i"),
            ("s=a&k=leave&d=", "d"),
        ] {
            malformed(query, field);
        }
    }

    #[test]
    fn values_are_bounded() {
        for (field, longest, bytes_max) in [
            ("u", "/".repeat(URL_BYTES_MAX), URL_BYTES_MAX),
            ("r", "x".repeat(URL_BYTES_MAX), URL_BYTES_MAX),
            ("i", "x".repeat(WORD_BYTES_MAX), WORD_BYTES_MAX),
        ] {
            let headers = HeaderMap::new();
            let query = ["s=a&", field, "=", &longest].concat();
            assert!(decode(&request(Method::Get, &query, b"", &headers)).is_ok(), "{field}");
            check(&[&query, "x"].concat(), &Err(BeaconError::TooLong { field, bytes_max }));
        }
        let site = ["s=", &"x".repeat(65)].concat();
        check(&site, &Err(BeaconError::TooLong { field: "s", bytes_max: 64 }));
    }

    #[test]
    fn posts_are_read_from_query_and_body_together_and_gets_from_the_query_alone() {
        let headers = HeaderMap::new();
        let post = |query, body| decode(&request(Method::Post, query, body, &headers));
        let ping = Beacon { kind: Kind::Ping, ..plain("vks") };
        assert_eq!(post("", b"s=vks&k=ping"), Ok(ping.clone()));
        assert_eq!(post("s=vks", b"k=ping"), Ok(ping.clone()));
        assert_eq!(post("s=vks&k=ping", b""), Ok(ping));
        assert_eq!(post("s=vks", b"s=vks"), Err(BeaconError::Duplicate { field: "s" }));
        assert_eq!(post("s=vks", b"{}"), Err(BeaconError::Body));
        let get = decode(&request(Method::Get, "s=vks", b"k=ping", &headers));
        assert_eq!(get, Ok(plain("vks")));
    }

    #[test]
    fn headers_say_where_the_page_lives_but_never_which_page_it_is() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("origin", "https://vks.vn"),
            ("referer", "https://www.vks.vn/tin"),
            ("purpose", "prefetch"),
            ("dnt", "1"),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let expected = Beacon {
            origin: Origin::Host(Cow::Borrowed("vks.vn")),
            speculative: true,
            opted_out: true,
            ..plain("vks")
        };
        assert_eq!(decode(&request(Method::Get, "s=vks", b"", &headers)), Ok(expected.clone()));
        assert_eq!(embedded("vks", "hit", &headers), Ok(expected.clone()));
        headers.insert("origin", HeaderValue::from_static("null"));
        let referer_host = Some(Cow::Borrowed("www.vks.vn"));
        let without = Beacon { origin: Origin::Null, referer_host, ..expected };
        assert_eq!(decode(&request(Method::Get, "s=vks", b"", &headers)), Ok(without));
    }

    #[test]
    fn embedded_images_are_views_whose_page_is_named_by_u() {
        let headers = HeaderMap::new();
        assert_eq!(embedded("vks", "", &headers), Ok(plain("vks")));
        assert_eq!(embedded("vks", "hit&s=x&k=ping&s=y&rows=today", &headers), Ok(plain("vks")));
        let url = PageUrl::parse(Cow::Borrowed("/tin")).ok();
        assert_eq!(embedded("vks", "hit&u=/tin", &headers), Ok(Beacon { url, ..plain("vks") }));
        assert_eq!(embedded("vks", "u=/&u=/", &headers), Err(BeaconError::Duplicate { field: "u" }));
        assert_eq!(embedded("vks", "u=%", &headers), Err(BeaconError::Escape { field: "u" }));
        assert!(matches!(embedded("VKS", "", &headers), Err(BeaconError::Site(_))));
    }

    #[test]
    fn what_needs_no_decoding_is_borrowed() {
        let headers = HeaderMap::new();
        let beacon = decode(&request(Method::Get, "s=vks&r=https://a.vn/", b"", &headers)).expect("a beacon");
        assert!(matches!(beacon.site, Cow::Borrowed(_)));
        assert!(matches!(beacon.came_from, Some(Cow::Borrowed(_))));
    }

    #[test]
    fn errors_never_repeat_what_was_sent() {
        let headers = HeaderMap::new();
        for query in
            ["s=SECRET", "s=a&u=SECRET", "s=a&k=SECRET", "s=a&w=SECRET", "s=a&i=SECRET", "s=a&u=%SECRET"]
        {
            let error = decode(&request(Method::Get, query, b"", &headers)).expect_err(query);
            assert!(!error.to_string().contains("SECRET"), "{error}");
        }
    }

    #[test]
    fn every_path_belongs_to_one_protocol() {
        let mut paths: Vec<_> = PROTOCOLS.iter().flat_map(|protocol| protocol.paths).collect();
        let all = paths.len();
        paths.sort_unstable();
        paths.dedup();
        assert_eq!(paths.len(), all);
    }

    proptest! {
        #[test]
        fn no_request_makes_decoding_panic(
            query in "([surkwid]=|[ -~]|%[0-9A-F]{2}|&|é){0,60}",
            body in proptest::collection::vec(any::<u8>(), 0..200),
            header in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(&header) {
                headers.insert(hyper::header::ORIGIN, value.clone());
                headers.insert(hyper::header::REFERER, value);
            }
            if let Ok(beacon) = decode(&request(Method::Post, &query, &body, &headers)) {
                prop_assert!(SiteId::check(&beacon.site).is_ok());
                if let Some(url) = beacon.url {
                    prop_assert!(url.page(&[]).is_ok_and(|page| page.as_str().starts_with('/')));
                }
            }
            let _ = embedded("vks", &query, &headers);
        }

        #[test]
        fn no_body_makes_decoding_panic(body in "(s=vks|&|[surkwid]=|[a-z0-9/:.%]){0,40}") {
            let headers = HeaderMap::new();
            let _ = decode(&request(Method::Post, "", body.as_bytes(), &headers));
        }
    }
}
