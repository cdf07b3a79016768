//! The load of a backend: the data that a pick reads, and nothing else.
//!
//! All of it is in one cache line: with thousands of backends, the main cost of a pick is waiting for memory.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};

use arc_swap::ArcSwapOption;

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
    pub(super) weight: AtomicU32,
    /// The limit of requests in flight; [`u32::MAX`] for no limit.
    pub(super) limit: AtomicU32,
    pub(super) watched: AtomicBool,
    /// [`Peak`]: the bits of its value, and its moment in microseconds.
    pub(super) peak: AtomicU64,
    pub(super) peak_at: AtomicU64,
    /// The time when the backend came up from being down, if it still warms up.
    pub(super) warm_from: AtomicU64,
    /// First picks: requests that were given to this backend before any other backend.
    pub(super) picks: AtomicU64,
    /// The watch that is told when the number of requests in flight changes.
    pub(super) watch: ArcSwapOption<Arc<dyn LoadWatch>>,
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

    /// The load with one more request, divided by the weight. Infinite without a weight.
    pub(super) fn per_weight(&self) -> f64 {
        f64::from(self.in_flight() + 1) / f64::from(self.weight.load(Relaxed))
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
