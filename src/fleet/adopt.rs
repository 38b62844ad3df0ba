//! Sending what a dead machine's state directory still holds, under that machine's name, from another machine.
//!
//! The directory may be a copy. Values are sent as that machine would have sent them, so a second adoption sends
//! nothing, and the machine, should it come back, finds its own values in the shared store and counts none twice.
//! Its secrets are not touched: whoever was here is known by an id already.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Terms;
use super::command::{CommandError, SharedStore};
use super::engine;
use super::error::CallError;
use super::exchange::{Exchanged, Link, Own, own_values};
use super::nodes::{self, Identity, LEASE_MS, NOBODY};
use super::presence::{self, TOUCHES_MAX};
use super::{FleetError, Options};
use crate::clock::Clock;
use crate::rows::{RowKey, Touched, shown};
use crate::store::{Sequence, Store};
use crate::words::{Day, SiteId, Tally, UnixMillis};

/// How long a shared store that fails is asked again about visits; then they are decided without it.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(500);
/// Exchanges of one site, each with many messages; more means that the shared store keeps forgetting.
const EXCHANGES_MAX: usize = 100;
/// Days before these are over everywhere: their visitors are a number by now, which nobody can add to.
const OPEN_DAYS: i32 = 2;
/// For sites that are not configured here.
const ONLINE_WINDOW_MS: u64 = 300_000;

/// A dead node that this process speaks for.
pub struct Adoption {
    shared: Arc<SharedStore>,
    identity: Identity,
    clock: Clock,
    alone: Arc<AtomicU64>,
}

/// What was sent of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Rows.
    pub rows: usize,
    /// What the sums gained.
    pub gained: Tally,
    /// The site was removed from the fleet, so nothing was sent.
    pub removed: bool,
}

impl Adoption {
    /// Takes the lease of the node. One that somebody holds is waited for once: its holder may be dead.
    ///
    /// # Errors
    /// When the node lives or was forgotten, or the shared store does not answer.
    pub fn begin(options: &Options, identity: Identity, clock: Clock) -> Result<Adoption, CommandError> {
        let shared = Arc::new(SharedStore::new(options)?);
        shared.look_at_schema()?;
        let adoption = Adoption { shared, identity, clock, alone: Arc::default() };
        if let Some(left) = adoption.lease(LEASE_MS)? {
            std::thread::sleep(Duration::from_millis(left.min(LEASE_MS) + 100));
            if adoption.lease(LEASE_MS)?.is_some() {
                return Err(adoption.is_alive(left));
            }
        }
        Ok(adoption)
    }

