//! The figures of a load for a tick: sums, and latencies in buckets. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use api::Buckets;

use crate::load::Entry;

/// Bits of a time that a bucket keeps: 16 buckets for each power of two, so a bucket is at most 7 % wide.
const KEPT_BITS: u32 = 5;

/// The sums of a load, and the latencies since the last call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) done: u64,
    pub(super) good: u64,
    pub(super) errors: u64,
    /// Tries after the first one.
    pub(super) retries: u64,
    latency: BTreeMap<u64, u64>,
    uncorrected: BTreeMap<u64, u64>,
}

impl Ended {
    /// Counts the end of a request.
    pub(super) fn count(&mut self, entry: &Entry) {
        self.done += 1;
        let sum = if entry.is_error() { &mut self.errors } else { &mut self.good };
        *sum += 1;
        self.retries += entry.tries() - 1;
        *self.latency.entry(bucket(entry.latency())).or_default() += 1;
        *self.uncorrected.entry(bucket(entry.uncorrected())).or_default() += 1;
    }

    /// The latencies since the last call: from the times at which the requests were due, and from those at
    /// which they were sent.
    pub(super) fn take_latencies(&mut self) -> (Buckets, Buckets) {
        let take = |latency: &mut BTreeMap<u64, u64>| std::mem::take(latency).into_iter().collect();
        (take(&mut self.latency), take(&mut self.uncorrected))
    }
}

/// The largest time of the bucket of a time, in microseconds.
fn bucket(time: Duration) -> u64 {
    let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let bits = u64::BITS - us.leading_zeros();
    // The bits that are not kept are all set in the largest time.
    us | ((1_u64 << bits.saturating_sub(KEPT_BITS)) - 1)
}

/// Adds buckets to others.
pub(super) fn add(to: &mut Buckets, more: Buckets) {
    let mut all: BTreeMap<u64, u64> = to.drain(..).collect();
    for (largest, count) in more {
        *all.entry(largest).or_default() += count;
    }
    to.extend(all);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{GroundTruth, Outcome, Try};

    #[test]
    fn a_bucket_is_narrow() {
        let bucket = |us| bucket(Duration::from_micros(us));
        // 40,000 is 10011100 01000000 in binary; the 5 highest of its 16 bits stay, 11 bits are set.
        assert_eq!([0, 1, 31, 32, 33, 40_000].map(bucket), [0, 1, 31, 33, 33, 40_959]);
        for us in (0..100_000).chain([3_600_000_000]) {
            let largest = bucket(us);
            assert!(largest >= us && largest - us <= us * 7 / 100, "{us} {largest}");
        }
        assert_eq!(super::bucket(Duration::MAX), u64::MAX);
    }

    #[test]
    fn entries_become_sums_and_buckets() {
        let entry = |number, ms: u64, status| Entry {
            number,
            call: 0,
            client: 0,
            key: None,
            size: None,
            intended: Duration::from_secs(1),
            sent: Duration::from_millis(1010),
            ended: Duration::from_millis(1000 + ms),
            late: Duration::ZERO,
            outcome: Outcome::Answered(status),
            backend: Some(1),
            truth: GroundTruth::default(),
            earlier: Vec::new(),
            last_sent: Duration::from_millis(1010),
        };
        let again = |entry: Entry| {
            let earlier = Try {
                sent: entry.sent,
                ended: entry.sent,
                outcome: Outcome::Answered(503),
                backend: Some(2),
                truth: GroundTruth::default(),
            };
            Entry { earlier: vec![earlier; 2], ..entry }
        };
        let mut ended = Ended::default();
        [entry(0, 40, 200), entry(1, 40, 503), again(entry(2, 20, 304))]
            .iter()
            .for_each(|one| ended.count(one));
        assert_eq!((ended.done, ended.good, ended.errors, ended.retries), (3, 2, 1, 2));
        // 10 ms less. 10,000 is 100111 00010000 in binary, and 30,000 is 1110101 00110000.
        let uncorrected = vec![(10_239, 1), (30_719, 2)];
        assert_eq!(ended.take_latencies(), (vec![(20_479, 1), (40_959, 2)], uncorrected));
        let told_once = (vec![], vec![]);
        assert_eq!(
            (ended.take_latencies(), ended.done),
            (told_once, 3),
            "latencies are told once, sums stay"
        );
    }

    #[test]
    fn buckets_are_added_in_order() {
        let mut all = vec![(10, 1), (30, 1)];
        add(&mut all, vec![(20, 5), (30, 2)]);
        assert_eq!(all, [(10, 1), (20, 5), (30, 3)]);
    }
}
