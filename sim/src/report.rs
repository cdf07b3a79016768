//! The results of a run: the figures of a load report, and what only a simulator knows.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::clock::{Nanos, as_seconds, nanos};
use crate::gauge::Gauge;
use crate::picks::Picks;

/// The longest latency that the histogram distinguishes, in nanoseconds: a day.
const LONGEST: u64 = 86_400_000_000_000;

/// The end of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    /// An answer with this status.
    Answered(u16),
    /// The client has waited without an answer.
    TimedOut,
}

impl End {
    /// Whether the client has what it wanted: an answer with a status below 400.
    pub(crate) fn is_good(self) -> bool {
        matches!(self, Self::Answered(status) if status < 400)
    }
}

/// The counts of one backend.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct BackendFigures {
    /// Calls that came here first.
    pub picks: u64,
    /// Tries that came here.
    pub tries: u64,
    /// Answers, with any status.
    pub answers: u64,
    /// Answers with a status of 500 and above.
    pub errors: u64,
    /// Jobs that found all workers busy.
    pub waited: u64,
    /// Requests in flight: the mean over time.
    pub in_flight: f64,
    /// Requests in flight: the greatest number.
    pub max_in_flight: u32,
    /// Requests in the queue of the server: the mean over time.
    pub queue: f64,
    /// Requests in the queue of the server: the greatest number.
    pub max_queue: u32,
}

/// A change of a backend's state, as one balancer judged it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StateChange {
    /// The time since the start of the run.
    #[serde(serialize_with = "as_seconds")]
    pub at: Duration,
    /// The balancer, counted from 1.
    pub balancer: usize,
    /// The backend, counted from 1.
    pub backend: usize,
    /// The state before.
    pub from: &'static str,
    /// The state after the change.
    pub to: &'static str,
    /// The reason.
    pub cause: String,
}

/// The state of the run at one moment, 4 times a second.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tick {
    /// The time since the start of the run.
    #[serde(serialize_with = "as_seconds")]
    pub at: Duration,
    /// Calls that arrived since the last tick.
    pub offered: u64,
    /// Calls that ended well since the last tick.
    pub good: u64,
    /// Calls that ended badly since the last tick.
    pub errors: u64,
    /// Tries at backends since the last tick.
    pub tries: u64,
    /// The mean latency of the calls that ended since the last tick, in milliseconds; 0 without any.
    pub mean_ms: f64,
    /// The backends, in their order.
    pub backends: Vec<BackendTick>,
}

/// The state of a backend at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackendTick {
    /// Its state, as the first balancer judges it.
    pub state: &'static str,
    /// Requests in flight.
    pub in_flight: u32,
    /// Requests in its queue.
    pub queue: u32,
    /// Answers since the last tick.
    pub answers: u32,
    /// Answers with a status of 500 and above since the last tick.
    pub errors: u32,
}

/// The figures in one document, for JSON. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// The name of the policy.
    pub policy: &'static str,
    /// The seed of the run.
    pub seed: u64,
    /// The measured time, in seconds.
    pub seconds: f64,
    /// Calls that ended.
    pub calls: u64,
    /// Calls that ended with an answer below 400.
    pub good: u64,
    /// Calls that ended otherwise.
    pub errors: u64,
    /// Errors by reason: `status 503`, or `timeout`.
    pub reasons: BTreeMap<String, u64>,
    /// Calls that had not ended when the run did.
    pub unfinished: u64,
    /// Tries that the balancers repeated.
    pub retries: u64,
    /// Calls that the clients sent again.
    pub resends: u64,
    /// The mean latency.
    pub mean_ms: f64,
    /// The latency at these quantiles.
    pub p50_ms: f64,
    /// See `p50_ms`.
    pub p95_ms: f64,
    /// See `p50_ms`.
    pub p99_ms: f64,
    /// See `p50_ms`.
    pub p999_ms: f64,
    /// The longest latency.
    pub max_ms: f64,
    /// The largest share of the calls that came to one backend first.
    pub max_share: f64,
    /// The share of each backend, from 0 to 1, in their order.
    pub shares: Vec<f64>,
    /// The longest queue of a backend.
    pub max_queue: u32,
    /// Events of the simulator.
    pub events: u64,
    /// The backends, in their order.
    pub backends: Vec<BackendFigures>,
    /// The changes of state.
    pub changes: Vec<StateChange>,
    /// The ticks, if they were wanted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ticks: Vec<Tick>,
}

