//! Requests of an access log, sent again as beacons through the real listener: totals, pages, robots and
//! visitors equal what plain maps make of the same lines.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;

use crate::support::Daemon;
use crate::support::client::{Sums, Wire, noon, request, sums};

/// Connections that share the log; a client stays with one, so that its requests keep their order.
const CONNECTIONS: usize = 4;

/// A line of the log, as far as a beacon says it.
#[derive(Clone, Debug)]
struct Line {
    client: String,
    path: String,
    referrer: String,
    agent: String,
}

impl Line {
    /// Reads a line of the combined format; `None` when it is not one.
    fn parse(line: &str) -> Option<Line> {
        let (client, rest) = line.split_once(' ')?;
        let mut quoted = Vec::new();
        let mut rest = rest;
        while let Some((_, behind)) = rest.split_once('"') {
            let end = (0..behind.len()).find(|at| {
                behind.as_bytes()[*at] == b'"' && (*at == 0 || behind.as_bytes()[at - 1] != b'\\')
            });
            // A line that is cut inside the agent has no quote at its end.
            let end = end.unwrap_or(behind.len());
            quoted.push(behind[..end].to_owned());
            rest = behind.get(end + 1..).unwrap_or("");
        }
        let [request, referrer, agent] = <[String; 3]>::try_from(quoted).ok()?;
        let path = request.split(' ').nth(1)?.to_owned();
        Some(Line { client: client.to_owned(), path, referrer, agent })
    }

    fn beacon(&self) -> Vec<u8> {
        let encode = |text: &str| -> String {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-~:".contains(&b);
            text.bytes()
                .map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") })
                .collect()
        };
        let referrer = if self.referrer == "-" { String::new() } else { encode(&self.referrer) };
        // A page says such a path with its host, since two slashes alone would begin another host's address.
        let host = if self.path.starts_with("//") { "http://www.example.vn" } else { "" };
        let address = encode(&format!("{host}{}", self.path));
        request(&format!("/hit?s=log&u={address}&r={referrer}"), &self.client, &self.agent)
    }

    /// The page by the written rule, for paths without escapes.
    fn page(&self) -> String {
        let path = self.path.split(['?', '#']).next().unwrap_or("");
        let mut segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        while segments.last().is_some_and(|last| ["index.html", "index.php"].contains(last)) {
            segments.pop();
        }
        format!("/{}", segments.join("/"))
    }
}

/// What plain maps make of the log.
#[derive(Debug, Default, PartialEq, Eq)]
struct Model {
    views: u64,
    robots: u64,
    spam: u64,
    malformed: u64,
    visitors: HashSet<(String, String)>,
    /// Views and visits; a visit belongs to the page that it began with.
    pages: BTreeMap<String, (u64, u64)>,
}

impl Model {
    /// Sends lines over one connection and keeps count of the answers.
    fn replay(daemon: &Daemon, lines: &[&Line]) -> Model {
        let mut model = Model::default();
        let mut wire = Wire::open(daemon.public());
        for line in lines {
            let reply = wire.ask(&line.beacon()).unwrap();
            if reply.status == 400 {
                model.malformed += 1;
                continue;
            }
            let json = reply.json();
            if json["counted"] == true {
                let page = if line.path.contains(['%', '\\']) {
                    json["page"]["path"].as_str().unwrap().to_owned()
                } else {
                    line.page()
                };
                let first = model.visitors.insert((line.client.clone(), line.agent.trim().to_owned()));
                let (views, visits) = model.pages.entry(page).or_default();
                (*views, *visits) = (*views + 1, *visits + u64::from(first));
                model.views += 1;
            } else {
                match json["reason"].as_str() {
                    Some("robot") => model.robots += 1,
                    Some("referrer_spam") => model.spam += 1,
                    other => panic!("{line:?}: {other:?}"),
                }
            }
        }
        model
    }

