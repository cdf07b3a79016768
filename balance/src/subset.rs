//! Shuffle sharding: requests with the same key use only a few of the backends.
//!
//! *Idea*: a client whose requests break backends breaks only its own few. *Formula*: the backends with the
//! highest hashes of the key and the backend, as in [`Kind::Rendezvous`](crate::policy::Kind::Rendezvous). So
//! two keys seldom have the same subset, and a backend that comes or goes changes only the subsets that it
//! belongs to. *Source*: MacCarthaigh, "Workload isolation using shuffle-sharding" (Amazon Builders' Library,
//! 2019). *Cost*: O(n log n) a pick. *When it is wrong*: a key with much traffic overloads its few backends;
//! and if all backends of a subset are down, its requests fail, although others are up.
//!
//! Any policy picks within the subset.

use crate::policy::mix;

/// Which backends requests with the same key may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The number of backends of a subset; at least 1.
    pub size: u32,
    /// Whether the subsets are fixed groups, so that each backend belongs to one of them. This is for
    /// comparisons: all keys of a group share its fate.
    pub fixed: bool,
}

impl Rule {
    /// The subsets of shuffle sharding, with so many backends each.
    pub const fn of(size: u32) -> Self {
        Self { size, fixed: false }
    }

    /// The indices of the backends that the key may not use, among backends with these hashes.
    pub(crate) fn outside(self, key: u64, hashes: &[u64]) -> Vec<usize> {
        let mut all: Vec<_> = (0..hashes.len()).collect();
        let size = (self.size as usize).max(1).min(all.len());
        if self.fixed {
            let groups = hashes.len().div_ceil(size.max(1)).max(1);
            let group = mix(key, 0) as usize % groups * size;
            all.retain(|index| !(group..group + size).contains(index));
            return all;
        }
        all.sort_by_cached_key(|index| std::cmp::Reverse(mix(key, hashes[*index])));
        all.split_off(size)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::policy::{Kind, Request};
    use crate::pool::tests::{member, pool_with, rules, take_down};
    use crate::{Moment, Rules};

    /// The backends that a key may use, of `n`.
    fn inside(rule: Rule, key: u64, n: u64) -> Vec<u64> {
        let hashes: Vec<_> = (0..n).map(|index| mix(index, 99)).collect();
        let outside = rule.outside(key, &hashes);
        (0..n).filter(|index| !outside.contains(&(*index as usize))).collect()
    }

    #[test]
    fn all_pairs_come_equally_often() {
        let mut pairs = BTreeMap::<_, u32>::new();
        for key in 0..28_000 {
            *pairs.entry(inside(Rule::of(2), mix(key, 5), 8)).or_default() += 1;
        }
        // 28 pairs, 1000 each with a standard deviation of 31.
        assert_eq!(pairs.len(), 28);
        assert!(pairs.iter().all(|(pair, n)| pair.len() == 2 && n.abs_diff(1000) < 155), "{pairs:?}");
    }

    #[test]
    fn fixed_subsets_are_groups() {
        let mut groups = BTreeMap::<_, u32>::new();
        for key in 0..4_000 {
            *groups.entry(inside(Rule { size: 2, fixed: true }, key, 8)).or_default() += 1;
        }
        let names: Vec<_> = groups.keys().map(|group| &group[..]).collect();
        assert_eq!(names, [[0, 1], [2, 3], [4, 5], [6, 7]]);
        assert!(groups.values().all(|n| n.abs_diff(1000) < 137), "{groups:?}");
    }

    #[test]
    fn a_backend_that_leaves_changes_only_its_own_subsets() {
        let hashes: Vec<_> = (0..8).map(|index| mix(index, 99)).collect();
        let inside = |key, hashes: &[u64]| -> Vec<u64> {
            let outside = Rule::of(3).outside(key, hashes);
            (0..hashes.len()).filter(|index| !outside.contains(index)).map(|index| hashes[index]).collect()
        };
        for key in (0..500).map(|n| mix(n, 3)) {
            let (before, after) = (inside(key, &hashes), inside(key, &hashes[..7]));
            let stays = before.iter().filter(|hash| after.contains(hash)).count();
            assert_eq!(stays, if before.contains(&hashes[7]) { 2 } else { 3 });
        }
    }

    #[test]
    fn a_request_stays_in_its_subset_and_fails_with_it() {
        let rules = Rules { policy: Kind::TwoChoices, subset: Some(Rule::of(2)), ..rules() };
        let pool = pool_with((1..=4).map(member).collect(), rules);
        assert!(pool.wants_key());
        let mut random = fastrand::Rng::with_seed(1);
        let mut pick = |key, tried: &[usize]| {
            let mut request = Request { key, now: Moment::START, random: &mut random, notes: None };
            pool.next_backend(tried, None, &mut request).map(|backend| backend.number)
        };
        let all: BTreeSet<_> = (0..100).map(|_| pick(Some(7), &[])).collect();
        let [Some(one), Some(other)] = all.into_iter().collect::<Vec<_>>()[..] else { panic!("no pair") };
        assert_eq!((pick(Some(7), &[one]), pick(Some(7), &[one, other])), (Some(other), None));
        take_down(&pool, one);
        assert_eq!((0..100).map(|_| pick(Some(7), &[])).collect::<BTreeSet<_>>(), [Some(other)].into());
        take_down(&pool, other);
        assert_eq!(pick(Some(7), &[]), None, "the others are up, and belong to other subsets");
        assert!(pick(None, &[]).is_some(), "a request without a key may use all");
    }

    #[test]
    fn a_subset_is_never_larger_than_the_pool() {
        for fixed in [false, true] {
            for (size, n, len) in [(5, 3, 3), (1, 3, 1), (3, 0, 0), (3, 3, 3)] {
                assert_eq!(inside(Rule { size, fixed }, 7, n).len(), len, "{size} of {n}");
            }
        }
    }
}
