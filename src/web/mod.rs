//! The door: one worker per core, each with its own runtime and its own listener.
//!
//! No beacon crosses a thread on its way. [`hit`](self) shows the way of a beacon on one screen;
//! `worker.rs` the turn that writes it; `reply.rs` every header that goes back. The admin listener
//! is read only and runs on the daemon's own thread: no HTTP path changes a number but a beacon's.

mod admin;
mod certificates;
mod hit;
mod listen;
mod live;
mod passed;
mod proxied;
mod refusals;
mod reply;
mod route;
mod secure;
mod show;
mod site_metrics;
mod socket;
mod strangers;
mod wire;
mod worker;

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

pub use admin::serve_admin;
pub use certificates::{CertificateError, Certificates, Held, Term, TlsOptions, read_certificates};
pub use hit::protocols;
pub use listen::{Keeping, Listeners, serve};
pub use passed::{PASSED_MAX, Passed, PassedError};
pub use proxied::Announcers;
pub use show::fetched;
pub use socket::{Address, BindError, Listener, SocketFile, bind, bind_shared, bind_unix};
pub use worker::{Committer, Worker, cuts};

use self::live::Streams;
use self::refusals::Refusals;
use self::show::Cache;
use self::site_metrics::Named;
use self::strangers::Strangers;
use crate::clock::Clock;
use crate::count::Counts;
use crate::guard::{Guard, Reason};
use crate::metrics::Metrics;
use crate::salt::Salts;
use crate::sites::{Placed, SiteNumber, Sites};
use crate::visitor::{SiteSalts, Visitors};
use crate::words::UnixMillis;

/// What the door is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Addresses of the public listener.
    pub listen: Vec<Address>,
    /// Addresses of the admin listener.
    pub admin_listen: Vec<Address>,
    /// Who may connect to unix sockets, as the mode of a file.
    pub socket_mode: u32,
    /// Peers that say first for whom they ask.
    pub proxy_protocol_from: Announcers,
    /// Listeners with TLS.
    pub tls: TlsOptions,
    /// What pages are told to paste; `None` takes scheme and host of the request.
    pub public_url: Option<String>,
    /// Whether `/` shows the welcome page.
    pub welcome_page: bool,
    /// Worker threads; `None` is one per core.
    pub workers: Option<usize>,
    /// Connections open at once, over all workers.
    pub connections_max: usize,
    /// How long a client may take to send its first request, in milliseconds.
    pub header_read_timeout_ms: u64,
    /// How long a connection may stay without finishing a request, in milliseconds.
    pub idle_timeout_ms: u64,
    /// How long requests in flight may take to finish on stop, in milliseconds.
    pub drain_timeout_ms: u64,
    /// Live streams open at once.
    pub live_streams: usize,
    /// Live streams that one network may have open; 0 turns that limit off.
    pub live_streams_per_network: usize,
    /// Sites that the metrics page names; the others are one line.
    pub metrics_sites_max: usize,
}

/// The rooms that a request walks through, and what the admin page asks.
pub struct Rooms {
    /// What the door was told.
    pub options: Options,
    /// The time.
    pub clock: Clock,
    /// Who is it.
    pub visitors: Visitors,
    /// Counted, or not.
    pub guard: Guard,
    /// The numbers.
    pub counts: Arc<Counts>,
    /// The days' secrets.
    pub salts: Arc<Salts>,
    /// What people on duty see.
    pub metrics: Arc<Metrics>,
    /// What the daemon knows about itself.
    pub state: State,
    /// What TLS listeners show.
    pub certificates: Arc<Certificates>,
    sites: RwLock<Arc<Sites>>,
    refusals: Refusals,
    cache: Cache,
    live: Streams,
    strangers: Strangers,
    connections: AtomicUsize,
    /// When this process began.
    started: UnixMillis,
    named: Named,
    handshakes: AtomicUsize,
}

/// What the daemon knows about itself.
#[derive(Default)]
pub struct State {
    /// Requests are taken.
    pub serving: AtomicBool,
    /// Workers whose last turn could not be written: each has a stream of its own, and one that has
    /// room left says nothing about the others.
    pub journal_failing: AtomicUsize,
    /// The last fold did not reach the store.
    pub store_failing: AtomicBool,
    /// Grows with every turn of the keeper, and while the store works on something long.
    pub keeper_beats: Arc<AtomicU64>,
    /// How far the store is behind the journal, as of the last fold.
    pub lag: Lag,
    /// Lines of the metrics page about the fold, the journal and the disk, as of the last fold.
    pub kept: RwLock<String>,
    /// The same about the fleet, and what is amiss there.
    fleet: RwLock<(String, Option<String>)>,
}

