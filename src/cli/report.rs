//! `report`: what was counted of a site within some days, on one screen or as JSON.

use std::collections::HashMap;
use std::io::{IsTerminal, stdout};

use clap::Args;
use serde_json::{Value, json};

use super::export::open_store;
use super::screen::{self, Style};
use super::{Failure, Settings, failed};
use crate::clock::Clock;
use crate::details::{Dimension, NONE, OTHER};
use crate::rows::LocalDay;
use crate::store::{DayRow, Store, StoreError};
use crate::words::{Day, SiteId, Tally};

/// Days shown when none are asked for.
const DAYS: i32 = 30;
/// The version of the JSON.
const SCHEMA: u32 = 1;

#[derive(Debug, Args)]
pub(super) struct Report {
    /// The site's id.
    site: String,
    /// The first day, such as 2026-01-01. Default: 30 days up to the last
    #[arg(long, value_name = "DATE")]
    from: Option<Day>,
    /// The last day. Default: today
    #[arg(long, value_name = "DATE")]
    to: Option<Day>,
    /// How many rows of each list are shown.
    #[arg(long, value_name = "NUMBER", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    limit: u16,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
}

impl Report {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = self.settings.load()?;
        let site =
            SiteId::parse(&self.site).map_err(|error| Failure::Argument(format!("the site id {error}")))?;
        let configured = config.sites.iter().find(|configured| configured.id == site);
        let zone = configured.map_or(jiff::tz::TimeZone::UTC, |configured| configured.time_zone.clone());
        let to = self.to.unwrap_or_else(|| LocalDay::of(Clock::system().now(), &zone).day);
        let from = self.from.unwrap_or(Day(to.0.saturating_sub(DAYS - 1)));
        if from > to {
            return Err(Failure::Argument(format!("the last day {to} lies before the first day {from}")));
        }
        let store = open_store(&config)?;
        let summary = Summary::read(&store, &site, from, to).map_err(|error| failed(&error))?;
        let Some(summary) = summary else {
            return Err(Failure::Failed(format!("nothing is kept of {site}")));
        };
        let limit = usize::from(self.limit);
        if self.json {
            println!("{}", summary.json(limit));
        } else {
            let style = if stdout().is_terminal() { Style::Terminal } else { Style::Plain };
            print!("{}", screen::draw(&summary, limit, style));
        }
        Ok(())
    }
}

/// What was counted of a site from one day to another.
pub(super) struct Summary {
    pub(super) site: SiteId,
    pub(super) from: Day,
    pub(super) to: Day,
    /// Of all time, adjustments included.
    pub(super) all_time: Tally,
    /// The days that have a row, in order.
    pub(super) days: Vec<DayRow>,
    /// The first day of which more than views and visits is kept, if there is one.
    pub(super) details_since: Option<Day>,
    pub(super) lists: Vec<List>,
}

/// Names and their numbers, the highest first.
pub(super) struct List {
    /// The name in JSON.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// Which number is shown, and orders them: views of pages, else visits.
    pub(super) unit: &'static str,
    pub(super) rows: Vec<(String, u64)>,
    /// What the rows are a share of.
    pub(super) of: u64,
}

impl Summary {
    /// Reads the days; `None` when nothing is kept of the site.
    fn read(store: &Store, site: &SiteId, from: Day, to: Day) -> Result<Option<Summary>, StoreError> {
        let Some(row) = store.site(site)? else { return Ok(None) };
        let days = store.days(site, from, to)?;
        let details_since = store.details_since(site)?;
        let mut counted = Tally::default();
        let mut told = Tally::default();
        for day in &days {
            counted += day.counted;
            if details_since.is_some_and(|since| since <= day.day) {
                told += day.counted;
            }
        }
        let mut lists = pages(store, site, from, to, counted)?;
        lists.extend(dimensions(store, site, from, to, told)?);
        let site = site.clone();
        Ok(Some(Summary { site, from, to, all_time: row.total, days, details_since, lists }))
    }

    /// The sum of the days, adjustments included.
    pub(super) fn sum(&self) -> Tally {
        let mut sum = Tally::default();
        self.days.iter().for_each(|day| sum += day.tally);
        sum
    }

