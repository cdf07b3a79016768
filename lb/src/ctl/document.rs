//! The documents of the admin port, as the types that both sides know. The server may be any server, so each
//! document is checked before it is used.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Failure;
use crate::shown::shown;

/// Reads a document of the balancer.
///
/// # Errors
/// The document is not of this type.
pub(super) fn read<T: DeserializeOwned + Serialize>(document: &Value) -> Result<T, Failure> {
    parse(document).map_err(|error| {
        Failure::Refused(format!(
            "the answer is not one of a balancer of this version ({}); is this its admin address?",
            shown(&error)
        ))
    })
}

fn parse<T: DeserializeOwned + Serialize>(document: &Value) -> Result<T, String> {
    let read = T::deserialize(document).map_err(|error| error.to_string())?;
    let written = serde_json::to_value(&read).map_err(|error| error.to_string())?;
    match has_objects_of(&written, document) {
        true => Ok(read),
        false => Err("it has a list in place of an object".to_owned()),
    }
}

/// Whether a document has an object wherever its type has one. serde also reads a list as a type with fields,
/// in the order of the fields.
fn has_objects_of(written: &Value, document: &Value) -> bool {
    match (written, document) {
        (Value::Object(written), Value::Object(document)) => written
            .iter()
            .all(|(key, value)| document.get(key).is_none_or(|given| has_objects_of(value, given))),
        (Value::Object(_), _) => false,
        (Value::Array(written), Value::Array(document)) => {
            written.iter().zip(document).all(|(value, given)| has_objects_of(value, given))
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use api::{PolicyInForce, State, StatisticsReset};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_is_no_object_at_any_depth() {
        let is_list = |error: Result<(), String>| error.is_err_and(|error| error.contains("a list in place"));
        let reset = |document: Value| parse::<StatisticsReset>(&document).map(drop);
        assert_eq!(reset(json!({"counting_ms": 5})), Ok(()));
        assert!(is_list(reset(json!([5]))));
        let policy = |document: Value| parse::<PolicyInForce>(&document).map(drop);
        assert!(is_list(policy(json!(["ring", []]))));
        let state = |totals: Value, backends: Value| {
            let document = json!({
                "version": "1", "policy": "ring", "listen": "0.0.0.0:1", "workers": 1, "draining": false,
                "uptime_ms": 1, "counting_ms": 1, "connections": 1, "totals": totals, "backends": backends
            });
            parse::<State>(&document).map(drop)
        };
        assert_eq!(state(json!({}), json!([{"number": 1}])), Ok(()));
        assert!(is_list(state(json!([]), json!([]))));
        assert!(is_list(state(json!({}), json!([{"number": 1}, []]))));
        assert!(is_list(state(json!({}), json!([{"latency_us": []}]))));
        assert!(reset(json!({"counting_ms": "x"})).is_err_and(|error| error.contains("expected u64")));
    }
}
