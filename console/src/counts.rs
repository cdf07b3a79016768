//! Counts of latencies, from the buckets of one or more ticks.

use std::collections::BTreeMap;

use api::Buckets;

/// Counts of latencies: the largest time of each bucket in microseconds, and the number of times in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts(BTreeMap<u64, u64>);

impl Counts {
    /// Adds buckets. A sum that does not fit stays at the largest number.
    pub(crate) fn add(&mut self, buckets: &[(u64, u64)]) {
        for (largest, count) in buckets {
            let sum = self.0.entry(*largest).or_default();
            *sum = sum.saturating_add(*count);
        }
    }

    /// Whether there is no bucket.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of times in all buckets.
    pub(crate) fn total(&self) -> u64 {
        self.0.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The quantile `q` (0 to 1) in microseconds: the largest time of the bucket that contains it, which is
    /// at most 7 % more than the time itself. `None` without any time.
    ///
    /// It is the nearest rank: the smallest time with at least this share of all times up to it.
    pub(crate) fn quantile(&self, q: f64) -> Option<u64> {
        let total = self.total();
        let rank = ((q * total as f64).ceil() as u64).clamp(1, total.max(1));
        let mut below = 0_u64;
        self.0.iter().find_map(|(largest, count)| {
            below = below.saturating_add(*count);
            (below >= rank).then_some(*largest)
        })
    }
}

impl From<Counts> for Buckets {
    fn from(counts: Counts) -> Self {
        counts.0.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(buckets: &[(u64, u64)]) -> Counts {
        let mut counts = Counts::default();
        counts.add(buckets);
        counts
    }

    #[test]
    fn a_quantile_is_the_end_of_its_bucket() {
        let some = counts(&[(100, 50), (200, 49), (900, 1)]);
        let found = [0.0, 0.5, 0.51, 0.99, 1.0].map(|q| some.quantile(q));
        assert_eq!(found, [Some(100), Some(100), Some(200), Some(200), Some(900)]);
        assert_eq!(Counts::default().quantile(0.5), None);
    }

    #[test]
    fn counts_are_added_and_stay_in_their_range() {
        let mut sum = counts(&[(200, 1), (100, 2)]);
        sum.add(&[(100, u64::MAX), (300, 0)]);
        assert_eq!(sum.total(), u64::MAX);
        assert_eq!(Buckets::from(sum), vec![(100, u64::MAX), (200, 1), (300, 0)]);
    }
}
