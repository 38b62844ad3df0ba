//! busuanzi (不蒜子): the reply of its service, or a Redis of one's own as JSON.
//!
//! A reply is `{"site_pv": …, "site_uv": …, "page_pv": …, …}`, alone, within `data`, or as the argument
//! of a JSONP callback. It tells the site's numbers; `page_pv` is that of whichever page asked, which
//! the reply does not name. `site_pv` becomes views, `site_uv` visits: it counts every visitor once for
//! ever, which is the least number of visits there can have been, and the number on the page.
//!
//! A self-hosted one (`soxft/busuanzi`, `core/count.go`) keeps in Redis, under any prefix:
//! `site_pv:MD5(host)` a count; `site_uv:MD5(host)` a set of visitors, or a sketch of them in later
//! versions; `page_pv:MD5(host)` a sorted set of `MD5(host & path)`, in the first versions one key
//! `page_pv:MD5(host path)` each. `rdb --command json dump.rdb` (redis-rdb-tools) writes that as an array
//! of objects. Pages stand there under hashes alone, so they are found again only if their paths are
//! given.

use std::collections::BTreeMap;
use std::io::Read;

use md5::{Digest, Md5};
use serde_json::{Map, Value};

use super::{COUNT_MAX, LegacyError, Setting, System, Totals};
use crate::words::Tally;

pub(super) static SYSTEM: System = System {
    name: "busuanzi",
    about: "busuanzi: its reply (JSON or JSONP), or its Redis as JSON; pv becomes views, uv visits",
    read,
};

/// Held in memory as a whole, and several times that once it is taken apart.
const BYTES_MAX: usize = 64 << 20;

const WANTED: LegacyError = LegacyError::NotOf {
    wanted: "reply of busuanzi and no JSON of its Redis: site_pv is missing (of a dump.rdb, \
             `rdb --command json dump.rdb` makes the JSON)",
};

fn read(input: &mut dyn Read, setting: &Setting<'_>) -> Result<Totals, LegacyError> {
    let mut bytes = Vec::new();
    input.take(u64::try_from(BYTES_MAX).unwrap_or(u64::MAX) + 1).read_to_end(&mut bytes)?;
    if bytes.len() > BYTES_MAX {
        return Err(LegacyError::TooMany { max: BYTES_MAX, what: "bytes" });
    }
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim().trim_start_matches('\u{feff}');
    let is_json = text.starts_with(['{', '[']);
    // A JSONP reply: `try{callback({…});}catch(e){}` or `callback({…})`.
    let json =
        if is_json { Some(text) } else { text.split_once("({").map(|(before, _)| &text[before.len() + 1..]) };
    let mut values = serde_json::Deserializer::from_str(json.ok_or(WANTED)?).into_iter::<Value>();
    let value = values.next().ok_or(WANTED)?.map_err(|error| not_json(&error))?;
    if is_json && values.next().is_some() {
        return Err(LegacyError::TooMany { max: 1, what: "replies" });
    }
    match &value {
        Value::Object(object) => match reply(object) {
            Some(reply) => of_reply(reply),
            None => of_redis(&[object], setting),
        },
        Value::Array(databases) => {
            let objects: Vec<_> = databases.iter().filter_map(Value::as_object).collect();
            of_redis(&objects, setting)
        }
        _ => Err(WANTED),
    }
}

fn not_json(error: &serde_json::Error) -> LegacyError {
    if error.is_eof() {
        return LegacyError::CutShort { within: "its JSON" };
    }
    let line = u64::try_from(error.line()).unwrap_or(0);
    LegacyError::Line { line, what: "this is no JSON".to_owned() }
}

/// The object with the numbers, alone or within `data`.
fn reply(object: &Map<String, Value>) -> Option<&Map<String, Value>> {
    let inner = object.get("data").and_then(Value::as_object);
    [Some(object), inner].into_iter().flatten().find(|object| object.contains_key("site_pv"))
}

fn of_reply(reply: &Map<String, Value>) -> Result<Totals, LegacyError> {
    let number = |name: &str| counted(name, reply.get(name));
    let total = Tally { views: number("site_pv")?, visits: number("site_uv")? };
    let mut totals = Totals { total, ..Totals::default() };
    if reply.contains_key("page_pv") {
        totals.notes.push("page_pv was not taken, since a reply does not name its page".to_owned());
    }
    totals.notes.push(UV_NOTE.to_owned());
    Ok(totals)
}

