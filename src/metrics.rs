//! The registry and the text page.
//!
//! Names follow Prometheus: `headcount_` first, base units, `_total` for counters. What belongs to
//! the process is a metric here; what belongs to a site is read from the counts when the page is
//! asked for, because a child of a metric vector costs more memory than a quiet site. The room knows
//! no other: those who count call its methods, those who are measured are asked by the admin page.

use std::fmt::Write;

use prometheus::core::Collector;
use prometheus::{
    Encoder, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts,
    Registry, TextEncoder,
};

use crate::words::Kind;

/// From a tenth of a millisecond, a beacon in memory, to what nobody waits for.
const REQUEST_SECONDS: [f64; 15] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
/// From an idle second's fold to a store in trouble.
const FOLD_SECONDS: [f64; 10] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 10.0];

/// How many kinds of beacons there are.
pub const KINDS: usize = Kind::ALL.len();

/// Everything that is counted about the process.
pub struct Metrics {
    registry: Registry,
    beacons: Beacons,
    responses: IntCounterVec,
    request_seconds: HistogramVec,
    /// Beacons that named no origin at all and were counted.
    pub without_origin: IntCounter,
    /// Beacons that a trusted proxy sent without naming the client.
    pub forwarding_missing: IntCounter,
    /// Beacons with a forwarding header from a peer that is not trusted.
    pub forwarding_ignored: IntCounter,
    /// Connections that are open.
    pub connections: IntGauge,
    /// Connections closed at once because `connections_max` was reached.
    pub connections_refused: IntCounter,
    /// TLS handshakes that were finished.
    pub tls_handshakes: IntCounter,
    rejections: IntCounterVec,
    /// Live streams that are open.
    pub live_streams: IntGauge,
    /// Live streams refused because there was no room for them.
    pub live_streams_refused: IntCounter,
    /// Accepts that the system refused.
    pub accept_errors: IntCounter,
    /// Turns whose records could not be written.
    pub journal_write_errors: IntCounter,
    /// Turns that were written.
    pub journal_writes: IntCounter,
    /// Records that were written.
    pub journal_records: IntCounter,
    /// Time that a fold took.
    pub fold_seconds: Histogram,
    /// Folds that did not reach the store.
    pub store_errors: IntCounter,
    /// When the store last took a fold, seconds since 1970.
    pub store_last_success: Gauge,
    /// Whether the last reload succeeded.
    pub reload_successful: IntGauge,
    /// When the configuration was last taken over, seconds since 1970.
    pub reload_success_time: Gauge,
    /// Workers whose loop has not turned for long.
    pub workers_stalled: IntGauge,
}

