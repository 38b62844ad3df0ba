//! Start and stop: opens the rooms in order, closes them in reverse.
//!
//! A start locks the state directory, takes its addresses, opens the store, folds what was left
//! over, brings presence back, and only then serves. A stop is the same list backwards: the door
//! closes and drains, the workers write their last turn, the keeper folds it, the lock goes. Every
//! thread is joined here; one that ends before its time ends the process.

mod door;
mod error;
mod fleet;
mod lock;
mod long_start;
mod manager;
mod told;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};

use self::door::Door;
pub use self::error::DaemonError;
pub use self::lock::{Lock, lock};
use self::long_start::{LongStart, WatchedDisk};
pub use self::manager::Manager;
use crate::clock::Clock;
use crate::config::{Config, Problems};
use crate::control;
use crate::count::Counts;
use crate::fleet::Fleet;
use crate::fold::{Decide, Fold, FoldError, Folded};
use crate::guard::{Guard, Reason};
use crate::health::{Listening, Vitals};
use crate::journal::{Ack, Disk, Found, Journal, Reading, RealDisk, merge};
use crate::keeper::{Keeper, Order, decide_with, keep_salts};
use crate::metrics::Metrics;
use crate::salt::{self, Salts, imported_file, random};
use crate::store::{self, Store};
use crate::visitor::Visitors;
use crate::web::{
    self, Address, CertificateError, Certificates, Committer, Held, Listener, Listeners, Passed, Rooms,
    SocketFile, Worker,
};
use crate::words::Record;

/// How often files and workers are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long a start waits for the fleet's shared store; a lease that a dead process left behind lasts nearly as long.
const MEETING: Duration = Duration::from_secs(20);

/// The state directory, locked: journal, store and fold of a machine, caught up and not serving.
pub struct Kept {
    /// The streams.
    pub journal: Arc<Journal>,
    /// Everything is folded.
    pub fold: Fold,
    /// What the start found in the journal.
    pub found: Found,
    /// What was left over.
    pub folded: Folded,
    lock: Lock,
}

/// The store's file in a state directory.
#[must_use]
pub fn database(state: &Path) -> PathBuf {
    state.join("headcount.db")
}

/// Opens what is kept and folds what was left over.
///
/// # Errors
/// When journal or store cannot be opened.
pub fn open_kept(
    config: &Config,
    lock: Lock,
    disk: Arc<dyn Disk>,
    fleet: Option<&Fleet>,
) -> Result<Kept, DaemonError> {
    let (mut store, journal, found) = open_vaults(config, disk)?;
    let (options, window, streams) = (config.fold, config.count.visit_window_ms, Arc::clone(&journal));
    let (fold, folded) = match fleet {
        None => {
            store.forget_others()?;
            Fold::open(options, window, streams, store)?
        }
        Some(fleet) => {
            store.prepare_sharing()?;
            let sites: Vec<_> = config.sites.iter().map(|site| site.id.clone()).collect();
            let met = fleet.meet(&mut store, &sites, MEETING)?;
            let (mut fold, folded) =
                Fold::open_together(options, window, streams, store, decide_with(fleet))?;
            met.take_back(fold.store())?;
            (fold, folded)
        }
    };
    Ok(Kept { journal, fold, found, folded, lock })
}

fn open_vaults(config: &Config, disk: Arc<dyn Disk>) -> Result<(Store, Arc<Journal>, Found), DaemonError> {
    let store = Store::open(&store::Options {
        path: database(&config.state_directory),
        synchronous_full: config.journal.ack == Ack::Synced,
        pages_per_site: config.count.pages_per_site,
        details_per_day: config.details_per_day,
    })?;
    let (journal, found) = Journal::open(config.journal.clone(), disk)?;
    for (path, offset, bytes) in &found.cut {
        tracing::warn!(path = %path.display(), offset, bytes, "a torn end of the journal was cut off; no answered beacon was in it");
    }
    Ok((store, journal, found))
}

/// The same for what a dead machine of the fleet left behind: who decides its visits is handed in.
///
/// # Errors
/// As [`open_kept`].
pub fn open_adopted(config: &Config, lock: Lock, decide: Decide) -> Result<Kept, DaemonError> {
    let (mut store, journal, found) = open_vaults(config, Arc::new(RealDisk))?;
    store.prepare_sharing()?;
    let (options, window, streams) = (config.fold, config.count.visit_window_ms, Arc::clone(&journal));
    let (fold, folded) = Fold::open_together(options, window, streams, store, decide)?;
    Ok(Kept { journal, fold, found, folded, lock })
}