    /// The node.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.identity.node
    }

    /// Takes or renews the lease; gives the milliseconds that another one holds it for.
    fn lease(&self, ms: u64) -> Result<Option<u64>, CommandError> {
        let asked = nodes::lease(&self.shared.engine, &self.shared.keys, &self.identity, ms);
        let (owner, left) = self.shared.wait(asked)?;
        if owner == NOBODY {
            return Err(FleetError::Forgotten { node: self.identity.node.clone() }.into());
        }
        Ok((owner != self.identity.owner).then(|| left.unwrap_or(LEASE_MS)))
    }

    fn is_alive(&self, left_ms: u64) -> CommandError {
        CommandError::Alive { node: self.identity.node.clone(), seconds: left_ms.div_ceil(1_000) }
    }

    /// Who decides which visits the records opened that were left over: the fleet, as it would have done. The online
    /// windows are those of the sites that are configured here.
    pub fn decide(
        &self,
        sites: HashMap<SiteId, Terms>,
    ) -> impl FnMut(Sequence, &[Touched]) -> Vec<bool> + Send + use<> {
        let (shared, identity) = (Arc::clone(&self.shared), self.identity.clone());
        let alone = Arc::clone(&self.alone);
        move |settled, touches| {
            let mut verdicts = vec![false; touches.len()];
            let mut by_part: BTreeMap<(&SiteId, usize), Vec<usize>> = BTreeMap::new();
            for (place, touch) in touches.iter().enumerate() {
                let parts = sites.get(&touch.site).map_or(1, |terms| terms.parts);
                let part = presence::part_of(touch.visitor, parts);
                by_part.entry((&touch.site, part)).or_default().push(place);
            }
            for ((site, part), places) in by_part {
                let terms = presence::Terms {
                    settled,
                    visit_window_ms: shared.options.visit_window_ms,
                    online_window_ms: sites
                        .get(site)
                        .map_or(ONLINE_WINDOW_MS, |terms| terms.online_window_ms),
                    // Others know better what may be forgotten.
                    cut: UnixMillis(0),
                    parts: sites.get(site).map_or(1, |terms| terms.parts),
                    now: UnixMillis(0),
                };
                for chunk in places.chunks(TOUCHES_MAX) {
                    let asked: Vec<&Touched> = chunk.iter().map(|place| &touches[*place]).collect();
                    let opened =
                        patiently(&shared, &identity, (site, part), &asked, &terms).unwrap_or_else(|| {
                            let opened: Vec<bool> =
                                asked.iter().map(|touch| touch.view && !touch.known).collect();
                            let visits = opened.iter().filter(|opened| **opened).count();
                            alone.fetch_add(u64::try_from(visits).unwrap_or(0), Ordering::Relaxed);
                            opened
                        });
                    chunk.iter().zip(opened).for_each(|(place, opened)| verdicts[*place] = opened);
                }
            }
            verdicts
        }
    }

    /// Visits that were decided without the shared store, because it did not answer.
    #[must_use]
    pub fn visits_alone(&self) -> u64 {
        self.alone.load(Ordering::Relaxed)
    }

    /// Sends everything of a site that the shared store does not have.
    ///
    /// # Errors
    /// When the shared store does not answer, another process took the node over, or the directory's store fails.
    /// It can be repeated.
    pub fn send(&self, store: &mut Store, site: &SiteId) -> Result<Sent, CommandError> {
        let before = self.held(site)?;
        let (mut link, mut rows) = (Link::new(Vec::new()), 0);
        for _ in 0..EXCHANGES_MAX {
            if let Some(left) = self.lease(LEASE_MS)? {
                return Err(self.is_alive(left));
            }
            let has_asked = link.acked.is_some();
            let own = self.own(store, site, &link)?;
            let now = self.clock.now();
            let caller = self.shared.caller(&self.identity.node);
            match self.shared.wait(link.exchange(&caller, site, &own, (now, now.0))) {
                Ok(Exchanged::Done(news)) => {
                    rows += news.sent;
                    if has_asked && !news.lost && link.from() >= own.top {
                        let gained = less(self.held(site)?, before);
                        return Ok(Sent { rows, gained, removed: false });
                    }
                }
                Ok(Exchanged::Ahead(held)) => {
                    let values = self.shared.wait(own_values(&caller, site, &[]))?;
                    store.take_back(site, &values, held)?;
                }
                Err(CallError::Removed) => {
                    return Ok(Sent { rows: 0, gained: Tally::default(), removed: true });
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(CallError::Answer.into())
    }

    fn own(&self, store: &Store, site: &SiteId, link: &Link) -> Result<Own, CommandError> {
        let (rows, top) = match link.acked {
            Some(acked) => store.changed_since(site, acked)?,
            None => (Vec::new(), store.sequence()?),
        };
        let today = i32::try_from(self.clock.now().second() / 86_400).unwrap_or(i32::MAX);
        let is_open = |day: &Day| day.0.saturating_add(OPEN_DAYS) >= today;
        let mut sketches = store.sketches_since(site, link.sketched())?;
        sketches.retain(|(day, _)| is_open(day));
        Ok(Own { rows, top, sketches })
    }

    /// What the shared store holds of this node's total.
    fn held(&self, site: &SiteId) -> Result<Tally, CommandError> {
        let mut command = redis::cmd("HGET");
        command.arg(self.shared.keys.own(site, &self.identity.node)).arg(RowKey::Total.name());
        let text = engine::text(&self.shared.ask(&command)?).unwrap_or_default();
        let values: Vec<u64> = text.split(' ').map(|value| value.parse().unwrap_or(0)).collect();
        Ok(shown(&values).more)
    }

    /// Leaves the node as dead as it was.
    ///
    /// # Errors
    /// When the shared store does not answer; then the lease runs out by itself.
    pub fn end(self) -> Result<(), CommandError> {
        self.lease(1).map(drop)
    }
}

/// Asks again and again; `None` when the shared store did not answer for long.
fn patiently(
    shared: &SharedStore,
    identity: &Identity,
    (site, part): (&SiteId, usize),
    touches: &[&Touched],
    terms: &presence::Terms,
) -> Option<Vec<bool>> {
    let caller = shared.caller(&identity.node);
    let until = Instant::now() + PATIENCE;
    loop {
        // Renewed here too, since much may be left over; who took it meanwhile is found when values are sent.
        shared.wait(nodes::lease(&shared.engine, &shared.keys, identity, LEASE_MS)).ok();
        match shared.wait(presence::touch(&caller, site, part, touches, terms)) {
            Ok(told) => return Some(told.opened),
            Err(_) if Instant::now() < until => std::thread::sleep(PAUSE),
            Err(_) => return None,
        }
    }
}

fn less(now: Tally, before: Tally) -> Tally {
    Tally { views: now.views.saturating_sub(before.views), visits: now.visits.saturating_sub(before.visits) }
}
