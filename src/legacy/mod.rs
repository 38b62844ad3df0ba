//! Old counters: what another system kept becomes totals, days and pages.
//!
//! A [`System`] is one file and one entry in [`SYSTEMS`]. It reads a dump or an export from its first
//! byte to its last in bounded memory, whatever its size, and gives what it found: the room changes
//! nothing. It is strict. A file that is cut short, of another version or of another system is an
//! error, since half of an old number would be a wrong number for ever. What a file holds and we do
//! not take is named in a note. Addresses that old counters kept are read over and go nowhere.

mod busuanzi;
mod goatcounter;
mod headcount;
mod nukeviet;
mod sql;
mod vinaora;

pub use headcount::FLEET_SCHEMA;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::{self, Read};

use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use crate::beacon::PageUrl;
use crate::rows::LocalDay;
use crate::words::{Day, PagePath, Tally, UnixMillis};

/// An old counter whose numbers can be brought along.
pub struct System {
    /// Its name in commands.
    pub name: &'static str,
    /// What its files hold, and which of our figures that becomes.
    pub about: &'static str,
    /// Reads a file of it; what comes out may be beyond any bound.
    read: fn(&mut dyn Read, &Setting<'_>) -> Result<Totals, LegacyError>,
}

/// The most that a day, a page or the rest of the total may have: more than any counter has shown.
pub const COUNT_MAX: u64 = 1_000_000_000_000;

impl System {
    /// Reads a file of it.
    ///
    /// # Errors
    /// When the file is none of this system, is not whole, or one of its numbers is beyond [`COUNT_MAX`].
    pub fn totals(&self, input: &mut dyn Read, setting: &Setting<'_>) -> Result<Totals, LegacyError> {
        let totals = (self.read)(input, setting)?;
        totals.check_bound()?;
        Ok(totals)
    }
}

/// Every system that is known.
pub static SYSTEMS: [&System; 5] =
    [&vinaora::SYSTEM, &nukeviet::SYSTEM, &busuanzi::SYSTEM, &goatcounter::SYSTEM, &headcount::SYSTEM];

/// The system of that name.
#[must_use]
pub fn system(name: &str) -> Option<&'static System> {
    SYSTEMS.into_iter().find(|system| system.name == name)
}

/// What reading needs to know about the site that the numbers are for.
#[derive(Clone, Debug)]
pub struct Setting<'a> {
    /// Where its days begin.
    pub zone: &'a TimeZone,
    /// Its present day: nothing later can have been counted.
    pub today: Day,
    /// Its hosts, for files that hold many sites.
    pub hosts: &'a [String],
    /// Query parameters that tell its pages apart.
    pub page_parameters: &'a [String],
    /// Pages that may stand in the file under a hash alone.
    pub known_pages: &'a [String],
    /// Its id.
    pub site: &'a str,
    /// The name that this machine has or had in a fleet.
    pub node: Option<&'a str>,
}

/// What an old counter had counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// All time, the days contained.
    pub total: Tally,
    /// Single days, as far as the file has them.
    pub days: BTreeMap<Day, Tally>,
    /// What is taken from the total in the end, where that is less than its days; never more than there is.
    pub less: Tally,
    /// Pages, all time.
    pub pages: BTreeMap<PagePath, Tally>,
    /// What should be known about these numbers, and what of the file was not taken.
    pub notes: Vec<String>,
}

/// A site with more pages than this has the rest in `(other)`.
const PAGES_MAX: usize = 500_000;

impl Totals {
    /// What the total has beyond its days; never below zero.
    #[must_use]
    pub fn undated(&self) -> Tally {
        let dated = self.dated();
        Tally {
            views: self.total.views.saturating_sub(dated.views),
            visits: self.total.visits.saturating_sub(dated.visits),
        }
    }

    /// The sum of the days.
    #[must_use]
    pub fn dated(&self) -> Tally {
        let mut dated = Tally::default();
        self.days.values().for_each(|tally| dated += *tally);
        dated
    }

