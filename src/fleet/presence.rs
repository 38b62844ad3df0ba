//! Who is here, told to the shared store, and which visits opened there.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use redis::Value;

use super::engine;
use super::error::CallError;
use super::exchange::Caller;
use super::script::{CARRY, TOUCH};
use crate::rows::Touched;
use crate::store::Sequence;
use crate::words::{SiteId, UnixMillis, VisitorId};

/// Touches in one call: about a millisecond of the store's time.
pub(super) const TOUCHES_MAX: usize = 150;
/// Somebody whose touches stopped long ago is forgotten with the set, this long after both windows.
const SLACK_SECONDS: u64 = 3_600;

const VIEW: u8 = 1;
const KNOWN: u8 = 2;
const PREVIOUS: u8 = 4;
const LAST: u8 = 8;
const LEAVE: u8 = 16;

/// What the store needs to know besides the touches.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// This machine has stored everything that it was told before this number.
    pub(super) settled: Sequence,
    pub(super) visit_window_ms: u64,
    pub(super) online_window_ms: u64,
    /// No node asks about anything that ended before this moment.
    pub(super) cut: UnixMillis,
    /// Parts that the site's visitors are split over.
    pub(super) parts: usize,
    /// The present moment.
    pub(super) now: UnixMillis,
}

impl Terms {
    /// The moment from which on whoever was here is online: counted in whole seconds.
    pub(super) fn online_from(&self) -> u64 {
        (self.now.second() * 1_000).saturating_sub(self.online_window_ms)
    }
}

/// What one part of a site answered.
#[derive(Debug)]
pub(super) struct Told {
    /// Which touches opened a visit.
    pub(super) opened: Vec<bool>,
    /// What the store held as settled before.
    pub(super) settled: Option<u64>,
    /// How many are online in this part.
    pub(super) online: u64,
}

/// What the store must hold as settled of a site that it was told of: that, unless nobody came for so long that
/// it may have let go of the site.
pub(super) fn expected(told: Option<(Sequence, Instant)>, now: Instant) -> Option<Sequence> {
    let is_kept = |at| now.duration_since(at) < Duration::from_secs(SLACK_SECONDS);
    told.filter(|(_, at)| is_kept(*at)).map(|(settled, _)| settled)
}

/// The part that a visitor belongs to.
pub(super) fn part_of(visitor: VisitorId, parts: usize) -> usize {
    // The low bits deal visitors to tables of this machine; these are others.
    usize::try_from(visitor.0 >> 40).unwrap_or(0) % parts.max(1)
}

/// Tells one part of a site who was here.
pub(super) async fn touch(
    caller: &Caller<'_>,
    site: &SiteId,
    part: usize,
    touches: &[&Touched],
    terms: &Terms,
) -> Result<Told, CallError> {
    let keys = [
        caller.keys.here(site, part),
        caller.keys.left(site, part),
        caller.keys.idle(site, part),
        caller.keys.open(site, part, caller.node),
    ];
    let seconds = (terms.visit_window_ms + terms.online_window_ms) / 1_000 + SLACK_SECONDS;
    let numbers = [
        terms.settled.0,
        terms.visit_window_ms,
        terms.online_window_ms,
        terms.cut.0,
        seconds,
        terms.online_from(),
    ];
    let mut arguments: Vec<Vec<u8>> = numbers.map(|number| number.to_string().into_bytes()).to_vec();
    arguments.push(pack(touches, terms.parts));
    let (_, rest) = engine::answer(caller.engine.run(&TOUCH, &keys, &arguments).await?)?;
    let opened = rest.first().and_then(engine::text).ok_or(CallError::Answer)?;
    if opened.len() != touches.len() {
        return Err(CallError::Answer);
    }
    let settled = rest.get(1).and_then(engine::number);
    let online = rest.get(2).and_then(engine::number).ok_or(CallError::Answer)?;
    Ok(Told { opened: opened.bytes().map(|byte| byte == b'1').collect(), settled, online })
}

