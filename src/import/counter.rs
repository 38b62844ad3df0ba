//! A log is folded: line by line to views, in order to visits, by day to rows, and batch by batch to the desk.
//!
//! What is counted depends on the lines alone and not on where an earlier import stopped. A batch reaches to
//! the end of a line, and says up to which moment the lines before it are counted: later ones wait for their
//! turn. An import that goes on begins to read earlier, where the oldest visit that may still be open began.
//! Lines that are counted only bring visits back; those that waited are counted now.
//!
//! A log that steps back by more than an hour, like two logs in one file, begins anew there: no visit goes on
//! from one piece to the next.

mod views;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cover::Cover;
use super::desk::{Begun, DaySalt, Desk};
use super::edge::Edges;
use super::order::{LATE_MS, Order, Waiting};
use super::place::{Checkpoint, Place};
use super::source::{FirstLine, Line, hash_of};
use super::{ImportError, Outcome, Own, Summary};
use crate::beacon::log::{self, LogError};
use crate::rows::{Addition, LocalDay, OpenVisits, SiteChanges, Sketch};
use crate::sites::Site;
use crate::store::{ImportBatch, ImportLog, Span};
use crate::visitor::Visitors;
use crate::words::{Day, Kind, PagePath, StreamId, Tally, UnixMillis};
use views::Doubt;

/// A log does not step back by more than this and stay one log.
const STEP_BACK_MS: u64 = 3_600_000;
/// How far apart, in the log's own time, the places are from which an import may go on.
const CHECKPOINT_MS: u64 = 10_000;
/// Logs that a follower remembers to have read: more than are rotated within two minutes.
const BEFORE_MAX: usize = 16;

/// What counting a log needs to know.
#[derive(Clone)]
pub struct Options {
    /// For which site.
    pub site: Arc<Site>,
    /// Which requests were for headcount itself.
    pub own: Own,
    /// How long a visit stays open, in milliseconds.
    pub visit_window_ms: u64,
    /// Whether every line that can be read is a view.
    pub everything: bool,
    /// Whether lines count that the site's own beacons, or other logs, may have counted.
    pub overlap: bool,
    /// For how many days back what views tell is kept.
    pub details_days: u32,
}

/// Counts logs of one site, one after the other.
pub struct Counter<'a> {
    options: Options,
    visitors: &'a Visitors,
    salts: Vec<(Day, DaySalt)>,
    /// The day of the last line, and the one before.
    days: [LocalDay; 2],
    /// The first moment of tomorrow.
    future_from: UnixMillis,
    /// Details of days before this one are erased at once.
    details_from: Day,
    live_from: Option<UnixMillis>,
    order: Order,
    visits: OpenVisits,
    /// The latest moment of the present piece.
    newest: UnixMillis,
    place: Place,
    changes: SiteChanges,
    gathered: BTreeMap<Day, Gathered>,
    edges: Edges,
    doubt: Doubt,
    /// For a follower, the logs that it has read; each took the place of the one before.
    before: Option<Vec<StreamId>>,
    /// What became of all lines.
    pub summary: Summary,
    /// The same, as of the last batch.
    settled: Summary,
    /// Lines that are known were noted before.
    begins_again: bool,
}

/// Visitors of a day since the last batch.
struct Gathered {
    visitors: Sketch,
    is_of_beacons: bool,
}

