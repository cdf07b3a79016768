//! Power of two choices: draw two, take the one with less to do.
//!
//! *Idea*: one comparison removes most of what is wrong with chance, and none of what is right with it: nobody is
//! everybody's favourite. *Formula*: two different candidates, all pairs equally likely; the lower of
//! `(in flight + 1) / weight` is picked, the first drawn if both are equal. *Source*: Mitzenmacher (2001): of *n* requests
//! at *n* backends the fullest has about ln ln n / ln 2 instead of ln n / ln ln n. *Cost*: two draws, two counts, however
//! many backends there are. *When it is wrong*: it cannot see what is in flight from other balancers, and a backend that
//! fails at once looks idle to it.
//!
//! Known balancers got it wrong in three ways: by taking the neighbour when the same candidate is drawn twice, by
//! comparing with the best of before, and by keeping the last candidate whatever its load. The contract of the policies
//! counts pairs and winners.

use std::sync::Arc;

use super::about::{About, Policy, Settings};
#[cfg(test)]
use super::contract::{Bound, Terms};
use super::request::Request;
use crate::Moment;
use crate::backend::Backend;

/// What people read about it.
pub(super) const ABOUT: About = About {
    name: "two-choices",
    picks: "the less loaded of two backends drawn at random",
    looks_at: "requests in flight of two",
    cost: "O(1)",
    keeps_turns: false,
    uses_weights: true,
    uses_key: false,
    because: |notes| format!("of {} it has less to do", notes.drawn()),
};

/// One at its beginning.
pub(super) fn make(_: Settings) -> Arc<dyn Policy> {
    Arc::new(TwoChoices)
}

/// What it promises.
#[cfg(test)]
pub(super) const TERMS: Terms = Terms { draws_two: true, ..Terms::sharing(Bound::Of(0.3)) };

/// The less loaded of two.
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
