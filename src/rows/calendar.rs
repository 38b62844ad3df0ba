//! Days, weeks, months and years of a site, in its own zone.
//!
//! A [`Calendar`] holds the sums of seven spans around its present day. It only moves forward: when
//! the day changes, a span that existed before keeps its sum under its new name (what was *today*
//! becomes *yesterday*) and every other span begins at nothing. It does not know past days that lie
//! outside its spans; the store does.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::words::{Day, Tally, UnixMillis};

/// A day of a site and the moments between which it lies, so that a clock reading need not be
/// converted again before the day is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalDay {
    /// The date.
    pub day: Day,
    /// The first moment of the day.
    pub from: UnixMillis,
    /// The first moment of the next day.
    pub until: UnixMillis,
}

impl LocalDay {
    /// The day of `zone` that `at` lies in. Outside the years that a calendar can name (up to
    /// 9999) the day is the last one that it can.
    #[must_use]
    pub fn of(at: UnixMillis, zone: &TimeZone) -> LocalDay {
        let moment = timestamp(at);
        let date = moment.to_zoned(zone.clone()).date();
        let start = |date: Date| {
            let moment = date.to_zoned(zone.clone()).map(|zoned| zoned.timestamp());
            moment
                .map_or(UnixMillis(u64::MAX), |t| UnixMillis(u64::try_from(t.as_millisecond()).unwrap_or(0)))
        };
        let tomorrow = date.tomorrow();
        let until = tomorrow.map_or(UnixMillis(u64::MAX), start);
        LocalDay { day: Day::from_date(date), from: start(date), until }
    }

    /// Whether `at` lies in this day.
    #[must_use]
    pub fn contains(&self, at: UnixMillis) -> bool {
        self.from <= at && at < self.until
    }
}

/// The moment as jiff names it; the last that it can name if it lies beyond.
pub(crate) fn timestamp(at: UnixMillis) -> Timestamp {
    i64::try_from(at.0).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or(Timestamp::MAX)
}

const EPOCH: Date = jiff::civil::date(1970, 1, 1);

impl Day {
    /// The day of a civil date.
    #[must_use]
    pub fn from_date(date: Date) -> Day {
        Day(date.since((jiff::Unit::Day, EPOCH)).map_or(0, |span| span.get_days()))
    }

    /// 0001-01-01, before every day that anybody counts.
    pub const FIRST: Day = Day(-719_162);
    /// 9999-12-31, behind every such day.
    pub const LAST: Day = Day(2_932_896);

    /// The civil date of the day; days beyond [`Day::FIRST`] and [`Day::LAST`] give those.
    #[must_use]
    pub fn date(self) -> Date {
        EPOCH.saturating_add(self.0.clamp(Day::FIRST.0, Day::LAST.0).days())
    }
}

impl std::fmt::Display for Day {
    /// `YYYY-MM-DD`, as ISO 8601 and the store write it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.date())
    }
}

impl std::str::FromStr for Day {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Day, jiff::Error> {
        text.parse::<Date>().map(Day::from_date)
    }
}

/// The spans that a calendar sums, in the order of the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// The present day.
    Today,
    /// The day before.
    Yesterday,
    /// The present week, whole.
    ThisWeek,
    /// The week before.
    LastWeek,
    /// The present month, whole.
    ThisMonth,
    /// The month before.
    LastMonth,
    /// The present year, whole.
    ThisYear,
}

/// How many spans there are.
const SPANS: usize = 7;

impl Span {
    /// Every span.
    pub const ALL: [Span; SPANS] = [
        Span::Today,
        Span::Yesterday,
        Span::ThisWeek,
        Span::LastWeek,
        Span::ThisMonth,
        Span::LastMonth,
        Span::ThisYear,
    ];

