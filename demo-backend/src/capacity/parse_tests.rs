//! Tests: which capacities are read, and which are refused with which words.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Capacity, Discipline, OnDisconnect, SETTINGS};

fn parse(definition: &Value) -> Result<Capacity, String> {
    Capacity::parse(definition.as_object().unwrap()).map_err(|error| error.to_string())
}

#[test]
fn a_capacity_is_read_and_shown_in_the_same_words() {
    assert_eq!(parse(&json!({})), Ok(Capacity::default()));
    assert_eq!(parse(&Capacity::default().view()), Ok(Capacity::default()));
    let all = Capacity {
        workers: Some(3),
        queue: Some(0),
        discipline: Discipline::DropHopeless,
        shed: Some(7),
        on_disconnect: OnDisconnect::Continue,
        patience: Some(Duration::from_millis(1500)),
        work: Duration::from_micros(250),
        speed: 12.5,
    };
    assert_eq!(parse(&all.view()), Ok(all));
    for (name, example, _) in SETTINGS {
        let value: Value = serde_json::from_str(example).unwrap();
        assert_ne!(
            parse(&json!({ *name: value })),
            Ok(Capacity::default()),
            "{name}: the example says something"
        );
    }
}

#[test]
fn an_invalid_capacity_is_refused_with_what_to_write() {
    for (definition, message) in [
        (json!({"workers": 0}), "workers: 0 is not valid; write a whole number, 1 to 4294967295, or"),
        (json!({"workers": "many"}), "workers: \"many\" is not valid; write a whole number"),
        (json!({"worker": 3}), "worker: no such field here; write \"workers\"; there are workers, queue"),
        (
            json!({"queue": -1}),
            "queue: -1 is not valid; write a whole number, 0 to 4294967295, or \"unbounded\"",
        ),
        (
            json!({"discipline": "fair"}),
            "discipline: \"fair\" is no discipline; write \"fifo\" or \"lifo\" or",
        ),
        (
            json!({"on_disconnect": true}),
            "on_disconnect: true is no reaction; write \"continue\" or \"cancel\"",
        ),
        (json!({"patience": "long"}), "patience: \"long\" is no duration; write \"250ms\""),
        (json!({"speed": 0}), "speed: 0 is not valid; write a number from 1 to 1000"),
    ] {
        let error = parse(&definition).expect_err(&definition.to_string());
        assert!(error.starts_with(message), "{definition} gives {error}");
    }
}

#[test]
fn the_service_time_is_the_work_at_the_speed() {
    let half = Capacity { speed: 50.0, ..Capacity::default() };
    assert_eq!(half.service(Duration::from_millis(20)), Duration::from_millis(40));
    assert_eq!(half.at(10.0).service(Duration::from_millis(20)), Duration::from_millis(400));
    let day = Duration::from_secs(24 * 3600);
    assert_eq!(half.at(1e-300).service(Duration::from_millis(20)), day, "no speed is too low");
}
