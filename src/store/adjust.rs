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
    /// The most that one adjustment may add or take away: a thousand times the busiest site on earth
    /// in a year, and small enough that thousands of them stay exact in every reader's arithmetic.
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
