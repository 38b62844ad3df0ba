//! Adjustments that belong together: what an old counter held, all of it or none.
//!
//! A batch says where it comes from. A site that has numbers of the same system already is not given more of
//! them unawares: either the earlier ones are taken back in the same transaction, by opposite adjustments
//! that are kept as all others are, or both stand.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fmt;
use std::num::NonZeroI64;

use rusqlite::{Connection, named_params};
use serde::{Deserialize, Serialize};

use super::adjust::{AdjustError, Adjusting, Adjustment, Scope, within_range};
use super::apply::next_sequence;
use super::read::list;
use super::reason::Reason;
use super::{Halt, Store, StoreError};
use crate::words::{SiteId, Tally, UnixMillis};

/// Of which old counter numbers are: a system and what its numbers are known again by, as in `goatcounter:5d41…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source(String);

impl Source {
    /// The numbers with this fingerprint of this system.
    #[must_use]
    pub fn of(system: &str, fingerprint: &str) -> Source {
        Source(format!("{system}:{fingerprint}"))
    }

    /// Parses what [`Source::as_str`] gave: lower-case letters, a colon, hexadecimal digits.
    #[must_use]
    pub fn parse(raw: &str) -> Option<Source> {
        let (system, fingerprint) = raw.split_once(':')?;
        let is_name =
            !system.is_empty() && system.len() <= 64 && system.bytes().all(|b| b.is_ascii_lowercase());
        let is_hash =
            (1..=64).contains(&fingerprint.len()) && fingerprint.bytes().all(|b| b.is_ascii_hexdigit());
        (is_name && is_hash).then(|| Source(raw.to_owned()))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the system.
    #[must_use]
    pub fn system(&self) -> &str {
        self.0.split_once(':').map_or("", |(system, _)| system)
    }
}

/// What becomes of numbers that were brought along from the same system before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Earlier {
    /// They forbid the new ones.
    Forbid,
    /// They are taken back.
    TakeBack,
    /// They stay: they are another counter's.
    Stay,
}

/// Adjustments that belong together: what an old counter's file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Of which site; all adjustments are of this one.
    pub site: SiteId,
    /// What is adjusted.
    pub adjustments: Vec<Adjustment>,
    /// Where the numbers come from.
    pub source: Source,
    /// What becomes of earlier ones.
    pub earlier: Earlier,
    /// Why earlier ones are taken back.
    pub taken_back: Reason,
    /// Who does this.
    pub who: String,
    /// When.
    pub at: UnixMillis,
}

/// What a batch has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brought {
    /// The site's total as it is shown from now on.
    pub total: Tally,
    /// The adjustments that took earlier numbers back.
    pub taken_back: Vec<Adjustment>,
}

impl Brought {
    /// What was taken back of the total.
    #[must_use]
    pub fn taken_back_of_total(&self) -> Tally {
        sum_of_total(&self.taken_back)
    }
}

/// Numbers of a system that are in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    /// What they are in the site's total.
    pub total: Tally,
    /// How many pages have some.
    pub pages: usize,
    /// When the last of them came.
    pub at: UnixMillis,
    /// Who brought it.
    pub who: String,
    /// Whether the very same numbers are among them.
    pub same: bool,
}

impl fmt::Display for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { views, visits } = self.total;
        write!(f, "{visits} visits and {views} views")?;
        match self.pages {
            0 => Ok(()),
            1 => f.write_str(", 1 page"),
            pages => write!(f, ", {pages} pages"),
        }
    }
}

impl Store {
    /// Makes all adjustments of a batch in one transaction, and takes earlier ones back if that is asked.
    ///
    /// # Errors
    /// As [`Store::adjust`], and when numbers of the same system forbid these. Nothing is changed then.
    pub fn adjust_all(&mut self, batch: &Batch) -> Result<Brought, AdjustError> {
        batch.adjustments.iter().try_for_each(within_range)?;
        let pages_max = self.limits.pages_per_site;
        self.write("bring an old counter along", |transaction| bring(transaction, batch, pages_max))
    }