impl State {
    /// Shows how the fleet stands: lines of the metrics page, and what is amiss.
    pub fn show_fleet(&self, metrics: String, degraded: Option<String>) {
        *self.fleet.write().unwrap_or_else(PoisonError::into_inner) = (metrics, degraded);
    }

    /// How the fleet stands, as it was shown last; the lines are empty where the machine is alone.
    #[must_use]
    pub fn fleet(&self) -> (String, Option<String>) {
        self.fleet.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Why this node cannot count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unready {
    /// Requests are not taken yet, or no more.
    #[error("starting or stopping")]
    Serving,
    /// What cannot be written is not counted, and answered with 503.
    #[error("the journal cannot be written")]
    Journal,
    /// Without the day's secret nobody is told apart; beacons are answered, and not counted.
    #[error("there is no shared secret for the day yet; the shared store must be reached for it")]
    Salt,
}

/// What the last fold found of journal and store, in bytes.
#[derive(Debug, Default)]
pub struct Lag {
    /// What the journal takes on disk.
    pub journal_bytes: AtomicU64,
    /// What it may take at most.
    pub journal_bytes_max: AtomicU64,
    /// What of it the store has not taken.
    pub unapplied_bytes: AtomicU64,
    /// What the store takes on disk.
    pub store_bytes: AtomicU64,
}

impl Rooms {
    /// What closes a proxy's connections, if it did so in the last ten minutes.
    #[must_use]
    pub fn proxies_refused(&self) -> Option<&'static str> {
        self.strangers.proxies_refused(self.clock.now())
    }

    /// Rooms without a site.
    #[must_use]
    pub fn new(
        options: Options,
        clock: Clock,
        (visitors, guard): (Visitors, Guard),
        counts: Arc<Counts>,
        salts: Arc<Salts>,
        metrics: Arc<Metrics>,
    ) -> Rooms {
        let strangers = Strangers::new(&metrics);
        Rooms {
            options,
            started: clock.now(),
            named: Named::default(),
            clock,
            visitors,
            guard,
            counts,
            salts,
            metrics,
            state: State::default(),
            certificates: Arc::default(),
            sites: RwLock::default(),
            refusals: Refusals::default(),
            cache: Cache::default(),
            live: Streams::default(),
            strangers,
            connections: AtomicUsize::new(0),
            handshakes: AtomicUsize::new(0),
        }
    }

    /// The sites in force.
    #[must_use]
    pub fn sites(&self) -> Arc<Sites> {
        Arc::clone(&self.sites.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The site of that name, if it is in force.
    fn site(&self, id: &str) -> Option<Placed> {
        self.sites.read().unwrap_or_else(PoisonError::into_inner).find(id).cloned()
    }

    /// Puts other sites in force; every one of them must be in its place in the counts already.
    pub fn set_sites(&self, sites: Sites) {
        *self.sites.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(sites);
    }

    /// What was refused in the last hour, by reason.
    #[must_use]
    pub fn refused_last_hour(&self, site: SiteNumber, now: UnixMillis) -> Vec<(Reason, u64)> {
        self.refusals.last_hour(site, now)
    }

    /// Requests are taken, and what they bring can be counted.
    ///
    /// # Errors
    /// When this node cannot count, with the reason in words.
    pub fn ready(&self) -> Result<(), Unready> {
        if !self.state.serving.load(Ordering::Acquire) {
            Err(Unready::Serving)
        } else if self.state.journal_failing.load(Ordering::Acquire) > 0 {
            Err(Unready::Journal)
        } else if self.lacks_salt() {
            Err(Unready::Salt)
        } else {
            Ok(())
        }
    }

    /// In a fleet nobody is counted for whom there is no secret that all share.
    fn lacks_salt(&self) -> bool {
        let now = self.clock.now();
        let lacks = |placed: &Placed| self.salts_of(placed.number, now).is_none();
        self.counts.is_together() && self.sites().iter().any(lacks)
    }

    /// The secrets of the day of a site: today's, and for one visit window after midnight that of
    /// the day before.
    fn salts_of(&self, site: SiteNumber, now: UnixMillis) -> Option<SiteSalts> {
        let local = self.counts.local_day(site, now)?;
        let today = self.salts.of(local.day)?;
        let lately = now.since(local.from) < self.counts.visit_window_ms();
        let previous = lately.then(|| self.salts.of(local.day.previous())).flatten();
        Some(SiteSalts { day: local.day, today, previous })
    }
}
