//! The event `tick` of `GET /events`: the figures of a balancer, of its backends and of a load.

use serde::{Deserialize, Serialize};

use crate::{Word, is_zero};

/// The event `tick`: the figures at one moment. Counts are sums since the start of the balancer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tick {
    /// The time.
    pub t: u64,
    /// Requests that arrived.
    pub requests: u64,
    /// Requests that ended.
    pub ended: u64,
    /// Requests that got an answer of the classes 2xx and 3xx.
    pub good: u64,
    /// Requests that failed, and answers of the class 5xx.
    pub errors: u64,
    /// Clients that left before the end.
    pub left: u64,
    /// Requests that are in flight.
    pub in_flight: u64,
    /// Clients that are connected.
    pub connections: u64,
    /// Requests that were told as `req` stand for this number of requests each; 0 if none are told.
    pub one_in: u32,
    /// The backends. A backend without requests since the last tick is left out.
    pub backends: Vec<BackendTick>,
    /// The figures of the load, if a lab sends this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load: Option<LoadTick>,
}

/// One backend in a [`Tick`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BackendTick {
    /// Its number.
    pub backend: usize,
    /// How often it was picked.
    pub picks: u64,
    /// Complete answers.
    pub answers: u64,
    /// Answers of the class 5xx.
    #[serde(skip_serializing_if = "is_zero")]
    pub errors: u64,
    /// Tries that failed, if the backend is to blame.
    #[serde(skip_serializing_if = "is_zero")]
    pub failures: u64,
    /// Tries that were retries.
    #[serde(skip_serializing_if = "is_zero")]
    pub retries: u64,
    /// Tries beside another one that was slow.
    #[serde(skip_serializing_if = "is_zero")]
    pub hedges: u64,
    /// Requests that are there now.
    pub in_flight: u32,
    /// Requests that wait in the balancer for a place at this backend.
    #[serde(skip_serializing_if = "is_zero")]
    pub waiting: u32,
    /// Its weight.
    pub weight: u32,
    /// The part of its weight that counts while it warms up, from 0 to 1; `None` if it is warm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm: Option<f64>,
    /// The latency that the policies see, in microseconds.
    pub peak_us: u64,
    /// The latencies of the answers since the last tick, from sending a request to the head of its answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub latency: Buckets,
    /// What the backend says of itself, if a lab sends this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerTick>,
}

/// Counts of times: the largest time of a bucket in microseconds, and the number of times in it. Empty
/// buckets are left out. A bucket is at most 7 % wide.
pub type Buckets = Vec<(u64, u64)>;

/// What a backend of a lab says of itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerTick {
    /// The state of its process: `running`, `stopped` or `dead`.
    pub process: Word,
    /// Requests in service.
    pub busy: u32,
    /// Requests that it can serve at a time; `None` for any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<u32>,
    /// Requests that wait in its queue.
    pub queued: u32,
    /// The largest length of its queue; `None` for any length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<u32>,
    /// The active faults, in words, such as `status 503 100 %`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
}

/// The figures of a load: sums since its start, and the latencies since the last tick.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoadTick {
    /// Requests that were due.
    pub offered: u64,
    /// Requests that were sent.
    pub sent: u64,
    /// Requests that ended.
    pub done: u64,
    /// Requests that got an answer below 400.
    pub good: u64,
    /// Requests that did not.
    pub errors: u64,
    /// Tries after the first one.
    pub retries: u64,
    /// Requests that wait for their answer.
    pub waiting: u64,
    /// Latencies from the time at which each request was due.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub latency: Buckets,
    /// Latencies from the time at which each request was sent: without the time that a request waited for a
    /// free connection.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub uncorrected: Buckets,
}
