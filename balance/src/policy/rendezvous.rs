//! Rendezvous hashing, or highest random weight: the same key to the same backend, because it scores highest there.
//!
//! *Idea*: every backend draws a lot for every key, always the same; the highest wins. When a backend goes, only its own
//! keys move, and they spread over all others. *Formula*: the highest of `weight / -ln(u)`, where `u` is
//! `hash(address, key)` as a number between 0 and 1. *Source*: Thaler and Ravishankar (1998); the weights are Schindelhauer
//! and Schomaker's (2005). *Cost*: O(n) a pick, and no table at all. *When it is wrong*: with thousands of backends.
//!
//! The shares are as even as chance: there are no points on a ring to be unlucky with.

use std::sync::Arc;

use super::about::{About, Policy, Settings};
#[cfg(test)]
use super::contract::{Bound, Terms};
use super::list::{lowest, mix};
use super::request::Request;
use crate::backend::Backend;

/// What people read about it.
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

/// One at its beginning.
pub(super) fn make(_: Settings) -> Arc<dyn Policy> {
    Arc::new(Rendezvous)
}

/// What it promises.
#[cfg(test)]
pub(super) const TERMS: Terms = Terms::sharing(Bound::Deviations(4.0));

/// The highest lot.
#[derive(Debug, Default)]
pub(super) struct Rendezvous;

impl Policy for Rendezvous {
    fn pick(&self, candidates: &[Arc<Backend>], request: &mut Request<'_>) -> Option<usize> {
        let key = request.key();
        lowest(candidates, |backend| {
            // 53 bits, as many as the number has, and never 0 or 1.
            let u = ((mix(backend.id, key) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
            -u.ln() / f64::from(backend.weight())
        })
    }
}
