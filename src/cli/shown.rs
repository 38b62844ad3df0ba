//! What commands show of a site: this machine's rows, and in a fleet what the other machines counted.
//!
//! Totals and days of the others are kept here anyway, for footers. Pages and details of single days are not:
//! those are asked from the shared store, day by day. Where it does not answer, they are this machine's alone, and
//! a note says so.

use std::collections::{BTreeMap, BTreeSet};

use super::export::open_store;
use super::{Failure, failed};
use crate::config::Config;
use crate::details::Dimension;
use crate::fleet::{CommandError, Identity, SharedStore};
use crate::rows::{RowKey, RowValue};
use crate::store::{DayRow, DetailDayRow, PageDayRow, Store, StoreError, UndatedRow};
use crate::words::{Day, PagePath, SiteId, Tally};

/// A site as it is shown.
pub(super) struct Shown {
    store: Store,
    site: SiteId,
    others: Vec<RowValue>,
    /// Pages and details that others counted on single days.
    on_days: Vec<RowValue>,
    /// Why pages and details are this machine's alone.
    note: Option<String>,
    /// Whose pages and details these are; none outside of a fleet.
    pub(super) details_of: Option<&'static str>,
}

impl Shown {
    /// Reads what is kept, and asks the shared store of a fleet for the days from `from` to `to`.
    pub(super) fn open(config: &Config, site: &SiteId, from: Day, to: Day) -> Result<Shown, Failure> {
        let store = open_store(config)?;
        let others = store.others(site).map_err(|error| failed(&error))?;
        let mut shown = Shown {
            store,
            site: site.clone(),
            others,
            on_days: Vec::new(),
            note: None,
            details_of: config.fleet.as_ref().map(|_| "fleet"),
        };
        if let Some(options) = &config.fleet {
            let identity = Identity::find(&config.state_directory).map_err(|error| failed(&error))?;
            let asked = SharedStore::new(options).and_then(|shared| shown.ask(&shared, identity, from, to));
            if let Err(error) = asked {
                shown.on_days.clear();
                shown.details_of = Some("this machine");
                shown.note = Some(format!("pages and details are of this machine alone: {error}"));
            }
        }
        Ok(shown)
    }

    fn ask(
        &mut self,
        shared: &SharedStore,
        identity: Option<Identity>,
        from: Day,
        to: Day,
    ) -> Result<(), CommandError> {
        let node = identity.map(|identity| identity.node);
        let mut days: BTreeSet<Day> =
            self.store.days(&self.site, from, to)?.iter().map(|row| row.day).collect();
        days.extend(self.others.iter().filter_map(|value| match value.row {
            RowKey::Day(day) if (from..=to).contains(&day) => Some(day),
            _ => None,
        }));
        for day in days {
            self.on_days.extend(shared.others_on(&self.site, day, node.as_deref())?);
        }
        Ok(())
    }

    /// Says on standard error why pages and details are not those of the fleet, if so.
    pub(super) fn tell_note(&self) {
        if let Some(note) = &self.note {
            eprintln!("headcount: {note}");
        }
    }

    /// The total of all time; `None` when nothing is known of the site.
    pub(super) fn total(&self) -> Result<Option<Tally>, StoreError> {
        total(&self.store, &self.site)
    }

    /// The days from one to another, both included.
    pub(super) fn days(&self, from: Day, to: Day) -> Result<Vec<DayRow>, StoreError> {
        let own = self.store.days(&self.site, from, to)?;
        if self.others.is_empty() {
            return Ok(own);
        }
        let mut days: BTreeMap<Day, DayRow> = own.into_iter().map(|row| (row.day, row)).collect();
        let (tally, counted) = (Tally::default(), Tally::default());
        for RowValue { row, values } in &self.others {
            let RowKey::Day(day) = row else { continue };
            if !(from..=to).contains(day) {
                continue;
            }
            let row = days.entry(*day).or_insert(DayRow { day: *day, tally, visitors: 0, counted });
            row.counted += pair(values, 0);
            row.visitors += values.get(6).copied().unwrap_or(0);
        }
        for (row, growth) in self.store.beyond_own(&self.site)? {
            if let RowKey::Day(day) = row
                && let Some(row) = days.get_mut(&day)
            {
                growth.apply_to(&mut row.tally);
            }
        }
        Ok(days.into_values().collect())
    }

