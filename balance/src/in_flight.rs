//! The requests in flight at a backend, and the methods of a backend that read and change its load.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Duration;

use crate::Moment;

use super::backend::Backend;
use super::latency::Peak;
use super::load::LoadWatch;

impl Backend {
    /// The share in relation to the other backends: 0 to [`crate::member::Member::MAX_WEIGHT`].
    pub fn weight(&self) -> u32 {
        self.load.weight.load(Relaxed)
    }

    /// The limit of requests in flight; `None` for no limit.
    pub fn limit(&self) -> Option<u32> {
        Some(self.load.limit.load(Relaxed)).filter(|limit| *limit != u32::MAX)
    }

    /// Whether the number of requests in flight has reached the limit.
    pub fn is_full(&self) -> bool {
        self.in_flight() >= self.load.limit.load(Relaxed)
    }

    /// The load with one more request, divided by the weight: the value that policies compare. Infinite
    /// without a weight.
    pub fn load(&self) -> f64 {
        self.load.per_weight()
    }

    /// Counts one more request that was given to this backend before any other backend.
    pub(super) fn count_pick(&self) {
        self.load.picks.fetch_add(1, Relaxed);
    }

    /// The number of requests that were given to this backend before any other backend, as far as they were
    /// counted.
    pub(super) fn picks(&self) -> u64 {
        self.load.picks.load(Relaxed)
    }

    /// Sets the only watch that is told whenever [`Self::load`] changes.
    pub(super) fn watch(&self, watch: Option<Arc<Arc<dyn LoadWatch>>>) {
        let watched = watch.is_some();
        self.load.watch.store(watch);
        self.load.watched.store(watched, SeqCst);
    }

    /// Whether this is the watch of the backend.
    pub(super) fn is_watched_by(&self, watch: &Arc<Arc<dyn LoadWatch>>) -> bool {
        self.load.watch.load().as_ref().is_some_and(|present| Arc::ptr_eq(present, watch))
    }

    /// The backend has come up, and warms up from now on.
    pub(super) fn begin_warming(&self, now: Moment) {
        self.load.warm_from.store(now.to_stamp(), Relaxed);
    }

    /// Whether the backend came up recently and warms up.
    pub fn is_warming(&self) -> bool {
        self.load.warm_from.load(Relaxed) != 0
    }

    /// The part of its share that the backend may take while it warms up within `window`, from a tenth to all
    /// of it. This is Envoy's slow start with a linear increase.
    pub fn warmth(&self, now: Moment, window: Duration) -> f64 {
        let Some(from) = Moment::from_stamp(self.load.warm_from.load(Relaxed)) else { return 1.0 };
        let warmth = now.since(from).as_micros() as f64 / window.as_micros() as f64;
        if warmth < 1.0 {
            return warmth.max(0.1);
        }
        self.load.warm_from.store(0, Relaxed);
        1.0
    }

    /// Requests that were sent to this backend and are not finished: the last byte of the answer is still
    /// missing.
    pub fn in_flight(&self) -> u32 {
        self.load.in_flight()
    }

    /// The expected time of an answer, in microseconds, with a pessimistic estimate: [`Peak`].
    pub fn peak_latency(&self, now: Moment) -> f64 {
        self.peak().value_at(now)
    }

    pub(super) fn peak(&self) -> Peak {
        let value = f64::from_bits(self.load.peak.load(Relaxed));
        Peak { value, at: Moment::from_micros(self.load.peak_at.load(Relaxed)) }
    }

    pub(super) fn set_peak(&self, peak: Peak) {
        self.load.peak.store(peak.value.to_bits(), Relaxed);
        self.load.peak_at.store(peak.at.as_micros(), Relaxed);
    }
}

/// While this value exists, a request is in flight at a backend: from the pick to the last byte of the
/// answer, or to an earlier end.
#[derive(Debug)]
pub struct InFlight<T: AsRef<Backend> = Backend>(Arc<T>);

impl<T: AsRef<Backend>> InFlight<T> {
    /// Counts one more request at `backend`.
    pub fn new(backend: Arc<T>) -> Self {
        // Sequentially consistent, as the watch is: a new watch is either told of this request or counts it
        // itself.
        let counts = (*backend).as_ref();
        counts.load.in_flight.fetch_add(1, SeqCst);
        counts.load.changed(counts.number);
        Self(backend)
    }

    /// The backend of the request.
    pub fn backend(&self) -> &Arc<T> {
        &self.0
    }
}

impl<T: AsRef<Backend>> Drop for InFlight<T> {
    fn drop(&mut self) {
        let counts = (*self.0).as_ref();
        counts.load.in_flight.fetch_sub(1, SeqCst);
        counts.load.changed(counts.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;
    use crate::member::Member;

    #[test]
    fn counts_go_back_whatever_ends_the_request() {
        let address = Address { host: "127.0.0.1".into(), port: 3031 };
        let backend = Arc::new(Backend::new(1, Member::new(address), Moment::START));
        let lease = InFlight::new(Arc::clone(&backend));
        assert_eq!(backend.in_flight(), 1);
        drop(lease);
        assert_eq!(backend.in_flight(), 0);
    }
}
