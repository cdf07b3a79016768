//! The counters of one worker; `sharded.rs` adds up the workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use http::StatusCode;

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Counts one.
    pub(crate) fn one(&self) {
        self.add(1);
    }

    /// Counts several.
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }

    /// The number counted so far.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Why a request or a try failed, as statistics name it. The vocabulary is closed, and belongs to the module
/// that judges failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ErrorCause {
    /// Its index in the vocabulary, from 0; less than [`Counters::CAUSES`].
    pub place: usize,
    /// Its name, in one word.
    pub name: &'static str,
    /// The party to blame.
    pub blame: &'static str,
}

/// Counters of some workers: of the requests of all clients, or of the tries at one backend.
///
/// A tally has separate cache lines: 128 bytes, because processors fetch lines in pairs.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Counters {
    /// Bytes received, including the framing of messages.
    pub received: Counter,
    /// Bytes sent.
    pub sent: Counter,
    /// Requests that arrived; or requests that were sent to the backend.
    pub requests: Counter,
    /// Requests that arrived and have ended.
    pub ended: Counter,
    /// Answers of the backend that arrived completely.
    pub answers: Counter,
    /// Connections that were accepted; or that were opened to the backend.
    pub opened: Counter,
    /// Tries over a connection that was used before.
    pub reused: Counter,
    /// Connections that were kept for the next request.
    pub kept: Counter,
    /// Kept connections that are no longer kept.
    pub taken: Counter,
    /// Further tries at the backend after a pause.
    pub retries: Counter,
    /// Further tries at the backend without a pause, because a kept connection had ended.
    pub reconnects: Counter,
    /// Failed tries for which the backend is to blame.
    pub blamed: Counter,
    /// Answers that have begun, by class of status, after the requests that ended without an answer.
    responses: [Counter; 6],
    phases: [Histogram; 5],
    errors: [Counter; Self::CAUSES],
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            received: Counter::default(),
            sent: Counter::default(),
            requests: Counter::default(),
            ended: Counter::default(),
            answers: Counter::default(),
            opened: Counter::default(),
            reused: Counter::default(),
            kept: Counter::default(),
            taken: Counter::default(),
            retries: Counter::default(),
            reconnects: Counter::default(),
            blamed: Counter::default(),
            responses: Default::default(),
            phases: Default::default(),
            // The standard library makes arrays of at most 32 defaults.
            errors: std::array::from_fn(|_| Counter::default()),
        }
    }
}

impl Counters {
    /// Limit of causes of errors.
    pub(crate) const CAUSES: usize = 48;

    /// The classes of statuses, in the order of [`Counters::responses`]; the first is for requests without an
    /// answer.
    pub(crate) const CLASSES: [&'static str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

    /// An answer with this status begins; or a request has ended without an answer.
    pub(crate) fn responded(&self, status: Option<StatusCode>) {
        let class = status.map_or(0, |status| usize::from(status.as_u16() / 100).clamp(1, 5));
        self.responses[class].one();
    }

    /// Answers that have begun, by class of status; see [`Counters::CLASSES`].
    pub(crate) fn responses(&self, class: usize) -> &Counter {
        &self.responses[class]
    }

    /// Counts a failure.
    pub(crate) fn failed(&self, cause: ErrorCause) {
        self.errors[cause.place].one();
    }

    /// The number of failures with this cause.
    pub(crate) fn errors(&self, cause: ErrorCause) -> &Counter {
        &self.errors[cause.place]
    }

    /// All counters, always in the same order.
    pub(super) fn counters(&self) -> impl Iterator<Item = &Counter> {
        let Self { received, sent, requests, ended, answers, opened, reused, kept, taken, .. } = self;
        let Self { retries, reconnects, blamed, responses, phases, errors, .. } = self;
        let single = [received, sent, requests, ended, answers, opened, reused, kept, taken];
        let times = phases.iter().flat_map(|times| times.buckets.iter().chain([&times.nanos]));
        single.into_iter().chain([retries, reconnects, blamed]).chain(responses).chain(times).chain(errors)
    }

    /// A request has finished this phase.
    pub(crate) fn took(&self, phase: Phase, time: Duration) {
        self.phases[phase as usize].record(time);
    }

    /// The times of requests in this phase.
    pub(crate) fn times(&self, phase: Phase) -> &Histogram {
        &self.phases[phase as usize]
    }
}

/// A part of the time of a request, or all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// From the arrival until the request was sent to a backend for the last time: waiting in a queue,
    /// connecting, failed tries.
    Queue,
    /// From then until its last byte was sent, if it was not sent at once: the time in which the client sends
    /// the body.
    Upload,
    /// From then until the head of the answer.
    Head,
    /// From then until the last byte of the answer, or until both sides have switched to another protocol.
    Body,
    /// All of these.
    Total,
}

