//! `GET /state`: everything the balancer says about itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Progress, Word};

/// The balancer's state at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The version of the balancer.
    pub version: Word,
    /// The address where clients connect.
    pub listen: String,
    /// The name of the policy.
    pub policy: Word,
    /// The number of worker threads.
    pub workers: usize,
    /// Whether the balancer finishes its last requests and accepts no more.
    pub draining: bool,
    /// How long the balancer has run, in milliseconds.
    pub uptime_ms: u64,
    /// The counters count since so many milliseconds: since the start, or since the last reset.
    #[serde(default)]
    pub counting_ms: u64,
    /// Clients that are connected.
    pub connections: u64,
    /// Lines of the log that did not fit or could not be written.
    #[serde(default)]
    pub log_lines_dropped: u64,
    /// Events that readers of `/events` missed since the start, because they read too slowly.
    #[serde(default)]
    pub events_missed: u64,
    /// The counters of all requests.
    pub totals: Totals,
    /// The backends, by number.
    pub backends: Vec<BackendState>,
}

impl State {
    /// The backend with this number.
    pub fn backend(&self, number: usize) -> Option<&BackendState> {
        self.backends.iter().find(|backend| backend.number == number)
    }

    /// The requests that are at a backend now, over all backends.
    pub fn in_flight(&self) -> u32 {
        self.backends.iter().map(|backend| backend.in_flight).sum()
    }
}

/// The counters of all requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Totals {
    /// Requests that arrived.
    pub requests: u64,
    /// Requests that found no backend.
    pub no_backend: u64,
    /// Requests whose client left before the end.
    pub client_gone: u64,
    /// Requests that the balancer refused.
    pub refused: u64,
    /// Requests that have not ended.
    pub in_flight: u64,
    /// Answers that have begun.
    pub status: ResponsesByClass,
    /// Errors by cause; causes without an error are left out.
    pub errors: BTreeMap<Word, u64>,
    /// Bytes from and to clients.
    pub bytes: Bytes,
}

/// The state of one backend.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BackendState {
    /// Its number; the first is 1.
    pub number: usize,
    /// Its address, as in `http://localhost:3031`.
    pub url: String,
    /// Its share compared to the other backends.
    pub weight: u32,
    /// Answers a second that it can give, as its load reports say; `null` without reports, and if the policy
    /// does not use them.
    pub reported_weight: Option<f64>,
    /// Its load reports that were ignored because they were malformed or impossible.
    pub ignored_reports: u64,
    /// The level it belongs to; 0 is the first.
    pub priority: u8,
    /// Whether it gets requests only while no other backend can take them.
    pub backup: bool,
    /// `ready`, `drain` or `maintenance`.
    pub mode: Word,
    /// Whether it was removed and finishes its last requests.
    pub leaving: bool,
    /// `up`, `down`, `suspect` or `ejected`.
    pub state: Word,
    /// Why it is in that state.
    pub cause: Word,
    /// Since when, in milliseconds since 1970.
    pub since_unix_ms: u64,
    /// For how many milliseconds.
    pub for_ms: u64,
    /// How far it is on its way to another state, if it is.
    pub progress: Option<Progress>,
    /// Requests that are there now.
    pub in_flight: u32,
    /// How often it was picked.
    pub picks: u64,
    /// Answers that it gave.
    pub answers: u64,
    /// Tries at it that failed, if it is to blame.
    pub failures: u64,
    /// Tries at it that were retries.
    pub retries: u64,
    /// Tries at it over a fresh connection, because a kept one was closed.
    pub reconnects: u64,
    /// Tries at it beside a try at another backend, which was slow.
    pub hedges: u64,
    /// Answers that have begun.
    pub status: ResponsesByClass,
    /// Errors by cause; causes without an error are left out.
    pub errors: BTreeMap<Word, u64>,
    /// Bytes from and to it.
    pub bytes: Bytes,
    /// The connections to it.
    pub connections: Connections,
    /// How often its state changed.
    pub transitions: u64,
    /// Milliseconds in each state, by the name of the state.
    pub states_ms: BTreeMap<Word, u64>,
    /// How long its answers took lately.
    pub latency_us: LatencyMicros,
}

/// Answers by the class of their status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResponsesByClass {
    /// 100 to 199.
    #[serde(rename = "1xx")]
    pub informational: u64,
    /// 200 to 299.
    #[serde(rename = "2xx")]
    pub success: u64,
    /// 300 to 399.
    #[serde(rename = "3xx")]
    pub redirection: u64,
    /// 400 to 499.
    #[serde(rename = "4xx")]
    pub client_error: u64,
    /// 500 to 599.
    #[serde(rename = "5xx")]
    pub server_error: u64,
}

impl ResponsesByClass {
    /// The answers of a class, 1 to 5 for `1xx` to `5xx`; 0 for any other class.
    pub fn of_class(&self, class: u8) -> u64 {
        match class {
            1 => self.informational,
            2 => self.success,
            3 => self.redirection,
            4 => self.client_error,
            5 => self.server_error,
            _ => 0,
        }
    }
}

/// Bytes that went over connections, heads included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Bytes {
    /// Bytes that came.
    pub received: u64,
    /// Bytes that went.
    pub sent: u64,
}

/// The connections to a backend.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Connections {
    /// Connections that were opened.
    pub opened: u64,
    /// Requests that went over a connection that was kept.
    pub reused: u64,
    /// Connections that are kept and idle now.
    pub idle: u64,
}

/// Latencies of the last 10 to 15 seconds, from sending a request to the head of its answer, in microseconds.
/// `None` where no answer came lately.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LatencyMicros {
    /// Half of the answers took no longer.
    pub p50: Option<u64>,
    /// Nine of ten answers took no longer.
    pub p90: Option<u64>,
    /// 99 of 100 answers took no longer.
    pub p99: Option<u64>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reader_takes_what_it_knows_and_ignores_the_rest() {
        let document = json!({
            "version": "0.1.0", "listen": "127.0.0.1:3030", "policy": "round-robin", "workers": 2,
            "draining": false, "uptime_ms": 1234, "connections": 32, "something_new": [],
            "totals": {"requests": 10, "no_backend": 0, "client_gone": 0, "status": {"2xx": 10}},
            "backends": [{
                "number": 1, "url": "http://127.0.0.1:3031", "state": "up", "cause": "ping answered",
                "progress": {"towards": "down", "count": 1, "of": 3}, "in_flight": 2,
                "latency_us": {"p50": 300, "p90": 500, "p99": null}
            }]
        });
        let state: State = serde_json::from_value(document).unwrap();
        assert_eq!((state.in_flight(), state.totals.status.success), (2, 10));
        assert_eq!(state.backend(1).unwrap().progress.as_ref().unwrap().of, 3);
        assert_eq!(state.backend(2), None);
    }

    #[test]
    fn a_document_comes_back_as_it_was() {
        let backend = BackendState {
            number: 3,
            state: "suspect".into(),
            errors: [("connect_refused".into(), 2)].into(),
            latency_us: LatencyMicros { p50: Some(7), ..LatencyMicros::default() },
            ..BackendState::default()
        };
        let text = serde_json::to_string(&backend).unwrap();
        assert_eq!(serde_json::from_str::<BackendState>(&text).unwrap(), backend);
    }
}
