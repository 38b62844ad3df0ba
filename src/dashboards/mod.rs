//! What people watch: dashboards for Grafana, rules and alerts for Prometheus, from one source.
//!
//! A board is a table of panels, an alert a line of another; [`grafana`](self) and `rules` turn them into JSON
//! and YAML. The files under `dashboards/` are what this room gives, and a test keeps them equal. The room knows
//! the names of metrics and nothing else of ours.
//!
//! Two rules hold for every query. What all nodes of a fleet share (online, peak, the sums of a period) is joined
//! by `max by (site)`; what each node counts by itself is joined by `sum`. And a label is always compared with a
//! raw string (`` `…` ``): a variable with a quote in it does not end the query.

mod alerts;
mod fleet;
mod grafana;
mod health;
mod rules;
mod traffic;

pub use rules::{RUNBOOKS, rule_tests, rules};

/// A file as it is generated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name within its directory.
    pub name: String,
    /// What it holds.
    pub text: String,
}

/// The dashboards, as Grafana imports them.
#[must_use]
pub fn dashboards() -> Vec<File> {
    let file = |board: &Board| File { name: format!("{}.json", board.name), text: grafana::json(board) };
    [&traffic::BOARD, &health::BOARD, &fleet::BOARD].map(file).into()
}

/// The names of all alerts, in the order of their urgency.
pub fn alert_names() -> impl Iterator<Item = &'static str> {
    alerts::ALERTS.iter().map(|alert| alert.name)
}

/// One dashboard.
struct Board {
    name: &'static str,
    title: &'static str,
    about: &'static str,
    /// Whether it offers to choose sites.
    by_site: bool,
    rows: &'static [Row],
}

/// Panels under one heading.
struct Row {
    title: &'static str,
    panels: &'static [Panel],
}

/// One picture.
struct Panel {
    title: &'static str,
    about: &'static str,
    unit: Unit,
    look: Look,
    /// What is asked: the legend, and the query with `{node}` or `{site}` where the choice of the reader goes.
    asks: &'static [(&'static str, &'static str)],
}

/// How a panel looks, and with that how large it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// One number, for a glance.
    Number,
    /// Lines over time, half the width.
    Lines,
    /// The same, one upon the other.
    Stack,
    /// A table of what is now, half the width.
    Table,
    /// The same over the whole width.
    WideTable,
}

/// What the numbers of a panel are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// People, views, files.
    Count,
    PerSecond,
    Seconds,
    Bytes,
    /// 1 is the whole.
    Share,
    /// Milliseconds since 1970, shown as a date.
    Moment,
}
