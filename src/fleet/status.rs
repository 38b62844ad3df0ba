//! What the fleet shows of itself: whether the shared store answers, what it cost, what was decided alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use prometheus::{Encoder, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, TextEncoder};

use super::FleetError;
use super::error::CallError;
use super::read;
use crate::metrics::Family;
use crate::words::{SiteId, UnixMillis};

/// From a call on the same machine to one that times out.
const CALL_SECONDS: [f64; 11] = [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0];
/// What is asked of the store.
pub(super) const OPERATIONS: [&str; 4] = ["merge", "touch", "salt", "node"];

/// The shared knowledge of the fleet's thread and those who ask about it.
pub(super) struct Status {
    node: String,
    address: String,
    registry: Registry,
    calls: HistogramVec,
    errors: IntCounterVec,
    rows: AtomicU64,
    touches: AtomicU64,
    alone: AtomicU64,
    lost: AtomicU64,
    watermark: AtomicU64,
    skew_ms: AtomicI64,
    reconnects: AtomicU64,
    away: RwLock<BTreeSet<SiteId>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Since when the store does not answer, and why.
    failing: Option<(UnixMillis, CallError)>,
    /// When every site was last exchanged, and how far behind its values are.
    sites: BTreeMap<SiteId, SiteState>,
    /// Why a site's visitors could not be told.
    untold: BTreeMap<SiteId, CallError>,
    /// Why this node may not share now.
    refused: Option<String>,
    /// Why it may not take part any more.
    barred: Option<FleetError>,
    /// Living nodes with other sites or settings of sites.
    differing: Vec<String>,
    nodes_alive: u64,
    nodes_known: u64,
    now: UnixMillis,
}

/// How one site stands.
#[derive(Clone, Debug, Default)]
pub(super) struct SiteState {
    /// When it was exchanged last.
    pub(super) merged: UnixMillis,
    /// Transactions of this node that the store does not have.
    pub(super) lag: u64,
    /// Views and visits that were known once and that no node brought back.
    pub(super) missing: (u64, u64),
    /// Why the last exchange failed.
    pub(super) failing: Option<CallError>,
}

/// What differing nodes mean.
const DIFFERING: &str = "other nodes have other sites, parts, time zones or windows, so some numbers differ from node to \
                         node; give all the same configuration";

impl Status {
    pub(super) fn new(node: String, address: String) -> Status {
        let registry = Registry::new();
        let seconds = HistogramOpts::new(
            "headcount_fleet_call_duration_seconds",
            "Time that a call of the shared store took.",
        );
        let calls = HistogramVec::new(seconds.buckets(CALL_SECONDS.to_vec()), &["operation"])
            .expect("name and label are valid");
        let about = Opts::new("headcount_fleet_errors_total", "Calls of the shared store that failed.");
        let errors = IntCounterVec::new(about, &["operation", "kind"]).expect("name and labels are valid");
        for operation in OPERATIONS {
            calls.with_label_values(&[operation]);
            for kind in CallError::KINDS {
                errors.with_label_values(&[operation, kind]);
            }
        }
        registry.register(Box::new(calls.clone())).expect("the name is new");
        registry.register(Box::new(errors.clone())).expect("the name is new");
        Status {
            node,
            address,
            registry,
            calls,
            errors,
            rows: AtomicU64::new(0),
            touches: AtomicU64::new(0),
            alone: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            watermark: AtomicU64::new(0),
            skew_ms: AtomicI64::new(0),
            reconnects: AtomicU64::new(0),
            away: RwLock::default(),
            state: Mutex::default(),
        }
    }

    pub(super) fn node(&self) -> &str {
        &self.node
    }

    /// A call took so long and ended so.
    pub(super) fn called<T>(
        &self,
        operation: &str,
        seconds: f64,
        result: &Result<T, CallError>,
        now: UnixMillis,
    ) {
        self.calls.with_label_values(&[operation]).observe(seconds);
        // What fails at one site may be its shard; whether the store is there, lease and secrets tell.
        let is_of_all = matches!(operation, "node" | "salt");
        match result {
            Ok(_) if is_of_all => self.works(),
            Ok(_) => {}
            Err(error) => {
                self.errors.with_label_values(&[operation, error.kind()]).inc();
                if is_of_all {
                    self.state().now = now;
                    self.failed(error);
                }
            }
        }
    }

    pub(super) fn failed(&self, error: &CallError) {
        let mut state = self.state();
        let now = state.now;
        match &mut state.failing {
            Some((_, last)) => last.clone_from(error),
            None => state.failing = Some((now, error.clone())),
        }
    }

