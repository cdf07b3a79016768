//! The load of a backend: the data that a pick reads, what changes it, and nothing else.
//!
//! All of it is in one cache line: with thousands of backends, the main cost of a pick is waiting for memory.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};
use std::time::Duration;

use arc_swap::ArcSwapOption;

use crate::Moment;

use super::latency::Peak;
use super::member::Member;

/// A watch that is told whenever the load of a backend changes.
pub(super) trait LoadWatch: Debug + Send + Sync {
    /// A request has begun or ended at the backend with this number and this load.
    fn load_changed(&self, number: usize, load: &Load);
}

/// The data that a pick reads.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Load {
    pub(super) in_flight: AtomicU32,
    weight: AtomicU32,
    /// The limit of requests in flight; [`u32::MAX`] for no limit.
    limit: AtomicU32,
    watched: AtomicBool,
    /// [`Peak`]: the bits of its value, and its moment in microseconds.
    peak: AtomicU64,
    peak_at: AtomicU64,
    /// The time when the backend came up from being down, if it still warms up.
    warm_from: AtomicU64,
    /// First picks: requests that were given to this backend before any other backend.
    picks: AtomicU64,
    /// The watch that is told when the number of requests in flight changes.
    watch: ArcSwapOption<Arc<dyn LoadWatch>>,
}

impl Load {
    pub(super) fn new(member: &Member) -> Self {
        Self {
            in_flight: AtomicU32::new(0),
            weight: AtomicU32::new(member.weight),
            limit: AtomicU32::new(member.limit.unwrap_or(u32::MAX)),
            watched: AtomicBool::new(false),
            peak: AtomicU64::new(Peak::UNKNOWN.value.to_bits()),
            peak_at: AtomicU64::new(0),
            warm_from: AtomicU64::new(0),
            picks: AtomicU64::new(0),
            watch: ArcSwapOption::empty(),
        }
    }

    /// Replaces the settings of the backend.
    pub(super) fn set_spec(&self, member: &Member) {
        self.weight.store(member.weight, Relaxed);
        self.limit.store(member.limit.unwrap_or(u32::MAX), Relaxed);
    }

    /// Takes over the requests in flight and the estimate of another load.
    pub(super) fn see(&self, other: &Self) {
        self.in_flight.store(other.in_flight(), SeqCst);
        self.set_peak(other.peak());
    }

    /// The share in relation to the other backends: 0 to [`Member::MAX_WEIGHT`].
    pub(super) fn weight(&self) -> u32 {
        self.weight.load(Relaxed)
    }

    /// The limit of requests in flight; `None` for no limit.
    pub(super) fn limit(&self) -> Option<u32> {
        Some(self.limit.load(Relaxed)).filter(|limit| *limit != u32::MAX)
    }

    /// Whether the number of requests in flight has reached the limit.
    pub(super) fn is_full(&self) -> bool {
        self.in_flight() >= self.limit.load(Relaxed)
    }

    /// Counts one more request that was given to this backend before any other backend.
    pub(super) fn count_pick(&self) {
        self.picks.fetch_add(1, Relaxed);
    }

    /// The number of requests that were given to this backend before any other backend, as far as they were
    /// counted.
    pub(super) fn picks(&self) -> u64 {
        self.picks.load(Relaxed)
    }

    /// Sets the only watch that is told whenever the load changes.
    pub(super) fn set_watch(&self, watch: Option<Arc<Arc<dyn LoadWatch>>>) {
        let watched = watch.is_some();
        self.watch.store(watch);
        self.watched.store(watched, SeqCst);
    }

    /// Whether this is the watch of the backend.
    pub(super) fn is_watched_by(&self, watch: &Arc<Arc<dyn LoadWatch>>) -> bool {
        self.watch.load().as_ref().is_some_and(|present| Arc::ptr_eq(present, watch))
    }

    /// The backend has come up, and warms up from now on.
    pub(super) fn begin_warming(&self, now: Moment) {
        self.warm_from.store(now.to_stamp(), Relaxed);
    }

    /// Whether the backend came up recently and warms up.
    pub(super) fn is_warming(&self) -> bool {
        self.warm_from.load(Relaxed) != 0
    }

    /// The part of its share that the backend may take while it warms up within `window`, from a tenth to all
    /// of it. This is Envoy's slow start with a linear increase.
    pub(super) fn warmth(&self, now: Moment, window: Duration) -> f64 {
        let Some(from) = Moment::from_stamp(self.warm_from.load(Relaxed)) else { return 1.0 };
        let warmth = now.since(from).as_micros() as f64 / window.as_micros() as f64;
        if warmth < 1.0 {
            return warmth.max(0.1);
        }
        self.warm_from.store(0, Relaxed);
        1.0
    }

    /// The pessimistic estimate of the time of an answer.
    pub(super) fn peak(&self) -> Peak {
        let value = f64::from_bits(self.peak.load(Relaxed));
        Peak { value, at: Moment::from_micros(self.peak_at.load(Relaxed)) }
    }

    pub(super) fn set_peak(&self, peak: Peak) {
        self.peak.store(peak.value.to_bits(), Relaxed);
        self.peak_at.store(peak.at.as_micros(), Relaxed);
    }

    /// The load with one more request, divided by the weight. Infinite without a weight.
    pub(super) fn per_weight(&self) -> f64 {
        f64::from(self.in_flight() + 1) / f64::from(self.weight())
    }

    /// Requests that were sent and are not finished.
    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.load(SeqCst)
    }

    /// Tells the watch of the backend with this number, if there is one, that the load has changed.
    pub(super) fn changed(&self, number: usize) {
        if self.watched.load(SeqCst)
            && let Some(watch) = &*self.watch.load()
        {
            watch.load_changed(number, self);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_pick_looks_at_is_one_cache_line() {
        assert_eq!((size_of::<Load>(), align_of::<Load>()), (64, 64));
    }
}
