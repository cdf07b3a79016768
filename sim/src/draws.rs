//! Random numbers with names. The name of a draw is the seed, what is drawn, and the request for which it is
//! drawn.
//!
//! A usual generator returns "the next number". Then one draw more at the beginning changes all draws behind
//! it, and two policies cannot be compared under the same arrivals. Here a draw is a hash of its name, so
//! that another policy meets the same arrivals, sizes and faults: common random numbers (Law, "Simulation
//! Modeling and Analysis", 5th edition, section 11.2).
//!
//! The hash is the finaliser of splitmix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number
//! Generators", 2014). The draws of one kind are the outputs of splitmix64, whose state begins at a hash of
//! the seed and the kind. Logarithms come from the crate `libm` and not from the system, so that they are the
//! same on every machine.

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// The time from one arrival to the next.
    Arrival,
    /// The work of a request.
    Size,
    /// The key of a request.
    Key,
    /// The draws of the policy.
    Pick,
    /// The balancer that gets a request.
    Balancer,
    /// Whether a fault hits a request.
    Fault,
    /// The time that a client thinks.
    Think,
    /// The pause of a client before it tries again.
    Backoff,
    /// The time between two pings.
    Ping,
    /// Whether a ping fails.
    Probe,
    /// The time of a request on the way.
    Path,
}

/// The number of kinds of draws.
const STREAMS: usize = Stream::Path as usize + 1;

/// The odd number that is closest to 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// All draws of one run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draws {
    /// The first state of each stream.
    first: [u64; STREAMS],
}

impl Draws {
    /// The draws of this seed.
    pub(crate) fn new(seed: u64) -> Self {
        let mut first = [0; STREAMS];
        for (stream, state) in first.iter_mut().enumerate() {
            *state = finalise(finalise(seed).wrapping_add((stream as u64 + 1).wrapping_mul(GOLDEN)));
        }
        Self { first }
    }

    /// 64 random bits for a request.
    pub(crate) fn bits(&self, stream: Stream, request: u64) -> u64 {
        finalise(self.first[stream as usize].wrapping_add(request.wrapping_mul(GOLDEN)))
    }

    /// 64 random bits for one of several draws for a request.
    pub(crate) fn bits_of(&self, stream: Stream, request: u64, index: u64) -> u64 {
        match index {
            0 => self.bits(stream, request),
            _ => finalise(self.bits(stream, request).wrapping_add(index.wrapping_mul(GOLDEN))),
        }
    }

    /// A random number between 0 and 1, and never one of them.
    pub(crate) fn unit(&self, stream: Stream, request: u64) -> f64 {
        unit(self.bits(stream, request))
    }
}

/// A number above 0 and below 1 from random bits.
pub(crate) fn unit(bits: u64) -> f64 {
    ((bits >> 12) as f64 + 0.5) * (1.0 / (1_u64 << 52) as f64)
}

/// A whole number below `n`, or 0, from random bits (Lemire 2019, without the rejection: the error is below
/// `n / 2^64`).
pub(crate) fn below(bits: u64, n: u64) -> u64 {
    ((u128::from(bits) * u128::from(n)) >> 64) as u64
}

/// A number with an exponential distribution and a mean of 1.
pub(crate) fn exponential(unit: f64) -> f64 {
    -libm::log(unit)
}

/// A number with a normal distribution, from two numbers between 0 and 1 (Box and Muller 1958).
pub(crate) fn normal(one: f64, other: f64) -> f64 {
    libm::sqrt(-2.0 * libm::log(one)) * libm::cos(2.0 * std::f64::consts::PI * other)
}

/// Mixes 64 bits so that each bit of the result depends on all of them.
pub(crate) fn finalise(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_draws_of_a_stream_are_the_outputs_of_splitmix64() {
        // Three outputs of the generator with the state 1234567, as published with its reference code.
        let outputs = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        let draws = Draws { first: [1_234_567; STREAMS] };
        assert_eq!([1, 2, 3].map(|request| draws.bits(Stream::Size, request)), outputs);
    }

    #[test]
    fn a_draw_depends_on_its_name_alone() {
        let (draws, other) = (Draws::new(1), Draws::new(2));
        let one = draws.bits(Stream::Size, 7);
        let others = [
            other.bits(Stream::Size, 7),
            draws.bits(Stream::Arrival, 7),
            draws.bits(Stream::Size, 8),
            draws.bits_of(Stream::Size, 7, 1),
        ];
        assert_eq!(one, Draws::new(1).bits_of(Stream::Size, 7, 0));
        assert!(others.iter().all(|other| *other != one), "{one} {others:?}");
    }

    /// The mean and the variance of 100,000 draws; the bounds are five standard deviations.
    #[test]
    fn distributions_have_their_moments() {
        let draws = Draws::new(42);
        let n = 100_000_u32;
        let moments = |value: &dyn Fn(u64) -> f64| {
            let mean = (0..n).map(|i| value(u64::from(i))).sum::<f64>() / f64::from(n);
            let square = (0..n).map(|i| (value(u64::from(i)) - mean).powi(2)).sum::<f64>() / f64::from(n);
            (mean, square)
        };
        let u = |stream, i| draws.unit(stream, i);
        type Case<'a> = (&'a dyn Fn(u64) -> f64, f64, f64, f64, f64);
        let cases: [Case<'_>; 3] = [
            (&|i| u(Stream::Size, i), 0.5, 1.0 / 12.0, 0.005, 0.0012),
            (&|i| exponential(u(Stream::Size, i)), 1.0, 1.0, 0.016, 0.045),
            (&|i| normal(u(Stream::Size, i), u(Stream::Key, i)), 0.0, 1.0, 0.016, 0.023),
        ];
        for (value, mean, variance, off, off_variance) in cases {
            let (found, spread) = moments(value);
            assert!((found - mean).abs() < off, "mean {found} instead of {mean}");
            assert!((spread - variance).abs() < off_variance, "variance {spread} instead of {variance}");
        }
    }
}
