//! The client: 64 connections that stay open, one request in flight on each.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::net::TcpStream;

/// Connections, as in the budget.
const CONNECTIONS: u32 = 64;
/// A clock tick of /proc/PID/stat, in microseconds.
const TICK_MICROS: f64 = 10_000.0;

/// What one turn showed.
pub(crate) struct Turn {
    /// Processor time of the server.
    pub(crate) cpu_ticks: u32,
    lasted: Duration,
    /// In nanoseconds, sorted.
    latencies: Vec<u32>,
}

impl Turn {
    fn requests(&self) -> f64 {
        f64::from(u32::try_from(self.latencies.len()).unwrap_or(u32::MAX))
    }

    pub(crate) fn cpu_micros(&self) -> f64 {
        f64::from(self.cpu_ticks) * TICK_MICROS / self.requests()
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.requests() / self.lasted.as_secs_f64()
    }

    /// In microseconds.
    pub(crate) fn percentile(&self, part: f64) -> f64 {
        let per_mille = [(0.5, 500), (0.99, 990)].into_iter().find(|(known, _)| *known >= part);
        let place = self.latencies.len() * per_mille.map_or(999, |(_, per_mille)| per_mille) / 1_000;
        self.latencies.get(place).map_or(f64::NAN, |nanos| f64::from(*nanos) / 1_000.0)
    }
}

/// The connections to one server.
pub(crate) struct Client {
    requests: Arc<Vec<Vec<u8>>>,
    connections: Vec<Connection>,
    /// Requests answered so far.
    pub(crate) answered: usize,
}

struct Connection {
    stream: TcpStream,
    /// The next request.
    next: usize,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr, requests: Arc<Vec<Vec<u8>>>) -> Result<Client> {
        let mut connections = Vec::new();
        for n in 0..CONNECTIONS {
            let stream = TcpStream::connect(address).await.context("connect")?;
            stream.set_nodelay(true)?;
            let next = requests.len() * usize::try_from(n)? / usize::try_from(CONNECTIONS)?;
            connections.push(Connection { stream, next, buffer: vec![0; 16 << 10] });
        }
        Ok(Client { requests, connections, answered: 0 })
    }

    /// Sends for as long as a turn lasts: as fast as answers come, or `rate` requests a second.
    pub(crate) async fn turn(&mut self, length: Duration, rate: Option<f64>) -> Result<Turn> {
        let began = Instant::now();
        let gap = rate.map(|rate| Duration::from_secs_f64(f64::from(CONNECTIONS) / rate));
        let mut tasks = Vec::new();
        for (n, mut connection) in (0..CONNECTIONS).zip(self.connections.drain(..)) {
            let requests = Arc::clone(&self.requests);
            let first = began + gap.unwrap_or_default() * n / CONNECTIONS;
            tasks.push(tokio::spawn(async move {
                let latencies = connection.send(&requests, first, gap, began + length).await;
                latencies.map(|latencies| (connection, latencies))
            }));
        }
        let mut latencies = Vec::new();
        for task in tasks {
            let (connection, its) = task.await??;
            self.connections.push(connection);
            latencies.extend(its);
        }
        let lasted = began.elapsed();
        self.answered += latencies.len();
        latencies.sort_unstable();
        Ok(Turn { cpu_ticks: 0, lasted, latencies })
    }
}

impl Connection {
    async fn send(
        &mut self,
        requests: &[Vec<u8>],
        first: Instant,
        gap: Option<Duration>,
        end: Instant,
    ) -> Result<Vec<u32>> {
        let (mut latencies, mut due) = (Vec::new(), first);
        loop {
            // Timers are too coarse for this; the client has a core for itself.
            while Instant::now() < due {
                tokio::task::yield_now().await;
            }
            let began = if gap.is_some() { due } else { Instant::now() };
            if Instant::now() >= end || due >= end {
                return Ok(latencies);
            }
            self.ask(&requests[self.next]).await?;
            self.next = (self.next + 1) % requests.len();
            latencies.push(u32::try_from(began.elapsed().as_nanos()).unwrap_or(u32::MAX));
            due += gap.unwrap_or_default();
        }
    }

    async fn ask(&mut self, request: &[u8]) -> Result<()> {
        let mut sent = 0;
        while sent < request.len() {
            match self.stream.try_write(&request[sent..]) {
                Ok(bytes) => sent += bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.stream.writable().await?,
                Err(error) => return Err(error.into()),
            }
        }
        let mut filled = 0;
        loop {
            self.stream.readable().await?;
            match self.stream.try_read(&mut self.buffer[filled..]) {
                Ok(0) => bail!("the server closed a connection"),
                Ok(bytes) => filled += bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error.into()),
            }
            if is_whole(&self.buffer[..filled])? {
                return Ok(());
            }
        }
    }
}

/// Whether head and body of an answer are there.
fn is_whole(answer: &[u8]) -> Result<bool> {
    let find = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|window| window == what);
    let Some(head) = find(answer, b"\r\n\r\n") else { return Ok(false) };
    if !answer.starts_with(b"HTTP/1.1 20") {
        bail!("{}", String::from_utf8_lossy(answer));
    }
    let Some(length) = find(&answer[..head], b"content-length: ") else { return Ok(true) };
    let digits = answer[length + 16..].iter().take_while(|byte| byte.is_ascii_digit());
    let body = digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
    Ok(answer.len() >= head + 4 + body)
}
