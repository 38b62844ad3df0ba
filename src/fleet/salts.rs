//! The days' secrets, shared by all nodes: without one secret nobody would know a visitor who wanders.
//!
//! They are made a week ahead, by whoever comes first, and every node keeps them, so that a store that
//! is away for days keeps nobody from counting. For a day that has begun the store's word is taken; where
//! it has none, after a restart without data, the nodes put theirs back before anybody makes another.
//! The secret of a day that is over for all sites is erased there as it is here.

use std::time::{Duration, Instant};

use redis::Value;

use super::engine;
use super::error::CallError;
use super::room::{Room, words};
use crate::salt::random;
use crate::words::{Day, Salt};

/// Made so many days ahead.
const DAYS_AHEAD: i32 = 7;
/// How long others are waited for to put back the secret of a day that has begun.
const PATIENCE: Duration = Duration::from_secs(5);
/// Its visits may go on after it so long, by the longest window there is.
const DAYS_BEHIND: i32 = 2;
/// A store that no node speaks to erases a day's secret so long after the day began in UTC: 36 hours until
/// it is over in every time zone, 24 of the longest visit window, and 12 for clocks that are wrong.
const DAY_SECONDS: u64 = 3 * 86_400;

/// Compares the secrets of the days that may not be over, and of those to come, with the store's.
pub(super) async fn keep(room: &Room) -> Result<(), CallError> {
    let today = i32::try_from(room.clock.now().second() / 86_400).unwrap_or(0);
    let days: Vec<Day> = (today - DAYS_BEHIND..=today + DAYS_AHEAD).map(Day).collect();
    let oldest = room.salts.oldest();
    let mut missed = false;
    for day in days {
        let found = ask(room, day).await?;
        if oldest.is_some_and(|oldest| day < oldest) {
            if found.is_some() {
                room.engine.ask(redis::cmd("DEL").arg(room.keys.salt(day))).await?;
            }
            continue;
        }
        let own = room.salts.of(day);
        let salt = match (found, own) {
            (Some(theirs), _) => theirs,
            (None, Some(own)) => offer(room, day, own).await?,
            // Before the sites are known it may be over.
            (None, None) if day.0 < today && oldest.is_none() => continue,
            (None, None) if day.0 <= today + 1 && !waited(room).await? => {
                missed = true;
                continue;
            }
            (None, None) => {
                let fresh = random().map_err(|_| CallError::Answer)?;
                offer(room, day, Salt(fresh)).await?
            }
        };
        if own != Some(salt) {
            if own.is_some() {
                tracing::warn!(%day, "the fleet has another secret for this day; visitors of this node may count once more");
            }
            if let Err(error) = room.salts.adopt(day, salt) {
                tracing::error!(%error, "a secret of the fleet cannot be kept");
            }
        }
    }
    if !missed {
        room.missed.set(None);
    }
    Ok(())
}

/// Whether others had their time to put theirs back. Where nobody else was ever heard of, nobody is waited for.
async fn waited(room: &Room) -> Result<bool, CallError> {
    if let Some(since) = room.missed.get() {
        return Ok(since.elapsed() >= PATIENCE);
    }
    room.missed.set(Some(Instant::now()));
    let nodes = words(&room.engine, &room.keys).await?;
    Ok(nodes.iter().all(|(node, _)| *node == room.identity.node))
}

async fn ask(room: &Room, day: Day) -> Result<Option<Salt>, CallError> {
    match room.engine.ask(redis::cmd("GET").arg(room.keys.salt(day))).await? {
        Value::Nil => Ok(None),
        value => {
            let bytes = engine::bytes(value).ok_or(CallError::Answer)?;
            Ok(Some(Salt(bytes.try_into().map_err(|_| CallError::Answer)?)))
        }
    }
}

/// Puts a secret into the store unless somebody was faster; gives the one that is there.
async fn offer(room: &Room, day: Day, salt: Salt) -> Result<Salt, CallError> {
    let begins = u64::try_from(day.0).unwrap_or(0) * 86_400;
    let mut command = redis::cmd("SET");
    command.arg(room.keys.salt(day)).arg(&salt.0[..]).arg("NX").arg("EXAT").arg(begins + DAY_SECONDS);
    room.engine.ask(&command).await?;
    ask(room, day).await.map(|found| found.unwrap_or(salt))
}
