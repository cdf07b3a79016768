//! Weighted round robin in blocks: each candidate gets all its turns in a row.
//!
//! *Idea*: the simplest way to use weights. *Formula*: turn modulo the sum of the weights; the candidates
//! have their blocks in the list from the last to the first. With weights 5, 1, 1 this gives c b a a a a a.
//! *Cost*: O(n) a pick. *What is wrong*: a backend is more than one pick away from its fair share (10/7 of a
//! pick with these weights, and more with larger ones), so its requests come in bursts.
//! `weighted_round_robin.rs` spreads them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(test)]
use super::super::contract::{Bound, Terms};
use crate::backend::Backend;
use crate::policy::about::{About, Policy, Settings};
use crate::policy::request::Request;

pub(super) const ABOUT: About = About {
    name: "in-blocks",
    picks: "each backend in turn, all turns of a backend in a row",
    looks_at: "weights",
    cost: "O(n)",
    keeps_turns: true,
    uses_weights: true,
    uses_key: false,
    because: |_| "it is its turn".to_owned(),
};

pub(super) const MISTAKE: &str = "a backend with more weight gets its requests in bursts";

pub(super) fn make(_: Settings) -> Arc<dyn Policy> {
    Arc::new(InBlocks::default())
}

#[cfg(test)]
pub(super) const TERMS: Terms = Terms {
    declines: &[("smooth turns", "all turns of a backend come in a row")],
    ..Terms::sharing(Bound::Picks(1.0))
};

/// The turn over all weights.
#[derive(Debug, Default)]
pub(super) struct InBlocks {
    turn: AtomicU64,
}

impl Policy for InBlocks {
    fn pick(&self, candidates: &[Arc<Backend>], _: &mut Request<'_>) -> Option<usize> {
        let sum = candidates.iter().map(|backend| u64::from(backend.weight())).sum();
        let mut left = self.turn.fetch_add(1, Ordering::Relaxed).checked_rem(sum).unwrap_or(0);
        let is_its_block = |index: &usize| {
            let weight = u64::from(candidates[*index].weight());
            let is_it = left < weight;
            left = left.saturating_sub(weight);
            is_it
        };
        // A weight that changes during the pick can leave no block for the turn.
        (0..candidates.len()).rev().find(is_its_block).or_else(|| candidates.len().checked_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::contract::{backends, picks};

    #[test]
    fn five_one_one_comes_in_blocks() {
        let order = picks(&InBlocks::default(), &backends(&[5, 1, 1]), 14);
        let order: String = order.iter().map(|index| ["a", "b", "c"][*index]).collect();
        assert_eq!(order, "cbaaaaacbaaaaa");
    }
}
