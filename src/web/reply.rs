//! Every status, cache and CORS header; errors become replies here and only here.

use std::sync::LazyLock;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    HeaderName, HeaderValue, REFERRER_POLICY, RETRY_AFTER, VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, Response, StatusCode};

use crate::beacon::BeaconError;
use crate::page::Asset;
use crate::snippet::{Format, ViewError};

/// What goes back to a client.
pub(super) type Reply = Response<Full<Bytes>>;

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const CROSS_ORIGIN: HeaderValue = HeaderValue::from_static("cross-origin");
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const ANY: HeaderValue = HeaderValue::from_static("*");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const GIF: HeaderValue = HeaderValue::from_static("image/gif");
/// A second: as long as a snippet is good for.
const FRESH_SECOND: HeaderValue = HeaderValue::from_static("max-age=1");
/// A snippet may follow the reader's language, so no cache may hand it to a reader of another.
const BY_LANGUAGE: HeaderValue = HeaderValue::from_static("accept-language");
/// The script and styles change with a release; an hour is how long a new release may go unnoticed.
const FRESH_HOUR: HeaderValue = HeaderValue::from_static("public, max-age=3600");

/// When somebody who found no room may ask again.
const BUSY_SECONDS: u16 = 30;

/// What is said in plain HTTP to who speaks it where TLS is spoken, before there is a connection of ours.
pub(super) const PLAIN_ON_TLS: &str = "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n\
cache-control: no-store\r\nx-content-type-options: nosniff\r\ncontent-length: 66\r\nconnection: close\r\n\r\n\
this port speaks https alone; write https:// in place of http://\r\n";

/// One transparent pixel, `GIF89a`, 43 bytes.
const PIXEL: &[u8; 43] =
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,\
\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

/// Why a request is not answered as it hoped.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("this is no beacon: {0}")]
    Malformed(#[from] BeaconError),
    #[error("this is no {what}: {error}")]
    View {
        /// What was asked for.
        what: &'static str,
        error: ViewError,
    },
    #[error(
        "there is no site of this name; the name after data-site= (or s=) must be an id of the configuration"
    )]
    UnknownSite,
    #[error("there is nothing here; a counter begins at /headcount.js, /hit and /snippet/SITE.html")]
    NotFound,
    #[error(
        "this is no snippet: the ending may be html, svg, png, json, js or txt; of a badge svg, png or json"
    )]
    UnknownFormat,
    #[error("this address takes {0} only")]
    Method(&'static str),
    #[error("the body is longer than {0} bytes")]
    TooLarge(usize),
    #[error("the body could not be read to its end")]
    Body,
    #[error("this is no query: {0}")]
    Query(&'static str),
    #[error("the beacon could not be written and was not counted; it may be sent again")]
    Unwritten,
    #[error("{0}; come back in {BUSY_SECONDS} seconds")]
    Busy(&'static str),
}

impl Refusal {
    /// Names what a query was to show.
    pub(super) fn no(what: &'static str) -> impl Fn(ViewError) -> Refusal {
        move |error| Refusal::View { what, error }
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Refusal::Malformed(_) | Refusal::View { .. } | Refusal::Body | Refusal::Query(_) => {
                StatusCode::BAD_REQUEST
            }
            Refusal::UnknownSite | Refusal::NotFound | Refusal::UnknownFormat => StatusCode::NOT_FOUND,
            Refusal::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Refusal::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::Unwritten | Refusal::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// The headers of every reply to a beacon: copying a map costs a third of filling one.
static OF_NUMBERS: LazyLock<HeaderMap> = LazyLock::new(|| {
    let headers = [
        (CONTENT_TYPE, JSON),
        (CACHE_CONTROL, NO_STORE),
        (ACCESS_CONTROL_ALLOW_ORIGIN, ANY),
        (X_CONTENT_TYPE_OPTIONS, NOSNIFF),
    ];
    HeaderMap::from_iter(headers)
});

/// The numbers that go back with a beacon.
pub(super) fn numbers(json: Vec<u8>) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(json)));
    *reply.headers_mut() = OF_NUMBERS.clone();
    reply
}

/// The pixel that goes back to a page without JavaScript.
pub(super) fn pixel() -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from_static(PIXEL)));
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, GIF);
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, CROSS_ORIGIN);
    reply
}

/// A snippet; one that also counted must not be kept by anybody.
pub(super) fn snippet<V>(format: &Format<V>, body: Bytes, etag: Option<&str>) -> Reply {
    let mut reply = Response::new(Full::new(body));
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type));
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, CROSS_ORIGIN);
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(format.policy));
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    headers.insert(VARY, BY_LANGUAGE);
    let kept = if etag.is_some() { FRESH_SECOND } else { NO_STORE };
    headers.insert(CACHE_CONTROL, kept);
    if let Some(etag) = etag.and_then(|etag| HeaderValue::from_str(etag).ok()) {
        headers.insert(ETAG, etag);
    }
    reply
}

/// The client has this very snippet already.
pub(super) fn not_modified(etag: &str) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::new()));
    *reply.status_mut() = StatusCode::NOT_MODIFIED;
    reply.headers_mut().insert(CACHE_CONTROL, FRESH_SECOND);
    reply.headers_mut().insert(VARY, BY_LANGUAGE);
    reply.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    if let Ok(etag) = HeaderValue::from_str(etag) {
        reply.headers_mut().insert(ETAG, etag);
    }
    reply
}

/// Events that go on. nginx would gather them, unless it is told not to.
pub(super) fn live<B>(body: B) -> Response<B> {
    let mut reply = Response::new(body);
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, CROSS_ORIGIN);
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    reply
}

/// A file that is compiled in.
pub(super) fn asset(asset: &'static Asset) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from_static(asset.bytes)));
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    headers.insert(CACHE_CONTROL, FRESH_HOUR);
    headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, CROSS_ORIGIN);
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    reply
}

/// The welcome page.
pub(super) fn page(html: String, policy: &'static str) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(html)));
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    reply
}

/// Plain words with a status: the admin pages, and every error.
pub(super) fn text(status: StatusCode, text: String) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(text)));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, TEXT);
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    reply
}

/// The metrics page.
pub(super) fn metrics(page: String) -> Reply {
    let mut reply = text(StatusCode::OK, page);
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    reply.headers_mut().insert(CONTENT_TYPE, kind);
    reply
}

/// A refusal, in words; any page's script may read them.
pub(super) fn refusal(refusal: &Refusal) -> Reply {
    let mut reply = text(refusal.status(), format!("{refusal}\n"));
    reply.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    match refusal {
        Refusal::Method(allowed) => {
            reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
        }
        Refusal::Busy(_) => {
            reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from(BUSY_SECONDS));
        }
        _ => {}
    }
    reply
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_pixel_is_a_whole_gif() {
        assert!(super::PIXEL.starts_with(b"GIF89a") && super::PIXEL.ends_with(b";"));
    }
}