/// What a run counts while it runs.
#[derive(Debug, Clone)]
pub(crate) struct Counts {
    /// Never `None`: the bounds are in order.
    pub(crate) latencies: Option<Histogram<u64>>,
    pub(crate) sum: u128,
    pub(crate) longest: Nanos,
    pub(crate) ends: u64,
    pub(crate) good: u64,
    /// The ends that are not good.
    pub(crate) bad: BTreeMap<End, u64>,
    pub(crate) retries: u64,
    pub(crate) resends: u64,
    pub(crate) tries: u64,
    pub(crate) backends: Vec<BackendFigures>,
    pub(crate) changes: Vec<StateChange>,
    pub(crate) ticks: Vec<Tick>,
    /// All latencies in the order in which the calls ended, if they are kept.
    pub(crate) kept: Option<Vec<Nanos>>,
    /// What the picks show, if it is wanted.
    pub(crate) picks: Option<Picks>,
}

impl Counts {
    /// Nothing is counted yet.
    pub(crate) fn new(backends: usize, keeps: bool) -> Self {
        Self {
            latencies: Histogram::new_with_bounds(1, LONGEST, 3).ok(),
            sum: 0,
            longest: 0,
            ends: 0,
            good: 0,
            bad: BTreeMap::new(),
            retries: 0,
            resends: 0,
            tries: 0,
            backends: vec![BackendFigures::default(); backends],
            changes: Vec::new(),
            ticks: Vec::new(),
            kept: keeps.then(Vec::new),
            picks: None,
        }
    }

    /// A call has ended.
    #[inline]
    pub(crate) fn end(&mut self, latency: Nanos, end: End) {
        self.ends += 1;
        self.sum += u128::from(latency);
        self.longest = self.longest.max(latency);
        if let Some(latencies) = &mut self.latencies {
            latencies.saturating_record(latency);
        }
        if let Some(kept) = &mut self.kept {
            kept.push(latency);
        }
        if end.is_good() {
            self.good += 1;
        } else {
            *self.bad.entry(end).or_default() += 1;
        }
    }

    /// Takes over what the gauges of a backend have measured.
    pub(crate) fn gauges(&mut self, index: usize, [in_flight, queue]: [&Gauge; 2], from: Nanos, to: Nanos) {
        let backend = &mut self.backends[index];
        (backend.in_flight, backend.max_in_flight) = (in_flight.mean(from, to), in_flight.greatest());
        (backend.queue, backend.max_queue) = (queue.mean(from, to), queue.greatest());
    }
}

/// The results of a run.
#[derive(Debug, Clone)]
pub struct Report {
    pub(crate) policy: &'static str,
    pub(crate) seed: u64,
    pub(crate) counts: Counts,
    /// The measured time.
    pub(crate) from: Nanos,
    pub(crate) to: Nanos,
    pub(crate) unfinished: u64,
    pub(crate) events: u64,
    pub(crate) is_cut: bool,
}

