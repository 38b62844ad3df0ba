//! What ops watch: is it up, is it fast, does what is counted reach the disk.

use super::Look::{Lines, Number, Stack, Table};
use super::Unit::{Bytes, Count, Moment, PerSecond, Seconds, Share};
use super::{Board, Panel, Row};

pub(super) static BOARD: Board = Board {
    name: "health",
    title: "headcount / Health",
    about: "Every node: answers, process, journal and store, bounded maps.",
    by_site: false,
    rows: &[NODES, ANSWERS, PROCESS, KEPT, BOUNDS],
};

const NODES: Row = Row {
    title: "Nodes",
    panels: &[
        Panel {
            title: "Up",
            about: "Nodes that Prometheus could ask.",
            unit: Count,
            look: Number,
            asks: &[("up", "sum(up{node})")],
        },
        Panel {
            title: "Of",
            about: "Nodes that Prometheus knows.",
            unit: Count,
            look: Number,
            asks: &[("nodes", "count(up{node})")],
        },
        Panel {
            title: "Starts in the last hour",
            about: "More than one or two is a daemon that does not stay up; its log says why.",
            unit: Count,
            look: Number,
            asks: &[("starts", "sum(changes(process_start_time_seconds{node}[1h]))")],
        },
        Panel {
            title: "Configuration refused",
            about: "Nodes that run with an older configuration because the new one was refused.",
            unit: Count,
            look: Number,
            asks: &[("nodes", "sum(1 - headcount_config_last_reload_successful{node})")],
        },
        Panel {
            title: "Stalled",
            about: "Workers, and the keeper, without progress for five seconds: a write that hangs.",
            unit: Count,
            look: Number,
            asks: &[("threads", "sum(headcount_workers_stalled{node})")],
        },
        Panel {
            title: "Clock ahead",
            about: "How far a node's clock is ahead of a system clock that stepped back.",
            unit: Seconds,
            look: Number,
            asks: &[("seconds", "max(headcount_clock_ahead_seconds{node})")],
        },
        Panel {
            title: "Started",
            about: "When each node began.",
            unit: Moment,
            look: Table,
            asks: &[("Since", "max by (instance) (process_start_time_seconds{node}) * 1000")],
        },
        Panel {
            title: "Releases",
            about: "How many nodes run which release.",
            unit: Count,
            look: Table,
            asks: &[("Nodes", "count by (version) (headcount_build_info{node})")],
        },
        Panel {
            title: "Firing",
            about: "Alerts of headcount that fire now; the README has a section for each.",
            unit: Count,
            look: Table,
            asks: &[(
                "Firing",
                r#"count by (alertname, severity, instance) (ALERTS{alertname=~"Headcount.+", alertstate="firing"})"#,
            )],
        },
        Panel {
            title: "Starts",
            about: "Starts of each node in the hour before.",
            unit: Count,
            look: Lines,
            asks: &[("{{instance}}", "max by (instance) (changes(process_start_time_seconds{node}[1h]))")],
        },
    ],
};