const UV_NOTE: &str = "uv counts each visitor once for ever; it becomes the visits";

/// The count behind a name.
fn counted(name: &str, value: Option<&Value>) -> Result<u64, LegacyError> {
    let wrong = |what| Err(LegacyError::Value { name: name.to_owned(), what });
    let Some(value) = value else { return wrong("is missing".to_owned()) };
    count(value).map_or_else(
        || {
            let given: String = value.to_string().escape_debug().take(40).collect();
            wrong(format!("is {given}, and a count is a whole number from 0 to {COUNT_MAX}"))
        },
        Ok,
    )
}

/// A whole number, as JSON has it or in a text. Redis has scores as fractions: `12` may stand there as `12.0`.
fn count(value: &Value) -> Option<u64> {
    let number = match value {
        Value::Number(number) => number.as_u64().or_else(|| whole(&number.to_string())),
        Value::String(text) => whole(text),
        _ => None,
    };
    number.filter(|number| *number <= COUNT_MAX)
}

fn whole(text: &str) -> Option<u64> {
    text.strip_suffix(".0").unwrap_or(text).parse().ok()
}

/// What the Redis holds of all sites: a kind of key and the hash behind it.
type Keys<'a> = BTreeMap<(&'a str, &'a str), &'a Value>;

fn of_redis(databases: &[&Map<String, Value>], setting: &Setting<'_>) -> Result<Totals, LegacyError> {
    let mut keys = Keys::new();
    for (key, value) in databases.iter().copied().flatten() {
        let mut parts = key.rsplitn(3, ':');
        if let (Some(hash), Some(kind)) = (parts.next(), parts.next()) {
            keys.insert((kind, hash), value);
        }
    }
    let sites: Vec<&str> =
        keys.keys().filter(|(kind, _)| *kind == "site_pv").map(|(_, hash)| *hash).collect();
    if sites.is_empty() {
        return Err(WANTED);
    }
    let ours: Vec<(&str, String)> = setting.hosts.iter().map(|host| (host.as_str(), hex(host))).collect();
    let ours: Vec<&(&str, String)> = ours.iter().filter(|(_, hash)| sites.contains(&hash.as_str())).collect();
    if ours.is_empty() {
        return Err(LegacyError::OtherSites { count: sites.len() });
    }
    let mut totals = Totals::default();
    for (host, hash) in ours {
        add_site(&mut totals, &keys, hash)?;
        add_pages(&mut totals, &keys, host, hash, setting);
    }
    totals.notes.push(UV_NOTE.to_owned());
    Ok(totals)
}

fn add_site(totals: &mut Totals, keys: &Keys<'_>, hash: &str) -> Result<(), LegacyError> {
    totals.total.views += counted(&format!("site_pv:{hash}"), keys.get(&("site_pv", hash)).copied())?;
    match keys.get(&("site_uv", hash)) {
        Some(Value::Array(visitors)) => {
            totals.total.visits += u64::try_from(visitors.len()).unwrap_or(u64::MAX);
        }
        Some(_) => totals.notes.push(
            "the visitors lie in a HyperLogLog, which does not say how many they are; take site_uv from the \
             page and add it with adjust"
                .to_owned(),
        ),
        None => {}
    }
    Ok(())
}

/// Finds the given pages by their hashes, as today's and the first versions make them.
fn add_pages(totals: &mut Totals, keys: &Keys<'_>, host: &str, site: &str, setting: &Setting<'_>) {
    let empty = Map::new();
    let together = keys.get(&("page_pv", site)).and_then(|value| value.as_object()).unwrap_or(&empty);
    let mut found = 0;
    for page in setting.known_pages {
        for hash in [hex(&format!("{host}&{page}")), hex(&format!("{host}{page}"))] {
            let alone = keys.get(&("page_pv", hash.as_str())).copied();
            let Some(views) = together.get(&hash).or(alone).and_then(count) else { continue };
            let visitors = match keys.get(&("page_uv", hash.as_str())) {
                Some(Value::Array(visitors)) => u64::try_from(visitors.len()).unwrap_or(u64::MAX),
                _ => 0,
            };
            found += usize::from(totals.add_page(page, setting, Tally { views, visits: visitors }));
        }
    }
    let unnamed = together.len().saturating_sub(found);
    totals.note(
        u64::try_from(unnamed).unwrap_or(u64::MAX),
        "pages stand in the file under a hash alone and were not taken; give their paths with --pages",
    );
}

