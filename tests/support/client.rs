//! A client that keeps its connection, and sums over the metrics page.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::{Daemon, FIREFOX, PATIENCE, Reply, parse};

/// A connection that stays open: requests go out, replies come back in their order.
pub struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Wire {
    /// Connects.
    pub fn open(address: SocketAddr) -> Wire {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Wire { stream, buffer: Vec::new() }
    }

    /// Sends bytes as they are; `false` when the other side is gone.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Says that nothing more will be sent; replies can still be read.
    pub fn half_close(&self) {
        self.stream.shutdown(std::net::Shutdown::Write).unwrap();
    }

    /// The next reply; `None` when the connection ended before it was whole.
    pub fn reply(&mut self) -> Option<Reply> {
        loop {
            if let Some(reply) = self.whole() {
                return Some(reply);
            }
            let mut more = [0; 16 << 10];
            let read = self.stream.read(&mut more).ok().filter(|bytes| *bytes > 0)?;
            self.buffer.extend_from_slice(&more[..read]);
        }
    }

    /// Sends one request and waits for its reply.
    pub fn ask(&mut self, request: &[u8]) -> Option<Reply> {
        if self.send(request) { self.reply() } else { None }
    }

    /// Whether the other side has said that it sends no more, and was not merely gone.
    pub fn has_ended(&mut self) -> bool {
        self.stream.read(&mut [0]).is_ok_and(|bytes| bytes == 0)
    }

    fn whole(&mut self) -> Option<Reply> {
        let head = self.buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let length: usize = parse(&self.buffer[..head]).headers.get("content-length")?.parse().unwrap();
        if self.buffer.len() < head + length {
            return None;
        }
        let rest = self.buffer.split_off(head + length);
        let bytes = std::mem::replace(&mut self.buffer, rest);
        Some(parse(&bytes))
    }
}

/// The bytes of a GET on a connection that stays open, as a browser behind a proxy sends it.
pub fn request(path: &str, client: &str, agent: &str) -> Vec<u8> {
    let lines = format!("Host: counter.test\r\nUser-Agent: {agent}\r\nX-Forwarded-For: {client}\r\n");
    format!("GET {path} HTTP/1.1\r\n{lines}\r\n").into_bytes()
}

/// The same from an ordinary browser.
pub fn browser(path: &str, client: &str) -> Vec<u8> {
    request(path, client, FIREFOX)
}

/// Whether a reply says that its beacon was counted.
pub fn counted(reply: &Reply) -> bool {
    reply.status == 200 && reply.json()["counted"] == true
}

/// What the metrics page says of one kind of beacon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sums {
    /// Understood.
    pub parsed: u64,
    /// Counted.
    pub counted: u64,
    /// Not counted, for whatever reason.
    pub refused: u64,
    /// Not written.
    pub failed: u64,
}

/// The sums of a kind; whoever looks also checks that they add up.
pub fn sums(daemon: &Daemon, kind: &str) -> Sums {
    let page = daemon.admin_get("/metrics").text();
    let sum = |name: &str, needles: &[&str]| -> u64 {
        let lines = page.lines().filter(|line| line.starts_with(name));
        let chosen = lines.filter(|line| needles.iter().all(|needle| line.contains(needle)));
        chosen.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    };
    let kind_label = format!("kind=\"{kind}\"");
    let outcome =
        |outcome: &str| sum("headcount_beacons_total{", &[&kind_label, &format!("outcome=\"{outcome}\"")]);
    let sums = Sums {
        parsed: sum("headcount_beacons_parsed_total{", &[&kind_label]),
        counted: outcome("counted"),
        refused: outcome("refused"),
        failed: outcome("failed"),
    };
    assert_eq!(sums.parsed, sums.counted + sums.refused + sums.failed, "{kind}: {sums:?}");
    sums
}

/// Waits until the log says something, and gives the whole log.
pub fn logged(daemon: &Daemon, words: &str) -> String {
    let began = Instant::now();
    loop {
        let log = daemon.log();
        if log.contains(words) {
            return log;
        }
        assert!(began.elapsed() < PATIENCE, "nobody wrote {words:?}:\n{log}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Chance that can be repeated.
pub struct Dice(pub u64);

impl Dice {
    /// Chance from `HEADCOUNT_SEED`, or from the clock; printed, so that a failure can be repeated.
    pub fn seeded(test: &str) -> Dice {
        let given = std::env::var("HEADCOUNT_SEED").ok().and_then(|seed| seed.parse().ok());
        let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let seed = given.unwrap_or_else(|| u64::from(now().subsec_nanos()));
        eprintln!("repeat with HEADCOUNT_SEED={seed} cargo test --test all {test}");
        Dice(seed)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// A time zone in which it is about noon, so that no test meets a midnight.
pub fn noon() -> String {
    // Once: two calls with a full hour between them would name two zones.
    static ZONE: OnceLock<String> = OnceLock::new();
    let zone = ZONE.get_or_init(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let hour = i64::try_from(now.as_secs() / 3_600 % 24).unwrap();
        format!("Etc/GMT{:+}", hour - 12)
    });
    zone.clone()
}