const ANSWERS: Row = Row {
    title: "Answers",
    panels: &[
        Panel {
            title: "Time to answer a beacon",
            about: "From the request's head to its answer, the write to the journal included.",
            unit: Seconds,
            look: Lines,
            asks: &[
                (
                    "p50",
                    r#"histogram_quantile(0.5, sum by (le) (rate(headcount_http_request_duration_seconds_bucket{node, route="beacon"}[$__rate_interval])))"#,
                ),
                (
                    "p99",
                    r#"histogram_quantile(0.99, sum by (le) (rate(headcount_http_request_duration_seconds_bucket{node, route="beacon"}[$__rate_interval])))"#,
                ),
                (
                    "p99.9",
                    r#"histogram_quantile(0.999, sum by (le) (rate(headcount_http_request_duration_seconds_bucket{node, route="beacon"}[$__rate_interval])))"#,
                ),
            ],
        },
        Panel {
            title: "Answers by route",
            about: "What is asked of the public listener.",
            unit: PerSecond,
            look: Stack,
            asks: &[(
                "{{route}}",
                "sum by (route) (rate(headcount_http_responses_total{node}[$__rate_interval]))",
            )],
        },
        Panel {
            title: "p50 by route",
            about: "Half of the answers were faster.",
            unit: Seconds,
            look: Lines,
            asks: &[(
                "{{route}}",
                "histogram_quantile(0.5, sum by (le, route) (rate(headcount_http_request_duration_seconds_bucket{node}[$__rate_interval])))",
            )],
        },
        Panel {
            title: "p99 by route",
            about: "One answer of a hundred was slower.",
            unit: Seconds,
            look: Lines,
            asks: &[(
                "{{route}}",
                "histogram_quantile(0.99, sum by (le, route) (rate(headcount_http_request_duration_seconds_bucket{node}[$__rate_interval])))",
            )],
        },
        Panel {
            title: "p99.9 by route",
            about: "One answer of a thousand was slower.",
            unit: Seconds,
            look: Lines,
            asks: &[(
                "{{route}}",
                "histogram_quantile(0.999, sum by (le, route) (rate(headcount_http_request_duration_seconds_bucket{node}[$__rate_interval])))",
            )],
        },
        Panel {
            title: "Answers by status",
            about: "4xx are mistakes of who asked, 5xx are ours.",
            unit: PerSecond,
            look: Stack,
            asks: &[(
                "{{status}}",
                "sum by (status) (rate(headcount_http_responses_total{node}[$__rate_interval]))",
            )],
        },
        Panel {
            title: "Share of errors",
            about: "Answers of 5xx among all. The alert on the error budget fires at 1.44 %.",
            unit: Share,
            look: Lines,
            asks: &[(
                "5xx",
                r#"sum(rate(headcount_http_responses_total{node, status="5xx"}[$__rate_interval])) / sum(rate(headcount_http_responses_total{node}[$__rate_interval]))"#,
            )],
        },
        Panel {
            title: "Turned away",
            about: "Connections and live streams beyond their limits, and accepts that the system refused.",
            unit: PerSecond,
            look: Lines,
            asks: &[
                (
                    "connections",
                    "sum(rate(headcount_http_connections_refused_total{node}[$__rate_interval]))",
                ),
                ("live streams", "sum(rate(headcount_live_streams_refused_total{node}[$__rate_interval]))"),
                ("accepts", "sum(rate(headcount_http_accept_errors_total{node}[$__rate_interval]))"),
            ],
        },
    ],
};

const PROCESS: Row = Row {
    title: "Process",
    panels: &[
        Panel {
            title: "Connections",
            about: "Open connections, and live streams among them.",
            unit: Count,
            look: Lines,
            asks: &[
                ("{{instance}} connections", "sum by (instance) (headcount_http_connections{node})"),
                ("{{instance}} live streams", "sum by (instance) (headcount_live_streams{node})"),
            ],
        },
        Panel {
            title: "Memory",
            about: "Resident memory of each node.",
            unit: Bytes,
            look: Lines,
            asks: &[("{{instance}}", "sum by (instance) (process_resident_memory_bytes{node})")],
        },
        Panel {
            title: "Cores",
            about: "Processor time of each node; 1 is one whole core.",
            unit: Count,
            look: Lines,
            asks: &[(
                "{{instance}}",
                "sum by (instance) (rate(process_cpu_seconds_total{node}[$__rate_interval]))",
            )],
        },
        Panel {
            title: "Files open",
            about: "Of those that may be open.",
            unit: Share,
            look: Lines,
            asks: &[(
                "{{instance}}",
                "max by (instance) (process_open_fds{node}) / max by (instance) (process_max_fds{node})",
            )],
        },
    ],
};

