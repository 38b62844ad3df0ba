//! The views at both edges of a log, by which other logs that tell of them are known: see
//! [`crate::store::EdgeSecond`].

use std::collections::BTreeMap;
use std::hash::Hasher;

use siphasher::sip::SipHasher24;

use crate::beacon::log::LogLine;
use crate::store::{EdgeSecond, Span};
use crate::words::{Salt, UnixMillis, VisitorId};

/// Views that were counted since the last batch, of the seconds that are an edge.
#[derive(Debug, Default)]
pub(super) struct Edges {
    seconds: BTreeMap<(u64, u64), Vec<u64>>,
}

impl Edges {
    /// Takes a view of a log that tells of a span by now. What is no edge of it any more is dropped.
    pub(super) fn add(&mut self, at: UnixMillis, secret: u64, view: u64, span: Option<Span>) {
        let inner = span.and_then(|span| span.inner());
        if inner.is_some_and(|inner| inner.contains(at)) {
            return;
        }
        let key = (at.second(), secret);
        if !self.seconds.contains_key(&key) {
            self.trim(inner);
        }
        let views = self.seconds.entry(key).or_default();
        if views.len() < EdgeSecond::VIEWS_MAX {
            views.push(view);
        }
    }

    fn trim(&mut self, inner: Option<Span>) {
        if let Some(inner) = inner {
            self.seconds.retain(|(second, _), _| !inner.contains(UnixMillis(second * 1_000)));
        }
    }

    /// What is to be kept of a log that tells of a span.
    pub(super) fn take(&mut self, span: Option<Span>) -> Vec<EdgeSecond> {
        self.trim(span.and_then(|span| span.inner()));
        let seconds = std::mem::take(&mut self.seconds).into_iter();
        seconds.map(|((second, secret), views)| EdgeSecond { second, secret, views }).collect()
    }

    /// Takes back what [`Edges::take`] gave.
    pub(super) fn put_back(&mut self, edges: Vec<EdgeSecond>) {
        for EdgeSecond { second, secret, views } in edges {
            self.seconds.entry((second, secret)).or_default().extend(views);
        }
    }
}

/// What a view says, as a number: who, when, and what else the line tells. The address and the browser are not in
/// it; who looked is in it by the day's id alone, so that nothing can be found by trying once the secret is erased.
pub(super) fn said_of(line: &LogLine<'_>, visitor: VisitorId) -> u32 {
    let mut hasher = SipHasher24::new();
    hasher.write(&visitor.0.to_le_bytes());
    hasher.write(&line.at.0.to_le_bytes());
    hasher.write(&line.status.to_le_bytes());
    for part in [line.method, line.target, line.referrer] {
        hasher.write(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
        hasher.write(part);
    }
    // 0 stands for no view.
    u32::try_from(hasher.finish() >> 32).unwrap_or(1).max(1)
}

/// What a secret is known by.
pub(super) fn name_of(salt: &Salt) -> u64 {
    SipHasher24::new().hash(&salt.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_within_the_log_by_now_is_dropped() {
        let mut edges = Edges::default();
        let span = |to| Some(Span { from: UnixMillis(1_000), to: UnixMillis(to) });
        for second in 1..=300 {
            edges.add(UnixMillis(second * 1_000), 5, second, span(second * 1_000));
        }
        edges.add(UnixMillis(100_000), 5, 9, span(300_000));
        let kept: Vec<u64> = edges.take(span(300_000)).iter().map(|edge| edge.second).collect();
        assert_eq!((kept.len(), kept[0], kept[59], kept[60], kept[119]), (120, 1, 60, 241, 300));
        assert!(edges.take(span(300_000)).is_empty());
    }

    #[test]
    fn a_second_keeps_so_many_views_and_each_time_one_was_there() {
        let mut edges = Edges::default();
        for _ in 0..EdgeSecond::VIEWS_MAX + 5 {
            edges.add(UnixMillis(1_000), 5, 7, None);
        }
        edges.add(UnixMillis(1_000), 6, 8, None);
        let taken = edges.take(None);
        assert_eq!(taken.len(), 2);
        assert!(taken[0].is_full() && taken[0].views.len() == EdgeSecond::VIEWS_MAX);
        edges.put_back(taken.clone());
        assert_eq!(edges.take(None), taken);
    }

    #[test]
    fn a_view_is_the_same_with_any_line_end_and_another_with_anything_else() {
        let line = |who: &str, page: &str, end: &str| {
            let text = format!(
                "{who} - - [17/May/2015:10:05:03 +0000] \"GET {page} HTTP/1.1\" 200 1 \"-\" \"x\"{end}"
            );
            let line = crate::beacon::log::parse(text.as_bytes()).expect("a line");
            said_of(&line, VisitorId(u64::try_from(who.len()).expect("small")))
        };
        assert_eq!(line("10.0.0.1", "/a", ""), line("10.0.0.1", "/a", "\r"));
        assert_ne!(line("10.0.0.1", "/a", ""), line("10.0.0.1", "/b", ""));
        assert_ne!(line("10.0.0.1", "/a", ""), line("10.0.0.12", "/a", ""));
    }
}
