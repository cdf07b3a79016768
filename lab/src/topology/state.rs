//! What does the balancer say about itself? The shape of `GET /state`, for those who ask.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The balancer's state at one moment.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct State {
    /// Its version.
    pub version: String,
    /// Where it listens.
    pub listen: String,
    /// How it picks a backend, in words.
    pub policy: String,
    /// How many worker threads it has.
    pub workers: usize,
    /// Whether it is on its way out.
    pub draining: bool,
    /// How long it has been running, in milliseconds.
    pub uptime_ms: u64,
    /// How many clients are connected.
    pub connections: u64,
    /// What has been answered so far.
    pub totals: Totals,
    /// The backends in the order of their numbers.
    pub backends: Vec<BackendState>,
}

impl State {
    /// One backend by its number.
    pub fn backend(&self, number: usize) -> Option<&BackendState> {
        self.backends.iter().find(|backend| backend.number == number)
    }

    /// The requests that are at a backend now, over all backends.
    pub fn in_flight(&self) -> u64 {
        self.backends.iter().map(|backend| backend.in_flight).sum()
    }
}

/// What the balancer has answered since it started.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Totals {
    /// Requests taken in.
    pub requests: u64,
    /// Requests refused because no backend was alive.
    pub no_backend: u64,
    /// Requests whose client went away.
    pub client_gone: u64,
    /// Answers by class of status: `1xx` to `5xx`.
    pub status: BTreeMap<String, u64>,
}

/// What the balancer knows about one backend.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct BackendState {
    /// Its number; the first is 1.
    pub number: usize,
    /// Its URL.
    pub url: String,
    /// `up`, `down`, `suspect` or `ejected`.
    pub state: String,
    /// Why it is in that state.
    pub cause: String,
    /// For how long, in milliseconds.
    pub for_ms: u64,
    /// How far it has come on its way to another state.
    pub progress: Option<Progress>,
    /// Requests that are there now.
    pub in_flight: u64,
    /// How often it was picked.
    pub picks: u64,
    /// How many answers came from it.
    pub answers: u64,
    /// How many attempts at it failed.
    pub failures: u64,
    /// How many attempts at it were repeats at the same backend.
    pub retries: u64,
    /// The connections to it.
    pub connections: Connections,
    /// How long its answers took lately, in microseconds.
    pub latency_us: LatencyMicros,
}

/// A backend on its way to another state: `count` of the `of` looks that it takes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Progress {
    /// The state it is going to.
    pub towards: String,
    /// How many looks have agreed so far.
    pub count: u32,
    /// How many have to agree.
    pub of: u32,
}

/// The connections to a backend since the balancer started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Connections {
    /// Opened.
    pub opened: u64,
    /// Requests sent over one that was kept.
    pub reused: u64,
    /// Kept and unused now.
    pub idle: u64,
}

/// Quantiles of latency in microseconds; `None` where there was no answer lately.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct LatencyMicros {
    /// Half of the answers took no longer.
    pub p50: Option<u64>,
    /// Nine in ten took no longer.
    pub p90: Option<u64>,
    /// 99 in a hundred took no longer.
    pub p99: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_state_with_more_in_it_than_we_read_is_read() {
        let state: State = serde_json::from_value(json!({
            "version": "0.1.0", "listen": "127.0.0.1:3030", "policy": "round-robin", "workers": 2,
            "draining": false, "uptime_ms": 1234, "connections": 32, "something_new": [],
            "totals": {"requests": 10, "no_backend": 0, "client_gone": 0, "status": {"2xx": 10}},
            "backends": [{
                "number": 1, "url": "http://127.0.0.1:3031", "state": "up", "cause": "ping answered",
                "since_unix_ms": 1_700_000_000_000_u64, "for_ms": 500,
                "progress": {"towards": "down", "count": 1, "of": 3},
                "in_flight": 2, "picks": 5, "answers": 5, "failures": 0, "retries": 0,
                "connections": {"opened": 1, "reused": 4, "idle": 1},
                "latency_us": {"p50": 300, "p90": 500, "p99": null}
            }]
        }))
        .unwrap();
        assert_eq!(state.in_flight(), 2);
        assert_eq!(state.backend(1).unwrap().progress.as_ref().unwrap().of, 3);
        assert_eq!(state.backend(2), None);
    }
}
