//! The counters of one worker; `sharded.rs` adds up the workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

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
    /// Tries at the backend beside a try at another one, which was slow.
    pub hedges: Counter,
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
            hedges: Counter::default(),
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
        let Self { retries, reconnects, hedges, blamed, responses, phases, errors, .. } = self;
        let single = [received, sent, requests, ended, answers, opened, reused, kept, taken];
        let times = phases.iter().flat_map(|times| times.buckets.iter().chain([&times.micros]));
        single
            .into_iter()
            .chain([retries, reconnects, hedges, blamed])
            .chain(responses)
            .chain(times)
            .chain(errors)
    }

    /// A request has finished this phase, which took this number of microseconds.
    pub(crate) fn took(&self, phase: Phase, micros: u64) {
        self.phases[phase as usize].record(micros);
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
    micros: Counter,
}

impl Histogram {
    /// The bounds, in seconds, in the usual steps: from the time of a backend on the same machine to the
    /// default limit for the head of an answer. The bounds are fixed, because only histograms with equal
    /// bounds can be added.
    pub(crate) const BOUNDS: [f64; 17] = [
        1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    ];

    const MICROS: [u64; 17] = {
        let (mut micros, mut n) = ([0; 17], 0);
        while n < micros.len() {
            // Rounded: 1e-4 times 1e6 need not be a whole number.
            micros[n] = (Self::BOUNDS[n] * 1e6 + 0.5) as u64;
            n += 1;
        }
        micros
    };

    fn record(&self, micros: u64) {
        // Most requests are in the first buckets, so a linear search is the fastest.
        let bucket = Self::MICROS.iter().position(|bound| micros <= *bound).unwrap_or(Self::MICROS.len());
        self.buckets[bucket].one();
        self.micros.add(micros);
    }

    /// Requests above the previous bound and within this one.
    pub(crate) fn bucket(&self, number: usize) -> &Counter {
        &self.buckets[number]
    }

    /// The sum of all times, in microseconds.
    pub(crate) fn micros(&self) -> &Counter {
        &self.micros
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
            (0, 0),
            (100, 0),
            (101, 1),
            (250, 1),
            (1_000, 3),
            (2_500, 4),
            (30_000_000, 16),
            (30_000_001, 17),
            (u64::MAX, 17),
        ];
        for (micros, expected) in table {
            let histogram = Histogram::default();
            histogram.record(micros);
            let found = (0..=Histogram::BOUNDS.len()).find(|number| histogram.bucket(*number).get() == 1);
            assert_eq!(found, Some(expected), "{micros}");
        }
    }

    #[test]
    fn bounds_rise() {
        assert!(Histogram::BOUNDS.is_sorted() && Histogram::MICROS.is_sorted());
        assert_eq!((Histogram::MICROS[0], Histogram::MICROS[16]), (100, 30_000_000));
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
