//! One site's exchange with the shared store: own values in, what others changed out.
//!
//! Nothing here is kept on disk by itself. What Redis acknowledged is asked of Redis; what others
//! counted is remembered as the highest value ever told, so that a store which lost writes and heals
//! from its nodes never makes a footer go backwards.

use std::collections::{BTreeMap, HashMap};

use redis::Value;

use super::engine::{self, Engine};
use super::error::CallError;
use super::keys::Keys;
use super::script::{MERGE, SKETCH};
use crate::rows::{RowKey, RowValue, SharedChanges, Sketch, is_higher, shown};
use crate::store::Sequence;
use crate::words::{Day, SiteId, UnixMillis};

/// Rows in one message, so that a call stays below two milliseconds.
const ROWS_MAX: usize = 200;
/// Days of details in one message: two keys each.
const DAYS_MAX: usize = 8;
/// Rows of others in one answer.
const ANSWER_ROWS_MAX: usize = 200;
/// Answers read in one exchange; the rest waits for the next.
const ANSWERS_MAX: usize = 50;
/// Minutes before these are not kept: the longest window, and an hour of slack.
const MINUTES_KEPT: u64 = 25 * 60;
/// Several machines may offer a day's visitors at once.
const SKETCH_TRIES: usize = 3;
/// A day's sketch outlives its day by this much.
const SKETCH_SECONDS: u64 = 4 * 86_400;

/// Whom a call is made for.
pub(super) struct Caller<'a> {
    pub(super) engine: &'a Engine,
    pub(super) keys: &'a Keys,
    pub(super) node: &'a str,
    /// How long details of a day are kept after their last change.
    pub(super) details_seconds: u64,
}

/// What one node knows of one site in the shared store.
#[derive(Debug, Default)]
pub(super) struct Link {
    /// The sequence that the store holds of this node; `None` until it was asked.
    pub(super) acked: Option<Sequence>,
    /// The version up to which the sums are known.
    since: u64,
    /// What others counted, by row: the highest values ever told.
    others: HashMap<String, Vec<u64>>,
    /// The number and the bytes of each day's visitors in the store.
    sketches: BTreeMap<Day, (u64, Vec<u8>)>,
    /// How far own sketches were compared with the store's.
    sketched: Sequence,
    /// Views and visits that others had once and the store does not hold now.
    missing: (u64, u64),
    /// What an exchange brought that failed before its end.
    untold: News,
}

/// What an exchange brought.
#[derive(Debug, Default)]
pub struct News {
    /// The site.
    pub site: Option<SiteId>,
    /// What others counted, as far as it is new.
    pub changes: SharedChanges,
    /// The same as rows with all their values, to be kept.
    pub rows: Vec<RowValue>,
    /// How many are online in the whole fleet.
    pub online: Option<u32>,
    /// Visitors of days, as the fleet saw them.
    pub visitors: Vec<(Day, Vec<u8>)>,
    /// The shared store has lost writes: it holds an older sequence than it acknowledged.
    pub lost: bool,
    /// Rows that were sent.
    pub sent: usize,
}

/// What becomes of an exchange.
pub(super) enum Exchanged {
    /// It is done.
    Done(Box<News>),
    /// The store holds later values of this node than the node itself: they must be taken back first.
    Ahead(Sequence),
}

/// What the store of this machine says about a site.
pub(super) struct Own {
    pub(super) rows: Vec<RowValue>,
    pub(super) top: Sequence,
    pub(super) sketches: Vec<(Day, Vec<u8>)>,
}

impl Link {
    /// Begins with what was kept of others.
    pub(super) fn new(others: Vec<RowValue>) -> Link {
        let others = others.into_iter().map(|row| (row.row.name(), row.values)).collect();
        Link { others, ..Link::default() }
    }

    /// From where on own rows are sent.
    pub(super) fn from(&self) -> Sequence {
        self.acked.unwrap_or_default()
    }

