//! Robot or not, by the user agent: a parser crate and our own dated list (`config/robots.txt`) decide,
//! a bounded cache remembers.
//!
//! The cache has two generations: what was asked for lately and what was asked for before that. When the
//! young one is full it becomes the old one, and the old one is forgotten; so nothing is ever searched for
//! a victim. Keys are keyed hashes: a verdict cannot be planted for somebody else's user agent.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use siphasher::sip::SipHasher24;

/// The bytes of a user agent that are looked at; real ones have 100 to 400.
const AGENT_BYTES_MAX: usize = 1_024;

/// So many that worker threads seldom meet at a lock.
const SHARDS: usize = 16;

/// Our own list; its head says how its lines are read.
static ROBOTS: LazyLock<List> = LazyLock::new(|| List::parse(include_str!("../../config/robots.txt")));

/// The part of a user agent that counts.
pub(super) fn shortened(agent: &[u8]) -> &[u8] {
    agent.get(..AGENT_BYTES_MAX).unwrap_or(agent)
}

/// Verdicts on user agents, remembered.
#[derive(Debug)]
pub(super) struct Agents {
    shards: [Mutex<Shard>; SHARDS],
    key: [u8; 16],
    generation_max: usize,
}

#[derive(Debug, Default)]
struct Shard {
    young: HashMap<u64, bool>,
    old: HashMap<u64, bool>,
}

impl Agents {
    /// Remembers at most about `agents_max` user agents.
    pub(super) fn new(agents_max: usize, key: [u8; 16]) -> Agents {
        let generation_max = (agents_max / SHARDS / 2).max(1);
        Agents { shards: std::array::from_fn(|_| Mutex::default()), key, generation_max }
    }

    /// Whether `agent` is a robot's. No user agent at all is one.
    pub(super) fn is_robot(&self, agent: &[u8]) -> bool {
        let hash = SipHasher24::new_with_key(&self.key).hash(agent);
        let shard = &self.shards[usize::try_from(hash >> 60).unwrap_or(0)];
        if let Some(verdict) = locked(shard).find(hash, self.generation_max) {
            return verdict;
        }
        // Judged outside of the lock: it takes as long as a few hundred look-ups.
        let verdict = judge(&String::from_utf8_lossy(agent));
        locked(shard).remember(hash, verdict, self.generation_max);
        verdict
    }

    /// User agents remembered now.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| locked(shard).len()).sum()
    }
}

impl Shard {
    fn find(&mut self, hash: u64, generation_max: usize) -> Option<bool> {
        if let Some(verdict) = self.young.get(&hash) {
            return Some(*verdict);
        }
        let verdict = self.old.remove(&hash)?;
        self.remember(hash, verdict, generation_max);
        Some(verdict)
    }

    fn remember(&mut self, hash: u64, verdict: bool, generation_max: usize) {
        if self.young.len() >= generation_max {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(hash, verdict);
    }

    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

/// A verdict is whole before it is stored, so a panic elsewhere leaves nothing half done.
fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn judge(agent: &str) -> bool {
    let named = ROBOTS.without_honest_names(agent);
    if named.trim().is_empty() || ROBOTS.names(&named) {
        return true;
    }
    woothee::parser::Parser::new().parse(&named).is_some_and(|parsed| parsed.category == "crawler")
}

/// The lines of `config/robots.txt`, in lower case, by how they are compared.
#[derive(Debug, Default)]
struct List {
    anywhere: Vec<String>,
    beginnings: Vec<String>,
    whole: Vec<String>,
    honest: Vec<String>,
}

impl List {
    fn parse(text: &str) -> List {
        let mut list = List::default();
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in lines.map(str::to_ascii_lowercase) {
            match line.split_at_checked(1) {
                Some(("^", fragment)) => list.beginnings.push(fragment.to_owned()),
                Some(("=", agent)) => list.whole.push(agent.to_owned()),
                Some(("!", fragment)) => list.honest.push(fragment.to_owned()),
                _ => list.anywhere.push(line),
            }
        }
        list
    }

    /// The user agent without the names of honest devices, otherwise as it was.
    fn without_honest_names(&self, agent: &str) -> String {
        let mut rest = agent.to_owned();
        for name in &self.honest {
            while let Some(at) = rest.to_ascii_lowercase().find(name) {
                rest.replace_range(at..at + name.len(), "");
            }
        }
        rest
    }

    fn names(&self, agent: &str) -> bool {
        let lower = agent.trim().to_ascii_lowercase();
        self.anywhere.iter().any(|fragment| lower.contains(fragment))
            || self.beginnings.iter().any(|fragment| lower.starts_with(fragment))
            || self.whole.contains(&lower)
    }
}
