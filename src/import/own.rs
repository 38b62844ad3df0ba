//! Requests in a log that were for headcount itself, behind the server whose log it is: its welcome page, its
//! beacons, and the numbers that pages show. The site's pages are what is counted.
//!
//! Where headcount has a path of its own, as behind `https://www.example.vn/hc`, that is whatever lies below it.
//! Where it has none, or nobody said, its routes are known by their names (`web/route.rs`); those that name a site
//! are its own only with a site that there is, since pages may be called so too.

use crate::beacon::PROTOCOLS;
use crate::words::SiteId;

/// The script that pages embed.
const SCRIPT: &str = "/headcount.js";
/// Behind these stand a site and what it is shown as.
const SHOWN: [&str; 2] = ["/snippet/", "/badge/"];
/// Behind this stands a site.
const LIVE: &str = "/live/";

/// How headcount's own requests are known.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// The path of its public URL, without a slash at its end; empty when it has none.
    below: String,
    /// The sites that it shows.
    sites: Vec<SiteId>,
}

impl Own {
    /// Those below `public_url`, such as `https://www.example.vn/hc`, or those that show one of these sites.
    #[must_use]
    pub fn of(public_url: Option<&str>, sites: impl IntoIterator<Item = SiteId>) -> Own {
        let behind_scheme = public_url.and_then(|url| url.split_once("://")).map_or("", |(_, rest)| rest);
        let below = behind_scheme.find('/').map_or("", |slash| &behind_scheme[slash..]);
        Own { below: below.trim_end_matches('/').to_owned(), sites: sites.into_iter().collect() }
    }

    /// Whether a path, without its query, is one of them.
    pub(super) fn has(&self, path: &[u8]) -> bool {
        if !self.below.is_empty() {
            let behind = path.strip_prefix(self.below.as_bytes());
            return behind.is_some_and(|behind| behind.first().is_none_or(|b| *b == b'/'));
        }
        if path == SCRIPT.as_bytes() || is_beacon(path) {
            return true;
        }
        if let Some(site) = path.strip_prefix(LIVE.as_bytes()) {
            return self.shows(site);
        }
        let shown = SHOWN.iter().find_map(|directory| path.strip_prefix(directory.as_bytes()));
        let site = shown.and_then(|file| Some(&file[..file.iter().rposition(|b| *b == b'.')?]));
        site.is_some_and(|site| self.shows(site))
    }

    fn shows(&self, site: &[u8]) -> bool {
        self.sites.iter().any(|shown| shown.as_str().as_bytes() == site)
    }
}

fn is_beacon(path: &[u8]) -> bool {
    PROTOCOLS.iter().any(|protocol| protocol.paths.iter().any(|own| own.as_bytes() == path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(public_url: Option<&str>) -> Own {
        Own::of(public_url, [SiteId::parse("vks").expect("an id")])
    }

    #[test]
    fn all_below_a_path_of_its_own_is_its_own_and_nothing_else() {
        for url in ["https://www.example.vn/hc", "https://www.example.vn:8443/hc/"] {
            let own = own(Some(url));
            for path in ["/hc", "/hc/", "/hc/snippet/vks.html", "/hc/anything"] {
                assert!(own.has(path.as_bytes()), "{path}");
            }
            for path in ["/", "", "/hcx", "/a/hc/", "/HC/", "/hit", "/live/vks"] {
                assert!(!own.has(path.as_bytes()), "{path}");
            }
        }
    }

    #[test]
    fn without_one_its_routes_are_known_by_their_names_and_sites() {
        for own in [own(None), own(Some("https://count.example.vn"))] {
            for path in
                ["/hit", "/hit.gif", "/headcount.js", "/live/vks", "/snippet/vks.html", "/badge/vks.svg"]
            {
                assert!(own.has(path.as_bytes()), "{path}");
            }
            for path in
                ["/", "/hit/", "/live/", "/live/other", "/live/vks/1", "/snippet/vks", "/badge/other.svg"]
            {
                assert!(!own.has(path.as_bytes()), "{path}");
            }
        }
    }
}
