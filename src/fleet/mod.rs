//! The fleet: many machines, one number, through Redis or Valkey.
//!
//! # How it counts
//! A fleet is a state-based counter, not a log of increments. Every node keeps its own rows and sends
//! their *present values*; the shared store holds each node's values and the sum of all. Sending twice
//! changes nothing; a store that lost writes, because it failed over, was restored or restarted empty,
//! answers an older sequence than the node remembers and is sent all that changed since. So the fleet
//! heals from its nodes, and Redis being away costs a node nothing but staleness.
//!
//! Two things are decided in the shared store, since no node can know them alone: whether a view opens
//! a visit, and who is online. Both lie in sorted sets of last moments, which are told with every fold.
//!
//! # What it promises
//! - A footer answers from memory always and never goes backwards on its node.
//! - A slow or dead shard holds up its own sites only. Their visits are decided alone meanwhile, and
//!   counted in a metric.
//! - Nothing here is needed to recover: all of it can be asked again.
//!
//! # What it does not know
//! The journal, memory's counts and the web. What it learns it tells the keeper in a [`Letter`].

mod address;
mod admission;
mod adopt;
mod check;
mod command;
mod doubt;
mod engine;
mod error;
mod exchange;
mod keys;
mod nodes;
mod presence;
mod room;
mod salts;
mod script;
mod status;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, PoisonError, RwLock, mpsc};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc as channel, oneshot};

pub use address::{Address, AddressError, Host, Place};
pub use adopt::{Adoption, Sent};
pub use check::{Finding, Weight};
pub use command::{CommandError, Life, NodeEntry, SharedStore};
pub use engine::Access;
pub use error::CallError;
pub use exchange::News;
pub use nodes::{Identity, IdentityError};

use self::status::Status;
use crate::clock::Clock;
use crate::rows::{RowValue, Touched};
use crate::salt::Salts;
use crate::store::{Sequence, Store, StoreError};
use crate::words::{SiteId, UnixMillis};

/// What a fleet is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// How to reach the shared store.
    pub access: Access,
    /// What the names of all keys begin with.
    pub prefix: String,
    /// How often values are sent and asked for, in milliseconds.
    pub interval_ms: u64,
    /// Whether to run against a store that may drop totals when its memory is full.
    pub allow_eviction: bool,
    /// How long a visit stays open without a beacon, in milliseconds.
    pub visit_window_ms: u64,
    /// How long pages and details of single days are kept, in days.
    pub details_days: u64,
}

impl Options {
    /// How long the shared store keeps details of a day after their last change.
    fn details_seconds(&self) -> u64 {
        self.details_days.saturating_add(2).saturating_mul(86_400)
    }
}

/// What the fleet needs to know of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Its id.
    pub site: SiteId,
    /// How long a beacon makes somebody online, in milliseconds.
    pub online_window_ms: u64,
    /// Parts that its visitors are split over, each with a slot of a Cluster; the same on every node.
    pub parts: usize,
    /// The name of its time zone; the same on every node.
    pub time_zone: String,
}

impl Terms {
    /// What all nodes must have in common, as one line.
    fn settings(&self) -> String {
        format!("{} {} {} {}", self.site, self.online_window_ms, self.parts, self.time_zone)
    }
}

/// What the fleet tells the keeper.
#[derive(Debug)]
pub enum Letter {
    /// What others counted.
    News(Box<News>),
    /// The shared store holds later values of this node than the node: take them back, then say so.
    TakeBack(SiteId, Vec<RowValue>, Sequence, oneshot::Sender<()>),
    /// The shared store is back, or forgot who is here: it wants to be told of everybody.
    TellPresence(SiteId),
}