impl Phase {
    /// All phases.
    pub(crate) const ALL: [Self; 5] = [Self::Queue, Self::Upload, Self::Head, Self::Body, Self::Total];

    /// The word in statistics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Upload => "upload",
            Self::Head => "head",
            Self::Body => "body",
            Self::Total => "total",
        }
    }
}

/// A histogram of times of requests.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    /// Counts by the first bound that is not exceeded; the last one is for times above all bounds.
    buckets: [Counter; Self::BOUNDS.len() + 1],
    nanos: Counter,
}

impl Histogram {
    /// The bounds, in seconds, in the usual steps: from the time of a backend on the same machine to the
    /// default limit for the head of an answer. The bounds are fixed, because only histograms with equal
    /// bounds can be added.
    pub(crate) const BOUNDS: [f64; 17] = [
        1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    ];

    const NANOS: [u64; 17] = {
        let (mut nanos, mut n) = ([0; 17], 0);
        while n < nanos.len() {
            // Rounded: 1e-4 times 1e9 need not be a whole number.
            nanos[n] = (Self::BOUNDS[n] * 1e9 + 0.5) as u64;
            n += 1;
        }
        nanos
    };

    fn record(&self, time: Duration) {
        let nanos = time.as_secs().saturating_mul(1_000_000_000).saturating_add(time.subsec_nanos().into());
        // Most requests are in the first buckets, so a linear search is the fastest.
        let bucket = Self::NANOS.iter().position(|bound| nanos <= *bound).unwrap_or(Self::NANOS.len());
        self.buckets[bucket].one();
        self.nanos.add(nanos);
    }

    /// Requests above the previous bound and within this one.
    pub(crate) fn bucket(&self, number: usize) -> &Counter {
        &self.buckets[number]
    }

    /// The sum of all times, in nanoseconds.
    pub(crate) fn nanos(&self) -> &Counter {
        &self.nanos
    }
}

/// Counts the bytes of one connection, if bytes are counted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meter(Option<Arc<Counters>>);

impl Meter {
    /// Counts in this tally.
    pub(crate) fn of(counters: &Arc<Counters>) -> Self {
        Self(Some(Arc::clone(counters)))
    }

    /// Bytes were received.
    pub(crate) fn received(&self, bytes: usize) {
        if let Some(counters) = &self.0 {
            counters.received.add(bytes as u64);
        }
    }

    /// Bytes were sent.
    pub(crate) fn sent(&self, bytes: usize) {
        if let Some(counters) = &self.0 {
            counters.sent.add(bytes as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_counted_where_it_belongs() {
        let table = [
            (Duration::ZERO, 0),
            (Duration::from_micros(100), 0),
            (Duration::from_nanos(100_001), 1),
            (Duration::from_micros(250), 1),
            (Duration::from_micros(2500), 4),
            (Duration::from_millis(1), 3),
            (Duration::from_secs(30), 16),
            (Duration::from_nanos(30_000_000_001), 17),
            (Duration::MAX, 17),
        ];
        for (time, expected) in table {
            let histogram = Histogram::default();
            histogram.record(time);
            let found = (0..=Histogram::BOUNDS.len()).find(|number| histogram.bucket(*number).get() == 1);
            assert_eq!(found, Some(expected), "{time:?}");
        }
    }

    #[test]
    fn bounds_rise() {
        assert!(Histogram::BOUNDS.is_sorted() && Histogram::NANOS.is_sorted());
        assert_eq!((Histogram::NANOS[0], Histogram::NANOS[16]), (100_000, 30_000_000_000));
    }

    #[test]
    fn statuses_are_counted_by_class() {
        let counters = Counters::default();
        let statuses = [200, 204, 101, 502, 999].map(|status| StatusCode::from_u16(status).ok());
        for status in statuses.into_iter().chain([None]) {
            counters.responded(status);
        }
        let counts: Vec<_> = (0..6).map(|class| counters.responses(class).get()).collect();
        assert_eq!(counts, [1, 1, 2, 0, 0, 2]);
    }
}
