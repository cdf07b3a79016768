//! Waits for the effect of a command: a backend has finished its requests, or it serves.

use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::client::Client;
use super::{Failure, text, why};
use crate::shown::shown_document;

/// Interval at which a backend is checked.
const LOOK: Duration = Duration::from_millis(50);

/// How long `add` and `ready` wait for the first ping, so that they report evidence instead of an assumption.
/// By default, a ping takes 500 ms at most.
const FIRST_PING: Duration = Duration::from_secs(1);

/// Checks a backend repeatedly, until `done` returns a value or `wait` is over; then `None`.
fn watch<T>(
    client: &Client,
    number: &Value,
    wait: Duration,
    mut done: impl FnMut(StatusCode, Value) -> Option<Result<T, Failure>>,
) -> Result<Option<T>, Failure> {
    let path = format!("/backends/{number}");
    let begun = Instant::now();
    loop {
        let (status, now) = client.ask(Method::GET, &path, &json!({})).map_err(Failure::Unasked)?;
        if let Some(result) = done(status, shown_document(now)) {
            return result.map(Some);
        }
        if begun.elapsed() >= wait {
            return Ok(None);
        }
        std::thread::sleep(LOOK);
    }
}

/// Waits until a backend has finished its requests; if `gone`, until it has left the pool.
///
/// # Errors
/// That does not happen within `wait`, or the balancer does not answer.
pub(super) fn finished(
    client: &Client,
    backend: &Value,
    wait: Duration,
    gone: bool,
) -> Result<Value, Failure> {
    let (number, mut in_flight) = (&backend["number"], 0);
    let found = watch(client, number, wait, |status, now| {
        in_flight = now["in_flight"].as_u64().unwrap_or_default();
        match status {
            StatusCode::NOT_FOUND => Some(Ok(now)),
            _ if !status.is_success() => Some(Err(Failure::Refused(why(status, &now)))),
            _ => (!gone && in_flight == 0).then_some(Ok(now)),
        }
    })?;
    found.ok_or_else(|| {
        let wait = humantime::format_duration(wait);
        Failure::Refused(format!(
            "backend {number} still has requests in flight ({in_flight}) after {wait}; no request was cut off, so try again with a longer --wait"
        ))
    })
}

/// Waits until a backend serves: it is ready, and up because it has answered.
///
/// # Errors
/// That does not happen within `wait`, another command changes the backend meanwhile, or the balancer does
/// not answer.
pub(super) fn serving(client: &Client, backend: &Value, wait: Duration) -> Result<Value, Failure> {
    let number = &backend["number"];
    let mut last = backend.clone();
    let found = watch(client, number, wait, |status, now| {
        if !status.is_success() {
            return Some(Err(Failure::Refused(why(status, &now))));
        }
        last = now.clone();
        match (text(&now, "mode"), now["leaving"] == true) {
            ("ready", false) => (now["state"] == "up" && is_known(&now)).then_some(Ok(now)),
            (mode, leaving) => {
                let (is, fix) = match leaving {
                    true => ("leaving".to_owned(), format!("lb ctl add {}", text(&now, "url"))),
                    false => (format!("in mode {mode}"), format!("lb ctl ready {number}")),
                };
                let why = format!("backend {number} is now {is} and gets no new requests; run {fix} first");
                Some(Err(Failure::Refused(why)))
            }
        }
    })?;
    found.ok_or_else(|| {
        let (wait, url) = (humantime::format_duration(wait), text(&last, "url"));
        Failure::Refused(format!(
            "backend {number} is not up after {wait}, but {}; it gets requests when it answers pings: check {url}, or try again \
             with a longer --wait",
            state(&last)
        ))
    })
}

/// A backend that was just added, or made ready, after its first ping, or a second later.
///
/// # Errors
/// The balancer does not answer.
pub(super) fn pinged(client: &Client, backend: Value) -> Result<Value, Failure> {
    if is_known(&backend) || backend["mode"] == "maintenance" {
        return Ok(backend);
    }
    let found = watch(client, &backend["number"], FIRST_PING, |status, now| {
        (!status.is_success() || is_known(&now))
            .then(|| Ok(if status.is_success() { now } else { backend.clone() }))
    })?;
    Ok(found.unwrap_or(backend))
}

/// Whether there has been evidence about a backend. A balancer without this field counts as having evidence.
fn is_known(backend: &Value) -> bool {
    backend["proven"] != false
}

/// The state of a backend, with its cause if it is not up.
pub(super) fn state(backend: &Value) -> String {
    match (text(backend, "state"), backend["cause"].as_str()) {
        _ if !is_known(backend) => "not pinged yet".to_owned(),
        ("up", _) => "up".to_owned(),
        (state, Some(cause)) => format!("{state} ({cause})"),
        (state, None) => state.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_told_as_far_as_it_is_known() {
        let table = [
            (json!({"state": "up"}), "up"),
            (json!({"state": "up", "proven": true, "cause": "ping answered"}), "up"),
            (json!({"state": "up", "proven": false}), "not pinged yet"),
            (json!({"state": "down", "cause": "ping: refused", "proven": true}), "down (ping: refused)"),
            (json!({"state": "suspect"}), "suspect"),
            (json!(null), "?"),
        ];
        for (backend, expected) in table {
            assert_eq!(state(&backend), expected, "{backend}");
        }
    }
}
