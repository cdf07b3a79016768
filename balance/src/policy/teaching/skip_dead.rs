//! Round robin over all backends that skips the dead ones.
//!
//! *Idea*: one turn over the list of all backends, so that the list never has to be made anew. *Formula*:
//! turn modulo the number of all backends; while that backend is dead, the next one in the list. *Source*:
//! Envoy's documentation of its random policy names this bias towards the backend after a failed one. *Cost*:
//! O(1) a pick, and a step more for each dead backend. *What is wrong*: the neighbour of a dead backend
//! inherits all its turns. With one dead backend of four, the others share 2 to 1 to 1. `round_robin.rs`
//! keeps its turn over the living ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;

#[cfg(test)]
use super::super::contract::{Bound, Terms};
use crate::backend::Backend;
use crate::policy::about::{About, Policy, Settings};
use crate::policy::list::position;
use crate::policy::request::Request;

pub(super) const ABOUT: About = About {
    name: "skip-dead",
    picks: "each backend in turn, and instead of a dead one the next in the list",
    looks_at: "a turn",
    cost: "O(1)",
    keeps_turns: true,
    uses_weights: false,
    uses_key: false,
    because: |_| "it is its turn, or that of a dead backend before it".to_owned(),
};

pub(super) const MISTAKE: &str = "the neighbour of a dead backend inherits all its turns";

pub(super) fn make(_: Settings) -> Arc<dyn Policy> {
    Arc::new(SkipDead::default())
}

#[cfg(test)]
pub(super) const TERMS: Terms = Terms {
    declines: &[("fair shares of survivors", "the neighbour of a dead backend inherits its turns")],
    ..Terms::sharing(Bound::Picks(1.0))
};

/// The turn over the numbers of all backends, dead or alive.
#[derive(Debug, Default)]
struct SkipDead {
    turn: AtomicUsize,
    numbers: ArcSwap<Vec<usize>>,
}

impl Policy for SkipDead {
    fn pick(&self, candidates: &[Arc<Backend>], _: &mut Request<'_>) -> Option<usize> {
        let numbers = self.numbers.load();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let first = turn.checked_rem(numbers.len()).unwrap_or(0);
        let (before, from) = numbers.split_at(first);
        let living = from.iter().chain(before).find_map(|number| position(candidates, *number));
        // The list can be older than the candidates during a change.
        living.or_else(|| turn.checked_rem(candidates.len()))
    }

    fn rebuild(&self, members: &[Arc<Backend>], _: &[Arc<Backend>]) {
        self.numbers.store(Arc::new(members.iter().map(|backend| backend.number).collect()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::contract::{backends, picks};

    #[test]
    fn the_neighbour_of_a_dead_backend_inherits_its_turns() {
        let field = backends(&[1; 4]);
        let left: Vec<_> = [0, 2, 3].map(|index: usize| Arc::clone(&field[index])).into();
        let policy = SkipDead::default();
        policy.rebuild(&field, &left);
        let picked = picks(&policy, &left, 400);
        assert_eq!(
            [0, 1, 2].map(|index| picked.iter().filter(|one| **one == index).count()),
            [100, 200, 100]
        );
    }
}
