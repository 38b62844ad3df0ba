//! Beacons good and bad, over real sockets: counted, not counted for a reason, or refused in words,
//! and the metrics page agrees with every single answer.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use crate::support::client::{Sums, Wire, browser, counted, noon, request, sums};
use crate::support::{Daemon, FIREFOX, PATIENCE, Reply, exchange, get, wait_for};

/// What must come of a request.
#[derive(Clone, Copy, Debug)]
enum Due {
    Counted,
    NotCounted(&'static str),
    /// Status, and words that must be in the answer.
    Refused(u16, &'static str),
}

use Due::{Counted, NotCounted, Refused};

/// One request of the table.
#[derive(Clone, Debug)]
struct Case {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, &'static str)>,
    agent: &'static str,
    body: &'static [u8],
    due: Due,
}

fn hit(query: &str, due: Due) -> Case {
    let path = format!("/hit?{query}");
    Case { method: "GET", path, headers: Vec::new(), agent: FIREFOX, body: b"", due }
}

impl Case {
    fn with(mut self, name: &'static str, value: &'static str) -> Case {
        self.headers.push((name, value));
        self
    }

    fn from(self, agent: &'static str) -> Case {
        Case { agent, ..self }
    }

    fn post(self, body: &'static [u8]) -> Case {
        Case { method: "POST", body, ..self }
    }

    fn method(self, method: &'static str) -> Case {
        Case { method, ..self }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut lines = vec![format!("{} {} HTTP/1.1", self.method, self.path)];
        lines.extend(["Host: c", "Connection: close"].map(str::to_owned));
        lines.extend(self.headers.iter().map(|(name, value)| format!("{name}: {value}")));
        if !self.agent.is_empty() {
            lines.push(format!("User-Agent: {}", self.agent));
        }
        if !self.body.is_empty() {
            lines.push(format!("Content-Length: {}", self.body.len()));
        }
        [lines.join("\r\n").as_bytes(), b"\r\n\r\n", self.body].concat()
    }

    /// The kind, for what was understood.
    fn kind(&self) -> &'static str {
        let all = [self.path.as_bytes(), self.body].concat();
        let holds = |word: &[u8]| all.windows(word.len()).any(|at| at == word);
        if holds(b"k=ping") {
            "ping"
        } else if holds(b"k=leave") {
            "leave"
        } else {
            "view"
        }
    }
}

const GPTBOT: &str =
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.3; +https://openai.com/gptbot)";
const CLAUDEBOT: &str =
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)";
const GOOGLEBOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
const HEADLESS: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/140.0 Safari/537.36";
const CHROME: &str =
    "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36";

fn good() -> Vec<Case> {
    vec![
        hit("s=open", Counted),
        hit("s=open&u=/tin-tuc", Counted),
        hit("s=open&u=https%3A%2F%2Fwww.vks.vn%2Ftin&r=https%3A%2F%2Fgoogle.com%2F&w=390", Counted),
        hit("s=open&u=/x&later=1&s2=y", Counted),
        hit("s=open&k=ping&u=/x", Counted),
        hit("s=open&k=leave&d=1500&u=/x", Counted),
        hit("s=open&u=/ti%E1%BA%BFng", Counted).from(CHROME),
        hit("s=open", Counted).post(b"u=/text&k=view").with("Content-Type", "text/plain;charset=UTF-8"),
        hit("", Counted).post(b"s=open&u=/form").with("Content-Type", "application/x-www-form-urlencoded"),
        hit("s=open&k=ping", Counted).post(b"u=/form"),
        hit("s=own&u=https://www.vks.vn/a", Counted),
        hit("s=own&u=/a", Counted),
        hit("s=own&u=/a", Counted).with("Origin", "https://www.vks.vn"),
        hit("s=own&u=/a", Counted).with("Origin", "null").with("Referer", "https://www.vks.vn/a"),
        hit("s=own&u=/a", Counted).with("X-Forwarded-For", "203.0.113.7, 198.51.100.4"),
        hit("s=own&u=/a", Counted).with("Forwarded", "for=203.0.113.7"),
        hit("s=quiet&u=/a", Counted),
    ]
}

