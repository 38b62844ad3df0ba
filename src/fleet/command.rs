//! The shared store for commands: asked once and waited for, also where no daemon runs.
//!
//! Commands reach it by the configuration, as a daemon does, and not through the daemon: what they ask is the same
//! from every machine, and the machine that is in trouble may be this one. Whoever knows the password may do this.

use std::collections::BTreeMap;
use std::io;

use redis::Value;
use tokio::runtime::Runtime;

use super::engine::{self, Engine};
use super::error::CallError;
use super::exchange::Caller;
use super::exchange::pairs;
use super::keys::{Keys, SCHEMA};
use super::nodes::{self, Identity, NOBODY, Word};
use super::room::words;
use super::script::RETIRE;
use super::{FleetError, Options};
use crate::rows::{RowKey, RowValue};
use crate::store::StoreError;
use crate::words::{Day, SiteId, UnixMillis};

/// Fields of a hash that are read at once, so that a big one holds nobody up.
const FIELDS_AT_ONCE: u32 = 500;

/// Why a command did not get through.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The shared store did not do it.
    #[error(transparent)]
    Call(#[from] CallError),
    /// This node may not.
    #[error(transparent)]
    Refused(#[from] FleetError),
    /// The node lives.
    #[error("node {node} is alive: a process speaks for it; stop that one first, and wait {seconds} s")]
    Alive {
        /// The node.
        node: String,
        /// How long its lease lasts if nobody renews it.
        seconds: u64,
    },
    /// There is no such node.
    #[error("the fleet has no node {0}; `headcount nodes` lists them")]
    Unknown(String),
    /// The store of a machine failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system refused what asking needs.
    #[error("cannot begin to ask the shared store: {0}")]
    System(#[from] io::Error),
}

/// The shared store.
pub struct SharedStore {
    runtime: Runtime,
    pub(super) engine: Engine,
    pub(super) keys: Keys,
    pub(super) options: Options,
}

/// How a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// A process speaks for it.
    Alive,
    /// Nobody does; it may come back.
    Silent,
    /// It was told to stay away.
    Forgotten,
}

impl Life {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Life::Alive => "alive",
            Life::Silent => "silent",
            Life::Forgotten => "forgotten",
        }
    }
}

/// What is known of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeEntry {
    /// Its name.
    pub node: String,
    /// Whether it lives.
    pub life: Life,
    /// Its release.
    pub version: String,
    /// When it was heard of last, by its own clock.
    pub seen: UnixMillis,
    /// When the site that waits longest was exchanged last, by its own clock.
    pub merged: Option<UnixMillis>,
    /// Transactions that it had not sent then.
    pub unsent: u64,
    /// How far the shared store's clock is ahead of its own, in milliseconds.
    pub skew_ms: i64,
}

impl SharedStore {
    pub(super) fn caller<'a>(&'a self, node: &'a str) -> Caller<'a> {
        Caller {
            engine: &self.engine,
            keys: &self.keys,
            node,
            details_seconds: self.options.details_seconds(),
        }
    }

    /// Makes ready to ask; nothing is asked yet.
    ///
    /// # Errors
    /// When the system refuses a runtime.
    pub fn new(options: &Options) -> Result<SharedStore, CommandError> {
        Ok(SharedStore {
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
            engine: Engine::new(options.access.clone()),
            keys: Keys::new(&options.prefix),
            options: options.clone(),
        })
    }

    pub(super) fn wait<T>(&self, asked: impl Future<Output = T>) -> T {
        self.runtime.block_on(asked)
    }

    /// Asks about the one key that the command names.
    pub(super) fn ask(&self, command: &redis::Cmd) -> Result<Value, CallError> {
        let key = match command.args_iter().nth(1) {
            Some(redis::Arg::Simple(key)) => String::from_utf8_lossy(key).into_owned(),
            _ => String::new(),
        };
        self.wait(self.engine.ask(command)).map_err(|error| self.typed(&key, error))
    }

    fn words(&self) -> Result<Vec<(String, Word)>, CallError> {
        let key = self.keys.nodes();
        self.wait(words(&self.engine, &self.keys)).map_err(|error| self.typed(&key, error))
    }

