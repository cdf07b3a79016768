//! How much has a backend to do? What a pick looks at, and nothing else.
//!
//! It is side by side in one cache line: with thousands of backends, nearly all that a pick costs is waiting for memory.

use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

use super::Backend;
use super::latency::Peak;
use super::member::Member;
use super::ranking::LoadWatch;

/// The moment that all times of a pool count from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Epoch(Instant);

impl Epoch {
    pub(super) fn new(epoch: Instant) -> Self {
        Self(epoch)
    }

    pub(super) fn since(self, now: Instant) -> Duration {
        now.saturating_duration_since(self.0)
    }

    /// Microseconds, plus one so that 0 can mean "never".
    pub(super) fn stamp(self, now: Instant) -> u64 {
        u64::try_from(self.since(now).as_micros()).map_or(u64::MAX, |us| us.saturating_add(1))
    }
}

/// What a pick looks at.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Load {
    epoch: Epoch,
    in_flight: AtomicU32,
    weight: AtomicU32,
    /// Requests it may have in flight; [`u32::MAX`] for as many as come.
    limit: AtomicU32,
    watched: AtomicBool,
    /// [`Peak`]: the bits of its value, and its moment in microseconds.
    peak: AtomicU64,
    peak_at: AtomicU64,
    /// When it came up from being down, if it is still warming up.
    warm_from: AtomicU64,
    /// Who wants to know when the requests in flight change.
    watch: ArcSwapOption<Arc<dyn LoadWatch>>,
}

impl Load {
    pub(super) fn new(member: &Member, epoch: Epoch) -> Self {
        Self {
            epoch,
            in_flight: AtomicU32::new(0),
            weight: AtomicU32::new(member.weight),
            limit: AtomicU32::new(member.limit.unwrap_or(u32::MAX)),
            watched: AtomicBool::new(false),
            peak: AtomicU64::new(Peak::UNKNOWN.value.to_bits()),
            peak_at: AtomicU64::new(0),
            warm_from: AtomicU64::new(0),
            watch: ArcSwapOption::empty(),
        }
    }

    /// From now on this is said of the backend.
    pub(super) fn say(&self, member: &Member) {
        self.weight.store(member.weight, Relaxed);
        self.limit.store(member.limit.unwrap_or(u32::MAX), Relaxed);
    }
}

impl Backend {
    /// Its share compared to the others': 0 to [`Member::MAX_WEIGHT`].
    pub fn weight(&self) -> u32 {
        self.load.weight.load(Relaxed)
    }

    /// Requests it may have in flight; `None` for as many as come.
    pub fn limit(&self) -> Option<u32> {
        Some(self.load.limit.load(Relaxed)).filter(|limit| *limit != u32::MAX)
    }

    /// Whether it has as many requests in flight as it may.
    pub fn is_full(&self) -> bool {
        self.in_flight() >= self.load.limit.load(Relaxed)
    }

    /// How much it would have to do, for its weight, with one more request: what policies compare. Infinite
    /// without a weight.
    pub fn load(&self) -> f64 {
        f64::from(self.in_flight() + 1) / f64::from(self.weight())
    }

    /// Tells somebody, and nobody else any more, whenever [`Self::load`] changes.
    pub(super) fn watch(&self, watch: Option<Arc<Arc<dyn LoadWatch>>>) {
        let watched = watch.is_some();
        self.load.watch.store(watch);
        self.load.watched.store(watched, SeqCst);
    }

    fn load_changed(&self) {
        if self.load.watched.load(SeqCst)
            && let Some(watch) = &*self.load.watch.load()
        {
            watch.load_changed(self);
        }
    }

    /// It has come up and is to warm up from now on.
    pub(super) fn begin_warming(&self, now: Instant) {
        self.load.warm_from.store(self.load.epoch.stamp(now), Relaxed);
    }

    /// Whether it has come up lately and is warming up.
    pub fn is_warming(&self) -> bool {
        self.load.warm_from.load(Relaxed) != 0
    }

    /// How much of its share it may take while it warms up within `window`, from a tenth to all of it: Envoy's slow start,
    /// with an even pace.
    pub fn warmth(&self, now: Instant, window: Duration) -> f64 {
        let since = match self.load.warm_from.load(Relaxed) {
            0 => return 1.0,
            since => self.load.epoch.stamp(now).saturating_sub(since),
        };
        let warmth = since as f64 / window.as_micros() as f64;
        if warmth < 1.0 {
            return warmth.max(0.1);
        }
        self.load.warm_from.store(0, Relaxed);
        1.0
    }

    /// Requests that were sent here and are not finished: the answer's last byte has not come yet.
    pub fn in_flight(&self) -> u32 {
        self.load.in_flight.load(SeqCst)
    }

    /// How long an answer will take, in microseconds, seen pessimistically: [`Peak`].
    pub fn peak_latency(&self, now: Instant) -> f64 {
        self.peak().value_at(self.load.epoch.since(now))
    }

    pub(super) fn peak(&self) -> Peak {
        let value = f64::from_bits(self.load.peak.load(Relaxed));
        Peak { value, at: Duration::from_micros(self.load.peak_at.load(Relaxed)) }
    }

    pub(super) fn set_peak(&self, peak: Peak) {
        self.load.peak.store(peak.value.to_bits(), Relaxed);
        self.load.peak_at.store(u64::try_from(peak.at.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }
}

/// A request is in flight at a backend for as long as this lives: from the pick to the answer's last byte,
/// or to whatever ends it earlier.
#[derive(Debug)]
pub struct InFlight(Arc<Backend>);

impl InFlight {
    /// Counts one more request at `backend`.
    pub fn new(backend: Arc<Backend>) -> Self {
        // Sequentially consistent, as the watch is: whoever begins to watch either is told of this or sees it.
        backend.load.in_flight.fetch_add(1, SeqCst);
        backend.load_changed();
        Self(backend)
    }

    /// Where the request is.
    pub fn backend(&self) -> &Arc<Backend> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.load.in_flight.fetch_sub(1, SeqCst);
        self.0.load_changed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::Address;

    #[test]
    fn what_a_pick_looks_at_is_one_cache_line() {
        assert_eq!((size_of::<Load>(), align_of::<Load>()), (64, 64));
    }

    #[test]
    fn counts_go_back_whatever_ends_the_request() {
        let (address, now) = (Address { host: "127.0.0.1".into(), port: 3031 }, Instant::now());
        let backend = Arc::new(Backend::new(1, Member::new(address), now, now));
        let lease = InFlight::new(Arc::clone(&backend));
        assert_eq!(backend.in_flight(), 1);
        drop(lease);
        assert_eq!(backend.in_flight(), 0);
    }
}
