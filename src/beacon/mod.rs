//! Beacons: bytes of a request become a [`Beacon`] of parsed values, or an error that names the field.
//!
//! A protocol is an entry of [`PROTOCOLS`]: the paths it serves, how it decodes, what it answers with.
//! Whatever can be borrowed from the request is borrowed, everything is bounded, and no error repeats
//! what was sent. This room does not know which sites exist, who sent the request, or the time.

mod bytes;
mod error;
mod form;
mod host;
pub mod log;
mod native;
mod page;
mod signals;

use std::borrow::Cow;

use hyper::HeaderMap;

pub use error::BeaconError;
pub use page::{PageUrl, Tags};

use crate::words::Kind;

/// The methods that may carry a beacon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Everything stands in the query; a body is not looked at.
    Get,
    /// Parameters stand in the query, in the body, or some here and some there.
    Post,
}

/// What a protocol may look at.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// How it was sent.
    pub method: Method,
    /// The path of the request, without the query.
    pub path: &'a str,
    /// What stands behind the `?`, undecoded; empty when there is none.
    pub query: &'a str,
    /// All header lines.
    pub headers: &'a HeaderMap,
    /// The whole body; the door has bounded it.
    pub body: &'a [u8],
}

/// What a page says to the daemon, parsed and bounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beacon<'a> {
    /// View, ping or leave.
    pub kind: Kind,
    /// A valid site id; whether the site exists is asked later.
    pub site: Cow<'a, str>,
    /// The page, when `u` named one.
    pub url: Option<PageUrl<'a>>,
    /// The host that the reader came from, after `r`: lower case, without port.
    pub came_from: Option<Cow<'a, str>>,
    /// The random id that the script keeps in the browser, as a number.
    pub browser: Option<u64>,
    /// The width of the screen in CSS pixels.
    pub screen_width: Option<u16>,
    /// For a leave: milliseconds since the last beacon of the page that was left; 0 for other kinds.
    pub since_last_ms: u32,
    /// The `Origin` header.
    pub origin: Origin<'a>,
    /// The host in the `Referer` header: lower case, without port; not read when `origin` names one.
    pub referer_host: Option<Cow<'a, str>>,
    /// Whether the browser fetched ahead of a reader who may never come.
    pub speculative: bool,
    /// Whether the browser asks to be left out: `DNT: 1` or `Sec-GPC: 1`.
    pub opted_out: bool,
}

/// Where the script ran, as the browser vouches for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin<'a> {
    /// On a page of this host: lower case, without port.
    Host(Cow<'a, str>),
    /// The browser keeps it to itself, or it names no host: sandboxed frames, local files.
    Null,
    /// No such header.
    Absent,
}

/// What a protocol answers with; the door makes the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerKind {
    /// The numbers, as JSON.
    Numbers,
    /// A transparent GIF of one pixel.
    Pixel,
}

/// One way of sending beacons.
#[derive(Debug)]
pub struct Protocol {
    /// The name in metric labels.
    pub name: &'static str,
    /// The paths that it serves, compared exactly.
    pub paths: &'static [&'static str],
    /// Reads one request.
    pub decode: for<'a> fn(&Request<'a>) -> Result<Beacon<'a>, BeaconError>,
    /// What goes back.
    pub answer: AnswerKind,
}

/// Every protocol that is served.
pub static PROTOCOLS: [&Protocol; 2] = [&native::NATIVE, &native::GIF];

/// A view that an embedded image or frame counts while it is fetched (`?hit`).
///
/// Of `query` only `u` is read, the rest are options of the snippet. The `Referer` header decides
/// about the host and never about the page: an image knows its page only by `u`.
///
/// # Errors
/// When `site` is not a site id, or `u` is malformed or given twice.
pub fn embedded<'a>(
    site: &'a str,
    query: &'a str,
    headers: &'a HeaderMap,
) -> Result<Beacon<'a>, BeaconError> {
    native::embedded(site, query, headers)
}
