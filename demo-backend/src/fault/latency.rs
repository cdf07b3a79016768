//! The distributions of latencies, and the effects that depend on time.

use std::time::Duration;

use super::definition::{Latency, MAX_LATENCY};

/// The 99th percentile of the standard normal distribution.
const NORMAL_P99: f64 = 2.326_347_874_040_841;

impl Latency {
    /// One random latency of the distribution.
    pub(super) fn draw(self, dice: &mut fastrand::Rng) -> Duration {
        match self {
            Self::Fixed(latency) => latency,
            Self::Uniform(low, high) => low + high.saturating_sub(low).mul_f64(dice.f64()),
            // 1 - x is never 0, so the logarithm is finite.
            Self::Exponential(mean) => seconds(-mean.as_secs_f64() * (1.0 - dice.f64()).ln(), MAX_LATENCY),
            Self::Bimodal { fast, slow, slow_percent } => {
                if dice.f64() * 100.0 < slow_percent {
                    slow
                } else {
                    fast
                }
            }
            Self::Lognormal { p50, p99 } => {
                let sigma = (p99.as_secs_f64() / p50.as_secs_f64()).ln() / NORMAL_P99;
                seconds(p50.as_secs_f64() * (sigma * normal(dice)).exp(), MAX_LATENCY)
            }
            // The inverse of the distribution function; 1 - x is never 0.
            Self::Pareto { min, alpha, cap } => {
                seconds(min.as_secs_f64() * (1.0 - dice.f64()).powf(-1.0 / alpha), cap)
            }
        }
    }
}

/// A time of at most `max`; a number that is none, or too large, is `max`.
fn seconds(seconds: f64, max: Duration) -> Duration {
    Duration::try_from_secs_f64(seconds).map_or(max, |time| time.min(max))
}

/// A standard normal number, by the transformation of Box and Muller ("A note on the generation of random
/// normal deviates", 1958).
fn normal(dice: &mut fastrand::Rng) -> f64 {
    let radius = (-2.0 * (1.0 - dice.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * dice.f64()).cos()
}

/// The delay of a ramp at this age of the fault.
pub(super) fn ramp(from: Duration, to: Duration, over: Duration, age: Duration) -> Duration {
    let share = share(age, over);
    from.mul_f64(1.0 - share) + to.mul_f64(share)
}

/// The speed of a cold server at this age of its worker, in percent; `None` when it is warm.
pub(super) fn cold_speed(from: f64, over: Duration, age: Duration) -> Option<f64> {
    (age < over).then(|| from + (100.0 - from) * share(age, over))
}

/// The time up to the end of the present pause; `None` if there is no pause at this age of the fault. The
/// first pause begins with the fault.
pub(super) fn pause_left(every: Duration, pause: Duration, age: Duration) -> Option<Duration> {
    pause.checked_sub(phase(age, every)).filter(|left| !left.is_zero())
}

/// Whether a server that is up first is down at this age of the fault.
pub(super) fn is_down(up: Duration, down: Duration, age: Duration) -> bool {
    phase(age, up + down) >= up
}

/// The part of a period that has passed.
fn phase(age: Duration, period: Duration) -> Duration {
    let nanos = age.as_nanos().checked_rem(period.as_nanos()).unwrap_or(0);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// The part of a time that has passed, 0 to 1.
fn share(age: Duration, over: Duration) -> f64 {
    if over.is_zero() { 1.0 } else { (age.as_secs_f64() / over.as_secs_f64()).min(1.0) }
}

/// One of these values, drawn with these weights.
pub(super) fn weighted(values: &[(u16, f64)], dice: &mut fastrand::Rng) -> Option<u16> {
    let total: f64 = values.iter().map(|(_, weight)| weight).sum();
    let mut left = dice.f64() * total;
    let chosen = values.iter().find(|(_, weight)| {
        left -= weight;
        left < 0.0
    });
    chosen.or_else(|| values.last()).map(|(value, _)| *value)
}
