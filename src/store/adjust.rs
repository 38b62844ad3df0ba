//! Adjustments: corrections by hand, each with who, when and why.
//!
//! Without a date an adjustment changes the total alone; with one it changes that day and, since the
//! total contains its days, the total too. One of a page changes that page's all-time numbers alone.
//! It never changes a counted value.

use std::num::NonZeroI64;

use rusqlite::{Connection, OptionalExtension, named_params};

use super::apply::next_sequence;
use super::batch::InForce;
use super::read::list;
use super::reason::Reason;
use super::{Halt, Sequence, Store, StoreError};
use crate::rows::{RowKey, shown};
use crate::words::{Day, Figure, PagePath, SiteId, Tally, UnixMillis};

/// What an adjustment corrects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The total alone.
    Total,
    /// A day, and with it the total.
    Day(Day),
    /// The all-time numbers of a page, and nothing else.
    Page(PagePath),
}

impl Scope {
    pub(super) fn of_columns(day: Option<Day>, page: Option<PagePath>) -> Scope {
        match (day, page) {
            (_, Some(page)) => Scope::Page(page),
            (Some(day), None) => Scope::Day(day),
            (None, None) => Scope::Total,
        }
    }

    /// The day that is corrected, if one is.
    #[must_use]
    pub fn day(&self) -> Option<Day> {
        if let Scope::Day(day) = self { Some(*day) } else { None }
    }

    /// The page that is corrected, if one is.
    #[must_use]
    pub fn page(&self) -> Option<&PagePath> {
        if let Scope::Page(page) = self { Some(page) } else { None }
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
    /// The total, a day or a page.
    pub scope: Scope,
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
    /// What earlier numbers were is not there any more, so they cannot be taken back.
    #[error(
        "cannot take the earlier numbers back from {}: somebody has taken {} away from them since (`headcount adjust {site} --list`), and {missing} are missing now. Add these with `headcount adjust`, do this again, and take them away again if they shall stay away", place(.site, .scope), .figure.as_str()
    )]
    TakenSince {
        /// The site.
        site: SiteId,
        /// Views or visits.
        figure: Figure,
        /// What is short of them.
        scope: Scope,
        /// How many.
        missing: u64,
    },
    /// More would be taken than there is.
    #[error("cannot take {wanted} {} from {}: there are only {there}", .figure.as_str(), place(.site, .scope))]
    BelowZero {
        /// The site.
        site: SiteId,
        /// Views or visits.
        figure: Figure,
        /// What is short of them.
        scope: Scope,
        /// What was to be taken away.
        wanted: u64,
        /// What there is.
        there: u64,
    },
    /// Beyond anything that happens.
    #[error("cannot adjust {} by {amount} {}: an adjustment may be at most {max}", place(.site, .scope), .figure.as_str())]
    TooMuch {
        /// The site.
        site: SiteId,
        /// Views or visits.
        figure: Figure,
        /// What would be too much.
        scope: Scope,
        /// How much it is.
        amount: i64,
        /// The largest amount allowed.
        max: u64,
    },
    /// Numbers of the same system stand already.
    #[error(
        "{} were brought along for {site} before ({in_force}, on {} by {}); with --replace they are taken back and \
         these take their place, with --again these are added to them, as those of a second counter",
        if .in_force.same { "these very numbers".to_owned() } else { format!("numbers of {system}") },
        date(.in_force.at), .in_force.who
    )]
    Earlier {
        /// The site.
        site: SiteId,
        /// The name of the system.
        system: String,
        /// What stands.
        in_force: InForce,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn place(site: &SiteId, scope: &Scope) -> String {
    match scope {
        Scope::Total => format!("the total of {site}"),
        Scope::Day(day) => format!("{day} of {site}"),
        Scope::Page(page) => format!("the page {} of {site}", page.as_str()),
    }
}

/// The date of a moment, in UTC.
fn date(at: UnixMillis) -> String {
    Day(i32::try_from(at.0 / 86_400_000).unwrap_or(i32::MAX)).to_string()
}

impl Store {
    /// Adjusts a number and keeps who did it, when and why, in one transaction. Gives the site's
    /// total as it is shown from now on.
    ///
    /// # Errors
    /// When the total or the day would fall below zero, the amount is out of range, or the file
    /// cannot be written. Nothing is changed then.
    pub fn adjust(&mut self, adjustment: &Adjustment) -> Result<Tally, AdjustError> {
        within_range(adjustment)?;
        let pages_max = self.limits.pages_per_site;
        self.write("adjust a number", |transaction| {
            let sequence = next_sequence(transaction)?;
            Adjusting { connection: transaction, pages_max, source: None, sequence }.adjust(adjustment)
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
                    scope: Scope::of_columns(row.get(2)?, row.get(3)?),
                    reason: row.get(4)?,
                    who: row.get(5)?,
                    at: row.get(6)?,
                })
            })
        })
    }
}