    fn works(&self) {
        if let Some((_, error)) = self.state().failing.take() {
            tracing::info!(before = %error, "the shared store answers again");
        }
    }

    pub(super) fn set_now(&self, now: UnixMillis) {
        self.state().now = now;
    }

    pub(super) fn set_watermark(&self, now: UnixMillis) {
        self.watermark.store(now.0, Ordering::Relaxed);
    }

    pub(super) fn watermark(&self) -> UnixMillis {
        UnixMillis(self.watermark.load(Ordering::Relaxed))
    }

    pub(super) fn add_rows(&self, count: usize) {
        self.rows.fetch_add(u64::try_from(count).unwrap_or(0), Ordering::Relaxed);
    }

    pub(super) fn add_touches(&self, count: usize) {
        self.touches.fetch_add(u64::try_from(count).unwrap_or(0), Ordering::Relaxed);
    }

    pub(super) fn add_alone(&self, visits: u64) {
        self.alone.fetch_add(visits, Ordering::Relaxed);
    }

    pub(super) fn add_lost(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn set_skew(&self, ms: i64) {
        self.skew_ms.store(ms, Ordering::Relaxed);
    }

    pub(super) fn set_reconnects(&self, count: u64) {
        self.reconnects.store(count, Ordering::Relaxed);
    }

    pub(super) fn set_nodes(&self, alive: u64, known: u64) {
        let mut state = self.state();
        (state.nodes_alive, state.nodes_known) = (alive, known);
    }

    pub(super) fn set_site(&self, site: &SiteId, to: SiteState) {
        self.state().sites.insert(site.clone(), to);
    }

    pub(super) fn site(&self, site: &SiteId) -> SiteState {
        self.state().sites.get(site).cloned().unwrap_or_default()
    }

    /// When the site that waits longest was exchanged last, and the largest lag of any.
    pub(super) fn standing(&self) -> (UnixMillis, u64) {
        let state = self.state();
        let merged = state.sites.values().map(|site| site.merged).min().unwrap_or_default();
        (merged, state.sites.values().map(|site| site.lag).max().unwrap_or(0))
    }

    /// Whether this node decides alone for the site.
    pub(super) fn is_away(&self, site: &SiteId) -> bool {
        self.away.read().unwrap_or_else(PoisonError::into_inner).contains(site)
    }

    pub(super) fn set_away(&self, site: &SiteId) {
        self.away.write().unwrap_or_else(PoisonError::into_inner).insert(site.clone());
    }

    pub(super) fn set_back(&self, site: &SiteId) {
        self.away.write().unwrap_or_else(PoisonError::into_inner).remove(site);
    }

    /// Whether a site's visitors could be told, and if not why.
    pub(super) fn set_told<T>(&self, site: &SiteId, told: &Result<T, CallError>) {
        let before = match told {
            Ok(_) => self.state().untold.remove(site),
            Err(error) => self.state().untold.insert(site.clone(), error.clone()),
        };
        if let Err(error) = told
            && before.as_ref() != Some(error)
        {
            tracing::warn!(site = %site, %error, "the shared store was not told who is here; this node decides visits alone");
        }
    }

    /// Notes why this node may not share now. Says whether that is new.
    pub(super) fn set_refused(&self, why: Option<String>) -> bool {
        let mut state = self.state();
        let is_new = state.refused != why;
        state.refused = why;
        is_new
    }

    pub(super) fn bar(&self, error: FleetError) {
        self.state().barred = Some(error);
    }

    pub(super) fn barred(&self) -> Option<FleetError> {
        self.state().barred.take()
    }

    /// Notes which living nodes have other sites or settings.
    pub(super) fn set_differing(&self, nodes: Vec<String>) {
        let mut state = self.state();
        if !nodes.is_empty() && state.differing != nodes {
            tracing::warn!(nodes = nodes.join(" "), "{DIFFERING}");
        }
        state.differing = nodes;
    }

    /// What a person on duty should know.
    pub(super) fn degraded(&self, now: UnixMillis) -> Option<String> {
        let away = read(&self.away);
        let state = self.state();
        let failing = state.sites.iter().find_map(|(site, state)| Some((site, state.failing.as_ref()?)));
        if let Some(why) = &state.refused {
            return Some(format!("{why}; until then this node counts alone"));
        }
        match (&state.failing, failing) {
            (Some((since, error)), _) => Some(format!(
                "{error} (since {} s, {}); counting goes on, footers show the last known numbers",
                now.since(*since) / 1_000,
                self.address
            )),
            (None, Some((site, error))) => Some(format!(
                "site {site}: {error}; counting goes on, its footer shows the last known numbers"
            )),
            (None, None) if !state.untold.is_empty() => state
                .untold
                .first_key_value()
                .map(|(site, error)| format!("site {site}: {error}; this node decides its visits alone")),
            (None, None) if !away.is_empty() => {
                Some(format!("{} sites decide visits alone until the shared store has caught up", away.len()))
            }
            (None, None) if !state.differing.is_empty() => {
                Some(format!("{DIFFERING}: {}", state.differing.join(", ")))
            }
            _ => None,
        }
    }

    /// The metrics page.
    pub(super) fn page(&self) -> String {
        let mut text = Vec::new();
        // Text into memory cannot fail.
        TextEncoder::new().encode(&self.registry.gather(), &mut text).ok();
        let mut page = String::from_utf8(text).unwrap_or_default();
        for (name, about, value) in self.gauges() {
            page.push_str(&line(name, "gauge", about, value));
        }
        for (name, about, value) in self.counters() {
            page.push_str(&line(name, "counter", about, value));
        }
        page
    }

    fn gauges(&self) -> [(&'static str, &'static str, String); 10] {
        let away = read(&self.away).len();
        let state = self.state();
        let all_fail = !state.sites.is_empty() && state.sites.values().all(|site| site.failing.is_some());
        let up = u8::from(state.failing.is_none() && state.refused.is_none() && !all_fail);
        let merged = state.sites.values().map(|site| site.merged).min().unwrap_or_default();
        let lag: u64 = state.sites.values().map(|site| site.lag).max().unwrap_or(0);
        let sum = |of: fn(&SiteState) -> u64| state.sites.values().map(of).sum::<u64>().to_string();
        let skew = self.skew_ms.load(Ordering::Relaxed);
        let sign = if skew < 0 { "-" } else { "" };
        let skew = skew.unsigned_abs();
        [
            (
                "headcount_fleet_up",
                "Whether this node shares: the shared store answers, and lets it take part.",
                up.to_string(),
            ),
            (
                "headcount_fleet_last_merge_timestamp_seconds",
                "When the site that waits longest was exchanged last.",
                merged.second().to_string(),
            ),
            (
                "headcount_fleet_unsent_transactions",
                "Transactions of this node that the shared store lacks, of the site that is furthest behind.",
                lag.to_string(),
            ),
            (
                "headcount_fleet_sites_alone",
                "Sites whose visits this node decides alone now.",
                away.to_string(),
            ),
            (
                "headcount_fleet_missing_views",
                "Views once known of other nodes that the shared store no longer holds.",
                sum(|site| site.missing.0),
            ),
            (
                "headcount_fleet_missing_visits",
                "Visits once known of other nodes that the shared store no longer holds.",
                sum(|site| site.missing.1),
            ),
            ("headcount_fleet_nodes", "Nodes that the shared store knows.", state.nodes_known.to_string()),
            ("headcount_fleet_nodes_alive", "Nodes heard of lately.", state.nodes_alive.to_string()),
            (
                "headcount_fleet_nodes_differing",
                "Living nodes with other sites, parts, time zones or windows than this one.",
                state.differing.len().to_string(),
            ),
            (
                "headcount_fleet_clock_skew_seconds",
                "How far the shared store's clock is ahead of this node's.",
                format!("{sign}{}.{:03}", skew / 1_000, skew % 1_000),
            ),
        ]
    }

    fn counters(&self) -> [(&'static str, &'static str, String); 5] {
        let count = |atomic: &AtomicU64| atomic.load(Ordering::Relaxed).to_string();
        [
            ("headcount_fleet_rows_sent_total", "Rows sent to the shared store.", count(&self.rows)),
            (
                "headcount_fleet_touches_sent_total",
                "Visitors told to the shared store, once a fold each.",
                count(&self.touches),
            ),
            (
                "headcount_fleet_visits_alone_total",
                "Visits that this node decided alone, because the shared store did not answer or had lost who is here.",
                count(&self.alone),
            ),
            (
                "headcount_fleet_losses_total",
                "Times that the shared store had forgotten what it had acknowledged, and was sent it again.",
                count(&self.lost),
            ),
            (
                "headcount_fleet_reconnects_total",
                "Connections to the shared store made anew.",
                count(&self.reconnects),
            ),
        ]
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn line(name: &'static str, kind: &str, about: &str, value: String) -> String {
    let mut family = Family::new(name, kind, about);
    family.line(&[], value);
    family.into_text()
}
