//! Lines that another log of the site told of.
//!
//! A log is known by its first lines. Logs that were joined into one, cut into parts or written with other line
//! ends begin otherwise, so they are other logs; but they tell of the same requests. So a moment of a site is
//! counted from one log: where a new log comes to a time within another, its lines are left out, unless somebody
//! says that they are other requests. What is left out is kept with the log, so that exactly these lines are taken
//! when that is said later.
//!
//! Logs that were rotated meet, and lines may be a minute from their place. So the first and the last minute of a
//! log are not its own: there each view is looked for among those that were counted ([`crate::store::EdgeSecond`]),
//! with the view that stands before it. Several requests on one side of a rotation that are the same in everything
//! as on the other, in the same second and one behind the other, are taken for a copy; a follower, which sees a
//! rotation happen, does not ask. Where the hashes fit nothing any more,
//! because the secret of that day is erased, or where a second has too many views to keep, the time decides. Logs that
//! meet are one time then: a log that begins in its last minute, or began before it, is its neighbour and counts
//! there, and any other does not, nor does anything at the seams within.

use std::collections::VecDeque;

use super::order::LATE_MS;
use crate::store::{EdgeSecond, ImportLog, LeftOut, Span};
use crate::words::{StreamId, UnixMillis};

/// Minutes of other logs' edges that are held at once: more than lines are ever out of order.
const MINUTES_MAX: usize = 4;

/// What of the present log is left out.
#[derive(Debug, Default)]
pub(super) struct Cover {
    /// The other logs of the site, and the time that each told of.
    others: Vec<(StreamId, Span)>,
    /// The times that logs told of, with this one as far as it was counted; those that meet are one.
    told: Vec<Span>,
    /// Where lines are theirs alone, in order and apart from each other.
    inner: Vec<Span>,
    /// Where they are theirs perhaps, likewise.
    edges: Vec<Span>,
    /// Those, with a minute on both sides: what stands beside a view there.
    near_edges: Vec<Span>,
    /// What is known of those, minute by minute: views that no line of this log was yet.
    minutes: VecDeque<(u64, Vec<(StreamId, EdgeSecond)>)>,
    /// The logs before this one that a follower has read.
    before: Vec<StreamId>,
    /// The moment of this log's first line.
    first_at: UnixMillis,
    /// What is left out by now.
    left_out: Vec<LeftOut>,
    /// The time that is being left out.
    covering: Option<Span>,
    /// The entry of the lines that are being left out, until another counts.
    run: Option<usize>,
    /// What was left out by earlier imports and is counted now.
    retaken: Vec<LeftOut>,
    /// Lines before this byte were counted, whatever their moment is.
    counted_before: u64,
}

/// What other logs tell of a view at their edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// It is among those that were counted there.
    Told,
    /// One like it is, behind another view.
    Perhaps,
    /// None is.
    New,
}

/// How a moment lies to the other logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// None of them tells of it.
    Free,
    /// One may: it is to be asked for each view.
    Edge,
    /// It lies within one.
    Within(Span),
}

impl Cover {
    /// Of a log whose first line is of the moment `first_at`; with `overlap` nothing of it is left out. A follower
    /// read the logs `before` until this one took their place.
    pub(super) fn of(
        log: &ImportLog,
        mut others: Vec<(StreamId, Span)>,
        before: &[StreamId],
        first_at: UnixMillis,
        overlap: bool,
    ) -> Cover {
        let (mut left_out, mut retaken) = (log.left_out.clone(), Vec::new());
        if overlap {
            std::mem::swap(&mut left_out, &mut retaken);
            others.clear();
        }
        let inner = joined(others.iter().filter_map(|(_, span)| span.inner()).collect(), 0);
        let told = joined(others.iter().map(|(_, span)| *span).chain(log.span).collect(), LATE_MS);
        let has_edges = others.iter().filter(|(stream, _)| !before.contains(stream));
        let edges = joined(has_edges.flat_map(|(_, span)| edges_of(*span)).collect(), 0);
        let near = |edge: &Span| Span { from: edge.from.minus(LATE_MS), to: edge.to.plus(LATE_MS) };
        Cover {
            others,
            told,
            inner,
            near_edges: joined(edges.iter().map(near).collect(), 0),
            edges,
            before: before.to_vec(),
            first_at,
            left_out,
            retaken,
            counted_before: log.replay_from,
            ..Cover::default()
        }
    }

