//! Round robin: everybody in turn.
//!
//! *Idea*: one counter for all, so that shares are equal by construction. *Formula*: turn modulo the number
//! of candidates. *Source*: the balancer this one grew from, and the oldest of them all. *Cost*: one atomic addition a
//! pick. *When it is wrong*: when backends or requests differ in cost; it does not look at load at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::about::{About, Policy, Settings};
#[cfg(test)]
use super::contract::{Bound, Terms};
use super::request::Request;
use crate::backend::Backend;

/// What people read about it.
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

/// One at its beginning.
pub(super) fn make(_: Settings) -> Arc<dyn Policy> {
    Arc::new(RoundRobin::default())
}

/// What it promises.
#[cfg(test)]
pub(super) const TERMS: Terms = Terms::sharing(Bound::Picks(1.0));

/// The seed's policy: an atomic turn over the alive backends, shared by all workers.
///
/// The turn goes round the *alive list*, not round all backends with the dead ones skipped: skipping gives
/// a dead backend's whole share to its neighbour. While the list stays the same, any `n` picks in a row give
/// shares that differ by at most one, over all threads together, because every pick takes a turn of its own.
#[derive(Debug, Default)]
pub(super) struct RoundRobin {
    turn: AtomicUsize,
}

impl Policy for RoundRobin {
    fn pick(&self, candidates: &[Arc<Backend>], _: &mut Request<'_>) -> Option<usize> {
        // No other memory hangs on the turn, so the weakest ordering will do.
        (!candidates.is_empty()).then(|| self.turn.fetch_add(1, Ordering::Relaxed) % candidates.len())
    }
}
