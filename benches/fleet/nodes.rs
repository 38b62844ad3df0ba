//! Nodes of a fleet, and how old their numbers are.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// A daemon of its own.
pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    admin: SocketAddr,
    child: Child,
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may be gone already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Node {
    /// Starts a node; without a port it is a machine alone.
    pub(crate) fn start(directory: &Path, number: u32, redis: Option<u16>) -> Result<Node> {
        let free = || -> Result<SocketAddr> { Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?) };
        let (address, admin) = (free()?, free()?);
        let state = directory.join(format!("state-{number}"));
        let shared = redis.map_or(String::new(), |port| format!("redis://127.0.0.1:{port}"));
        let text = format!(
            "listen = [\"{address}\"]\nadmin_listen = [\"{admin}\"]\nstate_directory = \"{}\"\nshared_store = \"{shared}\"\nworkers = 1\n\
             [limits]\nviews_per_network_per_second = 0\nnew_visitors_per_network_per_hour = 0\n\
             [[site]]\nid = \"vks\"\ntime_zone = \"UTC\"\n[[site]]\nid = \"probe\"\ntime_zone = \"UTC\"\n",
            state.display()
        );
        let file = directory.join(format!("node-{number}.toml"));
        fs::write(&file, text)?;
        let program = std::env::var_os("HEADCOUNT").unwrap_or_else(|| env!("CARGO_BIN_EXE_headcount").into());
        let mut child = Command::new(program)
            .args(["serve", "--config"])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut log = BufReader::new(child.stderr.take().context("stderr")?);
        let mut line = String::new();
        while !line.contains("serving") {
            line.clear();
            if log.read_line(&mut line)? == 0 {
                bail!("the node did not start");
            }
        }
        std::thread::spawn(move || log.read_to_end(&mut Vec::new()));
        Ok(Node { address, admin, child })
    }

    /// Waits until the secrets of the day are shared.
    pub(crate) fn wait_until_it_counts(&self) -> Result<()> {
        let until = Instant::now() + Duration::from_secs(30);
        while !ask(self.address, &beacon("view", "vks", 0))?.contains("\"counted\":true") {
            if Instant::now() > until {
                bail!("a node does not count");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    fn page(&self) -> Result<String> {
        ask(self.admin, b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    }

    pub(crate) fn metric(&self, name: &str) -> Result<f64> {
        let page = self.page()?;
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(line.with_context(|| name.to_owned())?.trim().parse()?)
    }

    /// The upper bounds of the buckets that hold the median and the 99th percentile.
    pub(crate) fn quantiles(&self, name: &str) -> Result<(String, String)> {
        let page = self.page()?;
        let buckets = page.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix("_bucket{le=\""));
        let buckets: Vec<(&str, f64)> = buckets
            .filter_map(|rest| rest.split_once("\"} "))
            .filter_map(|(le, n)| Some((le, n.parse().ok()?)))
            .collect();
        let all = buckets.last().with_context(|| name.to_owned())?.1;
        let bound = |part: f64| {
            let bucket = buckets.iter().find(|(_, n)| *n >= all * part);
            bucket.map_or_else(String::new, |(le, _)| (*le).to_owned())
        };
        Ok((bound(0.5), bound(0.99)))
    }
}

/// Views a quiet site on one node and asks another until it shows there; again and again.
pub(crate) fn ages(first: SocketAddr, last: SocketAddr, length: Duration) -> Result<Vec<Duration>> {
    let until = Instant::now() + length;
    let mut ages = Vec::new();
    let mut visitor = 1;
    let mut known = views(last)?;
    while Instant::now() < until {
        if !ask(first, &beacon("view", "probe", visitor))?.contains("\"counted\":true") {
            bail!("a probe was not counted");
        }
        let sent = Instant::now();
        visitor += 1;
        known += 1;
        while views(last)? < known {
            if sent.elapsed() > Duration::from_secs(30) {
                bail!("a number does not arrive");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        ages.push(sent.elapsed());
        // Not in step with anybody's interval.
        std::thread::sleep(Duration::from_millis(u64::from(visitor * 37 % 211)));
    }
    Ok(ages)
}

/// Asked by a ping of somebody who looks on: a snippet is rendered once a second, a beacon's reply at once.
fn views(address: SocketAddr) -> Result<u64> {
    let answer = ask(address, &beacon("ping", "probe", 0))?;
    let rest = answer.split_once("\"total\":{\"views\":").context("a total")?.1;
    Ok(rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse()?)
}

fn beacon(kind: &str, site: &str, visitor: u32) -> Vec<u8> {
    let [_, a, b, c] = visitor.to_be_bytes();
    format!(
        "GET /hit?s={site}&k={kind}&u=/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Forwarded-For: 11.{a}.{b}.{c}\r\nUser-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0\r\n\r\n"
    )
    .into_bytes()
}

fn ask(address: SocketAddr, request: &[u8]) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(request)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
