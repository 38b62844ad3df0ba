//! Adjustments: corrections by hand, each with who, when and why.
//!
//! Without a date an adjustment changes the total alone; with one it changes that day and, since the
//! total contains its days, the total too. It never changes a counted value.

use std::num::NonZeroI64;

use rusqlite::{Connection, named_params};

use super::apply::next_sequence;
use super::read::list;
use super::{Halt, Sequence, Store, StoreError};
use crate::words::{Day, Figure, SiteId, Tally, UnixMillis};

/// Why somebody adjusts: 1 to [`Reason::CHARACTERS_MAX`] characters, none of them a control character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(String);

/// What is wrong with a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReasonError {
    /// Nothing but spaces.
    #[error("a reason is needed: it is kept beside the number")]
    Empty,
    /// A novel.
    #[error("a reason has at most {max} characters")]
    TooLong {
        /// The most characters it may have.
        max: usize,
    },
    /// A line break or worse.
    #[error("a reason is one line of text without control characters")]
    Control,
}

impl Reason {
    /// Room for a sentence and the address of a ticket; a list of adjustments stays readable.
    pub const CHARACTERS_MAX: usize = 500;

    /// Parses a reason; spaces around it are dropped.
    ///
    /// # Errors
    /// When nothing is left, it is too long, or it holds control characters.
    pub fn parse(raw: &str) -> Result<Reason, ReasonError> {
        let text = raw.trim_matches(' ');
        if text.chars().any(char::is_control) {
            return Err(ReasonError::Control);
        }
        if text.trim().is_empty() {
            return Err(ReasonError::Empty);
        }
        if text.chars().count() > Self::CHARACTERS_MAX {
            return Err(ReasonError::TooLong { max: Self::CHARACTERS_MAX });
        }
        Ok(Reason(text.to_owned()))
    }

    /// The reason as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One correction, as it is asked for and as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adjustment {
    /// Of which site. It need not have been counted yet: an old counter's number may come first.
    pub site: SiteId,
    /// Of views or visits.
    pub figure: Figure,
    /// What is added, or taken away if negative; at most [`Adjustment::AMOUNT_MAX`] either way.
    pub amount: NonZeroI64,
    /// The day to correct; `None` for the total alone.
    pub day: Option<Day>,
    /// Why.
    pub reason: Reason,
    /// Who, as the control socket knows it.
    pub who: String,
    /// When.
    pub at: UnixMillis,
}

impl Adjustment {
    /// The most that one adjustment may add or take away: more than any counter has shown, and so
    /// little that thousands of them still add up exactly in JavaScript.
    pub const AMOUNT_MAX: u64 = 1_000_000_000_000;
}

/// Why a number was not adjusted.
#[derive(Debug, thiserror::Error)]
pub enum AdjustError {
    /// More would be taken than there is.
    #[error("cannot take {wanted} {} from {}: there are only {there}", .figure.as_str(), place(.site, *.day))]
    BelowZero {
        /// The site.
        site: SiteId,
        /// Views or visits.
        figure: Figure,
        /// The day that is short of them; `None` if it is the total.
        day: Option<Day>,
        /// What was to be taken away.
        wanted: u64,
        /// What there is.
        there: u64,
    },
    /// Beyond anything that happens.
    #[error("an adjustment may be at most {max}")]
    TooMuch {
        /// The largest amount allowed.
        max: u64,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn place(site: &SiteId, day: Option<Day>) -> String {
    day.map_or_else(|| format!("the total of {site}"), |day| format!("{day} of {site}"))
}

impl Store {
    /// Adjusts a number and keeps who did it, when and why, in one transaction. Gives the site's
    /// total as it is shown from now on.
    ///
    /// # Errors
    /// When the total or the day would fall below zero, the amount is out of range, or the file
    /// cannot be written. Nothing is changed then.
    pub fn adjust(&mut self, adjustment: &Adjustment) -> Result<Tally, AdjustError> {
        let amount = adjustment.amount.unsigned_abs().get();
        if amount > Adjustment::AMOUNT_MAX {
            return Err(AdjustError::TooMuch { max: Adjustment::AMOUNT_MAX });
        }
        self.write("adjust a number", |transaction| {
            let sequence = next_sequence(transaction)?;
            let (site, total) = adjust_total(transaction, adjustment, sequence)?;
            let total = not_below_zero(adjustment, None, total)?;
            if let Some(day) = adjustment.day {
                let left = adjust_day(transaction, adjustment, site, day, sequence)?;
                not_below_zero(adjustment, Some(day), left)?;
            }
            insert_adjustment(transaction, adjustment, site, sequence)?;
            Ok(total)
        })
    }

    /// The adjustments of a site, oldest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn adjustments(&self, id: &SiteId) -> Result<Vec<Adjustment>, StoreError> {
        self.read("read adjustments", |connection| {
            let sql = include_str!("sql/read_adjustments.sql");
            list(connection, sql, named_params! { ":id": id }, |row| {
                Ok(Adjustment {
                    site: id.clone(),
                    figure: row.get(0)?,
                    amount: row.get(1)?,
                    day: row.get(2)?,
                    reason: row.get(3)?,
                    who: row.get(4)?,
                    at: row.get(5)?,
                })
            })
        })
    }
}

/// What an adjustment leaves: views and visits, which may be below zero and are then refused.
type Left = (i64, i64);

/// The shown numbers after the adjustment, unless it took more than there was.
fn not_below_zero(adjustment: &Adjustment, day: Option<Day>, left: Left) -> Result<Tally, Halt<AdjustError>> {
    let wanted = adjustment.amount.unsigned_abs().get();
    let short = left.0.min(left.1);
    if short < 0 {
        return Err(Halt::Refused(AdjustError::BelowZero {
            site: adjustment.site.clone(),
            figure: adjustment.figure,
            day,
            wanted,
            there: wanted.saturating_sub(short.unsigned_abs()),
        }));
    }
    Ok(Tally { views: left.0.unsigned_abs(), visits: left.1.unsigned_abs() })
}

/// The four values that an adjustment moves, one of them by its amount.
struct Moved {
    views_added: u64,
    views_removed: u64,
    visits_added: u64,
    visits_removed: u64,
}

impl Moved {
    fn by(adjustment: &Adjustment) -> Moved {
        let amount = adjustment.amount.unsigned_abs().get();
        let when = |figure, negative| {
            let is_it = adjustment.figure == figure && adjustment.amount.is_negative() == negative;
            if is_it { amount } else { 0 }
        };
        Moved {
            views_added: when(Figure::Views, false),
            views_removed: when(Figure::Views, true),
            visits_added: when(Figure::Visits, false),
            visits_removed: when(Figure::Visits, true),
        }
    }
}

/// Moves the site's own row, making it if need be; gives its number and what the total is then.
fn adjust_total(
    connection: &Connection,
    adjustment: &Adjustment,
    sequence: Sequence,
) -> rusqlite::Result<(i64, Left)> {
    let moved = Moved::by(adjustment);
    connection.prepare_cached(include_str!("sql/adjust_total.sql"))?.query_row(
        named_params! {
            ":id": adjustment.site,
            ":views_added": moved.views_added,
            ":views_removed": moved.views_removed,
            ":visits_added": moved.visits_added,
            ":visits_removed": moved.visits_removed,
            ":sequence": sequence,
        },
        |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))),
    )
}

