//! Statistics of a backend: counts, states, latencies.

use std::sync::atomic::AtomicU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use api::{Buckets, LatencyMicros};
use histogram::{AtomicHistogram, Bucket, Histogram};

use super::micros;
use super::sharded::ShardedCounters;
use super::states::{Seen, States};

/// One backend's counters, states and latencies.
#[derive(Debug)]
pub(crate) struct BackendStats {
    /// Counters of the tries at the backend.
    pub counters: ShardedCounters,
    /// Requests that wait for a place at the backend.
    pub queued: AtomicU32,
    states: Mutex<States>,
    /// The view of the states at the last reset.
    before: Mutex<Option<Seen>>,
    latency: AtomicHistogram,
    /// Latencies before the present slice.
    recent: Mutex<Recent>,
}

/// The latencies of the last two slices that have ended.
#[derive(Debug, Default)]
struct Recent {
    slices: [Option<Histogram>; 2],
    /// The number of slices that have ended.
    ended: u64,
}

/// The latencies that a reader has seen already.
#[derive(Debug)]
pub(crate) struct LatencyMark {
    seen: Histogram,
    ended: u64,
}

/// Relative error of a bucket in the stream of events: 2^-4, under 7%.
const COARSE_POWER: u8 = 4;

/// Relative error of a bucket: 2^-6, under 2%.
const GROUPING_POWER: u8 = 6;
/// Latencies up to 2^36 microseconds, about 19 hours.
const MAX_VALUE_POWER: u8 = 36;

impl BackendStats {
    /// Duration of a slice.
    pub(crate) const SLICE: Duration = Duration::from_secs(5);

    /// The statistics of a backend that begins in this state.
    pub(crate) fn new(state: &'static str, now: Instant) -> Self {
        Self {
            counters: ShardedCounters::default(),
            queued: AtomicU32::new(0),
            states: Mutex::new(States::new(state, now)),
            before: Mutex::default(),
            latency: AtomicHistogram::new(GROUPING_POWER, MAX_VALUE_POWER)
                .expect("these constant powers are valid together"),
            recent: Mutex::default(),
        }
    }

    /// The backend changes to another state.
    pub(crate) fn state_changed(&self, to: &'static str, now: Instant) {
        self.states.lock().unwrap_or_else(PoisonError::into_inner).change(to, now);
    }

    /// The states so far.
    pub(crate) fn states(&self) -> States {
        self.states.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The states since the last reset. A state that was entered only before the reset has no time.
    pub(crate) fn states_since_reset(&self, now: Instant) -> Seen {
        let before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        self.states().since(before.as_ref(), now)
    }

    /// From now on, all counts since the last reset start from zero.
    pub(crate) fn reset(&self, now: Instant) {
        self.counters.reset();
        let seen = self.states().since(None, now);
        *self.before.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
    }

    /// Records the time from sending a request to its answer's head.
    pub(crate) fn record_latency(&self, latency: Duration) {
        // Times beyond the range of the histogram count as the longest.
        let _ = self.latency.increment(micros(latency).min((1 << MAX_VALUE_POWER) - 1));
    }

    /// Begins a new slice; to be called every [`Self::SLICE`].
    pub(crate) fn rotate(&self) {
        // The lock comes first, so that no reader misses the slice in between.
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let slice = self.latency.drain();
        recent.slices = [Some(slice), recent.slices[0].take()];
        recent.ended += 1;
    }

    /// The latencies since the mark, which moves to the present. A reader without a mark gets one, and no
    /// latencies.
    pub(crate) fn latencies_since(&self, mark: &mut Option<LatencyMark>) -> Buckets {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.latency.load();
        let before = mark.replace(LatencyMark { seen: now.clone(), ended: recent.ended });
        let Some(before) = before else { return Buckets::new() };
        // The shapes are equal, and counts only grow within a slice.
        let since = match (recent.ended.checked_sub(before.ended), &recent.slices[0]) {
            (Some(0), _) => now.checked_sub(&before.seen).ok(),
            (Some(1), Some(last)) => {
                last.checked_sub(&before.seen).and_then(|rest| rest.checked_add(&now)).ok()
            }
            _ => Some(now),
        };
        let coarse = since.and_then(|since| since.downsample(COARSE_POWER).ok());
        let counted = |bucket: &Bucket| bucket.count() > 0;
        let buckets = coarse.iter().flatten().filter(counted);
        buckets.map(|bucket| (bucket.end(), bucket.count())).collect()
    }

    /// Quantiles of the recent latencies.
    pub(crate) fn quantiles(&self) -> LatencyMicros {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let mut slices = recent.slices.iter().flatten();
        // Slices of the same shape can always be added.
        let all = slices.try_fold(self.latency.load(), |all, slice| all.checked_add(slice)).ok();
        let quantiles = all.and_then(|all| all.quantiles(&[0.5, 0.9, 0.99]).ok().flatten());
        let mut ends = quantiles.iter().flat_map(|found| found.entries().values()).map(Bucket::end);
        LatencyMicros { p50: ends.next(), p90: ends.next(), p99: ends.next() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_last_slices() {
        let stats = BackendStats::new("up", Instant::now());
        assert_eq!(stats.quantiles(), LatencyMicros::default());
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
}
