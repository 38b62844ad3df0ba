//! What an operator should know before a daemon finds out: whether the shared store can be reached, what is wrong
//! with it, and what to do.
//!
//! It is reached as a daemon would. What a user may do is found by trying each command on a key that nothing is kept
//! in, on every primary: `ACL DRYRUN` would itself need a permission, and is younger than what we run on.

use std::collections::{BTreeMap, BTreeSet};

use redis::Value;

use super::address::Place;
use super::command::{CommandError, SharedStore};
use super::engine;
use super::error::CallError;
use super::keys::Keys;
use super::nodes::{Identity, NOBODY};
use super::{Access, FleetError};
use crate::clock::Clock;

/// `ZMSCORE` came with it, and `SET` with `EXAT`.
const OLDEST: (u32, u32) = (6, 2);
/// Clocks that differ by more put views into the wrong minute, and near midnight into the wrong day.
const SKEW_MS_MAX: u64 = 1_000;
/// Slots of a Cluster.
const SLOTS: u16 = 16_384;
/// Tags that are tried until every primary has one.
const TAGS_MAX: usize = 4_096;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// As it should be.
    Fine,
    /// It runs, with a risk that should be known.
    Warning,
    /// It cannot be reached now; trying again may help.
    Away,
    /// A daemon would not run with it.
    Wrong,
}

/// Something that a look at the shared store found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub weight: Weight,
    /// What it is and what to do.
    pub text: String,
    /// What to paste into `redis-cli`, if that is the remedy.
    pub paste: Option<String>,
}

/// Which servers a command is sent to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    Always,
    ToClusters,
    ToDatabases,
}

/// A command that the fleet sends or one of its scripts calls: its ACL rule, and words that try it on the key `$`
/// and change nothing that is kept. The order matters: a hash is made, and removed at the end.
struct Need {
    rule: &'static str,
    sent: Sent,
    words: &'static [&'static str],
}

