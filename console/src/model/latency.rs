//! The latencies of the last seconds: the buckets of several ticks, added up.

use std::collections::{BTreeMap, VecDeque};

use api::Buckets;

use super::window::WINDOW_US;

/// The buckets of the ticks of the last [`WINDOW_US`].
#[derive(Clone, Debug, Default)]
pub(super) struct Latencies {
    ticks: VecDeque<(u64, Buckets)>,
}

impl Latencies {
    /// Adds the buckets of the tick of this time.
    pub(super) fn push(&mut self, t: u64, buckets: &Buckets) {
        while self.ticks.front().is_some_and(|(first, _)| first.saturating_add(WINDOW_US) <= t) {
            self.ticks.pop_front();
        }
        if !buckets.is_empty() {
            self.ticks.push_back((t, buckets.clone()));
        }
    }

    /// The quantiles `qs` (0 to 1) at this time, in microseconds: the largest time of the bucket that
    /// contains the quantile, which is at most 7 % more. `None` if there was no answer in the window.
    pub(super) fn quantiles<const N: usize>(&self, now: u64, qs: [f64; N]) -> [Option<u64>; N] {
        let mut all = BTreeMap::<u64, u64>::new();
        let inside = |tick: &&(u64, Buckets)| tick.0.saturating_add(WINDOW_US) > now;
        for (largest, count) in self.ticks.iter().filter(inside).flat_map(|(_, buckets)| buckets) {
            let sum = all.entry(*largest).or_default();
            *sum = sum.saturating_add(*count);
        }
        let count = all.values().fold(0_u64, |sum, count| sum.saturating_add(*count));
        qs.map(|q| {
            // The nearest rank: the smallest value with at least this share of all values up to it.
            let rank = ((q * count as f64).ceil() as u64).clamp(1, count.max(1));
            let mut below = 0_u64;
            all.iter().find_map(|(largest, count)| {
                below = below.saturating_add(*count);
                (below >= rank).then_some(*largest)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000;

    #[test]
    fn quantiles_are_those_of_all_ticks_of_the_window() {
        let mut latencies = Latencies::default();
        latencies.push(S, &vec![(9_000, 1000)]);
        latencies.push(2 * S, &vec![(200, 49), (100, 50)]);
        latencies.push(6 * S, &vec![(900, 1)]);
        // The tick of 1 s is outside the window that ends at 6 s: 50 times 100, 49 times 200, once 900.
        assert_eq!(
            latencies.quantiles(6 * S, [0.5, 0.51, 0.99, 1.0]),
            [Some(100), Some(200), Some(200), Some(900)]
        );
        assert_eq!(latencies.quantiles(7 * S, [0.5]), [Some(900)]);
        assert_eq!(latencies.quantiles(11 * S, [0.5, 0.99]), [None, None]);
    }

    #[test]
    fn counts_that_cannot_be_do_not_panic() {
        let mut latencies = Latencies::default();
        latencies.push(u64::MAX, &vec![(u64::MAX, u64::MAX), (1, u64::MAX), (0, 0)]);
        assert_eq!(latencies.quantiles(u64::MAX, [0.5]), [None], "the window ends before this time");
        assert_eq!(latencies.quantiles(0, [0.1, 1.0]), [Some(1), Some(1)]);
    }
}
