//! The numbers as JSON: the data snippet, and the reply of every beacon.
//!
//! This is on the way of a beacon, so it is written by hand: no formatting machinery, no allocation but
//! the buffer's own, and what all replies of a moment share is rendered once. Keys and their order are
//! public.

use super::Format;
use super::escape::{push_grouped, push_json, push_number};
use super::grouping::Grouping;
use super::line::value;
use super::view::{Row, View};
use crate::words::{Numbers, PageNumbers, Tally};

pub(super) static FORMAT: Format = Format {
    extension: "json",
    content_type: "application/json; charset=utf-8",
    policy: "default-src 'none'",
    slow: false,
    needs: None,
    counts: |_| false,
    render,
};

/// What became of a beacon, as its reply says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// It counts.
    Counted,
    /// It was answered and does not count.
    NotCounted {
        /// The one reason, as one word.
        reason: &'a str,
        /// What the webmaster can do about it, in one sentence; may be empty.
        remedy: &'a str,
    },
}

/// The longest reply of a site with eight-digit numbers and a page of 200 bytes fits without growing, and
/// allocators have blocks of this very size.
const REPLY_BYTES: usize = 2_048;
/// What a reply of a counted beacon has of its own, beside the path of its page. With no more than it needs a
/// reply mostly stays below a kilobyte, and allocators are quickest with those.
const OWN_BYTES: usize = 128;

/// The numbers of a site as every reply of one moment shows them. A page's own stand between the two
/// parts and at the end of the second, so that replies of one turn share the rest.
#[derive(Debug)]
pub struct Rendered {
    numbers: Vec<u8>,
    text: Vec<u8>,
    grouping: Grouping,
}

fn render(numbers: &Numbers, view: &View) -> Vec<u8> {
    let mut out = Vec::with_capacity(REPLY_BYTES);
    Rendered::of(numbers, view).push(&mut out, numbers.page.as_ref());
    out.extend_from_slice(b"}\n");
    out
}

impl Rendered {
    /// Renders everything but the page.
    #[must_use]
    pub fn of(numbers: &Numbers, view: &View) -> Rendered {
        let mut rendered = Rendered {
            numbers: Vec::with_capacity(REPLY_BYTES),
            text: Vec::with_capacity(REPLY_BYTES),
            grouping: view.grouping,
        };
        push_numbers(&mut rendered.numbers, numbers);
        push_text(&mut rendered.text, numbers, view);
        rendered
    }

    /// The reply of a beacon: these numbers, those of its page, and what became of it.
    #[must_use]
    pub fn reply(&self, page: Option<&PageNumbers>, outcome: Outcome<'_>) -> Vec<u8> {
        let path_bytes = page.map_or(0, |page| page.path.as_str().len());
        let mut out = Vec::with_capacity(self.numbers.len() + self.text.len() + path_bytes + OWN_BYTES);
        self.push(&mut out, page);
        match outcome {
            Outcome::Counted => out.extend_from_slice(b",\"counted\":true"),
            Outcome::NotCounted { reason, remedy } => {
                out.extend_from_slice(b",\"counted\":false,\"reason\":");
                push_json(&mut out, reason);
                if !remedy.is_empty() {
                    out.extend_from_slice(b",\"remedy\":");
                    push_json(&mut out, remedy);
                }
            }
        }
        out.extend_from_slice(b"}\n");
        out
    }

    /// Everything but the closing brace.
    fn push(&self, out: &mut Vec<u8>, page: Option<&PageNumbers>) {
        out.extend_from_slice(&self.numbers);
        if let Some(page) = page {
            push_page(out, page);
        }
        out.extend_from_slice(&self.text);
        if let Some(page) = page {
            out.extend_from_slice(b",\"page\":\"");
            push_grouped(out, page.views, self.grouping);
            out.push(b'"');
        }
        out.push(b'}');
    }
}