const fn need(rule: &'static str, words: &'static [&'static str]) -> Need {
    Need { rule, sent: Sent::Always, words }
}

/// Everything that a user must be allowed to do.
const NEEDS: [Need; 27] = [
    Need { rule: "cluster|slots", sent: Sent::ToClusters, words: &["CLUSTER", "SLOTS"] },
    Need { rule: "ping", sent: Sent::ToClusters, words: &["PING"] },
    // Only in answer to a server that moves a slot; it cannot be tried alone.
    Need { rule: "asking", sent: Sent::ToClusters, words: &[] },
    // Sent with every connection, so that its lack shows as a failed login.
    Need { rule: "select", sent: Sent::ToDatabases, words: &[] },
    need("info", &["INFO", "memory"]),
    need("time", &["TIME"]),
    need("eval", &["EVAL", "return 1", "1", "$"]),
    need("evalsha", &["EVALSHA", "0000000000000000000000000000000000000000", "1", "$"]),
    need("type", &["TYPE", "$"]),
    need("get", &["GET", "$"]),
    need("set", &["SET", "$", "", "XX"]),
    need("pttl", &["PTTL", "$"]),
    need("zadd", &["ZADD", "$", "XX", "1", "m"]),
    need("zrem", &["ZREM", "$", "m"]),
    need("zcount", &["ZCOUNT", "$", "0", "1"]),
    need("zmscore", &["ZMSCORE", "$", "m"]),
    need("zrangebyscore", &["ZRANGEBYSCORE", "$", "0", "1"]),
    need("zremrangebyrank", &["ZREMRANGEBYRANK", "$", "0", "0"]),
    need("hset", &["HSET", "$", "f", "1"]),
    need("exists", &["EXISTS", "$"]),
    need("expire", &["EXPIRE", "$", "60"]),
    need("hget", &["HGET", "$", "f"]),
    need("hmget", &["HMGET", "$", "f"]),
    need("hgetall", &["HGETALL", "$"]),
    need("hscan", &["HSCAN", "$", "0"]),
    need("hdel", &["HDEL", "$", "g"]),
    need("del", &["DEL", "$"]),
];

impl SharedStore {
    /// Looks at everything, one finding for each. `identity` is this machine's, if it took part before.
    #[must_use]
    pub fn check(&self, clock: &Clock, identity: Option<&Identity>) -> Vec<Finding> {
        let mut findings = Findings::default();
        match self.skew(clock) {
            Ok(skew_ms) => {
                findings.fine(format!("{} answers", self.options.access.address));
                self.look_at_permissions(&mut findings);
                findings.skew(skew_ms);
            }
            Err(error @ CallError::Permission(_)) => {
                findings.fine(format!("{} answers", self.options.access.address));
                self.look_at_permissions(&mut findings);
                findings.error(&error, &self.options.access);
            }
            Err(error) => {
                findings.error(&error, &self.options.access);
                return findings.0;
            }
        }
        self.look_at_servers(&mut findings);
        if matches!(self.options.access.address.place, Place::Cluster(_)) {
            self.look_at_slots(&mut findings);
        }
        match self.look_at_schema() {
            Ok(()) => {}
            Err(CommandError::Refused(error)) => findings.wrong(error.to_string()),
            Err(CommandError::Call(error)) => findings.error(&error, &self.options.access),
            Err(error) => findings.wrong(error.to_string()),
        }
        if let Some(identity) = identity {
            self.look_at_lease(identity, &mut findings);
        }
        findings.0
    }

    /// How far the store's clock is ahead of ours, in milliseconds. The first question makes the connection, so the
    /// second is timed.
    fn skew(&self, clock: &Clock) -> Result<i64, CallError> {
        self.ask(&redis::cmd("TIME"))?;
        let before = clock.now();
        let parts = engine::array(self.ask(&redis::cmd("TIME"))?).ok_or(CallError::Answer)?;
        let after = clock.now();
        let part = |place: usize| parts.get(place).and_then(engine::number).ok_or(CallError::Answer);
        let theirs = part(0)? * 1_000 + part(1)? / 1_000;
        let signed = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        Ok(signed(theirs) - signed(u64::midpoint(before.0, after.0)))
    }

    fn is_needed(&self, need: &Need) -> bool {
        match need.sent {
            Sent::Always => true,
            Sent::ToClusters => matches!(self.options.access.address.place, Place::Cluster(_)),
            Sent::ToDatabases => self.options.access.address.database != 0,
        }
    }

    /// Tries every command on every primary.
    fn look_at_permissions(&self, findings: &mut Findings) {
        let tags = match self.tags() {
            Ok(tags) => tags,
            Err(CallError::Permission(_)) => vec![0],
            Err(error) => return findings.error(&error, &self.options.access),
        };
        let (mut commands, mut keys) = (BTreeSet::new(), false);
        let mut failures = Vec::new();
        for tag in tags {
            let key = self.keys.probe(tag);
            for need in NEEDS.iter().filter(|need| self.is_needed(need)) {
                let Some((name, words)) = need.words.split_first() else { continue };
                let mut command = redis::cmd(name);
                for word in words {
                    command.arg(if *word == "$" { key.as_str() } else { word });
                }
                match self.ask(&command) {
                    Ok(_) | Err(CallError::UnknownScript) => {}
                    // A server before 7 says it in other words, and all of them name keys.
                    Err(CallError::Permission(said)) if said.contains("key") => keys = true,
                    Err(CallError::Permission(_)) => drop(commands.insert(need.rule)),
                    Err(error) if failures.contains(&error) => {}
                    Err(error) => failures.push(error),
                }
            }
        }
        for error in &failures {
            findings.error(error, &self.options.access);
        }
        if commands.is_empty() && !keys {
            if failures.is_empty() {
                findings.fine("the user may do all that is needed".to_owned());
            }
            return;
        }
        let mut lacks: Vec<String> = commands.iter().map(|rule| format!("+{rule}")).collect();
        if keys {
            lacks.insert(0, self.keys.pattern());
        }
        findings.0.push(Finding {
            weight: Weight::Wrong,
            text: format!("the user {:?} lacks {}", self.user(), lacks.join(" ")),
            paste: Some(self.acl()),
        });
    }

    fn user(&self) -> &str {
        let access = &self.options.access;
        let user = if access.user.is_empty() { &access.address.user } else { &access.user };
        if user.is_empty() { "default" } else { user }
    }

    /// The smallest rule that suffices, for `redis-cli`.
    #[must_use]
    pub fn acl(&self) -> String {
        let rules = NEEDS.iter().filter(|need| self.is_needed(need)).map(|need| format!("+{}", need.rule));
        let rules: Vec<String> = rules.collect();
        let user = self.user();
        format!("ACL SETUSER {user} reset on >PASSWORD {} -@all {}", self.keys.pattern(), rules.join(" "))
    }

    /// One tag for every primary of a Cluster; for one server any tag will do.
    fn tags(&self) -> Result<Vec<usize>, CallError> {
        if !matches!(self.options.access.address.place, Place::Cluster(_)) {
            return Ok(vec![0]);
        }
        let (mut tags, mut met) = (Vec::new(), BTreeSet::new());
        let ranges = ranges(&self.ask(redis::cmd("CLUSTER").arg("SLOTS"))?);
        for tag in 0..TAGS_MAX {
            let slot = crc16::State::<crc16::XMODEM>::calculate(Keys::probe_tag(tag).as_bytes()) % SLOTS;
            let primary = ranges.iter().find(|range| (range.from..=range.to).contains(&slot));
            if primary.is_some_and(|range| met.insert(range.primary.clone())) {
                tags.push(tag);
            }
        }
        Ok(tags)
    }

    /// Versions, eviction and persistence, of each server that answers.
    fn look_at_servers(&self, findings: &mut Findings) {
        let infos = match self.ask(&redis::cmd("INFO")) {
            Ok(Value::Map(servers)) => servers
                .into_iter()
                .filter_map(|(name, info)| Some((engine::text(&name)?, engine::text(&info)?)))
                .collect(),
            Ok(info) => vec![(String::new(), engine::text(&info).unwrap_or_default())],
            Err(CallError::Permission(_)) => {
                let what = "without +info neither version nor maxmemory-policy nor persistence can be seen";
                return findings.warning(what.to_owned());
            }
            Err(error) => return findings.error(&error, &self.options.access),
        };
        let mut said: BTreeMap<(Weight, String), Vec<String>> = BTreeMap::new();
        for (server, info) in infos {
            for finding in self.look_at_server(&Info(&info)).0 {
                said.entry((finding.weight, finding.text)).or_default().push(server.clone());
            }
        }
        // What holds for many servers is said once.
        for ((weight, text), mut servers) in said {
            servers.sort();
            let servers = servers.join(", ");
            findings.add(weight, if servers.is_empty() { text } else { format!("{servers}: {text}") });
        }
    }

    fn look_at_server(&self, info: &Info<'_>) -> Findings {
        let (access, mut findings) = (&self.options.access, Findings::default());
        findings.version(info);
        let is_cluster = info.of("redis_mode") == "cluster";
        if is_cluster && !matches!(access.address.place, Place::Cluster(_)) {
            findings.wrong(
                "it is one of a Cluster: write redis+cluster:// and name some of its servers".to_owned(),
            );
        }
        let is_replica = info.of("role") == "slave";
        if is_replica && !is_cluster {
            findings.wrong("it is a replica: name the primary, or the Sentinels that know it".to_owned());
        }
        let policy = info.of("maxmemory_policy");
        if !matches!(policy, "noeviction" | "") {
            let error = FleetError::Eviction { policy: policy.to_owned() };
            if self.options.allow_eviction {
                findings.warning(format!("{error}; fleet.allow_eviction is set, so it is used all the same"));
            } else {
                findings.wrong(error.to_string());
            }
        }
        if !is_replica && info.of("aof_enabled") == "0" {
            findings.warning(
                "appendonly is off: after a restart it begins from its last snapshot or empty, and every machine sends all \
                 its values again; set appendonly yes"
                    .to_owned(),
            );
        }
        if info.of("rdb_last_bgsave_status") == "err" || info.of("aof_last_write_status") == "err" {
            findings
                .warning("it could not write to its disk the last time it tried; look at its log".to_owned());
        }
        findings
    }

    /// Whether every slot has a primary, and every primary a replica.
    fn look_at_slots(&self, findings: &mut Findings) {
        let ranges = match self.ask(redis::cmd("CLUSTER").arg("SLOTS")) {
            Ok(slots) => ranges(&slots),
            Err(CallError::Permission(_)) => return,
            Err(error) => return findings.error(&error, &self.options.access),
        };
        let covered: u32 = ranges.iter().map(|range| u32::from(range.to - range.from) + 1).sum();
        let primaries: BTreeSet<&str> = ranges.iter().map(|range| range.primary.as_str()).collect();
        if covered < u32::from(SLOTS) {
            findings.wrong(format!(
                "the Cluster has a primary for {covered} of {SLOTS} slots; redis-cli --cluster check says which are \
                 missing"
            ));
        } else {
            findings.fine(format!("a Cluster of {} primaries, every slot has one", primaries.len()));
        }
        let single: BTreeSet<&str> =
            ranges.iter().filter(|range| range.replicas == 0).map(|range| range.primary.as_str()).collect();
        if !single.is_empty() {
            let single: Vec<&str> = single.into_iter().collect();
            findings.warning(format!(
                "no replica takes over if {} fails; counting goes on then, but sites that lie there stop being shared",
                single.join(" or ")
            ));
        }
    }

    /// Whether this machine may take part.
    fn look_at_lease(&self, identity: &Identity, findings: &mut Findings) {
        let node = identity.node.clone();
        match self.ask(redis::cmd("GET").arg(self.keys.lease(&node))).map(|owner| engine::text(&owner)) {
            Ok(None) => findings.fine(format!("this machine is node {node}, and nobody speaks for it now")),
            Ok(Some(owner)) if owner == identity.owner => {
                findings.fine(format!("this machine is node {node}, and its daemon takes part"));
            }
            Ok(Some(owner)) if owner == NOBODY => {
                findings.wrong(FleetError::Forgotten { node }.to_string());
            }
            Ok(Some(_)) => findings.wrong(FleetError::Lease { node }.to_string()),
            Err(error) => findings.error(&error, &self.options.access),
        }
    }
}

/// What was found so far.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, weight: Weight, text: String) {
        // One cause shows in many calls.
        if !self.0.iter().any(|finding| finding.text == text) {
            self.0.push(Finding { weight, text, paste: None });
        }
    }

    fn fine(&mut self, text: String) {
        self.add(Weight::Fine, text);
    }

    fn warning(&mut self, text: String) {
        self.add(Weight::Warning, text);
    }

    fn wrong(&mut self, text: String) {
        self.add(Weight::Wrong, text);
    }

    /// A failed call, with what to do about it. What permissions are missing was said before.
    fn error(&mut self, error: &CallError, access: &Access) {
        if matches!(error, CallError::Permission(_)) && self.0.iter().any(|finding| finding.paste.is_some()) {
            return;
        }
        let passes = matches!(
            error,
            CallError::Connection(_)
                | CallError::Timeout
                | CallError::Loading
                | CallError::ClusterDown(_)
                | CallError::Memory
        );
        let weight = if passes { Weight::Away } else { Weight::Wrong };
        let remedy = remedy(error, access).map(|remedy| format!("; {remedy}")).unwrap_or_default();
        self.add(weight, format!("{}: {error}{remedy}", access.address));
    }

    fn skew(&mut self, skew_ms: i64) {
        let ms = skew_ms.unsigned_abs();
        let seconds = format!("{}.{:03} s", ms / 1_000, ms % 1_000);
        let ahead = if skew_ms < 0 { "behind" } else { "ahead of" };
        if ms > SKEW_MS_MAX {
            self.warning(format!(
                "its clock is {seconds} {ahead} ours; let NTP set both, or views near midnight fall on the wrong day"
            ));
        } else {
            self.fine(format!("its clock is {seconds} {ahead} ours"));
        }
    }

    fn version(&mut self, info: &Info<'_>) {
        let (name, text) = match info.of("valkey_version") {
            "" => ("Redis", info.of("redis_version")),
            version => ("Valkey", version),
        };
        let mut numbers = text.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        if text.is_empty() {
            self.warning("it does not say which version it is".to_owned());
        } else if version < OLDEST {
            self.wrong(format!("{name} {text} is too old; {}.{} or later is needed", OLDEST.0, OLDEST.1));
        } else {
            self.fine(format!("{name} {text}"));
        }
    }
}