fn not_counted() -> Vec<Case> {
    let mut cases: Vec<Case> =
        [GPTBOT, CLAUDEBOT, GOOGLEBOT, HEADLESS, "curl/8.5.0", "python-requests/2.32", "-", ""]
            .into_iter()
            .map(|agent| hit("s=open&u=/robot", NotCounted("robot")).from(agent))
            .collect();
    cases.extend([
        hit("s=open&k=ping", NotCounted("robot")).from(GPTBOT),
        hit("s=open&k=leave&d=0", NotCounted("robot")).from(GPTBOT),
        hit("s=open&u=/p", NotCounted("prefetch")).with("Sec-Purpose", "prefetch;prerender"),
        hit("s=open&u=/p", NotCounted("prefetch")).with("Purpose", "prefetch"),
        hit("s=open&u=/p", NotCounted("prefetch")).with("X-Moz", "prefetch"),
        hit("s=own&u=/a", NotCounted("foreign_host")).with("Origin", "https://thief.example"),
        hit("s=own&u=https://www.vks.vn/a", NotCounted("foreign_host"))
            .with("Origin", "https://thief.example"),
        hit("s=own&u=https://thief.example/a", NotCounted("foreign_host")),
        hit("s=own&u=/a", NotCounted("foreign_host")).with("Referer", "https://thief.example/www.vks.vn"),
        hit("s=own&u=/a", NotCounted("foreign_host")).with("Origin", "https://www.vks.vn.thief.example"),
        hit("s=open&u=/a&r=https://semalt.com/x", NotCounted("referrer_spam")),
        hit("s=quiet&u=/a", NotCounted("opted_out")).with("DNT", "1"),
        hit("s=quiet&k=ping", NotCounted("opted_out")).with("Sec-GPC", "1"),
        hit("s=closed&u=/a", NotCounted("excluded")),
    ]);
    cases
}

fn refused() -> Vec<Case> {
    let long = |field: &str, bytes: usize| format!("s=open&{field}=/{}", "x".repeat(bytes));
    vec![
        hit("s=nobody&u=/a", Refused(404, "there is no site of this name")),
        hit("", Refused(400, "parameter `s` is missing")),
        hit("u=/a", Refused(400, "parameter `s` is missing")),
        hit("s=", Refused(400, "parameter `s` is empty")),
        hit("s=OPEN", Refused(400, "parameter `s` may only hold")),
        hit("s=open&s=open", Refused(400, "parameter `s` is given twice")),
        hit("s=open&u=/a&u=/b", Refused(400, "parameter `u` is given twice")),
        hit("s=open", Refused(400, "parameter `s` is given twice")).post(b"s=open"),
        hit(&long("u", 8_192), Refused(400, "parameter `u` is longer than 8192 bytes")),
        hit(&long("u", 1_500), Refused(400, "parameter `u` names a page longer than 1024 bytes")),
        hit(&long("r", 8_192), Refused(400, "parameter `r` is longer than 8192 bytes")),
        hit("s=open&u=/%ff", Refused(400, "parameter `u` is not UTF-8")),
        hit("s=open&r=%c3%28", Refused(400, "parameter `r` is not UTF-8")),
        hit("s=open&u=/%00", Refused(400, "parameter `u` holds a control character")),
        hit("s=open&u=/%0d%0aX:%20y", Refused(400, "parameter `u` holds a control character")),
        hit("s=open&r=%1b", Refused(400, "parameter `r` holds a control character")),
        hit("s=open&u=/%zz", Refused(400, "parameter `u` holds a percent sign")),
        hit("s=open&u=tin", Refused(400, "parameter `u` must be a path that begins with `/`")),
        hit("s=open&u=javascript:alert(1)", Refused(400, "parameter `u` must be")),
        hit("s=open&k=click", Refused(400, "parameter `k` must be `view`, `ping` or `leave`")),
        hit("s=open&k=leave", Refused(400, "parameter `d` is missing")),
        hit("s=open&w=-1", Refused(400, "parameter `w` must be a whole number from 0 to 65535")),
        hit("s=open&i=short", Refused(400, "parameter `i` must be 8 to 64 characters")),
        hit("", Refused(400, "the body is not form data")).post(b"{\"s\":\"open\"}"),
        hit("", Refused(400, "the body is not form data")).post(b"s=open&u=\xff"),
        hit("s=open", Refused(405, "this address takes GET, POST only")).method("PUT"),
        hit("s=open", Refused(405, "this address takes GET, POST only")).method("OPTIONS"),
        hit("s=open", Refused(405, "this address takes GET, POST only")).method("DELETE"),
        hit("s=open", Refused(405, "")).method("HEAD"),
        Case { path: "/hits".to_owned(), ..hit("", Refused(404, "there is nothing here")) },
    ]
}

