//! Random numbers that belong to a request, and not to the moment at which they are drawn.
//!
//! Pure. Each random number of a load has a name: the seed, its [purpose](What), and the number of the
//! request. So request 17 has the same key and the same size in every run with this seed, whatever the
//! balancer does, and however many numbers were drawn before. Two runs with one seed differ only in what is
//! compared. This method is known as common random numbers.
//!
//! The numbers come from a counter and a hash. The hash is the finaliser of SplitMix64 (Steele, Lea and
//! Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014). [`Seed::draws`] hashes the name to
//! a key. Draw `k` is the hash of the key plus `k` steps, as in SplitMix64 with this key as its seed.

use std::f64::consts::TAU;

/// The step of the counter: 2^64 divided by the golden ratio, as an odd number.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The seed of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seed(pub(super) u64);

/// The purpose of a random number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The time between two requests of this call.
    Gap {
        /// The place of the call in the list.
        call: usize,
    },
    /// The key of the request.
    Key,
    /// The size of the request.
    Size,
    /// The wait before a retry, after this number of tries.
    Backoff {
        /// The tries so far.
        tries: u32,
    },
    /// The time that a client waits after an answer. Here the number is not that of the request, but counts
    /// the answers of this client.
    Think {
        /// The number of the client.
        client: usize,
    },
    /// The moment of a sample. Here the number is that of the sample.
    Moment,
}

/// The random numbers of one purpose for one request, in their order.
#[derive(Clone, Debug)]
pub(super) struct Draws {
    key: u64,
}

impl Seed {
    /// The random numbers with this name.
    pub(super) fn draws(self, what: What, number: u64) -> Draws {
        let purpose = mix(self.0.wrapping_add(STEP)).wrapping_add(what.code().wrapping_mul(STEP));
        Draws { key: mix(mix(purpose).wrapping_add(number.wrapping_mul(STEP))) }
    }
}

impl What {
    /// A number of its own for each purpose.
    fn code(self) -> u64 {
        let (kind, index) = match self {
            Self::Gap { call } => (1, call as u64),
            Self::Key => (2, 0),
            Self::Size => (3, 0),
            Self::Backoff { tries } => (4, u64::from(tries)),
            Self::Think { client } => (5, client as u64),
            Self::Moment => (6, 0),
        };
        // No load has 2^32 calls or clients.
        kind << 32 | index
    }
}

impl Draws {
    /// 64 random bits.
    fn bits(&mut self) -> u64 {
        self.key = self.key.wrapping_add(STEP);
        mix(self.key)
    }

    /// A number from 0 to 1, without 1: one of 2^53 values with equal distances.
    pub(super) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// An exponential random number with the mean 1, by inversion.
    pub(super) fn exponential(&mut self) -> f64 {
        -(-self.unit()).ln_1p()
    }

    /// A normal random number with the mean 0 and the variance 1, by the method of Box and Muller.
    pub(super) fn normal(&mut self) -> f64 {
        let radius = (2.0 * self.exponential()).sqrt();
        radius * (TAU * self.unit()).cos()
    }
}

/// The finaliser of SplitMix64: each bit of the input changes each bit of the output with a chance of a half.
fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
#[path = "draws_tests.rs"]
mod tests;
