//! The figures of a load for a tick: sums, and latencies in buckets. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use api::Buckets;

use crate::load::Entry;

/// Bits of a time that a bucket keeps: 16 buckets for each power of two, so a bucket is at most 7 % wide.
const KEPT_BITS: u32 = 5;

/// The sums of a load, and the latencies since they were last taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) done: u64,
    pub(super) good: u64,
    pub(super) errors: u64,
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

    /// The latencies since the last call, from the time at which a request was due, and from the time at
    /// which it was sent.
    pub(super) fn take_latencies(&mut self) -> (Buckets, Buckets) {
        let take = |counts: &mut BTreeMap<u64, u64>| std::mem::take(counts).into_iter().collect();
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
    use serde_json::json;

    use super::*;

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
        // Each request was sent 5 ms after it was due.
        let entry = |number: u64, ms: u64, status: u16| -> Entry {
            let due = 1_000_000;
            let sent = due + 5000;
            let entry = json!({"number": number, "call": 0, "client": 0, "intended_us": due, "sent_us": sent,
                "ended_us": due + ms * 1000, "late_us": 0, "outcome": {"answered": status}, "last_sent_us": sent});
            serde_json::from_value(entry).unwrap()
        };
        let mut ended = Ended::default();
        [entry(0, 40, 200), entry(1, 40, 503), entry(2, 20, 304)].iter().for_each(|one| ended.count(one));
        assert_eq!((ended.done, ended.good, ended.errors), (3, 2, 1));
        // 15 ms and 35 ms after sending; 15,000 has 14 bits, so 9 bits are set in the largest time.
        assert_eq!(ended.take_latencies(), (vec![(20_479, 1), (40_959, 2)], vec![(15_359, 1), (36_863, 2)]));
        assert_eq!(
            (ended.take_latencies(), ended.done),
            ((vec![], vec![]), 3),
            "they are told once, sums stay"
        );
    }

    #[test]
    fn buckets_are_added_in_order() {
        let mut all = vec![(10, 1), (30, 1)];
        add(&mut all, vec![(20, 5), (30, 2)]);
        assert_eq!(all, [(10, 1), (20, 5), (30, 3)]);
    }
}
