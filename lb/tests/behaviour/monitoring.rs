//! Whether the dashboard and the alert rules in `docs` use existing metrics.

use std::collections::{HashMap, HashSet};
use std::fs;

use serde_json::{Value, json};

use crate::common::{Lb, Metrics, NO_PINGS, Upstream};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/statistics");

/// Labels that Prometheus adds, to show the origin of a number.
const ADDED: [&str; 2] = ["instance", "job"];

fn read(file: &str) -> String {
    fs::read_to_string(format!("{FOLDER}/{file}")).unwrap()
}

/// The labels of every series on the metrics page of a balancer.
fn known() -> HashMap<String, HashSet<String>> {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let metrics = Metrics::of(lb.admin);
    let series = metrics.all_series().map(|one| {
        let labels = one.labels.iter().map(|(label, _)| label.clone());
        (one.name.clone(), labels.chain(ADDED.map(String::from)).collect())
    });
    // Queries use a histogram by its base name.
    let types = metrics.text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    types.map(|name| (name.to_owned(), HashSet::new())).chain(series).collect()
}

/// The names in a query that could be metrics, each with the labels in its selector.
fn asked_for(query: &str) -> Vec<(String, Vec<String>)> {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut found = Vec::new();
    let mut rest = query;
    while let Some(at) = rest.find(is_word) {
        let (word, behind) =
            rest[at..].split_at(rest[at..].find(|c| !is_word(c)).unwrap_or_else(|| rest[at..].len()));
        rest = behind;
        if !["roundabout_", "process_", "lb_"].iter().any(|prefix| word.starts_with(prefix)) {
            continue;
        }
        let selector =
            behind.strip_prefix('{').and_then(|inside| inside.split('}').next()).unwrap_or_default();
        // No value here contains a comma.
        let labels = selector.split(',').filter_map(|label| label.split(['=', '!']).next());
        let labels = labels.map(|label| label.trim().to_owned()).filter(|label| !label.is_empty());
        found.push((word.to_owned(), labels.collect()));
    }
    found
}

/// The errors in the metrics of a query.
fn objections(query: &str, known: &HashMap<String, HashSet<String>>) -> Vec<String> {
    let mut objections = Vec::new();
    for (name, labels) in asked_for(query) {
        match known.get(&name) {
            None => objections.push(format!("there is no {name}")),
            Some(has) => {
                let missing = labels.into_iter().filter(|label| !has.contains(label));
                objections.extend(missing.map(|label| format!("{name} has no label {label}")));
            }
        }
    }
    objections
}

/// All values of a member, at any place in a document.
fn members<'a>(document: &'a Value, name: &str) -> Vec<&'a Value> {
    let below: Vec<&Value> = match document {
        Value::Object(object) => object.values().collect(),
        Value::Array(array) => array.iter().collect(),
        _ => Vec::new(),
    };
    let here = document.get(name).into_iter();
    here.chain(below.into_iter().flat_map(|inner| members(inner, name))).collect()
}

#[test]
fn what_is_not_there_is_found() {
    let known = known();
    let query = "rate(roundabout_requests_total[5m]) / roundabout_nothing + roundabout_backend_up{where=~\"a\", instance!=\"b\"}";
    let expected = ["there is no roundabout_nothing", "roundabout_backend_up has no label where"];
    assert_eq!(objections(query, &known), expected);
}

#[test]
fn the_dashboard_asks_for_what_there_is() {
    let known = known();
    let dashboard: Value = serde_json::from_str(&read("dashboard.json")).unwrap();
    let queries: Vec<_> = members(&dashboard, "expr").into_iter().filter_map(Value::as_str).collect();
    assert!(queries.len() > 20, "{queries:?}");
    let variables = members(&dashboard, "definition").into_iter().filter_map(Value::as_str);
    for query in queries.iter().copied().chain(variables) {
        assert!(!asked_for(query).is_empty(), "{query}");
        assert_eq!(objections(query, &known), Vec::<String>::new(), "{query}");
    }
    let ids: Vec<_> = members(&dashboard["panels"], "id");
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "every panel has a number of its own");

    // Saved for promtool, as rules: it checks queries, but not dashboards.
    let rules = queries.iter().zip(1..).map(|(query, number)| {
        let query = query.replace("$__rate_interval", "1m").replace("$__range", "1h");
        json!({"record": format!("dashboard:{number}"), "expr": query})
    });
    let rules = json!({"groups": [{"name": "dashboard", "rules": rules.collect::<Vec<_>>()}]});
    fs::write(format!("{}/dashboard-rules.json", env!("CARGO_TARGET_TMPDIR")), rules.to_string()).unwrap();
}

#[test]
fn the_alerts_ask_for_what_there_is_and_each_is_tried_out() {
    let known = known();
    for file in ["alerts.yml", "alerts-test.yml"] {
        let text = read(file);
        assert!(asked_for(&text).len() > 10, "{file}");
        assert_eq!(objections(&text, &known), Vec::<String>::new(), "{file}");
    }
    let (alerts, tests) = (read("alerts.yml"), read("alerts-test.yml"));
    let after = |text: &str, key: &str| -> Vec<String> {
        let lines = text.lines().filter_map(|line| line.trim().strip_prefix(key));
        lines.map(|name| name.trim().to_owned()).collect()
    };
    let names = after(&alerts, "- alert:");
    assert!(names.len() >= 10);
    for name in &names {
        let tried: Vec<_> =
            tests.split("- alertname: ").filter(|part| part.starts_with(&format!("{name}\n"))).collect();
        let fires = tried.iter().filter(|part| part.contains("exp_labels")).count();
        assert!(fires > 0 && tried.len() > fires, "{name} fires in {fires} of {} trials", tried.len());
    }
}
