//! What Prometheus records and what it wakes people for.
//!
//! Every alert carries a situation in which it fires and one in which it must not; both are run through
//! `promtool test rules`. A description may name labels as `{{ $labels.instance }}` and nothing else, so that
//! the expected text can be told beforehand.

use Severity::{Critical, Info, Warning};

/// How soon somebody must look.
#[derive(Clone, Copy)]
pub(super) enum Severity {
    /// Now, at night too: beacons are not counted, or soon will not be.
    Critical,
    /// Today.
    Warning,
    /// When there is time.
    Info,
}

impl Severity {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Critical => "critical",
            Warning => "warning",
            Info => "info",
        }
    }
}

/// A series in the notation of promtool, one sample a minute: its name with labels, its values.
pub(super) type Series = (&'static str, &'static str);

pub(super) struct Alert {
    pub(super) name: &'static str,
    pub(super) severity: Severity,
    pub(super) expr: &'static str,
    /// How long it must hold.
    pub(super) lasts: &'static str,
    pub(super) summary: &'static str,
    pub(super) description: &'static str,
    /// When the two situations are looked at.
    pub(super) at: &'static str,
    /// The labels of the alert that fires, but for its severity.
    pub(super) labels: &'static [(&'static str, &'static str)],
    pub(super) fires: &'static [Series],
    pub(super) silent: &'static [Series],
}

/// Names for what alerts and long views ask: `level:metric:operation`.
pub(super) static RECORDED: [(&str, &str); 8] = [
    ("job_site:headcount_visitors_online:max", "max by (job, site) (headcount_visitors_online)"),
    ("job:headcount_visitors_online:sum", "sum by (job) (job_site:headcount_visitors_online:max)"),
    ("job_site:headcount_views:rate5m", "sum by (job, site) (rate(headcount_views_total[5m]))"),
    ("job_site:headcount_visits:rate5m", "sum by (job, site) (rate(headcount_visits_total[5m]))"),
    (
        "job:headcount_beacons_refused:ratio_rate5m",
        r#"sum by (job) (rate(headcount_beacons_total{outcome="refused",reason!~"excluded|opted_out|robot|prefetch"}[5m])) / sum by (job) (rate(headcount_beacons_parsed_total[5m]) > 0)"#,
    ),
    (
        "job_route:headcount_http_request_duration_seconds:p99_rate5m",
        "histogram_quantile(0.99, sum by (job, route, le) (rate(headcount_http_request_duration_seconds_bucket[5m])))",
    ),
    (
        "job:headcount_http_errors:ratio_rate5m",
        r#"sum by (job) (rate(headcount_http_responses_total{status="5xx"}[5m])) / sum by (job) (rate(headcount_http_responses_total[5m]))"#,
    ),
    (
        "job:headcount_http_errors:ratio_rate1h",
        r#"sum by (job) (rate(headcount_http_responses_total{status="5xx"}[1h])) / sum by (job) (rate(headcount_http_responses_total[1h]))"#,
    ),
];

const NODE: &[(&str, &str)] = &[("job", "headcount"), ("instance", "a:8081")];

