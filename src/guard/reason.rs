//! Why a beacon is not counted: one variant a reason, with its label and what the owner can do.
//!
//! Metrics, replies and documentation follow from [`Reason::ALL`]; a new reason is a new variant.

/// What became of a beacon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is counted.
    Counted,
    /// It is answered and not counted.
    Refused(Reason),
}

/// Why a beacon is not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The owner left the client's network out.
    Excluded,
    /// The browser asks to be left out, and the site honours that.
    OptedOut,
    /// The user agent is a robot's, or there is none.
    Robot,
    /// The browser fetched ahead of a reader.
    Prefetch,
    /// The page lies on a host that is not the site's.
    ForeignHost,
    /// The referrer is a known sender of false ones.
    ReferrerSpam,
    /// The network brought more views than one may.
    NetworkRate,
    /// The site got more views than it may.
    SiteRate,
    /// The visitor sent more pings or leaves than one may.
    PingRate,
    /// The network brought more unknown visitors than one may.
    Identities,
    /// There is no room to remember another visitor.
    PresenceFull,
    /// There is no salt for the day, so nobody can be told apart.
    NoSalt,
}

impl Reason {
    /// Every reason, in the order in which they are asked.
    pub const ALL: [Reason; 12] = [
        Reason::Excluded,
        Reason::OptedOut,
        Reason::Robot,
        Reason::Prefetch,
        Reason::ForeignHost,
        Reason::ReferrerSpam,
        Reason::NetworkRate,
        Reason::SiteRate,
        Reason::PingRate,
        Reason::Identities,
        Reason::PresenceFull,
        Reason::NoSalt,
    ];

    /// The word in replies and metric labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Excluded => "excluded",
            Reason::OptedOut => "opted_out",
            Reason::Robot => "robot",
            Reason::Prefetch => "prefetch",
            Reason::ForeignHost => "foreign_host",
            Reason::ReferrerSpam => "referrer_spam",
            Reason::NetworkRate => "network_rate",
            Reason::SiteRate => "site_rate",
            Reason::PingRate => "ping_rate",
            Reason::Identities => "identities",
            Reason::PresenceFull => "presence_full",
            Reason::NoSalt => "no_salt",
        }
    }

    /// The place in tables that hold one entry a reason: that in [`Reason::ALL`].
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Reason::Excluded => 0,
            Reason::OptedOut => 1,
            Reason::Robot => 2,
            Reason::Prefetch => 3,
            Reason::ForeignHost => 4,
            Reason::ReferrerSpam => 5,
            Reason::NetworkRate => 6,
            Reason::SiteRate => 7,
            Reason::PingRate => 8,
            Reason::Identities => 9,
            Reason::PresenceFull => 10,
            Reason::NoSalt => 11,
        }
    }

    /// What the owner of the site can do, in one sentence.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Reason::Excluded => "This network is left out on purpose; see excluded_networks of the site.",
            Reason::OptedOut => "The browser sends DNT or Sec-GPC; the site is set to honour that.",
            Reason::Robot => "The user agent is a robot's; open the page in an ordinary browser.",
            Reason::Prefetch => "The page was only fetched ahead; it counts once it is shown.",
            Reason::ForeignHost => "Add the host of this page to the hosts of the site.",
            Reason::ReferrerSpam => "The referrer is a known sender of spam; nothing needs to be done.",
            Reason::NetworkRate => {
                "Too many views from one network; raise views_per_network_per_second if they are people."
            }
            Reason::SiteRate => "Too many views for this site; raise views_per_site_per_second.",
            Reason::PingRate => "Too many pings from one visitor; let the page load the script only once.",
            Reason::Identities => {
                "Too many new visitors from one network; raise new_visitors_per_network_per_hour if they are people."
            }
            Reason::PresenceFull => {
                "Too many visitors are remembered at once; raise the limit of visitors present."
            }
            Reason::NoSalt => {
                "The secret of the day is not there yet; the daemon's log says what it waits for."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_stands_once_at_its_place() {
        for (index, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(reason.index(), index, "{reason:?}");
        }
    }

    #[test]
    fn labels_are_words_of_their_own_and_remedies_are_sentences() {
        let mut labels: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            assert!(reason.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
            assert!(reason.remedy().ends_with('.'), "{reason:?}");
        }
    }
}