    /// The first and the last day of the span around `day`.
    #[must_use]
    pub fn days(self, day: Day, first_weekday: Weekday) -> (Day, Day) {
        let date = day.date();
        let week = Day(day.0 - i32::from(date.weekday().since(first_weekday)));
        let month = Day::from_date(date.first_of_month());
        match self {
            Span::Today => (day, day),
            Span::Yesterday => (day.previous(), day.previous()),
            Span::ThisWeek => (week, Day(week.0 + 6)),
            Span::LastWeek => (Day(week.0 - 7), week.previous()),
            Span::ThisMonth => (month, Day::from_date(date.last_of_month())),
            Span::LastMonth => (Day::from_date(month.previous().date().first_of_month()), month.previous()),
            Span::ThisYear => (Day::from_date(date.first_of_year()), Day::from_date(date.last_of_year())),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sum {
    first: Day,
    last: Day,
    tally: Tally,
}

/// The sums of the spans around a present day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    day: Day,
    first_weekday: Weekday,
    sums: [Sum; SPANS],
}

impl Calendar {
    /// An empty calendar at `day`.
    #[must_use]
    pub fn new(day: Day, first_weekday: Weekday) -> Calendar {
        let sums = Span::ALL.map(|span| {
            let (first, last) = span.days(day, first_weekday);
            Sum { first, last, tally: Tally::default() }
        });
        Calendar { day, first_weekday, sums }
    }

    /// The first day that any of the spans around `day` reaches back to.
    #[must_use]
    pub fn reaches_back_to(day: Day, first_weekday: Weekday) -> Day {
        let firsts = Span::ALL.map(|span| span.days(day, first_weekday).0);
        firsts.into_iter().min().unwrap_or(day)
    }

    /// The day it stands at.
    #[must_use]
    pub fn day(&self) -> Day {
        self.day
    }

    /// The weekday that its weeks begin with.
    #[must_use]
    pub fn first_weekday(&self) -> Weekday {
        self.first_weekday
    }

    /// Moves on to `day`; an earlier day changes nothing.
    pub fn advance(&mut self, day: Day) {
        if day > self.day {
            *self = self.advanced(day);
        }
    }

    fn advanced(&self, day: Day) -> Calendar {
        let mut next = Calendar::new(day, self.first_weekday);
        for sum in &mut next.sums {
            let same = |old: &&Sum| old.first == sum.first && old.last == sum.last;
            sum.tally = self.sums.iter().find(same).map_or_else(Tally::default, |old| old.tally);
        }
        next
    }

    /// Adds to every span that holds `day`.
    pub fn add(&mut self, day: Day, tally: Tally) {
        self.advance(day);
        for sum in self.sums.iter_mut().filter(|sum| sum.first <= day && day <= sum.last) {
            sum.tally += tally;
        }
    }

    /// Takes away what had been added, for a correction by the fold or an adjustment.
    pub fn take_away(&mut self, day: Day, tally: Tally) {
        for sum in self.sums.iter_mut().filter(|sum| sum.first <= day && day <= sum.last) {
            sum.tally.views = sum.tally.views.saturating_sub(tally.views);
            sum.tally.visits = sum.tally.visits.saturating_sub(tally.visits);
        }
    }

    /// Takes the sums of another calendar of the same day, but for those of weeks: they depend on
    /// the first weekday.
    pub fn take_all_but_weeks_from(&mut self, other: &Calendar) {
        let unlike = other.first_weekday != self.first_weekday;
        for (n, span) in Span::ALL.into_iter().enumerate() {
            if !(unlike && matches!(span, Span::ThisWeek | Span::LastWeek)) {
                self.sums[n] = other.sums[n];
            }
        }
    }

    /// The sum of one span.
    #[must_use]
    pub fn sum(&self, span: Span) -> Tally {
        let place = Span::ALL.iter().position(|each| *each == span).unwrap_or(0);
        self.sums[place].tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().expect("a date")
    }

    /// A calendar that moved day by day must equal one that was made at its last day.
    fn check(first_weekday: Weekday, from: &str, steps: &[i32]) {
        let mut now = day(from);
        let mut calendar = Calendar::new(now, first_weekday);
        let mut added: Vec<(Day, Tally)> = Vec::new();
        for (n, step) in steps.iter().enumerate() {
            now = Day(now.0 + step);
            let tally = Tally { views: u64::try_from(n).expect("small") + 1, visits: 1 };
            calendar.advance(now);
            calendar.add(now, tally);
            added.push((now, tally));
            let mut fresh = Calendar::new(now, first_weekday);
            let back = Calendar::reaches_back_to(now, first_weekday);
            for (day, tally) in added.iter().filter(|(day, _)| *day >= back) {
                fresh.add(*day, *tally);
            }
            assert_eq!(calendar, fresh, "after step {n} at {now}");
        }
    }

    #[test]
    fn moving_on_equals_summing_the_days_again() {
        for first_weekday in [Weekday::Monday, Weekday::Sunday, Weekday::Saturday] {
            check(first_weekday, "2025-12-20", &[1; 800]);
            check(first_weekday, "2024-02-20", &[1, 2, 7, 1, 30, 31, 1, 90, 365, 1, 1]);
        }
    }

    #[test]
    fn the_first_and_the_last_day_are_dates_of_four_digits() {
        assert_eq!(Day::FIRST.to_string(), "0001-01-01");
        assert_eq!(Day::LAST.to_string(), "9999-12-31");
        assert_eq!(Day(i32::MAX).to_string(), "9999-12-31");
        assert_eq!(Day(i32::MIN).to_string(), "0001-01-01");
    }

    #[test]
    fn a_late_view_of_yesterday_counts_for_yesterday() {
        let mut calendar = Calendar::new(day("2026-06-01"), Weekday::Monday);
        calendar.add(day("2026-05-31"), Tally { views: 1, visits: 1 });
        assert_eq!(calendar.sum(Span::Today).views, 0);
        assert_eq!(calendar.sum(Span::Yesterday).views, 1);
        assert_eq!(calendar.sum(Span::LastMonth).views, 1);
        assert_eq!(calendar.sum(Span::LastWeek).views, 1);
        assert_eq!(calendar.sum(Span::ThisYear).views, 1);
    }

    #[test]
    fn a_local_day_knows_its_midnights_even_when_clocks_change() {
        let zone = TimeZone::get("Europe/Berlin").expect("a known zone");
        // 2026-10-25 has 25 hours in Berlin.
        let noon: Timestamp = "2026-10-25T11:00:00Z".parse().expect("a moment");
        let at = UnixMillis(u64::try_from(noon.as_millisecond()).expect("after 1970"));
        let local = LocalDay::of(at, &zone);
        assert_eq!(local.day, day("2026-10-25"));
        assert_eq!(local.until.since(local.from), 25 * 3_600_000);
        assert!(local.contains(at) && !local.contains(local.until));
    }
}
