//! Smooth weighted round robin: each candidate in turn, some more often, but not many times in a row.
//!
//! *Idea*: each candidate saves up its weight each time; the one with the highest credit is picked, and pays
//! the sum of all weights. *Formula*: for all `credit += weight`; the first with the highest credit is
//! picked; its `credit -= sum of weights`. With weights 5, 1, 1 this gives a a b a c a a, not a a a a a b c.
//! *Source*: nginx, commit 52327e0627 of 2012. *Cost*: O(n) a pick, in a lock held for a few nanoseconds per
//! candidate. *When it is wrong*: when the weights are wrong, because it does not use load; and with
//! thousands of backends, where weighted random is as good.
//!
//! After any number of picks, each candidate is within one pick of its fair share. The credits always add up
//! to zero.

use std::sync::{Arc, Mutex, PoisonError};

use super::about::{About, Policy, Settings};
#[cfg(test)]
use super::contract::{Bound, Terms};
use super::request::Request;
use crate::backend::Backend;

/// The description for users.
pub(super) const ABOUT: About = About {
    name: "weighted-round-robin",
    picks: "each backend in turn, backends with more weight more often, but not many times in a row",
    looks_at: "weights",
    cost: "O(n)",
    keeps_turns: true,
    uses_weights: true,
    uses_key: false,
    because: |_| "it is its turn".to_owned(),
};

/// The policy in its initial state.
pub(super) fn make(_: Settings) -> Arc<dyn Policy> {
    Arc::new(WeightedRoundRobin::default())
}

/// The terms for the contract.
#[cfg(test)]
pub(super) const TERMS: Terms = Terms::sharing(Bound::Picks(1.0));

/// The credit of each backend.
#[derive(Debug, Default)]
pub(super) struct WeightedRoundRobin {
    /// A standard lock: it is never held across an `await`, and all credits must change together.
    accounts: Mutex<Accounts>,
}

#[derive(Debug, Default)]
struct Accounts {
    /// By number, minus one.
    credits: Vec<i64>,
    /// The backends that earned the credits, with their weights.
    company: Vec<(usize, u32)>,
}

impl Policy for WeightedRoundRobin {
    fn pick(&self, candidates: &[Arc<Backend>], _: &mut Request<'_>) -> Option<usize> {
        let credits = &mut self.accounts.lock().unwrap_or_else(PoisonError::into_inner).credits;
        let last = candidates.last()?;
        if credits.len() < last.number {
            credits.resize(last.number, 0);
        }
        let mut sum = 0;
        let mut richest = (0, i64::MIN);
        for (index, backend) in candidates.iter().enumerate() {
            let weight = i64::from(backend.weight());
            let credit = &mut credits[backend.number - 1];
            *credit += weight;
            sum += weight;
            if *credit > richest.1 {
                richest = (index, *credit);
            }
        }
        credits[candidates[richest.0].number - 1] -= sum;
        Some(richest.0)
    }

    /// Credit that was earned beside a heavy backend is worth hundreds of picks among light ones. So all
    /// credits start again when the candidates or weights change, and only then.
    fn rebuild(&self, _: &[Arc<Backend>], candidates: &[Arc<Backend>]) {
        let company = candidates.iter().map(|backend| (backend.number, backend.weight())).collect();
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if accounts.company != company {
            *accounts = Accounts { credits: Vec::new(), company };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::contract::{backends, picks};
    use super::*;

    #[test]
    fn five_one_one_is_spread_smoothly() {
        let policy = WeightedRoundRobin::default();
        let order: String =
            picks(&policy, &backends(&[5, 1, 1]), 14).iter().map(|index| ["a", "b", "c"][*index]).collect();
        assert_eq!(order, "aabacaaaabacaa");
    }

    #[test]
    fn every_prefix_is_within_one_pick_of_its_fair_share() {
        for weights in [&[5, 1, 1][..], &[1, 1, 1, 1], &[1000, 1], &[7, 3, 2, 0, 1], &[13, 8, 5, 3, 2, 1, 1]]
        {
            let sum: u32 = weights.iter().sum();
            let field = backends(weights);
            let mut had = vec![0.0; weights.len()];
            let places: Vec<_> = (0..weights.len()).filter(|index| weights[*index] > 0).collect();
            let picked = picks(&WeightedRoundRobin::default(), &field, 3 * sum as usize);
            for (n, index) in picked.into_iter().enumerate() {
                had[places[index]] += 1.0;
                for (had, weight) in had.iter().zip(weights) {
                    let fair = (n + 1) as f64 * f64::from(*weight) / f64::from(sum);
                    assert!((had - fair).abs() < 1.0, "{weights:?}: {had} instead of {fair} after {}", n + 1);
                }
            }
        }
    }

    #[test]
    fn credits_do_not_survive_a_change_of_the_candidates() {
        let policy = WeightedRoundRobin::default();
        let field = backends(&[1000, 1, 1]);
        policy.rebuild(&field, &field);
        picks(&policy, &field, 600);
        let light = &field[1..];
        policy.rebuild(&field, light);
        assert_eq!(picks(&policy, light, 4), [0, 1, 0, 1]);
        policy.rebuild(&field, light);
        assert_eq!(picks(&policy, light, 1), [0], "the same candidates continue where they were");
    }
}
