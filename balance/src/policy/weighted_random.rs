//! Weighted random: each candidate with a probability by its weight.
//!
//! *Idea*: each candidate has as many tickets as weight. *Formula*: a random number below the sum of all
//! weights; the first candidate whose sum of weights up to its own is above the number is picked. *Source*:
//! folklore; nginx's `random` draws like this. *Cost*: one draw, and a search among *n* partial sums that
//! were added up when the list was made: O(log n). *When it is wrong*: in the short run, as with `Random`.
//!
//! A ticket of a backend that is no longer a candidate, or not for this request, is drawn again: the
//! probabilities of the others stay in proportion.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::about::{About, Policy, Settings};
#[cfg(test)]
use super::contract::{Bound, Terms};
use super::list::position;
use super::request::Request;
use crate::backend::Backend;

/// The number of tickets that are drawn before the weights of the candidates themselves are added up.
const DRAWS: usize = 8;

/// The description for users.
pub(super) const ABOUT: About = About {
    name: "weighted-random",
    picks: "a backend at random, with chances by weight",
    looks_at: "weights",
    cost: "O(log n)",
    keeps_turns: false,
    uses_weights: true,
    uses_key: false,
    because: |_| "it was drawn at random".to_owned(),
};

/// The policy in its initial state.
pub(super) fn make(_: Settings) -> Arc<dyn Policy> {
    Arc::new(WeightedRandom::default())
}

/// The terms for the contract.
#[cfg(test)]
pub(super) const TERMS: Terms = Terms::sharing(Bound::Deviations(4.0));

/// Each candidate with a probability by its weight.
#[derive(Debug, Default)]
pub(super) struct WeightedRandom {
    /// The number of each backend, and the sum of all weights up to its own.
    tickets: ArcSwap<Vec<(usize, u64)>>,
}

impl Policy for WeightedRandom {
    fn pick(&self, candidates: &[Arc<Backend>], request: &mut Request<'_>) -> Option<usize> {
        let tickets = self.tickets.load();
        let drawn = tickets.last().filter(|_| !candidates.is_empty()).and_then(|(_, all)| {
            (0..DRAWS).find_map(|_| {
                let ticket = request.random.u64(..*all);
                let (number, _) = tickets[tickets.partition_point(|(_, sum)| *sum <= ticket)];
                position(candidates, number)
            })
        });
        let index = drawn.or_else(|| draw_among(candidates, request))?;
        request.draws(&candidates[index]);
        Some(index)
    }

    fn rebuild(&self, _: &[Arc<Backend>], candidates: &[Arc<Backend>]) {
        let tickets = candidates.iter().scan(0, |sum, backend| {
            *sum += u64::from(backend.weight());
            Some((backend.number, *sum))
        });
        self.tickets.store(Arc::new(tickets.collect()));
    }
}

/// Draws among a few candidates whose weights are not added up yet.
fn draw_among(candidates: &[Arc<Backend>], request: &mut Request<'_>) -> Option<usize> {
    let all: u64 = candidates.iter().map(|backend| u64::from(backend.weight())).sum();
    if all == 0 {
        return (!candidates.is_empty()).then(|| request.random.usize(..candidates.len()));
    }
    let mut ticket = request.random.u64(..all);
    candidates.iter().position(|backend| match ticket.checked_sub(u64::from(backend.weight())) {
        Some(left) => {
            ticket = left;
            false
        }
        None => true,
    })
}
