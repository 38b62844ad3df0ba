//! A board as Grafana's JSON, schema version 38 (Grafana 10 and later).
//!
//! The format is that of Grafana's dashboard JSON model. Of its many keys only those are written that differ
//! from Grafana's defaults or that its linter asks for.

use serde_json::{Value, json};

use super::{Board, Look, Panel, Row, Unit};

/// Cells across a dashboard.
const WIDTH: u16 = 24;

/// The board, pretty-printed with a newline at its end.
pub(super) fn json(board: &Board) -> String {
    let dashboard = json!({
        "uid": format!("headcount-{}", board.name),
        "title": board.title,
        "description": board.about,
        "tags": ["headcount"],
        "schemaVersion": 38,
        "version": 1,
        "editable": false,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": { "from": "now-6h", "to": "now" },
        "timezone": "browser",
        "links": [{
            "title": "headcount", "type": "dashboards", "tags": ["headcount"], "asDropdown": false,
            "icon": "external link", "includeVars": true, "keepTime": true, "targetBlank": false, "tooltip": "", "url": "",
        }],
        "templating": { "list": variables(board) },
        "annotations": { "list": [] },
        "panels": panels(board),
    });
    let text = serde_json::to_string_pretty(&dashboard).expect("a value made of text and numbers has a form");
    text + "\n"
}

fn variables(board: &Board) -> Vec<Value> {
    let source = json!({
        "name": "datasource", "label": "Data Source", "type": "datasource", "query": "prometheus",
        "current": {}, "hide": 0, "includeAll": false, "multi": false, "options": [], "refresh": 1, "regex": "",
        "skipUrlSync": false,
    });
    let job = variable("job", "Job", "label_values(headcount_build_info, job)");
    let instance =
        variable("instance", "Node", "label_values(headcount_build_info{job=~`${job:regex}`}, instance)");
    let site = variable(
        "site",
        "Site",
        "label_values(headcount_visitors_online{job=~`${job:regex}`,instance=~`${instance:regex}`}, site)",
    );
    [source, job, instance].into_iter().chain(board.by_site.then_some(site)).collect()
}

fn variable(name: &str, label: &str, query: &str) -> Value {
    json!({
        "name": name, "label": label, "type": "query",
        "datasource": datasource(),
        "query": { "query": query, "refId": format!("variable-{name}") },
        "definition": query,
        "includeAll": true, "multi": true, "allValue": ".+",
        "current": { "selected": true, "text": ["All"], "value": ["$__all"] },
        "hide": 0, "options": [], "refresh": 2, "regex": "", "skipUrlSync": false, "sort": 1,
    })
}

fn datasource() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

/// Panels from left to right, a new line where one does not fit, each row under its heading.
fn panels(board: &Board) -> Vec<Value> {
    let mut placed = Vec::new();
    let mut y = 0;
    for row in board.rows {
        placed.push(heading(row, y, placed.len() + 1));
        y += 1;
        let (mut x, mut line_height) = (0, 0);
        for panel in row.panels {
            let (width, height) = panel.look.size();
            if x + width > WIDTH {
                (x, y, line_height) = (0, y + line_height, 0);
            }
            let place = json!({ "x": x, "y": y, "w": width, "h": height });
            placed.push(picture(panel, &place, placed.len() + 1));
            (x, line_height) = (x + width, line_height.max(height));
        }
        y += line_height;
    }
    placed
}

fn heading(row: &Row, y: u16, id: usize) -> Value {
    json!({
        "id": id, "type": "row", "title": row.title, "collapsed": false, "panels": [],
        "gridPos": { "x": 0, "y": y, "w": WIDTH, "h": 1 },
    })
}

fn picture(panel: &Panel, place: &Value, id: usize) -> Value {
    let targets: Vec<Value> =
        panel.asks.iter().zip('A'..='Z').map(|(ask, letter)| target(panel.look, *ask, letter)).collect();
    let mut picture = json!({
        "id": id,
        "type": panel.look.kind(),
        "title": panel.title,
        "description": panel.about,
        "datasource": datasource(),
        "gridPos": place,
        "targets": targets,
        "fieldConfig": {
            "defaults": { "unit": panel.unit.name(), "custom": panel.look.custom(), "min": panel.unit.min() },
            "overrides": [],
        },
        "options": panel.look.options(),
        "transformations": [],
    });
    if panel.unit.min().is_null()
        && let Some(defaults) = picture["fieldConfig"]["defaults"].as_object_mut()
    {
        defaults.remove("min");
    }
    if panel.look.is_table() {
        picture["transformations"] = table(panel);
    }
    picture
}

