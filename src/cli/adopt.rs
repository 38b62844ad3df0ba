//! `adopt`: sends what a dead machine's state directory still holds, under that machine's name.

use std::path::PathBuf;

use clap::Args;

use super::{Failure, Settings, failed};
use crate::clock::Clock;
use crate::config::Overrides;
use crate::daemon::{DaemonError, database, lock, open_adopted};
use crate::fleet::{Adoption, Identity, Sent};
use crate::keeper::terms;
use crate::words::SiteId;

const ABOUT: &str = "\
The directory may be the machine's disk, or a copy of it; it is written to, and must be complete:
database, journal and the file `node`. It is locked meanwhile. Its machine must be dead: a node that
a process speaks for is refused. Afterwards it is as dead as before, a second run sends nothing, and
if it comes back nothing is counted twice. A visit that was under way when the machine died is
decided now, so it may open once more on the machine that the visitor went to.";

#[derive(Debug, Args)]
#[command(after_help = ABOUT)]
pub(super) struct Adopt {
    /// The state directory of the dead machine.
    directory: PathBuf,
    #[command(flatten)]
    settings: Settings,
}

impl Adopt {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut sources = self.settings.sources();
        let directory = std::path::absolute(&self.directory).map_err(|error| failed(&error))?;
        let Some(text) = directory.to_str() else {
            return Err(Failure::Argument("the directory's name is not UTF-8".to_owned()));
        };
        // Everything as it is here, but for the directory.
        sources.overrides = Overrides { state_directory: Some(text.to_owned()), ..Overrides::default() };
        let config = crate::config::load(&sources)?;
        let shown = directory.display();
        let Some(options) = &config.fleet else {
            return Err(Failure::Failed(
                "there is no fleet: shared_store is empty in the configuration".to_owned(),
            ));
        };
        if !database(&directory).exists() {
            return Err(Failure::Failed(format!("{shown} is no state directory: it has no headcount.db")));
        }
        let identity = Identity::find(&directory).map_err(|error| failed(&error))?;
        let Some(identity) = identity else {
            return Err(Failure::Failed(format!(
                "{shown} has no file `node`: that machine never took part in a fleet; to bring its numbers in, start \
                 headcount on it with this shared_store"
            )));
        };
        let lock = lock(&directory)?;
        let adoption = Adoption::begin(options, identity, Clock::system()).map_err(|error| failed(&error))?;
        say_done!("this process speaks for node {}", adoption.node());
        let sites = terms(config.sites.iter()).into_iter().map(|terms| (terms.site.clone(), terms)).collect();
        let mut kept = open_adopted(&config, lock, Box::new(adoption.decide(sites)))?;
        say_done!("{} beacons that were not added up are added up", kept.folded.records);
        if adoption.visits_alone() > 0 {
            say_done!(
                "{} visits were decided without the shared store, which did not answer",
                adoption.visits_alone()
            );
        }
        let sites = kept.fold.store().site_ids().map_err(DaemonError::from)?;
        for site in &sites {
            let sent = adoption.send(kept.fold.store(), site).map_err(|error| failed(&error))?;
            say_done!("{}", told(site, &sent));
        }
        let node = adoption.node().to_owned();
        adoption.end().map_err(|error| failed(&error))?;
        say_done!("the shared store has everything that {shown} holds of node {node}");
        Ok(())
    }
}

fn told(site: &SiteId, sent: &Sent) -> String {
    match sent {
        Sent { removed: true, .. } => format!("{site}: was removed from the fleet; nothing is sent"),
        Sent { rows: 0, .. } => format!("{site}: nothing was missing"),
        Sent { rows, gained, .. } => {
            format!(
                "{site}: {rows} rows sent, {} visits and {} views of them new",
                gained.visits, gained.views
            )
        }
    }
}