    /// Does all that [`Store::adjust_all`] does, and leaves no trace of it.
    ///
    /// # Errors
    /// As [`Store::adjust_all`].
    pub fn try_all(&mut self, batch: &Batch) -> Result<Brought, AdjustError> {
        batch.adjustments.iter().try_for_each(within_range)?;
        let pages_max = self.limits.pages_per_site;
        let tried = self.write("try to bring an old counter along", |transaction| {
            let ended = match bring(transaction, batch, pages_max) {
                Ok(brought) => Ended::Tried(brought),
                Err(Halt::Refused(error)) => Ended::Refused(error),
                Err(Halt::Sql(error)) => return Err(Halt::Sql(error)),
            };
            // However it ends, the transaction is given up.
            Err::<Infallible, _>(Halt::Refused(ended))
        });
        match tried {
            Err(Ended::Tried(brought)) => Ok(brought),
            Err(Ended::Refused(error)) => Err(error),
            Ok(never) => match never {},
        }
    }
}

/// How a trial ends.
enum Ended {
    Tried(Brought),
    Refused(AdjustError),
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Ended {
        Ended::Refused(error.into())
    }
}

fn bring(connection: &Connection, batch: &Batch, pages_max: u32) -> Result<Brought, Halt<AdjustError>> {
    let earlier = earlier(connection, batch)?;
    let taken_back = match batch.earlier {
        Earlier::Forbid => {
            let forbid = |in_force| {
                let (site, system) = (batch.site.clone(), batch.source.system().to_owned());
                Err(Halt::Refused(AdjustError::Earlier { site, system, in_force }))
            };
            in_force(&earlier, &batch.source).map_or(Ok(Vec::new()), forbid)?
        }
        Earlier::TakeBack => earlier,
        Earlier::Stay => Vec::new(),
    };
    let sequence = next_sequence(connection)?;
    let adjusting = Adjusting { connection, pages_max, source: Some(batch.source.as_str()), sequence };
    let mut total = adjusting.total_of(&batch.site)?;
    // New numbers come first: what only takes the place of others must not be short in between.
    for adjustment in &batch.adjustments {
        total = adjusting.adjust(adjustment)?;
    }
    let mut opposites = Vec::new();
    for Kept { source, adjustment } in taken_back {
        let who = batch.who.clone();
        let amount = -adjustment.amount;
        let opposite =
            Adjustment { amount, reason: batch.taken_back.clone(), who, at: batch.at, ..adjustment };
        // The source is that of what is taken back, so that the two add up to nothing.
        let taken = Adjusting { source: Some(&source), ..adjusting }.adjust(&opposite);
        total = taken.map_err(taken_since)?;
        opposites.push(opposite);
    }
    Ok(Brought { total, taken_back: opposites })
}

/// What is there in between is known to nobody, but what is missing is.
fn taken_since(halt: Halt<AdjustError>) -> Halt<AdjustError> {
    match halt {
        Halt::Refused(AdjustError::BelowZero { site, figure, scope, wanted, there }) => {
            let missing = wanted.saturating_sub(there);
            Halt::Refused(AdjustError::TakenSince { site, figure, scope, missing })
        }
        halt => halt,
    }
}

/// What adjustments of one source of one thing add up to.
struct Kept {
    source: String,
    adjustment: Adjustment,
}

/// What the site has of the system of the batch, apart from what was taken back.
fn earlier(connection: &Connection, batch: &Batch) -> rusqlite::Result<Vec<Kept>> {
    let params = named_params! { ":id": batch.site, ":system": batch.source.system() };
    list(connection, include_str!("sql/find_brought_along.sql"), params, |row| {
        let adjustment = Adjustment {
            site: batch.site.clone(),
            figure: row.get(1)?,
            amount: row.get::<_, NonZeroI64>(2)?,
            scope: Scope::of_columns(row.get(3)?, row.get(4)?),
            reason: row.get(5)?,
            who: row.get(6)?,
            at: row.get(7)?,
        };
        Ok(Kept { source: row.get(0)?, adjustment })
    })
}

/// Says what is in force; nothing if nothing is.
fn in_force(earlier: &[Kept], source: &Source) -> Option<InForce> {
    let last = &earlier.iter().max_by_key(|kept| kept.adjustment.at)?.adjustment;
    let pages: BTreeSet<_> = earlier.iter().filter_map(|kept| kept.adjustment.scope.page()).collect();
    Some(InForce {
        total: sum_of_total(earlier.iter().map(|kept| &kept.adjustment)),
        pages: pages.len(),
        at: last.at,
        who: last.who.clone(),
        same: earlier.iter().any(|kept| kept.source == source.as_str()),
    })
}

