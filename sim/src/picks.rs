//! What the picks of a run show together: which backends met in a draw, how far each backend was from its
//! fair share, and which keys moved. It costs a little for each pick, so a run keeps it only if it is wanted.

use std::collections::{BTreeMap, HashMap};

/// The first picks of all calls.
#[derive(Debug, Clone, PartialEq)]
pub struct Picks {
    /// The fair share of each backend, by weight, from 0 to 1.
    fair: Vec<f64>,
    /// Picks of each backend.
    had: Vec<u64>,
    all: u64,
    furthest: f64,
    /// How often two backends were drawn together, the lower number first.
    pairs: BTreeMap<(usize, usize), u64>,
    /// The backend of the last pick for each key.
    homes: HashMap<u64, usize>,
    /// Keys that moved away from each backend.
    moved: Vec<u64>,
}

impl Picks {
    /// No picks yet, of backends with these weights.
    pub(crate) fn new(weights: impl Iterator<Item = u32>) -> Self {
        let weights: Vec<_> = weights.map(f64::from).collect();
        let sum: f64 = weights.iter().sum();
        let backends = weights.len();
        Self {
            fair: weights.into_iter().map(|weight| weight / sum).collect(),
            had: vec![0; backends],
            all: 0,
            furthest: 0.0,
            pairs: BTreeMap::new(),
            homes: HashMap::new(),
            moved: vec![0; backends],
        }
    }

    /// Notes a pick of the backend with this number, after these draws, for this key.
    pub(crate) fn note(&mut self, backend: usize, drawn: &[usize], key: Option<u64>) {
        self.all += 1;
        self.had[backend - 1] += 1;
        for (had, fair) in self.had.iter().zip(&self.fair) {
            self.furthest = self.furthest.max((*had as f64 - self.all as f64 * fair).abs());
        }
        if let [one, other] = *drawn {
            *self.pairs.entry((one.min(other), one.max(other))).or_default() += 1;
        }
        if let Some(before) = key.and_then(|key| self.homes.insert(key, backend))
            && before != backend
        {
            self.moved[before - 1] += 1;
        }
    }

    /// The greatest distance of a backend from its fair share after any number of picks, in picks.
    pub fn furthest(&self) -> f64 {
        self.furthest
    }

    /// How often these two backends were drawn together, in any order; one backend twice if both are the
    /// same.
    pub fn pair(&self, one: usize, other: usize) -> u64 {
        self.pairs.get(&(one.min(other), one.max(other))).copied().unwrap_or(0)
    }

    /// How often a key moved: its call went to another backend than the call before, which went to this one.
    /// `None` if there is no such backend.
    pub fn moved(&self, from: usize) -> Option<u64> {
        self.moved.get(from.checked_sub(1)?).copied()
    }

    /// The number of different keys.
    pub fn keys(&self) -> usize {
        self.homes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_further_from_the_fair_shares_than_smooth_turns() {
        for (order, furthest) in [("cbaaaaa", 10.0), ("aabacaa", 4.0)] {
            let mut picks = Picks::new([5, 1, 1].into_iter());
            for letter in order.repeat(3).bytes() {
                picks.note(usize::from(letter - b'a') + 1, &[], None);
            }
            assert!((picks.furthest() - furthest / 7.0).abs() < 1e-9, "{order}: {}", picks.furthest());
        }
    }

    #[test]
    fn pairs_and_moves_are_counted() {
        let mut picks = Picks::new([1, 1, 1].into_iter());
        for (backend, drawn, key) in [
            (1, &[1, 2][..], Some(7)),
            (1, &[2, 1], Some(8)),
            (3, &[3, 3], Some(7)),
            (1, &[1, 2, 3], None),
            (1, &[], Some(8)),
        ] {
            picks.note(backend, drawn, key);
        }
        assert_eq!((picks.pair(1, 2), picks.pair(2, 1), picks.pair(3, 3), picks.pair(1, 3)), (2, 2, 1, 0));
        assert_eq!([0, 1, 2, 3, 4].map(|from| picks.moved(from)), [None, Some(1), Some(0), Some(0), None]);
        assert_eq!(picks.keys(), 2);
    }
}
