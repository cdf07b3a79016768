//! Rendezvous hashing, or highest random weight: the same key to the same backend, because that backend has
//! the highest score for the key.
//!
//! *Idea*: every backend has a pseudo-random score for each key, always the same; the highest score wins.
//! When a backend is removed, only its own keys move, and they spread over all others. *Formula*: the highest
//! of `weight / -ln(u)`, where `u` is `hash(address, key)` as a number between 0 and 1. *Source*: Thaler and
//! Ravishankar (1998); the weights are from Schindelhauer and Schomaker (2005). *Cost*: O(n) a pick, and no
//! table. *When it is wrong*: with thousands of backends.
//!
//! The shares are as even as random numbers: there are no points on a ring that could be distributed badly.

use std::sync::Arc;

use super::about::{About, Policy, Settings};
#[cfg(test)]
use super::contract::{Bound, Terms};
use super::list::{lowest, mix};
use super::request::Request;
use crate::backend::Backend;

/// The description for users.
pub(super) const ABOUT: About = About {
    name: "rendezvous",
    picks: "the backend with the highest score for the key",
    looks_at: "a key",
    cost: "O(n)",
    keeps_turns: false,
    uses_weights: true,
    uses_key: true,
    because: |_| "it scores highest for the key".to_owned(),
};

/// The policy in its initial state.
pub(super) fn make(_: Settings) -> Arc<dyn Policy> {
    Arc::new(Rendezvous)
}

/// The terms for the contract.
#[cfg(test)]
pub(super) const TERMS: Terms = Terms::sharing(Bound::Deviations(4.0));

/// The backend with the highest score.
#[derive(Debug, Default)]
pub(super) struct Rendezvous;

impl Policy for Rendezvous {
    fn pick(&self, candidates: &[Arc<Backend>], request: &mut Request<'_>) -> Option<usize> {
        let key = request.key();
        lowest(candidates, |backend| {
            // 53 bits, as many as the floating-point number has, and never 0 or 1.
            let u = ((mix(backend.id, key) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
            -u.ln() / f64::from(backend.weight())
        })
    }
}