/// The answer of `INFO`.
struct Info<'a>(&'a str);

impl<'a> Info<'a> {
    /// The value of that name; empty if there is none.
    fn of(&self, name: &str) -> &'a str {
        let value = |line: &'a str| line.split_once(':').filter(|(known, _)| *known == name);
        self.0.lines().find_map(value).map_or("", |(_, value)| value.trim())
    }
}

/// A range of slots.
struct Range {
    from: u16,
    to: u16,
    primary: String,
    replicas: usize,
}

/// The answer of `CLUSTER SLOTS`.
fn ranges(slots: &Value) -> Vec<Range> {
    let Value::Array(ranges) = slots else { return Vec::new() };
    let slot = |value: &Value| u16::try_from(engine::number(value)?).ok();
    let range = |range: &Value| {
        let Value::Array(parts) = range else { return None };
        let (from, to) = (slot(parts.first()?)?, slot(parts.get(1)?)?);
        let Value::Array(primary) = parts.get(2)? else { return None };
        let primary = format!("{}:{}", engine::text(primary.first()?)?, engine::number(primary.get(1)?)?);
        Some(Range { from, to, primary, replicas: parts.len() - 3 }).filter(|range| range.from <= range.to)
    };
    ranges.iter().filter_map(range).collect()
}

/// What a person can do about a failed call.
fn remedy(error: &CallError, access: &Access) -> Option<String> {
    let said = match error {
        CallError::Connection(said) | CallError::Certificate(said) | CallError::Other(said) => said.as_str(),
        CallError::Login(said) => return login_remedy(said, &access.address.place),
        CallError::Timeout => {
            let other = if access.address.tls { "no TLS (redis://)" } else { "TLS (rediss://)" };
            return Some(format!("it hangs, a firewall swallows what is sent, or it speaks {other}"));
        }
        CallError::File { why, .. } if why.contains("denied") => {
            return Some("the user that headcount runs as must be able to read it".to_owned());
        }
        _ => return None,
    };
    let ca = match &access.ca_file {
        Some(path) => format!("fleet.ca_file ({})", path.display()),
        None => "the system's authorities (name your own in fleet.ca_file)".to_owned(),
    };
    let remedies = [
        (
            "Connection refused",
            "is it started, and is this the address and port that it listens on?".to_owned(),
        ),
        ("lookup address", "the name of the host is not known to the resolver".to_owned()),
        ("unreachable", "there is no route to it: look at addresses and firewalls".to_owned()),
        (
            "No such file",
            "there is no such socket: is it started, and is unixsocket set in its configuration?".to_owned(),
        ),
        (
            "Permission denied",
            "this user may not open the socket: see unixsocketperm, and the groups of this user".to_owned(),
        ),
        ("UnknownIssuer", format!("it is not signed by {ca}")),
        ("BadSignature", format!("it is not signed by {ca}")),
        ("expired", "renew the server's certificate".to_owned()),
        ("NotValidYet", "look at the clocks of both machines".to_owned()),
        ("not valid for name", "name the server as its certificate does".to_owned()),
        ("InvalidContentType", "it speaks no TLS: write redis:// instead of rediss://".to_owned()),
        ("Redis's protocol", "look at host and port: Redis or Valkey listens elsewhere".to_owned()),
        ("Master with given name not found", "look at the name behind the last / of shared_store".to_owned()),
        ("unknown command", "if it is a Sentinel, write redis+sentinel://host/name".to_owned()),
        (
            "cluster support disabled",
            "it is no Cluster: write redis:// instead of redis+cluster://".to_owned(),
        ),
    ];
    remedies.into_iter().find(|(words, _)| said.contains(words)).map(|(_, remedy)| remedy)
}

