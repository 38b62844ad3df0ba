//! What becomes of a line that can be read: whether it is a view, and whether another log tells of it.
//!
//! At another log's edge a view is looked for among those that were counted there, together with the view that
//! stands before it. Where both are found, this log is a copy there. Where the view alone is found, it may be the
//! first one behind a place where logs were cut and joined, or an equal one on the other side of a rotation: then
//! the views beside it decide, and it waits for the next one. A single line that was joined between, or behind, lines
//! of others looks like an equal request, and counts as one.

use std::sync::Arc;

use super::super::cover::{Look, Reach};
use super::super::desk::{DaySalt, Desk};
use super::super::edge::{name_of, said_of};
use super::super::judge::{self, Shown};
use super::super::order::{Secret, Waiting};
use super::super::{ImportError, Outcome};
use super::Counter;
use crate::beacon::log::{self, LogLine};
use crate::rows::LocalDay;
use crate::store::Span;
use crate::visitor::{Logged, SiteSalts};
use crate::words::{Day, UnixMillis};

/// Salts held at once: those of today and yesterday, and of lines that come late.
const SALTS_MAX: usize = 4;
/// Views that wait at once for one that decides; that so many of a copy are joined one by one is unheard of.
const DOUBTFUL_MAX: usize = 256;

/// Views of which the next one decides whether another log tells of them.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    waiting: Vec<Waiting>,
    /// Whether another log tells of the view before these, if there was one.
    was_told: Option<bool>,
}

impl Doubt {
    pub(super) fn is_over(&self) -> bool {
        self.waiting.is_empty()
    }

    fn is_after_told(&self) -> bool {
        self.is_over() && self.was_told != Some(false)
    }
}