    /// What these numbers are known again by, however their file was packed or dressed: 64 hexadecimal
    /// digits, the SHA-256 of every number that is not 0. Notes are none.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        // No word of one line can be taken for another's: what has spaces comes last.
        let mut line = |what: &str, tally: &Tally| {
            if *tally != Tally::default() {
                hash.update(format!("{} {} {what}\n", tally.views, tally.visits));
            }
        };
        line("total", &self.total);
        line("less", &self.less);
        self.days.iter().for_each(|(day, tally)| line(&format!("day {day}"), tally));
        self.pages.iter().for_each(|(page, tally)| line(&format!("page {}", page.as_str()), tally));
        let mut hex = String::with_capacity(64);
        for byte in hash.finalize() {
            write!(hex, "{byte:02x}").expect("a String takes whatever is written");
        }
        hex
    }

    /// Sums saturate, and whatever did is far beyond the bound.
    fn check_bound(&self) -> Result<(), LegacyError> {
        let is_much = |tally: &Tally| tally.views.max(tally.visits) > COUNT_MAX;
        let day = self.days.iter().find(|(_, tally)| is_much(tally));
        let page = self.pages.iter().find(|(_, tally)| is_much(tally));
        let undated = Some(self.undated()).filter(is_much).map(|_| "what is of no day".to_owned());
        let much = day.map(|(day, _)| format!("what is of {day}"));
        let much = much.or_else(|| page.map(|(page, _)| format!("what is of the page {}", page.as_str())));
        much.or(undated).map_or(Ok(()), |what| Err(LegacyError::TooMuch { what }))
    }

    /// Counts at a moment: for its day, or for the total alone if no counter can have counted then.
    fn add(&mut self, day: Option<Day>, tally: Tally) {
        self.total += tally;
        if let Some(day) = day {
            *self.days.entry(day).or_default() += tally;
        }
    }

    /// Counts for a page; whether it is one.
    fn add_page(&mut self, page: &str, setting: &Setting<'_>, tally: Tally) -> bool {
        let Some(Ok(page)) = PageUrl::requested(page.into()).map(|url| url.page(setting.page_parameters))
        else {
            return false;
        };
        let has_room = self.pages.len() < PAGES_MAX || self.pages.contains_key(&page);
        let page = if has_room { page } else { PagePath::other() };
        *self.pages.entry(page).or_default() += tally;
        true
    }

    /// Adds a note about something that occurred, with how often; nothing if it did not.
    fn note(&mut self, count: u64, what: &str) {
        if count > 0 {
            self.notes.push(format!("{count} {what}"));
        }
    }
}

/// Why a file was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LegacyError {
    /// The disk or the compression.
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    /// It is something else.
    #[error("is no {wanted}")]
    NotOf {
        /// What was looked for.
        wanted: &'static str,
    },
    /// It is of a version that we do not know.
    #[error("is of version {found} of its format, and this headcount reads {known}")]
    Version {
        /// What it says.
        found: String,
        /// What is read here.
        known: &'static str,
    },
    /// It ends in the middle.
    #[error("is cut short: it ends within {within}; make it anew")]
    CutShort {
        /// In the middle of what.
        within: &'static str,
    },
    /// Something stands where something else is expected.
    #[error("line {line}: {what}")]
    Line {
        /// Where, from 1 on.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// A named value is not what its name says.
    #[error("{name} {what}")]
    Value {
        /// The name.
        name: String,
        /// What is wrong with it.
        what: String,
    },
    /// A sum is absurd.
    #[error("{what} adds up to more than {COUNT_MAX}, which no counter has counted")]
    TooMuch {
        /// The sum of what.
        what: String,
    },
    /// Names of columns are missing.
    #[error(
        "line {line}: the columns of {table} are not named; export it with its structure, or with column names"
    )]
    NoColumns {
        /// Where.
        line: u64,
        /// Of which table.
        table: String,
    },
    /// It has several counters.
    #[error("holds several counters ({tables}); export one of them alone")]
    Several {
        /// Their tables.
        tables: String,
    },
    /// A bound was met.
    #[error("holds more than {max} {what}; export it in parts")]
    TooMany {
        /// The bound.
        max: usize,
        /// Of what.
        what: &'static str,
    },
    /// It is about other sites.
    #[error(
        "holds {count} sites, and none of them is one of the hosts of this one; name its host in `hosts`"
    )]
    OtherSites {
        /// How many.
        count: usize,
    },
}

/// Days of moments, most of which follow one another.
struct Days<'a> {
    setting: &'a Setting<'a>,
    last: Option<LocalDay>,
    /// How many moments no counter can have counted at.
    absurd: u64,
}

/// 1995-01-01: before it there was no counter on a page, and a moment is most likely a zero.
const FIRST_DAY: Day = Day(9_131);

