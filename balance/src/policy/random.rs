//! Random: each candidate with the same probability.
//!
//! *Idea*: random choices are fair in the long run, and need no data. *Formula*: a number below the number of
//! candidates, all equally likely. *Source*: Mitzenmacher, "The Power of Two Choices in Randomized Load
//! Balancing" (2001), which compares other policies with this one. *Cost*: one draw. *When it is wrong*: in
//! the short run. Of 4,000 picks among four, one backend in three gets 27 too many or too few, and of 100
//! requests among 100 backends, one gets four while a third get none.

use std::sync::Arc;

use super::about::{About, Policy, Settings};
#[cfg(test)]
use super::contract::{Bound, Terms};
use super::request::Request;
use crate::backend::Backend;

/// The description for users.
pub(super) const ABOUT: About = About {
    name: "random",
    picks: "a backend at random",
    looks_at: "nothing",
    cost: "O(1)",
    keeps_turns: false,
    uses_weights: false,
    uses_key: false,
    because: |_| "it was drawn at random".to_owned(),
};

/// The policy in its initial state.
pub(super) fn make(_: Settings) -> Arc<dyn Policy> {
    Arc::new(Random)
}

/// The terms for the contract.
#[cfg(test)]
pub(super) const TERMS: Terms = Terms::sharing(Bound::Deviations(4.0));

/// Each candidate with the same probability.
#[derive(Debug, Default)]
pub(super) struct Random;

impl Policy for Random {
    fn pick(&self, candidates: &[Arc<Backend>], request: &mut Request<'_>) -> Option<usize> {
        let index = (!candidates.is_empty()).then(|| request.random.usize(..candidates.len()))?;
        request.draws(&candidates[index]);
        Some(index)
    }
}
