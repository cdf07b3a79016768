//! Reads the body of a command.

use std::time::Duration;

use api::Command;
use axum::body::Body;
use http::StatusCode;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;
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
    let read = timeout(PATIENCE, Limited::new(body, MOST).collect()).await;
    let read = read.map_err(|_| {
        Refusal::new(
            StatusCode::REQUEST_TIMEOUT,
            format!("the command did not come within {} s", PATIENCE.as_secs()),
        )
    })?;
    let body = read.map_err(|error| match error.is::<LengthLimitError>() {
        true => {
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("a command has at most {} kB", MOST / 1024))
        }
        false => Refusal::new(StatusCode::BAD_REQUEST, format!("the command ended early: {error}")),
    })?;
    read_command(&body.to_bytes())
}

fn read_command(body: &[u8]) -> Result<Command, Refusal> {
    let wrong = |error: String| Refusal::new(StatusCode::BAD_REQUEST, error);
    let value: Value = serde_json::from_slice(body).map_err(|error| {
        wrong(format!("this is no JSON: {error}; write a command as {{\"do\": \"kill\", \"backend\": 2}}"))
    })?;
    Command::try_from(value).map_err(wrong)
}
