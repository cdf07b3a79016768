//! How much work is a request? A time at a server of usual speed, from a law or from a record.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Nanos, nanos};
use crate::draws::{Draws, Stream, exponential, normal, unit};

/// The 99th percentile of the normal distribution with a mean of 0 and a standard deviation of 1.
const NORMAL_P99: f64 = 2.326_347_874_040_841;

/// The law of a time.
#[derive(Debug, Clone, PartialEq)]
pub enum Service {
    /// Always the same.
    Fixed(Duration),
    /// Exponential, with this mean.
    Exp(Duration),
    /// Log-normal, with this median and this 99th percentile.
    Lognormal {
        /// The median; above zero.
        p50: Duration,
        /// The 99th percentile; at least the median.
        p99: Duration,
    },
    /// One of two times.
    Bimodal {
        /// The usual time.
        short: Duration,
        /// The other time.
        long: Duration,
        /// The share of the other time, from 0 to 1.
        share: f64,
    },
    /// Each time between two with the same probability.
    Uniform {
        /// The shortest time.
        from: Duration,
        /// The longest time; at least the shortest.
        to: Duration,
    },
    /// The time of each request, by its number; the last one for all further requests.
    Trace(Arc<[Duration]>),
}

impl Service {
    /// The mean of the law; of a record, the mean of its times.
    pub fn mean(&self) -> Duration {
        match self {
            Self::Fixed(time) | Self::Exp(time) => *time,
            Self::Lognormal { p50, .. } => {
                let sigma = self.sigma();
                Duration::from_nanos((nanos(*p50) as f64 * libm::exp(sigma * sigma / 2.0)) as u64)
            }
            Self::Bimodal { short, long, share } => short.mul_f64(1.0 - share) + long.mul_f64(*share),
            Self::Uniform { from, to } => (*from + *to) / 2,
            Self::Trace(times) => {
                let count = u32::try_from(times.len()).unwrap_or(u32::MAX).max(1);
                times.iter().sum::<Duration>() / count
            }
        }
    }

    /// The standard deviation of the logarithm of a log-normal time.
    fn sigma(&self) -> f64 {
        let Self::Lognormal { p50, p99 } = self else { return 0.0 };
        libm::log(nanos(*p99) as f64 / nanos(*p50).max(1) as f64) / NORMAL_P99
    }

    /// The time for one request.
    pub(crate) fn size(&self, request: u64, draws: &Draws, stream: Stream) -> Nanos {
        let first = || draws.unit(stream, request);
        let round = |time: f64| libm::round(time) as Nanos;
        match self {
            Self::Fixed(time) => nanos(*time),
            Self::Exp(mean) => round(nanos(*mean) as f64 * exponential(first())),
            Self::Lognormal { p50, .. } => {
                let second = unit(draws.bits_of(stream, request, 1));
                round(nanos(*p50) as f64 * libm::exp(self.sigma() * normal(first(), second)))
            }
            Self::Bimodal { short, long, share } => nanos(if first() < *share { *long } else { *short }),
            Self::Uniform { from, to } => {
                let (from, to) = (nanos(*from) as f64, nanos(*to) as f64);
                round(from + (to - from) * first())
            }
            Self::Trace(times) => {
                let index = usize::try_from(request).unwrap_or(usize::MAX);
                times.get(index).or_else(|| times.last()).map_or(0, |time| nanos(*time))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ms;

    /// Means of 100,000 draws. The bound is 2 %: more than five standard deviations for each of these laws.
    #[test]
    fn laws_have_their_means() {
        let draws = Draws::new(3);
        let laws = [
            (Service::Fixed(ms(50)), 50.0),
            (Service::Exp(ms(50)), 50.0),
            // exp(sigma^2 / 2) = 1.1302 for a 99th percentile of 3.1602 medians, where sigma is 0.4947.
            (Service::Lognormal { p50: ms(50), p99: Duration::from_micros(158_010) }, 56.51),
            (Service::Bimodal { short: ms(10), long: ms(1000), share: 0.05 }, 59.5),
            (Service::Uniform { from: ms(20), to: ms(60) }, 40.0),
        ];
        for (law, expected) in laws {
            let sum: u64 = (0..100_000).map(|request| law.size(request, &draws, Stream::Size)).sum();
            let mean = sum as f64 / 100_000.0 / 1e6;
            let bound = if matches!(law, Service::Bimodal { .. }) { 0.06 } else { 0.02 };
            assert!((mean / expected - 1.0).abs() < bound, "{law:?}: {mean} instead of {expected}");
            assert!(
                (law.mean().as_secs_f64() * 1e3 / expected - 1.0).abs() < 1e-3,
                "{law:?}: {:?}",
                law.mean()
            );
        }
    }

    #[test]
    fn the_last_time_of_a_record_is_for_all_further_requests() {
        let record = Service::Trace([ms(1), ms(2)].into());
        let sizes = [0, 1, 9].map(|request| record.size(request, &Draws::new(1), Stream::Size));
        assert_eq!(sizes, [1_000_000, 2_000_000, 2_000_000]);
    }

    #[test]
    fn a_hundredth_of_log_normal_times_is_above_the_99th_percentile() {
        let law = Service::Lognormal { p50: ms(20), p99: ms(200) };
        let draws = Draws::new(5);
        let sizes = (0..100_000).map(|request| law.size(request, &draws, Stream::Size));
        let above = sizes.filter(|size| *size > nanos(ms(200))).count();
        // 1000 are expected, with a standard deviation of 31.5.
        assert!(above.abs_diff(1000) < 158, "{above}");
    }
}