pub(super) static ALERTS: [Alert; 25] = [
    Alert {
        name: "HeadcountDown",
        severity: Critical,
        expr: r#"up{job=~"headcount.*"} == 0"#,
        lasts: "2m",
        summary: "A headcount node does not answer.",
        description: "Prometheus cannot read the metrics of {{ $labels.instance }}.",
        at: "10m",
        labels: NODE,
        fires: &[(r#"up{job="headcount",instance="a:8081"}"#, "1 1 0x20")],
        silent: &[
            (r#"up{job="headcount",instance="a:8081"}"#, "1x8 0 1x20"),
            (r#"up{job="other",instance="b"}"#, "0x20"),
        ],
    },
    Alert {
        name: "HeadcountErrorBudgetBurn",
        severity: Critical,
        expr: "job:headcount_http_errors:ratio_rate5m > 14.4 * 0.001 and job:headcount_http_errors:ratio_rate1h > 14.4 * 0.001",
        lasts: "2m",
        summary: "Too many requests are answered with an error.",
        description: "More than 1.44 % of the answers of {{ $labels.job }} were 5xx in the last five minutes and the last hour.",
        at: "20m",
        labels: &[("job", "headcount")],
        fires: &[
            (
                r#"headcount_http_responses_total{job="headcount",instance="a",route="beacon",status="5xx"}"#,
                "0+2x30",
            ),
            (
                r#"headcount_http_responses_total{job="headcount",instance="a",route="beacon",status="2xx"}"#,
                "0+98x30",
            ),
        ],
        silent: &[
            (
                r#"headcount_http_responses_total{job="headcount",instance="a",route="beacon",status="5xx"}"#,
                "0+1x30",
            ),
            (
                r#"headcount_http_responses_total{job="headcount",instance="a",route="beacon",status="2xx"}"#,
                "0+999x30",
            ),
        ],
    },
    Alert {
        name: "HeadcountJournalWriteFailing",
        severity: Critical,
        expr: "increase(headcount_journal_write_errors_total[5m]) > 0",
        lasts: "0m",
        summary: "Beacons cannot be written and are refused.",
        description: "The journal of {{ $labels.instance }} could not be written; readers' beacons got 503.",
        at: "10m",
        labels: NODE,
        fires: &[(r#"headcount_journal_write_errors_total{job="headcount",instance="a:8081"}"#, "0x8 1 2 3")],
        silent: &[(r#"headcount_journal_write_errors_total{job="headcount",instance="a:8081"}"#, "7x20")],
    },
    Alert {
        name: "HeadcountJournalFillingUp",
        severity: Critical,
        expr: r#"headcount_disk_bytes{file="journal"} / on (job, instance) headcount_journal_bytes_max > 0.8"#,
        lasts: "5m",
        summary: "The journal is nearly full.",
        description: "The journal of {{ $labels.instance }} takes more than 80 % of journal_bytes_max; at 100 % beacons are refused.",
        at: "10m",
        labels: NODE,
        fires: &[
            (r#"headcount_disk_bytes{job="headcount",instance="a:8081",file="journal"}"#, "81x20"),
            (r#"headcount_journal_bytes_max{job="headcount",instance="a:8081"}"#, "100x20"),
        ],
        silent: &[
            (r#"headcount_disk_bytes{job="headcount",instance="a:8081",file="journal"}"#, "79x20"),
            (r#"headcount_disk_bytes{job="headcount",instance="a:8081",file="database"}"#, "900x20"),
            (r#"headcount_journal_bytes_max{job="headcount",instance="a:8081"}"#, "100x20"),
        ],
    },
    Alert {
        name: "HeadcountWorkerStalled",
        severity: Critical,
        expr: "headcount_workers_stalled > 0",
        lasts: "1m",
        summary: "A part of headcount makes no progress.",
        description: "A worker or the keeper of {{ $labels.instance }} hangs, in a write most likely.",
        at: "10m",
        labels: NODE,
        fires: &[(r#"headcount_workers_stalled{job="headcount",instance="a:8081"}"#, "0x5 1x20")],
        silent: &[(r#"headcount_workers_stalled{job="headcount",instance="a:8081"}"#, "0x9 1 0x9")],
    },
    Alert {
        name: "HeadcountNoSalt",
        severity: Critical,
        expr: r#"sum by (job, instance) (increase(headcount_beacons_total{outcome="refused",reason="no_salt"}[5m])) > 0"#,
        lasts: "1m",
        summary: "Beacons are not counted because the day has no secret.",
        description: "{{ $labels.instance }} has no salt for a site's day and counts nothing there.",
        at: "10m",
        labels: NODE,
        fires: &[(
            r#"headcount_beacons_total{job="headcount",instance="a:8081",kind="view",outcome="refused",reason="no_salt"}"#,
            "0+5x20",
        )],
        silent: &[
            (
                r#"headcount_beacons_total{job="headcount",instance="a:8081",kind="view",outcome="refused",reason="no_salt"}"#,
                "0x20",
            ),
            (
                r#"headcount_beacons_total{job="headcount",instance="a:8081",kind="view",outcome="refused",reason="robot"}"#,
                "0+5x20",
            ),
        ],
    },
    Alert {
        name: "HeadcountStoreLagging",
        severity: Warning,
        expr: "time() - (headcount_store_last_success_timestamp_seconds > 0) > 60",
        lasts: "5m",
        summary: "What is counted does not reach the store.",
        description: "The store of {{ $labels.instance }} has taken nothing for a minute; counting goes on in the journal.",
        at: "20m",
        labels: NODE,
        fires: &[(
            r#"headcount_store_last_success_timestamp_seconds{job="headcount",instance="a:8081"}"#,
            "0+60x5 300x30",
        )],
        silent: &[
            (
                r#"headcount_store_last_success_timestamp_seconds{job="headcount",instance="a:8081"}"#,
                "0+60x40",
            ),
            (r#"headcount_store_last_success_timestamp_seconds{job="headcount",instance="b:8081"}"#, "0x40"),
        ],
    },
    Alert {
        name: "HeadcountStoreFailing",
        severity: Warning,
        expr: "increase(headcount_store_errors_total[10m]) > 3",
        lasts: "5m",
        summary: "The store refuses folds.",
        description: "The database of {{ $labels.instance }} refused more than three folds in ten minutes.",
        at: "20m",
        labels: NODE,
        fires: &[(r#"headcount_store_errors_total{job="headcount",instance="a:8081"}"#, "0+1x30")],
        silent: &[(r#"headcount_store_errors_total{job="headcount",instance="a:8081"}"#, "0x12 1 2x20")],
    },
    Alert {
        name: "HeadcountSharedStoreAway",
        severity: Warning,
        expr: "headcount_fleet_up == 0",
        lasts: "2m",
        summary: "A node does not reach the shared store.",
        description: "{{ $labels.instance }} counts alone and shows the last known numbers of the fleet.",
        at: "10m",
        labels: NODE,
        fires: &[(r#"headcount_fleet_up{job="headcount",instance="a:8081"}"#, "1 1 0x20")],
        silent: &[(r#"headcount_fleet_up{job="headcount",instance="a:8081"}"#, "1x8 0 1x9")],
    },
    Alert {
        name: "HeadcountFleetNodesDiffer",
        severity: Warning,
        expr: "headcount_fleet_nodes_differing > 0",
        lasts: "10m",
        summary: "Nodes of a fleet have different sites or settings.",
        description: "{{ $labels.instance }} has other sites, parts, time zones or windows than others that live, so \
                      some numbers differ from node to node.",
        at: "20m",
        labels: NODE,
        fires: &[(r#"headcount_fleet_nodes_differing{job="headcount",instance="a:8081"}"#, "2x30")],
        silent: &[(r#"headcount_fleet_nodes_differing{job="headcount",instance="a:8081"}"#, "0x5 2x5 0x30")],
    },
    Alert {
        name: "HeadcountFleetStale",
        severity: Warning,
        expr: "time() - (headcount_fleet_last_merge_timestamp_seconds > 0) > 300",
        lasts: "1m",
        summary: "A node shows old numbers of the fleet.",
        description: "A site of {{ $labels.instance }} was not exchanged with the shared store for five minutes.",
        at: "20m",
        labels: NODE,
        fires: &[(
            r#"headcount_fleet_last_merge_timestamp_seconds{job="headcount",instance="a:8081"}"#,
            "0+60x5 300x30",
        )],
        silent: &[
            (r#"headcount_fleet_last_merge_timestamp_seconds{job="headcount",instance="a:8081"}"#, "0+60x40"),
            (r#"headcount_fleet_last_merge_timestamp_seconds{job="headcount",instance="b:8081"}"#, "0x40"),
        ],
    },
    Alert {
        name: "HeadcountFleetMissing",
        severity: Warning,
        expr: "headcount_fleet_missing_visits > 0 or headcount_fleet_missing_views > 0",
        lasts: "15m",
        summary: "Counts that the fleet once had are gone.",
        description: "{{ $labels.instance }} knew of counts that neither the shared store nor any node holds.",
        at: "30m",
        labels: NODE,
        fires: &[
            (r#"headcount_fleet_missing_visits{job="headcount",instance="a:8081"}"#, "0x40"),
            (r#"headcount_fleet_missing_views{job="headcount",instance="a:8081"}"#, "0x5 8x40"),
        ],
        silent: &[(r#"headcount_fleet_missing_visits{job="headcount",instance="a:8081"}"#, "0x5 8x9 0x40")],
    },
    Alert {
        name: "HeadcountFleetForgotten",
        severity: Info,
        expr: "increase(headcount_fleet_losses_total[1h]) > 0",
        lasts: "0m",
        summary: "The shared store had forgotten writes that it had acknowledged.",
        description: "{{ $labels.instance }} sent its values again; nothing is missing unless another alert says so.",
        at: "30m",
        labels: NODE,
        fires: &[(r#"headcount_fleet_losses_total{job="headcount",instance="a:8081"}"#, "0x10 1x40")],
        silent: &[(r#"headcount_fleet_losses_total{job="headcount",instance="a:8081"}"#, "3x40")],
    },
    Alert {
        name: "HeadcountClockSkew",
        severity: Warning,
        expr: "abs(headcount_fleet_clock_skew_seconds) > 5",
        lasts: "10m",
        summary: "The clocks of a fleet differ.",
        description: "The clock of {{ $labels.instance }} differs from the shared store's by more than five seconds.",
        at: "20m",
        labels: NODE,
        fires: &[(r#"headcount_fleet_clock_skew_seconds{job="headcount",instance="a:8081"}"#, "-6x30")],
        silent: &[(r#"headcount_fleet_clock_skew_seconds{job="headcount",instance="a:8081"}"#, "4x30")],
    },
    Alert {
        name: "HeadcountClockSteppedBack",
        severity: Warning,
        expr: "headcount_clock_ahead_seconds > 5",
        lasts: "5m",
        summary: "A system clock stepped back.",
        description: "The system clock of {{ $labels.instance }} stepped back; headcount's own goes at half speed until they agree.",
        at: "20m",
        labels: NODE,
        fires: &[(r#"headcount_clock_ahead_seconds{job="headcount",instance="a:8081"}"#, "3600x30")],
        silent: &[(r#"headcount_clock_ahead_seconds{job="headcount",instance="a:8081"}"#, "0x10 7 0x20")],
    },
    Alert {
        name: "HeadcountRefusingBeacons",
        severity: Warning,
        expr: "job:headcount_beacons_refused:ratio_rate5m > 0.2 and on (job) sum by (job) (rate(headcount_beacons_parsed_total[5m])) > 1",
        lasts: "15m",
        summary: "A fifth of the beacons is not counted.",
        description: "{{ $labels.job }} refuses more than a fifth of the beacons, robots, prefetches and those left out on purpose not among them.",
        at: "40m",
        labels: &[("job", "headcount")],
        fires: &[
            (
                r#"headcount_beacons_total{job="headcount",instance="a",kind="view",outcome="refused",reason="foreign_host"}"#,
                "0+30x60",
            ),
            (r#"headcount_beacons_parsed_total{job="headcount",instance="a",kind="view"}"#, "0+100x60"),
        ],
        silent: &[
            (
                r#"headcount_beacons_total{job="headcount",instance="a",kind="view",outcome="refused",reason="robot"}"#,
                "0+90x60",
            ),
            (
                r#"headcount_beacons_total{job="headcount",instance="a",kind="view",outcome="refused",reason="foreign_host"}"#,
                "0+5x60",
            ),
            (r#"headcount_beacons_parsed_total{job="headcount",instance="a",kind="view"}"#, "0+100x60"),
        ],
    },
    Alert {
        name: "HeadcountMapFull",
        severity: Warning,
        expr: r#"increase(headcount_map_overflows_total[10m]) > 0 or sum by (job, instance) (increase(headcount_beacons_total{outcome="refused",reason="presence_full"}[10m])) > 0"#,
        lasts: "5m",
        summary: "A bounded map is full.",
        description: "Newcomers find no room in a map of {{ $labels.instance }}.",
        at: "20m",
        labels: &[("job", "headcount"), ("instance", "a:8081"), ("map", "networks")],
        fires: &[(
            r#"headcount_map_overflows_total{job="headcount",instance="a:8081",map="networks"}"#,
            "0+1x30",
        )],
        silent: &[
            (r#"headcount_map_overflows_total{job="headcount",instance="a:8081",map="networks"}"#, "4x30"),
            (
                r#"headcount_beacons_total{job="headcount",instance="a:8081",kind="view",outcome="refused",reason="presence_full"}"#,
                "0x30",
            ),
        ],
    },
    Alert {
        name: "HeadcountConnectionsRefused",
        severity: Warning,
        expr: "increase(headcount_http_connections_refused_total[10m]) > 0",
        lasts: "5m",
        summary: "Connections are turned away.",
        description: "{{ $labels.instance }} has reached connections_max.",
        at: "20m",
        labels: NODE,
        fires: &[(
            r#"headcount_http_connections_refused_total{job="headcount",instance="a:8081"}"#,
            "0+1x30",
        )],
        silent: &[(r#"headcount_http_connections_refused_total{job="headcount",instance="a:8081"}"#, "9x30")],
    },
    Alert {
        name: "HeadcountAcceptsFailing",
        severity: Warning,
        expr: "increase(headcount_http_accept_errors_total[10m]) > 0",
        lasts: "5m",
        summary: "The system refuses connections.",
        description: "The system of {{ $labels.instance }} did not give it connections, for want of file descriptors most likely.",
        at: "20m",
        labels: NODE,
        fires: &[(r#"headcount_http_accept_errors_total{job="headcount",instance="a:8081"}"#, "0+1x30")],
        silent: &[(r#"headcount_http_accept_errors_total{job="headcount",instance="a:8081"}"#, "9x30")],
    },
    Alert {
        name: "HeadcountFilesRunningOut",
        severity: Warning,
        expr: r#"process_open_fds{job=~"headcount.*"} / process_max_fds{job=~"headcount.*"} > 0.8"#,
        lasts: "5m",
        summary: "Nearly all files that may be open are open.",
        description: "{{ $labels.instance }} has opened more than 80 % of the files that it may.",
        at: "20m",
        labels: NODE,
        fires: &[
            (r#"process_open_fds{job="headcount",instance="a:8081"}"#, "90x30"),
            (r#"process_max_fds{job="headcount",instance="a:8081"}"#, "100x30"),
        ],
        silent: &[
            (r#"process_open_fds{job="headcount",instance="a:8081"}"#, "70x30"),
            (r#"process_max_fds{job="headcount",instance="a:8081"}"#, "100x30"),
            (r#"process_open_fds{job="other",instance="b"}"#, "90x30"),
            (r#"process_max_fds{job="other",instance="b"}"#, "100x30"),
        ],
    },
    Alert {
        name: "HeadcountRestarting",
        severity: Warning,
        expr: r#"changes(process_start_time_seconds{job=~"headcount.*"}[30m]) > 3"#,
        lasts: "0m",
        summary: "A node starts again and again.",
        description: "{{ $labels.instance }} started more than three times in half an hour.",
        at: "30m",
        labels: NODE,
        fires: &[(r#"process_start_time_seconds{job="headcount",instance="a:8081"}"#, "1x9 2x5 3x5 4x5 5x9")],
        silent: &[(r#"process_start_time_seconds{job="headcount",instance="a:8081"}"#, "1x9 2x40")],
    },
    Alert {
        name: "HeadcountConfigReloadFailed",
        severity: Warning,
        expr: "headcount_config_last_reload_successful == 0",
        lasts: "5m",
        summary: "A changed configuration was refused.",
        description: "{{ $labels.instance }} goes on with the configuration of before.",
        at: "20m",
        labels: NODE,
        fires: &[(r#"headcount_config_last_reload_successful{job="headcount",instance="a:8081"}"#, "1 0x30")],
        silent: &[(
            r#"headcount_config_last_reload_successful{job="headcount",instance="a:8081"}"#,
            "1x16 0 1x20",
        )],
    },
    Alert {
        name: "HeadcountClientsHidden",
        severity: Warning,
        expr: "sum by (job, instance) (rate(headcount_forwarding_missing_total[15m])) > 0.1 * sum by (job, instance) (rate(headcount_beacons_parsed_total[15m]))",
        lasts: "15m",
        summary: "A proxy does not name the clients.",
        description: "More than a tenth of the beacons of {{ $labels.instance }} came through a trusted proxy that did not say for whom.",
        at: "40m",
        labels: NODE,
        fires: &[
            (r#"headcount_forwarding_missing_total{job="headcount",instance="a:8081"}"#, "0+50x60"),
            (r#"headcount_beacons_parsed_total{job="headcount",instance="a:8081",kind="view"}"#, "0+100x60"),
        ],
        silent: &[
            (r#"headcount_forwarding_missing_total{job="headcount",instance="a:8081"}"#, "0+1x60"),
            (r#"headcount_beacons_parsed_total{job="headcount",instance="a:8081",kind="view"}"#, "0+100x60"),
        ],
    },
    Alert {
        name: "HeadcountSitesFolded",
        severity: Info,
        expr: "headcount_sites_folded > 0",
        lasts: "1h",
        summary: "Some sites have no line of their own in the metrics.",
        description: "{{ $labels.instance }} has more sites than metrics.max_sites; the others are shown as _other.",
        at: "2h",
        labels: NODE,
        fires: &[(r#"headcount_sites_folded{job="headcount",instance="a:8081"}"#, "3x200")],
        silent: &[(r#"headcount_sites_folded{job="headcount",instance="a:8081"}"#, "0x200")],
    },
    Alert {
        name: "HeadcountSiteSilent",
        severity: Info,
        expr: "job_site:headcount_views:rate5m == 0 and job_site:headcount_views:rate5m offset 1d > 0.1",
        lasts: "30m",
        summary: "A site that was visited yesterday has no visitors.",
        description: "{{ $labels.site }} had readers at this time of yesterday and has none now; its pages may have lost the snippet.",
        at: "25h",
        labels: &[("job", "headcount"), ("site", "vks")],
        fires: &[(
            r#"headcount_views_total{job="headcount",instance="a:8081",site="vks"}"#,
            "0+60x1400 84000x200",
        )],
        silent: &[
            (r#"headcount_views_total{job="headcount",instance="a:8081",site="vks"}"#, "0+60x1600"),
            (r#"headcount_views_total{job="headcount",instance="a:8081",site="quiet"}"#, "1x1600"),
        ],
    },
];