const SITES: &str = "[limits]\nviews_per_network_per_second = 0\n\
    [[site]]\nid = \"open\"\n\
    [[site]]\nid = \"own\"\nhosts = [\"vks.vn\", \"*.vks.vn\"]\n\
    [[site]]\nid = \"quiet\"\nhonour_opt_out = true\n\
    [[site]]\nid = \"closed\"\nexcluded_networks = [\"127.0.0.0/8\"]\n";

fn check(case: &Case, reply: &Reply) {
    let text = reply.text();
    match case.due {
        Counted => {
            assert_eq!(reply.status, 200, "{case:?}: {text}");
            assert_eq!(reply.json()["counted"], true, "{case:?}: {text}");
        }
        NotCounted(reason) => {
            assert_eq!(reply.status, 200, "{case:?}: {text}");
            let json = reply.json();
            assert_eq!((&json["counted"], &json["reason"]), (&false.into(), &reason.into()), "{case:?}");
            assert!(json["online"].is_u64() && json["total"]["views"].is_u64(), "{case:?}: {text}");
            assert!(json["remedy"].as_str().is_some_and(|remedy| remedy.ends_with('.')), "{case:?}: {text}");
        }
        Refused(status, words) => {
            assert_eq!(reply.status, status, "{case:?}: {text}");
            assert!(text.contains(words), "{case:?}: {text}");
            assert!(!text.contains("thief") && text.lines().count() <= 1, "{case:?}: {text}");
            assert_eq!(reply.headers.get("access-control-allow-origin").map(String::as_str), Some("*"));
            let allowed = (status == 405).then_some("GET, POST");
            assert_eq!(reply.headers.get("allow").map(String::as_str), allowed, "{case:?}");
        }
    }
}

#[test]
fn every_beacon_is_counted_or_not_for_one_reason_or_refused_in_words() {
    let configuration = format!("trusted_proxies = []\n{SITES}");
    let daemon = Daemon::start(&configuration);
    let mut due: BTreeMap<&str, Sums> = BTreeMap::new();
    let mut reasons: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut views = 0;
    for case in good().iter().chain(&not_counted()).chain(&refused()) {
        check(case, &exchange(daemon.public(), &case.bytes()));
        let sums = due.entry(case.kind()).or_insert(Sums { parsed: 0, counted: 0, refused: 0, failed: 0 });
        match case.due {
            Counted => (sums.parsed, sums.counted) = (sums.parsed + 1, sums.counted + 1),
            NotCounted(reason) => {
                (sums.parsed, sums.refused) = (sums.parsed + 1, sums.refused + 1);
                *reasons.entry((case.kind(), reason)).or_default() += 1;
            }
            Refused(..) => {}
        }
        views += u64::from(matches!(case.due, Counted) && case.kind() == "view");
    }
    for (kind, due) in &due {
        assert_eq!(&sums(&daemon, kind), due, "{kind}");
    }
    for ((kind, reason), count) in reasons {
        let name =
            format!("headcount_beacons_total{{kind=\"{kind}\",outcome=\"refused\",reason=\"{reason}\"}}");
        assert_eq!(format!("{}", daemon.metric(&name)), count.to_string(), "{name}");
    }
    let total = |site| daemon.numbers(site)["total"]["views"].as_u64().unwrap();
    assert_eq!(["open", "own", "quiet", "closed"].map(total).iter().sum::<u64>(), views);
    // Nobody was believed: all came from one address with two browsers.
    assert_eq!(daemon.numbers("own")["total"]["visits"], 1);
    assert_eq!(daemon.numbers("open")["total"]["visits"], 2);
    assert_eq!(format!("{}", daemon.metric("headcount_forwarding_ignored_total")), "1");
}

#[test]
fn a_gif_is_answered_whatever_the_guard_says_and_counts_as_the_beacon_does() {
    let daemon = Daemon::start(SITES);
    for (agent, views) in [(FIREFOX, 1), (GPTBOT, 1), (CHROME, 2)] {
        let reply = daemon.get("/hit.gif?s=open&u=/a", &[("User-Agent", agent)]);
        assert_eq!((reply.status, reply.body.len()), (200, 43));
        assert_eq!(reply.headers["content-type"], "image/gif");
        assert_eq!(reply.headers["cache-control"], "no-store");
        assert_eq!(daemon.numbers("open")["total"]["views"], views, "{agent}");
    }
}

