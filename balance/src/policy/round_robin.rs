//! Round robin: each candidate in turn.
//!
//! *Idea*: one counter for all requests, so that shares are equal by construction. *Formula*: turn modulo the
//! number of candidates. *Source*: the Go balancer from which Roundabout started; it is the oldest policy.
//! *Cost*: one atomic addition a pick. *When it is wrong*: when backends or requests differ in cost; it does
//! not use load at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::about::{About, Policy, Settings};
#[cfg(test)]
use super::contract::{Bound, Terms};
use super::request::Request;
use crate::backend::Backend;

/// The description for users.
pub(super) const ABOUT: About = About {
    name: "round-robin",
    picks: "each backend in turn",
    looks_at: "a turn",
    cost: "O(1)",
    keeps_turns: true,
    uses_weights: false,
    uses_key: false,
    because: |_| "it is its turn".to_owned(),
};

/// The policy in its initial state.
pub(super) fn make(_: Settings) -> Arc<dyn Policy> {
    Arc::new(RoundRobin::default())
}

/// The terms for the contract.
#[cfg(test)]
pub(super) const TERMS: Terms = Terms::sharing(Bound::Picks(1.0));

/// The policy of the original: an atomic turn over the backends that are alive, shared by all workers.
///
/// The turn counts over the *list of candidates*, not over all backends while skipping the dead ones:
/// skipping gives a dead backend's whole share to its neighbour. While the list stays the same, any `n` picks
/// in a row give shares that differ by at most one, over all threads together, because every pick takes a
/// turn of its own.
#[derive(Debug, Default)]
pub(super) struct RoundRobin {
    turn: AtomicUsize,
}

impl Policy for RoundRobin {
    fn pick(&self, candidates: &[Arc<Backend>], _: &mut Request<'_>) -> Option<usize> {
        // No other memory depends on the turn, so the weakest ordering is enough.
        (!candidates.is_empty()).then(|| self.turn.fetch_add(1, Ordering::Relaxed) % candidates.len())
    }
}
