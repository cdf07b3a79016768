//! Consistent hashing with bounded loads: the same key to the same backend, unless that one has too much to do.
//!
//! *Idea*: the ring of `Ring`, with a limit on how far anybody may be above the average; a key whose backend is
//! at its limit walks on to the next. *Formula*: a backend may have
//! `ceil(factor x (in flight at all + 1) x weight / sum of weights)` requests in flight, this one included; the factor is 1.25
//! unless told otherwise. *Source*: Mirrokni, Thorup and Zadimoghaddam (2016); HAProxy's `hash-balance-factor`. *Cost*: O(1) a
//! pick, and some steps for hot keys; two additions for every request. *When it is wrong*: with few requests in flight the
//! limit is reached by chance, and keys stray although nobody is overloaded.

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};

use super::ring::{Circle, anyone};
use super::about::{About, Policy, Settings};
#[cfg(test)]
use super::contract::{Bound, Terms};
use super::request::Request;
use crate::Moment;
use crate::backend::Backend;
use crate::ranking::Total;

/// What people read about it.
pub(super) const ABOUT: About = About {
    name: "bounded-ring",
    picks: "the next backend on the ring that is below its load limit",
    looks_at: "a key, requests in flight",
    cost: "O(1)",
    keeps_turns: false,
    uses_weights: true,
    uses_key: true,
    because: |notes| match notes.drawn.len() {
        0 | 1 => "it is next on the ring, and has room".to_owned(),
        _ => format!("on the ring it is the first with room of {}", notes.drawn()),
    },
};

/// One at its beginning.
pub(super) fn make(settings: Settings) -> Arc<dyn Policy> {
    Arc::new(BoundedRing::new(settings.load_factor))
}

/// What it promises.
#[cfg(test)]
pub(super) const TERMS: Terms = Terms::sharing(Bound::Of(0.3));

/// The next backend on a ring that has room.
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
    /// Nobody may have more than `factor` percent of its fair share in flight; `factor` is more than 100.
    pub(super) fn new(factor: u32) -> Self {
        Self { circle: ArcSwap::default(), fleet: ArcSwapOption::empty(), factor }
    }
}

/// Requests that may be in flight at a backend when so many are at all of them.
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
        // There is always one with room but for the moment in which the sum is being put right.
        roomy.or(first).or_else(|| anyone(candidates, key))
    }

    fn arrange(&self, members: &[Arc<Backend>], candidates: &[Arc<Backend>]) {
        if !self.circle.load().is_of(members) {
            self.circle.store(Arc::new(Circle::of(members)));
        }
        let weights = candidates.iter().map(|backend| u64::from(backend.weight())).sum();
        self.fleet.store(Some(Arc::new(Fleet { total: Total::of(candidates), weights })));
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
    fn nobody_gets_more_than_its_bounded_share() {
        let field = backends(&[1, 1, 2]);
        let policy = BoundedRing::new(125);
        policy.arrange(&field, &field);
        let mut random = fastrand::Rng::with_seed(7);
        let mut leases = Vec::new();
        // Everybody asks for the same key, and nobody gets an answer.
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
    fn with_room_a_key_stays_where_the_ring_has_it() {
        let field = backends(&[1, 1, 1, 1]);
        let (bounded, ring) = (BoundedRing::new(125), super::super::ring::Ring::default());
        bounded.arrange(&field, &field);
        ring.arrange(&field, &field);
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
