//! The expected time of an answer: a backend's latency as the policies see it. The estimate is pessimistic,
//! and it forgets.

use std::time::Duration;

use crate::Moment;

/// A mean of latencies that rises at once and falls slowly.
///
/// A sample above the present value replaces it. A sample below reduces it, depending on the time `t` since
/// the last sample: `value = value x e^(-t/T) + sample x (1 - e^(-t/T))`. Without samples, the value falls by
/// the same factor `e^(-t/T)`, so that a backend that was slow is tried again after some time. This is
/// Finagle's "peak EWMA" with `T` = 10 seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak {
    /// In microseconds.
    pub value: f64,
    /// The time of the last sample.
    pub at: Moment,
}

/// The time after which 1/e of an old value is left.
const FORGET: Duration = Duration::from_secs(10);

/// The assumed latency of a backend without any sample, in microseconds: the value that Linkerd uses.
const GUESS: f64 = 30_000.0;

/// The latency that a failure counts as, in microseconds: the penalty that Linkerd uses. A failure is often
/// the fastest answer of all, and must not attract requests.
const PENALTY: f64 = 5_000_000.0;

impl Peak {
    /// The value for a backend without any answer.
    pub const UNKNOWN: Self = Self { value: GUESS, at: Moment::START };

    /// The value at a later moment.
    pub fn value_at(self, now: Moment) -> f64 {
        self.value * remaining(now.since(self.at), FORGET)
    }

    /// The value after an answer that took `latency`.
    #[must_use]
    pub fn with(self, latency: Duration, now: Moment) -> Self {
        let sample = latency.as_secs_f64() * 1e6;
        let share = remaining(now.since(self.at), FORGET);
        let value = if sample > self.value { sample } else { self.value * share + sample * (1.0 - share) };
        Self { value, at: now }
    }

    /// The value after a request left without its answer, for which it had `waited`. The answer would have
    /// taken longer, so the wait is a lower bound: it replaces a smaller value, and says nothing about a
    /// larger one.
    #[must_use]
    pub fn with_wait(self, waited: Duration, now: Moment) -> Self {
        let sample = waited.as_secs_f64() * 1e6;
        if sample > self.value_at(now) { Self { value: sample, at: now } } else { self }
    }

    /// The value after a failure.
    #[must_use]
    pub fn with_failure(self, now: Moment) -> Self {
        Self { value: self.value_at(now).max(PENALTY), at: now }
    }
}

/// The part of an old value that remains after some time.
pub fn remaining(passed: Duration, forget: Duration) -> f64 {
    (-passed.as_secs_f64() / forget.as_secs_f64()).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    const fn at(n: u64) -> Moment {
        Moment::after(ms(n))
    }

    #[test]
    fn a_worse_answer_is_believed_at_once_and_a_better_one_over_time() {
        let slow = Peak::UNKNOWN.with(ms(100), at(0));
        assert_eq!(slow.value, 100_000.0);
        let better = slow.with(ms(10), at(100));
        assert!((99_000.0..99_200.0).contains(&better.value), "{better:?}");
        let later = slow.with(ms(10), at(10_000));
        assert!((43_000.0..43_200.0).contains(&later.value), "10 + 90/e: {later:?}");
    }

    #[test]
    fn a_value_without_new_samples_is_forgotten() {
        let slow = Peak::UNKNOWN.with(ms(2000), at(0));
        assert!(slow.value_at(at(1000)) > 1_800_000.0);
        assert!(slow.value_at(at(50_000)) < 20_000.0);
    }

    #[test]
    fn a_wait_in_vain_is_a_lower_bound() {
        let usual = Peak::UNKNOWN.with(ms(100), at(0));
        assert_eq!(usual.with_wait(ms(700), at(1000)), Peak { value: 700_000.0, at: at(1000) });
        // A shorter wait says nothing: the value is forgotten as before.
        assert_eq!(usual.with_wait(ms(90), at(1000)), usual);
        // After 10 s, 100 / e = 36.8 ms are left.
        assert_eq!(usual.with_wait(ms(36), at(10_000)), usual);
        assert_eq!(usual.with_wait(ms(37), at(10_000)).value, 37_000.0);
    }

    #[test]
    fn a_fast_failure_is_a_slow_answer() {
        let failed = Peak::UNKNOWN.with(ms(1), at(0)).with_failure(at(10));
        assert_eq!(failed.value, 5_000_000.0);
        let slower = Peak::UNKNOWN.with(ms(9000), at(0)).with_failure(at(0));
        assert_eq!(slower.value, 9_000_000.0);
    }
}