    /// From where on own sketches are compared.
    pub(super) fn sketched(&self) -> Sequence {
        self.sketched
    }

    /// Views and visits that others had once and that the store no longer holds.
    pub(super) fn missing(&self) -> (u64, u64) {
        self.missing
    }

    /// The store forgot something: everything is compared anew.
    fn begin_anew(&mut self, held: u64) {
        self.acked = Some(Sequence(held));
        self.since = 0;
        self.sketched = Sequence(0);
        self.sketches.clear();
    }

    /// Sends own rows and reads what others changed. `online_from` is the moment from which on whoever was
    /// here is online.
    pub(super) async fn exchange(
        &mut self,
        caller: &Caller<'_>,
        site: &SiteId,
        own: &Own,
        moments: (UnixMillis, u64),
    ) -> Result<Exchanged, CallError> {
        let mut news = News { site: Some(site.clone()), ..std::mem::take(&mut self.untold) };
        let ahead = match self.exchange_into(caller, site, own, moments, &mut news).await {
            Ok(None) => return Ok(Exchanged::Done(Box::new(news))),
            ahead => ahead,
        };
        // What was learned before it failed is not told a second time by the store.
        self.untold = news;
        ahead.map(|held| Exchanged::Ahead(held.unwrap_or_default()))
    }

    /// The same, with what it brings put aside. Gives the sequence of a store that is ahead.
    async fn exchange_into(
        &mut self,
        caller: &Caller<'_>,
        site: &SiteId,
        own: &Own,
        (now, online_from): (UnixMillis, u64),
        news: &mut News,
    ) -> Result<Option<Sequence>, CallError> {
        let mut messages = messages(&own.rows);
        let mut answers = 0;
        // The first exchange of a life only asks how far the store is: it sends no row, and completes none.
        let asks = self.acked.is_none();
        let mut base = self.from();
        let mut after = String::new();
        while let Some(rows) = messages.next() {
            let last = messages.peek().is_none();
            let mark = if last && !asks { own.top } else { base };
            let bounds = Bounds { base, top: own.top, mark, since: self.since, now, online_from };
            let name = if last { String::new() } else { format!("{}.{}.{answers}", base.0, own.top.0) };
            let (status, rest) = merge(caller, site, rows, &bounds, [&after, &name]).await?;
            after = name;
            match status.as_str() {
                "OK" => {}
                "BEHIND" => {
                    let held = rest.first().and_then(engine::number).ok_or(CallError::Answer)?;
                    self.begin_anew(held);
                    news.lost = true;
                    return Ok(None);
                }
                "AHEAD" => {
                    let held = rest.first().and_then(engine::number).ok_or(CallError::Answer)?;
                    return Ok(Some(Sequence(held)));
                }
                "FORGOTTEN" => return Err(CallError::Forgotten),
                "REMOVED" => return Err(CallError::Removed),
                _ => return Err(CallError::Answer),
            }
            news.sent += rows.len();
            let more = self.read(rest, news)?;
            if news.lost {
                return Ok(None);
            }
            base = self.from();
            answers += 1;
            if last && more && answers < ANSWERS_MAX {
                messages.again();
            }
        }
        self.share_visitors(caller, site, own, news).await?;
        Ok(None)
    }

    /// Reads an answer of the merge. Says whether others changed more than it holds.
    fn read(&mut self, rest: Vec<Value>, news: &mut News) -> Result<bool, CallError> {
        let mut parts = rest.into_iter();
        let mut number = || parts.next().as_ref().and_then(engine::number).ok_or(CallError::Answer);
        let (held, since, more, online) = (number()?, number()?, number()?, number()?);
        let mut texts = || -> Result<Vec<String>, CallError> {
            let values = parts.next().and_then(engine::array).ok_or(CallError::Answer)?;
            values.iter().map(|value| engine::text(value).ok_or(CallError::Answer)).collect()
        };
        let (names, sums, own) = (texts()?, texts()?, texts()?);
        for ((name, sum), own) in names.into_iter().zip(sums).zip(own) {
            self.take_row(name, &values(&sum), &values(&own), news);
        }
        news.online = Some(u32::try_from(online).unwrap_or(u32::MAX));
        self.acked = Some(Sequence(held));
        if since < self.since {
            // It lost what others told: what they tell again may be numbered below what was seen.
            news.lost = true;
            self.begin_anew(held);
        } else {
            self.since = since;
        }
        Ok(more == 1)
    }