/// Brings people along whose id of today lies in another part than that of yesterday: gives what is to be told
/// of them first, and whom to drop in which part once that is done.
pub(super) async fn carried(
    caller: &Caller<'_>,
    site: &SiteId,
    touches: &[Touched],
    parts: usize,
) -> Result<(Vec<Touched>, Vec<(usize, Vec<u64>)>), CallError> {
    let moves = |touch: &&Touched| {
        touch.previous.is_some_and(|previous| part_of(previous, parts) != part_of(touch.visitor, parts))
    };
    let mut by_part: BTreeMap<usize, Vec<&Touched>> = BTreeMap::new();
    for touch in touches.iter().filter(moves) {
        let previous = touch.previous.map_or(0, |previous| part_of(previous, parts));
        by_part.entry(previous).or_default().push(touch);
    }
    let (mut told, mut drop) = (Vec::new(), Vec::new());
    for (part, moving) in by_part {
        for moving in moving.chunks(TOUCHES_MAX) {
            let ids: Vec<u64> = moving.iter().filter_map(|touch| Some(touch.previous?.0)).collect();
            let rest = carry(caller, site, part, "ask", &ids).await?;
            let scores = rest.into_iter().next().and_then(engine::array).ok_or(CallError::Answer)?;
            for (touch, scores) in moving.iter().zip(scores.chunks_exact(3)) {
                told.extend(carried_touch(touch, scores));
            }
            drop.push((part, ids));
        }
    }
    Ok((told, drop))
}

/// Asks about ids of yesterday, or drops them.
pub(super) async fn carry(
    caller: &Caller<'_>,
    site: &SiteId,
    part: usize,
    what: &str,
    ids: &[u64],
) -> Result<Vec<Value>, CallError> {
    let keys = [caller.keys.here(site, part), caller.keys.left(site, part), caller.keys.idle(site, part)];
    let mut arguments = vec![what.as_bytes().to_vec()];
    arguments.extend(ids.iter().map(|id| id.to_le_bytes().to_vec()));
    let (_, rest) = engine::answer(caller.engine.run(&CARRY, &keys, &arguments).await?)?;
    Ok(rest)
}

/// What yesterday's part knew of somebody, under today's id.
fn carried_touch(touch: &Touched, scores: &[Value]) -> Option<Touched> {
    let score = |place: usize| engine::text(scores.get(place)?)?.parse::<f64>().ok();
    // Milliseconds since the epoch lie far below 2^53, where doubles are exact.
    let moment = |score: f64| format!("{:.0}", score.floor()).parse().ok().map(UnixMillis);
    let (here, idle) = (score(0).and_then(moment), score(2).and_then(moment));
    let left = score(1).and_then(moment);
    let last = here.or(idle)?;
    Some(Touched {
        previous: None,
        first: left.unwrap_or(last).max(last),
        last: Some(last),
        leave: left.map(|at| (at, 0)),
        view: false,
        known: here.is_some(),
        ..touch.clone()
    })
}

/// 45 bytes a touch, as the script reads them.
fn pack(touches: &[&Touched], parts: usize) -> Vec<u8> {
    let mut packed = Vec::with_capacity(touches.len() * 45);
    for touch in touches {
        let part = part_of(touch.visitor, parts);
        let previous = touch.previous.filter(|previous| part_of(*previous, parts) == part);
        let mut flags = 0;
        flags |= if touch.view { VIEW } else { 0 };
        flags |= if touch.known { KNOWN } else { 0 };
        flags |= if previous.is_some() { PREVIOUS } else { 0 };
        flags |= if touch.last.is_some() { LAST } else { 0 };
        flags |= if touch.leave.is_some() { LEAVE } else { 0 };
        let (leave, since) = touch.leave.unwrap_or_default();
        packed.extend(touch.visitor.0.to_le_bytes());
        packed.extend(previous.map_or(0, |previous| previous.0).to_le_bytes());
        for moment in [touch.first, touch.last.unwrap_or_default(), leave] {
            packed.extend(exact(moment).to_le_bytes());
        }
        packed.extend(since.to_le_bytes());
        packed.push(flags);
    }
    packed
}

/// A moment as a double, which holds milliseconds exactly for 280,000 years.
fn exact(moment: UnixMillis) -> f64 {
    let (high, low) = (moment.0 >> 32, moment.0 & u64::from(u32::MAX));
    let half = |part: u64| f64::from(u32::try_from(part).unwrap_or(u32::MAX));
    half(high) * 4_294_967_296.0 + half(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_where_nobody_came_for_an_hour_may_have_been_let_go() {
        let now = Instant::now();
        let after = |seconds| expected(Some((Sequence(7), now)), now + Duration::from_secs(seconds));
        assert_eq!((after(0), after(SLACK_SECONDS - 1)), (Some(Sequence(7)), Some(Sequence(7))));
        assert_eq!((after(SLACK_SECONDS), expected(None, now)), (None, None));
    }
}
