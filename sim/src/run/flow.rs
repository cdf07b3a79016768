//! What a live run counts at each backend beside the report, as the balancer counts it in the event `tick`.

use std::time::Duration;

use api::Buckets;
use balance::verdict::{Blame, Next, Verdict};

use crate::clock::Nanos;

/// The relative width of a bucket is 2 to the power of minus this: 6.25 %, as in the program `lb`.
const PRECISION: u32 = 4;

/// The counts of a live run; without backends, nothing is counted.
#[derive(Debug, Default)]
pub(super) struct Flow {
    pub(super) backends: Vec<BackendFlow>,
    /// The latencies of the calls that ended since the last tick, in microseconds.
    latencies: Vec<u64>,
}

/// The counts of one backend.
#[derive(Debug, Default, Clone)]
pub(super) struct BackendFlow {
    pub(super) picks: u64,
    pub(super) failures: u64,
    pub(super) retries: u64,
    /// The latencies of the answers since the last tick, in microseconds.
    latencies: Vec<u64>,
}

impl Flow {
    /// Counts at this number of backends.
    pub(super) fn new(backends: usize) -> Self {
        Self { backends: vec![BackendFlow::default(); backends], latencies: Vec::new() }
    }

    fn of(&mut self, number: usize) -> Option<&mut BackendFlow> {
        self.backends.get_mut(number.checked_sub(1)?)
    }

    /// A backend was picked.
    #[inline]
    pub(super) fn picked(&mut self, number: usize) {
        if let Some(backend) = self.of(number) {
            backend.picks += 1;
        }
    }

    /// A backend has answered.
    #[inline]
    pub(super) fn answers(&mut self, number: usize, latency: Duration) {
        if let Some(backend) = self.of(number) {
            backend.latencies.push(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
        }
    }

    /// A try at a backend has failed.
    pub(super) fn failed(&mut self, number: usize, verdict: Verdict) {
        if let Some(backend) = self.of(number) {
            backend.failures += u64::from(verdict.blame == Blame::Backend);
            backend.retries += u64::from(matches!(verdict.next, Next::Retry(_)));
        }
    }

    /// A call has ended.
    #[inline]
    pub(super) fn ends(&mut self, latency: Nanos) {
        if !self.backends.is_empty() {
            self.latencies.push(latency / 1000);
        }
    }

    /// The latencies of the calls that ended since this was asked last.
    pub(super) fn take_latencies(&mut self) -> Buckets {
        buckets(&mut self.latencies)
    }
}

impl BackendFlow {
    /// The latencies of the answers since this was asked last.
    pub(super) fn take_latencies(&mut self) -> Buckets {
        buckets(&mut self.latencies)
    }
}

/// Counts the times in buckets, and forgets the times.
fn buckets(times: &mut Vec<u64>) -> Buckets {
    times.sort_unstable();
    let mut buckets = Buckets::new();
    for end in times.drain(..).map(end_of_bucket) {
        match buckets.last_mut() {
            Some((last, count)) if *last == end => *count += 1,
            _ => buckets.push((end, 1)),
        }
    }
    buckets
}

/// The largest time in the bucket of a time.
fn end_of_bucket(time: u64) -> u64 {
    let width = time.checked_ilog2().unwrap_or(0).saturating_sub(PRECISION);
    time | ((1 << width) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_at_most_a_sixteenth_wide() {
        assert_eq!([0, 1, 31, 32, 33, 34, 1000, 1023].map(end_of_bucket), [0, 1, 31, 33, 33, 35, 1023, 1023]);
        for time in (0..60).map(|power| 3_u64 << power) {
            let end = end_of_bucket(time);
            assert!(end >= time && end - time <= time / 16, "{time}: {end}");
            assert!(end_of_bucket(end) == end && end_of_bucket(end + 1) > end, "{time}: {end}");
        }
    }

    #[test]
    fn times_are_told_once() {
        let mut times = vec![33, 1, 32, 1];
        assert_eq!(buckets(&mut times), [(1, 2), (33, 2)]);
        assert_eq!(buckets(&mut times), []);
    }
}