fn target(look: Look, (legend, query): (&str, &str), letter: char) -> Value {
    let is_now = look.is_table();
    json!({
        "refId": letter.to_string(),
        "datasource": datasource(),
        "expr": chosen(query),
        "legendFormat": if is_now { "__auto" } else { legend },
        "format": if is_now { "table" } else { "time_series" },
        "instant": is_now,
        "range": !is_now,
    })
}

/// The query with what the reader chose, as raw strings: a quote in a label does not end them.
fn chosen(query: &str) -> String {
    let node = "{job=~`${job:regex}`,instance=~`${instance:regex}`";
    let site = format!("{node},site=~`${{site:regex}}`");
    let place = |query: String, from: &str, to: &str| {
        query
            .replace(&format!("{{{from}}}"), &format!("{to}}}"))
            .replace(&format!("{{{from}, "), &format!("{to},"))
    };
    place(place(query.to_owned(), "node", node), "site", &site)
}

/// One line for what the queries have in common, one column for each of them.
fn table(panel: &Panel) -> Value {
    let column = |letter: char| match panel.asks.len() {
        1 => "Value".to_owned(),
        _ => format!("Value #{letter}"),
    };
    let names: serde_json::Map<String, Value> = panel
        .asks
        .iter()
        .zip('A'..='Z')
        .map(|((legend, _), letter)| (column(letter), json!(legend)))
        .collect();
    json!([
        { "id": "merge", "options": {} },
        { "id": "organize", "options": { "excludeByName": { "Time": true }, "indexByName": {}, "renameByName": names } },
    ])
}

impl Look {
    /// Width and height in cells.
    fn size(self) -> (u16, u16) {
        match self {
            Look::Number => (4, 4),
            Look::Lines | Look::Stack | Look::Table => (12, 8),
            Look::WideTable => (24, 10),
        }
    }

    fn is_table(self) -> bool {
        matches!(self, Look::Table | Look::WideTable)
    }

    fn kind(self) -> &'static str {
        match self {
            Look::Number => "stat",
            Look::Lines | Look::Stack => "timeseries",
            Look::Table | Look::WideTable => "table",
        }
    }

    fn custom(self) -> Value {
        match self {
            Look::Lines => json!({ "lineWidth": 1, "fillOpacity": 0, "showPoints": "never" }),
            Look::Stack => json!({
                "lineWidth": 1, "fillOpacity": 30, "showPoints": "never",
                "stacking": { "mode": "normal", "group": "A" },
            }),
            Look::Number | Look::Table | Look::WideTable => json!({}),
        }
    }

    fn options(self) -> Value {
        match self {
            Look::Number => json!({
                "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
                "colorMode": "none", "graphMode": "area", "justifyMode": "auto", "textMode": "value",
                "orientation": "auto",
            }),
            Look::Lines | Look::Stack => json!({
                "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": [] },
                "tooltip": { "mode": "multi", "sort": "desc" },
            }),
            Look::Table | Look::WideTable => json!({ "showHeader": true, "cellHeight": "sm" }),
        }
    }
}

impl Unit {
    /// The name by which Grafana knows it.
    fn name(self) -> &'static str {
        match self {
            Unit::Count => "short",
            Unit::PerSecond => "cps",
            Unit::Seconds => "s",
            Unit::Bytes => "bytes",
            Unit::Share => "percentunit",
            Unit::Moment => "dateTimeAsIso",
        }
    }

    /// Where an axis begins; seconds may be negative, as a skew is.
    fn min(self) -> Value {
        match self {
            Unit::Count | Unit::PerSecond | Unit::Bytes | Unit::Share => json!(0),
            Unit::Seconds | Unit::Moment => Value::Null,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_of_the_reader_stands_in_raw_strings() {
        assert_eq!(
            chosen(r#"a{node} + b{site, period="today"}"#),
            "a{job=~`${job:regex}`,instance=~`${instance:regex}`} + \
             b{job=~`${job:regex}`,instance=~`${instance:regex}`,site=~`${site:regex}`,period=\"today\"}"
        );
    }

    #[test]
    fn panels_lie_side_by_side_and_never_upon_each_other() {
        for board in
            [&super::super::traffic::BOARD, &super::super::health::BOARD, &super::super::fleet::BOARD]
        {
            let mut cells = std::collections::BTreeSet::new();
            for panel in panels(board) {
                let of = |key: &str| panel["gridPos"][key].as_u64().expect("a number");
                for x in of("x")..of("x") + of("w") {
                    for y in of("y")..of("y") + of("h") {
                        assert!(x < u64::from(WIDTH) && cells.insert((x, y)), "{}", panel["title"]);
                    }
                }
            }
        }
    }
}
