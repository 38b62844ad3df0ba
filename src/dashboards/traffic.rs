//! What an admin watches: who is here, how many came, what was not counted.

use super::Look::{Lines, Number, Stack, Table, WideTable};
use super::Unit::{Count, PerSecond, Seconds, Share};
use super::{Board, Panel, Row};

pub(super) static BOARD: Board = Board {
    name: "traffic",
    title: "headcount / Traffic",
    about: "People online, visits and views of every site.",
    by_site: true,
    rows: &[NOW, COURSE, SITES, NOT_COUNTED],
};

const NOW: Row = Row {
    title: "Now",
    panels: &[
        Panel {
            title: "Online now",
            about: "People whose latest beacon is younger than the online window, over the chosen sites.",
            unit: Count,
            look: Number,
            asks: &[("online", "sum(max by (site) (headcount_visitors_online{site}))")],
        },
        Panel {
            title: "Peak online",
            about: "The most people that were ever online at once at one of the chosen sites.",
            unit: Count,
            look: Number,
            asks: &[("peak", "max(headcount_visitors_online_peak{site})")],
        },
        Panel {
            title: "Visits today",
            about: "Visits of the day of each site's own time zone.",
            unit: Count,
            look: Number,
            asks: &[("visits", r#"sum(max by (site) (headcount_period_visits{site, period="today"}))"#)],
        },
        Panel {
            title: "Visits yesterday",
            about: "Visits of the whole day before.",
            unit: Count,
            look: Number,
            asks: &[("visits", r#"sum(max by (site) (headcount_period_visits{site, period="yesterday"}))"#)],
        },
        Panel {
            title: "Views today",
            about: "Page views of the day of each site's own time zone.",
            unit: Count,
            look: Number,
            asks: &[("views", r#"sum(max by (site) (headcount_period_views{site, period="today"}))"#)],
        },
        Panel {
            title: "Visits of all time",
            about: "What footers show as the total, baselines of old counters included.",
            unit: Count,
            look: Number,
            asks: &[("visits", r#"sum(max by (site) (headcount_period_visits{site, period="all_time"}))"#)],
        },
    ],
};

const COURSE: Row = Row {
    title: "Course of the day",
    panels: &[
        Panel {
            title: "People online by site",
            about: "Shared by all nodes of a fleet, so the highest answer of a node is the fleet's.",
            unit: Count,
            look: Stack,
            asks: &[("{{site}}", "max by (site) (headcount_visitors_online{site})")],
        },
        Panel {
            title: "Visits of the day so far, against yesterday and last week",
            about: "The same hour of the day before and of the same weekday a week before. Adjustments included.",
            unit: Count,
            look: Lines,
            asks: &[
                ("today", r#"sum(max by (site) (headcount_period_visits{site, period="today"}))"#),
                (
                    "yesterday",
                    r#"sum(max by (site) (headcount_period_visits{site, period="today"} offset 1d))"#,
                ),
                (
                    "last week",
                    r#"sum(max by (site) (headcount_period_visits{site, period="today"} offset 1w))"#,
                ),
            ],
        },
        Panel {
            title: "Visits by site",
            about: "Visits that opened, each counted by one node.",
            unit: PerSecond,
            look: Stack,
            asks: &[("{{site}}", "sum by (site) (rate(headcount_visits_total{site}[$__rate_interval]))")],
        },
        Panel {
            title: "Views by site",
            about: "Page views that were counted, each by one node.",
            unit: PerSecond,
            look: Stack,
            asks: &[("{{site}}", "sum by (site) (rate(headcount_views_total{site}[$__rate_interval]))")],
        },
    ],
};

const SITES: Row = Row {
    title: "Sites",
    panels: &[
        Panel {
            title: "Every site",
            about: "Visits of calendar periods in the site's own time zone; visitors are distinct within their day.",
            unit: Count,
            look: WideTable,
            asks: &[
                ("Online", "max by (site) (headcount_visitors_online{site})"),
                ("Peak online", "max by (site) (headcount_visitors_online_peak{site})"),
                ("Visitors today", r#"max by (site) (headcount_period_visitors{site, period="today"})"#),
                ("Visits today", r#"max by (site) (headcount_period_visits{site, period="today"})"#),
                ("Visits yesterday", r#"max by (site) (headcount_period_visits{site, period="yesterday"})"#),
                ("Visits this week", r#"max by (site) (headcount_period_visits{site, period="this_week"})"#),
                ("Visits last week", r#"max by (site) (headcount_period_visits{site, period="last_week"})"#),
                ("Visits of all time", r#"max by (site) (headcount_period_visits{site, period="all_time"})"#),
            ],
        },
        Panel {
            title: "Top sites",
            about: "The twenty sites with the most views in the time that is shown.",
            unit: Count,
            look: Table,
            asks: &[("Views", "topk(20, sum by (site) (increase(headcount_views_total{site}[$__range])))")],
        },
        Panel {
            title: "Quiet for",
            about: "How long ago the last beacon of a site was counted. A site that lost its snippet falls silent.",
            unit: Seconds,
            look: Table,
            asks: &[("Since", "time() - max by (site) (headcount_last_beacon_timestamp_seconds{site} > 0)")],
        },
    ],
};

const NOT_COUNTED: Row = Row {
    title: "Not counted",
    panels: &[
        Panel {
            title: "Beacons by kind",
            about: "Counted beacons of all sites: views, signs of life of open pages, goodbyes.",
            unit: PerSecond,
            look: Stack,
            asks: &[(
                "{{kind}}",
                r#"sum by (kind) (rate(headcount_beacons_total{node, outcome="counted"}[$__rate_interval]))"#,
            )],
        },
        Panel {
            title: "Refused by reason",
            about: "Beacons of all sites that were answered and not counted. `headcount sites` tells them by site.",
            unit: PerSecond,
            look: Stack,
            asks: &[(
                "{{reason}}",
                r#"sum by (reason) (rate(headcount_beacons_total{node, outcome="refused"}[$__rate_interval]))"#,
            )],
        },
        Panel {
            title: "Share refused",
            about: "Of all beacons that were understood.",
            unit: Share,
            look: Lines,
            asks: &[(
                "refused",
                r#"sum(rate(headcount_beacons_total{node, outcome="refused"}[$__rate_interval])) / sum(rate(headcount_beacons_parsed_total{node}[$__rate_interval]))"#,
            )],
        },
        Panel {
            title: "No beacon at all",
            about: "Requests to the path of a beacon with a field that could not be understood.",
            unit: PerSecond,
            look: Stack,
            asks: &[(
                "{{field}}",
                "sum by (field) (rate(headcount_beacons_malformed_total{node}[$__rate_interval]))",
            )],
        },
        Panel {
            title: "Where beacons come from",
            about: "Counted without naming their page's host; through a proxy that hides the client; with a forwarding header from a stranger.",
            unit: PerSecond,
            look: Lines,
            asks: &[
                ("no origin", "sum(rate(headcount_beacons_without_origin_total{node}[$__rate_interval]))"),
                ("client hidden", "sum(rate(headcount_forwarding_missing_total{node}[$__rate_interval]))"),
                (
                    "forwarded by a stranger",
                    "sum(rate(headcount_forwarding_ignored_total{node}[$__rate_interval]))",
                ),
            ],
        },
        Panel {
            title: "Beacons by protocol",
            about: "The script and its kind, the one-pixel image, snippets that count while they are fetched.",
            unit: PerSecond,
            look: Stack,
            asks: &[(
                "{{protocol}}",
                "sum by (protocol) (rate(headcount_beacons_by_protocol_total{node}[$__rate_interval]))",
            )],
        },
    ],
};
