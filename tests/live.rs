//! `/live/{site}` over real sockets: what is sent, when, and what ends it.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::client::noon;
use crate::support::{Daemon, FIREFOX, PATIENCE, exchange, wait_for};

/// Long before anything else would bring it about: a heartbeat comes after 15 seconds, the end of a drain after 30.
const AT_ONCE: Duration = Duration::from_secs(10);

fn configuration(more: &str) -> String {
    format!("{more}\n[[site]]\nid = \"demo\"\nlanguage = \"vi\"\ntime_zone = \"{}\"\n", noon())
}

/// A line of the metrics page, as it stands there.
fn metric(daemon: &Daemon, name: &str) -> String {
    daemon.metric(name).to_string()
}

/// How many streams are open.
fn streams(daemon: &Daemon) -> String {
    metric(daemon, "headcount_live_streams")
}

/// A reader of one stream.
struct Reader {
    stream: BufReader<TcpStream>,
    line: Vec<u8>,
    head: String,
}

/// What stands between two empty lines.
#[derive(Debug, Default, PartialEq, Eq)]
struct Block {
    id: String,
    event: String,
    data: String,
    retry: String,
    comments: usize,
}

impl Block {
    fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

impl Reader {
    /// Opens a stream with these headers too; the head of its reply has come.
    fn open(daemon: &Daemon, path: &str, headers: &str) -> Reader {
        let mut stream = TcpStream::connect(daemon.public()).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nUser-Agent: {FIREFOX}\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut reader = Reader { stream: BufReader::new(stream), line: Vec::new(), head: String::new() };
        loop {
            reader.stream.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
            let mut line = String::new();
            reader.stream.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                return reader;
            }
            reader.head.push_str(&line.to_lowercase());
        }
    }

    /// The next block that comes within this time; `None` when none does.
    fn block(&mut self, within: Duration) -> Option<Block> {
        let until = Instant::now() + within;
        let mut block = Block::default();
        loop {
            let left = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
            self.stream.get_ref().set_read_timeout(Some(left)).unwrap();
            match self.stream.read_until(b'\n', &mut self.line) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return None;
                }
                Err(error) => panic!("{error}"),
            }
            let line = String::from_utf8(std::mem::take(&mut self.line)).unwrap();
            // Lines of chunks end with a return, those of events do not.
            if line.ends_with("\r\n") {
                continue;
            }
            match line.trim_end().split_once(':') {
                None => return Some(block),
                Some(("", _)) => block.comments += 1,
                Some(("id", value)) => value.trim().clone_into(&mut block.id),
                Some(("event", value)) => value.trim().clone_into(&mut block.event),
                Some(("data", value)) => value.trim().clone_into(&mut block.data),
                Some(("retry", value)) => value.trim().clone_into(&mut block.retry),
                other => panic!("{other:?}"),
            }
        }
    }

    /// The first event, behind the hint.
    fn first(&mut self) -> Block {
        assert_eq!(self.block(PATIENCE).unwrap().retry, "5000");
        let block = self.block(PATIENCE).unwrap();
        assert_eq!(block.event, "numbers");
        block
    }

    /// Events up to the first that is as it shall be.
    fn until(&mut self, is_it: impl Fn(&Value) -> bool) -> Block {
        loop {
            let block = self.block(PATIENCE).expect("an event");
            if block.comments == 0 && is_it(&block.json()) {
                return block;
            }
        }
    }

    /// Whether the other side has ended the reply in order: the last chunk, or the end of the connection.
    fn has_ended(mut self) -> bool {
        self.stream.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).is_ok() && rest.ends_with(b"0\r\n\r\n")
    }
}

fn timeless(mut numbers: Value) -> Value {
    numbers.as_object_mut().unwrap().remove("at");
    numbers
}

#[test]
fn the_first_event_comes_at_once_and_is_the_snippet() {
    let daemon = Daemon::start(&configuration(""));
    daemon.get("/hit?s=demo&u=/tin-tuc/", &[]);
    // The visitors of today are as old as the last fold.
    wait_for(|| (daemon.numbers("demo")["today"]["visitors"] == 1).then_some(()));
    for options in ["", "?page=/tin-tuc/", "?page=http://x.vn/tin-tuc&lang=en", "?lang=en&rows=nonsense"] {
        let began = Instant::now();
        let mut reader = Reader::open(&daemon, &format!("/live/demo{options}"), "");
        let event = reader.first();
        assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
        let snippet = format!("/snippet/demo.json{}", options.replace("&rows=nonsense", ""));
        assert_eq!(timeless(event.json()), timeless(daemon.get(&snippet, &[]).json()), "{options}");
        for header in [
            "http/1.1 200",
            "content-type: text/event-stream\r\n",
            "cache-control: no-store",
            "x-accel-buffering: no",
            "access-control-allow-origin: *",
        ] {
            assert!(reader.head.contains(header), "{header} is not in {}", reader.head);
        }
    }
    wait_for(|| (daemon.metric("headcount_map_entries{map=\"live_variants\"}") == 0.0).then_some(()));
}