pub(super) fn within_range(adjustment: &Adjustment) -> Result<(), AdjustError> {
    if adjustment.amount.unsigned_abs().get() > Adjustment::AMOUNT_MAX {
        return Err(AdjustError::TooMuch {
            site: adjustment.site.clone(),
            figure: adjustment.figure,
            scope: adjustment.scope.clone(),
            amount: adjustment.amount.get(),
            max: Adjustment::AMOUNT_MAX,
        });
    }
    Ok(())
}

/// What an adjustment leaves: views and visits, which may be below zero and are then refused.
type Left = (i64, i64);

/// What is left, once it is known to be no less than nothing.
fn tally(left: Left) -> Tally {
    let shown = |left: i64| u64::try_from(left).unwrap_or(0);
    Tally { views: shown(left.0), visits: shown(left.1) }
}

/// The shown numbers after the adjustment, unless it took more than there was.
fn not_below_zero(adjustment: &Adjustment, scope: Scope, left: Left) -> Result<Tally, Halt<AdjustError>> {
    let wanted = adjustment.amount.unsigned_abs().get();
    let short = left.0.min(left.1);
    // What is added is welcome, whatever was taken before.
    if short < 0 && adjustment.amount.is_negative() {
        return Err(Halt::Refused(AdjustError::BelowZero {
            site: adjustment.site.clone(),
            figure: adjustment.figure,
            scope,
            wanted,
            there: wanted.saturating_sub(short.unsigned_abs()),
        }));
    }
    Ok(tally(left))
}

/// The four values that an adjustment moves, one of them by its amount.
#[derive(Default)]
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

/// The site's own row after an adjustment.
struct SiteLeft {
    number: i64,
    /// How many pages have rows of their own.
    pages: u32,
    left: Left,
}

/// Adjustments within one transaction.
#[derive(Clone, Copy)]
pub(super) struct Adjusting<'a> {
    pub(super) connection: &'a Connection,
    pub(super) pages_max: u32,
    pub(super) source: Option<&'a str>,
    pub(super) sequence: Sequence,
}

