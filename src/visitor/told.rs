//! What a view tells for reports, put together from the beacon and from what is known of its visitor.
//!
//! Everything is borrowed: a view without a campaign allocates nothing here. Pings and leaves tell nothing,
//! and a link from the site to itself is no referrer.

use std::borrow::Cow;

use crate::beacon::{Beacon, Origin, PageUrl, Tags};
use crate::details::{Details, Traits, referrer, tag};
use crate::sites::{Site, is_host_of};
use crate::words::Kind;

/// The tags of a view's page; nothing for other kinds.
#[must_use]
pub fn tags<'b>(beacon: &'b Beacon<'_>) -> Tags<'b> {
    match &beacon.url {
        Some(url) if beacon.kind == Kind::View => url.tags(),
        _ => Tags::default(),
    }
}

/// What a view tells; nothing for other kinds.
#[must_use]
pub fn details<'b>(beacon: &'b Beacon<'_>, tags: &'b Tags<'_>, site: &Site, traits: Traits) -> Details<'b> {
    if beacon.kind != Kind::View {
        return Details::default();
    }
    let kept = |value: &'b Option<Cow<'_, str>>| value.as_deref().and_then(tag);
    Details {
        traits,
        referrer: came_from(beacon, site),
        campaign: kept(&tags.campaign),
        source: kept(&tags.source),
        medium: kept(&tags.medium),
    }
}

/// What a view of a log tells. The site's own hosts are those of its list; a log names none.
#[must_use]
pub fn logged_details<'b>(
    came_from: Option<&'b str>,
    tags: &'b Tags<'_>,
    site: &Site,
    traits: Traits,
) -> Details<'b> {
    let kept = |value: &'b Option<Cow<'_, str>>| value.as_deref().and_then(tag);
    let is_own = |host: &&str| {
        site.hosts.iter().any(|entry| is_host_of(entry, host) || referrer(entry) == referrer(host))
    };
    Details {
        traits,
        referrer: came_from.filter(|host| !is_own(host)).and_then(referrer),
        campaign: kept(&tags.campaign),
        source: kept(&tags.source),
        medium: kept(&tags.medium),
    }
}

/// The host of the page that linked here, unless it is the site's own: one of its list, or the host of this
/// page as the browser or `u` names it, with or without `www.`.
fn came_from<'b>(beacon: &'b Beacon<'_>, site: &Site) -> Option<&'b str> {
    let host = beacon.came_from.as_deref()?;
    let name = referrer(host)?;
    let origin = match &beacon.origin {
        Origin::Host(host) => Some(host.as_ref()),
        Origin::Null | Origin::Absent => None,
    };
    let is_own = |own: &str| referrer(own) == Some(name);
    let own = site.hosts.iter().any(|entry| is_host_of(entry, host) || is_own(entry))
        || origin.is_some_and(is_own)
        || beacon.referer_host.as_deref().is_some_and(is_own)
        || beacon.url.as_ref().and_then(PageUrl::host).is_some_and(|host| is_own(&host));
    (!own).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::beacon::{Method, PROTOCOLS, Request};
    use hyper::HeaderMap;
    use hyper::header::{HeaderValue, ORIGIN};

    fn site(hosts: &[&str]) -> Site {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        Site { hosts, ..Site::plain("vks") }
    }

    fn check(query: &str, origin: Option<&'static str>, hosts: &[&str], expected: [Option<&str>; 4]) {
        let mut headers = HeaderMap::new();
        origin.map(|origin| headers.insert(ORIGIN, HeaderValue::from_static(origin)));
        let request = Request { method: Method::Get, path: "/hit", query, headers: &headers, body: b"" };
        let beacon = (PROTOCOLS[0].decode)(&request).expect("a beacon");
        let tags = tags(&beacon);
        let found = details(&beacon, &tags, &site(hosts), Traits::default());
        assert_eq!([found.referrer, found.campaign, found.source, found.medium], expected, "{query}");
    }

    #[test]
    fn another_hosts_page_is_a_referrer_and_the_own_is_none() {
        let google = [Some("google.com"), None, None, None];
        check("s=vks&u=https://a.vn/&r=https://www.google.com/search", None, &[], google);
        check("s=vks&u=/&r=https://www.Google.com", Some("https://a.vn"), &[], google);
        for (query, origin, hosts) in [
            ("s=vks&u=https://a.vn/x&r=https://a.vn/", None, &[][..]),
            ("s=vks&u=https://www.a.vn/x&r=https://a.vn/", None, &[]),
            ("s=vks&u=/x&r=https://a.vn/", Some("https://www.a.vn"), &[]),
            ("s=vks&u=/x&r=https://m.a.vn/", None, &["*.a.vn"]),
            ("s=vks&u=/x&r=https://www.a.vn/", None, &["a.vn"]),
            ("s=vks&u=/x&r=", None, &[]),
            ("s=vks&u=/x&k=ping&r=https://google.com/", None, &[]),
        ] {
            check(query, origin, hosts, [None; 4]);
        }
    }

    #[test]
    fn a_log_tells_the_same_of_referrers_and_campaigns() {
        let tags = Tags { source: Some(Cow::Borrowed(" zalo ")), ..Tags::default() };
        let told = |host, hosts: &[&str]| {
            let told = logged_details(host, &tags, &site(hosts), Traits::default());
            (told.referrer.map(str::to_owned), told.source.map(str::to_owned))
        };
        let zalo = Some("zalo".to_owned());
        assert_eq!(told(Some("www.google.com"), &["a.vn"]), (Some("google.com".to_owned()), zalo.clone()));
        for own in ["a.vn", "www.a.vn", "m.b.vn"] {
            assert_eq!(told(Some(own), &["a.vn", "*.b.vn"]), (None, zalo.clone()), "{own}");
        }
        assert_eq!(told(None, &[]), (None, zalo));
    }

    #[test]
    fn campaigns_are_told_by_views_alone() {
        let u = "u=/tin%3Futm_source%3Dzalo%26utm_medium%3D%2520%26utm_campaign%3DT%25E1%25BA%25BFt";
        check(&format!("s=vks&{u}"), None, &[], [None, Some("Tết"), Some("zalo"), None]);
        check(&format!("s=vks&k=ping&{u}"), None, &[], [None; 4]);
    }
}
