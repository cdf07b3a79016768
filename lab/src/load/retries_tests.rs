//! Tests: which outcomes lead to a retry, how long it waits, and how many retries a budget allows.

use super::*;
use crate::load::draws::{Seed, What};
use crate::load::laws::{distance, most_distance};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn draws(request: u64) -> Draws {
    Seed(1).draws(What::Backoff { tries: 1 }, request)
}

fn failed() -> Outcome {
    Outcome::Failed("reset".into())
}

#[test]
fn what_is_tried_again() {
    let answered = Outcome::Answered;
    let twice = Retries::most(2);
    let failures = Retries { on_5xx: false, ..twice };
    let fixed = Retries { backoff: Backoff::Fixed(MS(30)), ..twice };
    let limited = Retries { budget: Some(RetryBudget { share: 0.2, floor: 0.0 }), ..twice };
    for (retries, tries, outcome, is_left, expected) in [
        (twice, 1, failed(), true, Some(0)),
        (twice, 2, failed(), true, Some(0)),
        (twice, 3, failed(), true, None),
        (Retries::most(0), 1, failed(), true, None),
        (twice, 1, answered(500), true, Some(0)),
        (twice, 1, answered(503), true, Some(0)),
        (twice, 1, answered(499), true, None),
        (twice, 1, answered(200), true, None),
        (twice, 1, Outcome::Mistaken("it is r2's".into()), true, None),
        (failures, 1, answered(503), true, None),
        (failures, 1, failed(), true, Some(0)),
        (fixed, 2, failed(), true, Some(30)),
        (limited, 1, failed(), true, Some(0)),
        (limited, 1, failed(), false, None),
        (twice, 1, failed(), false, Some(0)),
    ] {
        let wait = retries.next(tries, &outcome, |_| is_left, draws(0));
        assert_eq!(wait, expected.map(MS), "{retries:?} after {tries} tries and {outcome:?}");
    }
}

#[test]
fn a_request_that_is_not_tried_again_costs_no_budget() {
    let limited = Retries { budget: Some(RetryBudget { share: 1.0, floor: 0.0 }), ..Retries::most(1) };
    for (tries, outcome) in [(2, failed()), (1, Outcome::Answered(200))] {
        let wait = limited.next(tries, &outcome, |_| panic!("the budget is asked"), draws(0));
        assert_eq!(wait, None);
    }
}

#[test]
fn the_limit_of_an_exponential_backoff_doubles_and_waits_are_uniform_below_it() {
    let backoff = Backoff::Exponential { first: MS(100), most: MS(1000) };
    for (tries, limit) in [(1, 0.1), (2, 0.2), (3, 0.4), (4, 0.8), (5, 1.0), (40, 1.0), (u32::MAX, 1.0)] {
        let waits = (0..10_000).map(|request| backoff.wait(tries, draws(request)).as_secs_f64());
        let found = distance(waits.collect(), |wait| (wait / limit).clamp(0.0, 1.0));
        assert!(found < most_distance(10_000), "after {tries} tries: {found}");
    }
}

/// A thousand requests a second, all of which fail and ask for a retry: the retries of each second.
fn granted(budget: RetryBudget, seconds: u64) -> Vec<usize> {
    let mut window = RetryWindow::default();
    let mut second = |second: u64| {
        let mut ask = |request: u64| {
            let now = Duration::from_secs(second) + MS(request);
            window.request(now);
            window.withdraw(now, budget)
        };
        (0..1000).filter(|request| ask(*request)).count()
    };
    (0..seconds).map(&mut second).collect()
}

#[test]
fn a_budget_is_a_share_of_the_requests_and_a_floor() {
    assert_eq!(granted(RetryBudget { share: 0.2, floor: 0.0 }, 12), [200; 12]);
    assert_eq!(granted(RetryBudget { share: 1.0, floor: 0.0 }, 2), [1000; 2]);
    assert_eq!(granted(RetryBudget { share: 0.0, floor: 0.0 }, 2), [0; 2]);
    // The floor of ten seconds is taken in the first second, and comes back when this second leaves the
    // window.
    let mut expected = vec![0; 21];
    (expected[0], expected[10], expected[20]) = (100, 100, 100);
    assert_eq!(granted(RetryBudget { share: 0.0, floor: 10.0 }, 21), expected);
}

#[test]
fn clocks_that_are_read_in_another_order_lose_nothing() {
    let mut window = RetryWindow::default();
    window.request(MS(1000));
    window.request(MS(999));
    let half = RetryBudget { share: 0.5, floor: 0.0 };
    assert_eq!([999, 1000].map(|now| window.withdraw(MS(now), half)), [true, false]);
}

#[test]
fn numbers_that_cannot_be_are_refused() {
    let exponential = Backoff::Exponential { first: MS(2), most: MS(1) };
    let budget = |share, floor| Some(RetryBudget { share, floor });
    for (retries, reason) in [
        (Retries { backoff: exponential, ..Retries::most(1) }, "the smaller time first"),
        (Retries { budget: budget(-0.1, 0.0), ..Retries::most(1) }, "the share -0.1: use zero"),
        (Retries { budget: budget(0.1, f64::NAN), ..Retries::most(1) }, "the floor NaN"),
    ] {
        let error = format!("{:#}", retries.check().unwrap_err());
        assert!(error.contains(reason), "{error:?} lacks {reason:?}");
    }
}