/// The same for a command that finds no daemon running. In a fleet that is asked about visits as the daemon would.
///
/// # Errors
/// When nothing was ever counted in the directory, it is in use, journal or store cannot be opened, or this machine
/// may not take part in its fleet.
pub fn open_stopped(config: &Config) -> Result<Kept, DaemonError> {
    if !database(&config.state_directory).exists() {
        return Err(DaemonError::Nothing { path: config.state_directory.clone() });
    }
    open_or_begin(config)
}

/// The same for a command that brings numbers along, also before a daemon's first start.
///
/// # Errors
/// As of [`open_stopped`], but for an empty directory.
pub fn open_or_begin(config: &Config) -> Result<Kept, DaemonError> {
    let lock = lock(&config.state_directory)?;
    let salts = Arc::new(Salts::open(salt::file(&config.state_directory))?);
    let part = fleet::join(config, &Clock::system(), &salts)?;
    open_kept(config, lock, Arc::new(RealDisk), part.as_ref())
}

/// Reads the configuration again.
pub type Reload = Box<dyn Fn() -> Result<Config, Problems>>;

/// What started this process has given it; by default nothing.
#[derive(Debug, Default)]
pub struct Host {
    /// Sockets that it keeps for us.
    pub passed: Option<Passed>,
    /// Who wants to hear from us.
    pub manager: Arc<Manager>,
}

/// A daemon that is serving.
pub struct Daemon {
    config: Config,
    rooms: Arc<Rooms>,
    vitals: Arc<Vitals>,
    workers: Vec<(Arc<Worker>, JoinHandle<io::Result<()>>)>,
    stop: watch::Sender<bool>,
    orders: mpsc::Sender<Order>,
    keeper: JoinHandle<Result<(), FoldError>>,
    part: Option<Fleet>,
    admin: Vec<Listener>,
    manager: Arc<Manager>,
    /// The line that proxies lack was shown.
    warned: bool,
    /// What was told of certificates.
    told: Vec<String>,
    /// The addresses of the public listener.
    pub public: Vec<Address>,
    /// The same with TLS.
    pub tls: Vec<Address>,
    _files: Vec<SocketFile>,
    _lock: Lock,
}

impl Daemon {
    /// Starts: everything is open, caught up and serving when this returns.
    ///
    /// # Errors
    /// When any part cannot be opened; nothing is left behind then.
    pub fn start(config: Config, clock: Clock, host: Host) -> Result<Daemon, DaemonError> {
        tracing::info!(state_directory = %config.state_directory.display(), version = env!("CARGO_PKG_VERSION"), "starting");
        config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let Host { passed, manager } = host;
        let count =
            config.web.workers.or_else(|| thread::available_parallelism().ok().map(usize::from)).unwrap_or(1);
        // The directory is locked first: a second start by mistake takes no connection.
        let lock = lock(&config.state_directory)?;
        let certificates = Arc::new(Certificates::new(web::read_certificates(&config.web.tls)?));
        let door = door::open(&config, passed, &certificates, count)?;
        let salts = Arc::new(Salts::open(salt::file(&config.state_directory))?);
        let part = fleet::join(&config, &clock, &salts)?;
        manager.status("adding up what was left over");
        let disk = Arc::new(WatchedDisk::default());
        let long_start = LongStart::watch(&manager, &disk)?;
        let kept = open_kept(&config, lock, disk, part.as_ref())?;
        told::clock_after(&clock, &kept.found);
        told::left_over(&kept.folded);
        let workers: Vec<Arc<Worker>> = (0..count).map(|_| Arc::default()).collect();
        let (keeper, lock) = open_rooms(&config, clock, kept, &workers, (part, salts, certificates))?;
        drop(long_start);
        let rooms = Arc::clone(&keeper.rooms);
        let (stop, stopped) = watch::channel(false);
        let journal = Arc::clone(&keeper.journal);
        let (orders, taken) = mpsc::channel();
        if let Some(part) = &keeper.fleet {
            fleet::serve(part, &config, orders.clone())?;
        }
        let part = keeper.fleet.clone();
        let keeper = spawn("keeper", move || keeper.run(&taken))?;
        let Door { public: listeners, admin, addresses, files } = door;
        let workers = spawn_workers(&rooms, &journal, workers, listeners, &stopped)?;
        rooms.state.serving.store(true, Ordering::Release);
        let parts = workers.iter().map(|(worker, _)| Arc::clone(worker)).collect();
        let state = config.state_directory.clone();
        let listening = Listening { http: addresses.plain.clone(), https: addresses.tls.clone() };
        let vitals = Arc::new(Vitals::new(Arc::clone(&rooms), state, listening, parts));
        Ok(Daemon {
            config,
            rooms,
            vitals,
            workers,
            stop,
            orders,
            keeper,
            part,
            admin,
            manager,
            warned: false,
            told: Vec::new(),
            public: addresses.plain,
            tls: addresses.tls,
            _files: files,
            _lock: lock,
        })
    }