/// Why a node may not take part.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// Another process speaks for this node.
    #[error(
        "another process speaks for node {node}: two machines run with copies of one state directory; let one of \
         them begin with an empty state directory, and it joins as a node of its own"
    )]
    Lease {
        /// The node.
        node: String,
    },
    /// The store was written by a later release.
    #[error(
        "the shared store has schema version {found}, and this headcount knows up to {known}; use a newer one"
    )]
    Newer {
        /// What it has.
        found: u64,
        /// What is known here.
        known: u32,
    },
    /// The store may drop totals.
    #[error(
        "the shared store may drop totals when its memory is full (maxmemory-policy {policy}); set it to noeviction, \
         or set fleet.allow_eviction"
    )]
    Eviction {
        /// The policy.
        policy: String,
    },
    /// The node was told to stay away.
    #[error(
        "node {node} was forgotten by `headcount nodes forget`; begin with an empty state directory to join as a new one"
    )]
    Forgotten {
        /// The node.
        node: String,
    },
    /// The numbers of this machine were sent as those of another node.
    #[error(
        "the numbers in this state directory are those of node {known}, and the file `node` says {node}: it was \
         deleted, or the backup of another machine was restored. Write {known} into that file to go on as that \
         node, or begin with an empty state directory to join as a new one"
    )]
    OtherNode {
        /// As which they were sent.
        known: String,
        /// Who this machine is.
        node: String,
    },
    /// This machine holds the fleet's sums as numbers of its own.
    #[error(
        "site {site} has the sums of a fleet as its own numbers (`headcount import --from headcount`), and this fleet \
         counts that site already, so they would count twice; begin with an empty state directory: what this \
         machine counted within the fleet is kept there"
    )]
    SumsOfFleet {
        /// The site.
        site: SiteId,
    },
    /// The store of this machine failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system refused a thread.
    #[error("cannot start the fleet's thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// What a first meeting with the shared store found.
#[derive(Debug, Default)]
pub struct Met {
    /// Where the store knows more of this node than the node itself.
    pub ahead: Vec<Ahead>,
}

/// What the shared store holds of a site, where it knows more of this node than the node itself.
#[derive(Debug)]
pub struct Ahead {
    /// The site.
    pub site: SiteId,
    /// This node's own values.
    pub rows: Vec<RowValue>,
    /// What others counted: what this node kept of them is as old as the rest.
    pub others: Vec<RowValue>,
    /// The sequence that the store holds of this node.
    pub held: Sequence,
}

impl Met {
    /// Takes back what the machine lacks. Only after a fold of what was left over: the same beacons may lie in
    /// the journal still and in the shared store already, and the higher of two values holds them once.
    ///
    /// # Errors
    /// When the machine's store fails.
    pub fn take_back(self, store: &mut Store) -> Result<(), StoreError> {
        for Ahead { site, rows, others, held } in self.ahead {
            tracing::warn!(site = %site, rows = rows.len(), "the shared store knew more of this node than its own store, as after a restored backup; its values were taken back");
            store.take_back(&site, &rows, held)?;
            store.put_others(&site, &others, 0)?;
        }
        Ok(())
    }
}

/// What the fleet's thread is asked.
enum Order {
    /// Meet the store for the first time in this life.
    Meet(Agenda, oneshot::Sender<Result<Met, MeetError>>),
    /// Tell who was here and ask which visits opened.
    Touch(Question),
    /// These sites are in service.
    Sites(Vec<Terms>),
    /// Exchange with every site from now on.
    Serve(Home),
    /// Exchange now; the next exchange is due an interval later.
    Exchange,
    /// Send everything, then say so.
    Flush(mpsc::Sender<()>),
}

/// What a first meeting is about.
struct Agenda {
    /// How far this machine's store is.
    top: Sequence,
    /// Its sites, each with its last change.
    sites: Vec<(Sequence, SiteId)>,
    /// Sites that have the sums of a fleet as their own numbers.
    with_sums: Vec<SiteId>,
}

/// Why the store could not be met.
enum MeetError {
    /// It is away: go on without.
    Away(CallError),
    /// This node may not take part.
    Refused(FleetError),
}

/// Where the fleet is at home: what it reads, and whom it writes to.
pub struct Home {
    /// The store of this machine, for reading.
    pub store: Store,
    /// The keeper's letter box.
    pub letters: Box<dyn Fn(Letter) + Send>,
}

