//! The rules of Grafana's dashboard-linter that concern Prometheus, and the shape of the JSON. (Two of its
//! seventeen are about logs, which no panel asks.)

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use promql_parser::label::MatchOp;
use promql_parser::parser::{Expr, VectorSelector, parse};
use serde_json::Value;

use super::{boards, directory, panels, text};

/// What variables stand for while a query is read as `PromQL`.
const RATE_INTERVAL: (&str, Duration) = ("$__rate_interval", Duration::from_secs(11));
const RANGE: (&str, Duration) = ("$__range", Duration::from_secs(13));

fn read(query: &str) -> Expr {
    let mut query = query.to_owned();
    for (name, stands_for) in [RATE_INTERVAL, RANGE] {
        query = query.replace(name, &format!("{}s", stands_for.as_secs()));
    }
    for name in ["job", "instance", "site"] {
        query = query.replace(&format!("${{{name}:regex}}"), &format!("chosen_{name}"));
    }
    parse(&query).unwrap_or_else(|error| panic!("{query}: {error}"))
}

/// Calls `look` on every selector: with the function around it, and its range.
fn selectors(expr: &Expr, around: &str, look: &mut dyn FnMut(&VectorSelector, &str, Option<Duration>)) {
    match expr {
        Expr::Aggregate(aggregate) => selectors(&aggregate.expr, around, look),
        Expr::Unary(unary) => selectors(&unary.expr, around, look),
        Expr::Binary(binary) => {
            selectors(&binary.lhs, around, look);
            selectors(&binary.rhs, around, look);
        }
        Expr::Paren(paren) => selectors(&paren.expr, around, look),
        Expr::Subquery(subquery) => selectors(&subquery.expr, around, look),
        Expr::VectorSelector(selector) => look(selector, around, None),
        Expr::MatrixSelector(matrix) => look(&matrix.vs, around, Some(matrix.range)),
        Expr::Call(call) => call.args.args.iter().for_each(|arg| selectors(arg, call.func.name, look)),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
    }
}

/// The linter's rules on targets: selectors that choose by job and instance, rates over the interval that
/// Grafana proposes, counters only as rates.
fn check_query(place: &str, query: &str, by_site: bool) {
    // Alerts on a whole job have no instance.
    let is_of_alerts = query.contains("(ALERTS{");
    selectors(&read(query), "", &mut |selector, around, range| {
        let name = selector.name.as_deref().unwrap_or_else(|| panic!("{place}: a selector without a name"));
        let chooses = |label: &str| {
            let chosen = format!("chosen_{label}");
            selector.matchers.matchers.iter().any(|matcher| {
                matcher.name == label && matcher.value == chosen && matches!(matcher.op, MatchOp::Re(_))
            })
        };
        if !is_of_alerts {
            assert!(
                chooses("job") && chooses("instance"),
                "{place}: {name} is not chosen by job and instance"
            );
        }
        if by_site && query.contains("by (site)") {
            assert!(chooses("site"), "{place}: {name} is not chosen by site");
        }
        let is_rate = ["rate", "irate", "increase"].contains(&around);
        if is_rate {
            assert!(
                [RATE_INTERVAL.1, RANGE.1].map(Some).contains(&range),
                "{place}: {around} of {name} over {range:?}"
            );
        }
        let endings = ["_total", "_bucket", "_sum", "_count"];
        if endings.iter().any(|ending| name.ends_with(ending)) {
            assert!(is_rate, "{place}: the counter {name} is shown without a rate");
        }
    });
}

#[test]
fn every_panel_is_as_the_linter_wants_it() {
    for (name, board) in boards() {
        assert_eq!(board["editable"], false, "{name}");
        for panel in panels(&board) {
            let place = format!("{name}, {}", panel["title"]);
            assert!(!text(panel, "title").is_empty() && !text(panel, "description").is_empty(), "{place}");
            assert!(!text(&panel["fieldConfig"]["defaults"], "unit").is_empty(), "{place}");
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{place}");
            let targets = panel["targets"].as_array().unwrap();
            assert!(!targets.is_empty(), "{place}");
            for target in targets {
                assert_eq!(target["datasource"]["uid"], "${datasource}", "{place}");
                check_query(&place, text(target, "expr"), name == "traffic");
            }
        }
    }
}

#[test]
fn variables_are_as_the_linter_wants_them() {
    for (name, board) in boards() {
        let variables = board["templating"]["list"].as_array().unwrap();
        let sources: Vec<_> = variables.iter().filter(|variable| variable["type"] == "datasource").collect();
        let [source] = sources[..] else { panic!("{name}: one data source, not {}", sources.len()) };
        assert_eq!((text(source, "name"), text(source, "label")), ("datasource", "Data Source"));
        assert_eq!(text(source, "query"), "prometheus");
        let queries: BTreeMap<&str, &Value> = variables
            .iter()
            .filter(|variable| variable["type"] == "query")
            .map(|variable| (text(variable, "name"), variable))
            .collect();
        let wanted: &[&str] =
            if name == "traffic" { &["instance", "job", "site"] } else { &["instance", "job"] };
        assert_eq!(queries.keys().copied().collect::<Vec<_>>(), wanted, "{name}");
        for (variable, given) in queries {
            let place = format!("{name}, ${variable}");
            assert_eq!(given["datasource"]["uid"], "${datasource}", "{place}");
            assert_eq!((&given["multi"], &given["includeAll"]), (&true.into(), &true.into()), "{place}");
            assert_eq!((text(given, "allValue"), given["refresh"].as_u64()), (".+", Some(2)), "{place}");
            let query = text(&given["query"], "query");
            let inner = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')')).unwrap();
            let (series, label) = inner.rsplit_once(", ").unwrap();
            assert_eq!(label, variable, "{place}");
            read(series);
        }
    }
}