fn push_numbers(out: &mut Vec<u8>, numbers: &Numbers) {
    // A site id holds nothing that JSON escapes.
    out.extend_from_slice(b"{\"site\":\"");
    out.extend_from_slice(numbers.site.as_str().as_bytes());
    out.extend_from_slice(b"\",\"at\":");
    push_json(out, &numbers.at);
    out.extend_from_slice(b",\"online\":");
    push_number(out, u64::from(numbers.online));
    out.extend_from_slice(b",\"online_window_seconds\":");
    push_number(out, u64::from(numbers.online_window_seconds));
    push_span(out, b",\"total\":{\"views\":", numbers.total);
    push_day(out, b"},\"today\":{\"views\":", numbers.today, numbers.today_visitors);
    push_day(out, b"},\"yesterday\":{\"views\":", numbers.yesterday, numbers.yesterday_visitors);
    push_span(out, b"},\"this_week\":{\"views\":", numbers.this_week);
    push_span(out, b"},\"last_week\":{\"views\":", numbers.last_week);
    push_span(out, b"},\"this_month\":{\"views\":", numbers.this_month);
    push_span(out, b"},\"last_month\":{\"views\":", numbers.last_month);
    push_span(out, b"},\"this_year\":{\"views\":", numbers.this_year);
    push_span(out, b"},\"last_hour\":{\"views\":", numbers.last_hour);
    push_span(out, b"},\"last_24_hours\":{\"views\":", numbers.last_24_hours);
    push_peak(out, numbers);
}

/// Appends `opening`, which ends where the views stand, and leaves the object open.
fn push_span(out: &mut Vec<u8>, opening: &'static [u8], tally: Tally) {
    out.extend_from_slice(opening);
    push_number(out, tally.views);
    out.extend_from_slice(b",\"visits\":");
    push_number(out, tally.visits);
}

fn push_day(out: &mut Vec<u8>, opening: &'static [u8], tally: Tally, visitors: u64) {
    push_span(out, opening, tally);
    out.extend_from_slice(b",\"visitors\":");
    push_number(out, visitors);
}

fn push_peak(out: &mut Vec<u8>, numbers: &Numbers) {
    let Some(peak) = &numbers.peak_online else {
        out.extend_from_slice(b"},\"peak_online\":null");
        return;
    };
    out.extend_from_slice(b"},\"peak_online\":{\"count\":");
    push_number(out, u64::from(peak.count));
    out.extend_from_slice(b",\"at\":");
    push_json(out, &peak.at);
    out.push(b'}');
}

fn push_page(out: &mut Vec<u8>, page: &PageNumbers) {
    out.extend_from_slice(b",\"page\":{\"path\":");
    push_json(out, page.path.as_str());
    push_span(out, b",\"views\":", Tally { views: page.views, visits: page.visits });
    out.extend_from_slice(b",\"online\":");
    push_number(out, u64::from(page.online));
    out.push(b'}');
}

