//! What does sharing one count through Redis cost, and how old is the number on another node?
//!
//! A real redis-server and one or three real nodes on this machine take 10,000 views a second with
//! 1,000 new visitors a second, who meet every node. Redis says itself what it did: commands (those
//! inside scripts are counted too), bytes, processor time, memory. A second, quiet site is viewed on the
//! first node and asked for on the last: how long until its number shows there.
//!
//! Worrying: more than 12 µs of Redis a touch, 200 B a visitor, 0.3 commands a view, or an age of more
//! than 1.5 s at p99.
//!
//! `cargo bench --bench fleet -- --seconds 20 --rate 10000`
#![expect(clippy::print_stdout, reason = "a bench speaks to a terminal")]

#[path = "door/client.rs"]
#[expect(dead_code, reason = "processor time is asked of Redis here, not of one server")]
mod client;
#[path = "fleet/nodes.rs"]
mod nodes;
#[path = "fleet/redis.rs"]
mod redis;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};

use client::Client;
use nodes::Node;
use redis::{Redis, Spent};

/// Views of a visitor, spread over the nodes.
const VIEWS_PER_VISITOR: u32 = 10;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let after = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        arguments.get(place + 1).map(String::as_str)
    };
    let seconds = after("--seconds").map_or(Ok(20.0), str::parse).context("--seconds")?;
    let rate = after("--rate").map_or(Ok(10_000.0), str::parse).context("--rate")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let length = Duration::from_secs_f64(seconds);
        println!("{rate} views a second for {seconds} s, a new visitor every {VIEWS_PER_VISITOR} views");
        alone(length, rate).await?;
        for count in [1, 3] {
            together(count, length, rate).await?;
        }
        Ok(())
    })
}

/// The same load on a node without a fleet.
async fn alone(length: Duration, rate: f64) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let node = Node::start(directory.path(), 0, None)?;
    let mut client = Client::connect(node.address, requests(0, 1)).await?;
    let turn = client.turn(length, Some(rate)).await?;
    println!(
        "\nalone: beacon p50 {:.0} us, p99 {:.0} us; {:.0} views a second",
        turn.percentile(0.5),
        turn.percentile(0.99),
        turn.per_second()
    );
    Ok(())
}

async fn together(count: u32, length: Duration, rate: f64) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let redis = Redis::start(directory.path())?;
    let nodes: Vec<Node> =
        (0..count).map(|n| Node::start(directory.path(), n, Some(redis.port))).collect::<Result<_>>()?;
    for node in &nodes {
        node.wait_until_it_counts()?;
    }
    let before = redis.spent()?;
    let (first, last) = (nodes[0].address, nodes[nodes.len() - 1].address);
    let ages = std::thread::spawn(move || nodes::ages(first, last, length));
    let mut running = Vec::new();
    for (n, node) in (0..count).zip(&nodes) {
        let (address, requests) = (node.address, requests(n, count));
        running.push(tokio::spawn(async move {
            let mut client = Client::connect(address, requests).await?;
            client.turn(length, Some(rate / f64::from(count))).await
        }));
    }
    let mut turns = Vec::new();
    for turn in running {
        turns.push(turn.await??);
    }
    let mut ages = ages.join().ok().context("the prober panicked")??;
    ages.sort_unstable();
    let spent = redis.spent()?.since(&before);
    let views: f64 = turns.iter().map(client::Turn::per_second).sum::<f64>() * length.as_secs_f64();
    show(count, &spent, views, &nodes, &redis)?;
    let worst = |part| turns.iter().map(|turn| turn.percentile(part)).fold(0.0, f64::max);
    println!("  beacon p50 {:.0} us, p99 {:.0} us (the slowest node)", worst(0.5), worst(0.99));
    let age = |per_mille: usize| ages.get(ages.len() * per_mille / 1_000).copied().unwrap_or_default();
    println!("  age on another node p50 {:?}, p99 {:?} ({} probes)", age(500), age(990), ages.len());
    Ok(())
}

fn show(count: u32, spent: &Spent, views: f64, nodes: &[Node], redis: &Redis) -> Result<()> {
    let touches: f64 =
        nodes.iter().map(|node| node.metric("headcount_fleet_touches_sent_total")).sum::<Result<f64>>()?;
    println!("\n{count} node(s): {views:.0} views, {touches:.0} touches");
    println!("  {:.3} commands a view, {:.0} bytes a view", spent.commands / views, spent.bytes / views);
    println!("  Redis processor time {:.2} ms per 1,000 views", spent.cpu_seconds * 1e6 / views);
    let scripts = redis.scripts()?;
    let held: f64 = scripts.iter().map(|(_, _, seconds)| seconds).sum();
    for (name, runs, seconds) in scripts {
        let each = seconds * 1e6 / f64::from(runs);
        // Others on the machine make each call longer, and none more than another.
        let of_touch = spent.cpu_seconds * seconds / held * 1e6 / touches;
        println!("  {name}: {runs} calls of {each:.0} us, {of_touch:.1} us of processor time a touch");
    }
    let (visitors, bytes) = redis.presence()?;
    println!("  {:.0} B a visitor in the visit window ({visitors:.0} of them)", bytes / visitors);
    let (rows, bytes) = redis.rows()?;
    println!("  {:.0} B a row of the footer's, with {count} node(s) ({rows:.0} of them)", bytes / rows);
    for (n, node) in nodes.iter().enumerate() {
        let (p50, p99) = node.quantiles("headcount_fold_duration_seconds")?;
        println!("  node {n}: fold with its touches p50 below {p50} s, p99 below {p99} s");
    }
    Ok(())
}

/// Views of ever new visitors, who meet every node.
fn requests(node: u32, nodes: u32) -> Arc<Vec<Vec<u8>>> {
    let request = |n: u32| {
        let visitor = n * nodes / VIEWS_PER_VISITOR;
        let body = format!("s=vks&k=view&w=1920&u=%2Ftin-tuc%2F{}&r=", (n + node) % 500);
        let head = "POST /hit HTTP/1.1\r\nHost: www.example.vn\r\nContent-Type: text/plain;charset=UTF-8\r\nUser-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0\r\nAccept-Language: vi-VN,vi;q=0.9\r\n";
        let [_, a, b, c] = visitor.to_be_bytes();
        format!("{head}X-Forwarded-For: 10.{a}.{b}.{c}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            .into_bytes()
    };
    Arc::new((0..400_000).map(request).collect())
}