/// Touches of one site, and where the answer goes.
struct Question {
    site: SiteId,
    settled: Sequence,
    touches: Vec<Touched>,
    /// Sent while the site was away: nobody waits for a verdict.
    answer: Option<mpsc::Sender<Verdicts>>,
}

/// Which touches of a site opened a visit.
type Verdicts = (SiteId, Result<Vec<bool>, CallError>);

/// The node's part in the fleet, for the keeper and the daemon.
#[derive(Clone)]
pub struct Fleet {
    orders: channel::UnboundedSender<Order>,
    status: Arc<Status>,
    timeout: Duration,
}

impl Fleet {
    /// Starts the thread that talks to the shared store. Nothing is asked yet.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(
        options: Options,
        identity: Identity,
        clock: Clock,
        salts: Arc<Salts>,
    ) -> Result<Fleet, FleetError> {
        let (orders, taken) = channel::unbounded_channel();
        let status = Arc::new(Status::new(identity.node.clone(), options.access.address.to_string()));
        let timeout = options.access.timeout;
        let room = room::Begin { options, identity, clock, salts, status: Arc::clone(&status) };
        std::thread::Builder::new().name("fleet".to_owned()).spawn(move || room.run(taken))?;
        Ok(Fleet { orders, status, timeout })
    }

    /// Meets the shared store before anything is counted: takes the lease, and asks for values that the
    /// store holds and this machine does not, of the `configured` sites and those that it has. A store that is
    /// away is waited for as long as `patience`; then counting goes on without, and it is met later.
    ///
    /// # Errors
    /// When this node may not take part, or its own store fails.
    pub fn meet(
        &self,
        store: &mut Store,
        configured: &[SiteId],
        patience: Duration,
    ) -> Result<Met, FleetError> {
        self.claim(store)?;
        let (answer, mut answered) = oneshot::channel();
        let mut sites = store.site_ids()?;
        // Of a store that is new or restored these may not be among them.
        sites.extend(configured.iter().filter(|site| !sites.contains(site)).cloned().collect::<Vec<_>>());
        let changed: HashMap<SiteId, Sequence> = store.site_sequences()?.into_iter().collect();
        let last = |site: SiteId| (changed.get(&site).copied().unwrap_or_default(), site);
        let agenda = Agenda {
            top: store.sequence()?,
            sites: sites.into_iter().map(last).collect(),
            with_sums: store.with_sums_of_fleets()?,
        };
        self.orders.send(Order::Meet(agenda, answer)).ok();
        let until = Instant::now() + patience;
        let met = loop {
            match answered.try_recv() {
                Ok(met) => break met,
                Err(oneshot::error::TryRecvError::Empty) if Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(_) => break Err(MeetError::Away(CallError::Timeout)),
            }
        };
        match met {
            Ok(met) => {
                tracing::info!(node = self.status.node(), "the shared store was met");
                Ok(met)
            }
            Err(MeetError::Away(error)) => {
                self.status.failed(&error);
                tracing::warn!(%error, "the shared store is away; counting goes on with what this node knows");
                Ok(Met::default())
            }
            Err(MeetError::Refused(error)) => Err(error),
        }
    }

    /// The numbers of a machine are those of one node for ever.
    fn claim(&self, store: &mut Store) -> Result<(), FleetError> {
        let node = self.status.node();
        // It was checked to be hexadecimal digits when it was read.
        let Some(known) = store.claim(u64::from_str_radix(node, 16).unwrap_or(0))? else { return Ok(()) };
        Err(FleetError::OtherNode { known: format!("{known:016x}"), node: node.to_owned() })
    }

    /// Why this machine may not take part any more, if that has turned out; then it must stop: what it counts
    /// would reach nobody.
    #[must_use]
    pub fn barred(&self) -> Option<FleetError> {
        self.status.barred()
    }

    /// Names the sites in service.
    pub fn set_sites(&self, sites: Vec<Terms>) {
        // A thread that is gone shows in the daemon's look at its threads.
        self.orders.send(Order::Sites(sites)).ok();
    }

    /// Begins to exchange.
    pub fn serve(&self, home: Home) {
        self.orders.send(Order::Serve(home)).ok();
    }

    /// Everything up to `now` is folded and told; what it changed is sent at once.
    pub fn folded(&self, now: UnixMillis) {
        self.status.set_watermark(now);
        self.orders.send(Order::Exchange).ok();
    }

    /// Tells who was here and asks which visits opened. Where the store does not answer in time, this
    /// node decides alone.
    #[must_use]
    pub fn decide(&self, settled: Sequence, touches: &[Touched]) -> Vec<bool> {
        let mut by_site: HashMap<SiteId, Vec<usize>> = HashMap::new();
        for (place, touch) in touches.iter().enumerate() {
            by_site.entry(touch.site.clone()).or_default().push(place);
        }
        let (sender, receiver) = mpsc::channel();
        let alone = |places: &[usize], verdicts: &mut Vec<bool>| {
            let mut visits = 0;
            for place in places {
                let touch = &touches[*place];
                verdicts[*place] = touch.view && !touch.known;
                visits += u64::from(verdicts[*place]);
            }
            self.status.add_alone(visits);
        };
        let mut verdicts = vec![false; touches.len()];
        let mut asked = 0;
        for (site, places) in &by_site {
            if self.status.is_away(site) {
                alone(places, &mut verdicts);
                continue;
            }
            let of_site = places.iter().map(|place| touches[*place].clone()).collect();
            let question =
                Question { site: site.clone(), settled, touches: of_site, answer: Some(sender.clone()) };
            asked += usize::from(self.orders.send(Order::Touch(question)).is_ok());
        }
        let until = Instant::now() + self.timeout + self.timeout / 2;
        while asked > 0 {
            let (site, answer) = match receiver.recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                Ok(answered) => answered,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            };
            asked -= 1;
            if let (Ok(answers), Some(places)) = (answer, by_site.get(&site)) {
                places.iter().zip(answers).for_each(|(place, opened)| verdicts[*place] = opened);
                by_site.remove(&site);
            }
        }
        for (site, places) in by_site.iter().filter(|(site, _)| !self.status.is_away(site)) {
            self.status.set_away(site);
            alone(places, &mut verdicts);
        }
        verdicts
    }

    /// Tells of everybody who is here, after the store was away or forgot; from then on it is asked again.
    pub fn tell_presence(&self, site: SiteId, settled: Sequence, touches: Vec<Touched>) {
        // What is folded from here on is asked behind this, so nobody falls in between.
        self.status.set_back(&site);
        self.orders.send(Order::Touch(Question { site, settled, touches, answer: None })).ok();
    }

    /// Sends what the shared store lacks, for as long as `patience`: a node that stops in order leaves
    /// nothing behind. What was not sent is sent by its next start.
    pub fn flush(&self, patience: Duration) {
        let (done, flushed) = mpsc::channel();
        if self.orders.send(Order::Flush(done)).is_ok() && flushed.recv_timeout(patience).is_err() {
            tracing::warn!("the shared store lacks the last numbers of this node; the next start sends them");
        }
    }

    /// Lines of the metrics page.
    #[must_use]
    pub fn metrics(&self) -> String {
        self.status.page()
    }

    /// What a person on duty should know while the shared store is away; `None` while all is well.
    #[must_use]
    pub fn degraded(&self, now: UnixMillis) -> Option<String> {
        self.status.degraded(now)
    }
}

/// A file in the state directory that says which node this is.
#[must_use]
pub fn node_file(state: &std::path::Path) -> PathBuf {
    state.join("node")
}

/// Reads a lock that a panic may have poisoned: what lies behind it is whole at every step.
fn read<T: Clone>(lock: &RwLock<T>) -> T {
    lock.read().unwrap_or_else(PoisonError::into_inner).clone()
}