fn hex(text: &str) -> String {
    use std::fmt::Write;
    let mut hex = String::with_capacity(32);
    for byte in Md5::digest(text.as_bytes()) {
        write!(hex, "{byte:02x}").expect("a String takes whatever is written");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::super::tests::{pages, read, read_for};
    use super::*;

    #[test]
    fn a_reply_tells_the_sites_numbers_however_it_is_wrapped() {
        for reply in [
            &include_bytes!("../../tests/data/busuanzi.jsonp")[..],
            br#"{"success":true,"message":"ok","data":{"site_pv":20987,"site_uv":8123,"page_pv":31,"page_uv":9}}"#,
            br#"{"site_uv":8123,"site_pv":20987}"#,
            b"cb({\"site_uv\":8123,\"page_pv\":2,\"version\":2.4,\"site_pv\":20987})",
        ] {
            let totals = read(&SYSTEM, reply).expect("is a reply");
            assert_eq!(totals.total, Tally { views: 20_987, visits: 8_123 });
            assert_eq!(totals.undated(), totals.total);
            assert!(totals.pages.is_empty());
        }
    }

    #[test]
    fn a_redis_gives_the_site_of_our_hosts_and_the_pages_whose_paths_we_know() {
        let file = include_bytes!("../../tests/data/busuanzi.redis.json");
        let known = ["/", "/tin-tuc", "/nobody"];
        let totals = read_for(&SYSTEM, file, &["blog.example.vn"], &known).expect("is a dump");
        assert_eq!(totals.total, Tally { views: 321, visits: 3 });
        assert_eq!(pages(&totals), [("/", 200, 2), ("/tin-tuc", 21, 0)]);
        assert!(totals.notes[0].starts_with("1 pages stand in the file"), "{:?}", totals.notes);
        let error = read_for(&SYSTEM, file, &["www.example.vn"], &[]).expect_err("must be refused");
        assert!(error.starts_with("holds 2 sites, and none of them is one of the hosts"), "{error}");
    }

    #[test]
    fn visitors_that_cannot_be_told_are_said_to_be_missing() {
        let file = format!("{{\"bsz:site_pv:{0}\":\"7\",\"bsz:site_uv:{0}\":\"HYLL\"}}", hex("a.vn"));
        let totals = read_for(&SYSTEM, file.as_bytes(), &["a.vn"], &[]).expect("is a dump");
        assert_eq!(totals.total, Tally { views: 7, visits: 0 });
        assert!(totals.notes[0].contains("HyperLogLog"), "{:?}", totals.notes);
    }

    #[test]
    fn what_is_something_else_is_refused_in_words() {
        for (file, words) in [
            (
                &b"{\"success\":false,\"message\":\"invalid referer\",\"data\":{}}"[..],
                "is no reply of busuanzi",
            ),
            (
                b"{\"site_pv\":-1,\"site_uv\":1}",
                "site_pv is -1, and a count is a whole number from 0 to 1000000000000",
            ),
            (b"{\"site_pv\":1,\"site_uv\":-5}", "site_uv is -5, and a count"),
            (b"{\"site_pv\":1,\"site_uv\":1e300}", "site_uv is 1e+300, and a count"),
            (b"{\"site_pv\":1,\"site_uv\":1000000000001}", "site_uv is 1000000000001, and a count"),
            (b"{\"site_pv\":1}", "site_uv is missing"),
            (b"{\"site_pv\":1,\"site_uv\":", "is cut short"),
            (b"{\"site_pv\":1,\"site_uv\":1}{\"site_pv\":1,\"site_uv\":1}", "more than 1 replies"),
            (b"[1, 2,\n oops]", "line 2: this is no JSON"),
            (b"REDIS0011", "`rdb --command json dump.rdb`"),
        ] {
            let error = read(&SYSTEM, file).expect_err("must be refused");
            assert!(error.contains(words), "{error}");
        }
    }
}
