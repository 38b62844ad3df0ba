//! `export`: days, pages and what reports tell apart, of a site, as JSON or CSV, by one schema.

use std::fmt::Write;

use clap::Args;
use serde_json::json;

use super::shown::Shown;
use super::{Failure, Settings, failed, put};
use crate::config::Config;
use crate::control::{Request, ask_daemon};
use crate::daemon::{database, open_stopped};
use crate::store::{DayRow, DetailDayRow, PageDayRow, Store, UndatedRow};
use crate::words::{Day, PagePath, SiteId, Tally};

/// The version of the JSON; it grows when a field changes its meaning, not when one is added.
const SCHEMA: u32 = 1;

const COLUMNS: &str = "\
The CSV is one table for a spreadsheet's filter or pivot, with the columns

  day        the date in the site's own time zone; empty where adjustments such as the numbers of an
             old counter belong to no day: those of the total alone, and those of a page
  dimension  day: the whole day, value is empty; page: one page; else one of referrer, browser,
             system, device, screen, language, country, campaign, source, medium
  value      the page, host, browser and so on; (other) is what found no row of its own
  views      page views; those of a whole day include adjustments of that day
  visits     visits; of a page those that began with it (entry pages), of any other value those
             that a view with it opened
  visitors   distinct visitors of a whole day; empty elsewhere, and where nobody knows: days that only
             an old counter has counted

What told nothing of a dimension has no row: it is the whole day less the sum of its values.

So that no spreadsheet calculates a value and none turns its line around, a value that begins with
= + - @ (in any of their forms, also behind blanks and what shows nothing) or with ' is written
behind a '. \\ is written \\\\, and a character that
turns the direction of writing \\u and its four digits. Taking one ' away from the beginning, then
reading \\\\ and \\u with its digits, gives every value back.

What belongs to no day is left out when --from or --to is given.

The JSON is one object: schema (1), site, total, days, pages, details, undated. A day has day, views,
visits, visitors (or null), and counted, its views and visits without adjustments, which values add up
to. A page has day, page, views, visits; a detail has day, dimension, value, views, visits. Undated has
views and visits of the total alone, and pages with page, views, visits.";

#[derive(Debug, Args)]
#[command(after_help = COLUMNS)]
pub(super) struct Export {
    /// The site's id.
    site: String,
    /// json: one object; csv: one table of days, pages and details, told apart by dimension.
    #[arg(long, value_parser = ["json", "csv"], default_value = "json")]
    format: String,
    /// The first day, such as 2026-01-01.
    #[arg(long, value_name = "DATE")]
    from: Option<Day>,
    /// The last day.
    #[arg(long, value_name = "DATE")]
    to: Option<Day>,
    #[command(flatten)]
    settings: Settings,
}

impl Export {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = self.settings.load()?;
        let site =
            SiteId::parse(&self.site).map_err(|error| Failure::Argument(format!("the site id {error}")))?;
        let (from, to) = (self.from.unwrap_or(Day::FIRST), self.to.unwrap_or(Day::LAST));
        in_order(from, to)?;
        let shown = Shown::open(&config, &site, from, to)?;
        let total = shown.total().map_err(|error| failed(&error))?;
        let Some(total) = total else { return Err(Failure::Failed(format!("nothing is kept of {site}"))) };
        shown.tell_note();
        let days = shown.days(from, to).map_err(|error| failed(&error))?;
        let pages = shown.page_days(from, to).map_err(|error| failed(&error))?;
        let details = shown.detail_days(from, to).map_err(|error| failed(&error))?;
        let is_whole = self.from.is_none() && self.to.is_none();
        let undated = if is_whole { shown.undated().map_err(|error| failed(&error))? } else { Vec::new() };
        if self.format == "csv" {
            return put(&csv(&days, &pages, &details, &undated));
        }
        let days: Vec<_> = days.iter().map(day_json).collect();
        let pages: Vec<_> = pages.iter().map(page_json).collect();
        let details: Vec<_> = details.iter().map(detail_json).collect();
        let mut whole = json!({
            "schema": SCHEMA,
            "site": site.as_str(),
            "total": { "views": total.views, "visits": total.visits },
            "days": days,
            "pages": pages,
            "details": details,
        });
        if is_whole {
            whole["undated"] = undated_json(&undated);
        }
        if let Some(of) = shown.details_of {
            whole["details_of"] = of.into();
        }
        put(&format!("{whole}\n"))
    }
}

/// Refuses a last day before the first.
pub(super) fn in_order(from: Day, to: Day) -> Result<(), Failure> {
    if from > to {
        return Err(Failure::Argument(format!("the last day {to} lies before the first day {from}")));
    }
    Ok(())
}

/// The store, with everything folded: read beside a running daemon, or caught up if it is stopped.
pub(super) fn open_store(config: &Config) -> Result<Store, Failure> {
    let path = database(&config.state_directory);
    if ask_daemon(&config.state_directory, &Request::Fold).map_err(Failure::Failed)?.is_none() {
        drop(open_stopped(config)?);
    }
    Store::open_read_only(&path).map_err(|error| failed(&error))
}

fn day_json(row: &DayRow) -> serde_json::Value {
    json!({
        "day": row.day.to_string(),
        "views": row.tally.views,
        "visits": row.tally.visits,
        "visitors": row.known_visitors(),
        "counted": { "views": row.counted.views, "visits": row.counted.visits },
    })
}

fn page_json(row: &PageDayRow) -> serde_json::Value {
    let (views, visits) = (row.tally.views, row.tally.visits);
    json!({ "day": row.day.to_string(), "page": row.path.as_str(), "views": views, "visits": visits })
}