impl Counter<'_> {
    /// What becomes of a line.
    ///
    /// # Errors
    /// When the desk does not answer.
    pub(super) fn judge(
        &mut self,
        line: &LogLine<'_>,
        from: u64,
        is_known: bool,
        desk: &mut dyn Desk,
    ) -> Result<Outcome, ImportError> {
        if line.at >= self.future_from {
            return Ok(Outcome::Future);
        }
        // A log has no more than seconds.
        let is_live = |live_from: UnixMillis| line.at.second() >= live_from.second();
        if !self.options.overlap && self.live_from.is_some_and(is_live) {
            return Ok(Outcome::Live);
        }
        let reach = self.reach(line.at, from, is_known);
        let is_within = matches!(reach, Reach::Within(_));
        if is_within && !self.place.cover.is_near_edge(line.at) {
            self.place.said_before = 0;
            return Ok(self.take_as_told(None));
        }
        let site = Arc::clone(&self.options.site);
        let (salts, secret) = self.salts_of(line.at, desk)?;
        let client = log::unescaped(line.client);
        let agent = line.agent.map(log::unescaped);
        let who = self.visitors.identify_logged(&client, agent.as_deref(), &site, &salts);
        let (page, told) = match self.verdict(line, &who) {
            Ok(shown) => shown,
            Err(_) if is_within => return Ok(Outcome::Covered),
            Err(outcome) => {
                self.advance(line.at, from);
                return Ok(outcome);
            }
        };
        let view = self.place.view(said_of(line, who.id));
        let (at, day, visitor, previous) = (line.at, salts.day, who.id, who.previous);
        let traits = who.traits.packed();
        let waiting =
            Waiting { at, from, day, visitor, previous, page, traits, told, secret, view, is_known };
        match reach {
            Reach::Within(_) => Ok(self.take_as_told(None)),
            Reach::Free => Ok(self.take_as_new(waiting)),
            Reach::Edge => self.take_by_edge(waiting, desk),
        }
    }

    /// The page of a view, and what it tells; or why the line is none.
    fn verdict(&self, line: &LogLine<'_>, who: &Logged) -> Result<Shown, Outcome> {
        let site = &self.options.site;
        let outcome = if self.options.everything {
            Outcome::Counted
        } else {
            judge::judge(line, who, site, &self.options.own)
        };
        if outcome != Outcome::Counted {
            return Err(outcome);
        }
        let (page, told) = judge::page(line, who, site);
        if page.is_none() && !self.options.everything {
            return Err(Outcome::NoPage);
        }
        Ok((page, told))
    }

    /// How a line lies to other logs. What lies within one is left out; what was left out before stays so.
    fn reach(&mut self, at: UnixMillis, from: u64, is_known: bool) -> Reach {
        let cover = &mut self.place.cover;
        if from < self.place.known.0 && cover.is_left_out(at, from) {
            return Reach::Within(Span { from: at, to: at });
        }
        if is_known {
            return Reach::Free;
        }
        let reach = cover.reach(at);
        if let Reach::Within(span) = reach {
            cover.leave_out(span, at, from);
        }
        reach
    }

    /// A view at another log's edge.
    fn take_by_edge(&mut self, view: Waiting, desk: &mut dyn Desk) -> Result<Outcome, ImportError> {
        let minute = view.at.minute();
        if !self.place.cover.knows(minute) {
            let edges = desk.edges(&self.options.site.id, self.place.log.stream, minute)?;
            self.place.cover.learn(minute, edges);
        }
        Ok(match self.place.cover.look(view.at, view.secret.name, view.view) {
            Look::Told => self.take_as_told(Some(view.from)),
            Look::New => self.take_as_new(view),
            // It is the first of this log, or what stands before it lies far within another.
            Look::Perhaps if view.view << 32 == 0 && self.doubt.is_after_told() => {
                self.take_as_told(Some(view.from))
            }
            Look::Perhaps => {
                if self.doubt.waiting.len() == DOUBTFUL_MAX {
                    self.count_doubtful();
                }
                self.advance(view.at, view.from);
                self.doubt.waiting.push(view);
                Outcome::Counted
            }
        })
    }

    /// Another log tells of a view, and so of those before it that were in doubt. One at an edge is noted by the
    /// place of its line.
    fn take_as_told(&mut self, at_edge: Option<u64>) -> Outcome {
        for view in std::mem::take(&mut self.doubt.waiting) {
            self.place.cover.leave_out_view(view.from);
            self.summary.take_back(Outcome::Covered, 1);
        }
        if let Some(from) = at_edge {
            self.place.cover.leave_out_view(from);
        }
        self.doubt.was_told = Some(true);
        Outcome::Covered
    }

    /// No other log tells of a view, so those before it that were in doubt count too.
    fn take_as_new(&mut self, view: Waiting) -> Outcome {
        self.count_doubtful();
        self.advance(view.at, view.from);
        if !view.is_known {
            self.place.cover.note_counted();
        }
        self.doubt.was_told = Some(false);
        self.order.push(view);
        Outcome::Counted
    }

    fn count_doubtful(&mut self) {
        for view in std::mem::take(&mut self.doubt.waiting) {
            self.place.cover.note_counted();
            self.doubt.was_told = Some(false);
            self.order.push(view);
        }
    }

    /// No view comes any more: the one before decides, and where there was none, the likeness alone.
    pub(super) fn end_doubt(&mut self) {
        if self.doubt.is_over() {
            return;
        }
        match self.doubt.was_told {
            Some(false) => self.count_doubtful(),
            None | Some(true) => {
                self.take_as_told(None);
            }
        }
    }

    /// The secrets of the day that a moment lies in; for a visit window after midnight that of the day before
    /// too, if any line of it was read. And what is known of that day's secret.
    fn salts_of(&mut self, at: UnixMillis, desk: &mut dyn Desk) -> Result<(SiteSalts, Secret), ImportError> {
        if !self.days[0].contains(at) {
            self.days.swap(0, 1);
            if !self.days[0].contains(at) {
                self.days[0] = LocalDay::of(at, &self.options.site.time_zone);
            }
        }
        let local = self.days[0];
        let known = |salts: &[(Day, DaySalt)], wanted| {
            salts.iter().find(|(day, _)| *day == wanted).map(|(_, salt)| *salt)
        };
        let today = if let Some(salt) = known(&self.salts, local.day) {
            salt
        } else {
            let made = desk.salt(&self.options.site.id, local.day)?;
            if self.salts.len() == SALTS_MAX {
                self.salts.remove(0);
            }
            self.salts.push((local.day, made));
            made
        };
        let is_early = at.since(local.from) < self.options.visit_window_ms;
        let previous = if is_early { known(&self.salts, local.day.previous()) } else { None };
        let previous = previous.map(|previous| previous.salt);
        let DaySalt { salt, is_of_beacons, is_anew } = today;
        let secret = Secret { name: name_of(&salt), is_of_beacons, is_anew };
        Ok((SiteSalts { day: local.day, today: today.salt, previous }, secret))
    }
}
