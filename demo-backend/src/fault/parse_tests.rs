//! Tests: which definitions are refused, and with which words.

use serde_json::{Value, json};

use super::Fault;
use super::kinds::{KINDS, SCOPE};

/// Each definition must be refused with an error that begins with its message.
fn assert_refused(cases: &[(Value, &str)]) {
    for (definition, message) in cases {
        let error = Fault::parse(definition.as_object().unwrap()).expect_err(message).to_string();
        assert!(error.starts_with(message), "{definition} gives {error}");
    }
}

#[test]
fn an_error_shows_only_the_beginning_of_a_long_input() {
    let long = "ä".repeat(3000);
    for definition in [
        json!({"kind": long}),
        json!({"kind": "reset", &long: 5}),
        json!({"kind": "reset", "at": long}),
        json!({"kind": "reset", "for": long}),
        json!({"kind": "latency", "uniform": long}),
        json!({"kind": "garbage", "match": long}),
        json!({"kind": "garbage", "match": {"method": long}}),
    ] {
        let error = Fault::parse(definition.as_object().unwrap()).unwrap_err().to_string();
        assert!(error.contains("ää ...") && !error.contains(&"ä".repeat(101)), "{error}");
    }
}

#[test]
fn an_invalid_definition_is_refused_with_what_to_write() {
    assert_refused(&[
        (json!({}), "kind: is missing; write one of refuse, exit_on_term, cold_start, cache, latency"),
        (
            json!({"kind": "slow"}),
            "kind: \"slow\" is unknown; write one of refuse, exit_on_term, cold_start, cache, latency",
        ),
        (
            json!({"kind": "reset", "precent": 5}),
            "precent: no such field here; write \"percent\"; there are kind, at, percent, skip",
        ),
        (json!({"kind": "reset", "percent": 130}), "percent: 130 is not valid; write a number from 0 to 100"),
        (json!({"kind": "reset", "first": 0}), "first: 0 is not valid; write a whole number, 1 or more"),
        (json!({"kind": "reset", "for": "soon"}), "for: \"soon\" is no duration; write \"250ms\", \"2s\" or"),
        (json!({"kind": "reset", "at": "end"}), "at: \"end\" is no position; write \"before\" or \"mid\""),
        (json!({"kind": "status"}), "code: is missing; write a status from 200 to 599"),
        (json!({"kind": "status", "code": 99}), "code: 99 is not valid; write a whole number, 200 to 599"),
        (json!({"kind": "latency"}), "latency: how long? Write one of \"fixed\""),
        (json!({"kind": "latency", "fixed": 1, "exponential": 1}), "latency: has more than one distribution"),
        (json!({"kind": "latency", "fixed": "2m"}), "fixed: \"2m\" is too long; write 1m at most"),
        (
            json!({"kind": "latency", "uniform": [5, 1]}),
            "uniform: [5,1] is no range; write [\"10ms\", \"1s\"]",
        ),
        (json!({"kind": "latency", "bimodal": {"fast": 1}}), "bimodal.slow: is missing; write {\"fast\""),
        (
            json!({"kind": "latency", "bimodal": {"fast": 1, "slow": 2, "slow_percent": 3, "x": 4}}),
            "bimodal.x: no such field here; there are fast, slow, slow_percent",
        ),
        (json!({"kind": "drip", "bytes": 0}), "bytes: 0 is not valid"),
        (json!({"kind": "truncate", "chunked": 1}), "chunked: 1 is not valid; write true or false"),
        (json!({"kind": "garbage", "match": "/a"}), "match: \"/a\" is no object; write {\"path\": \"/api*\""),
        (json!({"kind": "garbage", "match": {"path": "a"}}), "match.path: \"a\" is not valid; write a path"),
        (json!({"kind": "garbage", "match": {"method": "get"}}), "match.method: \"get\" is not valid"),
        (
            json!({"kind": "garbage", "match": {"host": "a"}}),
            "match.host: no such field here; there are path, method, header",
        ),
        (json!({"kind": "refuse", "percent": 5}), "percent: no such field here; there are kind, after, for"),
        (
            json!({"kind": "rest"}),
            "kind: \"rest\" is unknown; write \"reset\", or one of refuse, exit_on_term",
        ),
        // The unknown field is the reason why `code` is missing, so it comes first.
        (
            json!({"kind": "status", "params": {"code": 500}}),
            "params: no such field here; there are kind, code, retry_after, weighted, percent, skip, every, first, after, for, \
             match; for example {\"kind\": \"status\", \"code\": 503",
        ),
    ]);
}