impl Report {
    /// The name of the policy.
    pub fn policy(&self) -> &'static str {
        self.policy
    }

    /// The measured time: from the end of the warm-up to the end of the run.
    pub fn duration(&self) -> Duration {
        Duration::from_nanos(self.to - self.from)
    }

    /// Calls that ended, well or badly.
    pub fn calls(&self) -> u64 {
        self.counts.ends
    }

    /// Calls that ended with an answer below 400.
    pub fn good(&self) -> u64 {
        self.counts.good
    }

    /// Calls that ended otherwise.
    pub fn errors(&self) -> u64 {
        self.counts.ends - self.counts.good
    }

    /// The errors by reason: `status 503`, or `timeout`.
    pub fn reasons(&self) -> BTreeMap<String, u64> {
        let words = |end: &End| match end {
            End::Answered(status) => format!("status {status}"),
            End::TimedOut => "timeout".to_owned(),
        };
        self.counts.bad.iter().map(|(end, count)| (words(end), *count)).collect()
    }

    /// Tries that the balancers repeated, at the same backend or at another one.
    pub fn retries(&self) -> u64 {
        self.counts.retries
    }

    /// Calls that the clients sent again.
    pub fn resends(&self) -> u64 {
        self.counts.resends
    }

    /// Whether the run has ended early, because it had too many events or was too long.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Calls that had not ended when the run did. No other figure contains them.
    pub fn unfinished(&self) -> u64 {
        self.unfinished
    }

    /// Events of the simulator.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The mean latency of all calls that ended; zero without any.
    pub fn mean(&self) -> Duration {
        let mean = self.counts.sum / u128::from(self.counts.ends.max(1));
        Duration::from_nanos(u64::try_from(mean).unwrap_or(u64::MAX))
    }

    /// The latency below which this part of the calls ended, from 0 to 1, with three exact digits.
    pub fn quantile(&self, part: f64) -> Duration {
        let value = self.counts.latencies.as_ref().map_or(0, |all| all.value_at_quantile(part));
        Duration::from_nanos(value.min(self.counts.longest))
    }

    /// The number of calls that took longer than this, with three exact digits of their latencies.
    pub fn slower(&self, than: Duration) -> u64 {
        let than = nanos(than).saturating_add(1);
        self.counts.latencies.as_ref().map_or(0, |all| all.count_between(than, LONGEST))
    }

    /// The longest latency.
    pub fn longest(&self) -> Duration {
        Duration::from_nanos(self.counts.longest)
    }

    /// The figures of all backends, in their order.
    pub fn backends(&self) -> &[BackendFigures] {
        &self.counts.backends
    }

    /// The part of the calls that came to this backend first, from 0 to 1. Backends are counted from 1.
    pub fn share(&self, backend: usize) -> f64 {
        let all: u64 = self.counts.backends.iter().map(|backend| backend.picks).sum();
        let own = backend.checked_sub(1).and_then(|index| self.counts.backends.get(index));
        own.map_or(0.0, |own| own.picks as f64 / all.max(1) as f64)
    }

    /// The part of the tries that found all workers of their backend busy.
    pub fn waited(&self) -> f64 {
        let sum = |of: fn(&BackendFigures) -> u64| self.counts.backends.iter().map(of).sum::<u64>() as f64;
        sum(|backend| backend.waited) / sum(|backend| backend.tries).max(1.0)
    }

    /// The mean of all requests in flight together, over time.
    pub fn in_flight(&self) -> f64 {
        self.counts.backends.iter().map(|backend| backend.in_flight).sum()
    }

    /// The changes of state, in their order.
    pub fn changes(&self) -> &[StateChange] {
        &self.counts.changes
    }

    /// The ticks, if [`crate::Sim::ticks`] wants them.
    pub fn ticks(&self) -> &[Tick] {
        &self.counts.ticks
    }

    /// The latencies in nanoseconds in the order in which the calls ended, if [`crate::Sim::keep_latencies`]
    /// wants them.
    pub fn latencies(&self) -> &[u64] {
        self.counts.kept.as_deref().unwrap_or_default()
    }

    /// What the picks show together, if [`crate::Sim::explain`] wants it.
    pub fn picks(&self) -> Option<&Picks> {
        self.counts.picks.as_ref()
    }

    /// All figures in one document.
    pub fn figures(&self) -> Figures {
        let ms = |time: Duration| nanos(time) as f64 / 1e6;
        let backends = self.counts.backends.clone();
        let shares: Vec<_> = (1..=backends.len()).map(|backend| self.share(backend)).collect();
        Figures {
            policy: self.policy,
            seed: self.seed,
            seconds: self.duration().as_secs_f64(),
            calls: self.calls(),
            good: self.good(),
            errors: self.errors(),
            reasons: self.reasons(),
            unfinished: self.unfinished,
            retries: self.counts.retries,
            resends: self.counts.resends,
            mean_ms: ms(self.mean()),
            p50_ms: ms(self.quantile(0.5)),
            p95_ms: ms(self.quantile(0.95)),
            p99_ms: ms(self.quantile(0.99)),
            p999_ms: ms(self.quantile(0.999)),
            max_ms: ms(self.longest()),
            max_share: shares.iter().copied().fold(0.0, f64::max),
            shares,
            max_queue: backends.iter().map(|backend| backend.max_queue).max().unwrap_or(0),
            events: self.events,
            backends,
            changes: self.counts.changes.clone(),
            ticks: self.counts.ticks.clone(),
        }
    }
}