fn sum_of_total<'a>(adjustments: impl IntoIterator<Item = &'a Adjustment>) -> Tally {
    let mut sum = Tally::default();
    for adjustment in adjustments.into_iter().filter(|adjustment| adjustment.scope.page().is_none()) {
        sum += adjustment.figure.alone(adjustment.amount.unsigned_abs().get());
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::UndatedRow;
    use crate::store::model::{options, site};
    use crate::words::{Day, Figure, PagePath};

    const DAY: Day = Day(20_779);

    fn adjustment(figure: Figure, amount: i64, scope: Scope) -> Adjustment {
        Adjustment {
            site: site("vks"),
            figure,
            amount: NonZeroI64::new(amount).expect("not zero"),
            scope,
            reason: Reason::parse("nukeviet: dump.sql").expect("a reason"),
            who: "uid 1000".to_owned(),
            at: UnixMillis(1_795_390_000_000),
        }
    }

    fn page(path: &str) -> Scope {
        Scope::Page(PagePath::from_folded(path))
    }

    /// 100 visits without a day, 10 on one, and so many views of a page.
    fn batch(views_of_page: i64, source: &str, earlier: Earlier) -> Batch {
        Batch {
            site: site("vks"),
            adjustments: vec![
                adjustment(Figure::Visits, 100, Scope::Total),
                adjustment(Figure::Visits, 10, Scope::Day(DAY)),
                adjustment(Figure::Views, views_of_page, page("/a")),
            ],
            source: Source::parse(source).expect("a source"),
            earlier,
            taken_back: Reason::parse("replaced").expect("a reason"),
            who: "uid 1000".to_owned(),
            at: UnixMillis(1_795_390_000_001),
        }
    }

    fn with_store(work: impl FnOnce(&mut Store)) {
        let directory = tempfile::tempdir().expect("a directory");
        let mut store = Store::open(&options(directory.path(), 10)).expect("open");
        work(&mut store);
        assert_eq!(store.check().expect("read"), Vec::<String>::new());
    }

    fn pages(store: &Store) -> Vec<(String, u64)> {
        let pages = store.pages(&site("vks")).expect("read").into_iter();
        pages.map(|(path, tally)| (path.as_str().to_owned(), tally.views)).collect()
    }

    fn visits(brought: Result<Brought, AdjustError>) -> u64 {
        brought.expect("is taken").total.visits
    }

    #[test]
    fn a_batch_is_taken_whole_or_not_at_all_and_a_second_of_its_system_only_if_asked_for() {
        with_store(|store| {
            let short = store.adjust_all(&batch(-1, "nukeviet:5d41", Earlier::Forbid));
            assert!(matches!(short, Err(AdjustError::BelowZero { .. })));
            assert_eq!(store.site_ids().expect("read"), []);
            assert_eq!(visits(store.adjust_all(&batch(4, "nukeviet:5d41", Earlier::Forbid))), 110);
            for (source, words) in [
                (
                    "nukeviet:5d41",
                    "these very numbers were brought along for vks before (110 visits and 0 views, 1 page, on 2026-11-22 by uid 1000)",
                ),
                ("nukeviet:77", "numbers of nukeviet were brought along for vks before (110 visits"),
            ] {
                let refused =
                    store.adjust_all(&batch(5, source, Earlier::Forbid)).expect_err("is refused").to_string();
                assert!(refused.contains(words), "{refused}");
                assert!(refused.contains("--replace") && refused.contains("--again"), "{refused}");
            }
            assert_eq!(visits(store.adjust_all(&batch(4, "nuke:5d41", Earlier::Forbid))), 220);
            assert_eq!(visits(store.adjust_all(&batch(4, "nukeviet:5d41", Earlier::Stay))), 330);
            assert_eq!(pages(store), [("/a".to_owned(), 12)]);
            let other = batch(4, "nukeviet:5d41", Earlier::Forbid);
            let other = Batch { site: site("other"), adjustments: Vec::new(), ..other };
            assert_eq!(visits(store.adjust_all(&other)), 0);
        });
    }

    #[test]
    fn what_was_taken_away_by_hand_since_is_named_by_what_is_missing_of_the_earlier_numbers() {
        with_store(|store| {
            let first = Batch {
                adjustments: vec![adjustment(Figure::Visits, 100, Scope::Total)],
                ..batch(4, "nukeviet:1", Earlier::Forbid)
            };
            store.adjust_all(&first).expect("is taken");
            store.adjust(&adjustment(Figure::Visits, -50, Scope::Total)).expect("is taken");
            let newer = |visits| Batch {
                adjustments: vec![adjustment(Figure::Visits, visits, Scope::Total)],
                ..batch(4, "nukeviet:2", Earlier::TakeBack)
            };
            let refused = store.adjust_all(&newer(30)).expect_err("is short").to_string();
            assert!(refused.contains("and 20 are missing now") && !refused.contains("80"), "{refused}");
            store.adjust(&adjustment(Figure::Visits, 20, Scope::Total)).expect("is taken");
            assert_eq!(visits(store.adjust_all(&newer(30))), 0);
        });
    }

    #[test]
    fn a_newer_export_takes_the_place_of_the_older_ones() {
        with_store(|store| {
            store.adjust_all(&batch(4, "nukeviet:1", Earlier::Forbid)).expect("is taken");
            // What was taken away by hand meanwhile is no hindrance as long as the new numbers make up for it.
            store.adjust(&adjustment(Figure::Visits, -105, Scope::Total)).expect("is taken");
            let brought = store.adjust_all(&batch(9, "nukeviet:2", Earlier::TakeBack)).expect("is taken");
            assert_eq!((brought.total.visits, brought.taken_back_of_total().visits), (5, 110));
            assert_eq!(pages(store), [("/a".to_owned(), 9)]);
            let kept = store.adjustments(&site("vks")).expect("read");
            assert_eq!((kept.len(), kept[7].amount.get(), kept[7].reason.as_str()), (10, -100, "replaced"));
            // Only what stands is named and taken back, though it be the first again.
            let brought = store.adjust_all(&batch(4, "nukeviet:1", Earlier::TakeBack)).expect("is taken");
            assert_eq!((brought.total.visits, brought.taken_back.len()), (5, 3));
            store.adjust_all(&batch(1, "nukeviet:3", Earlier::Stay)).expect("is taken");
            let brought = store.adjust_all(&batch(2, "nukeviet:4", Earlier::TakeBack)).expect("is taken");
            assert_eq!((brought.total.visits, brought.taken_back.len()), (5, 6));
            assert_eq!(pages(store), [("/a".to_owned(), 2)]);
        });
    }

    #[test]
    fn a_trial_says_what_would_be_and_leaves_no_trace() {
        with_store(|store| {
            let first = batch(4, "nukeviet:1", Earlier::Forbid);
            assert_eq!(visits(store.try_all(&first)), 110);
            assert_eq!(store.site_ids().expect("read"), []);
            let sequence = store.sequence().expect("read");
            assert!(store.try_all(&batch(-1, "nukeviet:1", Earlier::Forbid)).is_err());
            let much = adjustment(Figure::Views, 1_000_000_000_001, Scope::Day(DAY));
            let much = Batch { adjustments: vec![much], ..first.clone() };
            let error = store.try_all(&much).expect_err("is refused").to_string();
            assert!(error.starts_with("cannot adjust 2026-11-22 of vks by 1000000000001 views: "), "{error}");
            assert_eq!(store.sequence().expect("read"), sequence);
            store.adjust_all(&first).expect("is taken");
            assert!(matches!(store.try_all(&first), Err(AdjustError::Earlier { .. })));
        });
    }

    #[test]
    fn what_belongs_to_no_day_is_told_apart() {
        with_store(|store| {
            store.adjust_all(&batch(4, "nukeviet:1", Earlier::Forbid)).expect("is taken");
            store.adjust(&adjustment(Figure::Views, 3, page("/b"))).expect("is taken");
            store.adjust(&adjustment(Figure::Views, -3, page("/b"))).expect("is taken");
            store.adjust(&adjustment(Figure::Visits, -1, Scope::Total)).expect("is taken");
            let undated = store.undated(&site("vks")).expect("read");
            let row = |path: Option<&str>, views, visits| UndatedRow {
                path: path.map(PagePath::from_folded),
                views,
                visits,
            };
            assert_eq!(undated, [row(None, 0, 99), row(Some("/a"), 4, 0)]);
            let day = store.days(&site("vks"), DAY, DAY).expect("read")[0];
            assert_eq!((day.tally.visits, day.known_visitors()), (10, None));
        });
    }

    #[test]
    fn a_source_names_its_system() {
        for good in ["goatcounter:5d41", "vinaora:0"] {
            assert_eq!(Source::parse(good).expect("a source").as_str(), good);
        }
        assert_eq!(Source::of("busuanzi", "5d41").system(), "busuanzi");
        for bad in ["", "5d41", "goatcounter:", ":5d41", "Goat:5d41", "goat%:5d41", "goat:xyz"] {
            assert_eq!(Source::parse(bad), None, "{bad}");
        }
    }
}