    /// Names the key, and what it holds, where the server says no more than that it is of another type. Scripts do
    /// so themselves.
    fn typed(&self, key: &str, error: CallError) -> CallError {
        if !matches!(&error, CallError::Other(said) if said.contains("WRONGTYPE")) {
            return error;
        }
        let found = self.wait(self.engine.ask(redis::cmd("TYPE").arg(key)));
        match found.as_ref().ok().and_then(engine::text) {
            Some(found) => CallError::KeyType { key: key.to_owned(), found },
            None => error,
        }
    }

    /// Refuses a store that a later release has written.
    pub(super) fn look_at_schema(&self) -> Result<(), CommandError> {
        let schema = self.ask(redis::cmd("GET").arg(self.keys.schema()))?;
        match engine::number(&schema) {
            Some(found) if found > u64::from(SCHEMA) => {
                Err(FleetError::Newer { found, known: SCHEMA }.into())
            }
            _ => Ok(()),
        }
    }

    /// Every node that was ever heard of and how it stands, by name.
    ///
    /// # Errors
    /// When the shared store does not answer, or a later release has written it.
    pub fn nodes(&self) -> Result<Vec<NodeEntry>, CommandError> {
        self.look_at_schema()?;
        let mut words = self.words()?;
        words.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut entries = Vec::new();
        for (node, word) in words {
            // A lease runs out by the store's clock, whatever the nodes' clocks say.
            let owner = self.ask(redis::cmd("GET").arg(self.keys.lease(&node)))?;
            let life = match engine::text(&owner) {
                Some(owner) if owner == NOBODY => Life::Forgotten,
                _ if word.forgotten => Life::Forgotten,
                Some(_) => Life::Alive,
                None => Life::Silent,
            };
            entries.push(NodeEntry {
                node,
                life,
                version: word.version,
                seen: UnixMillis(word.seen),
                merged: Some(UnixMillis(word.merged)).filter(|at| at.0 > 0),
                unsent: word.lag,
                skew_ms: word.skew_ms,
            });
        }
        Ok(entries)
    }

    /// Tells a dead node to stay away for ever. What it counted stays in the sums; of what it sent to these
    /// sites the shared store keeps no more than that it was forgotten.
    ///
    /// # Errors
    /// When it lives, was never heard of, or the shared store does not answer; it may be told again then.
    pub fn forget(&self, node: &str, sites: &[SiteId]) -> Result<(), CommandError> {
        self.look_at_schema()?;
        let known = self.words()?;
        let Some((_, word)) = known.into_iter().find(|(known, _)| known == node) else {
            return Err(CommandError::Unknown(node.to_owned()));
        };
        let nobody = Identity::nobody(node);
        let (owner, left) = self.wait(nodes::lease(&self.engine, &self.keys, &nobody, 0))?;
        if owner != NOBODY {
            let seconds = left.unwrap_or(0).div_ceil(1_000);
            return Err(CommandError::Alive { node: node.to_owned(), seconds });
        }
        let word = Word { forgotten: true, ..word };
        let text = serde_json::to_string(&word).expect("numbers and texts always serialise");
        self.ask(redis::cmd("HSET").arg(self.keys.nodes()).arg(node).arg(text))?;
        for site in sites {
            self.retire(site, node)?;
        }
        Ok(())
    }

    fn retire(&self, site: &SiteId, node: &str) -> Result<(), CommandError> {
        let own = self.keys.own(site, node);
        let days = days_of(&self.fields(&own)?);
        engine::answer(self.wait(self.engine.run(&RETIRE, &[own], &[]))?)?;
        for day in days {
            self.ask(redis::cmd("DEL").arg(self.keys.day_own(site, day, node)))?;
        }
        Ok(())
    }

