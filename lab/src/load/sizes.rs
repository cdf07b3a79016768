//! The size of a request: the time that a backend needs to serve it.
//!
//! Pure. The load draws the size, and the request carries it to the backend. So each policy gets the same
//! sizes in the same order.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::draws::Draws;

/// The 99th percentile of the standard normal law.
const NORMAL_P99: f64 = 2.326_347_874_040_841;

/// The law of the sizes of a call. A size is a service time in whole microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sizes {
    /// Always the same.
    Fixed(Duration),
    /// Exponential, with this mean.
    Exponential(Duration),
    /// The logarithm is normal, with this median and this 99th percentile.
    Lognormal {
        /// The median, more than zero.
        p50: Duration,
        /// The 99th percentile, at least the median.
        p99: Duration,
    },
    /// One of two sizes.
    Bimodal {
        /// The usual size.
        usual: Duration,
        /// The other size.
        other: Duration,
        /// The share of the other size, from 0 to 1.
        share: f64,
    },
    /// Each size of a range with the same chance.
    Uniform {
        /// The least size.
        least: Duration,
        /// The greatest size.
        most: Duration,
    },
}

impl Sizes {
    /// # Errors
    /// If a number is outside of its range.
    pub(super) fn check(&self) -> Result<()> {
        match *self {
            Self::Fixed(_) | Self::Exponential(_) => {}
            Self::Lognormal { p50, p99 } => {
                ensure!(!p50.is_zero(), "lognormal sizes with the median 0: use a positive time");
                ensure!(
                    p50 <= p99,
                    "lognormal sizes with the median {p50:?} and the 99th percentile {p99:?}: the percentile is \
                     at least the median"
                );
            }
            Self::Bimodal { share, .. } => {
                ensure!((0.0..=1.0).contains(&share), "bimodal sizes with the share {share}: use 0 to 1");
            }
            Self::Uniform { least, most } => ensure!(
                least <= most,
                "uniform sizes from {least:?} to {most:?}: write the smaller time first"
            ),
        }
        Ok(())
    }

    /// The size of a request, in whole microseconds.
    pub(super) fn draw(&self, mut draws: Draws) -> Duration {
        let microseconds = |time: Duration| time.as_secs_f64() * 1e6;
        let drawn = match *self {
            Self::Fixed(size) => microseconds(size),
            Self::Exponential(mean) => microseconds(mean) * draws.exponential(),
            Self::Lognormal { p50, p99 } => {
                let sigma = p99.div_duration_f64(p50).ln() / NORMAL_P99;
                microseconds(p50) * (sigma * draws.normal()).exp()
            }
            Self::Bimodal { usual, other, share } => {
                microseconds(if draws.unit() < share { other } else { usual })
            }
            Self::Uniform { least, most } => {
                microseconds(least) + draws.unit() * microseconds(most.saturating_sub(least))
            }
        };
        // A cast of a number that is too large gives the largest whole number.
        Duration::from_micros(drawn.round() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::draws::{Seed, What};
    use crate::load::laws::{EXTREME, distance, most_distance};

    const MANY: u64 = 50_000;
    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// The sizes of many requests, in milliseconds.
    fn drawn(sizes: Sizes) -> Vec<f64> {
        sizes.check().unwrap();
        let size = |request| sizes.draw(Seed(9).draws(What::Size, request)).as_secs_f64() * 1e3;
        (0..MANY).map(size).collect()
    }

    #[test]
    fn continuous_sizes_have_their_law() {
        let exponential = Sizes::Exponential(MS(50));
        let found = distance(drawn(exponential), |ms| 1.0 - (-ms / 50.0).exp());
        assert!(found < most_distance(MANY), "{exponential:?}: {found}");

        let uniform = Sizes::Uniform { least: MS(20), most: MS(60) };
        let found = distance(drawn(uniform), |ms| ((ms - 20.0) / 40.0).clamp(0.0, 1.0));
        assert!(found < most_distance(MANY), "{uniform:?}: {found}");
    }

    #[test]
    fn lognormal_sizes_have_their_quantiles() {
        let sizes = drawn(Sizes::Lognormal { p50: MS(10), p99: MS(100) });
        // The share of the values below three quantiles of the normal law, for sigma = ln(10) / 2.3263.
        for (below, share) in [(10.0, 0.5_f64), (100.0, 0.99), (1.0, 0.01), (26.9066, 0.841_345)] {
            let count = sizes.iter().filter(|ms| **ms < below).count() as f64;
            let sigma = (MANY as f64 * share * (1.0 - share)).sqrt();
            let deviation = (count - MANY as f64 * share) / sigma;
            assert!(deviation.abs() < EXTREME, "{count} below {below}: {deviation} deviations off {share}");
        }
    }

    #[test]
    fn the_mean_is_the_one_of_the_law() {
        // The mean and the standard deviation of each law, in milliseconds, by hand.
        for (sizes, mean, sigma) in [
            (Sizes::Fixed(MS(7)), 7.0, 1e-9),
            (Sizes::Exponential(MS(50)), 50.0, 50.0),
            (Sizes::Uniform { least: MS(20), most: MS(60) }, 40.0, 40.0 / 12_f64.sqrt()),
            // 0.95 * 10 + 0.05 * 1000, and 990 times the root of 0.95 * 0.05.
            (Sizes::Bimodal { usual: MS(10), other: MS(1000), share: 0.05 }, 59.5, 990.0 * 0.0475_f64.sqrt()),
        ] {
            let found = drawn(sizes).iter().sum::<f64>() / MANY as f64;
            let deviation = (found - mean) / sigma * (MANY as f64).sqrt();
            assert!(deviation.abs() < EXTREME, "{sizes:?}: the mean {found} is {deviation} deviations off");
        }
    }

    #[test]
    fn laws_that_cannot_be_are_refused() {
        for (sizes, reason) in [
            (Sizes::Lognormal { p50: MS(0), p99: MS(1) }, "use a positive time"),
            (Sizes::Lognormal { p50: MS(2), p99: MS(1) }, "the percentile is at least the median"),
            (Sizes::Bimodal { usual: MS(1), other: MS(2), share: f64::NAN }, "the share NaN: use 0 to 1"),
            (Sizes::Uniform { least: MS(2), most: MS(1) }, "the smaller time first"),
        ] {
            let error = format!("{:#}", sizes.check().unwrap_err());
            assert!(error.contains(reason), "{error:?} lacks {reason:?}");
        }
    }
}