    /// Serves until a signal or a failure ends it, then stops in order.
    ///
    /// # Errors
    /// When a thread ended before its time, or the last fold failed.
    pub fn run(mut self, reload: &Reload) -> Result<(), DaemonError> {
        let system = |doing| move |source| DaemonError::System { doing, source };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(system("start the runtime"))?;
        runtime.block_on(async move {
            let ended = self.watch(reload).await;
            self.manager.stopping();
            // Joining threads blocks; the signals are still listened to meanwhile.
            let stopped = tokio::task::spawn_blocking(move || self.stop()).await;
            stopped.map_err(|_| DaemonError::Thread("the stop".to_owned()))?.and(ended)
        })
    }

    async fn watch(&mut self, reload: &Reload) -> Result<(), DaemonError> {
        let signal =
            |kind| signal(kind).map_err(|source| DaemonError::System { doing: "listen for signals", source });
        let mut hangup = signal(SignalKind::hangup())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        for listener in std::mem::take(&mut self.admin) {
            if let Some(address) = listener.address() {
                tracing::info!(%address, "admin pages");
            }
            tokio::spawn(web::serve_admin(Arc::clone(&self.rooms), listener));
        }
        let socket = self.config.state_directory.join("control.sock");
        control::listen(&socket, Arc::clone(&self.vitals), self.orders.clone())
            .map_err(|source| DaemonError::State { doing: "listen on", path: socket, source })?;
        for address in &self.public {
            tracing::info!(%address, "serving");
        }
        for address in &self.tls {
            tracing::info!(%address, "serving with TLS");
        }
        self.feed_watchdog();
        self.manager.ready(&self.serving());
        let mut files = fingerprint(&self.config.files);
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hangup.recv() => {
                    files = fingerprint(&self.config.files);
                    self.manager.reloading();
                    self.reload(reload).await;
                    self.manager.ready(&self.serving());
                }
                _ = look.tick() => {
                    self.look_at_threads()?;
                    self.look_at_forwarding();
                    self.look_at_certificates();
                    let now = fingerprint(&self.config.files);
                    if now != files {
                        files = now;
                        self.reload(reload).await;
                        self.manager.status(&self.serving());
                    }
                }
            }
        }
        tracing::info!("stopping");
        tokio::spawn(stop_at_once(terminate, interrupt));
        Ok(())
    }

    /// What we are doing, in a line for people who ask the service manager.
    fn serving(&self) -> String {
        let sites = self.rooms.sites().iter().count();
        let old = if self.rooms.metrics.reload_successful.get() == 1 {
            ""
        } else {
            "; the changed configuration was refused, see the log"
        };
        format!("serving {sites} site{}{old}", if sites == 1 { "" } else { "s" })
    }

    /// Gives the service manager signs of life for as long as every worker and the keeper go on.
    fn feed_watchdog(&self) {
        let Some(patience) = self.manager.watchdog() else { return };
        let workers: Vec<_> = self.workers.iter().map(|(worker, _)| Arc::clone(worker)).collect();
        let keeper = Arc::clone(&self.rooms.state.keeper_beats);
        let beats = move || {
            let beats = workers.iter().map(|worker| worker.heartbeat().0);
            beats.chain([keeper.load(Ordering::Relaxed)]).collect()
        };
        tokio::spawn(manager::feed(Arc::clone(&self.manager), patience, beats));
    }

    /// Takes over changed sites; a bad configuration leaves the old one in force.
    async fn reload(&mut self, reload: &Reload) {
        let Some((config, certificates)) = self.read_again(reload) else {
            self.rooms.metrics.reload_successful.set(0);
            tracing::error!("the configuration was not taken over; the one before stays in force");
            return;
        };
        for key in self.config.differs_beyond_sites(&config) {
            tracing::warn!(key, "a changed key needs a restart");
        }
        let sites = self.rooms.sites().replaced_by(config.sites.clone());
        let (answer, answered) = oneshot::channel();
        let placed = sites.iter().cloned().collect();
        let placed = match self.orders.send(Order::Place(placed, answer)) {
            Ok(()) => answered
                .await
                .map_err(|gone| gone.to_string())
                .and_then(|placed| placed.map_err(|e| e.to_string())),
            Err(gone) => Err(gone.to_string()),
        };
        if let Err(error) = placed {
            self.rooms.metrics.reload_successful.set(0);
            tracing::error!(%error, "the sites could not be put in service; those before stay in force");
            return;
        }
        tracing::info!(sites = sites.iter().count(), "the sites were taken over");
        self.rooms.set_sites(sites);
        self.rooms.visitors.set_countries(config.visitor.countries.clone());
        self.rooms.certificates.replace(certificates);
        if let Err(error) = keep_salts(&self.rooms, self.rooms.clock.now()) {
            tracing::error!(%error, "the salts cannot be kept; beacons of a day without one are not counted");
        }
        self.config = config;
        reloaded(&self.rooms);
    }

    /// The configuration and its certificates; whatever is wrong is in the log.
    fn read_again(&self, reload: &Reload) -> Option<(Config, Vec<Held>)> {
        let config = reload().inspect_err(|problems| {
            problems.to_string().lines().for_each(|problem| tracing::error!("{problem}"));
        });
        let config = config.ok()?;
        let mut read = web::read_certificates(&config.web.tls);
        if !self.tls.is_empty() && read.as_ref().is_ok_and(Vec::is_empty) {
            read = Err(CertificateError::None);
        }
        let certificates = read.inspect_err(|error| tracing::error!("{error}")).ok()?;
        Some((config, certificates))
    }

    /// Says what is wrong with a certificate, once for each thing.
    fn look_at_certificates(&mut self) {
        let warnings = self.rooms.certificates.warnings(self.rooms.clock.now());
        if warnings.len() != self.told.len() {
            for warning in &warnings {
                tracing::warn!("{warning}");
            }
            self.told = warnings;
        }
    }

    /// Says once what a proxy in front of us most likely lacks.
    fn look_at_forwarding(&mut self) {
        if !self.warned && self.rooms.metrics.forwarding_missing.get() > 0 {
            self.warned = true;
            tracing::warn!(
                "beacons come from a trusted address that does not name the client, so no network limit applies to \
                 them; if that is nginx, add: proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
            );
        }
    }

    fn look_at_threads(&self) -> Result<(), DaemonError> {
        if self.keeper.is_finished() {
            return Err(DaemonError::Thread("the keeper".to_owned()));
        }
        for (number, (_, thread)) in self.workers.iter().enumerate() {
            if thread.is_finished() {
                return Err(DaemonError::Thread(format!("worker {number}")));
            }
        }
        if let Some(error) = self.part.as_ref().and_then(Fleet::barred) {
            return Err(error.into());
        }
        self.vitals.tick();
        let stalled = self.vitals.stalled();
        for (part, since_ms) in &stalled {
            tracing::error!(part, since_ms, "no progress, in a write most likely; the others go on");
        }
        self.rooms.metrics.workers_stalled.set(i64::try_from(stalled.len()).unwrap_or(i64::MAX));
        Ok(())
    }

    /// Stops in order: the door drains, the workers write, the keeper folds.
    ///
    /// # Errors
    /// When a thread panicked or the last fold failed.
    pub fn stop(self) -> Result<(), DaemonError> {
        self.rooms.state.serving.store(false, Ordering::Release);
        // Workers that are gone need not be told.
        self.stop.send(true).ok();
        for (number, (_, thread)) in self.workers.into_iter().enumerate() {
            let ended = thread.join().map_err(|_| DaemonError::Thread(format!("worker {number}")))?;
            ended.map_err(|source| DaemonError::System { doing: "serve", source })?;
        }
        // A keeper that is gone need not be told; joining it says why.
        self.orders.send(Order::Stop).ok();
        self.keeper.join().map_err(|_| DaemonError::Thread("the keeper".to_owned()))??;
        tracing::info!("stopped");
        Ok(())
    }

    /// The rooms, for tests that look inside.
    #[must_use]
    pub fn rooms(&self) -> &Arc<Rooms> {
        &self.rooms
    }
}