    /// Removes a site from the shared store for ever: no node can bring it back, whatever it still has of it.
    /// Cut short, it can be repeated.
    ///
    /// # Errors
    /// When the shared store does not answer.
    pub fn remove_site(&self, site: &SiteId, now: UnixMillis) -> Result<(), CommandError> {
        self.look_at_schema()?;
        // From here on nothing is taken of this site any more.
        self.ask(redis::cmd("HSET").arg(self.keys.meta(site)).arg("removed").arg(now.0))?;
        let nodes = self.words()?;
        let sums = self.keys.sums(site);
        for day in days_of(&self.fields(&sums)?) {
            let mut command = redis::cmd("DEL");
            command.arg(self.keys.day_sums(site, day)).arg(self.keys.sketch(site, day));
            for (node, _) in &nodes {
                command.arg(self.keys.day_own(site, day, node));
            }
            self.ask(&command)?;
        }
        let mut command = redis::cmd("DEL");
        command.arg(self.keys.changed(site));
        for (node, _) in &nodes {
            command.arg(self.keys.own(site, node));
        }
        self.ask(&command)?;
        // Last, for it says which days there were.
        self.ask(redis::cmd("DEL").arg(sums))?;
        Ok(())
    }

    /// The sums of all nodes: the total, days, minutes and pages of all time.
    ///
    /// # Errors
    /// When the shared store does not answer, or a later release has written it.
    pub fn sums(&self, site: &SiteId) -> Result<Vec<RowValue>, CommandError> {
        self.look_at_schema()?;
        Ok(rows(&self.fields(&self.keys.sums(site))?, RowKey::parse))
    }

    /// What of these sums one node sent.
    ///
    /// # Errors
    /// As [`SharedStore::sums`].
    pub fn sent_by(&self, site: &SiteId, node: &str) -> Result<Vec<RowValue>, CommandError> {
        self.look_at_schema()?;
        Ok(rows(&self.fields(&self.keys.own(site, node))?, RowKey::parse))
    }

    /// Pages and details of one day, less what this node sent.
    ///
    /// # Errors
    /// When the shared store does not answer.
    pub fn others_on(
        &self,
        site: &SiteId,
        day: Day,
        node: Option<&str>,
    ) -> Result<Vec<RowValue>, CommandError> {
        let mut sums = self.fields(&self.keys.day_sums(site, day))?;
        if let (Some(node), false) = (node, sums.is_empty()) {
            for (name, own) in self.fields(&self.keys.day_own(site, day, node))? {
                if let Some(sum) = sums.get_mut(&name) {
                    let own = values(&own);
                    let of = |n: usize| own.get(n).copied().unwrap_or(0);
                    let rest = values(sum).into_iter().enumerate().map(|(n, sum)| sum.saturating_sub(of(n)));
                    *sum = rest.map(|value| value.to_string()).collect::<Vec<_>>().join(" ");
                }
            }
        }
        Ok(rows(&sums, |name| RowKey::parse_of_day(day, name)))
    }

    /// Every field of a hash, read in steps.
    fn fields(&self, key: &str) -> Result<BTreeMap<String, String>, CallError> {
        let (mut fields, mut cursor) = (BTreeMap::new(), 0_u64);
        loop {
            let mut command = redis::cmd("HSCAN");
            command.arg(key).arg(cursor).arg("COUNT").arg(FIELDS_AT_ONCE);
            let mut parts = engine::array(self.ask(&command)?).ok_or(CallError::Answer)?.into_iter();
            let (Some(next), Some(found)) = (parts.next(), parts.next()) else {
                return Err(CallError::Answer);
            };
            fields.extend(pairs(found).ok_or(CallError::Answer)?);
            cursor = engine::number(&next).ok_or(CallError::Answer)?;
            if cursor == 0 {
                return Ok(fields);
            }
        }
    }
}

fn values(text: &str) -> Vec<u64> {
    text.split_ascii_whitespace().map(|value| value.parse().unwrap_or(0)).collect()
}

fn rows(fields: &BTreeMap<String, String>, parse: impl Fn(&str) -> Option<RowKey>) -> Vec<RowValue> {
    let row = |(name, text): (&String, &String)| Some(RowValue { row: parse(name)?, values: values(text) });
    fields.iter().filter_map(row).collect()
}

fn days_of(fields: &BTreeMap<String, String>) -> Vec<Day> {
    let day = |name: &String| match RowKey::parse(name) {
        Some(RowKey::Day(day)) => Some(day),
        _ => None,
    };
    fields.keys().filter_map(day).collect()
}
