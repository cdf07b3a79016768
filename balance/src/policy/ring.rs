//! Consistent hashing on a ring: the same key to the same backend, even if many other backends are added or
//! removed.
//!
//! *Idea*: backends and keys are points on a circle, and a key belongs to the next backend in one direction.
//! When a backend is removed, only its own keys move, each to the next backend. *Formula*: `hash(key)`, then
//! the first point at or behind it; every backend has about 160 points, more or fewer by its weight, at
//! `hash(address, i)`. *Source*: Karger et al. (1997); the 160 points are those of libketama. *Cost*: O(1) a
//! pick; the points are sorted, and the circle is divided into parts, when a backend is added or removed.
//! *When it is wrong*: the shares differ by about a twelfth with 160 points, and a key that most requests
//! have is all on one backend: `BoundedRing` is better there.
//!
//! The ring also contains backends that are down: a key moves on past them, and returns when its own backend
//! is up again. Points depend on the address and not on the order of the backends, so that several balancers
//! agree without communication.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::about::{About, Policy, Settings};
#[cfg(test)]
use super::contract::{Bound, Terms};
use super::list::{mix, position};
use super::request::Request;
use crate::backend::Backend;

/// Points of a backend of average weight.
const POINTS: usize = 160;

/// The largest number of points on the ring of thousands of backends, but at least one each.
const MOST: usize = 1 << 20;

/// The description for users.
pub(super) const ABOUT: About = About {
    name: "ring",
    picks: "the next backend on a ring of hashes",
    looks_at: "a key",
    cost: "O(1)",
    keeps_turns: false,
    uses_weights: true,
    uses_key: true,
    because: |_| "it is next on the ring".to_owned(),
};

/// The policy in its initial state.
pub(super) fn make(_: Settings) -> Arc<dyn Policy> {
    Arc::new(Ring::default())
}

/// The terms for the contract.
#[cfg(test)]
pub(super) const TERMS: Terms = Terms::sharing(Bound::Of(0.3));

/// The next backend on a ring.
#[derive(Debug, Default)]
pub(super) struct Ring {
    circle: ArcSwap<Circle>,
}

impl Policy for Ring {
    fn pick(&self, candidates: &[Arc<Backend>], request: &mut Request<'_>) -> Option<usize> {
        let key = request.key();
        self.circle.load().walk(key, candidates).next().or_else(|| anyone(candidates, key))
    }

    fn rebuild(&self, members: &[Arc<Backend>], _: &[Arc<Backend>]) {
        let old = self.circle.load_full();
        if !old.is_of(members) {
            self.circle.store(Arc::new(Circle::of(members)));
        }
    }
}

/// A candidate for a key while the ring is empty.
pub(super) fn anyone(candidates: &[Arc<Backend>], key: u64) -> Option<usize> {
    (key as usize).checked_rem(candidates.len())
}

/// The points of all members, sorted, and an index for the search.
#[derive(Debug, Default)]
pub(super) struct Circle {
    points: Vec<(u64, u32)>,
    /// The circle in equal parts, about as many as points: the first point of each part. A binary search in a
    /// list of a million points would miss the processor's caches twenty times; the index reduces this to two
    /// times.
    parts: Vec<u32>,
    /// The number of low bits of a key that do not select its part.
    below: u32,
    /// The numbers, ids and weights of the backends on the ring.
    members: Vec<(usize, u64, u32)>,
}

/// What a table of numbers depends on. An address that was removed may come back with another number.
pub(super) fn identity(backend: &Backend) -> (usize, u64, u32) {
    (backend.number, backend.id, backend.weight())
}

impl Circle {
    pub(super) fn of(members: &[Arc<Backend>]) -> Self {
        let sum: u64 = members.iter().map(|backend| u64::from(backend.weight())).sum::<u64>().max(1);
        let all = (members.len() * POINTS).min(MOST) as u64;
        let points = members.iter().filter(|backend| backend.weight() > 0).flat_map(|backend| {
            let share = u64::from(backend.weight()) * all / sum;
            (0..share.max(1)).map(|point| (mix(backend.id, point), backend.number as u32))
        });
        let mut points: Vec<_> = points.collect();
        points.sort_unstable();
        let bits = points.len().max(2).ilog2();
        let first =
            |part: u64| points.partition_point(|(point, _)| *point < part << (u64::BITS - bits)) as u32;
        let parts = (0..1 << bits).map(first).collect();
        let below = u64::BITS - bits;
        Self { points, parts, below, members: members.iter().map(|backend| identity(backend)).collect() }
    }

    pub(super) fn is_of(&self, members: &[Arc<Backend>]) -> bool {
        members.iter().map(|backend| identity(backend)).eq(self.members.iter().copied())
    }

    /// The candidates in the order in which a key meets them. A candidate with many points occurs many times.
    pub(super) fn walk<'a>(
        &'a self,
        key: u64,
        candidates: &'a [Arc<Backend>],
    ) -> impl Iterator<Item = usize> {
        let (before, after) = self.points.split_at(self.start(key));
        after.iter().chain(before).filter_map(|(_, number)| position(candidates, *number as usize))
    }

    /// The index of the first point at or behind a key.
    fn start(&self, key: u64) -> usize {
        let Some(first) = self.parts.get((key >> self.below) as usize) else { return 0 };
        let first = *first as usize;
        first + self.points[first..].iter().take_while(|(point, _)| *point < key).count()
    }
}

#[cfg(test)]
mod tests {
    use super::super::contract::backends;
    use super::*;

    #[test]
    fn points_are_shared_out_by_weight() {
        let circle = Circle::of(&backends(&[1, 2, 0, 5]));
        let points = |number| circle.points.iter().filter(|(_, owner)| *owner == number).count();
        assert_eq!([1, 2, 3, 4].map(points), [80, 160, 0, 400]);
    }

    #[test]
    fn a_key_walks_round_the_whole_circle() {
        let field = backends(&[1, 1, 1, 1]);
        let circle = Circle::of(&field);
        for key in [0, circle.points[7].0, u64::MAX] {
            assert_eq!(circle.walk(key, &field).count(), circle.points.len());
        }
        let (point, owner) = circle.points[7];
        assert_eq!(
            circle.walk(point, &field).next(),
            Some(owner as usize - 1),
            "a key at a point belongs to it"
        );
    }

    #[test]
    fn a_key_begins_where_halving_would_find_it() {
        for backends in [0, 1, 3, 50].map(|n| backends(&vec![1; n])) {
            let circle = Circle::of(&backends);
            let random = (0..2000).map(|n| mix(n, 5));
            let near = circle
                .points
                .iter()
                .flat_map(|(point, _)| [point.wrapping_sub(1), *point, point.wrapping_add(1)]);
            for key in random.chain(near).chain([0, u64::MAX]) {
                let found = circle.points.partition_point(|(point, _)| *point < key);
                assert_eq!(circle.start(key), found, "{key} among {}", circle.points.len());
            }
        }
    }
}
