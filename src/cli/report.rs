//! `report`: what was counted of a site within some days, on one screen or as JSON.

use std::collections::{BTreeSet, HashMap};
use std::io::{IsTerminal, stdout};

use clap::Args;
use serde_json::{Value, json};

use super::export::in_order;
use super::screen::{self, Style};
use super::shown::Shown;
use super::{Failure, Settings, failed, put};
use crate::clock::Clock;
use crate::details::{Dimension, NONE, OTHER};
use crate::rows::LocalDay;
use crate::store::{DayRow, DetailDayRow, PageDayRow, StoreError};
use crate::words::{Day, PagePath, SiteId, Tally};

/// Days shown when none are asked for.
const DAYS: i32 = 30;
/// The version of the JSON.
const SCHEMA: u32 = 1;

const JSON: &str = "\
Pages are listed by views, and as entry pages by the visits that began with them; everything else by
the visits that a view with that value opened. Shares are of what was counted in these days. Where pages
were adjusted, as by the numbers of an old counter, their views of all time are a list of their own.

The JSON is one object: schema (1), site, from, to, total (all time), sum (these days, adjustments
included), days, days_without_details, and lists: page, entry_page, page_all_time (where pages were
adjusted) and every dimension, each with
of (what rows are a share of), values (how many there are) and rows (value, and views or visits).
(not told) is what told nothing, (other) what found no row of its own.";

#[derive(Debug, Args)]
#[command(after_help = JSON)]
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
        in_order(from, to)?;
        let shown = Shown::open(&config, &site, from, to)?;
        let summary = Summary::read(&shown, &site, from, to).map_err(|error| failed(&error))?;
        let Some(summary) = summary else {
            return Err(Failure::Failed(format!("nothing is kept of {site}")));
        };
        shown.tell_note();
        let limit = usize::from(self.limit);
        if self.json {
            return put(&format!("{}\n", summary.json(limit)));
        }
        let style = if stdout().is_terminal() { Style::Terminal } else { Style::Plain };
        let columns = terminal_size::terminal_size_of(stdout()).map(|(width, _)| usize::from(width.0));
        put(&screen::draw(&summary, limit, style, columns.unwrap_or(screen::COLUMNS_MAX)))
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
    /// Days of which is kept what views told: those before the second database schema and those beyond
    /// `[retention] details` are not among them.
    pub(super) told_days: BTreeSet<Day>,
    /// Days of which pages are kept.
    pub(super) paged_days: BTreeSet<Day>,
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
    /// Whether views told of it, be it none that the rows are of.
    pub(super) is_told: bool,
}

impl Summary {
    /// Reads the days; `None` when nothing is kept of the site.
    fn read(shown: &Shown, site: &SiteId, from: Day, to: Day) -> Result<Option<Summary>, StoreError> {
        let Some(all_time) = shown.total()? else { return Ok(None) };
        let days = shown.days(from, to)?;
        let details = shown.detail_days(from, to)?;
        let pages = shown.page_days(from, to)?;
        let told_days: BTreeSet<Day> = details.iter().map(|row| row.day).collect();
        let paged_days: BTreeSet<Day> = pages.iter().map(|row| row.day).collect();
        let mut lists = of_pages(pages, counted(&days, &paged_days));
        if shown.undated()?.iter().any(|row| row.path.is_some()) {
            lists.push(of_all_time(shown.pages()?, all_time));
        }
        lists.extend(of_dimensions(details, counted(&days, &told_days)));
        let site = site.clone();
        Ok(Some(Summary { site, from, to, all_time, days, told_days, paged_days, lists }))
    }

    /// How many days were counted of which is not kept what views told.
    pub(super) fn days_untold(&self) -> usize {
        let untold = |row: &&DayRow| row.counted.views > 0 && !self.told_days.contains(&row.day);
        self.days.iter().filter(untold).count()
    }

    /// Distinct visitors of the days of which they are known, and how many days those are.
    pub(super) fn visitors(&self) -> (u64, usize) {
        let known: Vec<u64> = self.days.iter().filter_map(DayRow::known_visitors).collect();
        (known.iter().sum(), known.len())
    }

    /// How many of these there are of which no pages are kept either.
    pub(super) fn days_unpaged(&self) -> usize {
        let told = |row: &DayRow| self.told_days.contains(&row.day) || self.paged_days.contains(&row.day);
        self.days.iter().filter(|row| row.counted.views > 0 && !told(row)).count()
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
            json!({ "day": row.day.to_string(), "views": views, "visits": visits, "visitors": row.known_visitors() })
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
            "days_without_details": self.days_untold(),
            "total": tally(self.all_time),
            "sum": tally(self.sum()),
            "days": self.days.iter().map(day).collect::<Vec<_>>(),
            "lists": lists.collect::<serde_json::Map<_, _>>(),
        })
    }
}

/// What was counted on those of the days that are in `kept`.
fn counted(days: &[DayRow], kept: &BTreeSet<Day>) -> Tally {
    let mut sum = Tally::default();
    days.iter().filter(|row| kept.contains(&row.day)).for_each(|row| sum += row.counted);
    sum
}

/// Pages by their views, and by the visits that began with them.
fn of_pages(pages: Vec<PageDayRow>, counted: Tally) -> Vec<List> {
    let mut sums: HashMap<PagePath, Tally> = HashMap::new();
    for row in pages {
        *sums.entry(row.path).or_default() += row.tally;
    }
    let by = |figure: fn(&Tally) -> u64| {
        sums.iter().map(move |(name, tally)| (name.as_str().to_owned(), figure(tally)))
    };
    vec![
        List::new("page", "Pages", "views", by(|tally| tally.views), counted.views),
        List::new("entry_page", "Entry pages", "visits", by(|tally| tally.visits), counted.visits),
    ]
}

/// Pages by their views of all time, as they are shown where an old counter's were brought along.
fn of_all_time(pages: Vec<(PagePath, Tally)>, total: Tally) -> List {
    let rows = pages.into_iter().map(|(path, tally)| (path.as_str().to_owned(), tally.views));
    List::new("page_all_time", "Pages, all time", "views", rows, total.views)
}

/// Every dimension, by the visits that its values opened.
fn of_dimensions(details: Vec<DetailDayRow>, told: Tally) -> Vec<List> {
    let mut sums: HashMap<(Dimension, String), u64> = HashMap::new();
    let mut seen = BTreeSet::new();
    for row in details {
        if row.tally.views > 0 {
            seen.insert(row.dimension.as_str());
        }
        *sums.entry((row.dimension, row.value)).or_default() += row.tally.visits;
    }
    let list = |dimension: Dimension| {
        let rows = sums.iter().filter(|((of, _), _)| *of == dimension);
        let rows = rows.map(|((_, value), visits)| (value.clone(), *visits));
        let list = List::new(dimension.as_str(), title(dimension), "visits", rows, told.visits);
        List { is_told: seen.contains(dimension.as_str()), ..list }
    };
    Dimension::ALL.into_iter().map(list).collect()
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
        let is_told = !rows.is_empty();
        List { name, title, unit, rows, of, is_told }
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
