//! Who is here, told to the shared store, and which visits opened there.

use super::engine;
use super::error::CallError;
use super::exchange::Caller;
use super::script::TOUCH;
use crate::rows::Touched;
use crate::store::Sequence;
use crate::words::{SiteId, UnixMillis};

/// Touches in one call: about a millisecond of the store's time.
pub(super) const TOUCHES_MAX: usize = 150;
/// Somebody whose touches stopped long ago is forgotten with the set.
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
}

/// Tells one part of a site who was here. Gives which touches opened a visit, and what number the store held
/// as settled before.
pub(super) async fn touch(
    caller: &Caller<'_>,
    site: &SiteId,
    part: usize,
    touches: &[&Touched],
    terms: &Terms,
) -> Result<(Vec<bool>, Option<u64>), CallError> {
    let keys = [
        caller.keys.here(site, part),
        caller.keys.left(site, part),
        caller.keys.idle(site, part),
        caller.keys.open(site, part, caller.node),
    ];
    let seconds = (terms.visit_window_ms + terms.online_window_ms) / 1_000 + SLACK_SECONDS;
    let numbers = [terms.settled.0, terms.visit_window_ms, terms.online_window_ms, terms.cut.0, seconds];
    let mut arguments: Vec<Vec<u8>> = numbers.map(|number| number.to_string().into_bytes()).to_vec();
    arguments.push(pack(touches));
    let (_, rest) = engine::answer(caller.engine.run(&TOUCH, &keys, &arguments).await?)?;
    let opened = rest.first().and_then(engine::text).ok_or(CallError::Answer)?;
    if opened.len() != touches.len() {
        return Err(CallError::Answer);
    }
    let settled = rest.get(1).and_then(engine::number);
    Ok((opened.bytes().map(|byte| byte == b'1').collect(), settled))
}

/// 45 bytes a touch, as the script reads them.
fn pack(touches: &[&Touched]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(touches.len() * 45);
    for touch in touches {
        let mut flags = 0;
        flags |= if touch.view { VIEW } else { 0 };
        flags |= if touch.known { KNOWN } else { 0 };
        flags |= if touch.previous.is_some() { PREVIOUS } else { 0 };
        flags |= if touch.last.is_some() { LAST } else { 0 };
        flags |= if touch.leave.is_some() { LEAVE } else { 0 };
        let (leave, since) = touch.leave.unwrap_or_default();
        packed.extend(touch.visitor.0.to_le_bytes());
        packed.extend(touch.previous.map_or(0, |previous| previous.0).to_le_bytes());
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
