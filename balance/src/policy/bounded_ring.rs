//! Consistent hashing with bounded loads: the same key to the same backend, unless that backend has reached
//! its load limit.
//!
//! *Idea*: the ring of `Ring`, with a limit for the load of a backend in relation to the average. If the
//! backend of a key is at its limit, the key moves on to the next backend. *Formula*: a backend may have
//! `ceil(factor x (all requests in flight + 1) x weight / sum of weights)` requests in flight, including this
//! one; the default factor is 1.25. *Source*: Mirrokni, Thorup and Zadimoghaddam (2016); HAProxy's
//! `hash-balance-factor`. *Cost*: O(1) a pick, and some steps for frequent keys; two additions for each
//! request. *When it is wrong*: with few requests in flight, a backend reaches its limit by chance, and keys
//! move although no backend is overloaded.

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};

use super::about::{About, Policy, Settings};
#[cfg(test)]
use super::contract::{Bound, Terms};
use super::request::Request;
use super::ring::{Circle, anyone};
use crate::Moment;
use crate::backend::Backend;
use crate::ranking::Total;

/// The description for users.
pub(super) const ABOUT: About = About {
    name: "bounded-ring",
    picks: "the next backend on the ring that is below its load limit",
    looks_at: "a key, requests in flight",
    cost: "O(1)",
    keeps_turns: false,
    uses_weights: true,
    uses_key: true,
    because: |notes| match notes.drawn.len() {
        0 | 1 => "it is next on the ring, and below the load limit".to_owned(),
        _ => format!("on the ring it is the first of {} below the load limit", notes.drawn()),
    },
};

/// The policy in its initial state.
pub(super) fn make(settings: Settings) -> Arc<dyn Policy> {
    Arc::new(BoundedRing::new(settings.load_factor))
}

/// The terms for the contract.
#[cfg(test)]
pub(super) const TERMS: Terms = Terms::sharing(Bound::Of(0.3));

/// The next backend on a ring that is below its load limit.
#[derive(Debug)]
pub(super) struct BoundedRing {
    circle: ArcSwap<Circle>,
    fleet: ArcSwapOption<Fleet>,
    /// In percent; more than 100.
    factor: u32,
}

#[derive(Debug)]
struct Fleet {
    total: Arc<Total>,
    weights: u64,
}

impl BoundedRing {
    /// A backend may have at most `factor` percent of its fair share in flight; `factor` is more than 100.
    pub(super) fn new(factor: u32) -> Self {
        Self { circle: ArcSwap::default(), fleet: ArcSwapOption::empty(), factor }
    }
}

/// The limit of requests in flight at a backend, when `in_flight` requests are in flight at all backends.
fn capacity(factor: u32, in_flight: u64, weight: u32, weights: u64) -> u64 {
    let (factor, weight) = (u128::from(factor), u128::from(weight));
    let share = factor * u128::from(in_flight + 1) * weight;
    share.div_ceil(100 * u128::from(weights.max(1))).try_into().unwrap_or(u64::MAX)
}

impl Policy for BoundedRing {
    fn pick(&self, candidates: &[Arc<Backend>], request: &mut Request<'_>) -> Option<usize> {
        let key = request.key();
        let circle = self.circle.load();
        let mut walk = circle.walk(key, candidates).peekable();
        let first = walk.peek().copied();
        let fleet = self.fleet.load();
        let roomy = fleet.as_ref().and_then(|fleet| {
            let in_flight = fleet.total.in_flight();
            walk.find(|index| {
                let backend = &candidates[*index];
                request.draws(backend);
                u64::from(backend.in_flight())
                    < capacity(self.factor, in_flight, backend.weight(), fleet.weights)
            })
        });
        // One backend is always below its limit, except in the moment in which the sum is being updated.
        roomy.or(first).or_else(|| anyone(candidates, key))
    }

    fn rebuild(&self, members: &[Arc<Backend>], candidates: &[Arc<Backend>]) {
        if !self.circle.load().is_of(members) {
            self.circle.store(Arc::new(Circle::of(members)));
        }
        let weights = candidates.iter().map(|backend| u64::from(backend.weight())).sum();
        let before = self.fleet.load().as_ref().map(|fleet| Arc::clone(&fleet.total));
        let total = before.filter(|total| total.follow(candidates));
        let total = total.unwrap_or_else(|| Arc::new(Total::of(candidates)));
        self.fleet.store(Some(Arc::new(Fleet { total, weights })));
    }

    fn score(&self, backend: &Backend, _: Moment) -> Option<f64> {
        Some(backend.load())
    }
}

#[cfg(test)]
mod tests {
    use super::super::contract::{backends, pick};
    use super::*;
    use crate::InFlight;

    #[test]
    fn no_backend_gets_more_than_its_bounded_share() {
        let field = backends(&[1, 1, 2]);
        let policy = BoundedRing::new(125);
        policy.rebuild(&field, &field);
        let mut random = fastrand::Rng::with_seed(7);
        let mut leases = Vec::new();
        // All requests have the same key, and none is answered.
        for n in 0..400_u64 {
            let index = pick(&policy, &field, Some(42), &mut random);
            let backend = &field[index];
            let limit = capacity(125, n, backend.weight(), 4);
            leases.push(InFlight::new(Arc::clone(backend)));
            assert!(u64::from(backend.in_flight()) <= limit, "{} of {n} at {index}", backend.in_flight());
        }
        assert_eq!(field.iter().map(|backend| backend.in_flight()).sum::<u32>(), 400);
    }

    #[test]
    fn below_the_limit_a_key_stays_where_the_ring_has_it() {
        let field = backends(&[1, 1, 1, 1]);
        let (bounded, ring) = (BoundedRing::new(125), super::super::ring::Ring::default());
        bounded.rebuild(&field, &field);
        ring.rebuild(&field, &field);
        let mut random = fastrand::Rng::with_seed(7);
        for key in 0..1000 {
            let key = Some(super::super::list::mix(key, 0));
            assert_eq!(pick(&bounded, &field, key, &mut random), pick(&ring, &field, key, &mut random));
        }
    }

    #[test]
    fn capacity_is_rounded_up_and_never_overflows() {
        assert_eq!(capacity(125, 0, 1, 4), 1);
        assert_eq!(capacity(125, 7, 1, 4), 3);
        assert_eq!(capacity(125, 7, 2, 4), 5);
        assert_eq!(capacity(u32::MAX, u64::MAX - 1, 1000, 1), u64::MAX);
    }
}