    /// What is left out by now.
    pub(super) fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// Whether lines that an earlier import left out are counted now.
    pub(super) fn retakes(&self) -> bool {
        !self.retaken.is_empty()
    }

    /// Whether a line that was read before is in the rows.
    pub(super) fn was_counted(&self, at: UnixMillis, from: u64, counted_at: UnixMillis) -> bool {
        !has(&self.retaken, at, from) && (from < self.counted_before || at <= counted_at)
    }

    /// Whether a line that was read before was left out.
    pub(super) fn is_left_out(&self, at: UnixMillis, from: u64) -> bool {
        has(&self.left_out, at, from)
    }

    /// How the moment of a new line lies to the other logs.
    pub(super) fn reach(&self, at: UnixMillis) -> Reach {
        match (holding(&self.inner, at), holding(&self.edges, at)) {
            (Some(span), _) => Reach::Within(span),
            (None, Some(_)) => Reach::Edge,
            (None, None) => Reach::Free,
        }
    }

    /// Whether a line of a moment may stand beside one at an edge.
    pub(super) fn is_near_edge(&self, at: UnixMillis) -> bool {
        holding(&self.near_edges, at).is_some()
    }

    /// Leaves out the lines of a time, from a byte on.
    pub(super) fn leave_out(&mut self, span: Span, at: UnixMillis, from: u64) {
        if self.covering != Some(span) && !has(&self.left_out, at, from) {
            self.push(LeftOut::Time { span, since: from });
        }
        self.covering = Some(span);
    }

    /// Leaves out a view whose line begins at a byte, and with it those behind the last one that was left out like
    /// that: none of them counted.
    pub(super) fn leave_out_view(&mut self, from: u64) {
        if let Some(LeftOut::Lines { until, .. }) = self.run.and_then(|run| self.left_out.get_mut(run)) {
            *until = from + 1;
            return;
        }
        self.run = Some(self.left_out.len());
        self.push(LeftOut::Lines { since: from, until: from + 1 });
    }

    /// A new view counts.
    pub(super) fn note_counted(&mut self) {
        self.run = None;
    }

    fn push(&mut self, part: LeftOut) {
        if self.left_out.len() < ImportLog::LEFT_OUT_MAX {
            self.left_out.push(part);
        }
    }

    /// Whether the edges of a minute are known already.
    pub(super) fn knows(&self, minute: u64) -> bool {
        self.minutes.iter().any(|(known, _)| *known == minute)
    }

    /// Takes what other logs tell of a minute.
    pub(super) fn learn(&mut self, minute: u64, mut edges: Vec<(StreamId, EdgeSecond)>) {
        edges.retain(|(stream, _)| !self.before.contains(stream));
        if self.minutes.len() == MINUTES_MAX {
            self.minutes.pop_front();
        }
        self.minutes.push_back((minute, edges));
    }

    /// Looks for a view at other logs' edges, by [`super::place::Place::view`]. One that is there once is one view
    /// here too.
    pub(super) fn look(&mut self, at: UnixMillis, secret: u64, view: u64) -> Look {
        let minute = self.minutes.iter_mut().find(|(minute, _)| *minute == at.minute());
        let Some((_, edges)) = minute else { return Look::New };
        let (alone, mut look, mut unsure) = (view >> 32 << 32, Look::New, Vec::new());
        // One that the other log begins with has nothing before it.
        for wanted in [view, alone] {
            for (stream, edge) in edges.iter_mut().filter(|(_, edge)| edge.second == at.second()) {
                if edge.secret != secret || edge.is_full() {
                    unsure.push(*stream);
                }
                if edge.secret != secret {
                    continue;
                }
                if let Some(found) = edge.views.iter_mut().find(|told| **told == wanted) {
                    // Its place stays, as a full second is one for good.
                    *found = TAKEN;
                    return Look::Told;
                }
                if edge.views.iter().any(|told| *told >> 32 == view >> 32) {
                    look = Look::Perhaps;
                }
            }
        }
        let is_covered = unsure.into_iter().any(|stream| !self.is_neighbour(stream, at));
        if is_covered { Look::Told } else { look }
    }

    /// Whether this log goes on where another, with those that it meets, ends, or ends where they begin, as far as
    /// times tell.
    fn is_neighbour(&self, stream: StreamId, at: UnixMillis) -> bool {
        if !self.others.iter().any(|(other, _)| *other == stream) {
            return true;
        }
        let Some(span) = holding(&self.told, at) else { return true };
        if span.inner().is_some_and(|inner| inner.contains(at)) {
            return false;
        }
        let is_at_begin = at < span.from.plus(LATE_MS);
        if is_at_begin { self.first_at < span.from } else { self.first_at >= span.to.minus(LATE_MS) }
    }
}

