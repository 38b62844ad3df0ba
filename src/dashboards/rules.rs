//! Rules and their tests as Prometheus reads them.
//!
//! YAML is written by hand, since it takes three shapes of lines: a key with a word, with a text in double
//! quotes (JSON's quoting is YAML's), and an expression as a literal block.

use std::fmt::Write;

use serde_json::Value;

use super::alerts::{ALERTS, Alert, RECORDED, Series};

/// Where the sections of the README are that say what to do, unless told otherwise: as the package installs it.
pub const RUNBOOKS: &str = "file:///usr/share/doc/headcount/README.md";

/// The name under which the tests find the rules.
const RULES: &str = "headcount.rules.yml";

/// The recording and alerting rules; `runbooks` is the address of the README.
#[must_use]
pub fn rules(runbooks: &str) -> String {
    let mut to = Yaml::new("Made by `headcount generate rules`; change the source, not this file.");
    to.line(0, "groups:");
    to.line(2, "- name: headcount-recorded");
    to.line(4, "rules:");
    for (name, expr) in RECORDED {
        to.line(6, &format!("- record: {name}"));
        to.block(8, "expr", expr);
    }
    to.line(2, "- name: headcount-alerts");
    to.line(4, "rules:");
    for alert in &ALERTS {
        to.line(6, &format!("- alert: {}", alert.name));
        to.block(8, "expr", alert.expr);
        to.line(8, &format!("for: {}", alert.lasts));
        to.line(8, "labels:");
        to.line(10, &format!("severity: {}", alert.severity.as_str()));
        to.line(8, "annotations:");
        for (key, text) in annotations(alert, runbooks) {
            to.text(10, key, &text);
        }
    }
    to.0
}

/// What `promtool test rules` runs beside those rules: for each alert a situation in which it fires and one in
/// which it stays silent.
#[must_use]
pub fn rule_tests() -> String {
    let mut to = Yaml::new("Made from the source of the rules; run by `promtool test rules`.");
    to.line(0, &format!("rule_files: [{RULES}]"));
    to.line(0, "evaluation_interval: 1m");
    to.line(0, "tests:");
    for alert in &ALERTS {
        situation(&mut to, alert, "fires", alert.fires);
        to.line(8, "exp_alerts:");
        to.line(10, "- exp_labels:");
        for (label, value) in alert.labels.iter().chain([&("severity", alert.severity.as_str())]) {
            to.text(14, label, value);
        }
        to.line(12, "exp_annotations:");
        for (key, text) in annotations(alert, RUNBOOKS) {
            to.text(14, key, &filled(&text, alert.labels));
        }
        situation(&mut to, alert, "is silent", alert.silent);
        to.line(8, "exp_alerts: []");
    }
    to.0
}

fn situation(to: &mut Yaml, alert: &Alert, what: &str, series: &[Series]) {
    to.text(2, "- name", &format!("{} {what}", alert.name));
    to.line(4, "interval: 1m");
    to.line(4, "input_series:");
    for (name, values) in series {
        to.text(6, "- series", name);
        to.text(8, "values", values);
    }
    to.line(4, "alert_rule_test:");
    to.line(6, &format!("- alertname: {}", alert.name));
    to.line(8, &format!("eval_time: {}", alert.at));
}

fn annotations(alert: &Alert, runbooks: &str) -> [(&'static str, String); 3] {
    [
        ("summary", alert.summary.to_owned()),
        ("description", alert.description.to_owned()),
        ("runbook_url", format!("{runbooks}#{}", alert.name.to_lowercase())),
    ]
}

/// The text with the labels that it names.
fn filled(text: &str, labels: &[(&str, &str)]) -> String {
    let fill = |text: String, (label, value): &(&str, &str)| {
        text.replace(&format!("{{{{ $labels.{label} }}}}"), value)
    };
    labels.iter().fold(text.to_owned(), fill)
}

struct Yaml(String);

impl Yaml {
    fn new(comment: &str) -> Yaml {
        Yaml(format!("# {comment}\n"))
    }

    fn line(&mut self, indent: usize, line: &str) {
        writeln!(self.0, "{:indent$}{line}", "").expect("a String takes whatever is written");
    }

    fn text(&mut self, indent: usize, key: &str, text: &str) {
        self.line(indent, &format!("{key}: {}", Value::from(text)));
    }

    fn block(&mut self, indent: usize, key: &str, text: &str) {
        self.line(indent, &format!("{key}: |-"));
        self.line(indent + 2, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_are_named_and_told_alike() {
        for alert in &ALERTS {
            assert!(alert.name.starts_with("Headcount"), "{}", alert.name);
            assert!(alert.summary.ends_with('.') && !alert.summary.contains("{{"), "{}", alert.name);
            let filled = filled(alert.description, alert.labels);
            assert!(alert.description.ends_with('.') && !filled.contains("{{"), "{}: {filled}", alert.name);
        }
    }

    #[test]
    fn a_runbook_is_a_section_of_the_readme() {
        let rules = rules("https://example.vn/README.md");
        assert!(rules.contains(r#"runbook_url: "https://example.vn/README.md#headcountdown""#), "{rules}");
    }
}