/// A second signal does not wait for the drain.
async fn stop_at_once(mut terminate: Signal, mut interrupt: Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::warn!("stopping at once; what was answered as counted is in the journal");
    std::process::exit(1);
}

/// Makes the rooms, puts the sites in service and brings presence back.
fn open_rooms(
    config: &Config,
    clock: Clock,
    kept: Kept,
    workers: &[Arc<Worker>],
    (fleet, salts, certificates): (Option<Fleet>, Arc<Salts>, Arc<Certificates>),
) -> Result<(Keeper, Lock), DaemonError> {
    let now = clock.now();
    let reasons: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    let metrics = Arc::new(Metrics::new(&reasons, &web::protocols(), env!("CARGO_PKG_VERSION")));
    let visitors = Visitors::new(&config.visitor, random()?)?;
    let imported = Salts::open(imported_file(&config.state_directory))?;
    let oldest = now.minus(config.count.visit_window_ms.max(longest_online_window(config)));
    let counts = Arc::new(Counts::new(config.count, oldest));
    let guard = Guard::new(&config.guard);
    let mut rooms = Rooms::new(config.web.clone(), clock, (visitors, guard), counts, salts, metrics);
    rooms.certificates = certificates;
    rooms.set_sites(rooms.sites().replaced_by(config.sites.clone()));
    let fold_ms = config.fold.interval_ms;
    let interval_ms = config.fleet.as_ref().map_or(fold_ms, |fleet| fleet.interval_ms.min(fold_ms));
    let interval = Duration::from_millis(interval_ms);
    let Kept { journal, fold, lock, .. } = kept;
    let rooms = Arc::new(rooms);
    let mut keeper = Keeper { fold, journal, rooms, workers: workers.to_vec(), imported, interval, fleet };
    let placed: Vec<_> = keeper.rooms.sites().iter().cloned().collect();
    keeper.place(&placed)?;
    for site in &config.sites {
        tracing::info!(site = %site.id, time_zone = site.time_zone.iana_name().unwrap_or("fixed"), "site");
    }
    replay(&keeper, oldest)?;
    keep_salts(&keeper.rooms, now)?;
    reloaded(&keeper.rooms);
    Ok((keeper, lock))
}

