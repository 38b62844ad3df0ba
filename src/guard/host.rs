//! Where the page of a beacon lives: the one rule by which a site's list of hosts is enforced.
//!
//! The `Origin` host decides; without one (none at all, or `null`) the `Referer` host; without that the
//! host in `u`. When none of them says anything the beacon counts and is marked.

use std::borrow::Cow;

use super::spam;
use crate::beacon::{Beacon, Origin, PageUrl};
use crate::sites::is_host_of;

/// The host that a page lives on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Home<'b> {
    /// This one: lower case, without port.
    Host(Cow<'b, str>),
    /// Nothing told.
    Unknown,
}

impl<'b> Home<'b> {
    /// Where `beacon` comes from.
    pub(super) fn of(beacon: &'b Beacon<'_>) -> Home<'b> {
        let origin = match &beacon.origin {
            Origin::Host(host) => Some(Cow::Borrowed(host.as_ref())),
            Origin::Null | Origin::Absent => None,
        };
        origin
            .or_else(|| beacon.referer_host.as_deref().map(Cow::Borrowed))
            .or_else(|| beacon.url.as_ref().and_then(PageUrl::host))
            .map_or(Home::Unknown, Home::Host)
    }

    /// Whether the page may count for a site with these hosts; an empty list means any.
    pub(super) fn is_among(&self, hosts: &[String]) -> bool {
        match self {
            Home::Host(host) => hosts.is_empty() || hosts.iter().any(|allowed| is_host_of(allowed, host)),
            Home::Unknown => true,
        }
    }

    /// Whether the page itself lies on a host of the spam list.
    pub(super) fn is_spam(&self) -> bool {
        match self {
            Home::Host(host) => spam::is_spam(host),
            Home::Unknown => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_match_exactly_or_below_a_star() {
        let cases = [
            ("example.vn", "example.vn", true),
            ("example.vn", "www.example.vn", false),
            ("example.vn", "badexample.vn", false),
            ("*.example.vn", "www.example.vn", true),
            ("*.example.vn", "a.b.example.vn", true),
            ("*.example.vn", "example.vn", false),
            ("*.example.vn", "badexample.vn", false),
            ("*.example.vn", ".example.vn", false),
            ("*example.vn", "badexample.vn", false),
            ("*", "example.vn", false),
            ("::1", "::1", true),
        ];
        for (allowed, host, expected) in cases {
            assert_eq!(is_host_of(allowed, host), expected, "{allowed} {host}");
        }
    }
}
