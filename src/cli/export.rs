//! `export`: calendar rows and pages of a site, as JSON or CSV.

use clap::Args;
use serde_json::json;

use super::{Failure, Settings, failed};
use crate::config::Config;
use crate::control::{Request, ask_daemon};
use crate::daemon::{database, open_stopped};
use crate::store::{DayRow, PageDayRow, Store};
use crate::words::{Day, SiteId};

#[derive(Debug, Args)]
pub(super) struct Export {
    /// The site's id.
    site: String,
    /// json: one object; csv: one table of days and pages, told apart by their first column.
    #[arg(long, value_parser = ["json", "csv"], default_value = "json")]
    format: String,
    /// The first day, such as 2026-01-01.
    #[arg(long, value_name = "DATE")]
    from: Option<Day>,
    /// The last day.
    #[arg(long, value_name = "DATE")]
    to: Option<Day>,
    #[command(flatten)]
    settings: Settings,
}

impl Export {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = self.settings.load()?;
        let site =
            SiteId::parse(&self.site).map_err(|error| Failure::Argument(format!("the site id {error}")))?;
        let store = open_store(&config)?;
        let row = store.site(&site).map_err(|error| failed(&error))?;
        let Some(row) = row else { return Err(Failure::Failed(format!("nothing is kept of {site}"))) };
        let (from, to) = (self.from.unwrap_or(Day::FIRST), self.to.unwrap_or(Day::LAST));
        let days = store.days(&site, from, to).map_err(|error| failed(&error))?;
        let pages = store.page_days(&site, from, to).map_err(|error| failed(&error))?;
        if self.format == "csv" {
            print_csv(&days, &pages);
            return Ok(());
        }
        let total = json!({ "views": row.total.views, "visits": row.total.visits });
        let days: Vec<_> = days.iter().map(day_json).collect();
        let pages: Vec<_> = pages.iter().map(page_json).collect();
        println!("{}", json!({ "site": site.as_str(), "total": total, "days": days, "pages": pages }));
        Ok(())
    }
}

/// The store, with everything folded: read beside a running daemon, or caught up if it is stopped.
pub(super) fn open_store(config: &Config) -> Result<Store, Failure> {
    let path = database(&config.state_directory);
    if ask_daemon(&config.state_directory, &Request::Fold).map_err(Failure::Failed)?.is_none() {
        drop(open_stopped(config)?);
    }
    Store::open_read_only(&path).map_err(|error| failed(&error))
}

fn day_json(row: &DayRow) -> serde_json::Value {
    json!({ "day": row.day.to_string(), "views": row.tally.views, "visits": row.tally.visits, "visitors": row.visitors })
}

fn page_json(row: &PageDayRow) -> serde_json::Value {
    let (views, visits) = (row.tally.views, row.tally.visits);
    json!({ "day": row.day.to_string(), "page": row.path.as_str(), "views": views, "visits": visits })
}

fn print_csv(days: &[DayRow], pages: &[PageDayRow]) {
    println!("row,day,page,views,visits,visitors");
    for row in days {
        println!("day,{},,{},{},{}", row.day, row.tally.views, row.tally.visits, row.visitors);
    }
    for row in pages {
        println!("page,{},{},{},{},", row.day, quoted(row.path.as_str()), row.tally.views, row.tally.visits);
    }
}

/// A field of RFC 4180. A spreadsheet takes what begins with `=`, `+`, `-` or `@` for a formula;
/// pages begin with `/` or `(`.
fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
