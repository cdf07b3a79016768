//! Policies with one mistake each, which the contract must notice. Most of these mistakes are from real
//! balancers. Those that lessons show too are policies for teaching.

use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::*;
use crate::policy::Teaching;

/// A policy made from a function.
struct Mutant<F>(F);

impl<F> Debug for Mutant<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("mutant")
    }
}

impl<F> Policy for Mutant<F>
where
    F: Fn(&[Arc<Backend>], &mut Request<'_>) -> Option<usize> + Send + Sync,
{
    fn pick(&self, candidates: &[Arc<Backend>], request: &mut Request<'_>) -> Option<usize> {
        (self.0)(candidates, request)
    }
}

fn mutant<F>(pick: F) -> Arc<dyn Policy>
where
    F: Fn(&[Arc<Backend>], &mut Request<'_>) -> Option<usize> + Send + Sync + 'static,
{
    Arc::new(Mutant(pick))
}

/// Always picks the first candidate.
fn favourite(_: Kind) -> Arc<dyn Policy> {
    mutant(|candidates, _| (!candidates.is_empty()).then_some(0))
}

/// Picks all candidates equally often, whatever the weights.
fn blind_to_weights(_: Kind) -> Arc<dyn Policy> {
    Kind::RoundRobin.make(Settings::DEFAULT)
}

/// Reads and writes the turn in two steps.
fn two_steps(_: Kind) -> Arc<dyn Policy> {
    let turn = AtomicUsize::new(0);
    mutant(move |candidates, _| {
        let mine = turn.load(Relaxed);
        std::thread::yield_now();
        turn.store(mine + 1, Relaxed);
        mine.checked_rem(candidates.len())
    })
}

/// Keeps the previous list.
fn out_of_bounds(_: Kind) -> Arc<dyn Policy> {
    mutant(|candidates, request| (!candidates.is_empty()).then(|| request.random.usize(..3)))
}

/// Takes random numbers from a global generator.
#[expect(clippy::disallowed_methods, reason = "the mistake is a generator that the caller does not seed")]
fn global_random(_: Kind) -> Arc<dyn Policy> {
    mutant(|candidates, _| (!candidates.is_empty()).then(|| fastrand::usize(..candidates.len())))
}

/// A table of numbers is kept although the numbers are others.
#[derive(Debug, Default)]
struct StaleNumbers(std::sync::OnceLock<Vec<usize>>);

impl Policy for StaleNumbers {
    fn pick(&self, candidates: &[Arc<Backend>], request: &mut Request<'_>) -> Option<usize> {
        let numbers = self.0.get()?;
        let number = numbers[(request.key() as usize).checked_rem(numbers.len())?];
        let index = candidates.iter().position(|backend| backend.number == number);
        index.or_else(|| (!candidates.is_empty()).then_some(0))
    }

    fn rebuild(&self, members: &[Arc<Backend>], _: &[Arc<Backend>]) {
        self.0.get_or_init(|| members.iter().map(|backend| backend.number).collect());
    }
}

fn stale_numbers(_: Kind) -> Arc<dyn Policy> {
    Arc::new(StaleNumbers::default())
}

/// A policy for teaching in the place of a policy.
fn teaching(teaching: Teaching) -> Arc<dyn Policy> {
    teaching.make(Settings::DEFAULT)
}

/// A mutant in the place of a policy, with the terms of that policy.
fn mutated(make: fn(Kind) -> Arc<dyn Policy>, kind: Kind) -> Promise {
    let draws_two = matches!(kind, Kind::TwoChoices);
    let shares = if kind == Kind::RoundRobin { Bound::Picks(1.0) } else { Bound::Deviations(4.0) };
    Promise { make, kind, terms: Terms { draws_two, ..Terms::sharing(shares) } }
}

#[test]
fn all_broken_properties_are_reported_and_declined_ones_must_be_broken() {
    let all = broken(mutated(favourite, Kind::WeightedRoundRobin));
    let names: Vec<_> = all.iter().filter_map(|told| told.split_once(':')).map(|(name, _)| name).collect();
    let expected = [
        "fair shares",
        "smooth turns",
        "extreme weights",
        "fair to many threads",
        "fair shares of survivors",
    ];
    assert_eq!(names, expected);

    let declining = |declines| {
        let mut promise = mutated(favourite, Kind::WeightedRoundRobin);
        promise.terms.declines = declines;
        broken(promise)
    };
    let reason = "it has a favourite";
    let rest = declining(&[("fair shares", "it has a favourite"), ("smooth turns", "it has a favourite")]);
    assert_eq!(rest, all[2..]);
    let untrue = declining(&[("repeatable", "it has a favourite")]);
    assert!(
        untrue.contains(&format!("repeatable: it holds, although it is declined ({reason})")),
        "{untrue:?}"
    );
    let unknown = declining(&[("fair", "it has a favourite")]);
    assert_eq!(unknown[0], "it declines 'fair', which is no property");
}

#[test]
fn every_property_fails_a_mutant() {
    type Mutation = (&'static str, fn(Kind) -> Arc<dyn Policy>, Kind);
    let table: [(Property, &[Mutation]); PROPERTIES.len()] = [
        (a_backend_if_there_is_one, &[("out of bounds", out_of_bounds, Kind::Random)]),
        (
            fair_shares,
            &[
                ("favourite", favourite, Kind::RoundRobin),
                ("blind to weights", blind_to_weights, Kind::WeightedRandom),
            ],
        ),
        (smooth_turns, &[("in blocks", |_| teaching(Teaching::InBlocks), Kind::WeightedRoundRobin)]),
        (extreme_weights, &[("blind to weights", blind_to_weights, Kind::WeightedRandom)]),
        (repeatable, &[("global random", global_random, Kind::Random)]),
        (fair_to_many_threads, &[("two steps", two_steps, Kind::RoundRobin)]),
        (keys_stay, &[("modulo", |_| teaching(Teaching::Modulo), Kind::Rendezvous)]),
        (numbers_may_change, &[("stale numbers", stale_numbers, Kind::Rendezvous)]),
        (survivors_share, &[("skip dead", |_| teaching(Teaching::SkipDead), Kind::RoundRobin)]),
        (
            two_distinct_and_the_lesser,
            &[
                ("draws one twice", |_| teaching(Teaching::Mutant5), Kind::TwoChoices),
                ("takes the neighbour", |_| teaching(Teaching::Mutant1), Kind::TwoChoices),
                ("keeps the last", |_| teaching(Teaching::Mutant4), Kind::TwoChoices),
            ],
        ),
    ];
    for ((property, _), (holds, mutants)) in PROPERTIES.iter().zip(table) {
        for (mistake, make, kind) in mutants {
            let found = holds(mutated(*make, *kind));
            assert!(found.is_err(), "the mutant '{mistake}' passes '{property}'");
        }
    }
}