    fn join(mut self, other: Model) -> Model {
        self.views += other.views;
        self.robots += other.robots;
        self.spam += other.spam;
        self.malformed += other.malformed;
        self.visitors.extend(other.visitors);
        for (page, (views, visits)) in other.pages {
            let mine = self.pages.entry(page).or_default();
            *mine = (mine.0 + views, mine.1 + visits);
        }
        self
    }
}

/// Sends a whole log and compares what the daemon shows and keeps with the model.
fn check(lines: &[Line]) -> Model {
    let mut daemon = Daemon::start(&format!(
        "fold_interval = \"100ms\"\n[limits]\nviews_per_network_per_second = 0\n\
         new_visitors_per_network_per_hour = 0\n[[site]]\nid = \"log\"\ntime_zone = \"{}\"\n\
         online_window = \"30m\"\n",
        noon()
    ));
    let mut shares: Vec<Vec<&Line>> = vec![Vec::new(); CONNECTIONS];
    let mut clients: HashMap<&str, usize> = HashMap::new();
    for line in lines {
        let next = clients.len() % CONNECTIONS;
        shares[*clients.entry(&line.client).or_insert(next)].push(line);
    }
    let model = std::thread::scope(|scope| {
        let threads: Vec<_> =
            shares.iter().map(|share| scope.spawn(|| Model::replay(&daemon, share))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).fold(Model::default(), Model::join)
    });
    let visitors = u64::try_from(model.visitors.len()).unwrap();
    let total = u64::try_from(lines.len()).unwrap();
    assert_eq!(model.views + model.robots + model.spam + model.malformed, total);
    let views = sums(&daemon, "view");
    let refused = model.robots + model.spam;
    let expected = Sums { parsed: model.views + refused, counted: model.views, refused, failed: 0 };
    assert_eq!(views, expected);
    let robots = "headcount_beacons_total{kind=\"view\",outcome=\"refused\",reason=\"robot\"}";
    assert_eq!(format!("{}", daemon.metric(robots)), model.robots.to_string());
    for restarted in [false, true] {
        if restarted {
            daemon.kill();
            daemon.restart();
        }
        let numbers = daemon.numbers("log");
        let number = |path: &str| numbers.pointer(path).unwrap().as_u64().unwrap();
        for path in ["/total/views", "/today/views", "/last_hour/views"] {
            assert_eq!(number(path), model.views, "{path}");
        }
        for path in ["/total/visits", "/today/visits", "/last_hour/visits", "/online"] {
            assert_eq!(number(path), visitors, "{path}");
        }
        let export: serde_json::Value = serde_json::from_str(&daemon.print("export", &["log"])).unwrap();
        let distinct = export["days"][0]["visitors"].as_u64().unwrap();
        // Exact while few; three standard errors of 0.81 % beyond that.
        let off = distinct.abs_diff(visitors);
        assert!(off * 40 <= visitors && (visitors > 128 || off == 0), "{distinct} of {visitors}");
        let row = |row: &serde_json::Value| {
            let number = |key: &str| row[key].as_u64().unwrap();
            (row["page"].as_str().unwrap().to_owned(), (number("views"), number("visits")))
        };
        let pages: BTreeMap<_, _> = export["pages"].as_array().unwrap().iter().map(row).collect();
        for (page, tally) in &model.pages {
            assert_eq!(pages.get(page), Some(tally), "{page}");
        }
        assert_eq!(pages.len(), model.pages.len());
    }
    model
}

