//! `nodes`: the machines of a fleet; `nodes forget`: one that will never come back.
//!
//! Both ask the shared store by the configuration, whether a daemon runs here or not.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Failure, Settings, failed, shared_store};
use crate::clock::Clock;
use crate::daemon::database;
use crate::fleet::{Identity, Life, NodeEntry};
use crate::store::Store;
use crate::words::{SiteId, UnixMillis};

const ABOUT: &str = "\
Columns: the node's name (the file `node` in its state directory; * is this machine), alive, silent or
forgotten, its release, when it was heard of, when the site that waits longest was exchanged, how many
of its transactions the shared store lacked then, and how far the shared store's clock is ahead of its
own. Ages are by the clocks of the machines.";

const FORGET: &str = "\
What it counted stays in every number. Only do this when its state directory is lost, or after
`headcount adopt`: whatever it still holds can never be sent afterwards. If the machine comes back, it
is refused until the file `node` is deleted there, and then joins as a new one with all its own rows:
so delete its whole state directory.";

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, after_help = ABOUT)]
pub(super) struct Nodes {
    #[command(flatten)]
    settings: Settings,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    forget: Option<Forget>,
}

#[derive(Debug, Subcommand)]
enum Forget {
    /// Tell a dead node to stay away for ever. What it counted stays.
    #[command(after_help = FORGET)]
    Forget {
        /// The node's name.
        node: String,
        #[command(flatten)]
        settings: Settings,
    },
}

impl Nodes {
    pub(super) fn run(self) -> Result<(), Failure> {
        if let Some(Forget::Forget { node, settings }) = self.forget {
            return forget(&node, &settings);
        }
        let config = self.settings.load()?;
        let nodes = shared_store(&config)?.nodes().map_err(|error| failed(&error))?;
        let own = Identity::find(&config.state_directory).map_err(|error| failed(&error))?;
        let now = Clock::system().now();
        if self.json {
            let list: Vec<Value> = nodes.iter().map(|entry| to_json(entry, own.as_ref())).collect();
            say!("{}", Value::Array(list));
            return Ok(());
        }
        if nodes.is_empty() {
            say!("no node was ever heard of");
            return Ok(());
        }
        say!(
            "{:<17} {:<9} {:<10} {:>8} {:>8} {:>7} {:>8}",
            "node",
            "",
            "release",
            "heard",
            "merged",
            "unsent",
            "skew"
        );
        for entry in &nodes {
            say!("{}", line(entry, own.as_ref(), now));
        }
        Ok(())
    }
}

fn line(entry: &NodeEntry, own: Option<&Identity>, now: UnixMillis) -> String {
    let is_own = own.is_some_and(|own| own.node == entry.node);
    let name = format!("{}{}", entry.node, if is_own { "*" } else { "" });
    let merged = entry.merged.map_or_else(|| "-".to_owned(), |at| age(now.since(at)));
    let (life, heard) = (entry.life.as_str(), age(now.since(entry.seen)));
    let skew = format!("{:+}ms", entry.skew_ms);
    format!("{name:<17} {life:<9} {:<10} {heard:>8} {merged:>8} {:>7} {skew:>8}", entry.version, entry.unsent)
}

/// How long ago, in the largest unit that says enough.
fn age(ms: u64) -> String {
    match ms / 1_000 {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7_199 => format!("{} min", seconds / 60),
        seconds @ 7_200..=172_799 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

fn to_json(entry: &NodeEntry, own: Option<&Identity>) -> Value {
    let date = |at: UnixMillis| {
        let at = i64::try_from(at.0).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        at.map(|at| format!("{at:.3}"))
    };
    json!({
        "node": entry.node,
        "own": own.is_some_and(|own| own.node == entry.node),
        "state": entry.life.as_str(),
        "alive": entry.life == Life::Alive,
        "version": entry.version,
        "seen": date(entry.seen),
        "last_merge": entry.merged.and_then(date),
        "unsent_transactions": entry.unsent,
        "skew_ms": entry.skew_ms,
    })
}

fn forget(node: &str, settings: &Settings) -> Result<(), Failure> {
    let config = settings.load()?;
    let mut sites: Vec<SiteId> = config.sites.iter().map(|site| site.id.clone()).collect();
    // Sites that are not configured any more may be kept of still.
    let path = database(&config.state_directory);
    if path.exists() {
        let kept = Store::open_read_only(&path).and_then(|store| store.site_ids());
        sites.extend(kept.map_err(|error| failed(&error))?);
    }
    sites.sort();
    sites.dedup();
    shared_store(&config)?.forget(node, &sites).map_err(|error| failed(&error))?;
    say_done!("{node} is forgotten; what it counted stays, and it can never send again");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_in_a_unit_that_says_enough() {
        for (ms, words) in
            [(999, "0 s"), (119_999, "119 s"), (120_000, "2 min"), (7_200_000, "2 h"), (172_800_000, "2 d")]
        {
            assert_eq!(age(ms), words);
        }
    }
}
