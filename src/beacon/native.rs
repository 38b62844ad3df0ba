//! The native protocol: `/hit` answers with the numbers, `/hit.gif` with a pixel; both read the same.
//!
//! | name | value | when |
//! |---|---|---|
//! | `s` | site id | always |
//! | `k` | `view` (default), `ping` or `leave` | |
//! | `u` | the page: a path or a whole URL, at most 2,048 bytes | without it the site alone counts |
//! | `r` | `document.referrer`, at most 2,048 bytes, may be empty | only its host is kept |
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

/// As long a URL as browsers, proxies and search engines agree to handle.
const URL_BYTES_MAX: usize = 2_048;
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
        Some(since) if kind == Kind::Leave => number(&since).ok_or(malformed),
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
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}
