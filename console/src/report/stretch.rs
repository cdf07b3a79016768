//! The figures of a run over time, in stretches that are as long as their number permits.

use std::collections::BTreeMap;

use api::{BackendTick, Buckets, Tick};

use crate::counts::Counts;

/// Microseconds of the first stretches.
const SECOND: u64 = 1_000_000;

/// More stretches than this are joined in pairs: an hour at first.
const MOST: usize = 3_600;

/// The same for the bytes that they take.
const MOST_BYTES: usize = 6 << 20;

/// What one backend did until the end of a stretch. The counts are sums since the start of the balancer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LaneSums {
    pub(super) number: usize,
    pub(super) picks: u64,
    pub(super) answers: u64,
    pub(super) errors: u64,
    pub(super) failures: u64,
    pub(super) retries: u64,
    /// The largest number of requests that were there at a tick of the stretch.
    pub(super) in_flight: u32,
}

impl LaneSums {
    fn of(tick: &BackendTick) -> Self {
        Self {
            number: tick.backend,
            picks: tick.picks,
            answers: tick.answers,
            errors: tick.errors,
            failures: tick.failures,
            retries: tick.retries,
            in_flight: tick.in_flight,
        }
    }

    /// Tries that were sent to it.
    fn tries(&self) -> u64 {
        self.picks.saturating_add(self.retries)
    }
}

/// The end of a stretch of time. Counts are sums since a start; the latencies are those of the stretch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stretch {
    /// Its end, in microseconds since the epoch of the stream.
    pub(super) t: u64,
    /// Requests that were due, if there is a load; otherwise requests that arrived at the balancer.
    pub(super) offered: u64,
    pub(super) good: u64,
    pub(super) errors: u64,
    pub(super) tries: u64,
    /// Whether the counts and the latencies are those of a load.
    pub(super) has_load: bool,
    pub(super) lanes: Vec<LaneSums>,
    /// Latencies from the time at which a request was due.
    pub(super) corrected: Buckets,
    /// Latencies from the time at which it was sent; those of the balancer, if there is no load.
    pub(super) uncorrected: Buckets,
}

impl Stretch {
    fn of(tick: &Tick, before: Option<&Self>) -> Self {
        let mut lanes: BTreeMap<usize, LaneSums> = BTreeMap::new();
        for lane in before.iter().flat_map(|before| &before.lanes) {
            // A backend that a tick leaves out did nothing.
            lanes.insert(lane.number, LaneSums { in_flight: 0, ..*lane });
        }
        lanes.extend(tick.backends.iter().map(|backend| (backend.backend, LaneSums::of(backend))));
        let lanes: Vec<_> = lanes.into_values().collect();
        let tries = lanes.iter().map(LaneSums::tries).fold(0, u64::saturating_add);
        let mut stretch = Self { t: tick.t, tries, lanes, ..Self::default() };
        match &tick.load {
            Some(load) => {
                (stretch.offered, stretch.good, stretch.errors) = (load.offered, load.good, load.errors);
                stretch.has_load = true;
                (stretch.corrected, stretch.uncorrected) = (load.latency.clone(), load.uncorrected.clone());
            }
            None => {
                (stretch.offered, stretch.good, stretch.errors) = (tick.requests, tick.good, tick.errors);
                let latencies = tick.backends.iter().map(|backend| &backend.latency);
                stretch.uncorrected = latencies.fold(Buckets::new(), |sum, more| joined(&sum, more));
            }
        }
        stretch
    }

    /// Both as one stretch; `later` follows this one.
    fn join(&mut self, later: Self) {
        let earlier = std::mem::replace(self, later);
        self.corrected = joined(&earlier.corrected, &self.corrected);
        self.uncorrected = joined(&earlier.uncorrected, &self.uncorrected);
        for lane in &mut self.lanes {
            let before = earlier.lanes.iter().find(|before| before.number == lane.number);
            lane.in_flight = lane.in_flight.max(before.map_or(0, |before| before.in_flight));
        }
    }

    fn bytes(&self) -> usize {
        let buckets = self.corrected.capacity() + self.uncorrected.capacity();
        size_of::<Self>() + self.lanes.capacity() * size_of::<LaneSums>() + buckets * size_of::<(u64, u64)>()
    }
}

/// The counts of two lists of buckets together.
fn joined(one: &[(u64, u64)], other: &[(u64, u64)]) -> Buckets {
    let mut counts = Counts::default();
    counts.add(one);
    counts.add(other);
    counts.into()
}

/// How much a sum has grown. A sum that is smaller than before has begun again.
pub(super) fn grown(before: u64, after: u64) -> u64 {
    after.checked_sub(before).unwrap_or(after)
}

/// The stretches of a run, oldest first. They take a bounded amount of memory, however long the run is.
#[derive(Clone, Debug)]
pub(super) struct Stretches {
    all: Vec<Stretch>,
    /// The length of a stretch in microseconds.
    length: u64,
    bytes: usize,
}

impl Default for Stretches {
    fn default() -> Self {
        Self { all: Vec::new(), length: SECOND, bytes: 0 }
    }
}

impl Stretches {
    /// Takes in the next tick. One that is not newer is left out.
    pub(super) fn tick(&mut self, tick: &Tick) {
        let last = self.all.last();
        if last.is_some_and(|last| tick.t <= last.t) {
            return;
        }
        let next = Stretch::of(tick, last);
        let is_same = last.is_some_and(|last| last.t / self.length == next.t / self.length);
        match self.all.last_mut() {
            Some(last) if is_same => {
                self.bytes = self.bytes.saturating_sub(last.bytes());
                last.join(next);
                self.bytes += last.bytes();
            }
            _ => {
                self.bytes += next.bytes();
                self.all.push(next);
            }
        }
        while self.all.len() > 2 && (self.all.len() > MOST || self.bytes > MOST_BYTES) {
            self.halve();
        }
    }

    /// Joins the stretches in pairs.
    fn halve(&mut self) {
        self.length = self.length.saturating_mul(2);
        let mut joined: Vec<Stretch> = Vec::new();
        for stretch in self.all.drain(..) {
            match joined.last_mut() {
                Some(last) if last.t / self.length == stretch.t / self.length => last.join(stretch),
                _ => joined.push(stretch),
            }
        }
        self.bytes = joined.iter().map(Stretch::bytes).sum();
        self.all = joined;
    }

    /// The stretches, oldest first.
    pub(super) fn all(&self) -> &[Stretch] {
        &self.all
    }

    /// The bytes that they take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
#[path = "stretch_tests.rs"]
mod tests;