#[test]
fn a_beacon_is_seen_within_a_second_and_nothing_is_sent_without_a_change() {
    // Timeouts of idle connections and slow heads do not concern a stream.
    let daemon = Daemon::start(&configuration("idle_timeout = \"500ms\"\nheader_read_timeout = \"500ms\"\n"));
    let mut reader = Reader::open(&daemon, "/live/demo", "");
    assert_eq!(reader.first().json()["online"], 0);
    let sent = Instant::now();
    daemon.get("/hit?s=demo&u=/", &[]);
    let event = reader.until(|numbers| numbers["online"] == 1);
    assert!(sent.elapsed() < AT_ONCE, "after {:?}", sent.elapsed());
    assert_eq!(event.json()["text"]["total"], "1");
    if event.json()["peak_online"].is_null() || event.json()["today"]["visitors"] == 0 {
        reader.until(|numbers| !numbers["peak_online"].is_null() && numbers["today"]["visitors"] == 1);
    }
    let quiet = Instant::now();
    let heartbeat = reader.block(Duration::from_secs(25)).expect("a heartbeat");
    assert_eq!(heartbeat, Block { comments: 1, ..Block::default() });
    assert!(quiet.elapsed() > Duration::from_secs(13), "after {:?}", quiet.elapsed());
    // And it is still there.
    daemon.get("/hit?s=demo&u=/", &[]);
    reader.until(|numbers| numbers["total"]["views"] == 2);
}

#[test]
fn events_are_a_second_apart_however_much_happens() {
    let daemon = Daemon::start(&configuration("[limits]\nviews_per_network_per_second = 0\n"));
    let mut reader = Reader::open(&daemon, "/live/demo", "");
    let began = Instant::now();
    reader.first();
    let mut events = 0;
    while began.elapsed() < Duration::from_secs(4) {
        daemon.get("/hit?s=demo&u=/", &[]);
        events += u64::from(reader.block(Duration::from_millis(50)).is_some());
    }
    let seconds = began.elapsed().as_secs();
    assert!((1..=seconds).contains(&events), "{events} events in {seconds} seconds");
}

#[test]
fn who_comes_back_is_not_told_what_it_knows_even_after_a_restart() {
    let mut daemon = Daemon::start(&configuration(""));
    daemon.get("/hit?s=demo&u=/", &[]);
    wait_for(|| (daemon.numbers("demo")["today"]["visitors"] == 1).then_some(()));
    wait_for(|| (!daemon.numbers("demo")["peak_online"].is_null()).then_some(()));
    let id = Reader::open(&daemon, "/live/demo", "").first().id;
    let known = |daemon: &Daemon, id: &str| {
        let mut reader = Reader::open(daemon, "/live/demo", &format!("Last-Event-ID: {id}\r\n"));
        assert_eq!(reader.block(PATIENCE).unwrap().retry, "5000");
        let next = reader.block(PATIENCE).unwrap();
        (next.comments == 1 && next.data.is_empty()).then(|| reader.block(Duration::from_millis(2_500)))
    };
    assert_eq!(known(&daemon, &id), Some(None));
    assert_eq!(known(&daemon, "000000000001"), None);
    assert_eq!(known(&daemon, "nonsense"), None);
    let (code, log) = daemon.stop();
    assert_eq!(code, 0, "{log}");
    daemon.restart();
    assert_eq!(known(&daemon, &id), Some(None));
}

