//! The configured sites: find one by its id, and put a whole new set in place at once.
//!
//! A site keeps its [`SiteNumber`] for as long as the process lives, so that memory may index by it
//! through any number of reloads. This room knows no file: configuration hands it finished sites.

use std::sync::Arc;

use ipnet::IpNet;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use crate::words::{Figure, SiteId};

/// The place of a site in memory, given once per process life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteNumber(pub u32);

/// By what a visitor is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Client address and user agent.
    Address,
    /// A random id that the script keeps in the browser.
    Browser,
}

/// The language of a site's counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LanguageChoice {
    /// The page's `lang`, then `Accept-Language`.
    Auto,
    /// Always this one: a language tag such as `vi`.
    Fixed(String),
}

/// One configured site.
#[derive(Clone, Debug)]
pub struct Site {
    /// Its name.
    pub id: SiteId,
    /// Hosts whose pages may count here, lower case; empty means any.
    pub hosts: Vec<String>,
    /// Its own time zone.
    pub time_zone: TimeZone,
    /// Its language.
    pub language: LanguageChoice,
    /// What stands between groups of three digits; `None` takes the language's.
    pub digit_grouping: Option<String>,
    /// The day its weeks begin with; `None` takes the language's.
    pub first_weekday: Option<Weekday>,
    /// What its footer calls the total.
    pub total: Figure,
    /// By what its visitors are known.
    pub identity: Identity,
    /// How old the latest beacon of somebody online may be, in milliseconds.
    pub online_window_ms: u64,
    /// Whether browsers that send `DNT: 1` or `Sec-GPC: 1` are left out.
    pub honour_opt_out: bool,
    /// Query parameters that tell pages of this site apart; all others are left out of a page.
    pub page_parameters: Vec<String>,
    /// Networks that are answered and not counted: the owner's own.
    pub excluded_networks: Vec<IpNet>,
    /// In a fleet: parts that its visitors are split over.
    pub parts: usize,
}

/// Whether `host` is meant by an entry of a list of hosts. Entries match exactly, so `example.vn` does not mean
/// `www.example.vn`; `*.example.vn` means every name below `example.vn` and not `example.vn` itself.
#[must_use]
pub fn is_host_of(entry: &str, host: &str) -> bool {
    match entry.strip_prefix('*') {
        Some(below) => host.len() > below.len() && below.starts_with('.') && host.ends_with(below),
        None => entry == host,
    }
}

/// A site in service.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Its place in memory.
    pub number: SiteNumber,
    /// What was configured.
    pub site: Arc<Site>,
}

/// The set in force.
#[derive(Clone, Debug, Default)]
pub struct Sites {
    by_id: foldhash::HashMap<SiteId, Placed>,
    /// Every id that was ever in service in this process life, by number.
    numbers: Vec<SiteId>,
    /// In the order of the configuration.
    order: Vec<SiteId>,
}

impl Sites {
    /// Puts `configured` in the place of what was in force. Sites known before keep their number.
    #[must_use]
    pub fn replaced_by(&self, configured: Vec<Site>) -> Sites {
        let mut numbers = self.numbers.clone();
        let order = configured.iter().map(|site| site.id.clone()).collect();
        let by_id = configured
            .into_iter()
            .map(|site| {
                let place = numbers.iter().position(|id| *id == site.id).unwrap_or_else(|| {
                    numbers.push(site.id.clone());
                    numbers.len() - 1
                });
                let number = SiteNumber(u32::try_from(place).unwrap_or(u32::MAX));
                (site.id.clone(), Placed { number, site: Arc::new(site) })
            })
            .collect();
        Sites { by_id, numbers, order }
    }

    /// The site of that name.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Placed> {
        self.by_id.get(id)
    }

    /// The sites in force, in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = &Placed> {
        self.order.iter().filter_map(|id| self.by_id.get(id))
    }
}

#[cfg(test)]
impl Site {
    /// A site as a test has it: of any host, in UTC, with every setting as it is by default.
    pub(crate) fn plain(id: &str) -> Site {
        Site {
            id: SiteId::parse(id).expect("a site id"),
            hosts: Vec::new(),
            time_zone: TimeZone::UTC,
            language: LanguageChoice::Auto,
            digit_grouping: None,
            first_weekday: None,
            total: Figure::Visits,
            identity: Identity::Address,
            online_window_ms: 300_000,
            honour_opt_out: false,
            page_parameters: Vec::new(),
            excluded_networks: Vec::new(),
            parts: 1,
        }
    }
}
