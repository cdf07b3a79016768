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

use crate::Moment;
use std::sync::Arc;

use super::{Backend, Policy, Request};

/// The less loaded of two.
#[derive(Debug, Default)]
pub struct TwoChoices;

impl Policy for TwoChoices {
    fn pick(&self, candidates: &[Arc<Backend>], request: &mut Request<'_>) -> Option<usize> {
        let [(one, first), (other, second)] = request.two_of(candidates)?;
        Some(if second.load() < first.load() { other } else { one })
    }

    fn score(&self, backend: &Backend, _: Moment) -> Option<f64> {
        Some(backend.load())
    }
}