/// What else may be behind a refused login: a Sentinel has users of its own, and is asked without any.
fn login_remedy(said: &str, place: &Place) -> Option<String> {
    match place {
        Place::Server(_) => Some("if it is a Sentinel, write redis+sentinel://host/name".to_owned()),
        Place::Sentinel(..) if said.contains("NOAUTH") => Some(
            "Sentinels are asked without a password: if it is no Sentinel, write redis://host; if it is one, let it \
             ask for none"
                .to_owned(),
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::script::ALL;

    /// What is sent besides scripts, from the files of this room.
    const SENT: [&str; 10] =
        ["eval", "evalsha", "get", "set", "hget", "hset", "hgetall", "hscan", "info", "del"];

    #[test]
    fn the_table_holds_what_scripts_call_and_no_more() {
        let mut called: BTreeSet<String> = SENT.iter().map(|&name| name.to_owned()).collect();
        for script in ALL {
            let calls = script.text.split("redis.call('").skip(1);
            called.extend(calls.filter_map(|rest| Some(rest.split_once('\'')?.0.to_lowercase())));
        }
        let table = NEEDS.iter().filter(|need| need.sent == Sent::Always).map(|need| need.rule.to_owned());
        assert_eq!(table.collect::<BTreeSet<_>>(), called);
    }

    #[test]
    fn a_version_is_compared_by_its_numbers() {
        for (info, weight) in [
            ("redis_version:6.0.16", Weight::Wrong),
            ("redis_version:6.2.0", Weight::Fine),
            ("redis_version:7.2.4\r\nvalkey_version:8.1.1", Weight::Fine),
            ("redis_version:10.0.0", Weight::Fine),
            ("", Weight::Warning),
        ] {
            let mut findings = Findings::default();
            findings.version(&Info(info));
            assert_eq!(findings.0[0].weight, weight, "{info}");
        }
    }

    #[test]
    fn clocks_far_apart_are_told_in_seconds() {
        let mut findings = Findings::default();
        findings.skew(-2_500);
        findings.skew(40);
        let texts: Vec<_> = findings.0.iter().map(|found| (found.weight, &found.text[..])).collect();
        assert!(texts[0].1.starts_with("its clock is 2.500 s behind ours; "), "{texts:?}");
        assert_eq!(texts[1], (Weight::Fine, "its clock is 0.040 s ahead of ours"));
    }
}
