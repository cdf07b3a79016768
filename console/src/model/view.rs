//! The data of a screen: what [`Model::view`](super::Model::view) calculates at one moment.
//!
//! Every view of a lab shows these numbers, so two consoles that got the same events show the same. Rates,
//! shares and latencies are those of [`WINDOW_US`](super::WINDOW_US); [`View::covers_us`] says how much of it
//! is known. [`Series`] and [`Percentiles`] have their own periods, and say which.

use api::Word;
use serde::Serialize;

use super::ghost::Ghost;
use super::latency::Percentiles;
use super::log::LogLine;
use super::mark::Mark;
use super::samples::{Keys, Sample};
use super::series::Series;
use super::timeline::Cell;
use crate::health::Health;

/// A whole lab at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct View {
    /// The time of the newest event, in microseconds since the epoch of the stream.
    pub t: u64,
    /// Why this stream cannot be shown, if it cannot.
    pub problem: Option<String>,
    /// The version of the balancer.
    pub version: Word,
    /// The address where clients connect.
    pub listen: String,
    /// The policy in force.
    pub policy: Word,
    /// All policies.
    pub policies: Vec<Word>,
    /// The seed of the lab.
    pub seed: Option<u64>,
    /// The settings of the balancer that were given and differ from their defaults.
    pub settings: Vec<Word>,
    /// The period of rates, shares and latencies, in microseconds.
    pub window_us: u64,
    /// The part of the period for which figures are known, in microseconds; it can be up to a tick longer.
    pub covers_us: u64,
    /// All backends together.
    pub totals: Totals,
    /// The load of the lab, if it has one.
    pub load: Option<LoadFigures>,
    /// The backends, by number.
    pub lanes: Vec<Lane>,
    /// The log, oldest first.
    pub log: Vec<LogLine>,
    /// The last sampled requests, oldest first.
    pub requests: Vec<Sample>,
    /// The keys of these requests; `None` if they have none.
    pub keys: Option<Keys>,
    /// The last minute, tick by tick.
    pub series: Series,
    /// What was done to the lab in the last minute.
    pub marks: Vec<Mark>,
    /// Latencies by percentile.
    pub percentiles: Percentiles,
    /// The ghost that is shown, if one runs.
    pub ghost: Option<Ghost>,
    /// The secret fault, from its beginning until the lab is reset.
    pub secret: Option<Secret>,
}

/// A fault that was hidden from all viewers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Secret {
    /// The time of its beginning, in microseconds since the epoch of the stream.
    pub since: u64,
    /// What it is; `None` until it is told.
    pub revealed: Option<Revealed>,
}

/// What a secret fault is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Revealed {
    /// The number of the backend.
    pub backend: usize,
    /// Its kind, such as `latency`.
    pub fault: Word,
    /// Microseconds from its beginning until it was told.
    pub after_us: u64,
}

/// All requests. Rates are per second.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Totals {
    /// Requests that arrived, as a rate.
    pub offered: f64,
    /// Answers of the classes 2xx and 3xx, as a rate.
    pub good: f64,
    /// Requests that failed, and answers of the class 5xx, as a rate.
    pub errors: f64,
    /// The same since the start of the balancer.
    pub errors_ever: u64,
    /// Tries after the first one of each request, at the same or another backend, as a rate.
    pub retries: f64,
    /// The same since the start of the balancer.
    pub retries_ever: u64,
    /// Tries beside another one that was slow, as a rate.
    pub hedges: f64,
    /// The same since the start of the balancer.
    pub hedges_ever: u64,
    /// Tries for each request; `None` without requests.
    pub amplification: Option<f64>,
    /// The picks of the backend with the most, compared to the average of all backends that get requests, and
    /// in relation to their weights: 1 is even. `None` without picks.
    pub imbalance: Option<f64>,
    /// Requests in flight now.
    pub in_flight: u64,
    /// Clients that are connected now.
    pub connections: u64,
    /// Each sampled request stands for this number.
    pub one_in: u32,
    /// Events that this reader missed.
    pub missed: u64,
}