/// What is counted about beacons, each counter found without looking up a label.
struct Beacons {
    parsed: [IntCounter; KINDS],
    counted: [IntCounter; KINDS],
    failed: [IntCounter; KINDS],
    refused: Vec<[IntCounter; KINDS]>,
    malformed: IntCounterVec,
    by_protocol: Vec<(&'static str, IntCounter)>,
}

impl Beacons {
    fn new(r: &Registry, reasons: &[&'static str], protocols: &[&'static str]) -> Beacons {
        let help = "Beacons that were understood, by protocol.";
        let by_protocol = counters(r, "beacons_by_protocol_total", help, &["protocol"]);
        let by_protocol = |name: &&'static str| (*name, by_protocol.with_label_values(&[*name]));
        let parsed = counters(r, "beacons_parsed_total", "Beacons that were understood.", &["kind"]);
        let help = "Beacons by outcome; parsed = counted + refused + failed.";
        let outcomes = counters(r, "beacons_total", help, &["kind", "outcome", "reason"]);
        let outcome = |outcome: &str, reason: &str| {
            Kind::ALL.map(|kind| outcomes.with_label_values(&[kind.as_str(), outcome, reason]))
        };
        let help = "Requests that were no beacon, by the field that was wrong.";
        Beacons {
            parsed: Kind::ALL.map(|kind| parsed.with_label_values(&[kind.as_str()])),
            counted: outcome("counted", ""),
            failed: outcome("failed", "journal"),
            refused: reasons.iter().map(|reason| outcome("refused", reason)).collect(),
            malformed: counters(r, "beacons_malformed_total", help, &["field"]),
            by_protocol: protocols.iter().map(by_protocol).collect(),
        }
    }
}

impl Metrics {
    /// A registry with every metric; `reasons` are the labels of the reasons not to count,
    /// `protocols` those of the ways that beacons come in.
    #[must_use]
    pub fn new(reasons: &[&'static str], protocols: &[&'static str], version: &str) -> Metrics {
        let r = Registry::new();
        build_info(&r, version);
        let help = "Answers by route and class of status.";
        let responses = counters(&r, "http_responses_total", help, &["route", "status"]);
        let help = "Folds, adjustments and prunings that the store refused.";
        let store_errors = counter(&r, "store_errors_total", help);
        let help = "Counted beacons with neither Origin nor Referer nor a host in u.";
        let without_origin = counter(&r, "beacons_without_origin_total", help);
        let help = "Beacons from a trusted proxy that did not name the client.";
        let forwarding_missing = counter(&r, "forwarding_missing_total", help);
        let help = "Beacons with a forwarding header from a peer that is not trusted.";
        let forwarding_ignored = counter(&r, "forwarding_ignored_total", help);
        let help = "Connections closed because connections_max was reached.";
        let connections_refused = counter(&r, "http_connections_refused_total", help);
        let help = "Connections closed because they did not speak what their listener expects.";
        let rejections = counters(&r, "connections_rejected_total", help, &["reason"]);
        let help = "Live streams refused because a limit was reached.";
        let live_streams_refused = counter(&r, "live_streams_refused_total", help);
        let help = "Whether the configuration in force is the latest one.";
        let reload_successful = gauge(&r, "config_last_reload_successful", help);
        let help = "When the configuration in force was taken over.";
        let reload_success_time = moment(&r, "config_last_reload_success_timestamp_seconds", help);
        let help = "Workers, and the keeper, that made no progress for five seconds.";
        let workers_stalled = gauge(&r, "workers_stalled", help);
        let help = "When the store last took a fold.";
        let store_last_success = moment(&r, "store_last_success_timestamp_seconds", help);
        Metrics {
            beacons: Beacons::new(&r, reasons, protocols),
            responses,
            request_seconds: request_seconds(&r),
            without_origin,
            forwarding_missing,
            forwarding_ignored,
            connections: gauge(&r, "http_connections", "Open connections."),
            connections_refused,
            tls_handshakes: counter(&r, "tls_handshakes_total", "TLS handshakes that were finished."),
            rejections,
            live_streams: gauge(&r, "live_streams", "Open live streams."),
            live_streams_refused,
            accept_errors: counter(&r, "http_accept_errors_total", "Accepts that the system refused."),
            journal_write_errors: counter(
                &r,
                "journal_write_errors_total",
                "Turns that could not be written.",
            ),
            journal_writes: counter(&r, "journal_writes_total", "Turns that were written."),
            journal_records: counter(&r, "journal_records_total", "Records that were written."),
            fold_seconds: fold_seconds(&r),
            store_errors,
            store_last_success,
            reload_successful,
            reload_success_time,
            workers_stalled,
            registry: r,
        }
    }

    /// A beacon was understood.
    pub fn parsed(&self, kind: Kind, protocol: &str) {
        self.beacons.parsed[kind.index()].inc();
        if let Some((_, counter)) = self.beacons.by_protocol.iter().find(|(name, _)| *name == protocol) {
            counter.inc();
        }
    }

    /// Beacons were written, so many of each kind in the order of [`Kind::ALL`].
    pub fn counted(&self, beacons: [u64; KINDS]) {
        add(&self.beacons.counted, beacons);
    }

    /// Beacons of a kind that were written and taken since the start.
    #[must_use]
    pub fn counted_so_far(&self, kind: Kind) -> u64 {
        self.beacons.counted[kind.index()].get()
    }

    /// Beacons could not be written, so many of each kind in the order of [`Kind::ALL`].
    pub fn failed(&self, beacons: [u64; KINDS]) {
        add(&self.beacons.failed, beacons);
    }

    /// A beacon was not counted, for the reason at this place in the list of reasons.
    pub fn refused(&self, kind: Kind, reason: usize) {
        if let Some(counters) = self.beacons.refused.get(reason) {
            counters[kind.index()].inc();
        }
    }

    /// A request to a beacon's path was no beacon.
    pub fn malformed(&self, field: &str) {
        self.beacons.malformed.with_label_values(&[field]).inc();
    }

