//! The dashboards of Grafana, and the rules and alerts of Prometheus.

use super::Generated;
use crate::dashboards;

pub(super) fn files() -> Vec<Generated> {
    let made = dashboards::dashboards().into_iter();
    made.map(|file| Generated { name: name(&file.name), path: file.name, text: file.text }).collect()
}

/// What a person calls the board in this file.
fn name(file: &str) -> String {
    file.strip_suffix(".json").unwrap_or(file).to_owned()
}

/// The rules, with their runbooks at this address.
pub(super) fn rules(runbooks: &str) -> Vec<Generated> {
    let path = "headcount.rules.yml".to_owned();
    vec![Generated { name: "rules".to_owned(), path, text: dashboards::rules(runbooks) }]
}