fn adjust_day(
    connection: &Connection,
    adjustment: &Adjustment,
    site: i64,
    day: Day,
    sequence: Sequence,
) -> rusqlite::Result<Left> {
    let moved = Moved::by(adjustment);
    connection.prepare_cached(include_str!("sql/adjust_day.sql"))?.query_row(
        named_params! {
            ":site": site,
            ":day": day,
            ":views_added": moved.views_added,
            ":views_removed": moved.views_removed,
            ":visits_added": moved.visits_added,
            ":visits_removed": moved.visits_removed,
            ":sequence": sequence,
        },
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

fn insert_adjustment(
    connection: &Connection,
    adjustment: &Adjustment,
    site: i64,
    sequence: Sequence,
) -> rusqlite::Result<usize> {
    connection.prepare_cached(include_str!("sql/insert_adjustment.sql"))?.execute(named_params! {
        ":site": site,
        ":figure": adjustment.figure,
        ":amount": adjustment.amount,
        ":day": adjustment.day,
        ":reason": adjustment.reason,
        ":who": adjustment.who,
        ":at": adjustment.at,
        ":sequence": sequence,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::RowChanges;
    use crate::store::DayRow;
    use crate::store::model::{options, site};

    const DAY: Day = Day(20_779);

    /// What is asked, and what the total of that figure is then, or how much there was.
    type Case = (Figure, i64, Option<Day>, Result<u64, u64>);

    /// A site with 10 views and 4 visits on one day and 1 each on the next, then `cases` in order.
    fn check(cases: &[Case]) -> Vec<DayRow> {
        let directory = tempfile::tempdir().expect("a directory");
        let mut store = Store::open(&options(directory.path(), 10)).expect("open");
        let mut changes = RowChanges::default();
        let days = &mut changes.site(&site("vks")).days;
        days.insert(DAY, Tally { views: 10, visits: 4 });
        days.insert(DAY.next(), Tally { views: 1, visits: 1 });
        store.apply(&changes, &[]).expect("apply");
        let mut taken = Vec::new();
        for (figure, amount, day, expected) in cases {
            let adjustment = adjustment("vks", *figure, *amount, *day);
            let found = match store.adjust(&adjustment) {
                Ok(total) => {
                    taken.push(adjustment);
                    Ok(figure.of(total))
                }
                Err(AdjustError::BelowZero { there, .. }) => Err(there),
                Err(error) => panic!("{error}"),
            };
            assert_eq!(found, *expected, "{figure:?} {amount} {day:?}");
        }
        assert_eq!(store.adjustments(&site("vks")).expect("read"), taken);
        assert_eq!(store.check().expect("read"), Vec::<String>::new());
        store.days(&site("vks"), DAY, DAY.next()).expect("read")
    }

    fn adjustment(name: &str, figure: Figure, amount: i64, day: Option<Day>) -> Adjustment {
        Adjustment {
            site: site(name),
            figure,
            amount: NonZeroI64::new(amount).expect("not zero"),
            day,
            reason: Reason::parse("số cũ từ máy chủ trước").expect("a reason"),
            who: "uid 1000".to_owned(),
            at: UnixMillis(1_795_390_000_000),
        }
    }

    #[test]
    fn without_a_date_the_total_alone_changes() {
        let days = check(&[
            (Figure::Visits, 1_333_791, None, Ok(1_333_796)),
            (Figure::Views, -11, None, Ok(0)),
            (Figure::Views, -1, None, Err(0)),
            (Figure::Views, 5, None, Ok(5)),
            (Figure::Views, -6, None, Err(5)),
        ]);
        assert_eq!(days[0].tally, Tally { views: 10, visits: 4 });
    }

    #[test]
    fn with_a_date_the_day_changes_and_the_total_with_it() {
        let days = check(&[
            (Figure::Views, -10, Some(DAY), Ok(1)),
            (Figure::Views, -1, Some(DAY), Err(0)),
            (Figure::Visits, 3, Some(DAY.next()), Ok(8)),
        ]);
        assert_eq!(days[0].tally, Tally { views: 0, visits: 4 });
        assert_eq!(days[1].tally, Tally { views: 1, visits: 4 });
    }

    #[test]
    fn adjustments_of_one_day_add_up() {
        let days = check(&[
            (Figure::Views, -2, Some(DAY), Ok(9)),
            (Figure::Views, -3, Some(DAY), Ok(6)),
            (Figure::Views, 20, Some(DAY), Ok(26)),
            (Figure::Views, 30, Some(DAY), Ok(56)),
            (Figure::Visits, -1, Some(DAY), Ok(4)),
            (Figure::Visits, -2, Some(DAY), Ok(2)),
            (Figure::Visits, 20, Some(DAY), Ok(22)),
            (Figure::Visits, 30, Some(DAY), Ok(52)),
        ]);
        assert_eq!(days[0].tally, Tally { views: 55, visits: 51 });
    }

    #[test]
    fn a_day_does_not_go_below_zero_though_the_total_could() {
        check(&[(Figure::Visits, 100, None, Ok(105)), (Figure::Visits, -5, Some(DAY), Err(4))]);
    }

    #[test]
    fn the_total_does_not_go_below_zero_though_the_day_could() {
        check(&[(Figure::Visits, -3, None, Ok(2)), (Figure::Visits, -4, Some(DAY), Err(2))]);
    }

    #[test]
    fn an_old_counter_may_come_before_the_first_beacon_and_a_refusal_leaves_no_site() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut store = Store::open(&options(directory.path(), 10)).expect("open");
        assert!(store.adjust(&adjustment("new", Figure::Visits, -1, Some(DAY))).is_err());
        assert_eq!(store.site_ids().expect("read"), []);
        let total = store.adjust(&adjustment("new", Figure::Visits, 1_000, None)).expect("adjust");
        assert_eq!(total, Tally { views: 0, visits: 1_000 });
        let row = store.site(&site("new")).expect("read").expect("a row");
        assert_eq!((row.total, row.last_beacon, row.peak), (total, None, None));
    }

    #[test]
    fn a_refusal_says_how_much_there_is() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut store = Store::open(&options(directory.path(), 10)).expect("open");
        store.adjust(&adjustment("vks", Figure::Views, 7, Some(DAY))).expect("adjust");
        let say = |store: &mut Store, amount, day| {
            let refused = store.adjust(&adjustment("vks", Figure::Views, amount, day));
            refused.expect_err("must be refused").to_string()
        };
        let of_total = say(&mut store, -8, None);
        assert_eq!(of_total, "cannot take 8 views from the total of vks: there are only 7");
        store.adjust(&adjustment("vks", Figure::Views, 9, None)).expect("adjust");
        let of_day = say(&mut store, -8, Some(DAY));
        assert_eq!(of_day, "cannot take 8 views from 2026-11-22 of vks: there are only 7");
        for absurd in [1_000_000_000_001, i64::MAX, i64::MIN] {
            assert_eq!(say(&mut store, absurd, None), "an adjustment may be at most 1000000000000");
        }
    }

    #[test]
    fn a_reason_is_one_line_that_says_something() {
        let longest = "ư".repeat(Reason::CHARACTERS_MAX);
        for good in ["x", longest.as_str(), "ticket 12: máy cũ"] {
            assert_eq!(Reason::parse(good).expect("a reason").as_str(), good);
        }
        assert_eq!(Reason::parse("  moved ").expect("a reason").as_str(), "moved");
        let too_long = format!("{longest}x");
        for (bad, why) in [
            ("", ReasonError::Empty),
            ("   ", ReasonError::Empty),
            ("\u{3000}", ReasonError::Empty),
            ("a\nb", ReasonError::Control),
            ("\u{1b}[2J", ReasonError::Control),
            ("moved\n", ReasonError::Control),
            (too_long.as_str(), ReasonError::TooLong { max: Reason::CHARACTERS_MAX }),
        ] {
            assert_eq!(Reason::parse(bad), Err(why), "{bad:?}");
        }
    }
}
