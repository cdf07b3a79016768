//! The balancer's state: the structure of `GET /state`.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The balancer's state at one moment.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct State {
    /// Its version.
    pub version: String,
    /// The address for clients.
    pub listen: String,
    /// The description of its policy.
    pub policy: String,
    /// The number of worker threads.
    pub workers: usize,
    /// Whether it shuts down.
    pub draining: bool,
    /// The time since its start, in milliseconds.
    pub uptime_ms: u64,
    /// The number of connected clients.
    pub connections: u64,
    /// The counts of answers so far.
    pub totals: Totals,
    /// The backends in the order of their numbers.
    pub backends: Vec<BackendState>,
}

impl State {
    /// One backend by its number.
    pub fn backend(&self, number: usize) -> Option<&BackendState> {
        self.backends.iter().find(|backend| backend.number == number)
    }

    /// The requests in flight at all backends together.
    pub fn in_flight(&self) -> u64 {
        self.backends.iter().map(|backend| backend.in_flight).sum()
    }
}

/// The counts of the balancer's answers since it started.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Totals {
    /// Requests received.
    pub requests: u64,
    /// Requests refused because no backend was available.
    pub no_backend: u64,
    /// Requests whose client closed its connection.
    pub client_gone: u64,
    /// Answers by class of status: `1xx` to `5xx`.
    pub status: BTreeMap<String, u64>,
}

/// The state of one backend.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct BackendState {
    /// Its number; the first is 1.
    pub number: usize,
    /// Its URL.
    pub url: String,
    /// `up`, `down`, `suspect` or `ejected`.
    pub state: String,
    /// The reason for the state.
    pub cause: String,
    /// The time since the last change, in milliseconds.
    pub for_ms: u64,
    /// The progress towards another state.
    pub progress: Option<Progress>,
    /// Requests in flight.
    pub in_flight: u64,
    /// The number of picks.
    pub picks: u64,
    /// The number of answers from it.
    pub answers: u64,
    /// The number of failed attempts at it.
    pub failures: u64,
    /// The number of repeated attempts at it.
    pub retries: u64,
    /// The connections to it.
    pub connections: Connections,
    /// The recent latencies of its answers, in microseconds.
    pub latency_us: LatencyMicros,
}

/// A backend on its way to another state: `count` of the `of` observations that are needed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Progress {
    /// The other state.
    pub towards: String,
    /// The number of observations so far.
    pub count: u32,
    /// The number of observations that are needed.
    pub of: u32,
}

/// The connections to a backend since the balancer started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Connections {
    /// Opened.
    pub opened: u64,
    /// Requests sent over a reused connection.
    pub reused: u64,
    /// Idle now.
    pub idle: u64,
}

/// Quantiles of latency in microseconds; `None` without recent answers.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct LatencyMicros {
    /// The median.
    pub p50: Option<u64>,
    /// The 90th percentile.
    pub p90: Option<u64>,
    /// The 99th percentile.
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
