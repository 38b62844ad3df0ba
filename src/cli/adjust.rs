//! `adjust`: an audited correction.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;

use clap::Args;
use serde_json::Value;

use super::screen::fitted;
use super::{Failure, Settings, failed};
use crate::clock::Clock;
use crate::config::Config;
use crate::control::{Audit, Change, Request, ask_daemon};
use crate::daemon::open_stopped;
use crate::sites::Site;
use crate::store::{Adjustment, Scope};
use crate::words::{Figure, SiteId};

#[derive(Debug, Args)]
pub(super) struct Adjust {
    /// The site's id.
    site: String,
    /// What to correct: views or visits.
    #[arg(value_parser = ["views", "visits"], required_unless_present = "list")]
    figure: Option<String>,
    /// What to add or take away, such as +1333796 or -20.
    #[arg(allow_negative_numbers = true, required_unless_present = "list")]
    amount: Option<i64>,
    /// Why; it is kept with who and when.
    #[arg(long, required_unless_present = "list")]
    reason: Option<String>,
    /// Correct the rows of this day too, such as 2026-11-22. Without it the total alone.
    #[arg(long, value_name = "DATE")]
    on: Option<String>,
    /// Correct the all-time numbers of this page, such as /news, and nothing else.
    #[arg(long, value_name = "PAGE", conflicts_with = "on")]
    page: Option<String>,
    /// Show all adjustments of the site.
    #[arg(long, conflicts_with_all = ["figure", "amount", "reason", "on", "page"])]
    list: bool,
    /// Show every number of an old counter's file on a line of its own.
    #[arg(long, requires = "list")]
    all: bool,
    #[command(flatten)]
    settings: Settings,
}

impl Adjust {
    pub(super) fn run(self) -> Result<(), Failure> {
        if self.list {
            return self.print_list();
        }
        let (Some(figure), Some(amount), Some(reason)) = (&self.figure, self.amount, &self.reason) else {
            return Err(Failure::Argument("a figure, an amount and a reason are needed".to_owned()));
        };
        let config = self.settings.load()?;
        let (day, page) = (self.on.clone(), self.page.clone());
        let change = Change { figure: figure.clone(), amount, day, page };
        // The words are checked here, so that a mistake ends alike whether a daemon runs or not.
        let site = configured(&config, &self.site)?;
        let adjustment = audit(site, reason).adjustment(&change).map_err(Failure::Argument)?;
        let request = Request::Adjust { site: self.site.clone(), change, reason: reason.clone() };
        let total = match ask_daemon(&config.state_directory, &request).map_err(Failure::Failed)? {
            Some(total) => total,
            None => adjust_stopped(&config, &adjustment)?,
        };
        say_done!("{} now has {} visits and {} views in all", self.site, total["visits"], total["views"]);
        Ok(())
    }

    fn print_list(&self) -> Result<(), Failure> {
        let config = self.settings.load()?;
        let site =
            SiteId::parse(&self.site).map_err(|error| Failure::Argument(format!("the site id {error}")))?;
        let store = super::export::open_store(&config)?;
        let adjustments = store.adjustments(&site).map_err(|error| failed(&error))?;
        let is_one = |a: &Adjustment, b: &Adjustment| {
            !self.all && (a.at, &a.who, &a.reason) == (b.at, &b.who, &b.reason)
        };
        for together in adjustments.chunk_by(is_one) {
            say!("{}", fitted(&listed(together)));
        }
        if adjustments.is_empty() {
            say!("{site} was never adjusted");
        }
        Ok(())
    }
}

/// Adjustments of one command, as a line.
fn listed(together: &[Adjustment]) -> String {
    let [first, ..] = together else { return String::new() };
    let at = i64::try_from(first.at.0).ok().and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
    let what = if let [one] = together { number(one) } else { sums(together) };
    format!("{:.0}  {}  {what}  {}", at.unwrap_or_default(), first.who, first.reason.as_str())
}

/// One number: by how much, and of what.
fn number(adjustment: &Adjustment) -> String {
    let scope = match &adjustment.scope {
        Scope::Total => "total".to_owned(),
        Scope::Day(day) => day.to_string(),
        Scope::Page(page) => page.as_str().to_owned(),
    };
    format!("{:+} {}  {scope}", adjustment.amount, adjustment.figure.as_str())
}

/// Several numbers: by how much the total changed, and how many days and pages are among them.
fn sums(together: &[Adjustment]) -> String {
    let of_total = |figure| {
        let of_it = together.iter().filter(|each| each.figure == figure && each.scope.page().is_none());
        let sum: i128 = of_it.map(|each| i128::from(each.amount.get())).sum();
        if sum == 0 { String::new() } else { format!("{sum:+} {} ", figure.as_str()) }
    };
    let days: BTreeSet<_> = together.iter().filter_map(|each| each.scope.day()).collect();
    let pages: BTreeSet<_> = together.iter().filter_map(|each| each.scope.page()).collect();
    let counted = |count: usize, what: &str| match count {
        0 => String::new(),
        1 => format!(", 1 {what}"),
        count => format!(", {count} {what}s"),
    };
    let total = [of_total(Figure::Visits), of_total(Figure::Views)].concat();
    let (numbers, days, pages) = (together.len(), counted(days.len(), "day"), counted(pages.len(), "page"));
    format!("{total} total, {numbers} numbers{days}{pages}")
}

/// The site of that name in the configuration.
pub(super) fn configured<'a>(config: &'a Config, site: &str) -> Result<&'a Site, Failure> {
    let id = SiteId::parse(site).map_err(|error| Failure::Argument(format!("the site id {error}")))?;
    let configured = config.sites.iter().find(|configured| configured.id == id);
    configured.ok_or_else(|| Failure::Failed(format!("there is no site {id} in the configuration")))
}

/// The one who runs this command, now.
pub(super) fn audit<'a>(site: &'a Site, reason: &'a str) -> Audit<'a> {
    let who = std::fs::metadata("/proc/self")
        .map_or_else(|_| "unknown".to_owned(), |me| format!("uid {}", me.uid()));
    Audit { site, who, at: Clock::system().now(), reason }
}

fn adjust_stopped(config: &Config, adjustment: &Adjustment) -> Result<Value, Failure> {
    let mut kept = open_stopped(config)?;
    let total = kept.fold.store().adjust(adjustment).map_err(|error| failed(&error))?;
    Ok(serde_json::json!({ "views": total.views, "visits": total.visits }))
}
