//! Power of two choices: draw two backends, pick the one with the lower load.
//!
//! *Idea*: one comparison removes most of the disadvantages of random choices and keeps their advantage: no
//! backend is the favourite of all. *Formula*: two different candidates, all pairs equally likely; the lower
//! of `(in flight + 1) / weight` is picked, the first drawn if both are equal. *Source*: Mitzenmacher (2001):
//! of *n* requests at *n* backends, the fullest has about ln ln n / ln 2 instead of ln n / ln ln n. *Cost*:
//! two draws and two counts for any number of backends. *When it is wrong*: it does not see requests in
//! flight from other balancers, and a backend that fails at once looks idle.
//!
//! Known balancers make three mistakes: they take the neighbour when the same candidate is drawn twice, they
//! compare with the best of earlier picks, or they keep the last candidate whatever its load. The contract of
//! the policies counts pairs and winners.

use std::sync::Arc;

use super::about::{About, Policy, Settings};
#[cfg(test)]
use super::contract::{Bound, Terms};
use super::request::Request;
use crate::Moment;
use crate::backend::Backend;

/// The description for users.
pub(super) const ABOUT: About = About {
    name: "two-choices",
    picks: "the less loaded of two backends drawn at random",
    looks_at: "requests in flight of two",
    cost: "O(1)",
    keeps_turns: false,
    uses_weights: true,
    uses_key: false,
    because: |notes| format!("of {} it has the lower load", notes.drawn()),
};

/// The policy in its initial state.
pub(super) fn make(_: Settings) -> Arc<dyn Policy> {
    Arc::new(TwoChoices)
}

/// The terms for the contract.
#[cfg(test)]
pub(super) const TERMS: Terms = Terms { draws_two: true, ..Terms::sharing(Bound::Of(0.3)) };

/// The one of two with the lower load.
#[derive(Debug, Default)]
pub(super) struct TwoChoices;

impl Policy for TwoChoices {
    fn pick(&self, candidates: &[Arc<Backend>], request: &mut Request<'_>) -> Option<usize> {
        let [(one, first), (other, second)] = request.two_of(candidates)?;
        Some(if second.load() < first.load() { other } else { one })
    }

    fn score(&self, backend: &Backend, _: Moment) -> Option<f64> {
        Some(backend.load())
    }
}