#[test]
fn streams_are_bounded_and_a_hang_up_makes_room_at_once() {
    let limits = "[limits]\nlive_streams = 3\nlive_streams_per_network = 2\n";
    let daemon = Daemon::start(&configuration(limits));
    let open = |client: &str| {
        let mut reader = Reader::open(&daemon, "/live/demo", &format!("X-Forwarded-For: {client}\r\n"));
        reader.head.starts_with("http/1.1 200").then(|| reader.first());
        reader
    };
    let mut readers = vec![open("203.0.113.1"), open("203.0.113.1")];
    let refused = open("203.0.113.1");
    assert!(refused.head.starts_with("http/1.1 503"), "{}", refused.head);
    assert!(refused.head.contains("retry-after: 30"), "{}", refused.head);
    readers.push(open("203.0.113.2"));
    let path =
        "GET /live/demo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Forwarded-For: 203.0.113.3\r\n\r\n";
    let reply = exchange(daemon.public(), path.as_bytes());
    assert_eq!(reply.status, 503);
    assert!(
        reply.text().contains("all live streams are taken; the numbers are at /snippet"),
        "{}",
        reply.text()
    );
    assert!(reply.text().contains("come back in 30 seconds"), "{}", reply.text());
    assert_eq!(streams(&daemon), "3");
    assert_eq!(metric(&daemon, "headcount_live_streams_refused_total"), "2");
    let hung_up = Instant::now();
    readers.remove(0);
    wait_for(|| (streams(&daemon) == "2").then_some(()));
    assert!(hung_up.elapsed() < AT_ONCE, "after {:?}", hung_up.elapsed());
    assert!(open("203.0.113.1").head.starts_with("http/1.1 200"));
    drop(readers);
    wait_for(|| (streams(&daemon) == "0").then_some(()));
    assert_eq!(metric(&daemon, "headcount_map_entries{map=\"live_variants\"}"), "0");
    // Nobody but readers of streams is refused anything.
    assert_eq!(daemon.get("/snippet/demo.json", &[]).status, 200);
}

#[test]
fn a_stop_ends_streams_at_once_and_in_order() {
    let mut daemon = Daemon::start(&configuration("drain_timeout = \"30s\"\n"));
    let mut readers: Vec<Reader> = (0..20).map(|_| Reader::open(&daemon, "/live/demo", "")).collect();
    for reader in &mut readers {
        reader.first();
    }
    let began = Instant::now();
    let (code, log) = daemon.stop();
    assert_eq!(code, 0, "{log}");
    assert!(began.elapsed() < AT_ONCE, "after {:?}: {log}", began.elapsed());
    assert!(!log.contains("cut at the end of drain_timeout"), "{log}");
    assert!(readers.into_iter().all(Reader::has_ended));
}

#[test]
fn what_is_no_stream_is_refused_in_words() {
    let daemon = Daemon::start(&configuration(""));
    let ask = |request: &str| {
        let request = format!("{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        exchange(daemon.public(), request.as_bytes())
    };
    let unknown = ask("GET /live/nobody");
    assert_eq!(unknown.status, 404);
    assert!(unknown.text().starts_with("there is no site of this name"), "{}", unknown.text());
    let refused = ask("GET /live/demo?lang=tlh");
    assert_eq!(refused.status, 400);
    let said = refused.text();
    assert!(said.starts_with("this is no live stream: parameter \"lang\" is \"tlh\""), "{said}");
    assert_eq!(ask("GET /live/demo?page=nowhere").status, 400);
    assert_eq!(ask("POST /live/demo").status, 405);
    assert_eq!(ask("HEAD /live/nobody").status, 404);
    let head = ask("HEAD /live/demo");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.headers["content-type"], "text/event-stream");
    assert!(!head.headers.contains_key("content-length"), "{:?}", head.headers);
    assert_eq!(streams(&daemon), "0");
}

#[test]
fn a_stream_follows_the_configuration_and_ends_with_its_site() {
    let daemon = Daemon::start(&configuration(""));
    daemon.print("adjust", &["demo", "visits", "+1234", "--reason", "the old counter"]);
    let mut reader = Reader::open(&daemon, "/live/demo", "");
    assert_eq!(reader.first().json()["text"]["total"], "1,234");
    let dotted = format!("{}digit_grouping = \".\"\n", configuration(""));
    std::fs::write(daemon.configuration(), dotted).unwrap();
    daemon.signal("HUP");
    reader.until(|numbers| numbers["text"]["total"] == "1.234");
    std::fs::write(daemon.configuration(), configuration("").replace("\"demo\"", "\"other\"")).unwrap();
    daemon.signal("HUP");
    assert!(reader.has_ended_soon());
    assert_eq!(daemon.get("/live/demo", &[]).status, 404);
}

impl Reader {
    /// Whether the reply ends while the connection may stay.
    fn has_ended_soon(mut self) -> bool {
        self.stream.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
        let mut line = String::new();
        loop {
            line.clear();
            match self.stream.read_line(&mut line) {
                Ok(0) | Err(_) => return false,
                Ok(_) if line == "0\r\n" => return true,
                Ok(_) => {}
            }
        }
    }
}
