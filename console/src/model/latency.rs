//! The latencies of the last seconds: the buckets of several ticks, added up.

use std::collections::VecDeque;

use api::Buckets;
use serde::Serialize;

use crate::counts::Counts;

/// The period of percentiles and of the agreement of a ghost, in microseconds.
pub const LONG_US: u64 = 30_000_000;

/// The percentiles of a [`Curve`], each with the least number of answers for which it means something.
const PERCENTILES: [(f64, u64); 7] =
    [(50.0, 2), (75.0, 4), (90.0, 10), (95.0, 20), (99.0, 100), (99.9, 1000), (99.99, 10_000)];

/// Percentiles, each with its latency in microseconds. One that needs more answers than there are is left
/// out.
pub type Curve = Vec<(f64, u64)>;

/// Latencies by percentile, as clients see them, over [`Percentiles::window_us`].
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// The period of these percentiles, in microseconds.
    pub window_us: u64,
    /// From the time at which each request was due; without a load, those of the backends.
    pub corrected: Curve,
    /// From the time at which each request was sent.
    pub uncorrected: Curve,
    /// Those of the ghost that is shown.
    pub ghost: Curve,
}

/// The buckets of the ticks of the last [`LONG_US`].
#[derive(Clone, Debug, Default)]
pub(super) struct Latencies {
    ticks: VecDeque<(u64, Buckets)>,
}

impl Latencies {
    /// Adds the buckets of the tick of this time.
    pub(super) fn push(&mut self, t: u64, buckets: &Buckets) {
        while self.ticks.front().is_some_and(|(first, _)| first.saturating_add(LONG_US) <= t) {
            self.ticks.pop_front();
        }
        if !buckets.is_empty() {
            self.ticks.push_back((t, buckets.clone()));
        }
    }

    /// The quantiles `qs` (0 to 1) of the period of this length that ends now, in microseconds. `None`
    /// without answers.
    pub(super) fn quantiles<const N: usize>(
        &self,
        now: u64,
        period_us: u64,
        qs: [f64; N],
    ) -> [Option<u64>; N] {
        let all = self.all(now, period_us);
        qs.map(|q| all.quantile(q))
    }

    /// The percentiles of the last [`LONG_US`].
    pub(super) fn curve(&self, now: u64) -> Curve {
        let all = self.all(now, LONG_US);
        let count = all.total();
        let percentile = |&(percentile, least): &(f64, u64)| {
            let latency = all.quantile(percentile / 100.0).filter(|_| count >= least)?;
            Some((percentile, latency))
        };
        PERCENTILES.iter().filter_map(percentile).collect()
    }

    /// The number of latencies after one time and up to another, and their sum in microseconds.
    pub(super) fn sum(&self, after: u64, upto: u64) -> (f64, f64) {
        let inside = self.ticks.iter().filter(|(t, _)| *t > after && *t <= upto);
        inside.flat_map(|(_, buckets)| buckets).fold((0.0, 0.0), |(count, sum), (largest, more)| {
            (count + *more as f64, sum + *largest as f64 * *more as f64)
        })
    }

    /// All latencies of the period of this length that ends now.
    fn all(&self, now: u64, period_us: u64) -> Counts {
        let mut all = Counts::default();
        for (t, buckets) in &self.ticks {
            if t.saturating_add(period_us) > now {
                all.add(buckets);
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::super::window::WINDOW_US;
    use super::*;

    const S: u64 = 1_000_000;

    #[test]
    fn quantiles_are_those_of_all_ticks_of_the_period() {
        let mut latencies = Latencies::default();
        latencies.push(S, &vec![(9_000, 1000)]);
        latencies.push(2 * S, &vec![(200, 49), (100, 50)]);
        latencies.push(6 * S, &vec![(900, 1)]);
        // The tick of 1 s is outside the window that ends at 6 s: 50 times 100, 49 times 200, once 900.
        assert_eq!(
            latencies.quantiles(6 * S, WINDOW_US, [0.5, 0.51, 0.99, 1.0]),
            [Some(100), Some(200), Some(200), Some(900)]
        );
        assert_eq!(latencies.quantiles(7 * S, WINDOW_US, [0.5]), [Some(900)]);
        assert_eq!(latencies.quantiles(11 * S, WINDOW_US, [0.5, 0.99]), [None, None]);
        assert_eq!(latencies.quantiles(11 * S, LONG_US, [0.5]), [Some(9_000)]);
        assert_eq!(latencies.sum(S, 6 * S), (100.0, 50.0 * 100.0 + 49.0 * 200.0 + 900.0));
    }

    #[test]
    fn a_percentile_needs_enough_answers() {
        let mut latencies = Latencies::default();
        assert!(latencies.curve(0).is_empty());
        for (count, expected) in
            [(1, &[][..]), (1, &[50.0]), (17, &[50.0, 75.0, 90.0]), (980, &[50.0, 75.0, 90.0, 95.0, 99.0])]
        {
            latencies.push(S, &vec![(10, count)]);
            let curve = latencies.curve(S);
            assert_eq!(curve.iter().map(|(percentile, _)| *percentile).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn counts_that_cannot_be_do_not_panic() {
        let mut latencies = Latencies::default();
        latencies.push(u64::MAX, &vec![(u64::MAX, u64::MAX), (1, u64::MAX), (0, 0)]);
        assert_eq!(latencies.quantiles(u64::MAX, 1, [0.5]), [None], "the window ends before this time");
        assert_eq!(latencies.quantiles(0, 1, [0.1, 1.0]), [Some(1), Some(1)]);
    }
}