fn detail_json(row: &DetailDayRow) -> serde_json::Value {
    json!({
        "day": row.day.to_string(),
        "dimension": row.dimension.as_str(),
        "value": row.value,
        "views": row.tally.views,
        "visits": row.tally.visits,
    })
}

fn undated_json(rows: &[UndatedRow]) -> serde_json::Value {
    let (pages, total): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.path.is_some());
    let page = |row: &&UndatedRow| {
        let path = row.path.as_ref().map(PagePath::as_str);
        json!({ "page": path, "views": row.views, "visits": row.visits })
    };
    let total = total.first().map_or((0, 0), |row| (row.views, row.visits));
    json!({ "views": total.0, "visits": total.1, "pages": pages.iter().map(page).collect::<Vec<_>>() })
}

fn csv(days: &[DayRow], pages: &[PageDayRow], details: &[DetailDayRow], undated: &[UndatedRow]) -> String {
    let mut lines = vec!["day,dimension,value,views,visits,visitors".to_owned()];
    for row in days {
        let visitors = row.known_visitors().map_or(String::new(), |visitors| visitors.to_string());
        lines.push(format!("{},day,,{},{},{visitors}", row.day, row.tally.views, row.tally.visits));
    }
    let named = |day: Day, dimension: &str, value: &str, tally: Tally| {
        format!("{day},{dimension},{},{},{},", quoted(value), tally.views, tally.visits)
    };
    lines.extend(pages.iter().map(|row| named(row.day, "page", row.path.as_str(), row.tally)));
    lines.extend(details.iter().map(|row| named(row.day, row.dimension.as_str(), &row.value, row.tally)));
    for row in undated.iter().filter(|row| (row.views, row.visits) != (0, 0)) {
        let (dimension, value) = match &row.path {
            Some(path) => ("page", quoted(path.as_str())),
            None => ("day", String::new()),
        };
        lines.push(format!(",{dimension},{value},{},{},", row.views, row.visits));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// A field of RFC 4180 that no spreadsheet takes for a formula and no terminal writes backwards. Different
/// texts are different fields.
fn quoted(text: &str) -> String {
    let mut plain = String::with_capacity(text.len() + 1);
    if text.trim_start_matches(is_unseen).starts_with(BEGINS_FORMULA) {
        plain.push('\'');
    }
    for character in text.chars() {
        match character {
            '\\' => plain.push_str("\\\\"),
            turns if turns_direction(turns) => {
                write!(plain, "\\u{:04x}", u32::from(turns)).expect("a String takes everything");
            }
            character => plain.push(character),
        }
    }
    if plain.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", plain.replace('"', "\"\"")) } else { plain }
}

/// What makes a spreadsheet calculate, as it is and in East Asian width, or what says that it does not.
const BEGINS_FORMULA: [char; 19] = [
    '=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}', '\u{fe62}',
    '\u{fe63}', '\u{fe66}', '\u{fe6b}', '\u{2212}', '\u{207a}', '\u{208a}', '\'',
];

/// Whether a character shows nothing at the beginning of a field, so that a spreadsheet may see the one behind it
/// first: white space, marks of the byte order, and what joins or parts letters without a width.
fn is_unseen(character: char) -> bool {
    character.is_whitespace()
        || matches!(
            character,
            '\u{feff}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}' | '\u{ad}' | '\u{180e}' | '\0'
        )
}

/// Whether a character turns the direction in which the rest of a line is written (Unicode Standard Annex 9).
pub(super) fn turns_direction(character: char) -> bool {
    matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_stay_fields_and_no_value_is_a_formula() {
        for (text, field) in [
            ("/tin-tuc", "/tin-tuc"),
            ("a,\"b\"", "\"a,\"\"b\"\"\""),
            ("=1+1", "'=1+1"),
            ("@x,y", "\"'@x,y\""),
            ("'=1+1", "''=1+1"),
            ("'", "''"),
            ("＝1", "'＝1"),
            ("＠a", "'＠a"),
            ("\u{fe62}1", "'\u{fe62}1"),
            ("\u{2212}1", "'\u{2212}1"),
            ("\u{feff}=1", "'\u{feff}=1"),
            ("\u{200b}\u{feff} =1", "'\u{200b}\u{feff} =1"),
            (" '=1", "' '=1"),
            ("\u{200b}a=1", "\u{200b}a=1"),
            ("a=1", "a=1"),
            ("a\u{202e}b", "a\\u202eb"),
            ("a\\u202eb", "a\\\\u202eb"),
            ("\u{2067}=1", "\\u2067=1"),
            ("", ""),
        ] {
            assert_eq!(quoted(text), field);
        }
    }

    /// What the help says about taking a value back.
    fn taken_back(field: &str) -> String {
        let inner = field.strip_prefix('"').and_then(|field| field.strip_suffix('"'));
        let text = inner.map_or(field.to_owned(), |inner| inner.replace("\"\"", "\""));
        let mut characters = text.strip_prefix('\'').unwrap_or(&text).chars();
        let mut value = String::new();
        while let Some(character) = characters.next() {
            value.push(match (character, character == '\\' && characters.next() == Some('u')) {
                ('\\', true) => {
                    let digits: String = characters.by_ref().take(4).collect();
                    u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32).expect("four digits")
                }
                (character, _) => character,
            });
        }
        value
    }

    proptest! {
        #[test]
        fn every_value_can_be_taken_back(text in "['=＝+\\\\u20e\u{202e}\u{2066}\",a\n]{0,8}|.*") {
            prop_assert_eq!(taken_back(&quoted(&text)), text);
        }
    }
}
