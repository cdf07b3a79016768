//! Counters of each worker. Up to eight workers have counters of their own, so that no worker waits for the
//! cache line of another to count a request. Readers add them up.
//!
//! The workers add without a lock. So a reset does not change the counters: it stores their present sums,
//! which readers subtract.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::{Counter, Counters};

/// Number of separate sets of counters. With more workers, some workers share a set, which costs only time.
const APART: usize = 8;

/// The counters of all workers.
#[derive(Debug, Default)]
pub(crate) struct ShardedCounters {
    apart: [Arc<Counters>; APART],
    /// The sums at the last reset.
    before: ArcSwapOption<Counters>,
}

impl ShardedCounters {
    /// The counters of the worker with this number.
    pub(crate) fn of(&self, worker: usize) -> &Arc<Counters> {
        &self.apart[worker % APART]
    }

    /// The sum over all workers.
    pub(crate) fn sum(&self, which: impl Fn(&Counters) -> &Counter) -> u64 {
        self.apart.iter().map(|counters| which(counters).get()).sum()
    }

    /// The sum since the last reset.
    pub(crate) fn since_reset(&self, which: impl Fn(&Counters) -> &Counter) -> u64 {
        // Read before the sum, so that it is never larger.
        let before = self.before.load().as_ref().map_or(0, |before| which(before).get());
        self.sum(which).saturating_sub(before)
    }

    /// From now on, [`Self::since_reset`] counts from zero.
    pub(crate) fn reset(&self) {
        let before = Counters::default();
        for counters in &self.apart {
            before.counters().zip(counters.counters()).for_each(|(sum, counter)| sum.add(counter.get()));
        }
        self.before.store(Some(Arc::new(before)));
    }

    /// The number of things that arrived and have not left. `gone` is read first, so that it is never larger
    /// than `came`.
    pub(crate) fn left(
        &self,
        came: impl Fn(&Counters) -> &Counter,
        gone: impl Fn(&Counters) -> &Counter,
    ) -> u64 {
        let gone = self.sum(gone);
        self.sum(came).saturating_sub(gone)
    }

    /// Requests that have arrived and have not ended.
    pub(crate) fn in_flight(&self) -> u64 {
        self.left(|counters| &counters.requests, |counters| &counters.ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::{ErrorCause, Phase};

    #[test]
    fn what_many_workers_count_adds_up() {
        let sharded = ShardedCounters::default();
        std::thread::scope(|scope| {
            for worker in 1..=2 * APART + 1 {
                let sharded = &sharded;
                scope.spawn(move || (0..1000).for_each(|_| sharded.of(worker).requests.one()));
            }
        });
        assert_eq!(sharded.sum(|counters| &counters.requests), (2 * APART as u64 + 1) * 1000);
        sharded.of(3).ended.one();
        assert_eq!(sharded.in_flight(), (2 * APART as u64 + 1) * 1000 - 1);
    }

    #[test]
    fn workers_share_no_cache_line() {
        let sharded = ShardedCounters::default();
        assert_eq!(size_of::<Counters>() % 128, 0);
        assert!(sharded.apart.iter().all(|counters| std::ptr::from_ref(&**counters).addr() % 128 == 0));
    }

    #[test]
    fn a_reset_begins_every_count_anew_and_takes_nothing_from_the_sums() {
        let sharded = ShardedCounters::default();
        let cause = ErrorCause { place: Counters::CAUSES - 1, name: "", blame: "" };
        let count = |worker| {
            let counters: &Counters = sharded.of(worker);
            counters.counters().for_each(Counter::one);
            counters.failed(cause);
            counters.took(Phase::Total, 3_600_000_000);
        };
        (1..=APART).for_each(count);
        let both = |which: fn(&Counters) -> &Counter| (sharded.since_reset(which), sharded.sum(which));
        let blamed: fn(&Counters) -> &Counter = |counters| &counters.blamed;
        assert_eq!(both(blamed), (8, 8));
        sharded.reset();
        let counters: &Counters = sharded.of(0);
        for place in 0..counters.counters().count() {
            let since =
                sharded.since_reset(|counters| counters.counters().nth(place).expect("there are so many"));
            assert_eq!(since, 0, "{place}");
        }
        count(2);
        assert_eq!(both(blamed), (1, 9));
        assert_eq!(
            sharded.since_reset(|counters| counters.errors(ErrorCause {
                place: Counters::CAUSES - 1,
                name: "",
                blame: ""
            })),
            2
        );
        assert_eq!(both(|counters| counters.times(Phase::Total).micros()).0, 3_600_000_001);
        sharded.reset();
        assert_eq!(both(blamed), (0, 9));
    }
}