impl<'a> Counter<'a> {
    /// A counter that has read nothing.
    #[must_use]
    pub fn new(options: Options, visitors: &'a Visitors, now: UnixMillis) -> Counter<'a> {
        let today = LocalDay::of(now, &options.site.time_zone);
        let nowhere = ImportLog {
            stream: StreamId(0),
            head: Vec::new(),
            position: 0,
            tail: 0,
            counted_at: UnixMillis(0),
            replay_from: 0,
            replay_line: 0,
            span: None,
            left_out: Vec::new(),
        };
        Counter {
            visitors,
            salts: Vec::new(),
            days: [today; 2],
            future_from: today.until,
            details_from: details_from(now, options.details_days),
            live_from: None,
            order: Order::default(),
            visits: OpenVisits::default(),
            newest: UnixMillis(0),
            place: Place::new(String::new(), nowhere, Cover::default()),
            changes: SiteChanges::default(),
            gathered: BTreeMap::new(),
            edges: Edges::default(),
            doubt: Doubt::default(),
            before: None,
            summary: Summary::default(),
            settled: Summary::default(),
            begins_again: false,
            options,
        }
    }

    /// The site that is counted.
    #[must_use]
    pub fn site(&self) -> &Site {
        &self.options.site
    }

    /// How long a visit stays open, in milliseconds.
    pub(super) fn visit_window_ms(&self) -> u64 {
        self.options.visit_window_ms
    }

    /// Since when lines are left out because beacons count the site.
    pub(super) fn live_from(&self) -> Option<UnixMillis> {
        self.live_from.filter(|_| !self.options.overlap)
    }

    /// Notes the present moment: days after it have not come yet.
    pub fn set_now(&mut self, now: UnixMillis) {
        if now >= self.future_from {
            self.future_from = LocalDay::of(now, &self.options.site.time_zone).until;
            self.details_from = details_from(now, self.options.details_days);
        }
    }

    /// From now on each log takes the place of the one before, so their lines are different ones.
    pub(super) fn follow(&mut self) {
        self.before = Some(Vec::new());
    }

    /// Goes on with another log, of which this is the first line. Gives the place from which it is to be read:
    /// that of the desk, or its beginning when lines are counted that were left out. Nothing may be waiting.
    pub(super) fn enter(&mut self, begun: Begun, file: String, first: Option<FirstLine>) -> u64 {
        let Begun { mut log, live_from, others } = begun;
        self.live_from = live_from;
        self.order.begin(UnixMillis(0));
        self.doubt = Doubt::default();
        let first_at = first.map(|first| first.at).unwrap_or_default();
        let before = self.before.as_deref().unwrap_or_default();
        let cover = Cover::of(&log, others, before, first_at, self.options.overlap);
        if let Some(before) = self.before.as_mut().filter(|before| !before.contains(&log.stream)) {
            before.drain(..(before.len() + 1).saturating_sub(BEFORE_MAX));
            before.push(log.stream);
        }
        if cover.retakes() {
            (log.replay_from, log.replay_line) = (0, 0);
        }
        if !self.begins_again {
            self.summary.note_many(Outcome::Already, log.replay_line);
        }
        let place = log.replay_from;
        self.place = Place { first, ..Place::new(file, log, cover) };
        place
    }

    /// Forgets what was read and not handed in, to begin again where the desk says that the log stands. What
    /// is read again is not noted twice.
    pub(super) fn forget_unsettled(&mut self) {
        self.drop_unsettled();
        self.begins_again = true;
    }

    /// Forgets what was read and not handed in, for good.
    pub(super) fn drop_unsettled(&mut self) {
        self.order = Order::default();
        self.visits = OpenVisits::default();
        self.newest = UnixMillis(0);
        self.salts.clear();
        self.gathered.clear();
        self.edges = Edges::default();
        self.doubt = Doubt::default();
        self.changes = SiteChanges::default();
        self.summary = self.settled.clone();
    }

    /// Notes a file that was not counted, or not to its end.
    pub fn note_uncounted(&mut self, file: &str, cause: &str) {
        self.summary.note_uncounted(file, cause);
        self.settled.note_uncounted(file, cause);
    }

    /// Notes something that somebody should know besides.
    pub(super) fn note_remark(&mut self, text: &str) {
        self.summary.note_remark(text);
        self.settled.note_remark(text);
    }

    /// What the summary says is so.
    pub(super) fn settle(&mut self) {
        self.settled = self.summary.clone();
    }

    /// More lines by which the present log is known.
    pub(super) fn set_head(&mut self, head: Vec<u64>) {
        if head.len() > self.place.log.head.len() {
            self.place.log.head = head;
        }
    }

    /// The bytes of the last line of the present log.
    pub(super) fn last_line(&self) -> &[u8] {
        &self.place.last
    }

    /// The present log as it stood when it was entered, or since the last batch.
    pub(super) fn log(&self) -> &ImportLog {
        &self.place.log
    }

    /// Whether so many lines were read since the last batch, and it is known of each what becomes of it.
    pub(super) fn is_batch_full(&self, lines_max: u64) -> bool {
        self.place.read - self.place.read_before >= lines_max && self.doubt.is_over()
    }

    /// What was wrong with the first line of the present log that was not read.
    pub(super) fn first_error(&self) -> Option<LogError> {
        self.place.first_error
    }

    /// Whether the present log ended before the place up to which it was counted.
    pub(super) fn is_behind(&self) -> bool {
        self.place.is_behind
    }

    /// Lines of the present log that were read, and how many of them were lines of an access log.
    pub(super) fn read(&self) -> (u64, u64) {
        (self.place.read, self.place.parsed)
    }

    /// Lines of the present log that were read up to the last batch.
    pub(super) fn handed_in(&self) -> u64 {
        self.place.read_before
    }

    /// Takes the next line of the present log.
    ///
    /// # Errors
    /// When the desk has no salt, or the log is not the one that was counted before, or begins again.
    pub(super) fn take(&mut self, line: &Line<'_>, desk: &mut dyn Desk) -> Result<(), ImportError> {
        let (known_to, counted_at) = self.place.known;
        // A last line that was counted without its end may have got one since.
        let ends_there = line.from < known_to
            && (line.to == known_to
                || u64::try_from(line.bytes.len()).is_ok_and(|n| line.from + n == known_to));
        let is_torn = line.from < known_to && line.to > known_to && !ends_there;
        // As much of it as was there when it was counted as the last line.
        let torn = self.place.torn(line).filter(|_| is_torn);
        if is_torn && torn.is_none() {
            return Err(self.replaced());
        }
        let parsed = if line.is_too_long { Err(LogError::TooLong) } else { log::parse(line.bytes) };
        if parsed.is_ok_and(|parsed| self.place.begins_again(line, parsed.at)) {
            return Err(ImportError::BeginsAgain {
                file: self.place.file.clone(),
                line: self.place.line + 1,
            });
        }
        self.place.parsed += u64::from(parsed.is_ok());
        self.place.first_error = self.place.first_error.or(parsed.err());
        let was_counted = |at| self.place.cover.was_counted(at, line.from, counted_at);
        let is_known = line.from < known_to
            && parsed.is_ok_and(|parsed| was_counted(parsed.at))
            && torn.is_none_or(|torn| log::parse(torn).is_ok());
        let outcome = match parsed {
            Ok(parsed) => self.judge(&parsed, line.from, is_known, desk)?,
            Err(error) => Outcome::Unreadable(error),
        };
        self.place.pass(line);
        let is_already = line.from < known_to && (is_known || outcome != Outcome::Counted);
        let outcome = if is_already { Outcome::Already } else { outcome };
        if !(is_already && self.begins_again) {
            self.summary.note(outcome, &self.place.file, self.place.line);
        }
        if ends_there && hash_of(&self.place.last) != self.place.log.tail {
            return Err(self.replaced());
        }
        if ends_there || is_torn {
            self.all_known();
        }
        self.let_go();
        Ok(())
    }

    /// Everything up to where the log stood was read: what was counted has its place.
    fn all_known(&mut self) {
        let counted_at = self.place.known.1;
        while let Some(view) = self.order.pop_up_to(counted_at) {
            self.count(&view);
        }
        self.order.begin(counted_at);
        self.place.is_behind = false;
    }

    fn replaced(&self) -> ImportError {
        ImportError::Replaced { file: self.place.file.clone(), position: self.place.known.0 }
    }

    /// Moves on to a line's moment, and begins anew where the log steps back.
    fn advance(&mut self, at: UnixMillis, from: u64) {
        let line = self.place.line;
        let is_whole = self.place.checkpoints.is_empty() || self.place.cover.retakes();
        if self.newest.since(at) > STEP_BACK_MS && (is_whole || from >= self.place.known.0) {
            self.count_all();
            self.order.begin(UnixMillis(0));
            self.visits = OpenVisits::default();
            self.newest = UnixMillis(0);
            self.place.checkpoints.clear();
        }
        let span = self.place.log.span.get_or_insert(Span { from: at, to: at });
        (span.from, span.to) = (span.from.min(at), span.to.max(at));
        let newest_before = self.newest;
        self.newest = newest_before.max(at);
        let is_due = |last: &Checkpoint| newest_before.since(last.newest_before) >= CHECKPOINT_MS;
        if self.place.checkpoints.back().is_none_or(is_due) {
            self.place.checkpoints.push_back(Checkpoint { from, line, newest_before });
            self.forget_checkpoints();
        }
    }

    /// Only the last place remains from which every visit that may be open, and every line that waits, is
    /// read again.
    fn forget_checkpoints(&mut self) {
        let oldest = self.order.gone_to().minus(self.options.visit_window_ms + LATE_MS);
        let checkpoints = &mut self.place.checkpoints;
        while checkpoints.get(1).is_some_and(|next| next.newest_before < oldest) {
            checkpoints.pop_front();
        }
    }

    /// Counts the views whose turn has come.
    fn let_go(&mut self) {
        while let Some(view) = self.order.pop(self.newest) {
            self.count(&view);
        }
    }

    /// Counts all views, also those that earlier ones might still come before.
    pub(super) fn flush(&mut self) {
        self.end_doubt();
        self.count_all();
    }

    fn count_all(&mut self) {
        while let Some(view) = self.order.pop_up_to(UnixMillis(u64::MAX)) {
            self.count(&view);
        }
        self.order.begin(self.order.gone_to().max(self.newest));
    }

    fn count(&mut self, view: &Waiting) {
        let window = self.options.visit_window_ms;
        let opened = self.visits.take(Kind::View, view.at, view.visitor, view.previous, window);
        if view.is_known {
            return;
        }
        let tally = Tally { views: 1, visits: u64::from(opened) };
        let page = view.page.as_ref().map(PagePath::as_str);
        self.changes.add_past(&Addition { day: view.day, minute: view.at.minute(), page, tally });
        self.changes.details.add(view.day, &view.details(), tally);
        self.summary.visits += tally.visits;
        if view.day < self.details_from {
            self.summary.note_old_day(view.day, self.options.details_days);
        }
        self.edges.add(view.at, view.secret.name, view.view, self.place.log.span);
        let is_of_beacons = view.secret.is_of_beacons;
        let gathered = self.gathered.entry(view.day);
        let gathered = gathered.or_insert_with(|| {
            if view.secret.is_anew {
                self.summary.note_anew(view.day);
            }
            Gathered { visitors: Sketch::default(), is_of_beacons }
        });
        gathered.visitors.insert(view.visitor);
    }

    /// Hands in what was counted since the last batch.
    ///
    /// # Errors
    /// When the desk does not take it. Nothing is lost: the next try hands it in again.
    pub(super) fn deliver(&mut self, desk: &mut dyn Desk) -> Result<(), ImportError> {
        self.place.read_before = self.place.read;
        let is_new = self.place.log.position > self.place.stored.0;
        let is_same = self.place.cover.left_out().len() == self.place.left_out_before;
        if self.place.is_behind || (!is_new && is_same && self.gathered.is_empty()) {
            return Ok(());
        }
        // A line that comes late may belong to a visit that is closed for all others.
        self.visits.forget_before(self.order.gone_to(), self.options.visit_window_ms + LATE_MS);
        self.forget_checkpoints();
        let batch = self.batch();
        let taken = desk.take(&batch);
        let live_from = match taken {
            Ok(live_from) => live_from,
            Err(error) => {
                self.changes = batch.changes;
                self.edges.put_back(batch.edges);
                let back = |of_beacons| {
                    move |(day, visitors)| (day, Gathered { visitors, is_of_beacons: of_beacons })
                };
                self.gathered.extend(batch.visitors.into_iter().map(back(false)));
                self.gathered.extend(batch.visitors_today.into_iter().map(back(true)));
                return Err(error.into());
            }
        };
        self.live_from = live_from.or(self.live_from);
        self.place.stored = (batch.log.position, batch.log.counted_at);
        self.place.left_out_before = batch.log.left_out.len();
        self.place.log = batch.log;
        self.settle();
        Ok(())
    }

    /// The batch that would be handed in now; it takes with it what was gathered.
    fn batch(&mut self) -> ImportBatch {
        let (mut visitors, mut visitors_today) = (BTreeMap::new(), BTreeMap::new());
        for (day, gathered) in std::mem::take(&mut self.gathered) {
            let part = if gathered.is_of_beacons { &mut visitors_today } else { &mut visitors };
            part.insert(day, gathered.visitors);
        }
        let mut log = self.place.log.clone();
        log.counted_at = self.order.gone_to();
        log.left_out = self.place.cover.left_out().to_vec();
        if self.place.read > 0 {
            log.tail = hash_of(&self.place.last);
        }
        if let Some(first) = self.place.checkpoints.front() {
            (log.replay_from, log.replay_line) = (first.from, first.line);
        }
        ImportBatch {
            site: self.options.site.id.clone(),
            from: self.place.stored,
            left_out_before: self.place.left_out_before,
            log,
            changes: std::mem::take(&mut self.changes),
            edges: self.edges.take(self.place.log.span),
            visitors,
            visitors_today,
        }
    }
}

/// The first day of which details stay, as the fold reckons it.
fn details_from(now: UnixMillis, details_days: u32) -> Day {
    let today = i32::try_from(now.second() / 86_400).unwrap_or(i32::MAX);
    Day(today.saturating_sub(i32::try_from(details_days).unwrap_or(i32::MAX)))
}
