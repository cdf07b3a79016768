//! Tests: the values of SplitMix64, the distributions, and the independence of neighbours.

use super::*;
use crate::load::laws::{EXTREME, distance, most_distance};

/// The number of draws in a test of a distribution.
const MANY: u64 = 100_000;

const SEED: Seed = Seed(42);
const GAP: What = What::Gap { call: 0 };

/// The first draw of each request.
fn firsts(seed: Seed, what: What) -> Vec<f64> {
    (0..MANY).map(|number| seed.draws(what, number).unit()).collect()
}

/// The correlation of two lists, times the root of their length: a standard normal number if they are
/// independent.
fn correlation(left: &[f64], right: &[f64]) -> f64 {
    // A uniform number from 0 to 1 has the mean 1/2 and the variance 1/12.
    let products = left.iter().zip(right).map(|(x, y)| 12.0 * (x - 0.5) * (y - 0.5));
    products.sum::<f64>() / (left.len().min(right.len()) as f64).sqrt()
}

#[test]
fn the_hash_is_the_one_of_splitmix64() {
    // The first outputs of the authors' implementation for the seed 1234567.
    let mut draws = Draws { key: 1_234_567 };
    let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
    assert_eq!([draws.bits(), draws.bits(), draws.bits()], expected);
}

#[test]
fn a_name_has_always_the_same_numbers() {
    let of = |seed, what, number| {
        let mut draws = Seed(seed).draws(what, number);
        [draws.unit(), draws.unit()]
    };
    let first = of(1, GAP, 17);
    assert_eq!(of(1, GAP, 17), first);
    for other in [of(2, GAP, 17), of(1, GAP, 18), of(1, What::Gap { call: 1 }, 17), of(1, What::Key, 17)] {
        assert!(other[0] != first[0] && other[1] != first[1], "{other:?} and {first:?}");
    }
}

#[test]
fn the_draws_of_all_requests_are_uniform() {
    for seed in [0, 1, 42, u64::MAX] {
        let found = distance(firsts(Seed(seed), GAP), |x| x.clamp(0.0, 1.0));
        assert!(found < most_distance(MANY), "seed {seed}: {found}");
    }
    let mut draws = SEED.draws(GAP, 0);
    let found = distance((0..MANY).map(|_| draws.unit()).collect(), |x| x.clamp(0.0, 1.0));
    assert!(found < most_distance(MANY), "the draws of one request: {found}");
}

#[test]
fn names_that_differ_in_one_part_are_independent() {
    let firsts_of = |seed, call| firsts(Seed(seed), What::Gap { call });
    let first = firsts_of(1, 0);
    for (what, other) in [
        ("the next request", first[1..].to_vec()),
        ("the next seed", firsts_of(2, 0)),
        ("the next call", firsts_of(1, 1)),
    ] {
        let found = correlation(&first, &other);
        assert!(found.abs() < EXTREME, "{what}: {found}");
    }
    let backoff = |tries| What::Backoff { tries };
    for (left, right) in [
        (GAP, What::Key),
        (GAP, What::Size),
        (What::Key, What::Size),
        (What::Size, backoff(1)),
        (backoff(1), backoff(2)),
        (What::Think { client: 0 }, What::Think { client: 1 }),
    ] {
        let found = correlation(&firsts(SEED, left), &firsts(SEED, right));
        assert!(found.abs() < EXTREME, "{left:?} and {right:?}: {found}");
    }
    let seconds = (0..MANY).map(|number| {
        let mut draws = Seed(1).draws(GAP, number);
        draws.unit();
        draws.unit()
    });
    let found = correlation(&first, &seconds.collect::<Vec<_>>());
    assert!(found.abs() < EXTREME, "the second draw of a request: {found}");
}

#[test]
fn exponential_draws_have_their_law() {
    let found = distance((0..MANY).map(|number| SEED.draws(GAP, number).exponential()).collect(), |x| {
        1.0 - (-x).exp()
    });
    assert!(found < most_distance(MANY), "{found}");
}
