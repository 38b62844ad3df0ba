//! What does a counted view cost beside a server that does nothing but answer?
//!
//! The real headcount (one worker, journal on, limits off), a bare hyper server that sends the very
//! bytes that headcount sends, and nginx with `return 204` (access log on and off, where installed)
//! share one core; the client has the other. They are driven in turns with the same requests of 5,000
//! visitors on 500 pages over 64 connections that stay open, first as fast as they answer, then at
//! half of headcount's saturation, where latency counts from the moment a request was due. Processor
//! time is the whole process's, and headcount's includes the folds of its turn.
//!
//! Worrying: more than 1.40 × the processor time of the bare server.
//!
//! `cargo bench --bench door -- --turns 30 --seconds 1`
#![expect(clippy::print_stdout, reason = "a bench speaks to a terminal")]

#[path = "door/client.rs"]
mod client;
#[path = "door/requests.rs"]
mod requests;
#[path = "door/servers.rs"]
mod servers;

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use mimalloc::MiMalloc;

use client::{Client, Turn};
use servers::Server;

/// The same allocator as the daemon's, for the bare server that this program is too.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The core of whoever serves.
const SERVER_CORE: &str = "0";
/// The core of the client.
const CLIENT_CORE: &str = "1";

/// One figure of every turn of one server.
struct Series {
    name: &'static str,
    turns: Vec<Turn>,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(file) = after(&arguments, "--bare") {
        return servers::serve_bare(file.as_ref());
    }
    let turns = after(&arguments, "--turns").map_or(Ok(30), str::parse).context("--turns")?;
    let seconds = after(&arguments, "--seconds").map_or(Ok(1.0), str::parse).context("--seconds")?;
    let pinned = Command::new("taskset").args(["-pc", CLIENT_CORE, &std::process::id().to_string()]).output();
    pinned.context("taskset, of util-linux, is needed")?;
    let only: Option<Vec<&str>> = after(&arguments, "--only").map(|names| names.split(',').collect());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure(turns, Duration::from_secs_f64(seconds), only.as_deref()))
}

fn after<'a>(arguments: &'a [String], name: &str) -> Option<&'a str> {
    let place = arguments.iter().position(|argument| argument == name)?;
    arguments.get(place + 1).map(String::as_str)
}

async fn measure(turns: usize, length: Duration, only: Option<&[&str]>) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mut servers = servers::start_all(directory.path(), SERVER_CORE)?;
    servers.retain(|server| only.is_none_or(|only| only.contains(&server.name)));
    for server in &servers {
        println!(
            "{}: process {}, {} KiB resident before any request",
            server.name,
            server.pid,
            server.resident_kib()?
        );
    }
    let requests = requests::prebuilt();
    let mut clients = Vec::new();
    for server in &servers {
        let mut client = Client::connect(server.address, requests.clone()).await?;
        client.turn(Duration::from_millis(500), None).await?;
        clients.push(client);
    }
    println!("\nclosed loop, {turns} turns of {length:?}; first quartile, median, third quartile");
    let closed = in_turns(&servers, &mut clients, turns, length, None).await?;
    show(&closed);
    let saturation = quartiles(closed[0].turns.iter().map(Turn::per_second))[1];
    println!(
        "\nopen loop at {:.0} requests a second, half of what {} reached",
        saturation / 2.0,
        closed[0].name
    );
    let open = in_turns(&servers, &mut clients, turns, length, Some(saturation / 2.0)).await?;
    show(&open);
    for (server, client) in servers.iter().zip(&clients) {
        println!(
            "{}: {} requests, {} KiB resident at the end{}",
            server.name,
            client.answered,
            server.resident_kib()?,
            server.counted()?
        );
    }
    Ok(())
}

async fn in_turns(
    servers: &[Server],
    clients: &mut [Client],
    turns: usize,
    length: Duration,
    rate: Option<f64>,
) -> Result<Vec<Series>> {
    let mut all: Vec<Series> =
        servers.iter().map(|server| Series { name: server.name, turns: Vec::new() }).collect();
    for _ in 0..turns {
        for ((server, client), series) in servers.iter().zip(clients.iter_mut()).zip(&mut all) {
            let before = server.cpu_ticks()?;
            let mut turn = client.turn(length, rate).await?;
            // What was put off during the turn is this turn's cost, too.
            tokio::time::sleep(server.settles).await;
            turn.cpu_ticks = server.cpu_ticks()? - before;
            series.turns.push(turn);
        }
    }
    Ok(all)
}

fn show(all: &[Series]) {
    println!(
        "{:14} {:>22} {:>24} {:>20} {:>20} {:>23}",
        "", "CPU µs/request", "requests/s", "p50 µs", "p99 µs", "p99.9 µs"
    );
    for series in all {
        let [cpu, rate, p50, p99, p999] = [
            quartiles(series.turns.iter().map(Turn::cpu_micros)),
            quartiles(series.turns.iter().map(Turn::per_second)),
            quartiles(series.turns.iter().map(|turn| turn.percentile(0.5))),
            quartiles(series.turns.iter().map(|turn| turn.percentile(0.99))),
            quartiles(series.turns.iter().map(|turn| turn.percentile(0.999))),
        ];
        println!(
            "{:14} {:6.2} {:7.2} {:7.2} {:8.0} {:7.0} {:7.0} {:6.0} {:6.0} {:6.0} {:6.0} {:6.0} {:6.0} {:7.0} {:7.0} {:7.0}",
            series.name,
            cpu[0],
            cpu[1],
            cpu[2],
            rate[0],
            rate[1],
            rate[2],
            p50[0],
            p50[1],
            p50[2],
            p99[0],
            p99[1],
            p99[2],
            p999[0],
            p999[1],
            p999[2]
        );
    }
    let Some((first, others)) = all.split_first() else { return };
    for other in others {
        let pairs = || first.turns.iter().zip(&other.turns);
        let cpu = quartiles(pairs().map(|(ours, theirs)| ours.cpu_micros() / theirs.cpu_micros()));
        let tail = quartiles(pairs().map(|(ours, theirs)| ours.percentile(0.999) / theirs.percentile(0.999)));
        println!(
            "{} / {}: CPU {:.2} {:.2} {:.2}, p99.9 {:.2} {:.2} {:.2}",
            first.name, other.name, cpu[0], cpu[1], cpu[2], tail[0], tail[1], tail[2]
        );
    }
}

/// First quartile, median, third quartile.
fn quartiles(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values.get(values.len() * quarter / 4).copied().unwrap_or(f64::NAN))
}