/// In the place of a view that a line was.
const TAKEN: u64 = 0;

/// The first and the last minute of a span.
fn edges_of(span: Span) -> Vec<Span> {
    let Some(inner) = span.inner() else { return vec![span] };
    vec![Span { from: span.from, to: inner.from.minus(1) }, Span { from: inner.to.plus(1), to: span.to }]
}

/// Spans that overlap, or are no further apart than this, as one, in order.
fn joined(mut spans: Vec<Span>, apart_ms: u64) -> Vec<Span> {
    spans.sort();
    let mut all: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match all.last_mut() {
            Some(last) if span.from <= last.to.plus(apart_ms) => last.to = last.to.max(span.to),
            _ => all.push(span),
        }
    }
    all
}

/// The one of these that a moment lies in.
fn holding(spans: &[Span], at: UnixMillis) -> Option<Span> {
    let after = spans.partition_point(|span| span.from <= at);
    spans.get(after.checked_sub(1)?).copied().filter(|span| at <= span.to)
}

fn has(left_out: &[LeftOut], at: UnixMillis, from: u64) -> bool {
    left_out.iter().rev().any(|part| part.has(at, from))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHER: Span = Span { from: UnixMillis(1_000_000), to: UnixMillis(2_000_000) };
    const STREAM: StreamId = StreamId(7);

    fn log(left_out: Vec<LeftOut>) -> ImportLog {
        ImportLog {
            stream: StreamId(1),
            head: Vec::new(),
            position: 100,
            tail: 0,
            counted_at: UnixMillis(0),
            replay_from: 80,
            replay_line: 0,
            span: None,
            left_out,
        }
    }

    fn cover(first_at: u64) -> Cover {
        Cover::of(&log(Vec::new()), vec![(STREAM, OTHER)], &[], UnixMillis(first_at), false)
    }

    #[test]
    fn a_log_is_alone_in_its_time_but_for_its_first_and_last_minute() {
        let inner = Span { from: UnixMillis(1_060_000), to: UnixMillis(1_940_000) };
        for (at, expected) in [
            (999_000, Reach::Free),
            (1_000_000, Reach::Edge),
            (1_059_000, Reach::Edge),
            (1_060_000, Reach::Within(inner)),
            (1_940_000, Reach::Within(inner)),
            (1_941_000, Reach::Edge),
            (2_000_000, Reach::Edge),
            (2_001_000, Reach::Free),
        ] {
            assert_eq!(cover(10).reach(UnixMillis(at)), expected, "{at}");
        }
        let overlap = Cover::of(&log(Vec::new()), vec![(STREAM, OTHER)], &[], UnixMillis(10), true);
        assert_eq!(overlap.reach(UnixMillis(1_500_000)), Reach::Free);
        let short = Span { from: OTHER.from, to: OTHER.from.plus(59_000) };
        let short = Cover::of(&log(Vec::new()), vec![(STREAM, short)], &[], UnixMillis(10), false);
        assert_eq!(short.reach(UnixMillis(1_030_000)), Reach::Edge);
        let followed = Cover::of(&log(Vec::new()), vec![(STREAM, OTHER)], &[STREAM], UnixMillis(10), false);
        assert_eq!(followed.reach(UnixMillis(1_990_000)), Reach::Free);
        assert_eq!(followed.reach(UnixMillis(1_500_000)), Reach::Within(inner));
    }

    #[test]
    fn a_view_at_an_edge_is_told_of_as_often_as_it_was_counted() {
        let mut cover = cover(1_000_000);
        let (at, edge) = (UnixMillis(1_990_000), |secret, views| EdgeSecond { second: 1_990, secret, views });
        assert!(!cover.knows(at.minute()));
        let view = |said: u64, before: u64| said << 32 | before;
        let (first, twice) = (view(7, 0), view(8, 7));
        cover.learn(at.minute(), vec![(STREAM, edge(5, vec![first, twice, twice]))]);
        assert!(cover.knows(at.minute()));
        for (said, before, expected) in [
            (8, 7, Look::Told),
            (9, 8, Look::New),
            (8, 9, Look::Perhaps),
            (8, 7, Look::Told),
            (8, 7, Look::New),
            (7, 3, Look::Told),
            (7, 0, Look::New),
        ] {
            assert_eq!(cover.look(at, 5, view(said, before)), expected, "{said} behind {before}");
        }
        assert_eq!(cover.look(at.plus(1_000), 5, twice), Look::New, "of another second");
    }

    #[test]
    fn where_hashes_say_nothing_a_neighbour_counts_and_a_copy_does_not() {
        let full = EdgeSecond { second: 1_990, secret: 5, views: vec![9; EdgeSecond::VIEWS_MAX] };
        let end = EdgeSecond { second: 1_990, secret: 6, views: vec![9] };
        let begin = EdgeSecond { second: 1_010, ..end.clone() };
        for (edge, first_at, told) in [
            (&full, 1_000_000, Look::Told),
            (&full, 1_940_000, Look::New),
            (&end, 1_000_000, Look::Told),
            (&end, 1_940_000, Look::New),
            (&begin, 1_000_000, Look::Told),
            (&begin, 999_000, Look::New),
        ] {
            let (mut cover, at) = (cover(first_at), UnixMillis(edge.second * 1_000));
            cover.learn(at.minute(), vec![(STREAM, edge.clone())]);
            assert_eq!(cover.look(at, 5, 1 << 32), told, "{first_at} {}", edge.second);
        }
    }

    #[test]
    fn where_hashes_say_nothing_a_seam_of_logs_that_meet_is_no_edge() {
        let next = Span { from: UnixMillis(2_030_000), to: UnixMillis(3_000_000) };
        for (own, at, first_at, told) in [
            (None, 1_990_000, 999_000, Look::Told),
            (None, 1_990_000, 1_950_000, Look::Told),
            (None, 2_970_000, 1_950_000, Look::Told),
            (None, 2_970_000, 2_940_000, Look::New),
            (Some(Span { from: next.to, to: next.to.plus(900_000) }), 2_970_000, 2_950_000, Look::Told),
        ] {
            let log = ImportLog { span: own, ..log(Vec::new()) };
            let others = vec![(STREAM, OTHER), (StreamId(8), next)];
            let mut cover = Cover::of(&log, others, &[], UnixMillis(first_at), false);
            let (stream, at) = (if at < 2_000_000 { STREAM } else { StreamId(8) }, UnixMillis(at));
            let edge = EdgeSecond { second: at.second(), secret: 6, views: vec![9] };
            cover.learn(at.minute(), vec![(stream, edge)]);
            assert_eq!(cover.look(at, 5, 1 << 32), told, "{first_at} {}", at.0);
        }
    }

    #[test]
    fn what_was_left_out_stays_so_until_somebody_says_that_it_counts() {
        let left_out =
            vec![LeftOut::Time { span: OTHER, since: 50 }, LeftOut::Lines { since: 20, until: 31 }];
        let of = |overlap| Cover::of(&log(left_out.clone()), Vec::new(), &[], UnixMillis(10), overlap);
        let (kept, retaken, at) = (of(false), of(true), UnixMillis(1_000_001));
        assert!(kept.is_left_out(at, 50) && !kept.is_left_out(at, 49) && !kept.retakes());
        assert!(kept.is_left_out(at, 30) && !kept.is_left_out(at, 31) && !kept.is_left_out(at, 19));
        assert!(retaken.retakes() && !retaken.is_left_out(at, 50));
        assert!(!retaken.was_counted(at, 50, UnixMillis(u64::MAX)));
        assert!(!retaken.was_counted(at, 25, UnixMillis(u64::MAX)));
        assert!(retaken.was_counted(at, 49, UnixMillis(0)), "it lies before the place to go on from");
        assert!(!retaken.was_counted(UnixMillis(3_000_000), 90, UnixMillis(0)), "it was still waiting");
    }

    #[test]
    fn views_that_are_left_out_one_behind_the_other_take_one_entry() {
        let mut cover = cover(10);
        for from in [10, 20, 40] {
            cover.leave_out_view(from);
        }
        cover.leave_out(OTHER, UnixMillis(1_500_000), 50);
        cover.leave_out_view(60);
        cover.note_counted();
        cover.leave_out_view(90);
        cover.leave_out(OTHER, UnixMillis(1_500_000), 95);
        let expected = [
            LeftOut::Lines { since: 10, until: 61 },
            LeftOut::Time { span: OTHER, since: 50 },
            LeftOut::Lines { since: 90, until: 91 },
        ];
        assert_eq!(cover.left_out(), expected);
    }
}