#[test]
fn a_flood_from_one_network_inflates_nothing_and_others_are_not_touched() {
    let daemon = Daemon::start(
        "[limits]\nviews_per_network_per_second = 1\nviews_per_network_burst = 20\n\
         new_visitors_per_network_per_hour = 30\n[[site]]\nid = \"demo\"\n",
    );
    let mut wire = Wire::open(daemon.public());
    let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
    let began = Instant::now();
    for n in 0..500 {
        let reply = wire.ask(&browser(&format!("/hit?s=demo&u=/{n}"), "203.0.113.9")).unwrap();
        let json = reply.json();
        let word = if json["counted"] == true { "counted" } else { json["reason"].as_str().unwrap() };
        *outcomes.entry(word.to_owned()).or_default() += 1;
    }
    let counted = outcomes["counted"];
    assert!((20..=21 + began.elapsed().as_secs()).contains(&counted), "{outcomes:?}");
    assert_eq!(outcomes["network_rate"], 500 - counted);
    let neighbour = wire.ask(&browser("/hit?s=demo&u=/", "203.0.113.10")).unwrap();
    assert_eq!(neighbour.json()["counted"], true);
    assert_eq!(neighbour.json()["total"]["views"], counted + 1);
    assert_eq!(neighbour.json()["online"], 2);
}

#[test]
fn a_network_that_makes_up_visitors_is_counted_up_to_its_limit() {
    let daemon = Daemon::start(
        "[limits]\nviews_per_network_per_second = 0\nnew_visitors_per_network_per_hour = 30\n\
         [[site]]\nid = \"demo\"\n",
    );
    let mut wire = Wire::open(daemon.public());
    let mut refused = 0;
    for n in 0..200 {
        // Every address of a /64, and every browser of an address, is as cheap as the next.
        let client = format!("2001:db8:1:2::{n:x}");
        let reply = wire.ask(&browser("/hit?s=demo&u=/", &client)).unwrap().json();
        refused += u64::from(reply["reason"] == "identities");
    }
    assert_eq!(refused, 170);
    assert_eq!(daemon.numbers("demo")["total"]["visits"], 30);
}

#[test]
fn more_pages_than_have_room_are_counted_together() {
    let daemon = Daemon::start(
        "fold_interval = \"50ms\"\n[limits]\nviews_per_network_per_second = 0\npages_per_site = 50\n\
         [[site]]\nid = \"demo\"\n",
    );
    let mut wire = Wire::open(daemon.public());
    for n in 0..2_000 {
        assert!(counted(&wire.ask(&browser(&format!("/hit?s=demo&u=/{n}"), "203.0.113.9")).unwrap()));
    }
    assert_eq!(daemon.numbers("demo")["total"]["views"], 2_000);
    assert!(daemon.metric("headcount_pages{site=\"demo\"}") <= 51.0);
    let export: serde_json::Value = serde_json::from_str(&daemon.print("export", &["demo"])).unwrap();
    let pages = export["pages"].as_array().unwrap();
    assert!(pages.len() <= 51, "{}", pages.len());
    let views = |page: &serde_json::Value| page["views"].as_u64().unwrap();
    assert_eq!(pages.iter().map(views).sum::<u64>(), 2_000);
    let other = pages.iter().find(|page| page["page"] == "(other)").map(views);
    assert_eq!(other, Some(1_950));
    let asked = |page: &str| {
        daemon.get(&format!("/snippet/demo.json?page={page}"), &[]).json()["page"]["views"].clone()
    };
    assert_eq!(asked("/0"), 1);
}

#[test]
fn a_trusted_proxy_is_believed_about_the_last_hop_alone() {
    let daemon = Daemon::start("client_address_header = \"X-Forwarded-For\"\n[[site]]\nid = \"demo\"\n");
    // A client may write what it likes on the left: the hop that the proxy added decides.
    for (n, lie) in ["1.1.1.1", "2.2.2.2", "garbage", "127.0.0.1"].iter().enumerate() {
        let chain = format!("{lie}, 203.0.113.9");
        let reply = daemon.get("/hit?s=demo", &[("X-Forwarded-For", &chain), ("Forwarded", "for=3.3.3.3")]);
        assert_eq!(reply.json()["total"]["visits"], 1, "{lie}");
        assert_eq!(reply.json()["total"]["views"], n + 1, "{lie}");
    }
    let reply = daemon.get("/hit?s=demo", &[("X-Forwarded-For", "203.0.113.10")]);
    assert_eq!(reply.json()["total"]["visits"], 2);
    assert_eq!(format!("{}", daemon.metric("headcount_forwarding_missing_total")), "0");
    assert!(counted(&daemon.get("/hit?s=demo", &[])));
    assert_eq!(format!("{}", daemon.metric("headcount_forwarding_missing_total")), "1");
}