#[test]
fn the_linter_is_able_to_complain() {
    let complains = |query: &str| {
        let query = query.to_owned();
        std::panic::catch_unwind(move || check_query("here", &query, false)).is_err()
    };
    let chosen = "job=~`${job:regex}`,instance=~`${instance:regex}`";
    assert!(!complains(&format!("sum(rate(a_total{{{chosen}}}[$__rate_interval]))")));
    for wrong in [
        "sum(rate(a_total{JOB}[5m]))",
        "sum(a_total{JOB})",
        "sum(a{job=~`${job:regex}`})",
        "sum(a{JOB}",
        "sum(rate(a_total[$__rate_interval]))",
    ] {
        assert!(complains(&wrong.replace("JOB", chosen)), "{wrong}");
    }
}

/// The keys that Grafana knows at each place that we write, after its dashboard schema of version 10.1
/// (`/` below, `*` any element or name). A key that is not here is misspelt.
const SHAPE: &[(&str, &str)] = &[
    (
        "",
        "uid title description tags schemaVersion version editable graphTooltip refresh time timezone links \
         templating annotations panels",
    ),
    ("/time", "from to"),
    ("/links/*", "title type tags asDropdown icon includeVars keepTime targetBlank tooltip url"),
    ("/templating", "list"),
    (
        "/templating/list/*",
        "name label type query datasource definition includeAll multi allValue current hide options refresh regex \
         skipUrlSync sort",
    ),
    ("/templating/list/*/query", "query refId"),
    ("/templating/list/*/datasource", "type uid"),
    ("/templating/list/*/current", "selected text value"),
    ("/annotations", "list"),
    (
        "/panels/*",
        "id type title description datasource gridPos targets fieldConfig options transformations collapsed panels",
    ),
    ("/panels/*/gridPos", "x y w h"),
    ("/panels/*/datasource", "type uid"),
    ("/panels/*/targets/*", "refId datasource expr legendFormat format instant range"),
    ("/panels/*/targets/*/datasource", "type uid"),
    ("/panels/*/fieldConfig", "defaults overrides"),
    ("/panels/*/fieldConfig/defaults", "unit min custom"),
    ("/panels/*/fieldConfig/defaults/custom", "lineWidth fillOpacity showPoints stacking"),
    ("/panels/*/fieldConfig/defaults/custom/stacking", "mode group"),
    (
        "/panels/*/options",
        "reduceOptions colorMode graphMode justifyMode textMode orientation legend tooltip showHeader cellHeight",
    ),
    ("/panels/*/options/reduceOptions", "calcs fields values"),
    ("/panels/*/options/legend", "displayMode placement showLegend calcs"),
    ("/panels/*/options/tooltip", "mode sort"),
    ("/panels/*/transformations/*", "id options"),
    ("/panels/*/transformations/*/options", "excludeByName indexByName renameByName"),
];

/// What of a value is in no place of [`SHAPE`]. The names of columns are the reader's.
fn misspelt(value: &Value, place: &str, found: &mut Vec<String>) {
    match value {
        Value::Array(list) => list.iter().for_each(|one| misspelt(one, &format!("{place}/*"), found)),
        Value::Object(map) if !place.ends_with("ByName") => {
            let known = SHAPE.iter().find(|(known, _)| *known == place).map_or("", |(_, keys)| keys);
            for (key, value) in map {
                let below = format!("{place}/{key}");
                if !known.split_whitespace().any(|known| known == key) {
                    found.push(below.clone());
                }
                misspelt(value, &below, found);
            }
        }
        _ => {}
    }
}

#[test]
fn no_key_is_misspelt() {
    for (name, board) in boards() {
        let mut found = Vec::new();
        misspelt(&board, "", &mut found);
        assert!(found.is_empty(), "{name}: {found:?}");
    }
    let mut found = Vec::new();
    let wrong =
        serde_json::json!({ "panles": [], "panels": [{ "fieldConfig": { "defaults": { "unti": "s" } } }] });
    misspelt(&wrong, "", &mut found);
    assert_eq!(found, ["/panels/*/fieldConfig/defaults/unti", "/panles"]);
}

/// Decodes with the types that Grafana's makers generate and encodes again: what they do not know is gone.
const ROUND_TRIP: &str = "
import json, sys
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
def gone(a, b, at):
    if isinstance(a, dict) and isinstance(b, dict):
        for key in a:
            yield from gone(a[key], b[key], at + '/' + key) if key in b else [at + '/' + key]
    elif isinstance(a, list) and isinstance(b, list):
        for one, other in zip(a, b):
            yield from gone(one, other, at + '/*')
for path in sys.argv[1:]:
    given = json.load(open(path))
    back = json.loads(JSONEncoder().encode(Dashboard.from_json(given)))
    # 'definition' is what Grafana itself writes beside a query; those types lack it.
    print(*sorted(set(gone(given, back, '')) - {'/templating/list/*/definition'}), sep='\\n', end='')
";

#[test]
fn the_types_of_grafana_keep_every_key() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/grafana-sdk/bin/python");
    let files = ["traffic", "health", "fleet"].map(|name| directory().join(format!("{name}.json")));
    let known = Command::new(&python).args(["-c", "import grafana_foundation_sdk"]).output();
    if !known.is_ok_and(|output| output.status.success()) {
        return eprintln!(
            "!!! NOT TESTED: grafana-foundation-sdk is missing in {}; tests/run installs it where it can",
            python.display()
        );
    }
    let output = Command::new(&python).args(["-c", ROUND_TRIP]).args(files).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.is_empty(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}