    fn json(&self, limit: usize) -> Value {
        let tally = |tally: Tally| json!({ "views": tally.views, "visits": tally.visits });
        let day = |row: &DayRow| {
            let (views, visits) = (row.tally.views, row.tally.visits);
            json!({ "day": row.day.to_string(), "views": views, "visits": visits, "visitors": row.visitors })
        };
        let lists = self.lists.iter().map(|list| {
            let nameless = |name: &str| name == NONE || name == OTHER;
            let cut = |(place, row): (usize, &(String, u64))| place >= limit && !nameless(&row.0);
            let rows = list.rows.iter().enumerate().filter(|row| !cut(*row)).map(|(_, row)| row);
            let rows: Vec<Value> =
                rows.map(|(name, count)| json!({ "value": name, list.unit: count })).collect();
            (list.name.to_owned(), json!({ "of": list.of, "values": list.rows.len(), "rows": rows }))
        });
        json!({
            "schema": SCHEMA,
            "site": self.site.as_str(),
            "from": self.from.to_string(),
            "to": self.to.to_string(),
            "details_since": self.details_since.map(|day| day.to_string()),
            "total": tally(self.all_time),
            "sum": tally(self.sum()),
            "days": self.days.iter().map(day).collect::<Vec<_>>(),
            "lists": lists.collect::<serde_json::Map<_, _>>(),
        })
    }
}

/// Pages by their views, and by the visits that began with them.
fn pages(store: &Store, site: &SiteId, from: Day, to: Day, counted: Tally) -> Result<Vec<List>, StoreError> {
    let mut sums: HashMap<String, Tally> = HashMap::new();
    for row in store.page_days(site, from, to)? {
        match sums.get_mut(row.path.as_str()) {
            Some(sum) => *sum += row.tally,
            None => drop(sums.insert(row.path.as_str().to_owned(), row.tally)),
        }
    }
    let by = |figure: fn(&Tally) -> u64| sums.iter().map(move |(name, tally)| (name.clone(), figure(tally)));
    Ok(vec![
        List::new("page", "Pages", "views", by(|tally| tally.views), counted.views),
        List::new("entry_page", "Entry pages", "visits", by(|tally| tally.visits), counted.visits),
    ])
}

/// Every dimension, by the visits that its values opened.
fn dimensions(
    store: &Store,
    site: &SiteId,
    from: Day,
    to: Day,
    told: Tally,
) -> Result<Vec<List>, StoreError> {
    let mut sums: HashMap<(Dimension, String), u64> = HashMap::new();
    for row in store.detail_days(site, from, to)? {
        *sums.entry((row.dimension, row.value)).or_default() += row.tally.visits;
    }
    let list = |dimension: Dimension| {
        let rows = sums.iter().filter(|((of, _), _)| *of == dimension);
        let rows = rows.map(|((_, value), visits)| (value.clone(), *visits));
        List::new(dimension.as_str(), title(dimension), "visits", rows, told.visits)
    };
    Ok(Dimension::ALL.into_iter().map(list).collect())
}

impl List {
    /// Rows of nothing are left out; what the rows leave of `of` told nothing and is a row of its own.
    fn new(
        name: &'static str,
        title: &'static str,
        unit: &'static str,
        rows: impl Iterator<Item = (String, u64)>,
        of: u64,
    ) -> List {
        let mut rows: Vec<(String, u64)> = rows.filter(|(_, count)| *count > 0).collect();
        let sum: u64 = rows.iter().map(|(_, count)| count).sum();
        if !rows.is_empty() && of > sum {
            rows.push((NONE.to_owned(), of - sum));
        }
        // What has a name comes first, then the most, then by the alphabet.
        let nameless = |name: &str| name == NONE || name == OTHER;
        rows.sort_by(|a, b| (nameless(&a.0), b.1, &a.0).cmp(&(nameless(&b.0), a.1, &b.0)));
        List { name, title, unit, rows, of }
    }
}

fn title(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Referrer => "Referrers",
        Dimension::Browser => "Browsers",
        Dimension::System => "Systems",
        Dimension::Device => "Devices",
        Dimension::Screen => "Screens",
        Dimension::Language => "Languages",
        Dimension::Country => "Countries",
        Dimension::Campaign => "Campaigns",
        Dimension::Source => "Sources",
        Dimension::Medium => "Media",
    }
}
