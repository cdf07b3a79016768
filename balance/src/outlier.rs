//! Which backend answers with too many errors? It is ejected for a limited time, and then gets requests
//! again.
//!
//! Pings and broken connections show whether a backend is *there* ([`super::health`]). An outlier is there
//! and answers its pings, but real requests fail: with errors of its own (status 500 and above) in a row, or
//! with a success rate far below that of the other backends. Without this rule, a backend that fails at once
//! looks idle, and a policy that compares loads sends all requests to it.
//!
//! The rules and their defaults come from Envoy (outlier_detection.proto): 5 errors in a row; or, checked
//! every 10 seconds, a success rate below the mean of all by more than 1.9 standard deviations, among at
//! least 5 backends with at least 100 answers each. An ejection lasts 30 seconds times the number of
//! ejections, at most 5 minutes. Each interval without an error reduces this number by one. At most a tenth
//! of the backends is ejected at a time, but one is always possible, and never the last backend.

use std::time::Duration;

/// The conditions for an ejection, and its duration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// Answers in a row with a status of 500 and above that eject a backend; 0 to switch this off.
    pub consecutive_errors: u32,
    /// Whether a low success rate ejects a backend.
    pub success_rate: bool,
    /// The time between two comparisons of success rates.
    pub interval: Duration,
    /// The duration of the first ejection.
    pub ejection_time: Duration,
    /// The longest duration of an ejection.
    pub max_ejection_time: Duration,
    /// The largest part of the backends that may be ejected at a time, in percent; but one always may.
    pub max_ejected: u8,
}

impl Rule {
    /// No ejection at all.
    pub const OFF: Self = Self { consecutive_errors: 0, success_rate: false, ..Self::DEFAULT };

    /// The defaults of Envoy.
    pub const DEFAULT: Self = Self {
        consecutive_errors: 5,
        success_rate: true,
        interval: Duration::from_secs(10),
        ejection_time: Duration::from_secs(30),
        max_ejection_time: Duration::from_secs(300),
        max_ejected: 10,
    };

    /// Whether this rule can eject a backend.
    pub fn is_on(self) -> bool {
        self.consecutive_errors > 0 || self.success_rate
    }

    /// The duration of the `times`-th ejection.
    pub fn lasts(self, times: u32) -> Duration {
        self.ejection_time.saturating_mul(times.max(1)).min(self.max_ejection_time)
    }

    /// Whether one more of `all` backends may be ejected while `out` are ejected.
    pub fn allows(self, out: usize, all: usize) -> bool {
        let most = (all * usize::from(self.max_ejected) / 100).max(1);
        out < most && out + 1 < all
    }
}

/// The answers of one backend since the last check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SuccessCounts {
    /// Answers.
    pub answers: u64,
    /// Answers with a status of 500 and above, and answers that did not come or ended early.
    pub errors: u64,
}

impl SuccessCounts {
    fn success_rate(self) -> f64 {
        1.0 - self.errors as f64 / self.answers as f64
    }
}

/// With fewer backends, a mean is not useful for a comparison.
pub const MIN_BACKENDS: usize = 5;
/// With fewer answers, the success rate of a backend is not useful for a comparison.
pub const MIN_ANSWERS: u64 = 100;
/// The largest normal distance from the mean, in standard deviations.
pub const DEVIATIONS: f64 = 1.9;

/// The indices of the counts with a success rate far below the mean, the worst first.
pub fn unsuccessful(counts: &[SuccessCounts]) -> Vec<usize> {
    let mut rates: Vec<_> = counts
        .iter()
        .enumerate()
        .filter(|(_, counts)| counts.answers >= MIN_ANSWERS)
        .map(|(index, counts)| (index, counts.success_rate()))
        .collect();
    if rates.len() < MIN_BACKENDS {
        return Vec::new();
    }
    let n = rates.len() as f64;
    let mean = rates.iter().map(|(_, rate)| rate).sum::<f64>() / n;
    let variance = rates.iter().map(|(_, rate)| (rate - mean).powi(2)).sum::<f64>() / n;
    let floor = mean - DEVIATIONS * variance.sqrt();
    rates.retain(|(_, rate)| *rate < floor);
    rates.sort_by(|one, other| one.1.total_cmp(&other.1));
    rates.into_iter().map(|(index, _)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(errors: &[u64]) -> Vec<SuccessCounts> {
        errors.iter().map(|errors| SuccessCounts { answers: 1000, errors: *errors }).collect()
    }

    #[test]
    fn a_failing_backend_among_healthy_ones_is_an_outlier() {
        assert_eq!(unsuccessful(&counts(&[0, 10, 400, 5, 0, 3])), [2]);
        let none = Vec::<usize>::new();
        assert_eq!(unsuccessful(&counts(&[0, 0, 0, 0, 0])), none, "equal backends have no outlier");
        assert_eq!(
            unsuccessful(&counts(&[500, 500, 500, 500, 500])),
            none,
            "when all fail, no backend is an outlier"
        );
    }

    #[test]
    fn few_backends_or_few_answers_prove_nothing() {
        assert!(unsuccessful(&counts(&[0, 0, 0, 900])).is_empty());
        let mut few = counts(&[0, 0, 0, 0, 0]);
        few.push(SuccessCounts { answers: MIN_ANSWERS - 1, errors: MIN_ANSWERS - 1 });
        assert!(unsuccessful(&few).is_empty());
        few[5] = SuccessCounts { answers: MIN_ANSWERS, errors: MIN_ANSWERS };
        assert_eq!(unsuccessful(&few), [5]);
    }

    #[test]
    fn ejections_last_longer_each_time_up_to_a_limit() {
        let lasts = [1, 2, 10, 11, u32::MAX].map(|times| Rule::DEFAULT.lasts(times).as_secs());
        assert_eq!(lasts, [30, 60, 300, 300, 300]);
    }

    #[test]
    fn a_tenth_may_be_out_but_always_one_and_never_the_last() {
        let table = [
            ((0, 1), false),
            ((0, 2), true),
            ((0, 4), true),
            ((1, 4), false),
            ((1, 20), true),
            ((2, 20), false),
        ];
        for ((out, all), allowed) in table {
            assert_eq!(Rule::DEFAULT.allows(out, all), allowed, "{out} of {all}");
        }
        let half = Rule { max_ejected: 100, ..Rule::DEFAULT };
        assert!(half.allows(2, 4) && !half.allows(3, 4));
    }
}