#[test]
fn a_field_without_a_meaning_is_refused_with_what_to_write() {
    assert_refused(&[
        (
            json!({"kind": "status", "weighted": {"99": 1}}),
            "weighted: {\"99\":1} is not valid; write statuses",
        ),
        (json!({"kind": "status", "weighted": {"200": 0}}), "weighted: {\"200\":0} is not valid"),
        (json!({"kind": "status", "weighted": {}}), "weighted: {} is not valid; write statuses from 200"),
        (json!({"kind": "status", "weighted": {"200": 1}, "code": 5}), "weighted: stands alone; remove code"),
        (json!({"kind": "pattern"}), "pattern: is missing; write letters S (success) and F (failure)"),
        (json!({"kind": "pattern", "pattern": "SXF"}), "pattern: \"SXF\" is not valid; write letters S"),
        (json!({"kind": "flap", "up": "2s"}), "down: is missing; write a duration such as \"2s\""),
        (json!({"kind": "flap", "up": 0, "down": 1}), "up: 0 is not valid; write a duration above 0"),
        (json!({"kind": "gc", "every": "1s", "pause": "2s"}), "pause: is longer than every; write"),
        (json!({"kind": "gc", "every": "1s", "pause": "1s", "first": 0}), "first: 0 is not valid"),
        (
            json!({"kind": "cold_start", "from": 0, "over": "1s"}),
            "from: 0 is not valid; write a number from 1",
        ),
        (json!({"kind": "cache", "size": 0, "hit": 1, "miss": 2}), "size: 0 is not valid"),
        (
            json!({"kind": "cache", "size": 1, "hit": 1, "miss": 2, "header": "X-Key"}),
            "header: \"X-Key\" is not valid; write the name of a header in small letters",
        ),
        (json!({"kind": "exit_on_term"}), "how: is missing; write \"ignore\" or \"immediate\" or \"drain\""),
        (
            json!({"kind": "exit_on_term", "how": "ignore", "grace": 1}),
            "grace: only \"how\": \"drain\" has it",
        ),
        (
            json!({"kind": "latency", "lognormal": {"p50": 9, "p99": 8}}),
            "lognormal: {\"p50\":9,\"p99\":8} is not valid; write a median above 0",
        ),
        (json!({"kind": "latency", "pareto": {"min": 9}}), "pareto.alpha: is missing; write {\"min\""),
        (
            json!({"kind": "reset", "match": {"header": "a"}}),
            "match.header: \"a\" is not valid; write an object",
        ),
        (
            json!({"kind": "reset", "match": {"header": {"A": "b"}}}),
            "match.header: {\"A\":\"b\"} is not valid",
        ),
    ]);
}

#[test]
fn each_row_of_the_table_is_true() {
    for row in KINDS {
        let example: Value = serde_json::from_str(row.example).unwrap();
        let fault = Fault::parse(example.as_object().unwrap()).expect(row.example);
        assert_eq!(example["kind"], row.name);
        let number = fault.kind.stage() as usize;
        let stage = ["admission", "delay", "status", "body", "close"][number];
        assert!(row.stage.contains(stage), "{} acts in the stage {stage}", row.name);
        // Each field is known to the parser: a wrong value is an error about this field.
        for field in row.fields.iter().chain(row.scope) {
            let mut definition = example.clone();
            let good: Value = serde_json::from_str(field.example).expect(field.example);
            assert!(!good.is_null());
            definition[field.name] = json!([[]]);
            let error = Fault::parse(definition.as_object().unwrap()).expect_err(field.name).to_string();
            assert!(error.starts_with(&format!("{}: ", field.name)), "{}: {error}", row.name);
        }
    }
    assert!(SCOPE.iter().all(|field| !field.does.is_empty()));
}