impl<'a> Days<'a> {
    fn new(setting: &'a Setting<'a>) -> Days<'a> {
        Days { setting, last: None, absurd: 0 }
    }

    /// The site's day at that second since 1970; none if nothing can have been counted then.
    fn of(&mut self, second: i64) -> Option<Day> {
        let at = u64::try_from(second).ok().and_then(|second| second.checked_mul(1_000)).map(UnixMillis);
        let day = at.map(|at| {
            let local = self.last.filter(|local| local.contains(at));
            let local = local.unwrap_or_else(|| LocalDay::of(at, self.setting.zone));
            self.last = Some(local);
            local.day
        });
        let day = day.filter(|day| (FIRST_DAY..=self.setting.today).contains(day));
        self.absurd += u64::from(day.is_none());
        day
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const TODAY: Day = Day(20_779);

    /// Reads text as a file of a system, for a site in Vietnam on 2026-11-22.
    pub(super) fn read(system: &System, file: &[u8]) -> Result<Totals, String> {
        read_for(system, file, &[], &[])
    }

    pub(super) fn read_for(
        system: &System,
        file: &[u8],
        hosts: &[&str],
        known_pages: &[&str],
    ) -> Result<Totals, String> {
        let owned = |list: &[&str]| list.iter().map(|each| (*each).to_owned()).collect::<Vec<_>>();
        let zone = TimeZone::fixed(jiff::tz::offset(7));
        let setting = Setting {
            zone: &zone,
            today: TODAY,
            hosts: &owned(hosts),
            page_parameters: &[],
            known_pages: &owned(known_pages),
            site: "vks",
            node: Some("00000000000000ff"),
        };
        let mut file = file;
        system.totals(&mut file, &setting).map_err(|error| error.to_string())
    }

    /// The days of totals as text, with both figures.
    pub(super) fn days(totals: &Totals) -> Vec<(String, u64, u64)> {
        totals.days.iter().map(|(day, tally)| (day.to_string(), tally.views, tally.visits)).collect()
    }

    /// The pages of totals as text, with both figures.
    pub(super) fn pages(totals: &Totals) -> Vec<(&str, u64, u64)> {
        totals.pages.iter().map(|(path, tally)| (path.as_str(), tally.views, tally.visits)).collect()
    }

    #[test]
    fn what_no_day_explains_is_undated_and_never_below_zero() {
        let mut totals = Totals { total: Tally { views: 10, visits: 5 }, ..Totals::default() };
        totals.days.insert(TODAY, Tally { views: 4, visits: 7 });
        assert_eq!(totals.undated(), Tally { views: 6, visits: 0 });
    }

    #[test]
    fn sums_that_no_counter_has_counted_are_refused_wherever_they_stand() {
        let most = Tally { views: COUNT_MAX, visits: 0 };
        let more = Tally { views: 0, visits: u64::MAX };
        let mut totals = Totals { total: most, ..Totals::default() };
        totals.pages.insert(PagePath::from_folded("/"), most);
        assert!(totals.check_bound().is_ok());
        let error = |totals: &Totals| totals.check_bound().expect_err("is refused").to_string();
        let mut paged = totals.clone();
        paged.pages.insert(PagePath::from_folded("/a"), more);
        assert!(error(&paged).starts_with("what is of the page /a adds up to more than 1000000000000"));
        let dated = Totals { days: BTreeMap::from([(TODAY, more)]), ..totals.clone() };
        assert!(error(&dated).starts_with("what is of 2026-11-22 adds up"));
        assert!(error(&Totals { total: more, ..totals }).starts_with("what is of no day adds up"));
    }

    #[test]
    fn numbers_are_known_by_what_they_are_and_not_by_their_notes() {
        let tally = Tally { views: 4, visits: 2 };
        let mut totals = Totals { total: tally, ..Totals::default() };
        let total = totals.fingerprint();
        totals.notes.push("one of them was odd".to_owned());
        totals.days.insert(TODAY, Tally::default());
        assert_eq!(totals.fingerprint(), total);
        totals.days.insert(TODAY, tally);
        let day = totals.fingerprint();
        totals.pages.insert(PagePath::from_folded("/"), tally);
        let page = totals.fingerprint();
        assert!(total != day && day != page && page.len() == 64);
    }

    #[test]
    fn a_site_has_its_days_in_its_own_zone_and_none_that_cannot_be() {
        let zone = TimeZone::fixed(jiff::tz::offset(7));
        let (hosts, pages): (&[String], &[String]) = (&[], &[]);
        let setting = Setting {
            zone: &zone,
            today: TODAY,
            hosts,
            page_parameters: pages,
            known_pages: pages,
            site: "",
            node: None,
        };
        let mut days = Days::new(&setting);
        let midnight = i64::from(TODAY.0) * 86_400 - 7 * 3_600;
        assert_eq!(days.of(midnight), Some(TODAY));
        assert_eq!(days.of(midnight - 1), Some(TODAY.previous()));
        assert_eq!(days.absurd, 0);
        for second in [0, -1, i64::MIN, i64::MAX, midnight + 86_400] {
            assert_eq!(days.of(second), None, "{second}");
        }
        assert_eq!(days.absurd, 5);
    }

    #[test]
    fn no_bytes_make_any_system_panic_or_take_a_number() {
        for system in SYSTEMS {
            for garbage in [
                &b""[..],
                b"\0\0\0\0",
                b"\x1f\x8b\x08",
                b"PK\x03\x04",
                b"<html><body>404</body></html>",
                b"REDIS0011\xfa\x09redis-ver",
                b"'",
                b"INSERT INTO",
                b"INSERT INTO `jos_vvisit_counter` VALUES (",
                b"{\"site_pv\":",
                b"9Path,Title\n/,x\n",
                b"\xff\xfe\xfd",
            ] {
                let error = read(system, garbage).expect_err("must be refused");
                assert!(!error.is_empty() && error.len() < 300, "{}: {error}", system.name);
            }
        }
    }
}
