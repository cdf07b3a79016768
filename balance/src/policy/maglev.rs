//! Maglev hashing: the same key to the same backend, by one look into a table.
//!
//! *Idea*: each backend has a list of favourite places in a table, in its own order. In turns, each takes its
//! next favourite place that is free, until all places are taken. A key finds its place by its remainder.
//! *Formula*: `table[hash(key) mod size]`; the favourite places of a backend are `offset + i x skip`, both
//! from the hash of its address. The size is prime, so that they reach all places. *Source*: Eisenbud et al.,
//! "Maglev" (2016), also for the sizes. *Cost*: O(1) a pick; the table is filled again when a backend is
//! added or removed. *When it is wrong*: when a backend is removed, some keys of other backends move too, a
//! few in a hundred. `Ring` moves none, but shares less evenly.
//!
//! The table also contains backends that are down: a key then moves on, place by place, to a backend that is
//! alive, and returns when its own backend is up again.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::about::{About, Policy, Settings};
#[cfg(test)]
use super::contract::{Bound, Terms};
use super::list::{mix, position};
use super::request::Request;
use super::ring::{anyone, identity};
use crate::backend::Backend;

/// The sizes from the paper: with a hundred places each, shares differ by about one percent.
const SIZES: [usize; 2] = [65_537, 655_373];

/// The description for users.
pub(super) const ABOUT: About = About {
    name: "maglev",
    picks: "the backend in a lookup table of hashes",
    looks_at: "a key",
    cost: "O(1)",
    keeps_turns: false,
    uses_weights: true,
    uses_key: true,
    because: |_| "the table has its number for the key".to_owned(),
};

/// The policy in its initial state.
pub(super) fn make(_: Settings) -> Arc<dyn Policy> {
    Arc::new(Maglev::default())
}

/// The terms for the contract.
#[cfg(test)]
pub(super) const TERMS: Terms = Terms { moved_keys: 100, ..Terms::sharing(Bound::Of(0.1)) };

/// One look into a table.
#[derive(Debug, Default)]
pub(super) struct Maglev {
    table: ArcSwap<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// Numbers of backends.
    places: Vec<u32>,
    /// The numbers, ids and weights of the backends in the table.
    members: Vec<(usize, u64, u32)>,
}

impl Policy for Maglev {
    fn pick(&self, candidates: &[Arc<Backend>], request: &mut Request<'_>) -> Option<usize> {
        let key = request.key();
        let places = &self.table.load().places;
        let start = (key as usize).checked_rem(places.len()).unwrap_or(0);
        let (before, after) = places.split_at(start);
        let mut met = after.iter().chain(before).filter_map(|number| position(candidates, *number as usize));
        met.next().or_else(|| anyone(candidates, key))
    }

    fn rebuild(&self, members: &[Arc<Backend>], _: &[Arc<Backend>]) {
        let members: Vec<_> = members.iter().map(|backend| identity(backend)).collect();
        if members != self.table.load().members {
            self.table.store(Arc::new(Table { places: fill(&members), members }));
        }
    }
}

/// A backend that takes places.
struct Seeker {
    number: u32,
    next: usize,
    skip: usize,
    weight: u32,
    /// The saved credit; a place costs the highest weight of all.
    credit: u32,
}

/// The table for these members, each with its number, the hash of its address, and its weight.
fn fill(members: &[(usize, u64, u32)]) -> Vec<u32> {
    let mut members: Vec<_> = members.iter().filter(|(_, _, weight)| *weight > 0).collect();
    let Some(price) = members.iter().map(|(_, _, weight)| *weight).max() else { return Vec::new() };
    // Sorted by their hashes, so that several balancers agree even if their lists have different orders.
    members.sort_unstable_by_key(|(_, id, _)| *id);
    let size = if members.len() * 100 <= SIZES[0] { SIZES[0] } else { SIZES[1] };
    let mut seekers: Vec<_> = members
        .into_iter()
        .map(|&(number, id, weight)| Seeker {
            number: number as u32,
            next: mix(id, 1) as usize % size,
            skip: mix(id, 2) as usize % (size - 1) + 1,
            weight,
            credit: 0,
        })
        .collect();

    /// No backend has this number: they are counted from 1.
    const FREE: u32 = 0;
    let mut places = vec![FREE; size];
    let mut left = size;
    loop {
        for seeker in &mut seekers {
            seeker.credit += seeker.weight;
            if seeker.credit < price {
                continue;
            }
            seeker.credit -= price;
            while places[seeker.next] != FREE {
                seeker.next = (seeker.next + seeker.skip) % size;
            }
            places[seeker.next] = seeker.number;
            left -= 1;
            if left == 0 {
                return places;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(weights: &[u32]) -> Vec<(usize, u64, u32)> {
        weights.iter().zip(1..).map(|(weight, number)| (number, mix(number as u64, 9), *weight)).collect()
    }

    fn shares(places: &[u32], members: usize) -> Vec<f64> {
        let count = |number| places.iter().filter(|place| **place as usize == number).count();
        (1..=members).map(|number| count(number) as f64 / places.len() as f64).collect()
    }

    #[test]
    fn places_are_shared_out_by_weight_almost_exactly() {
        let places = fill(&members(&[1, 2, 0, 5]));
        for (share, fair) in shares(&places, 4).into_iter().zip([0.125, 0.25, 0.0, 0.625]) {
            assert!((share - fair).abs() < 0.001, "{share} instead of {fair}");
        }
    }

    #[test]
    fn the_table_does_not_depend_on_the_order_of_the_members() {
        let all = members(&[1, 1, 3]);
        let reversed: Vec<_> = all.iter().rev().copied().collect();
        assert_eq!(fill(&all), fill(&reversed));
    }

    #[test]
    fn few_places_move_when_a_member_goes() {
        let all = members(&[1; 10]);
        let (before, after) = (fill(&all), fill(&all[..9]));
        let moved = before.iter().zip(&after).filter(|(old, new)| **old != 10 && old != new).count();
        assert!(moved * 100 < before.len() * 5, "{moved} of {} that could have stayed", before.len());
    }
}