/// A small log of our own: client, path, referrer, agent. `F` is a Firefox, `C` a Chrome, `P` a phone.
const OWN: &str = "\
198.51.100.1 / - F
198.51.100.1 /tin-tuc https://www.example.vn/ F
198.51.100.2 / https://www.google.com/ C
198.51.100.1 /tin-tuc/bai-1.html https://www.example.vn/tin-tuc F
198.51.100.3 /tin-tuc/ - P
198.51.100.2 /lien-he - C
198.51.100.2 /robots.txt - Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)
198.51.100.4 / - Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)
198.51.100.4 /tin-tuc - Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)
2001:db8::1 / - F
2001:db8::1 //tin-tuc - F
2001:db8::2 / - F
198.51.100.1 / - C
198.51.100.1 /index.html - C
198.51.100.5 /tin-tuc?page=2 - F
198.51.100.5 /tin-tuc?page=3&x=%20y - F
198.51.100.5 /tin-tuc#top - F
198.51.100.6 / http://semalt.com/crawler F
198.51.100.6 / - F
198.51.100.7 /a - curl/8.5.0
198.51.100.7 /a - Wget/1.21
198.51.100.7 /a - -
198.51.100.7 /a - python-requests/2.32.0
198.51.100.7 /a - F
198.51.100.8 * - F
198.51.100.8 tin-tuc - F
198.51.100.8 /tin-tuc - P
198.51.100.8 /tin-tuc - P
198.51.100.9 /ti%E1%BA%BFng - P
198.51.100.9 /tiếng - P
198.51.100.9 /tim/ki%2Fem - P
198.51.100.10 /lien-he/index.php - F
198.51.100.10 /lien-he/ - F
198.51.100.11 /feed - UniversalFeedParser/5.2.1 +https://code.google.com/p/feedparser/
198.51.100.12 /anh/hoa.jpg https://www.example.vn/ C
198.51.100.12 /anh/la.jpg https://www.example.vn/ C
198.51.100.12 /anh/hoa.jpg https://www.example.vn/ C
198.51.100.13 / - Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)
198.51.100.14 / - P
198.51.100.15 / - P
";
const AGENTS: [(&str, &str); 3] = [
    ("F", "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (
        "C",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    ),
    (
        "P",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
    ),
];

#[test]
fn a_log_of_our_own_counts_as_by_hand() {
    let in_format = |line: &str| {
        let [client, path, referrer, agent] =
            <[&str; 4]>::try_from(line.splitn(4, ' ').collect::<Vec<_>>()).unwrap();
        let agent = AGENTS.iter().find(|(short, _)| *short == agent).map_or(agent, |(_, agent)| agent);
        let at = "[23/Nov/2026:00:00:00 +0700]";
        let line = format!("{client} - - {at} \"GET {path} HTTP/1.1\" 200 5 \"{referrer}\" \"{agent}\"");
        Line::parse(&line).unwrap()
    };
    let lines: Vec<Line> = OWN.lines().map(in_format).collect();
    let model = check(&lines);
    assert_eq!((model.robots, model.spam, model.malformed), (9, 1, 2));
    assert_eq!((model.views, model.visitors.len()), (28, 15));
    assert_eq!(model.pages["/"], (9, 8));
    assert_eq!(model.pages["/tin-tuc"], (8, 3));
    assert_eq!(model.pages["/tiếng"], (2, 1));
    assert_eq!(model.pages["/lien-he"], (3, 1));
}

#[test]
fn a_real_log_counts_as_plain_maps_do() {
    let shared = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data/access.log");
    let path = std::env::var_os("HEADCOUNT_ACCESS_LOG").map_or(shared, PathBuf::from);
    let Ok(bytes) = std::fs::read(&path) else {
        eprintln!("SKIPPED: there is no log at {}; HEADCOUNT_ACCESS_LOG names another", path.display());
        return;
    };
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<Line> = text.lines().filter_map(Line::parse).collect();
    assert!(lines.len() * 100 >= text.lines().count() * 99, "{} lines were understood", lines.len());
    let model = check(&lines);
    eprintln!(
        "{} lines: {} views by {} visitors on {} pages, {} by robots, {} of spam, {} malformed",
        lines.len(),
        model.views,
        model.visitors.len(),
        model.pages.len(),
        model.robots,
        model.spam,
        model.malformed
    );
    assert!(model.views > 0 && model.robots > 0, "a real log has both");
}
