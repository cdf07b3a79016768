//! The key of a request, for balancers and backends that decide by keys.
//!
//! Pure. [`Keys`] describes the law. A [`KeyTable`] draws from it, with one random number for each request.

use anyhow::{Result, ensure};

use super::draws::Draws;

/// The most keys of a Zipf law: its table has eight bytes for each key.
const MOST_IN_TABLE: u64 = 10_000_000;

/// The law of the keys of a call. A key is a whole number from 0 on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Keys {
    /// Each of this number of keys with the same chance.
    Uniform {
        /// The number of keys.
        keys: u64,
    },
    /// Key `k` with a chance in proportion to `1 / (k + 1)^exponent` (Zipf's law). Key 0 is the most
    /// frequent.
    Zipf {
        /// The number of keys.
        keys: u64,
        /// The exponent: 0 for equal chances, about 1 for words of a text or pages of a site.
        exponent: f64,
    },
    /// Key 0 with this chance, and each of the other keys with the same chance.
    Hot {
        /// The number of keys, with the hot one; at least 2.
        keys: u64,
        /// The share of the hot key, from 0 to 1.
        share: f64,
    },
    /// The number of the request: no key comes twice.
    Sequence,
}

impl Keys {
    /// # Errors
    /// If there are no keys, or a number is outside of its range.
    pub(super) fn check(&self) -> Result<()> {
        match *self {
            Self::Uniform { keys } => ensure!(keys > 0, "0 keys: a request needs at least one key to draw"),
            Self::Zipf { keys, exponent } => {
                ensure!(
                    (1..=MOST_IN_TABLE).contains(&keys),
                    "{keys} keys with Zipf's law: use 1 to {MOST_IN_TABLE} keys"
                );
                ensure!(
                    exponent.is_finite() && exponent >= 0.0,
                    "Zipf's law with the exponent {exponent}: use zero or a positive number"
                );
            }
            Self::Hot { keys, share } => {
                ensure!(keys > 1, "{keys} keys with a hot one: use at least 2 keys");
                ensure!((0.0..=1.0).contains(&share), "a hot key with the share {share}: use 0 to 1");
            }
            Self::Sequence => {}
        }
        Ok(())
    }
}

/// Draws keys by a law.
#[derive(Debug)]
pub(super) struct KeyTable {
    keys: Keys,
    /// For Zipf's law: the chance of this key or a lower one.
    cumulated: Vec<f64>,
}

impl KeyTable {
    /// The table of a law that [`Keys::check`] accepts.
    pub(super) fn new(keys: Keys) -> Self {
        let mut cumulated = Vec::new();
        if let Keys::Zipf { keys, exponent } = keys {
            let mut sum = 0.0;
            cumulated.extend((1..=keys).map(|rank| {
                sum += (rank as f64).powf(-exponent);
                sum
            }));
            cumulated.iter_mut().for_each(|upto| *upto /= sum);
        }
        Self { keys, cumulated }
    }

    /// The key of a request.
    pub(super) fn draw(&self, mut draws: Draws, request: u64) -> u64 {
        match self.keys {
            Keys::Uniform { keys } => among(&mut draws, keys),
            Keys::Zipf { keys, .. } => {
                let unit = draws.unit();
                (self.cumulated.partition_point(|upto| *upto <= unit) as u64).min(keys.saturating_sub(1))
            }
            Keys::Hot { share, .. } if draws.unit() < share => 0,
            Keys::Hot { keys, .. } => 1 + among(&mut draws, keys - 1),
            Keys::Sequence => request,
        }
    }
}

/// One of this number of keys, each with the same chance.
fn among(draws: &mut Draws, keys: u64) -> u64 {
    // The product can be rounded up to the number of keys.
    ((draws.unit() * keys as f64) as u64).min(keys.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::draws::{Seed, What};
    use crate::load::laws::EXTREME;

    const MANY: u64 = 100_000;

    /// How often each of the first keys came.
    fn counts(keys: Keys, most: usize) -> Vec<u64> {
        keys.check().unwrap();
        let table = KeyTable::new(keys);
        let mut counts = vec![0; most];
        for request in 0..MANY {
            let key = table.draw(Seed(5).draws(What::Key, request), request) as usize;
            counts[key] += 1;
        }
        counts
    }

    #[test]
    fn each_key_has_its_chance() {
        let zipf: f64 = (1..=50).map(|rank| 1.0 / f64::from(rank)).sum();
        for (keys, chances) in [
            (Keys::Uniform { keys: 40 }, vec![1.0 / 40.0; 40]),
            (Keys::Uniform { keys: 1 }, vec![1.0]),
            (
                Keys::Zipf { keys: 50, exponent: 1.0 },
                (1..=50).map(|rank| 1.0 / f64::from(rank) / zipf).collect(),
            ),
            (Keys::Zipf { keys: 10, exponent: 0.0 }, vec![0.1; 10]),
            // Lesson of a hot prefix: 60 % of all, and 39 others.
            (Keys::Hot { keys: 40, share: 0.6 }, [vec![0.6], vec![0.4 / 39.0; 39]].concat()),
            (Keys::Hot { keys: 2, share: 1.0 }, vec![1.0, 0.0]),
        ] {
            for (key, (count, chance)) in counts(keys, chances.len()).into_iter().zip(&chances).enumerate() {
                let expected = MANY as f64 * chance;
                let sigma = (expected * (1.0 - chance)).sqrt();
                let distance = (count as f64 - expected).abs();
                assert!(
                    distance <= EXTREME * sigma,
                    "{keys:?}: key {key} came {count} times, not {expected}"
                );
            }
        }
    }

    #[test]
    fn a_sequence_has_no_key_twice() {
        let table = KeyTable::new(Keys::Sequence);
        let keys = [0, 1, 17].map(|request| table.draw(Seed(5).draws(What::Key, request), request));
        assert_eq!(keys, [0, 1, 17]);
    }

    #[test]
    fn laws_that_cannot_be_are_refused() {
        for (keys, reason) in [
            (Keys::Uniform { keys: 0 }, "at least one key"),
            (Keys::Zipf { keys: 0, exponent: 1.0 }, "use 1 to 10000000 keys"),
            (Keys::Zipf { keys: u64::MAX, exponent: 1.0 }, "use 1 to 10000000 keys"),
            (Keys::Zipf { keys: 9, exponent: f64::NAN }, "the exponent NaN"),
            (Keys::Hot { keys: 1, share: 0.5 }, "at least 2 keys"),
            (Keys::Hot { keys: 9, share: 1.5 }, "the share 1.5: use 0 to 1"),
        ] {
            let error = format!("{:#}", keys.check().unwrap_err());
            assert!(error.contains(reason), "{error:?} lacks {reason:?}");
        }
    }
}
