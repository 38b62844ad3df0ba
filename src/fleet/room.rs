//! The fleet's thread: one loop that exchanges with every site, answers the fold, and keeps the lease.
//!
//! Every site is an exchange of its own, so that a shard that hangs holds up nobody else's. All of them
//! share one connection, which sends what is asked side by side.

mod telling;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use siphasher::sip::SipHasher24;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{LocalSet, spawn_local};

use super::admission;
use super::doubt::Doubt;
use super::engine::{self, Engine};
use super::error::CallError;
use super::exchange::{Caller, Exchanged, Link, Own, minutes_from, others_values, own_values};
use super::keys::Keys;
use super::nodes::{self, Identity, LEASE_MS, NOBODY, Word, cut};
use super::status::{SiteState, Status};
use super::{Agenda, Ahead, FleetError, Home, Letter, MeetError, Met, Options, Order, Terms, salts};
use crate::clock::Clock;
use crate::salt::Salts;
use crate::store::Sequence;
use crate::words::{SiteId, UnixMillis};

/// Lease, nodes, salts and the clock are looked at this often.
const UPKEEP: Duration = Duration::from_secs(3);
/// A start asks about what was left over before the sites are named; then this is as good as any.
const ONLINE_WINDOW_MS: u64 = 300_000;
/// Clocks that differ by less are the same.
const SKEW_NOISE_MS: u64 = 20;
/// A clock that is further off is not followed: one of the two is plainly wrong.
const SKEW_FOLLOWED_MS: u64 = 10 * 60_000;
/// A site that fails is tried again after this.
const RETRY: Duration = Duration::from_secs(1);
/// Up to so many sites are all asked every interval; of more, quiet ones less often.
const SITES_ALWAYS: usize = 500;
/// A quiet site among many is asked at least once in so many intervals.
const QUIET_MAX: u32 = 16;

/// What the thread begins with.
pub(super) struct Begin {
    pub(super) options: Options,
    pub(super) identity: Identity,
    pub(super) clock: Clock,
    pub(super) salts: Arc<Salts>,
    pub(super) status: Arc<Status>,
}

/// What all tasks of the thread share.
pub(super) struct Room {
    pub(super) engine: Engine,
    pub(super) keys: Keys,
    pub(super) identity: Identity,
    pub(super) clock: Clock,
    pub(super) salts: Arc<Salts>,
    pub(super) status: Arc<Status>,
    options: Options,
    sites: RefCell<HashMap<SiteId, Terms>>,
    links: RefCell<HashMap<SiteId, Slot>>,
    home: RefCell<Option<Home>>,
    cut: Cell<UnixMillis>,
    /// Admitted: schema, policy and lease were seen to be right.
    admitted: Cell<bool>,
    /// So it was once in this life.
    was_admitted: Cell<bool>,
    /// Since when somebody else speaks for this node.
    unspoken: Cell<Option<Instant>>,
    keeping: Cell<bool>,
    /// The sites whose visitors the store was told of, in this life or before it.
    told: RefCell<HashSet<SiteId>>,
    /// That the clocks are too far apart was said.
    warned: Cell<bool>,
    /// When salts were missed first.
    pub(super) missed: Cell<Option<Instant>>,
}

/// The exchange of one site.
struct Slot {
    /// `None` while an exchange is under way.
    link: Option<Link>,
    next: Instant,
    /// Exchanges in a row that brought nothing.
    quiet: u32,
    /// What the store was told to be settled last, and when.
    settled: Option<(Sequence, Instant)>,
    /// Visits that may be open elsewhere.
    doubt: Doubt,
}

impl Begin {
    /// Works until nobody can send orders any more.
    pub(super) fn run(self, orders: mpsc::UnboundedReceiver<Order>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = runtime else {
            tracing::error!("the fleet's runtime cannot be started; this node counts alone");
            return;
        };
        let interval = Duration::from_millis(self.options.interval_ms);
        let room = Rc::new(Room {
            engine: Engine::new(self.options.access.clone()),
            keys: Keys::new(&self.options.prefix),
            identity: self.identity,
            clock: self.clock,
            salts: self.salts,
            status: self.status,
            options: self.options,
            sites: RefCell::default(),
            links: RefCell::default(),
            home: RefCell::default(),
            cut: Cell::default(),
            admitted: Cell::default(),
            was_admitted: Cell::default(),
            unspoken: Cell::default(),
            keeping: Cell::default(),
            told: RefCell::default(),
            warned: Cell::default(),
            missed: Cell::default(),
        });
        LocalSet::new().block_on(&runtime, room.work(orders, interval));
    }
}