impl Adjusting<'_> {
    /// The site's total; its row is made if need be.
    pub(super) fn total_of(&self, site: &SiteId) -> rusqlite::Result<Tally> {
        let site = self.site(site, &Moved::default())?;
        Ok(tally(self.with_others(site.number, &RowKey::Total, site.left)?))
    }

    /// Makes an adjustment and gives the site's total then.
    pub(super) fn adjust(&self, adjustment: &Adjustment) -> Result<Tally, Halt<AdjustError>> {
        let moved = Moved::by(adjustment);
        let unmoved = Moved::default();
        let of_total = if adjustment.scope.page().is_some() { &unmoved } else { &moved };
        let site = self.site(&adjustment.site, of_total)?;
        let left = self.with_others(site.number, &RowKey::Total, site.left)?;
        let total = not_below_zero(adjustment, Scope::Total, left)?;
        let (row, left) = match &adjustment.scope {
            Scope::Total => (RowKey::Total, site.left),
            Scope::Day(day) => (RowKey::Day(*day), self.day(site.number, *day, &moved)?),
            Scope::Page(page) => self.page(&site, page, &moved)?,
        };
        let left = self.with_others(site.number, &row, left)?;
        not_below_zero(adjustment, adjustment.scope.clone(), left)?;
        self.keep(adjustment, site.number)?;
        Ok(total)
    }

    /// What is shown of a row: what this machine's own has left, and what the other machines of a fleet counted.
    fn with_others(&self, site: i64, row: &RowKey, left: Left) -> rusqlite::Result<Left> {
        let mut find = self.connection.prepare_cached(include_str!("sql/find_others.sql"))?;
        let named = named_params! { ":site": site, ":row": row.name() };
        let Some(text) = find.query_row(named, |row| row.get::<_, String>(0)).optional()? else {
            return Ok(left);
        };
        let values: Vec<u64> = text.split(' ').map(|value| value.parse().unwrap_or(0)).collect();
        let growth = shown(&values);
        let more = |left: i64, figure: Figure| {
            let of = |tally| i64::try_from(figure.of(tally)).unwrap_or(i64::MAX);
            left.saturating_add(of(growth.more)).saturating_sub(of(growth.less))
        };
        Ok((more(left.0, Figure::Views), more(left.1, Figure::Visits)))
    }

    /// Moves the site's own row, making it if need be.
    fn site(&self, id: &SiteId, moved: &Moved) -> rusqlite::Result<SiteLeft> {
        self.connection.prepare_cached(include_str!("sql/adjust_total.sql"))?.query_row(
            named_params! {
                ":id": id,
                ":views_added": moved.views_added,
                ":views_removed": moved.views_removed,
                ":visits_added": moved.visits_added,
                ":visits_removed": moved.visits_removed,
                ":sequence": self.sequence,
            },
            |row| Ok(SiteLeft { number: row.get(0)?, pages: row.get(1)?, left: (row.get(2)?, row.get(3)?) }),
        )
    }

    fn day(&self, site: i64, day: Day, moved: &Moved) -> rusqlite::Result<Left> {
        self.connection.prepare_cached(include_str!("sql/adjust_day.sql"))?.query_row(
            named_params! {
                ":site": site,
                ":day": day,
                ":views_added": moved.views_added,
                ":views_removed": moved.views_removed,
                ":visits_added": moved.visits_added,
                ":visits_removed": moved.visits_removed,
                ":sequence": self.sequence,
            },
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
    }

    /// Moves a page. One without a row gets one while there is room, and else is `(other)`. Gives which it was.
    fn page(&self, site: &SiteLeft, page: &PagePath, moved: &Moved) -> rusqlite::Result<(RowKey, Left)> {
        let (change, insert) =
            (include_str!("sql/adjust_page.sql"), include_str!("sql/insert_adjusted_page.sql"));
        let other = PagePath::other();
        if let Some(left) = self.page_row(change, site, page, moved).optional()? {
            return Ok((RowKey::Page(page.clone()), left));
        }
        if *page != other && site.pages < self.pages_max {
            let mut count = self.connection.prepare_cached(include_str!("sql/set_page_count.sql"))?;
            count.execute(named_params! { ":site": site.number, ":pages": site.pages + 1 })?;
            return Ok((RowKey::Page(page.clone()), self.page_row(insert, site, page, moved)?));
        }
        let left = match self.page_row(change, site, &other, moved).optional()? {
            Some(left) => left,
            None => self.page_row(insert, site, &other, moved)?,
        };
        Ok((RowKey::Page(other), left))
    }

    fn page_row(&self, sql: &str, site: &SiteLeft, path: &PagePath, moved: &Moved) -> rusqlite::Result<Left> {
        self.connection.prepare_cached(sql)?.query_row(
            named_params! {
                ":site": site.number,
                ":path": path,
                ":views_added": moved.views_added,
                ":views_removed": moved.views_removed,
                ":visits_added": moved.visits_added,
                ":visits_removed": moved.visits_removed,
                ":sequence": self.sequence,
            },
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
    }

    fn keep(&self, adjustment: &Adjustment, site: i64) -> rusqlite::Result<usize> {
        self.connection.prepare_cached(include_str!("sql/insert_adjustment.sql"))?.execute(named_params! {
            ":site": site,
            ":figure": adjustment.figure,
            ":amount": adjustment.amount,
            ":day": adjustment.scope.day(),
            ":page": adjustment.scope.page(),
            ":reason": adjustment.reason,
            ":who": adjustment.who,
            ":at": adjustment.at,
            ":source": self.source,
            ":sequence": self.sequence,
        })
    }
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
            scope: day.map_or(Scope::Total, Scope::Day),
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
            let expected = format!(
                "cannot adjust the total of vks by {absurd} views: an adjustment may be at most 1000000000000"
            );
            assert_eq!(say(&mut store, absurd, None), expected);
        }
    }

    fn of_page(path: &str, figure: Figure, amount: i64) -> Adjustment {
        Adjustment {
            scope: Scope::Page(PagePath::from_folded(path)),
            ..adjustment("vks", figure, amount, None)
        }
    }

    fn pages(store: &Store) -> Vec<(String, u64, u64)> {
        let pages = store.pages(&site("vks")).expect("read").into_iter();
        pages.map(|(path, tally)| (path.as_str().to_owned(), tally.views, tally.visits)).collect()
    }

    #[test]
    fn a_page_changes_alone_and_later_ones_share_a_row() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut store = Store::open(&options(directory.path(), 1)).expect("open");
        store.adjust(&adjustment("vks", Figure::Visits, 5, None)).expect("adjust");
        for (path, figure, amount) in [
            ("/a", Figure::Views, 7),
            ("/a", Figure::Visits, 2),
            ("/b", Figure::Views, 3),
            ("/c", Figure::Views, 4),
        ] {
            let total = store.adjust(&of_page(path, figure, amount)).expect("adjust");
            assert_eq!(total, Tally { views: 0, visits: 5 });
        }
        assert_eq!(pages(&store), [("/a".to_owned(), 7, 2), ("(other)".to_owned(), 7, 0)]);
        let short = store.adjust(&of_page("/a", Figure::Views, -8)).expect_err("must be refused");
        assert_eq!(short.to_string(), "cannot take 8 views from the page /a of vks: there are only 7");
        store.adjust(&of_page("/a", Figure::Views, -7)).expect("adjust");
        assert_eq!(pages(&store)[0], ("/a".to_owned(), 0, 2));
        let kept = store.adjustments(&site("vks")).expect("read");
        assert_eq!(kept[1], of_page("/a", Figure::Views, 7));
        assert_eq!(store.check().expect("read"), Vec::<String>::new());
    }
}
