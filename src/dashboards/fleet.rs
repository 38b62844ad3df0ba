//! What ops watch of many machines that share one count. Empty for a machine alone.

use super::Look::{Lines, Number, Stack};
use super::Unit::{Count, PerSecond, Seconds};
use super::{Board, Panel, Row};

pub(super) static BOARD: Board = Board {
    name: "fleet",
    title: "headcount / Fleet",
    about: "Nodes that share one count, and the store between them. Empty for a machine alone.",
    by_site: false,
    rows: &[NOW, CALLS, COUNT],
};

const NOW: Row = Row {
    title: "Now",
    panels: &[
        Panel {
            title: "Nodes alive",
            about: "Heard of lately by the shared store.",
            unit: Count,
            look: Number,
            asks: &[("alive", "max(headcount_fleet_nodes_alive{node})")],
        },
        Panel {
            title: "Nodes known",
            about: "Also those that have gone; their counts stay.",
            unit: Count,
            look: Number,
            asks: &[("known", "max(headcount_fleet_nodes{node})")],
        },
        Panel {
            title: "Reach the store",
            about: "Nodes whose last call of the shared store was answered.",
            unit: Count,
            look: Number,
            asks: &[("nodes", "sum(headcount_fleet_up{node})")],
        },
        Panel {
            title: "Age of the shared numbers",
            about: "Since the site that waits longest was last exchanged, on the slowest node.",
            unit: Seconds,
            look: Number,
            asks: &[("age", "time() - min(headcount_fleet_last_merge_timestamp_seconds{node} > 0)")],
        },
        Panel {
            title: "Missing visits",
            about: "Known once of other nodes, and no longer held by the shared store or any node.",
            unit: Count,
            look: Number,
            asks: &[("visits", "max(headcount_fleet_missing_visits{node})")],
        },
        Panel {
            title: "Missing views",
            about: "Known once of other nodes, and no longer held by the shared store or any node.",
            unit: Count,
            look: Number,
            asks: &[("views", "max(headcount_fleet_missing_views{node})")],
        },
    ],
};

const CALLS: Row = Row {
    title: "Calls of the shared store",
    panels: &[
        Panel {
            title: "Shared store answers",
            about: "1 when the last call of a node was answered. Counting goes on at 0.",
            unit: Count,
            look: Lines,
            asks: &[("{{instance}}", "min by (instance) (headcount_fleet_up{node})")],
        },
        Panel {
            title: "Calls by operation",
            about: "Touches decide visits, merges exchange sums, salts are the day's secrets, node is a sign of life.",
            unit: PerSecond,
            look: Stack,
            asks: &[(
                "{{operation}}",
                "sum by (operation) (rate(headcount_fleet_call_duration_seconds_count{node}[$__rate_interval]))",
            )],
        },
        Panel {
            title: "p50 of a call",
            about: "As a node sees it, the network included.",
            unit: Seconds,
            look: Lines,
            asks: &[(
                "{{operation}}",
                "histogram_quantile(0.5, sum by (le, operation) (rate(headcount_fleet_call_duration_seconds_bucket{node}[$__rate_interval])))",
            )],
        },
        Panel {
            title: "p99 of a call",
            about: "As a node sees it, the network included.",
            unit: Seconds,
            look: Lines,
            asks: &[(
                "{{operation}}",
                "histogram_quantile(0.99, sum by (le, operation) (rate(headcount_fleet_call_duration_seconds_bucket{node}[$__rate_interval])))",
            )],
        },
        Panel {
            title: "Errors by operation",
            about: "Calls that failed, of every kind.",
            unit: PerSecond,
            look: Stack,
            asks: &[(
                "{{operation}}",
                "sum by (operation) (rate(headcount_fleet_errors_total{node}[$__rate_interval]))",
            )],
        },
        Panel {
            title: "Errors by kind",
            about: "connection and timeout are the network's, login and permission the ACL's, out_of_memory the store's.",
            unit: PerSecond,
            look: Stack,
            asks: &[(
                "{{kind}}",
                "sum by (kind) (rate(headcount_fleet_errors_total{node}[$__rate_interval]))",
            )],
        },
        Panel {
            title: "Connections made anew",
            about: "By each node; a failover shows as one each.",
            unit: PerSecond,
            look: Lines,
            asks: &[(
                "{{instance}}",
                "sum by (instance) (rate(headcount_fleet_reconnects_total{node}[$__rate_interval]))",
            )],
        },
        Panel {
            title: "Clock skew",
            about: "How far the shared store's clock is ahead of each node's. Keep all of them on a time server.",
            unit: Seconds,
            look: Lines,
            asks: &[("{{instance}}", "max by (instance) (headcount_fleet_clock_skew_seconds{node})")],
        },
    ],
};

const COUNT: Row = Row {
    title: "The shared count",
    panels: &[
        Panel {
            title: "Since the last merge",
            about: "How old the others' numbers are on each node.",
            unit: Seconds,
            look: Lines,
            asks: &[(
                "{{instance}}",
                "time() - max by (instance) (headcount_fleet_last_merge_timestamp_seconds{node} > 0)",
            )],
        },
        Panel {
            title: "Not sent",
            about: "Transactions of a node that the shared store lacks, of the site that is furthest behind.",
            unit: Count,
            look: Lines,
            asks: &[("{{instance}}", "max by (instance) (headcount_fleet_unsent_transactions{node})")],
        },
        Panel {
            title: "Sent",
            about: "Rows, as present values, and visitors, once a fold each.",
            unit: PerSecond,
            look: Lines,
            asks: &[
                ("rows", "sum(rate(headcount_fleet_rows_sent_total{node}[$__rate_interval]))"),
                ("visitors", "sum(rate(headcount_fleet_touches_sent_total{node}[$__rate_interval]))"),
            ],
        },
        Panel {
            title: "Visits decided alone",
            about: "While the shared store did not answer; a wanderer between nodes may count twice among these.",
            unit: PerSecond,
            look: Lines,
            asks: &[(
                "{{instance}}",
                "sum by (instance) (rate(headcount_fleet_visits_alone_total{node}[$__rate_interval]))",
            )],
        },
        Panel {
            title: "Sites decided alone",
            about: "Sites for which a node does not ask the shared store now.",
            unit: Count,
            look: Lines,
            asks: &[("{{instance}}", "max by (instance) (headcount_fleet_sites_alone{node})")],
        },
        Panel {
            title: "Forgotten by the store",
            about: "Times that it had lost what it had acknowledged, and was sent it again.",
            unit: PerSecond,
            look: Lines,
            asks: &[(
                "{{instance}}",
                "sum by (instance) (rate(headcount_fleet_losses_total{node}[$__rate_interval]))",
            )],
        },
    ],
};
