//! `adjust`: an audited correction.

use std::os::unix::fs::MetadataExt;

use clap::Args;
use serde_json::Value;

use super::{Failure, Settings, failed};
use crate::clock::Clock;
use crate::config::Config;
use crate::control::{Request, ask_daemon, parse_adjustment};
use crate::daemon::open_stopped;
use crate::rows::LocalDay;
use crate::store::Adjustment;
use crate::words::SiteId;

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
    /// Show all adjustments of the site.
    #[arg(long, conflicts_with_all = ["figure", "amount", "reason", "on"])]
    list: bool,
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
        let adjustment = self.adjustment(&config, figure, amount, reason)?;
        let request = Request::Adjust {
            site: self.site.clone(),
            figure: figure.clone(),
            amount,
            day: self.on.clone(),
            reason: reason.clone(),
        };
        let total = match ask_daemon(&config.state_directory, &request).map_err(Failure::Failed)? {
            Some(total) => total,
            None => adjust_stopped(&config, &adjustment)?,
        };
        println!("{} now has {} visits and {} views in all", self.site, total["visits"], total["views"]);
        Ok(())
    }

    /// Checks the words here, so that a mistake ends alike whether a daemon runs or not.
    fn adjustment(
        &self,
        config: &Config,
        figure: &str,
        amount: i64,
        reason: &str,
    ) -> Result<Adjustment, Failure> {
        let site =
            SiteId::parse(&self.site).map_err(|error| Failure::Argument(format!("the site id {error}")))?;
        let now = Clock::system().now();
        let who = std::fs::metadata("/proc/self")
            .map_or_else(|_| "unknown".to_owned(), |me| format!("uid {}", me.uid()));
        let adjustment = parse_adjustment(site, figure, amount, self.on.as_deref(), reason, who, now)
            .map_err(Failure::Argument)?;
        let configured = config.sites.iter().find(|configured| configured.id == adjustment.site);
        let today = configured.map(|site| LocalDay::of(now, &site.time_zone).day);
        match (adjustment.day, today) {
            (Some(day), Some(today)) if day > today => {
                Err(Failure::Argument(format!("{day} has not come yet; today is {today}")))
            }
            _ => Ok(adjustment),
        }
    }

    fn print_list(&self) -> Result<(), Failure> {
        let config = self.settings.load()?;
        let site =
            SiteId::parse(&self.site).map_err(|error| Failure::Argument(format!("the site id {error}")))?;
        let store = super::export::open_store(&config)?;
        let adjustments = store.adjustments(&site).map_err(|error| failed(&error))?;
        for adjustment in &adjustments {
            let day = adjustment.day.map_or_else(|| "total".to_owned(), |day| day.to_string());
            let at = jiff::Timestamp::from_millisecond(i64::try_from(adjustment.at.0).unwrap_or(0))
                .unwrap_or_default();
            let (figure, amount) = (adjustment.figure.as_str(), adjustment.amount);
            println!(
                "{at:.0}  {}  {amount:+} {figure}  {day}  {}",
                adjustment.who,
                adjustment.reason.as_str()
            );
        }
        if adjustments.is_empty() {
            println!("{site} was never adjusted");
        }
        Ok(())
    }
}

fn adjust_stopped(config: &Config, adjustment: &Adjustment) -> Result<Value, Failure> {
    let site = &adjustment.site;
    if !config.sites.iter().any(|configured| configured.id == *site) {
        return Err(Failure::Failed(format!("there is no site {site} in the configuration")));
    }
    let mut kept = open_stopped(config)?;
    let total = kept.fold.store().adjust(adjustment).map_err(|error| failed(&error))?;
    Ok(serde_json::json!({ "views": total.views, "visits": total.visits }))
}