#[test]
fn whoever_still_sends_a_refused_body_is_not_cut_off() {
    let daemon = Daemon::start(SITES);
    for (target, status) in [("/hit?s=open", 413), ("/nothing", 404), ("/snippet/open.json", 405)] {
        let mut wire = Wire::open(daemon.public());
        let head = format!("POST {target} HTTP/1.1\r\nHost: c\r\nContent-Length: 200000\r\n\r\n");
        assert!(wire.send(head.as_bytes()));
        assert_eq!(wire.reply().unwrap().status, status);
        // A reset would end one of these, and take the answer from a client that reads once it has sent.
        for part in 0..20 {
            assert!(wire.send(&[b'x'; 10_000]), "{target}: cut off at part {part}");
        }
        assert!(wire.has_ended(), "{target}");
    }
}

#[test]
fn bodies_and_heads_that_are_too_long_are_refused() {
    let daemon = Daemon::start(SITES);
    let post = |head: &str, body: &[u8]| {
        let head = format!(
            "POST /hit?s=open HTTP/1.1\r\nHost: c\r\nUser-Agent: {FIREFOX}\r\nConnection: close\r\n{head}\r\n"
        );
        exchange(daemon.public(), &[head.as_bytes(), body].concat())
    };
    let full = vec![b'x'; 16 << 10];
    // Exactly as long as allowed, and of a parameter that nobody reads.
    let body = [&b"a="[..], &full[2..]].concat();
    assert!(counted(&post("Content-Length: 16384\r\n", &body)));
    assert_eq!(post("Content-Length: 16385\r\n", &full).status, 413);
    // The answer arrives even though nobody read what was sent.
    assert_eq!(post("Content-Length: 500000\r\n", &vec![b'x'; 500_000]).status, 413);
    assert_eq!(post("Content-Length: 99999999999\r\n", b"a=b").status, 413);
    let chunk = |body: &[u8]| [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n"].concat();
    let chunked = [chunk(&body), b"0\r\n\r\n".to_vec()].concat();
    assert!(counted(&post("Transfer-Encoding: chunked\r\n", &chunked)));
    let reply = post(
        "Transfer-Encoding: chunked\r\n",
        &[chunk(&body), chunk(b"&b=c"), b"0\r\n\r\n".to_vec()].concat(),
    );
    assert_eq!((reply.status, reply.text().as_str()), (413, "the body is longer than 16384 bytes\n"));
    let long = "c".repeat(20 << 10);
    let reply = get(daemon.public(), "/hit?s=open", &[("Cookie", &long)]);
    assert_eq!(reply.status, 431);
    let reply = get(daemon.public(), &format!("/hit?s=open&u=/{long}"), &[]);
    assert!(matches!(reply.status, 414 | 431), "{}", reply.status);
    assert_eq!(daemon.numbers("open")["total"]["views"], 2);
}

#[test]
fn bytes_that_are_no_http_end_their_own_connection_alone() {
    let daemon = Daemon::start(SITES);
    let mut other = Wire::open(daemon.public());
    assert!(counted(&other.ask(&browser("/hit?s=open", "10.0.0.1")).unwrap()));
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03hello"[..],
        b"\0\0\0\0\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /hit?s=open HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /hit?s=open HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"GET /hit?s=open HTTP/1.1\r\nno colon here\r\n\r\n",
        b"POST /hit?s=open HTTP/1.1\r\nHost: c\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ] {
        let reply = exchange(daemon.public(), garbage);
        let shown = String::from_utf8_lossy(garbage);
        // Only the beginning of HTTP/2 gets no answer in words that it does not speak.
        let due = if garbage.starts_with(b"PRI") { 0 } else { 400 };
        assert_eq!(reply.status, due, "{shown}: {}", reply.text());
    }
    assert!(counted(&other.ask(&browser("/hit?s=open", "10.0.0.1")).unwrap()));
    assert_eq!(daemon.numbers("open")["total"]["views"], 2);
}