    /// Takes the sum of a row and what of it is this node's own.
    fn take_row(&mut self, name: String, sum: &[u64], own: &[u64], news: &mut News) {
        let Some(row) = RowKey::parse(&name) else { return };
        if let RowKey::Visitors(day) = row {
            self.sketches.entry(day).or_default().0 = 0;
            return;
        }
        if row == RowKey::Peak {
            let (Some(count), Some(at)) = (sum.first(), sum.get(1)) else { return };
            let peak = (u32::try_from(*count).unwrap_or(u32::MAX), UnixMillis(*at));
            if is_higher(peak, news.changes.peak) {
                news.changes.peak = Some(peak);
            }
            return;
        }
        let known = self.others.entry(name).or_default();
        let theirs: Vec<u64> = (0..sum.len().max(known.len()))
            .map(|n| {
                let at = |values: &[u64]| values.get(n).copied().unwrap_or(0);
                at(sum).saturating_sub(at(own)).max(at(known))
            })
            .collect();
        if row == RowKey::Total {
            let lacks = |n: usize| {
                let at = |values: &[u64]| values.get(n).copied().unwrap_or(0);
                at(&theirs).saturating_sub(at(sum).saturating_sub(at(own)))
            };
            self.missing = (lacks(0), lacks(1));
        }
        if theirs == *known {
            return;
        }
        grow(&mut news.changes, &row, known, &theirs);
        known.clone_from(&theirs);
        news.rows.push(RowValue { row, values: theirs });
    }

    /// Makes the visitors of a day the union of what the nodes saw.
    async fn share_visitors(
        &mut self,
        caller: &Caller<'_>,
        site: &SiteId,
        own: &Own,
        news: &mut News,
    ) -> Result<(), CallError> {
        let changed = self.sketches.iter().filter(|(_, (number, _))| *number == 0);
        for day in changed.map(|(day, _)| *day).collect::<Vec<_>>() {
            let (_, number, theirs) = ask_sketch(caller, site, day, 0, Vec::new()).await?;
            self.note_sketch(day, number, theirs, news);
        }
        for (day, mine) in &own.sketches {
            let mut mine = mine.clone();
            for _ in 0..SKETCH_TRIES {
                let (number, known) = self.sketches.get(day).cloned().unwrap_or_default();
                if known == mine {
                    break;
                }
                let (taken, number, theirs) = ask_sketch(caller, site, *day, number, mine.clone()).await?;
                if taken {
                    self.sketches.insert(*day, (number, mine));
                    break;
                }
                mine = union(&mine, &theirs);
                self.note_sketch(*day, number, theirs, news);
            }
        }
        self.sketched = own.top;
        Ok(())
    }

    fn note_sketch(&mut self, day: Day, number: u64, bytes: Vec<u8>, news: &mut News) {
        if !bytes.is_empty() {
            news.visitors.push((day, bytes.clone()));
        }
        // A number that is not 0 says that this was asked, also where there is nothing.
        self.sketches.insert(day, (number.max(1), bytes));
    }

    /// Forgets minutes that no window shows any more.
    pub(super) fn forget_before(&mut self, minute: u64) {
        self.others.retain(|name, _| match RowKey::parse(name) {
            Some(RowKey::Minute(known)) => known >= minute,
            _ => true,
        });
    }
}

