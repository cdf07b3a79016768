//! Tests of reading commands.

use serde_json::{Value, json};

use super::*;

/// The command in a JSON text, or the error.
fn read(text: &str) -> Result<Command, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

#[test]
fn each_example_is_read_and_written_again() {
    let more = [r#"{"do": "load", "loop": "closed", "clients": 8}"#, r#"{"do": "ghost"}"#];
    for text in COMMANDS.iter().map(|row| row.example).chain(more) {
        let command = read(text).unwrap();
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(value["do"], command.name());
        let written = serde_json::to_value(&command).unwrap();
        assert_eq!(Command::try_from(written), Ok(command), "{text}");
    }
}

#[test]
fn a_command_has_the_fields_of_its_text() {
    for (text, expected) in [
        (r#"{"do":"kill","backend":2}"#, Command::Kill { backend: 2 }),
        (
            r#"{"do":"fault","backend":1,"fault":{"kind":"refuse"}}"#,
            Command::Fault { backend: 1, fault: json!({"kind": "refuse"}) },
        ),
        (
            r#"{"do":"end-fault","backend":1,"kind":"refuse"}"#,
            Command::EndFault { backend: 1, kind: "refuse".into() },
        ),
        (r#"{"do":"weight","backend":1,"weight":0}"#, Command::Weight { backend: 1, weight: 0 }),
        (r#"{"do":"load","loop":"open","rate":1.5}"#, Command::Load(LoadModel::Open { rate: 1.5 })),
        (r#"{"do":"load","loop":"closed","clients":8}"#, Command::Load(LoadModel::Closed { clients: 8 })),
        (r#"{"do":"ghost","policy":null}"#, Command::Ghost { policy: None }),
        (r#"{"do":"ghost","policy":"random"}"#, Command::Ghost { policy: Some("random".into()) }),
        (r#"{"do":"reveal"}"#, Command::Reveal),
    ] {
        assert_eq!(read(text), Ok(expected), "{text}");
    }
    let load = Command::Load(LoadModel::Open { rate: 2.0 });
    assert_eq!(serde_json::to_value(load).unwrap(), json!({"do": "load", "loop": "open", "rate": 2.0}));
}

#[test]
fn a_mistake_is_named_with_its_remedy() {
    for (text, parts) in [
        ("[]", &["JSON object", r#"{"do": "kill", "backend": 2}"#][..]),
        ("{}", &["`do` is missing", "end-fault"]),
        (r#"{"do":"explode"}"#, &[r#"`do` is "explode""#, "kill"]),
        (r#"{"do":7}"#, &["`do` is 7"]),
        (r#"{"do":"kill"}"#, &["`backend` is missing", "the first is 1"]),
        (r#"{"do":"kill","backend":0}"#, &["`backend` is 0"]),
        (r#"{"do":"kill","backend":"2"}"#, &[r#"`backend` is "2""#]),
        (r#"{"do":"kill","backend":2.5}"#, &["`backend` is 2.5"]),
        (r#"{"do":"kill","backend":2,"lane":2}"#, &["`lane` is no field of the command kill"]),
        (r#"{"do":"reset","backend":2}"#, &["`backend` is no field of the command reset"]),
        (r#"{"do":"fault","backend":2,"fault":"latency"}"#, &[r#"`fault` is "latency""#, "400ms"]),
        (r#"{"do":"fault","backend":2,"fault":{}}"#, &["`fault` is {}", "kind"]),
        (r#"{"do":"end-fault","backend":2,"kind":""}"#, &[r#"`kind` is """#]),
        (r#"{"do":"weight","backend":2,"weight":-1}"#, &["`weight` is -1", "whole number"]),
        (r#"{"do":"policy"}"#, &["`policy` is missing"]),
        (r#"{"do":"ghost","policy":3}"#, &["`policy` is 3"]),
        (r#"{"do":"load","loop":"half"}"#, &[r#"`loop` is "half""#, "closed"]),
        (r#"{"do":"load","loop":"open","rate":-1}"#, &["`rate` is -1", "from 0"]),
        (r#"{"do":"load","loop":"open","clients":2}"#, &["`rate` is missing"]),
        (
            r#"{"do":"load","loop":"closed","clients":0}"#,
            &["`clients` is 0", r#"write it as {"do": "load", "loop": "closed", "clients": 8}"#],
        ),
        (r#"{"do":"load","loop":"closed","clients":2,"rate":2}"#, &["`rate` is no field of this load"]),
    ] {
        let error = read(text).unwrap_err();
        assert!(parts.iter().all(|part| error.contains(part)), "{text}: {error}");
    }
}

#[test]
fn a_long_mistake_is_shown_in_part() {
    let text = json!({"do": "kill", "backend": "ä".repeat(9000)}).to_string();
    let error = read(&text).unwrap_err();
    assert!(error.len() < 500 && error.contains("ää ..."), "{error}");
    let text = json!({"do": "kill", "backend": 1, "ä".repeat(9000): 1}).to_string();
    let error = read(&text).unwrap_err();
    assert!(error.len() < 500 && error.contains("ää ...` is no field"), "{error}");
}
