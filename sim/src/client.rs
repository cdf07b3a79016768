//! The settings of the clients: how long they wait, and what they do then. Clients that retry cause
//! metastable failures.

use std::sync::Arc;
use std::time::Duration;

use balance::budget;

use crate::clock::{Nanos, nanos};
use crate::draws::{Draws, Stream, below, finalise, unit};

/// The clients.
#[derive(Debug, Clone, PartialEq)]
pub struct Clients {
    /// How long a client waits for the answer to one try; `None` for no limit. After this time, the client
    /// closes its connection.
    pub patience: Option<Duration>,
    /// How often a client sends a call again, after it has waited without an answer or has got a status of
    /// 500 and above.
    pub retries: u32,
    /// The pause before a client sends a call again.
    pub backoff: Backoff,
    /// The limit of the retries of all clients together; `None` for no limit.
    pub budget: Option<budget::Rule>,
    /// The keys of the calls.
    pub keys: Keys,
    /// Whether a second execution does no harm, so that the balancer may send a request again that a backend
    /// may have executed.
    pub idempotent: bool,
}

impl Default for Clients {
    /// Clients that wait without a limit, never try again, and have idempotent calls without keys.
    fn default() -> Self {
        Self {
            patience: None,
            retries: 0,
            backoff: Backoff::NONE,
            budget: None,
            keys: Keys::None,
            idempotent: true,
        }
    }
}

/// The pauses before retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The longest pause before the first retry. It doubles with each further one.
    pub first: Duration,
    /// Whether the pause is drawn between zero and the longest one ("full jitter", Brooker, AWS Architecture
    /// Blog, 2015). Otherwise it is the longest one.
    pub jitter: bool,
}

impl Backoff {
    /// No pause.
    pub const NONE: Self = Self { first: Duration::ZERO, jitter: false };

    /// The pause before the try with this number, which is at least 1.
    pub(crate) fn pause(self, call: u64, number: u32, draws: &Draws) -> Nanos {
        let longest = nanos(self.first).saturating_mul(1 << number.saturating_sub(1).min(20));
        match self.jitter {
            true => (longest as f64 * unit(draws.bits_of(Stream::Backoff, call, u64::from(number)))) as Nanos,
            false => longest,
        }
    }
}

/// The keys of the calls, for policies that pick by key and for caches.
#[derive(Debug, Clone, PartialEq)]
pub enum Keys {
    /// No key.
    None,
    /// So many keys, each equally frequent.
    Uniform(u64),
    /// So many keys, of which one has this share of all calls, from 0 to 1, and the others share the rest.
    Hot {
        /// The number of keys, at least 2.
        keys: u64,
        /// The share of the hot key.
        share: f64,
    },
    /// So many keys, drawn anew with each seed, one after the other: each call has the next key, and after
    /// the last one comes the first one again.
    InTurn(u64),
    /// The key of each call, by its number; none for all further calls.
    Trace(Arc<[Option<u64>]>),
}

impl Keys {
    /// The key of a call: a hash, as a balancer makes it of a header.
    pub(crate) fn of(&self, call: u64, draws: &Draws) -> Option<u64> {
        let one_of = |keys, index| below(draws.bits_of(Stream::Key, call, index), keys);
        let key = match *self {
            Self::None => return None,
            Self::Trace(ref keys) => return *keys.get(usize::try_from(call).ok()?)?,
            Self::InTurn(keys) => draws.bits_of(Stream::Key, call % keys.max(1), 2),
            Self::Uniform(keys) => one_of(keys, 0),
            Self::Hot { share, .. } if draws.unit(Stream::Key, call) < share => 0,
            Self::Hot { keys, .. } => 1 + one_of(keys.saturating_sub(1), 1),
        };
        Some(finalise(key.wrapping_add(0x6b65_7973)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ms;
    use std::collections::HashMap;

    #[test]
    fn a_hot_key_has_its_share() {
        let draws = Draws::new(1);
        let mut counts = HashMap::<u64, u32>::new();
        for call in 0..40_000 {
            *counts.entry(Keys::Hot { keys: 40, share: 0.6 }.of(call, &draws).unwrap()).or_default() += 1;
        }
        let mut counts: Vec<_> = counts.into_values().collect();
        counts.sort_unstable();
        assert_eq!(counts.len(), 40);
        // 24,000 ± 98, and 410 ± 20 for each of the others; the bounds are five standard deviations.
        assert!(counts[39].abs_diff(24_000) < 490, "{counts:?}");
        assert!(counts[0] > 310 && counts[38] < 510, "{counts:?}");
    }

    #[test]
    fn pauses_double() {
        let backoff = Backoff { first: ms(100), jitter: false };
        let pauses = [1, 2, 3].map(|number| backoff.pause(0, number, &Draws::new(1)));
        assert_eq!(pauses, [100_000_000, 200_000_000, 400_000_000]);
        let jitter = Backoff { jitter: true, ..backoff };
        let sum: u64 = (0..1000).map(|call| jitter.pause(call, 1, &Draws::new(1))).sum();
        // The mean of 1000 is 50 ms, with a standard deviation of 0.9 ms.
        assert!((sum as f64 / 1000.0 / 1e6 - 50.0).abs() < 4.6, "{sum}");
    }
}