    /// Pages of the days from one to another, by day and name.
    pub(super) fn page_days(&self, from: Day, to: Day) -> Result<Vec<PageDayRow>, StoreError> {
        let own = self.store.page_days(&self.site, from, to)?;
        let mut rows: BTreeMap<(Day, PagePath), Tally> =
            own.into_iter().map(|row| ((row.day, row.path), row.tally)).collect();
        for RowValue { row, values } in &self.on_days {
            if let RowKey::PageDay(day, path) = row {
                *rows.entry((*day, path.clone())).or_default() += pair(values, 0);
            }
        }
        Ok(rows.into_iter().map(|((day, path), tally)| PageDayRow { day, path, tally }).collect())
    }

    /// What views of the days from one to another told, by day, dimension and value.
    pub(super) fn detail_days(&self, from: Day, to: Day) -> Result<Vec<DetailDayRow>, StoreError> {
        let own = self.store.detail_days(&self.site, from, to)?;
        let mut rows: BTreeMap<(Day, &'static str, String), (Dimension, Tally)> = BTreeMap::new();
        let mut add = |day, dimension: Dimension, value, tally| {
            let (_, sum) =
                rows.entry((day, dimension.as_str(), value)).or_insert((dimension, Tally::default()));
            *sum += tally;
        };
        for row in own {
            add(row.day, row.dimension, row.value, row.tally);
        }
        for RowValue { row, values } in &self.on_days {
            if let RowKey::Detail(day, dimension, value) = row {
                add(*day, *dimension, value.clone(), pair(values, 0));
            }
        }
        let row = |((day, _, value), (dimension, tally))| DetailDayRow { day, dimension, value, tally };
        Ok(rows.into_iter().map(row).collect())
    }

    /// What adjustments have changed of the total alone and of pages.
    pub(super) fn undated(&self) -> Result<Vec<UndatedRow>, StoreError> {
        let mut rows = self.store.undated(&self.site)?;
        for RowValue { row, values } in &self.others {
            let (added, removed) = (pair(values, 2), pair(values, 4));
            let less = |more: u64, less: u64| {
                i64::try_from(more).unwrap_or(i64::MAX) - i64::try_from(less).unwrap_or(i64::MAX)
            };
            let (views, visits) = (less(added.views, removed.views), less(added.visits, removed.visits));
            // The total contains what days were adjusted by; that belongs to them.
            let (path, sign) = match row {
                RowKey::Total => (None, 1),
                RowKey::Day(_) => (None, -1),
                RowKey::Page(path) if (views, visits) != (0, 0) => (Some(path.clone()), 1),
                _ => continue,
            };
            let place = rows.iter().position(|row| row.path == path).unwrap_or_else(|| {
                rows.push(UndatedRow { path, views: 0, visits: 0 });
                rows.len() - 1
            });
            rows[place].views += sign * views;
            rows[place].visits += sign * visits;
        }
        Ok(rows)
    }

    /// Every page with its sums of all time.
    pub(super) fn pages(&self) -> Result<Vec<(PagePath, Tally)>, StoreError> {
        let own = self.store.pages(&self.site)?;
        if self.others.is_empty() {
            return Ok(own);
        }
        let mut pages: BTreeMap<PagePath, Tally> = own.into_iter().collect();
        for (row, growth) in self.store.beyond_own(&self.site)? {
            if let RowKey::Page(path) = row {
                growth.apply_to(pages.entry(path).or_default());
            }
        }
        Ok(pages.into_iter().collect())
    }
}

/// The total of a site as it is shown; `None` when nothing is known of it.
pub(super) fn total(store: &Store, site: &SiteId) -> Result<Option<Tally>, StoreError> {
    let Some(row) = store.site(site)? else { return Ok(None) };
    let mut total = row.total;
    if let Some(growth) = store.beyond_own(site)?.get(&RowKey::Total) {
        growth.apply_to(&mut total);
    }
    Ok(Some(total))
}

/// Views and visits among values, from a place on.
fn pair(values: &[u64], place: usize) -> Tally {
    let of = |place: usize| values.get(place).copied().unwrap_or(0);
    Tally { views: of(place), visits: of(place + 1) }
}