    /// The time histogram and the counters of a route, to be kept by those who use them often.
    #[must_use]
    pub fn route(&self, route: &str) -> RouteMetrics {
        let class = |class: &str| self.responses.with_label_values(&[route, class]);
        RouteMetrics {
            seconds: self.request_seconds.with_label_values(&[route]),
            responses: [class("1xx"), class("2xx"), class("3xx"), class("4xx"), class("5xx")],
        }
    }

    /// The counters of rejected connections, one for each of these reasons, in their order.
    #[must_use]
    pub fn rejections(&self, reasons: &[&str]) -> Rejections {
        Rejections(reasons.iter().map(|reason| self.rejections.with_label_values(&[*reason])).collect())
    }

    /// The page, in Prometheus' text format 0.0.4.
    #[must_use]
    pub fn page(&self) -> String {
        let mut text = Vec::new();
        if TextEncoder::new().encode(&self.registry.gather(), &mut text).is_err() {
            return String::new();
        }
        String::from_utf8(text).unwrap_or_default()
    }
}

/// Connections that were rejected, by reason.
pub struct Rejections(Vec<IntCounter>);

impl Rejections {
    /// One more, for the reason at this place.
    pub fn count(&self, place: usize) {
        if let Some(counter) = self.0.get(place) {
            counter.inc();
        }
    }
}

/// What is measured of one route.
#[derive(Clone)]
pub struct RouteMetrics {
    seconds: Histogram,
    responses: [IntCounter; 5],
}

impl RouteMetrics {
    /// A request was answered.
    pub fn answered(&self, status: u16, seconds: f64) {
        self.seconds.observe(seconds);
        let class = usize::from(status / 100).saturating_sub(1).min(4);
        self.responses[class].inc();
    }
}

/// One family of a page that is written by hand: a name, its help, and lines of labels and values.
pub struct Family {
    text: String,
    name: &'static str,
}

impl Family {
    /// A family; `kind` is `gauge` or `counter`.
    #[must_use]
    pub fn new(name: &'static str, kind: &str, help: &str) -> Family {
        Family { text: format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"), name }
    }

    /// A line. Label values may only hold characters that need no escape.
    pub fn line(&mut self, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let braces = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        writeln!(self.text, "{}{braces} {value}", self.name).expect("a String takes whatever is written");
    }

    /// The lines as text.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, made: prometheus::Result<C>) -> C {
    let collector = made.expect("the names of metrics are valid");
    registry.register(Box::new(collector.clone())).expect("no metric is named twice");
    collector
}

/// What every name of ours begins with.
const PREFIX: &str = "headcount_";

fn counter(registry: &Registry, name: &str, help: &str) -> IntCounter {
    register(registry, IntCounter::new(format!("{PREFIX}{name}"), help))
}

fn gauge(registry: &Registry, name: &str, help: &str) -> IntGauge {
    register(registry, IntGauge::new(format!("{PREFIX}{name}"), help))
}

fn moment(registry: &Registry, name: &str, help: &str) -> Gauge {
    register(registry, Gauge::new(format!("{PREFIX}{name}"), help))
}

fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    register(registry, IntCounterVec::new(Opts::new(format!("{PREFIX}{name}"), help), labels))
}

fn add(counters: &[IntCounter; KINDS], beacons: [u64; KINDS]) {
    counters
        .iter()
        .zip(beacons)
        .filter(|(_, count)| *count > 0)
        .for_each(|(counter, count)| counter.inc_by(count));
}

fn request_seconds(registry: &Registry) -> HistogramVec {
    let name = "headcount_http_request_duration_seconds";
    let options = HistogramOpts::new(name, "From a request's head to its answer.");
    register(registry, HistogramVec::new(options.buckets(REQUEST_SECONDS.to_vec()), &["route"]))
}

fn fold_seconds(registry: &Registry) -> Histogram {
    let options = HistogramOpts::new("headcount_fold_duration_seconds", "Time that a fold took.");
    register(registry, Histogram::with_opts(options.buckets(FOLD_SECONDS.to_vec())))
}

fn build_info(registry: &Registry, version: &str) {
    let info = Opts::new("headcount_build_info", "The release, as a label of a constant 1.")
        .const_label("version", version);
    register(registry, IntGauge::with_opts(info)).set(1);
}
