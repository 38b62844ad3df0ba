//! `fleet export`: the sums of a fleet, for a machine that shall go on alone.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::adjust::configured;
use super::{Failure, Settings, failed, shared_store};
use crate::fleet::{CommandError, Identity, SharedStore};
use crate::legacy::FLEET_SCHEMA;
use crate::rows::{RowKey, RowValue, shown};
use crate::words::{SiteId, Tally};

const ABOUT: &str = "\
The file holds views and visits of all time, of every day and of every page, adjustments included. A
machine alone takes them as audited adjustments, whole and once:

  headcount import --from headcount FILE --site SITE

A machine that was in the fleet keeps its own rows when it leaves. Write a file for it with --beside-own
there, while it is still in the fleet: it holds what the other machines counted, and no more. Visitors of
days, the peak, and what reports tell apart are not in the file.";

#[derive(Debug, Subcommand)]
pub(super) enum FleetCommand {
    /// Write the sums of the whole fleet to a file that `import --from headcount` takes.
    Export(Export),
}

#[derive(Debug, Args)]
#[command(after_help = ABOUT)]
pub(super) struct Export {
    /// The site's id, and the file to write, which must not exist yet. Without a site all that are configured.
    #[arg(num_args = 1..=2, required = true, value_names = ["SITE", "FILE"])]
    site_and_file: Vec<PathBuf>,
    /// Leave out what this machine counted itself, for an import on this machine.
    #[arg(long)]
    beside_own: bool,
    #[command(flatten)]
    settings: Settings,
}

impl FleetCommand {
    pub(super) fn run(self) -> Result<(), Failure> {
        let FleetCommand::Export(export) = self;
        export.run()
    }
}

impl Export {
    fn run(self) -> Result<(), Failure> {
        let config = self.settings.load()?;
        let (sites, file): (Vec<SiteId>, &Path) = match self.site_and_file.as_slice() {
            [file] => (config.sites.iter().map(|site| site.id.clone()).collect(), file),
            [site, file] => (vec![configured(&config, &site.to_string_lossy())?.id.clone()], file),
            _ => return Err(Failure::Argument("a site and a file are needed".to_owned())),
        };
        let shared = shared_store(&config)?;
        let own = Identity::find(&config.state_directory).map_err(|error| failed(&error))?;
        let own = own.map(|identity| identity.node).filter(|_| self.beside_own);
        if self.beside_own && own.is_none() {
            return Err(Failure::Failed(
                "this machine never took part in the fleet; leave out --beside-own".to_owned(),
            ));
        }
        let nodes = shared.nodes().map_err(|error| failed(&error))?;
        let nodes: Vec<&str> = nodes
            .iter()
            .map(|entry| entry.node.as_str())
            .filter(|node| Some(*node) != own.as_deref())
            .collect();
        let read = |site: &SiteId| of_site(&shared, site, own.as_deref());
        let sites = sites.iter().map(read).collect::<Result<Vec<_>, _>>().map_err(|error| failed(&error))?;
        let whole = json!({ "headcount_fleet": FLEET_SCHEMA, "nodes": nodes, "sites": sites });
        write_new(file, &format!("{whole}\n"))?;
        for site in &sites {
            let (id, total) = (site["site"].as_str().unwrap_or(""), &site["total"]);
            say_done!("{id}: {} visits and {} views", total["visits"], total["views"]);
        }
        say_done!("{} is written; a machine alone takes it with import --from headcount", file.display());
        Ok(())
    }
}

fn write_new(file: &Path, text: &str) -> Result<(), Failure> {
    let opened = OpenOptions::new().write(true).create_new(true).open(file);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|error| Failure::Failed(format!("cannot write {}: {error}", file.display())))
}

fn of_site(shared: &SharedStore, site: &SiteId, own: Option<&str>) -> Result<Value, CommandError> {
    let sums = shared.sums(site)?;
    let sent = own.map_or_else(|| Ok(Vec::new()), |node| shared.sent_by(site, node))?;
    let (mut total, mut days, mut pages) = (json!({ "views": 0, "visits": 0 }), Map::new(), Map::new());
    for RowValue { row, values } in sums {
        let sent = sent.iter().find(|value| value.row == row).map_or(&[][..], |value| &value.values);
        let rest =
            values.iter().enumerate().map(|(n, sum)| sum.saturating_sub(sent.get(n).copied().unwrap_or(0)));
        let growth = shown(&rest.collect::<Vec<u64>>());
        let mut tally = Tally::default();
        growth.apply_to(&mut tally);
        let numbers = json!({ "views": tally.views, "visits": tally.visits });
        match row {
            RowKey::Total => total = numbers,
            RowKey::Day(day) => drop(days.insert(day.to_string(), numbers)),
            RowKey::Page(page) => drop(pages.insert(page.as_str().to_owned(), numbers)),
            _ => {}
        }
    }
    Ok(json!({ "site": site.as_str(), "total": total, "days": days, "pages": pages }))
}
