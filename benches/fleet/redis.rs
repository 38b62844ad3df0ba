//! A redis-server of our own, and what it says about itself.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The scripts that nodes run on the way of a hit.
const SCRIPTS: [(&str, &str); 3] = [
    ("touch", include_str!("../../src/fleet/scripts/touch.lua")),
    ("merge", include_str!("../../src/fleet/scripts/merge.lua")),
    ("sketch", include_str!("../../src/fleet/scripts/sketch.lua")),
];

/// A call in Redis's own log: number, moment, microseconds, words, who, and by what name.
type SlowCall = (u64, u64, f64, Vec<Vec<u8>>, String, String);

/// A server that keeps nothing on disk, and writes down how long each call took.
pub(crate) struct Redis {
    pub(crate) port: u16,
    child: Child,
}

/// What it did since it began.
pub(crate) struct Spent {
    pub(crate) commands: f64,
    pub(crate) bytes: f64,
    pub(crate) cpu_seconds: f64,
}

impl Spent {
    pub(crate) fn since(&self, before: &Spent) -> Spent {
        Spent {
            commands: self.commands - before.commands,
            bytes: self.bytes - before.bytes,
            cpu_seconds: self.cpu_seconds - before.cpu_seconds,
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may be gone already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Redis {
    pub(crate) fn start(directory: &Path) -> Result<Redis> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--slowlog-log-slower-than", "0", "--slowlog-max-len", "1000000"])
            .arg("--dir")
            .arg(directory)
            .stdout(Stdio::null())
            .spawn()
            .context("redis-server is needed")?;
        let redis = Redis { port, child };
        let until = Instant::now() + Duration::from_secs(10);
        while redis.ask(&["PING"]).map_or(true, |answer| answer.trim() != "PONG") {
            if Instant::now() > until {
                bail!("redis-server does not answer");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(redis)
    }

    fn ask(&self, words: &[&str]) -> Result<String> {
        let output = Command::new("redis-cli").args(["-p", &self.port.to_string()]).args(words).output()?;
        Ok(String::from_utf8(output.stdout)?)
    }

    pub(crate) fn spent(&self) -> Result<Spent> {
        let info = self.ask(&["INFO", "everything"])?;
        let number = |name: &str| -> Result<f64> {
            let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            Ok(line.with_context(|| name.to_owned())?.trim().parse()?)
        };
        Ok(Spent {
            commands: number("total_commands_processed")?,
            bytes: number("total_net_input_bytes")? + number("total_net_output_bytes")?,
            cpu_seconds: number("used_cpu_sys")? + number("used_cpu_user")?,
        })
    }

    fn number(&self, words: &[&str]) -> Result<f64> {
        Ok(self.ask(words)?.trim().parse().unwrap_or(0.0))
    }

    fn bytes(&self, key: &str) -> Result<f64> {
        self.number(&["MEMORY", "USAGE", key, "SAMPLES", "0"])
    }

    /// How often each script ran, the busiest first, and how many seconds it held the server in all.
    pub(crate) fn scripts(&self) -> Result<Vec<(&'static str, u32, f64)>> {
        let mut connection = ::redis::Client::open(("127.0.0.1", self.port))?.get_connection()?;
        let log: Vec<SlowCall> = ::redis::cmd("SLOWLOG").arg("GET").arg(-1).query(&mut connection)?;
        let spent = |(name, text): (&'static str, &str)| {
            let script = ::redis::Script::new(text);
            let is_it =
                |words: &[Vec<u8>]| words.get(1).is_some_and(|word| word == script.get_hash().as_bytes());
            let runs = log.iter().filter(|entry| is_it(&entry.3));
            runs.fold((name, 0, 0.0), |(name, count, seconds), entry| {
                (name, count + 1, seconds + entry.2 / 1e6)
            })
        };
        let mut scripts: Vec<_> = SCRIPTS.into_iter().map(spent).collect();
        scripts.sort_by(|a, b| b.2.total_cmp(&a.2));
        Ok(scripts)
    }

    /// Visitors in the visit window, and the bytes of everything that knows them.
    pub(crate) fn presence(&self) -> Result<(f64, f64)> {
        let mut bytes = 0.0;
        for key in self.ask(&["KEYS", "headcount:1:{vks}:*"])?.lines() {
            let part = key.rsplit_once("}:").map_or("", |(_, part)| part);
            if ["here", "left", "idle"].contains(&part) || part.starts_with("open:") {
                bytes += self.bytes(key)?;
            }
        }
        Ok((self.number(&["ZCARD", "headcount:1:{vks}:here"])?, bytes))
    }

    /// Rows that a footer may show, and the bytes of their sums, of each node's values and of their changes.
    pub(crate) fn rows(&self) -> Result<(f64, f64)> {
        let mut bytes = 0.0;
        for key in self.ask(&["KEYS", "headcount:1:{vks}:*"])?.lines() {
            let part = key.rsplit_once("}:").map_or("", |(_, part)| part);
            let of_node = part.strip_prefix("own:").is_some_and(|node| !node.contains(':'));
            if ["sums", "changed"].contains(&part) || of_node {
                bytes += self.bytes(key)?;
            }
        }
        Ok((self.number(&["HLEN", "headcount:1:{vks}:sums"])?, bytes))
    }
}