/// The load of a lab, as its clients see it. Rates are per second.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LoadFigures {
    /// `open` or `closed`.
    pub control: Word,
    /// The rate in open loop.
    pub rate: f64,
    /// The clients in closed loop.
    pub clients: usize,
    /// Requests that were due, as a rate.
    pub offered: f64,
    /// Requests with an answer below 400, as a rate.
    pub good: f64,
    /// Requests without one, as a rate.
    pub errors: f64,
    /// The same since the start of the load.
    pub errors_ever: u64,
    /// Requests that wait for their answer now.
    pub waiting: u64,
    /// The median latency from the time at which a request was due, in microseconds; `None` without answers.
    pub p50_us: Option<u64>,
    /// The 99th percentile of the same.
    pub p99_us: Option<u64>,
}

/// How much attention a backend needs; worse is greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Trouble {
    /// Nothing is wrong.
    #[default]
    None,
    /// It has an active fault, or some errors.
    Some,
    /// It gets no requests, or its process does not run.
    Out,
    /// It gets requests, and at least half of its tries end badly.
    Harm,
}

/// One backend. Rates are per second.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Lane {
    /// Its number; the first is 1.
    pub number: usize,
    /// Its address, as in `http://localhost:3031`.
    pub url: String,
    /// Its state as the balancer sees it.
    pub state: Health,
    /// Why it is in that state.
    pub cause: Word,
    /// How far it is on its way to another state, such as `1/2 up`; empty if it is on no way.
    pub progress: String,
    /// `ready`, `drain` or `maintenance`.
    pub mode: Word,
    /// Its weight.
    pub weight: u32,
    /// The part of its weight that counts while it warms up, from 0 to 1.
    pub warm: Option<f64>,
    /// How much attention it needs.
    pub trouble: Trouble,
    /// Whether no backend needs more attention, and this one needs some.
    pub is_worst: bool,
    /// Answers, as a rate.
    pub rate: f64,
    /// Its share of all picks, from 0 to 1.
    pub share: f64,
    /// Its share of all good answers, from 0 to 1. An answer is good unless its class is 5xx.
    pub good_share: f64,
    /// The share of its tries that ended with a good answer, from 0 to 1; `None` if none ended.
    pub good: Option<f64>,
    /// Requests that are there now.
    pub in_flight: u32,
    /// Requests that wait in the balancer for a place there, now.
    pub waiting: u32,
    /// Both together: requests that have no answer yet, now.
    pub unanswered: u32,
    /// Answers of the class 5xx, as a rate.
    pub errors: f64,
    /// Failed tries for which it is to blame, as a rate.
    pub failures: f64,
    /// Retries at it, as a rate.
    pub retries: f64,
    /// Hedges at it, as a rate.
    pub hedges: f64,
    /// Whether it gave no answer in the window. Then it has no latencies.
    pub is_quiet: bool,
    /// The median latency, in microseconds.
    pub p50_us: Option<u64>,
    /// The 99th percentile of the latency, in microseconds.
    pub p99_us: Option<u64>,
    /// The active faults in words.
    pub faults: Vec<String>,
    /// What it says of itself, if a lab sends this.
    pub server: Option<Server>,
    /// The last ping or question.
    pub probe: Option<LastProbe>,
    /// The last 60 seconds, oldest first; `None` for a second of which nothing is known.
    pub cells: Vec<Option<Cell>>,
}

/// What a backend of a lab says of itself, now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Server {
    /// The state of its process: `running`, `stopped` or `dead`.
    pub process: Word,
    /// Requests in service.
    pub busy: u32,
    /// Requests that it can serve at a time; `None` for any number.
    pub workers: Option<u32>,
    /// Requests in its queue.
    pub queued: u32,
    /// The largest length of its queue; `None` for any length.
    pub queue: Option<u32>,
}

/// The end of a ping or a question.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LastProbe {
    /// The time of its end, in microseconds since the epoch of the stream.
    pub t: u64,
    /// Whether it speaks for the backend.
    pub ok: bool,
    /// Its result in words.
    pub what: Word,
    /// Microseconds from its start to its end.
    pub took_us: u64,
}