/// Offers the visitors of a day to the store, which takes them if nobody was faster than the number says.
/// Without bytes it only asks. Gives whether they were taken, the number now, and the bytes if not.
async fn ask_sketch(
    caller: &Caller<'_>,
    site: &SiteId,
    day: Day,
    number: u64,
    bytes: Vec<u8>,
) -> Result<(bool, u64, Vec<u8>), CallError> {
    let (keys, row) = (caller.keys, RowKey::Visitors(day).name());
    let keys = [keys.sketch(site, day), keys.changed(site), keys.meta(site)];
    let arguments = [number.to_string().into(), bytes, row.into(), SKETCH_SECONDS.to_string().into()];
    let (_, rest) = engine::answer(caller.engine.run(&SKETCH, &keys, &arguments).await?)?;
    let mut parts = rest.into_iter();
    let taken = parts.next().as_ref().and_then(engine::number).ok_or(CallError::Answer)?;
    let number = parts.next().as_ref().and_then(engine::number).ok_or(CallError::Answer)?;
    let theirs = parts.next().and_then(engine::bytes).ok_or(CallError::Answer)?;
    Ok((taken == 1, number, theirs))
}

/// Everybody of both; what cannot be read is nobody.
fn union(mine: &[u8], theirs: &[u8]) -> Vec<u8> {
    // Theirs first: if they hold everybody, the bytes stay theirs.
    let Some(mut all) = Sketch::from_bytes(theirs) else { return mine.to_vec() };
    if let Some(mine) = Sketch::from_bytes(mine) {
        all.merge(&mine);
    }
    all.to_bytes()
}

/// The first minute that is kept.
pub(super) fn minutes_from(now: UnixMillis) -> u64 {
    now.minute().saturating_sub(MINUTES_KEPT)
}

/// Everything that the store holds of this node's values of a site, but for details of days that it
/// no longer tells apart.
pub(super) async fn own_values(
    caller: &Caller<'_>,
    site: &SiteId,
    days: &[Day],
) -> Result<Vec<RowValue>, CallError> {
    let mut rows = Vec::new();
    let read = |key: String| async move {
        let value = caller.engine.ask(redis::cmd("HGETALL").arg(key)).await?;
        pairs(value).ok_or(CallError::Answer)
    };
    for (name, text) in read(caller.keys.own(site, caller.node)).await? {
        if let Some(row) = RowKey::parse(&name) {
            rows.push(RowValue { row, values: values(&text) });
        }
    }
    for day in days {
        for (name, text) in read(caller.keys.day_own(site, *day, caller.node)).await? {
            if let Some(row) = RowKey::parse_of_day(*day, &name) {
                rows.push(RowValue { row, values: values(&text) });
            }
        }
    }
    Ok(rows)
}

/// What the store holds of others, given this node's own values of a site.
pub(super) async fn others_values(
    caller: &Caller<'_>,
    site: &SiteId,
    own: &[RowValue],
) -> Result<Vec<RowValue>, CallError> {
    let value = caller.engine.ask(redis::cmd("HGETALL").arg(caller.keys.sums(site))).await?;
    let own: HashMap<String, &[u64]> = own.iter().map(|row| (row.row.name(), &row.values[..])).collect();
    let others = |(name, text): (String, String)| {
        let row = RowKey::parse(&name).filter(|row| !matches!(row, RowKey::Peak | RowKey::Visitors(_)))?;
        let mine = own.get(&name).copied().unwrap_or_default();
        let less = |(n, sum): (usize, u64)| sum.saturating_sub(mine.get(n).copied().unwrap_or(0));
        Some(RowValue { row, values: values(&text).into_iter().enumerate().map(less).collect() })
    };
    Ok(pairs(value).ok_or(CallError::Answer)?.into_iter().filter_map(others).collect())
}

pub(super) fn pairs(value: Value) -> Option<Vec<(String, String)>> {
    match value {
        Value::Map(pairs) => {
            pairs.iter().map(|(name, value)| Some((engine::text(name)?, engine::text(value)?))).collect()
        }
        Value::Array(parts) => parts
            .chunks_exact(2)
            .map(|pair| Some((engine::text(&pair[0])?, engine::text(&pair[1])?)))
            .collect(),
        _ => None,
    }
}

