//! The vocabulary of headcount, after the words on the screen (README, "What the words mean").
//!
//! Names can only be made by parsing, so a [`SiteId`] in hand is a valid one. Nothing here knows a
//! clock, a socket or a file.

use std::fmt;
use std::ops::{AddAssign, SubAssign};
use std::sync::Arc;

use crate::details::Details;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// Whole seconds since the epoch.
    #[must_use]
    pub fn second(self) -> u64 {
        self.0 / 1_000
    }

    /// Whole minutes since the epoch: the key of a minute row.
    #[must_use]
    pub fn minute(self) -> u64 {
        self.0 / 60_000
    }

    /// The moment `ms` milliseconds later.
    #[must_use]
    pub fn plus(self, ms: u64) -> UnixMillis {
        UnixMillis(self.0.saturating_add(ms))
    }

    /// The moment `ms` milliseconds earlier.
    #[must_use]
    pub fn minus(self, ms: u64) -> UnixMillis {
        UnixMillis(self.0.saturating_sub(ms))
    }

    /// Milliseconds from `earlier` to this moment; 0 when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: UnixMillis) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A calendar date in a site's own time zone, as days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i32);

impl Day {
    /// The day after.
    #[must_use]
    pub fn next(self) -> Day {
        Day(self.0.saturating_add(1))
    }

    /// The day before.
    #[must_use]
    pub fn previous(self) -> Day {
        Day(self.0.saturating_sub(1))
    }
}

/// Why a name was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("is empty")]
    Empty,
    /// More bytes than allowed.
    #[error("is longer than {max} bytes")]
    TooLong {
        /// The most bytes a name may have.
        max: usize,
    },
    /// A character outside the allowed set.
    #[error("may only hold a-z, 0-9, '-', '_' and '.', and begins with a letter or digit")]
    Character,
}

/// The name of a site: 1 to 64 of `a-z 0-9 - _ .`, beginning with a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteId(Arc<str>);

impl SiteId {
    /// The most bytes a site id may have: it is a file name, a label and a part of URLs.
    pub const BYTES_MAX: usize = 64;

    /// Parses a site id.
    ///
    /// # Errors
    /// When `raw` is empty, too long, or holds another character.
    pub fn parse(raw: &str) -> Result<SiteId, NameError> {
        SiteId::check(raw)?;
        Ok(SiteId(Arc::from(raw)))
    }

    /// Checks a site id without keeping it.
    ///
    /// # Errors
    /// As [`SiteId::parse`].
    pub fn check(raw: &str) -> Result<(), NameError> {
        let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
        match raw.as_bytes() {
            [] => Err(NameError::Empty),
            bytes if bytes.len() > Self::BYTES_MAX => Err(NameError::TooLong { max: Self::BYTES_MAX }),
            [b'-' | b'_' | b'.', ..] => Err(NameError::Character),
            bytes if !bytes.iter().all(|b| allowed(*b)) => Err(NameError::Character),
            _ => Ok(()),
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SiteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for SiteId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// A page: the path of its URL after the one folding rule, at most [`PagePath::BYTES_MAX`] bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PagePath(Box<str>);

impl PagePath {
    /// The most bytes a page may have; longer ones are refused at the door.
    pub const BYTES_MAX: usize = 1_024;
    /// Where pages beyond `pages_per_site` are counted.
    pub const OTHER: &'static str = "(other)";

    /// Takes text that the door has already folded and bounded, or that a vault has kept.
    #[must_use]
    pub fn from_folded(folded: &str) -> PagePath {
        PagePath(Box::from(folded))
    }

    /// The collective page of all that found no room.
    #[must_use]
    pub fn other() -> PagePath {
        PagePath(Box::from(Self::OTHER))
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for PagePath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// One identity within one day of one site: a keyed hash, meaningless without that day's salt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VisitorId(pub u64);

/// The secret of one day: ids made with it mean nothing to anyone who does not have it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt(pub [u8; 16]);

impl fmt::Debug for Salt {
    /// Says that there is one and never what it is, so that no log line can give it away.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(secret)")
    }
}

/// A stream of the journal: 64 random bits, written by one process life only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

impl fmt::Display for StreamId {
    /// 16 hexadecimal digits, as in the file's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What a beacon says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A page is being looked at, for the first time since it was opened.
    View,
    /// It still is: sent every minute while the tab is visible.
    Ping,
    /// It no longer is.
    Leave,
}

impl Kind {
    /// Every kind, in the order of their wire numbers.
    pub const ALL: [Kind; 3] = [Kind::View, Kind::Ping, Kind::Leave];

    /// The word used in requests, logs and metric labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::View => "view",
            Kind::Ping => "ping",
            Kind::Leave => "leave",
        }
    }

    /// The place in tables that hold one entry a kind.
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Kind::View => 0,
            Kind::Ping => 1,
            Kind::Leave => 2,
        }
    }
}

