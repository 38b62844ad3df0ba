//! `sites`: what every site counts now; `sites remove`: the end of a site's rows.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::screen::fitted;
use super::shown::total;
use super::{Failure, Settings, failed, shared_store};
use crate::clock::Clock;
use crate::control::{Request, ask_daemon};
use crate::daemon::open_stopped;
use crate::words::SiteId;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Sites {
    #[command(flatten)]
    settings: Settings,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    remove: Option<Remove>,
}

#[derive(Debug, Subcommand)]
enum Remove {
    /// Delete everything that is kept of a site that is no longer configured.
    Remove {
        /// The site's id.
        id: String,
        #[command(flatten)]
        settings: Settings,
    },
}

impl Sites {
    pub(super) fn run(self) -> Result<(), Failure> {
        if let Some(Remove::Remove { id, settings }) = self.remove {
            return remove(&id, &settings);
        }
        let config = self.settings.load()?;
        let sites = match ask_daemon(&config.state_directory, &Request::Sites).map_err(Failure::Failed)? {
            Some(sites) => sites,
            None => stopped(&self.settings)?,
        };
        if self.json {
            say!("{sites}");
            return Ok(());
        }
        for site in sites.as_array().into_iter().flatten() {
            for line in lines(site) {
                say!("{}", fitted(&line));
            }
        }
        Ok(())
    }
}

/// The numbers of a stopped daemon, from what it kept.
fn stopped(settings: &Settings) -> Result<Value, Failure> {
    let config = settings.load()?;
    let mut kept = open_stopped(&config)?;
    let mut sites = Vec::new();
    for site in &config.sites {
        let total = total(kept.fold.store(), &site.id).map_err(|error| failed(&error))?.unwrap_or_default();
        sites.push(
            json!({ "site": site.id.as_str(), "total": { "views": total.views, "visits": total.visits } }),
        );
    }
    eprintln!("headcount: the daemon is stopped; these are the numbers it kept");
    Ok(Value::Array(sites))
}

/// What is shown of a site, line by line.
fn lines(site: &Value) -> Vec<String> {
    let number = |path: &str| {
        site.pointer(path).and_then(Value::as_u64).map_or_else(|| "-".to_owned(), |n| n.to_string())
    };
    let (visits, views) = (number("/total/visits"), number("/total/views"));
    let mut lines = vec![
        site["site"].as_str().unwrap_or("?").to_owned(),
        format!("  total     {visits} visits, {views} views"),
    ];
    if site.get("online").is_none() {
        return lines;
    }
    let (visits, views, visitors) =
        (number("/today/visits"), number("/today/views"), number("/today/visitors"));
    lines.push(format!("  today     {visits} visits, {views} views, {visitors} visitors"));
    lines.push(format!("  online    {}", number("/online")));
    lines.push(match site["last_beacon_seconds_ago"].as_u64() {
        Some(seconds) => format!("  last beacon counted {seconds} s ago"),
        None => "  no beacon was counted yet".to_owned(),
    });
    let refused = site["refused_last_hour"].as_object();
    let reasons: Vec<String> =
        refused.into_iter().flatten().map(|(reason, count)| format!("{reason} {count}")).collect();
    let reasons = if reasons.is_empty() { "none".to_owned() } else { reasons.join(", ") };
    lines.push(format!("  refused in the last hour: {reasons}"));
    lines
}

fn remove(id: &str, settings: &Settings) -> Result<(), Failure> {
    let site = SiteId::parse(id).map_err(|error| Failure::Argument(format!("the site id {error}")))?;
    let config = settings.load()?;
    let request = Request::RemoveSite { site: id.to_owned() };
    let removed =
        if let Some(removed) = ask_daemon(&config.state_directory, &request).map_err(Failure::Failed)? {
            removed.as_bool().unwrap_or(false)
        } else {
            if config.sites.iter().any(|configured| configured.id == site) {
                let text = format!("{site} is still configured; take it out of the configuration first");
                return Err(Failure::Failed(text));
            }
            let mut kept = open_stopped(&config)?;
            kept.fold.store().remove_site(&site).map_err(|error| failed(&error))?
        };
    if config.fleet.is_some() {
        // Also if nothing was kept here: a removal that was cut short is repeated, and other machines have theirs.
        let shared = shared_store(&config)?;
        shared.remove_site(&site, Clock::system().now()).map_err(|error| {
            Failure::Failed(format!(
                "{error}; what this machine kept of {site} is deleted, repeat it for the fleet"
            ))
        })?;
        say_done!("everything that was kept of {site} here and in the shared store is deleted");
        say_done!(
            "run this on the other machines too; none of them can bring {site} back, and its id is used up"
        );
        return Ok(());
    }
    if !removed {
        return Err(Failure::Failed(format!("nothing is kept of {site}")));
    }
    say_done!("everything that was kept of {site} is deleted");
    say_done!(
        "who was there is remembered for {} more minutes: added again before, {site} knows them as online or in a visit",
        config.count.visit_window_ms.div_ceil(60_000)
    );
    Ok(())
}
