//! Round robin: everybody in turn.
//!
//! *Idea*: one counter for all, so that shares are equal by construction. *Formula*: turn modulo the number
//! of candidates. *Source*: the balancer this one grew from, and the oldest of them all. *Cost*: one atomic addition a
//! pick. *When it is wrong*: when backends or requests differ in cost; it does not look at load at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Backend, Policy, Request};

/// The seed's policy: an atomic turn over the alive backends, shared by all workers.
///
/// The turn goes round the *alive list*, not round all backends with the dead ones skipped: skipping gives
/// a dead backend's whole share to its neighbour. While the list stays the same, any `n` picks in a row give
/// shares that differ by at most one, over all threads together, because every pick takes a turn of its own.
#[derive(Debug, Default)]
pub struct RoundRobin {
    turn: AtomicUsize,
}

impl Policy for RoundRobin {
    fn pick(&self, candidates: &[Arc<Backend>], _: &mut Request<'_>) -> Option<usize> {
        // No other memory hangs on the turn, so the weakest ordering will do.
        (!candidates.is_empty()).then(|| self.turn.fetch_add(1, Ordering::Relaxed) % candidates.len())
    }
}