const KEPT: Row = Row {
    title: "Journal and store",
    panels: &[
        Panel {
            title: "Journal written",
            about: "Records, and the writes that they were gathered into.",
            unit: PerSecond,
            look: Lines,
            asks: &[
                ("records", "sum(rate(headcount_journal_records_total{node}[$__rate_interval]))"),
                ("writes", "sum(rate(headcount_journal_writes_total{node}[$__rate_interval]))"),
            ],
        },
        Panel {
            title: "Journal not stored",
            about: "Bytes of the journal that the store has not taken. Grows while the store fails; nothing is lost.",
            unit: Bytes,
            look: Lines,
            asks: &[("{{instance}}", "sum by (instance) (headcount_journal_unapplied_bytes{node})")],
        },
        Panel {
            title: "Journal filled",
            about: "When the journal is full, beacons are refused.",
            unit: Share,
            look: Lines,
            asks: &[(
                "{{instance}}",
                r#"sum by (instance) (headcount_disk_bytes{node, file="journal"}) / sum by (instance) (headcount_journal_bytes_max{node})"#,
            )],
        },
        Panel {
            title: "Last stored",
            about: "How long ago the store took a fold; about the fold interval when all is well.",
            unit: Seconds,
            look: Lines,
            asks: &[(
                "{{instance}}",
                "time() - max by (instance) (headcount_store_last_success_timestamp_seconds{node} > 0)",
            )],
        },
        Panel {
            title: "Time of a fold",
            about: "Reading the journal, adding up, storing.",
            unit: Seconds,
            look: Lines,
            asks: &[
                (
                    "p50",
                    "histogram_quantile(0.5, sum by (le) (rate(headcount_fold_duration_seconds_bucket{node}[$__rate_interval])))",
                ),
                (
                    "p99",
                    "histogram_quantile(0.99, sum by (le) (rate(headcount_fold_duration_seconds_bucket{node}[$__rate_interval])))",
                ),
            ],
        },
        Panel {
            title: "Failures",
            about: "Turns that could not be written, folds that the store refused. Both want somebody to look.",
            unit: PerSecond,
            look: Lines,
            asks: &[
                ("journal", "sum(rate(headcount_journal_write_errors_total{node}[$__rate_interval]))"),
                ("store", "sum(rate(headcount_store_errors_total{node}[$__rate_interval]))"),
            ],
        },
        Panel {
            title: "On disk",
            about: "The journal is forgotten after journal_retained; the database grows with days and pages.",
            unit: Bytes,
            look: Lines,
            asks: &[("{{instance}} {{file}}", "sum by (instance, file) (headcount_disk_bytes{node})")],
        },
        Panel {
            title: "Records not stored",
            about: "Folded in memory, refused by the store so far.",
            unit: Count,
            look: Lines,
            asks: &[("{{instance}}", "sum by (instance) (headcount_fold_unstored_records{node})")],
        },
    ],
};

const BOUNDS: Row = Row {
    title: "Bounds",
    panels: &[
        Panel {
            title: "Entries of bounded maps",
            about: "Visitors remembered, networks with a bucket, user agents known, and the like.",
            unit: Count,
            look: Lines,
            asks: &[("{{map}}", "sum by (map) (headcount_map_entries{node})")],
        },
        Panel {
            title: "Found a map full",
            about: "Newcomers that found no room in a bounded map.",
            unit: PerSecond,
            look: Lines,
            asks: &[(
                "{{map}}",
                "sum by (map) (rate(headcount_map_overflows_total{node}[$__rate_interval]))",
            )],
        },
        Panel {
            title: "Sites",
            about: "In service, and those beyond metrics.max_sites that are shown as _other.",
            unit: Count,
            look: Lines,
            asks: &[
                ("in service", "max(headcount_sites{node})"),
                ("shown as _other", "max(headcount_sites_folded{node})"),
            ],
        },
        Panel {
            title: "Visits open, pages kept",
            about: "Visitors whose visit is open, on each node, and pages with a row of their own.",
            unit: Count,
            look: Lines,
            asks: &[
                ("visits open", "sum(headcount_visits_open{node})"),
                ("pages", "sum(max by (site) (headcount_pages{node}))"),
            ],
        },
    ],
};