/// What the journal keeps of one counted beacon: the moment, never a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touch<'a> {
    /// What the beacon said.
    pub kind: Kind,
    /// When it was counted.
    pub at: UnixMillis,
    /// The site's id.
    pub site: &'a str,
    /// The day of the site that `at` fell in, and whose salt made `visitor`: without it the id
    /// means nothing, and with it the fold needs neither zone nor configuration.
    pub day: Day,
    /// Who.
    pub visitor: VisitorId,
    /// The same person's id of the day before, for one visit window after midnight.
    pub previous: Option<VisitorId>,
    /// Memory knew a visit of this visitor to be open when the beacon came. No verdict: it is only
    /// looked at where the records before this one are gone, when a visit that pings have kept open
    /// for hours is brought back after a restart.
    pub in_visit: bool,
    /// For a leave: milliseconds since the last beacon of the page that was left.
    pub since_last_ms: u32,
    /// The page as it was folded, when one was named.
    pub page: Option<&'a str>,
    /// What a view tells for reports; the default for other kinds.
    pub details: Details<'a>,
}

/// One entry of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// A counted beacon.
    Touch(Touch<'a>),
    /// More people online at once than ever before.
    Peak {
        /// The site's id.
        site: &'a str,
        /// The number online.
        count: u32,
        /// When.
        at: UnixMillis,
    },
}

impl Record<'_> {
    /// When the record was made.
    #[must_use]
    pub fn at(&self) -> UnixMillis {
        match self {
            Record::Touch(touch) => touch.at,
            Record::Peak { at, .. } => *at,
        }
    }
}

/// Views and visits of some span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Counted `view` beacons.
    pub views: u64,
    /// Visits opened.
    pub visits: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, more: Tally) {
        self.views = self.views.saturating_add(more.views);
        self.visits = self.visits.saturating_add(more.visits);
    }
}

impl SubAssign for Tally {
    /// Nothing goes below zero.
    fn sub_assign(&mut self, less: Tally) {
        self.views = self.views.saturating_sub(less.views);
        self.visits = self.visits.saturating_sub(less.visits);
    }
}

/// Which of the two a footer calls its total.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Figure {
    /// Page views.
    Views,
    /// Visits.
    Visits,
}

impl Figure {
    /// The word used in configuration, commands and replies.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Figure::Views => "views",
            Figure::Visits => "visits",
        }
    }

    /// So many of this figure, and none of the other.
    #[must_use]
    pub fn alone(self, count: u64) -> Tally {
        match self {
            Figure::Views => Tally { views: count, visits: 0 },
            Figure::Visits => Tally { views: 0, visits: count },
        }
    }

    /// This figure of a tally.
    #[must_use]
    pub fn of(self, tally: Tally) -> u64 {
        match self {
            Figure::Views => tally.views,
            Figure::Visits => tally.visits,
        }
    }
}

/// The highest online number so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peak {
    /// How many.
    pub count: u32,
    /// When, in the site's own time: RFC 3339 with offset.
    pub at: Arc<str>,
}

/// The numbers of one page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageNumbers {
    /// The page, as it was folded.
    pub path: PagePath,
    /// Views of all time.
    pub views: u64,
    /// Visits that passed by: visits whose first view was of this page.
    pub visits: u64,
    /// People whose latest beacon came from this page.
    pub online: u32,
}

/// What a site shows at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// The site.
    pub site: SiteId,
    /// The moment, in the site's own time: RFC 3339 with offset.
    pub at: Arc<str>,
    /// People whose latest beacon is at most `online_window_seconds` old.
    pub online: u32,
    /// The window beside the number.
    pub online_window_seconds: u32,
    /// All time, adjustments included.
    pub total: Tally,
    /// This day of the site.
    pub today: Tally,
    /// Distinct visitors of this day, as old as the last fold.
    pub today_visitors: u64,
    /// The day before.
    pub yesterday: Tally,
    /// Distinct visitors of the day before.
    pub yesterday_visitors: u64,
    /// From the site's first weekday on.
    pub this_week: Tally,
    /// The week before.
    pub last_week: Tally,
    /// From the first of the month on.
    pub this_month: Tally,
    /// The month before.
    pub last_month: Tally,
    /// From the first of January on.
    pub this_year: Tally,
    /// The 60 minutes up to now, in one-minute steps.
    pub last_hour: Tally,
    /// The 1,440 minutes up to now, in one-minute steps.
    pub last_24_hours: Tally,
    /// The highest online number, if anybody ever came.
    pub peak_online: Option<Peak>,
    /// The page that was asked about, when one was.
    pub page: Option<PageNumbers>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn site_ids_are_short_lower_case_names() {
        for good in ["vks", "a", "vks.example.vn", "0-9_x"] {
            assert!(SiteId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "VKS", "a b", "-a", ".a", "tiếng", &"x".repeat(65)] {
            assert!(SiteId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn tallies_saturate() {
        let mut tally = Tally { views: u64::MAX, visits: 1 };
        tally += Tally { views: 1, visits: 1 };
        assert_eq!(tally, Tally { views: u64::MAX, visits: 2 });
    }
}
