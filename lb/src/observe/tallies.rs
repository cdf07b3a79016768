//! Counters of each worker. Each worker has its own, so that no worker waits for the cache line of another to
//! count a request. Readers add them up.
//!
//! Only its worker writes to a tally. So a reset does not change the tallies: it stores their present sums,
//! which readers subtract.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::{Counter, Tally};

/// Number of separate tallies. With more workers, some workers share a tally, which costs only time.
const APART: usize = 8;

/// The tallies of all workers.
#[derive(Debug, Default)]
pub(crate) struct Tallies {
    apart: [Arc<Tally>; APART],
    /// The sums at the last reset.
    before: ArcSwapOption<Tally>,
}

impl Tallies {
    /// The tally of the worker with this number.
    pub(crate) fn of(&self, worker: usize) -> &Arc<Tally> {
        &self.apart[worker % APART]
    }

    /// The sum over all workers.
    pub(crate) fn sum(&self, which: impl Fn(&Tally) -> &Counter) -> u64 {
        self.apart.iter().map(|tally| which(tally).get()).sum()
    }

    /// The sum since the last reset.
    pub(crate) fn since_reset(&self, which: impl Fn(&Tally) -> &Counter) -> u64 {
        // Read before the sum, so that it is never larger.
        let before = self.before.load().as_ref().map_or(0, |before| which(before).get());
        self.sum(which).saturating_sub(before)
    }

    /// From now on, [`Self::since_reset`] counts from zero.
    pub(crate) fn reset(&self) {
        let before = Tally::default();
        for tally in &self.apart {
            before.counters().zip(tally.counters()).for_each(|(sum, counter)| sum.add(counter.get()));
        }
        self.before.store(Some(Arc::new(before)));
    }

    /// The number of things that arrived and have not left. `gone` is read first, so that it is never larger
    /// than `came`.
    pub(crate) fn left(&self, came: impl Fn(&Tally) -> &Counter, gone: impl Fn(&Tally) -> &Counter) -> u64 {
        let gone = self.sum(gone);
        self.sum(came).saturating_sub(gone)
    }

    /// Requests that have arrived and have not ended.
    pub(crate) fn in_flight(&self) -> u64 {
        self.left(|tally| &tally.requests, |tally| &tally.ended)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::observe::{ErrorCause, Phase};

    #[test]
    fn what_many_workers_count_adds_up() {
        let tallies = Tallies::default();
        std::thread::scope(|scope| {
            for worker in 1..=2 * APART + 1 {
                let tallies = &tallies;
                scope.spawn(move || (0..1000).for_each(|_| tallies.of(worker).requests.one()));
            }
        });
        assert_eq!(tallies.sum(|tally| &tally.requests), (2 * APART as u64 + 1) * 1000);
        tallies.of(3).ended.one();
        assert_eq!(tallies.in_flight(), (2 * APART as u64 + 1) * 1000 - 1);
    }

    #[test]
    fn workers_share_no_cache_line() {
        let tallies = Tallies::default();
        assert_eq!(size_of::<Tally>() % 128, 0);
        assert!(tallies.apart.iter().all(|tally| std::ptr::from_ref(&**tally).addr() % 128 == 0));
    }

    #[test]
    fn a_reset_begins_every_count_anew_and_takes_nothing_from_the_sums() {
        let tallies = Tallies::default();
        let cause = ErrorCause { place: Tally::CAUSES - 1, name: "", blame: "" };
        let count = |worker| {
            let tally: &Tally = tallies.of(worker);
            tally.counters().for_each(Counter::one);
            tally.failed(cause);
            tally.took(Phase::Total, Duration::from_secs(3600));
        };
        (1..=APART).for_each(count);
        let both = |which: fn(&Tally) -> &Counter| (tallies.since_reset(which), tallies.sum(which));
        let blamed: fn(&Tally) -> &Counter = |tally| &tally.blamed;
        assert_eq!(both(blamed), (8, 8));
        tallies.reset();
        let tally: &Tally = tallies.of(0);
        for place in 0..tally.counters().count() {
            let since = tallies.since_reset(|tally| tally.counters().nth(place).expect("there are so many"));
            assert_eq!(since, 0, "{place}");
        }
        count(2);
        assert_eq!(both(blamed), (1, 9));
        assert_eq!(
            tallies.since_reset(|tally| tally.errors(ErrorCause {
                place: Tally::CAUSES - 1,
                name: "",
                blame: ""
            })),
            2
        );
        assert_eq!(both(|tally| tally.times(Phase::Total).nanos()).0, 3_600_000_000_001);
        tallies.reset();
        assert_eq!(both(blamed), (0, 9));
    }
}