fn longest_online_window(config: &Config) -> u64 {
    config.sites.iter().map(|site| site.online_window_ms).max().unwrap_or(0)
}

fn reloaded(rooms: &Rooms) {
    rooms.metrics.reload_successful.set(1);
    let second = u32::try_from(rooms.clock.now().second()).unwrap_or(u32::MAX);
    rooms.metrics.reload_success_time.set(f64::from(second));
}

/// Brings back everybody who was here lately, from the streams that are still there.
fn replay(keeper: &Keeper, oldest: crate::words::UnixMillis) -> Result<(), DaemonError> {
    let streams = keeper.journal.streams().into_iter().filter(|(_, stream)| stream.newest >= oldest);
    let readings = streams.map(|(id, stream)| Reading { id, from: 0, to: stream.length, stream }).collect();
    let counts = &keeper.rooms.counts;
    let replayed = merge(&keeper.journal, readings, |record, _, _| {
        if let Record::Touch(touch) = record
            && touch.at >= oldest
        {
            counts.replay(touch);
        }
        Ok::<(), io::Error>(())
    });
    replayed.map_err(FoldError::Journal)?;
    counts.sweep(keeper.rooms.clock.now());
    tracing::info!(present = counts.present(), "visitors of the last minutes are remembered again");
    Ok(())
}

fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, DaemonError> {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(work);
    spawned.map_err(|source| DaemonError::System { doing: "start a thread", source })
}

type Threads = Vec<(Arc<Worker>, JoinHandle<io::Result<()>>)>;

fn spawn_workers(
    rooms: &Arc<Rooms>,
    journal: &Arc<Journal>,
    workers: Vec<Arc<Worker>>,
    listeners: Vec<Listeners>,
    stopped: &watch::Receiver<bool>,
) -> Result<Threads, DaemonError> {
    let mut threads = Vec::new();
    for (number, (worker, own)) in workers.into_iter().zip(listeners).enumerate() {
        let (rooms, stopped) = (Arc::clone(rooms), stopped.clone());
        let committer = Committer::new(journal.writer());
        let served = Arc::clone(&worker);
        let thread = spawn(&format!("worker-{number}"), move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(web::serve(rooms, served, committer, own, stopped))
        })?;
        threads.push((worker, thread));
    }
    Ok(threads)
}

/// Sizes and times of the files that were read: when they change, the configuration is read again.
fn fingerprint(files: &[PathBuf]) -> Vec<(PathBuf, Option<(u64, SystemTime)>)> {
    let of = |path: &PathBuf| {
        let metadata = std::fs::metadata(path).ok();
        metadata.and_then(|found| found.modified().ok().map(|modified| (found.len(), modified)))
    };
    files.iter().map(|path| (path.clone(), of(path))).collect()
}
