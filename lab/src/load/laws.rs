//! Tests of distributions, for the tests of this module: the alarm is false once in a million.

/// The distance from the mean, in standard deviations, that a normal number exceeds with a chance of 1e-6.
pub(super) const EXTREME: f64 = 4.9;

/// The greatest distance between the empirical distribution of these values and a distribution function: the
/// statistic of Kolmogorov and Smirnov.
pub(super) fn distance(mut values: Vec<f64>, law: impl Fn(f64) -> f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let count = values.len() as f64;
    let steps = values.iter().enumerate().map(|(below, value)| {
        let expected = law(*value);
        (expected - below as f64 / count).max((below + 1) as f64 / count - expected)
    });
    steps.fold(0.0, f64::max)
}

/// The distance that this number of values exceeds with a chance of 1e-6: the root of ln(2 / alpha) / 2n.
pub(super) fn most_distance(count: u64) -> f64 {
    ((2e6_f64).ln() / (2.0 * count as f64)).sqrt()
}