impl Room {
    async fn work(self: Rc<Self>, mut orders: mpsc::UnboundedReceiver<Order>, interval: Duration) {
        let mut tick = tokio::time::interval(interval);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut upkeep = tokio::time::interval(UPKEEP);
        loop {
            let room = Rc::clone(&self);
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => {
                        if matches!(order, Order::Exchange) {
                            tick.reset();
                        }
                        self.carry_out(order);
                    }
                    None => break,
                },
                _ = tick.tick() => self.exchange_due(),
                _ = upkeep.tick() => drop(spawn_local(async move { room.keep_up().await })),
            }
        }
    }

    fn carry_out(self: &Rc<Self>, order: Order) {
        let room = Rc::clone(self);
        match order {
            Order::Meet(agenda, answer) => drop(spawn_local(async move {
                // Who asked may have given up.
                answer.send(room.meet(&agenda).await).ok();
            })),
            Order::Touch(question) => drop(spawn_local(async move { room.touch(question).await })),
            Order::Sites(sites) => {
                *self.sites.borrow_mut() =
                    sites.into_iter().map(|terms| (terms.site.clone(), terms)).collect();
            }
            Order::Serve(home) => *self.home.borrow_mut() = Some(home),
            Order::Exchange => self.exchange_due(),
            Order::Flush(done) => drop(spawn_local(async move { room.flush(done).await })),
        }
    }

    fn caller(&self) -> Caller<'_> {
        Caller {
            engine: &self.engine,
            keys: &self.keys,
            node: &self.identity.node,
            details_seconds: self.options.details_seconds(),
        }
    }

    /// Notes what a call cost and how it ended.
    pub(super) fn noted<T>(
        &self,
        operation: &str,
        begun: Instant,
        result: Result<T, CallError>,
    ) -> Result<T, CallError> {
        self.status.called(operation, begun.elapsed().as_secs_f64(), &result, self.clock.now());
        self.status.set_reconnects(self.engine.reconnects());
        result
    }

    /// The first meeting of this life: whatever may forbid it is found before anything is counted.
    async fn meet(&self, agenda: &Agenda) -> Result<Met, MeetError> {
        self.admit().await?;
        self.look_at_sums(&agenda.with_sums).await?;
        salts::keep(self).await.map_err(MeetError::Away)?;
        let caller = self.caller();
        let mut met = Met::default();
        for (last, site) in &agenda.sites {
            let mut command = redis::cmd("HGET");
            command.arg(self.keys.own(site, &self.identity.node)).arg("#sequence");
            let held = self.engine.ask(&command).await.map_err(MeetError::Away)?;
            let held = Sequence(engine::number(&held).unwrap_or(0));
            if held >= *last && held > Sequence(0) {
                self.told.borrow_mut().insert(site.clone());
            }
            if held > agenda.top {
                let days = self.detail_days();
                let rows = own_values(&caller, site, &days).await.map_err(MeetError::Away)?;
                let others = others_values(&caller, site, &rows).await.map_err(MeetError::Away)?;
                met.ahead.push(Ahead { site: site.clone(), rows, others, held });
            }
        }
        Ok(met)
    }

    /// Sums of the fleet that a machine took for its own may not come back to it.
    async fn look_at_sums(&self, with_sums: &[SiteId]) -> Result<(), MeetError> {
        for site in with_sums {
            let mut command = redis::cmd("EXISTS");
            command.arg(self.keys.sums(site));
            let sums = self.engine.ask(&command).await.map_err(MeetError::Away)?;
            if engine::number(&sums).is_some_and(|sums| sums > 0) {
                return Err(MeetError::Refused(FleetError::SumsOfFleet { site: site.clone() }));
            }
        }
        Ok(())
    }

    /// The days whose details are asked back: those that are still being written.
    fn detail_days(&self) -> Vec<crate::words::Day> {
        let today = i32::try_from(self.clock.now().second() / 86_400).unwrap_or(0);
        (today - 2..=today + 1).map(crate::words::Day).collect()
    }

    /// Looks whether this node may take part, and takes the lease.
    async fn admit(&self) -> Result<(), MeetError> {
        let (node, may_evict) = (&self.identity.node, self.options.allow_eviction);
        admission::look(&self.engine, &self.keys, node, may_evict).await?;
        self.take_lease().await?;
        self.admitted.set(true);
        self.was_admitted.set(true);
        Ok(())
    }

    /// Takes or renews the lease. One that another owner holds is waited for once: its holder may be gone.
    async fn take_lease(&self) -> Result<(), MeetError> {
        let node = self.identity.node.clone();
        for attempt in 0..2 {
            let lease = nodes::lease(&self.engine, &self.keys, &self.identity, LEASE_MS).await;
            let (owner, left) = lease.map_err(MeetError::Away)?;
            if owner == self.identity.owner {
                return Ok(());
            }
            if owner == NOBODY {
                return Err(MeetError::Refused(FleetError::Forgotten { node }));
            }
            if attempt == 0 && !self.admitted.get() {
                let left = left.unwrap_or(0).min(LEASE_MS);
                tokio::time::sleep(Duration::from_millis(left + 100)).await;
            }
        }
        Err(MeetError::Refused(FleetError::Lease { node }))
    }

    /// Lease, salts, clock and the other nodes.
    async fn keep_up(&self) {
        if self.keeping.replace(true) {
            return;
        }
        self.status.set_now(self.clock.now());
        match self.admit().await {
            Ok(()) => {
                self.status.set_refused(None);
                self.unspoken.set(None);
                let begun = Instant::now();
                let kept = salts::keep(self).await;
                if let Err(error) = self.noted("salt", begun, kept) {
                    tracing::debug!(%error, "the salts were not compared");
                }
                let begun = Instant::now();
                let told = self.tell_nodes().await;
                self.noted("node", begun, told).ok();
            }
            Err(MeetError::Away(error)) => {
                self.noted("node", Instant::now(), Err::<(), _>(error)).ok();
            }
            Err(MeetError::Refused(error)) => self.refused(error),
        }
        self.keeping.set(false);
    }

    /// This node may not take part: at first, or any more.
    fn refused(&self, error: FleetError) {
        if self.home.borrow().is_none() {
            // The start is still under way, asks by itself and says so.
            return;
        }
        if self.status.set_refused(Some(error.to_string())) {
            tracing::error!(%error, "this node may not share; it counts alone");
        }
        let is_for_good = match error {
            FleetError::Forgotten { .. } => true,
            FleetError::Lease { .. } => {
                let since = self.unspoken.get().unwrap_or_else(Instant::now);
                self.unspoken.set(Some(since));
                !self.was_admitted.get() || since.elapsed() > Duration::from_millis(2 * LEASE_MS)
            }
            _ => false,
        };
        if is_for_good {
            self.status.bar(error);
        }
        self.admitted.set(false);
    }

    /// Says that this node is there, and listens who else is.
    async fn tell_nodes(&self) -> Result<(), CallError> {
        let skew_ms = self.skew().await?;
        self.status.set_skew(skew_ms);
        self.follow_clock(skew_ms);
        let now = self.clock.now();
        let (merged, lag) = self.status.standing();
        let word = Word {
            seen: now.0,
            watermark: self.status.watermark().0,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            skew_ms,
            merged: merged.0,
            lag,
            sites: self.fingerprint(),
            forgotten: false,
        };
        let text = serde_json::to_string(&word).expect("numbers and a text always serialise");
        let mut command = redis::cmd("HSET");
        command.arg(self.keys.nodes()).arg(&self.identity.node).arg(text);
        self.engine.ask(&command).await?;
        let words = words(&self.engine, &self.keys).await?;
        // A start speaks before its sites are named.
        let are_named = |sites: &str| !sites.is_empty() && !word.sites.is_empty();
        let differs = |(_, other): &&(String, Word)| are_named(&other.sites) && other.sites != word.sites;
        let alive: Vec<_> = words.iter().filter(|(_, word)| word.is_alive(now)).collect();
        self.status
            .set_differing(alive.iter().copied().filter(differs).map(|(node, _)| node.clone()).collect());
        let alive = alive.len();
        let count = |n: usize| u64::try_from(n).unwrap_or(0);
        self.status.set_nodes(count(alive), count(words.len()));
        self.cut.set(cut(&words, now, self.options.visit_window_ms));
        Ok(())
    }

    /// Of the settings that all nodes must have in common; empty until the sites are named.
    fn fingerprint(&self) -> String {
        let sites = self.sites.borrow();
        if sites.is_empty() {
            return String::new();
        }
        let mut settings: Vec<String> = sites.values().map(Terms::settings).collect();
        settings.sort_unstable();
        let hash = SipHasher24::new().hash(settings.join("\n").as_bytes());
        format!("{hash:016x}.{}", self.options.visit_window_ms)
    }

    /// How far the store's clock is ahead of this machine's, in milliseconds.
    async fn skew(&self) -> Result<i64, CallError> {
        let before = self.clock.now();
        let answer = self.engine.ask(&redis::cmd("TIME")).await?;
        let after = self.clock.now();
        let parts = engine::array(answer).ok_or(CallError::Answer)?;
        let part = |place: usize| parts.get(place).and_then(engine::number).ok_or(CallError::Answer);
        let theirs = part(0)? * 1_000 + part(1)? / 1_000;
        // Where in between the store looked at its clock is not known.
        let ours = u64::midpoint(before.0, after.0);
        let signed = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        let behind = signed(theirs) - signed(ours);
        let is_noise = behind.unsigned_abs() <= after.since(before) / 2 + SKEW_NOISE_MS;
        Ok(self.clock.followed_ms() + if is_noise { 0 } else { behind })
    }

    /// All nodes go by the store's clock, unless that is plainly wrong.
    fn follow_clock(&self, skew_ms: i64) {
        if skew_ms.unsigned_abs() <= SKEW_FOLLOWED_MS {
            self.clock.follow(skew_ms);
        } else if self.clock.followed_ms() != 0 || !self.warned.replace(true) {
            tracing::warn!(
                skew_ms,
                "the clocks of this machine and of the shared store are too far apart to follow; set them right"
            );
            self.clock.follow(0);
        }
    }

    fn write(&self, letter: Letter) {
        if let Some(home) = &*self.home.borrow() {
            (home.letters)(letter);
        }
    }

    /// Begins an exchange with every site whose turn it is.
    fn exchange_due(self: &Rc<Self>) {
        if !self.admitted.get() {
            return;
        }
        let now = Instant::now();
        let changed = self.changed();
        let sites = self.sites.borrow();
        let many = sites.len() > SITES_ALWAYS;
        for (site, terms) in sites.iter() {
            let mut links = self.links.borrow_mut();
            if !links.contains_key(site) {
                let others = self.home.borrow().as_ref().map(|home| home.store.others(site));
                let Some(Ok(others)) = others else { continue };
                let slot = Slot {
                    link: Some(Link::new(others)),
                    next: now,
                    quiet: 0,
                    settled: None,
                    doubt: Doubt::default(),
                };
                links.insert(site.clone(), slot);
            }
            let Some(slot) = links.get_mut(site) else { continue };
            let Some(link) = &slot.link else { continue };
            let own = changed.get(site).copied().unwrap_or_default();
            let is_due = now >= slot.next || (own > link.from() && slot.quiet < u32::MAX);
            if !is_due {
                continue;
            }
            let Some(link) = slot.link.take() else { continue };
            slot.next = now + if many { RETRY } else { Duration::ZERO };
            let (room, terms) = (Rc::clone(self), terms.clone());
            drop(spawn_local(async move { room.exchange(terms, link).await }));
        }
    }

    /// Sends whatever this node has and the store does not: the node is about to stop.
    async fn flush(self: Rc<Self>, done: std::sync::mpsc::Sender<()>) {
        loop {
            self.exchange_due();
            let changed = self.changed();
            let unsent = self.links.borrow().iter().any(|(site, slot)| {
                let top = changed.get(site).copied().unwrap_or_default();
                slot.link.as_ref().is_none_or(|link| link.from() < top)
            });
            if !unsent {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // Who asked may have lost patience.
        done.send(()).ok();
    }

    /// When the rows of each site changed last.
    fn changed(&self) -> HashMap<SiteId, Sequence> {
        let home = self.home.borrow();
        let Some(home) = &*home else { return HashMap::new() };
        home.store.site_sequences().unwrap_or_default().into_iter().collect()
    }

    async fn exchange(&self, terms: Terms, mut link: Link) {
        let site = terms.site.clone();
        let begun = Instant::now();
        let exchanged = self.exchange_once(&terms, &mut link).await;
        let state = self.status.site(&site);
        let now = self.clock.now();
        let (mut quiet, mut next) = (true, Instant::now());
        match self.noted("merge", begun, exchanged) {
            Ok(brought) => {
                quiet = !brought;
                if let Some(error) = &state.failing {
                    tracing::info!(site = %site, before = %error, "the shared store answers again");
                }
                self.status.set_site(
                    &site,
                    SiteState { merged: now, lag: 0, failing: None, missing: link.missing() },
                );
                if self.told.borrow_mut().insert(site.clone()) || self.status.is_away(&site) {
                    self.write(Letter::TellPresence(site.clone()));
                }
            }
            Err(error) => {
                if state.failing.as_ref() != Some(&error) {
                    tracing::warn!(site = %site, %error, "the shared store was not reached; it is tried again");
                }
                next += RETRY;
                let top = self.changed().get(&site).copied().unwrap_or_default();
                let lag = top.0.saturating_sub(link.from().0);
                self.status.set_site(&site, SiteState { failing: Some(error), lag, ..state });
            }
        }
        link.forget_before(minutes_from(now));
        let many = self.sites.borrow().len() > SITES_ALWAYS;
        if let Some(slot) = self.links.borrow_mut().get_mut(&site) {
            slot.quiet = if quiet { (slot.quiet + 1).min(QUIET_MAX) } else { 0 };
            let pause = u32::from(many) * slot.quiet;
            slot.next = next + Duration::from_millis(self.options.interval_ms) * pause;
            slot.link = Some(link);
        }
    }

    /// One exchange. Says whether it brought or took anything.
    async fn exchange_once(&self, terms: &Terms, link: &mut Link) -> Result<bool, CallError> {
        let site = &terms.site;
        let Some(own) = self.own(site, link) else { return Ok(false) };
        let now = self.clock.now();
        let online_from = self.terms(site, Sequence(0)).online_from();
        match link.exchange(&self.caller(), site, &own, (now, online_from)).await? {
            Exchanged::Done(mut news) => {
                let elsewhere = self.online_elsewhere(terms).await;
                let add = |elsewhere: &u64, here: u32| {
                    here.saturating_add(u32::try_from(*elsewhere).unwrap_or(u32::MAX))
                };
                news.online = elsewhere.as_ref().ok().zip(news.online).map(|(there, here)| add(there, here));
                if news.lost {
                    tracing::warn!(site = %site, "the shared store lost what it had acknowledged; it is sent again");
                    self.status.add_lost();
                    self.told.borrow_mut().remove(site);
                }
                if let Some(slot) = self.links.borrow_mut().get_mut(site) {
                    if news.lost {
                        self.status.add_alone(slot.doubt.begin(Instant::now()));
                    } else {
                        slot.doubt.end();
                    }
                }
                self.status.add_rows(news.sent);
                let brought = !news.changes.is_empty() || !news.visitors.is_empty() || news.sent > 0;
                self.write(Letter::News(news));
                elsewhere.map(|_| brought)
            }
            Exchanged::Ahead(held) => {
                let rows = own_values(&self.caller(), site, &self.detail_days()).await?;
                tracing::warn!(site = %site, rows = rows.len(), "the shared store knows more of this node than its own store; its values are taken back");
                let (done, taken) = oneshot::channel();
                self.write(Letter::TakeBack(site.clone(), rows, held, done));
                taken.await.map_err(|_| CallError::Answer)?;
                Ok(true)
            }
        }
    }

    /// What this machine's store says. A life that does not know how far the shared store is asks first.
    fn own(&self, site: &SiteId, link: &Link) -> Option<Own> {
        let home = self.home.borrow();
        let store = &home.as_ref()?.store;
        let read = || {
            let (rows, top) = match link.acked {
                Some(acked) => store.changed_since(site, acked)?,
                None => (Vec::new(), store.sequence()?),
            };
            let sketches = store.sketches_since(site, link.sketched())?;
            Ok::<_, crate::store::StoreError>(Own { rows, top, sketches })
        };
        match read() {
            Ok(own) => Some(own),
            Err(error) => {
                tracing::warn!(%error, "the store could not be read for the fleet; it is tried again");
                None
            }
        }
    }
}

/// What every node said of itself last.
pub(super) async fn words(engine: &Engine, keys: &Keys) -> Result<Vec<(String, Word)>, CallError> {
    let answer = engine.ask(redis::cmd("HGETALL").arg(keys.nodes())).await?;
    let pairs = super::exchange::pairs(answer).ok_or(CallError::Answer)?;
    let parse = |(node, text): (String, String)| Some((node, serde_json::from_str(&text).ok()?));
    Ok(pairs.into_iter().filter_map(parse).collect())
}
