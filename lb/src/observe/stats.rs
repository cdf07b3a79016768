//! Counters and latencies: a few relaxed atomic additions a request, always on.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use histogram::{AtomicHistogram, Bucket, Histogram};
use http::StatusCode;
use serde::Serialize;

use super::micros;

/// Counters over all backends together.
#[derive(Debug, Default)]
pub struct Totals {
    /// Requests that came in.
    pub requests: AtomicU64,
    /// Answers by status class, 1xx to 5xx, the balancer's own included.
    pub status: [AtomicU64; 5],
    /// Requests that found no backend alive.
    pub no_backend: AtomicU64,
    /// Requests whose client went away.
    pub client_gone: AtomicU64,
    /// Requests that were refused as malformed or not understood, and what came instead of requests.
    pub refused: AtomicU64,
    /// Client connections open now.
    pub connections: AtomicI64,
}

impl Totals {
    /// Counts an answer.
    pub fn answered(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(1, 5) - 1;
        self.status[class].fetch_add(1, Relaxed);
    }
}

/// One backend's counters and latencies.
#[derive(Debug)]
pub struct BackendStats {
    /// Tries that were given to it, retries not included.
    pub picks: AtomicU64,
    /// Answers that came from it whole.
    pub answers: AtomicU64,
    /// Tries that failed and are its fault.
    pub failures: AtomicU64,
    /// Further tries at it after a first one failed.
    pub retries: AtomicU64,
    /// Connections opened to it.
    pub opened: AtomicU64,
    /// Requests sent over a connection that had served before.
    pub reused: AtomicU64,
    /// Connections kept for the next request, over all workers.
    pub idle: AtomicI64,
    latency: AtomicHistogram,
    /// The time before the present slice of latencies, in two slices.
    recent: Mutex<[Option<Histogram>; 2]>,
}

/// Relative error of a bucket: 2^-6, under 2%.
const GROUPING_POWER: u8 = 6;
/// Latencies up to 2^36 microseconds, about 19 hours.
const MAX_VALUE_POWER: u8 = 36;

impl Default for BackendStats {
    fn default() -> Self {
        Self {
            picks: AtomicU64::new(0),
            answers: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            opened: AtomicU64::new(0),
            reused: AtomicU64::new(0),
            idle: AtomicI64::new(0),
            latency: AtomicHistogram::new(GROUPING_POWER, MAX_VALUE_POWER)
                .expect("the powers are constants that fit together"),
            recent: Mutex::default(),
        }
    }
}

/// Latencies of the last 10 to 15 seconds, from sending a request to its answer's head, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct LatencyQuantiles {
    /// Half of the answers were faster. `None`, as the others, if nothing was answered lately.
    pub p50: Option<u64>,
    /// Nine of ten were faster.
    pub p90: Option<u64>,
    /// 99 of 100 were faster.
    pub p99: Option<u64>,
}

impl BackendStats {
    /// How long latencies are collected before a new slice begins.
    pub const SLICE: Duration = Duration::from_secs(5);

    /// Records the time from sending a request to its answer's head.
    pub fn record_latency(&self, latency: Duration) {
        // Whatever took longer than the histogram reaches is as good as the longest.
        let _ = self.latency.increment(micros(latency).min((1 << MAX_VALUE_POWER) - 1));
    }

    /// Begins a new slice; to be called every [`Self::SLICE`].
    pub fn rotate(&self) {
        let slice = self.latency.drain();
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        *recent = [Some(slice), recent[0].take()];
    }

    /// Quantiles of the recent latencies.
    pub fn quantiles(&self) -> LatencyQuantiles {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let mut slices = recent.iter().flatten();
        // Slices of one shape can always be added up.
        let all = slices.try_fold(self.latency.load(), |all, slice| all.checked_add(slice)).ok();
        let quantiles = all.and_then(|all| all.quantiles(&[0.5, 0.9, 0.99]).ok().flatten());
        let mut ends = quantiles.iter().flat_map(|found| found.entries().values()).map(Bucket::end);
        LatencyQuantiles { p50: ends.next(), p90: ends.next(), p99: ends.next() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_last_slices() {
        let stats = BackendStats::default();
        assert_eq!(stats.quantiles(), LatencyQuantiles::default());
        stats.record_latency(Duration::from_secs(5));
        for _ in 0..2 {
            stats.rotate();
        }
        for n in 1..=99 {
            stats.record_latency(Duration::from_micros(n * 1000));
        }
        let quantiles = stats.quantiles();
        assert!((50_000..=51_000).contains(&quantiles.p50.unwrap()), "{quantiles:?}");
        assert!((98_000..=101_000).contains(&quantiles.p99.unwrap()), "{quantiles:?}");
        stats.rotate();
        stats.rotate();
        assert!(stats.quantiles().p99.unwrap() < 110_000, "the 5 s answer is long past");
    }

    #[test]
    fn statuses_are_counted_by_class() {
        let totals = Totals::default();
        totals.answered(StatusCode::OK);
        totals.answered(StatusCode::BAD_GATEWAY);
        let counts = totals.status.each_ref().map(|count| count.load(Relaxed));
        assert_eq!(counts, [0, 1, 0, 0, 1]);
    }
}
