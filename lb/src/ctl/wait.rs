//! Waits for the effect of a command: a backend has finished its requests, or it serves.

use std::time::{Duration, Instant};

use api::BackendSummary;
use http::{Method, StatusCode};
use serde_json::json;

use super::client::Client;
use super::document::read;
use super::{Failure, why};
use crate::shown::shown_document;

/// Interval at which a backend is checked.
const LOOK: Duration = Duration::from_millis(50);

/// How long `add` and `ready` wait for the first ping, so that they report evidence instead of an assumption.
/// By default, a ping takes 500 ms at most.
const FIRST_PING: Duration = Duration::from_secs(1);

/// Checks a backend repeatedly, until `done` returns a value or `wait` is over; then `None`. When the backend
/// has left, another one may get its number; then the balancer no longer knows the watched one.
fn watch<T>(
    client: &Client,
    backend: &BackendSummary,
    wait: Duration,
    mut done: impl FnMut(Result<BackendSummary, Refused>) -> Option<Result<T, Failure>>,
) -> Result<Option<T>, Failure> {
    let path = format!("/backends/{}", backend.number);
    let begun = Instant::now();
    loop {
        let (status, now) = client.ask(Method::GET, &path, &json!({})).map_err(Failure::Unreachable)?;
        let now = shown_document(now);
        let now = match status.is_success() {
            true => same(backend, read(&now)?),
            false => Err(Refused { status, why: why(status, &now) }),
        };
        if let Some(result) = done(now) {
            return result.map(Some);
        }
        if begun.elapsed() >= wait {
            return Ok(None);
        }
        std::thread::sleep(LOOK);
    }
}

/// The description of the watched backend, unless it is about another one with the same number.
fn same(watched: &BackendSummary, now: BackendSummary) -> Result<BackendSummary, Refused> {
    match now.url == watched.url {
        true => Ok(now),
        false => Err(Refused {
            status: StatusCode::NOT_FOUND,
            why: format!("backend {} was {}, which has left; now it is {}", now.number, watched.url, now.url),
        }),
    }
}

/// Why the balancer does not describe a backend.
struct Refused {
    status: StatusCode,
    why: String,
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused.why)
    }
}

/// Waits until a backend has finished its requests; if `gone`, until it has left the pool, and `None` is
/// returned.
///
/// # Errors
/// That does not happen within `wait`, or the balancer does not answer.
pub(super) fn finished(
    client: &Client,
    backend: &BackendSummary,
    wait: Duration,
    gone: bool,
) -> Result<Option<BackendSummary>, Failure> {
    let (number, mut in_flight) = (backend.number, 0);
    let found = watch(client, backend, wait, |now| match now {
        Err(refused) if refused.status == StatusCode::NOT_FOUND => Some(Ok(None)),
        Err(refused) => Some(Err(refused.into())),
        Ok(now) => {
            in_flight = now.in_flight;
            (!gone && in_flight == 0).then_some(Ok(Some(now)))
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
pub(super) fn serving(
    client: &Client,
    backend: BackendSummary,
    wait: Duration,
) -> Result<BackendSummary, Failure> {
    let number = backend.number;
    let mut last = backend.clone();
    let found = watch(client, &backend, wait, |now| {
        let now = match now {
            Err(refused) => return Some(Err(refused.into())),
            Ok(now) => now,
        };
        last = now.clone();
        match (&now.mode[..], now.leaving) {
            ("ready", false) => (now.state == "up" && now.proven).then_some(Ok(now)),
            (mode, leaving) => {
                let (is, fix) = match leaving {
                    true => ("leaving".to_owned(), format!("lb ctl add {}", now.url)),
                    false => (format!("in mode {mode}"), format!("lb ctl ready {number}")),
                };
                let why = format!("backend {number} is now {is} and gets no new requests; run {fix} first");
                Some(Err(Failure::Refused(why)))
            }
        }
    })?;
    found.ok_or_else(|| {
        let (wait, url) = (humantime::format_duration(wait), &last.url);
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
pub(super) fn pinged(client: &Client, backend: BackendSummary) -> Result<BackendSummary, Failure> {
    if backend.proven || backend.mode == "maintenance" {
        return Ok(backend);
    }
    let found = watch(client, &backend, FIRST_PING, |now| match now {
        Err(_) => Some(Ok(backend.clone())),
        Ok(now) => now.proven.then_some(Ok(now)),
    })?;
    Ok(found.unwrap_or(backend))
}

/// The state of a backend, with its cause if it is not up.
pub(super) fn state(backend: &BackendSummary) -> String {
    match (&backend.state[..], &backend.cause[..]) {
        _ if !backend.proven => "not pinged yet".to_owned(),
        ("up", _) => "up".to_owned(),
        (state, "") => state.to_owned(),
        (state, cause) => format!("{state} ({cause})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_backend_with_the_same_number_is_not_the_watched_one() {
        let backend = |url: &str| -> BackendSummary {
            serde_json::from_value(json!({"number": 3, "url": url, "mode": "ready", "state": "up"})).unwrap()
        };
        let watched = backend("http://a:1");
        assert!(same(&watched, backend("http://a:1")).is_ok());
        let refused = same(&watched, backend("http://b:2")).expect_err("it is another one");
        assert_eq!(refused.status, StatusCode::NOT_FOUND);
        assert_eq!(refused.why, "backend 3 was http://a:1, which has left; now it is http://b:2");
    }

    #[test]
    fn a_state_is_told_as_far_as_it_is_known() {
        let table = [
            (json!({"state": "up"}), "up"),
            (json!({"state": "up", "proven": true, "cause": "ping answered"}), "up"),
            (json!({"state": "up", "proven": false}), "not pinged yet"),
            (json!({"state": "down", "cause": "ping: refused", "proven": true}), "down (ping: refused)"),
            (json!({"state": "suspect"}), "suspect"),
        ];
        for (backend, expected) in table {
            let mut document = json!({"number": 1, "url": "http://a", "mode": "ready", "state": ""});
            document.as_object_mut().unwrap().extend(backend.as_object().unwrap().clone());
            let backend: BackendSummary = serde_json::from_value(document).unwrap();
            assert_eq!(state(&backend), expected, "{backend:?}");
        }
    }
}
