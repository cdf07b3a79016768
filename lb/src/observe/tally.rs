//! What is counted? What each worker has counted by itself; `tallies.rs` puts the workers together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use http::StatusCode;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts one more.
    pub fn one(&self) {
        self.add(1);
    }

    /// Counts some more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }

    /// How many it has counted.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Why a request or a try failed, as statistics name it. The vocabulary is closed, and belongs to whoever judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorCause {
    /// Its place in the vocabulary, from 0; less than [`Tally::CAUSES`].
    pub place: usize,
    /// One word.
    pub name: &'static str,
    /// Whose fault it is.
    pub blame: &'static str,
}

/// What some workers have counted: of the requests of all clients, or of the tries at one backend.
///
/// It has cache lines to itself: 128 bytes, because processors fetch them in pairs.
#[derive(Debug)]
#[repr(align(128))]
pub struct Tally {
    /// Bytes that came from there, those that frame messages included.
    pub received: Counter,
    /// Bytes that went there.
    pub sent: Counter,
    /// Requests that came in; or requests that were given to the backend.
    pub requests: Counter,
    /// Requests that came in and have ended.
    pub ended: Counter,
    /// Answers that came from the backend whole.
    pub answers: Counter,
    /// Connections that were accepted; or that were opened to the backend.
    pub opened: Counter,
    /// Tries over a connection that had served before.
    pub reused: Counter,
    /// Connections that were kept for the next request.
    pub kept: Counter,
    /// Those of them that are kept no longer.
    pub taken: Counter,
    /// Further tries at the backend after a pause.
    pub retries: Counter,
    /// Further tries at the backend at once, because a kept connection had ended.
    pub reconnects: Counter,
    /// Tries that failed and are the backend's fault.
    pub blamed: Counter,
    /// Answers that have begun, by the class of their status, behind the requests that ended without any.
    responses: [Counter; 6],
    phases: [Histogram; 5],
    errors: [Counter; Self::CAUSES],
}

impl Default for Tally {
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
            // The standard library makes arrays of up to 32 defaults, and no longer ones.
            errors: std::array::from_fn(|_| Counter::default()),
        }
    }
}

impl Tally {
    /// Room for so many causes of errors.
    pub const CAUSES: usize = 48;

    /// The classes of statuses, in the order of [`Tally::responses`]; the first is of requests without an answer.
    pub const CLASSES: [&'static str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

    /// An answer with this status begins; or a request has ended without any.
    pub fn responded(&self, status: Option<StatusCode>) {
        let class = status.map_or(0, |status| usize::from(status.as_u16() / 100).clamp(1, 5));
        self.responses[class].one();
    }

    /// Answers that have begun, by class of status; see [`Tally::CLASSES`].
    pub fn responses(&self, class: usize) -> &Counter {
        &self.responses[class]
    }

    /// Something failed.
    pub fn failed(&self, cause: ErrorCause) {
        self.errors[cause.place].one();
    }

    /// How often something failed for this cause.
    pub fn errors(&self, cause: ErrorCause) -> &Counter {
        &self.errors[cause.place]
    }

    /// Every counter, always in the same order.
    pub(super) fn counters(&self) -> impl Iterator<Item = &Counter> {
        let Self { received, sent, requests, ended, answers, opened, reused, kept, taken, .. } = self;
        let Self { retries, reconnects, blamed, responses, phases, errors, .. } = self;
        let single = [received, sent, requests, ended, answers, opened, reused, kept, taken];
        let times = phases.iter().flat_map(|times| times.buckets.iter().chain([&times.nanos]));
        single.into_iter().chain([retries, reconnects, blamed]).chain(responses).chain(times).chain(errors)
    }

    /// A request has been through this phase.
    pub fn took(&self, phase: Phase, time: Duration) {
        self.phases[phase as usize].record(time);
    }

    /// How long requests took for this phase.
    pub fn times(&self, phase: Phase) -> &Histogram {
        &self.phases[phase as usize]
    }
}

/// A part of a request's way, or all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// From its arrival until it went to a backend for the last time: waiting for a place, connecting, failed tries.
    Queue,
    /// From then until its last byte was sent, if it was not sent at once: its client takes its time to send its body.
    Upload,
    /// From then until the head of the answer.
    Head,
    /// From then until the answer's last byte, or until both sides have switched to another protocol.
    Body,
    /// All of these.
    Total,
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Queue, Self::Upload, Self::Head, Self::Body, Self::Total];

    /// The word used in statistics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Upload => "upload",
            Self::Head => "head",
            Self::Body => "body",
            Self::Total => "total",
        }
    }
}

/// How many requests took how long.
#[derive(Debug, Default)]
pub struct Histogram {
    /// By the first bound that is not exceeded; the last is of those beyond all bounds.
    buckets: [Counter; Self::BOUNDS.len() + 1],
    nanos: Counter,
}

impl Histogram {
    /// The bounds, in seconds, of the field's usual steps: from what a backend on the same machine takes to the
    /// default limit for an answer's head. They are fixed, because histograms can be added up only with equal bounds.
    pub const BOUNDS: [f64; 17] = [
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
        // Most requests are found early, so looking from the start beats searching.
        let bucket = Self::NANOS.iter().position(|bound| nanos <= *bound).unwrap_or(Self::NANOS.len());
        self.buckets[bucket].one();
        self.nanos.add(nanos);
    }

    /// Requests that exceeded the bound before this one and not this one.
    pub fn bucket(&self, number: usize) -> &Counter {
        &self.buckets[number]
    }

    /// All their times together, in nanoseconds.
    pub fn nanos(&self) -> &Counter {
        &self.nanos
    }
}

/// Counts the bytes of one connection, if they are counted.
#[derive(Debug, Clone, Default)]
pub struct Meter(Option<Arc<Tally>>);

impl Meter {
    /// Counts in this tally.
    pub fn of(tally: &Arc<Tally>) -> Self {
        Self(Some(Arc::clone(tally)))
    }

    /// Bytes came.
    pub fn received(&self, bytes: usize) {
        if let Some(tally) = &self.0 {
            tally.received.add(bytes as u64);
        }
    }

    /// Bytes went.
    pub fn sent(&self, bytes: usize) {
        if let Some(tally) = &self.0 {
            tally.sent.add(bytes as u64);
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
        let tally = Tally::default();
        let statuses = [200, 204, 101, 502, 999].map(|status| StatusCode::from_u16(status).ok());
        for status in statuses.into_iter().chain([None]) {
            tally.responded(status);
        }
        let counts: Vec<_> = (0..6).map(|class| tally.responses(class).get()).collect();
        assert_eq!(counts, [1, 1, 2, 0, 0, 2]);
    }
}
