//! What the headers say beside the parameters: where the page lives, and whether anybody looks at it.
//!
//! One walk over all header lines, since asking for each by name costs more.

use std::borrow::Cow;

use hyper::HeaderMap;

use super::{Origin, host};

/// The words of browsers that fetch ahead.
const SPECULATION: [&[u8]; 3] = [b"prefetch", b"prerender", b"preview"];

/// What the headers of a beacon say.
#[derive(Debug)]
pub(super) struct Signals<'a> {
    pub(super) origin: Origin<'a>,
    pub(super) referer_host: Option<Cow<'a, str>>,
    pub(super) speculative: bool,
    pub(super) opted_out: bool,
}

impl<'a> Signals<'a> {
    /// Reads the headers; of an `Origin` or `Referer` that is given twice the first one holds, and the
    /// `Referer` is not looked at when the `Origin` names a host.
    pub(super) fn read(headers: &'a HeaderMap) -> Signals<'a> {
        let mut signals =
            Signals { origin: Origin::Absent, referer_host: None, speculative: false, opted_out: false };
        let mut referer = None;
        for (name, value) in headers {
            let value = value.as_bytes();
            match name.as_str() {
                "origin" if signals.origin == Origin::Absent => signals.origin = origin(value),
                "referer" => referer = referer.or(Some(value)),
                "sec-purpose" | "purpose" | "x-moz" | "x-purpose" => {
                    signals.speculative |= names_speculation(value);
                }
                "dnt" | "sec-gpc" => signals.opted_out |= value.trim_ascii() == b"1",
                _ => {}
            }
        }
        if !matches!(signals.origin, Origin::Host(_)) {
            signals.referer_host = referer.and_then(host::of_url);
        }
        signals
    }
}

fn origin(value: &[u8]) -> Origin<'_> {
    host::of_url(value).map_or(Origin::Null, Origin::Host)
}

fn names_speculation(value: &[u8]) -> bool {
    SPECULATION.iter().any(|word| value.windows(word.len()).any(|at| at.eq_ignore_ascii_case(word)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::{HeaderName, HeaderValue};

    fn check(lines: &[(&'static str, &[u8])], expected: (Origin<'_>, Option<&str>, bool, bool)) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let value = HeaderValue::from_bytes(value).expect("a header value");
            headers.append(HeaderName::from_static(name), value);
        }
        let signals = Signals::read(&headers);
        let (origin, referer_host, speculative, opted_out) = expected;
        assert_eq!(signals.origin, origin, "{lines:?}");
        assert_eq!(signals.referer_host.as_deref(), referer_host, "{lines:?}");
        assert_eq!((signals.speculative, signals.opted_out), (speculative, opted_out), "{lines:?}");
    }

    fn host(name: &str) -> Origin<'_> {
        Origin::Host(Cow::Borrowed(name))
    }

    #[test]
    fn origins_and_referers_give_hosts() {
        check(&[], (Origin::Absent, None, false, false));
        check(&[("origin", b"https://A.vn:8443")], (host("a.vn"), None, false, false));
        check(&[("origin", b"null")], (Origin::Null, None, false, false));
        check(&[("origin", b"file://")], (Origin::Null, None, false, false));
        check(&[("origin", b"\xff")], (Origin::Null, None, false, false));
        check(
            &[("origin", b"https://a.vn"), ("origin", b"https://b.vn")],
            (host("a.vn"), None, false, false),
        );
        check(&[("referer", b"https://a.vn/x?y")], (Origin::Absent, Some("a.vn"), false, false));
        check(&[("referer", b"https://a.vn/ti\xe1\xba\xbfng")], (Origin::Absent, Some("a.vn"), false, false));
        check(&[("referer", b"about:blank")], (Origin::Absent, None, false, false));
    }

    #[test]
    fn fetching_ahead_is_seen() {
        for (name, value) in [
            ("sec-purpose", "prefetch"),
            ("sec-purpose", "prefetch;prerender"),
            ("sec-purpose", "Prefetch;anonymous-client-ip"),
            ("purpose", "prefetch"),
            ("x-moz", "prefetch"),
            ("x-purpose", "preview"),
        ] {
            check(&[(name, value.as_bytes())], (Origin::Absent, None, true, false));
        }
        check(&[("sec-purpose", b"")], (Origin::Absent, None, false, false));
    }

    #[test]
    fn opting_out_is_seen() {
        check(&[("dnt", b"1")], (Origin::Absent, None, false, true));
        check(&[("sec-gpc", b" 1 ")], (Origin::Absent, None, false, true));
        check(&[("dnt", b"0"), ("sec-gpc", b"?1")], (Origin::Absent, None, false, false));
    }
}
