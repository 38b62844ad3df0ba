//! headcount itself: the sums of a fleet, as `headcount fleet export` writes them, for a machine alone.
//!
//! The file names the machines whose numbers it holds. A machine that is one of them would count its own rows
//! twice, so it is refused.

use std::collections::BTreeMap;
use std::io::Read;

use serde::Deserialize;

use super::{COUNT_MAX, LegacyError, Setting, System, Totals};
use crate::words::{Day, PagePath, Tally};

pub(super) static SYSTEM: System =
    System { name: "headcount", about: "headcount: the sums of a fleet, from headcount fleet export", read };

/// The version of the file.
pub const FLEET_SCHEMA: u32 = 1;
/// A site with the most pages has some 50 MiB.
const BYTES_MAX: usize = 512 << 20;

#[derive(Deserialize)]
struct File {
    headcount_fleet: u32,
    nodes: Vec<String>,
    sites: Vec<OfSite>,
}

#[derive(Deserialize)]
struct OfSite {
    site: String,
    total: Numbers,
    days: BTreeMap<String, Numbers>,
    pages: BTreeMap<String, Numbers>,
}

#[derive(Clone, Copy, Deserialize)]
struct Numbers {
    views: u64,
    visits: u64,
}

impl Numbers {
    fn tally(self, name: &str) -> Result<Tally, LegacyError> {
        if self.views.max(self.visits) > COUNT_MAX {
            let what = format!("is beyond {COUNT_MAX}");
            return Err(LegacyError::Value { name: name.to_owned(), what });
        }
        Ok(Tally { views: self.views, visits: self.visits })
    }
}

fn read(input: &mut dyn Read, setting: &Setting<'_>) -> Result<Totals, LegacyError> {
    let mut bytes = Vec::new();
    input.take(u64::try_from(BYTES_MAX).unwrap_or(u64::MAX) + 1).read_to_end(&mut bytes)?;
    if bytes.len() > BYTES_MAX {
        return Err(LegacyError::TooMany { max: BYTES_MAX, what: "bytes" });
    }
    if !bytes.trim_ascii_start().starts_with(b"{\"headcount_fleet\":") {
        return Err(LegacyError::NotOf { wanted: "file of headcount fleet export" });
    }
    let file: File = serde_json::from_slice(&bytes).map_err(|error| not_read(&error))?;
    if file.headcount_fleet != FLEET_SCHEMA {
        return Err(LegacyError::Version { found: file.headcount_fleet.to_string(), known: "1" });
    }
    if let Some(node) = setting.node.filter(|node| file.nodes.iter().any(|known| known == node)) {
        let what = "is this machine, and its rows are in the file as well as here; write it anew on this machine, \
                    with its fleet configured, by headcount fleet export --beside-own";
        return Err(LegacyError::Value { name: format!("node {node}"), what: what.to_owned() });
    }
    let Some(site) = file.sites.into_iter().find(|site| site.site == setting.site) else {
        let what = format!(
            "is none of the sites in the file; --site names which of them is taken: {}",
            setting.site
        );
        return Err(LegacyError::Value { name: "the site".to_owned(), what });
    };
    let mut totals = Totals { total: site.total.tally("the total")?, ..Totals::default() };
    for (text, numbers) in site.days {
        let wrong =
            |what: &str| LegacyError::Value { name: format!("the day {text:.40?}"), what: what.to_owned() };
        let day: Day = text.parse().map_err(|_| wrong("is no date"))?;
        if day > setting.today {
            return Err(wrong("has not come yet"));
        }
        totals.days.insert(day, numbers.tally(&text)?);
    }
    for (text, numbers) in site.pages {
        let tally = numbers.tally(&text)?;
        if text == PagePath::OTHER {
            *totals.pages.entry(PagePath::other()).or_default() += tally;
        } else if !totals.add_page(&text, setting, tally) {
            let what = "is no page".to_owned();
            return Err(LegacyError::Value { name: format!("{text:.80?}"), what });
        }
    }
    // Adjustments of the total alone may have taken away more than was ever of no day.
    let dated = totals.dated();
    totals.less = Tally {
        views: dated.views.saturating_sub(totals.total.views),
        visits: dated.visits.saturating_sub(totals.total.visits),
    };
    Ok(totals)
}

fn not_read(error: &serde_json::Error) -> LegacyError {
    if error.is_eof() {
        return LegacyError::CutShort { within: "its JSON" };
    }
    let line = u64::try_from(error.line()).unwrap_or(0);
    LegacyError::Line { line, what: error.to_string().escape_debug().take(120).collect() }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{TODAY, days, pages, read};
    use super::*;

    const FILE: &str = r#"{"headcount_fleet":1,"nodes":["00000000000000aa"],"sites":[{"site":"vks",
        "total":{"views":10,"visits":6},"days":{"2026-11-21":{"views":8,"visits":7}},
        "pages":{"/a":{"views":5,"visits":2},"(other)":{"views":1,"visits":0}}}]}"#;

    fn refused(from: &str, to: &str) -> String {
        read(&SYSTEM, FILE.replace(from, to).as_bytes()).expect_err("must be refused")
    }

    #[test]
    fn totals_days_and_pages_come_along_and_a_total_below_its_days_stays_below() {
        let totals = read(&SYSTEM, FILE.as_bytes()).expect("a file");
        assert_eq!(days(&totals), [("2026-11-21".to_owned(), 8, 7)]);
        assert_eq!(pages(&totals), [("(other)", 1, 0), ("/a", 5, 2)]);
        assert_eq!(
            (totals.undated(), totals.less),
            (Tally { views: 2, visits: 0 }, Tally { views: 0, visits: 1 })
        );
    }

    #[test]
    fn what_would_be_counted_twice_or_is_not_meant_is_refused() {
        assert!(refused("00000000000000aa", "00000000000000ff").contains("--beside-own"));
        assert!(refused("\"vks\"", "\"other\"").contains("vks"));
        assert!(refused("fleet\":1", "fleet\":2").contains("version 2"));
        assert!(refused("2026-11-21", &TODAY.next().to_string()).contains("not come yet"));
        assert!(refused("]}", "").contains("cut short"));
        assert!(refused("\"/a\"", "\"a b\"").contains("is no page"));
        assert!(refused("10", "-10").contains("line 2"));
        assert!(refused("10", "9999999999999").contains("beyond"));
    }
}
