//! The key modulo the number of candidates.
//!
//! *Idea*: the shortest way from a key to a backend. *Formula*: `hash(key) mod n`. *Source*: the comparison
//! that begins most texts on consistent hashing, such as Karger et al. (1997). *Cost*: O(1) a pick. *What is
//! wrong*: when one of *n* backends leaves, `(n - 1) / n` of all keys move, so nearly all caches are cold at
//! once. `ring.rs`, `maglev.rs` and `rendezvous.rs` move the keys of that backend, and few or no others.

use std::sync::Arc;

#[cfg(test)]
use super::super::contract::{Bound, Terms};
use crate::backend::Backend;
use crate::policy::about::{About, Policy, Settings};
use crate::policy::request::Request;

pub(super) const ABOUT: About = About {
    name: "modulo",
    picks: "the backend whose place in the list is the remainder of the key",
    looks_at: "a key",
    cost: "O(1)",
    keeps_turns: false,
    uses_weights: false,
    uses_key: true,
    because: |_| "its place is the remainder of the key".to_owned(),
};

pub(super) const MISTAKE: &str =
    "when one of *n* backends leaves, all but a part of 1 in *n* of the keys move";

pub(super) fn make(_: Settings) -> Arc<dyn Policy> {
    Arc::new(Modulo)
}

#[cfg(test)]
pub(super) const TERMS: Terms = Terms {
    declines: &[("keys stay", "the remainder of nearly every key is another one")],
    ..Terms::sharing(Bound::Deviations(4.0))
};

/// The remainder of the key.
#[derive(Debug)]
struct Modulo;

impl Policy for Modulo {
    fn pick(&self, candidates: &[Arc<Backend>], request: &mut Request<'_>) -> Option<usize> {
        let index = request.key().checked_rem(candidates.len() as u64)?;
        usize::try_from(index).ok()
    }
}