/// The rows in words, without the page's, which would stand last, and without the closing brace.
fn push_text(out: &mut Vec<u8>, numbers: &Numbers, view: &View) {
    out.extend_from_slice(b",\"text\":{");
    let rows = Row::ALL.into_iter().filter(|row| *row != Row::Page);
    for (n, row) in rows.enumerate() {
        let Some(value) = value(row, numbers, view) else { continue };
        out.extend_from_slice(if n == 0 { b"\"" } else { b",\"" });
        out.extend_from_slice(row.as_str().as_bytes());
        out.extend_from_slice(b"\":\"");
        // The view promises a separator that JSON need not escape.
        push_grouped(out, value, view.grouping);
        out.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::grouping::Grouping;
    use super::super::tests::{numbers, numbers_with_page, view};
    use super::*;
    use crate::words::{Figure, PagePath};

    fn parsed(bytes: &[u8]) -> Value {
        serde_json::from_slice(bytes).expect("is JSON")
    }

    fn reply(numbers: &Numbers, outcome: Outcome<'_>) -> Vec<u8> {
        Rendered::of(numbers, &view(&[])).reply(numbers.page.as_ref(), outcome)
    }

    #[test]
    fn a_reader_of_json_finds_every_number() {
        let json = parsed(&render(&numbers_with_page(), &view(&[])));
        assert_eq!(json["site"], "vks");
        assert_eq!(json["at"], "2026-11-22T23:40:00+07:00");
        assert_eq!((&json["online"], &json["online_window_seconds"]), (&json!(912), &json!(300)));
        assert_eq!(json["total"], json!({"views": 4_021_877, "visits": 1_333_796}));
        assert_eq!(json["today"], json!({"views": 5_120, "visits": 1_804, "visitors": 1_633}));
        assert_eq!(json["yesterday"]["visitors"], 2_015);
        assert_eq!(json["last_24_hours"], json!({"views": 6_010, "visits": 2_101}));
        assert_eq!(json["peak_online"], json!({"count": 1_204, "at": "2026-10-01T09:12:00+07:00"}));
        assert_eq!(json["page"], json!({"path": "/tin-tuc", "views": 33, "visits": 21, "online": 4}));
        assert_eq!(json["text"]["total"], "1,333,796");
        assert_eq!(json["text"]["page"], "33", "its views, while the total is visits");
        assert!(json.get("counted").is_none());
    }

    #[test]
    fn keys_stand_in_the_documented_order() {
        let text = String::from_utf8(reply(&numbers_with_page(), Outcome::Counted)).expect("is text");
        let keys = [
            "site",
            "at",
            "online",
            "online_window_seconds",
            "total",
            "today",
            "yesterday",
            "this_week",
            "last_week",
            "this_month",
            "last_month",
            "this_year",
            "last_hour",
            "last_24_hours",
            "peak_online",
            "page",
            "text",
            "counted",
        ];
        let places: Vec<_> = keys.iter().map(|key| text.find(&format!("\"{key}\":"))).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}");
    }

    #[test]
    fn text_has_every_row_and_the_page_only_when_it_was_named() {
        let with = parsed(&render(&numbers_with_page(), &view(&[])));
        for row in Row::ALL {
            assert!(with["text"][row.as_str()].is_string(), "{row:?}");
        }
        let without = parsed(&render(&numbers(), &view(&[])));
        assert!(without["text"].get("page").is_none() && without.get("page").is_none());
    }

    #[test]
    fn text_counts_what_the_site_calls_its_total() {
        let view = View { total: Figure::Views, grouping: Grouping::by('.'), ..view(&[]) };
        let json = parsed(&render(&numbers_with_page(), &view));
        assert_eq!(json["text"]["total"], "4.021.877");
        assert_eq!(json["text"]["today"], "5.120");
        assert_eq!(json["text"]["page"], "33");
        assert_eq!(json["text"]["online"], "912");
    }

    #[test]
    fn a_beacons_reply_says_whether_it_counted_and_why_not() {
        assert_eq!(parsed(&reply(&numbers(), Outcome::Counted))["counted"], true);
        let remedy = "add \"www\" to hosts";
        let refused = parsed(&reply(&numbers(), Outcome::NotCounted { reason: "foreign_host", remedy }));
        assert_eq!((&refused["counted"], &refused["reason"]), (&json!(false), &json!("foreign_host")));
        assert_eq!(refused["remedy"], remedy);
        let bare = parsed(&reply(&numbers(), Outcome::NotCounted { reason: "robot", remedy: "" }));
        assert!(bare.get("remedy").is_none());
    }

    #[test]
    fn a_page_with_quotes_and_a_site_without_a_peak_are_still_json() {
        let path = PagePath::from_folded("/\"\\\u{1}</script>");
        let page = PageNumbers { path: path.clone(), views: 1, visits: 0, online: 1 };
        let json = parsed(&render(&Numbers { page: Some(page), peak_online: None, ..numbers() }, &view(&[])));
        assert_eq!(json["page"]["path"], path.as_str());
        assert_eq!(json["peak_online"], Value::Null);
        assert_eq!(json["text"]["peak_online"], "0");
    }

    #[test]
    fn the_largest_numbers_do_not_make_the_buffer_grow() {
        let out = reply(&numbers_with_page(), Outcome::Counted);
        assert!(out.capacity() - out.len() < OWN_BYTES, "{} of {}", out.len(), out.capacity());
    }
}