#[test]
fn slow_senders_are_let_go_of() {
    let daemon =
        Daemon::start("header_read_timeout = \"300ms\"\nidle_timeout = \"400ms\"\n[[site]]\nid = \"demo\"\n");
    let whole = String::from_utf8(browser("/hit?s=demo", "10.0.0.1")).unwrap();
    let post = format!(
        "POST /hit?s=demo HTTP/1.1\r\nHost: c\r\nUser-Agent: {FIREFOX}\r\nContent-Length: 9\r\n\r\nu=/a"
    );
    for part in ["", &whole[..40], &post] {
        let mut stream = TcpStream::connect(daemon.public()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(part.as_bytes()).unwrap();
        let mut left = Vec::new();
        let began = Instant::now();
        // Ends, with or without a word; a daemon that waits on would end this test.
        stream.read_to_end(&mut left).ok();
        assert!(began.elapsed() < PATIENCE, "{part:?}");
        assert!(!left.starts_with(b"HTTP/1.1 200"), "{part:?}");
    }
    assert_eq!(daemon.numbers("demo")["total"]["views"], 0);
    // An idle connection goes too, after what it had to say was answered.
    let mut wire = Wire::open(daemon.public());
    assert!(counted(&wire.ask(whole.as_bytes()).unwrap()));
    assert!(wire.reply().is_none());
}

#[test]
fn who_hangs_up_right_after_sending_is_counted_all_the_same() {
    let daemon = Daemon::start(SITES);
    for n in 0..40 {
        let mut wire = Wire::open(daemon.public());
        assert!(wire.send(&browser(&format!("/hit?s=open&u=/{n}"), "10.0.0.1")));
    }
    wait_for(|| (daemon.numbers("open")["total"]["views"] == 40).then_some(()));
    assert_eq!(sums(&daemon, "view").counted, 40);
}

#[test]
fn a_half_closed_socket_is_answered() {
    let daemon = Daemon::start(SITES);
    let mut wire = Wire::open(daemon.public());
    assert!(wire.send(&browser("/hit?s=open", "10.0.0.1")));
    wire.half_close();
    assert!(counted(&wire.reply().unwrap()));
    assert!(wire.reply().is_none());
}

#[test]
fn http_1_0_is_answered_and_closed() {
    let daemon = Daemon::start(SITES);
    let request = format!("GET /hit?s=open&u=/old HTTP/1.0\r\nUser-Agent: {FIREFOX}\r\n\r\n");
    let reply = exchange(daemon.public(), request.as_bytes());
    assert!(counted(&reply), "{}", reply.text());
    assert_eq!(reply.json()["page"]["path"], "/old");
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let daemon = Daemon::start(SITES);
    let mut wire = Wire::open(daemon.public());
    let paths = (0..60).map(|n| match n % 3 {
        0 => format!("/hit?s=open&u=/{n}"),
        1 => format!("/snippet/open.json?page=/{}", n - 1),
        _ => "/hit?s=nobody".to_owned(),
    });
    let paths: Vec<String> = paths.collect();
    let bytes: Vec<u8> = paths.iter().flat_map(|path| browser(path, "10.0.0.1")).collect();
    assert!(wire.send(&bytes));
    for (n, path) in paths.iter().enumerate() {
        let reply = wire.reply().unwrap();
        if n % 3 == 2 {
            assert_eq!(reply.status, 404, "{path}");
            continue;
        }
        let json = reply.json();
        assert_eq!(json["page"]["path"], format!("/{}", n - n % 3), "{path}");
        assert_eq!(json["page"]["views"], 1, "{path}");
    }
}

#[test]
fn a_reply_does_not_wait_for_the_rest_of_the_next_request() {
    let daemon = Daemon::start(SITES);
    let mut wire = Wire::open(daemon.public());
    let request = browser("/hit?s=open&u=/a", "10.0.0.1");
    let (first, rest) = request.split_at(25);
    assert!(wire.send(&[&request, first].concat()));
    assert!(counted(&wire.reply().unwrap()));
    assert!(wire.send(rest));
    assert!(counted(&wire.reply().unwrap()));
}

#[test]
fn robots_are_known_on_every_kind_and_shown_by_hour() {
    let daemon = Daemon::start(&format!("[[site]]\nid = \"demo\"\ntime_zone = \"{}\"\n", noon()));
    let mut wire = Wire::open(daemon.public());
    for kind in ["view", "ping", "leave"] {
        let reply = wire.ask(&request(&format!("/hit?s=demo&k={kind}&d=1"), "10.0.0.1", GPTBOT)).unwrap();
        assert_eq!(reply.json()["reason"], "robot", "{kind}");
        assert_eq!(sums(&daemon, kind), Sums { parsed: 1, counted: 0, refused: 1, failed: 0 });
    }
    let said = daemon.print("sites", &[]);
    assert!(said.contains("refused in the last hour: robot 3"), "{said}");
}