/// Where a message stands in the sequence of messages.
struct Bounds {
    base: Sequence,
    top: Sequence,
    mark: Sequence,
    since: u64,
    now: UnixMillis,
    online_from: u64,
}

async fn merge(
    caller: &Caller<'_>,
    site: &SiteId,
    rows: &[RowValue],
    bounds: &Bounds,
    [after, name]: [&str; 2],
) -> Result<(String, Vec<Value>), CallError> {
    let (keys, node) = (caller.keys, caller.node);
    let mut days: Vec<Day> = rows.iter().filter_map(|row| row.row.detail_of()).collect();
    days.sort_unstable();
    days.dedup();
    let mut names = vec![
        keys.meta(site),
        keys.sums(site),
        keys.own(site, node),
        keys.changed(site),
        keys.here(site, 0),
        keys.idle(site, 0),
    ];
    for day in &days {
        names.extend([keys.day_sums(site, *day), keys.day_own(site, *day, node)]);
    }
    let numbers = [
        bounds.base.0,
        bounds.top.0,
        bounds.mark.0,
        bounds.since,
        u64::try_from(ANSWER_ROWS_MAX).unwrap_or(u64::MAX),
        minutes_from(bounds.now),
        bounds.online_from,
        caller.details_seconds,
    ];
    let mut arguments: Vec<Vec<u8>> = numbers.map(|number| number.to_string().into_bytes()).to_vec();
    arguments.extend([after.into(), name.into()]);
    for RowValue { row, values } in rows {
        let pair = row.detail_of().and_then(|day| days.binary_search(&day).ok()).map_or(0, |at| at + 1);
        let values: Vec<String> = values.iter().map(u64::to_string).collect();
        arguments.extend([pair.to_string().into(), row.name().into(), values.join(" ").into()]);
    }
    engine::answer(caller.engine.run(&MERGE, &names, &arguments).await?)
}

fn values(text: &str) -> Vec<u64> {
    text.split_ascii_whitespace().map(|value| value.parse().unwrap_or(0)).collect()
}

/// The rows in messages of bounded size; at least one message, for the answer's sake.
struct Messages<'a> {
    rows: &'a [RowValue],
    more: bool,
}

fn messages(rows: &[RowValue]) -> Messages<'_> {
    Messages { rows, more: true }
}

impl<'a> Messages<'a> {
    fn next(&mut self) -> Option<&'a [RowValue]> {
        if !std::mem::take(&mut self.more) {
            return None;
        }
        let mut days: Vec<Day> = Vec::new();
        let mut count = 0;
        for row in self.rows.iter().take(ROWS_MAX) {
            if let Some(day) = row.row.detail_of().filter(|day| !days.contains(day)) {
                if days.len() == DAYS_MAX {
                    break;
                }
                days.push(day);
            }
            count += 1;
        }
        let (message, rest) = self.rows.split_at(count);
        self.rows = rest;
        self.more = !rest.is_empty();
        Some(message)
    }

    fn peek(&self) -> Option<()> {
        self.more.then_some(())
    }

    /// One more message without rows.
    fn again(&mut self) {
        self.more = true;
    }
}

/// Adds what a row of others has more than was known.
fn grow(changes: &mut SharedChanges, row: &RowKey, known: &[u64], theirs: &[u64]) {
    let (was, mut growth) = (shown(known), shown(theirs));
    growth.more -= was.more;
    growth.less -= was.less;
    match row {
        RowKey::Total => changes.total.add(growth),
        RowKey::Day(day) => changes.days.entry(*day).or_default().add(growth),
        RowKey::Minute(minute) => *changes.minutes.entry(*minute).or_default() += growth.more,
        RowKey::Page(page) => changes.pages.push((page.clone(), growth)),
        RowKey::Peak | RowKey::Visitors(_) | RowKey::PageDay(..) | RowKey::Detail(..) => {}
    }
}
