//! Reads the body of a command.

use std::fmt;
use std::time::Duration;

use api::{Command, excerpt};
use axum::body::{Body, HttpBody};
use http::StatusCode;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::guard::Refusal;

/// The largest body, in bytes.
pub(super) const MOST: usize = 64 * 1024;

/// The time limit for a body.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads a command.
///
/// # Errors
/// If the body is too long, takes too long, is no JSON, or is no command.
pub(super) async fn command(body: Body) -> Result<Command, Refusal> {
    let too_long =
        || Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("a command has at most {} kB", MOST / 1024));
    // A length that the head promises needs no wait for the bytes.
    if body.size_hint().lower() > MOST as u64 {
        return Err(too_long());
    }
    let read = timeout(PATIENCE, Limited::new(body, MOST).collect()).await;
    let read = read.map_err(|_| {
        Refusal::new(
            StatusCode::REQUEST_TIMEOUT,
            format!("the command did not come within {} s", PATIENCE.as_secs()),
        )
    })?;
    let body = read.map_err(|error| match error.is::<LengthLimitError>() {
        true => too_long(),
        false => Refusal::new(StatusCode::BAD_REQUEST, format!("the command ended early: {error}")),
    })?;
    read_command(&body.to_bytes())
}

fn read_command(body: &[u8]) -> Result<Command, Refusal> {
    let wrong = |error: String| Refusal::new(StatusCode::BAD_REQUEST, error);
    let value: Fields = serde_json::from_slice(body).map_err(|error| {
        let what = if error.is_data() {
            "a command is a JSON object with each field once"
        } else {
            "this is no JSON"
        };
        let error = error.to_string();
        wrong(format!("{what}: {}; write a command as {{\"do\": \"kill\", \"backend\": 2}}", excerpt(&error)))
    })?;
    Command::try_from(Value::Object(value.0)).map_err(wrong)
}

/// A JSON object whose keys are all different: of two values, none is the one that was meant.
struct Fields(Map<String, Value>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut all: A) -> Result<Fields, A::Error> {
        let mut fields = Map::new();
        while let Some((name, value)) = all.next_entry::<String, Value>()? {
            if fields.contains_key(&name) {
                return Err(A::Error::custom("a field is there twice"));
            }
            fields.insert(name, value);
        }
        Ok(Fields(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_only_the_beginning_of_a_long_body() {
        let error = read_command(format!("\"{}\"", "x".repeat(3000)).as_bytes()).unwrap_err().error;
        assert!(error.len() < 300 && error.contains("xx ...; write a command as"), "{error}");
    }

    #[test]
    fn a_command_has_each_field_once() {
        for (body, expected) in [
            (r#"{"do":"ready","do":"kill","backend":1}"#, "there twice"),
            (r#"{"do":"kill","backend":1,"backend":2}"#, "there twice"),
            ("[1]", "expected a JSON object"),
            ("{", "EOF"),
        ] {
            let error = read_command(body.as_bytes()).unwrap_err().error;
            assert!(error.contains(expected), "{body}: {error}");
        }
        let kill = read_command(br#"{"do":"kill","backend":1}"#).unwrap();
        assert_eq!(kill, Command::Kill { backend: 1 });
    }
}
