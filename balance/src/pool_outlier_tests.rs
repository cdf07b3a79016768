//! Tests: outliers are ejected and come back, and a level keeps its last backend.

use super::tests::{member, next, pool_with, rules, shares, take_down};
use super::*;

/// Counts an answer, and ejects the backend if the answer makes it an outlier.
fn rate(pool: &ServerPool, number: usize, is_error: bool, now: Moment) {
    let backend = &pool.backends()[number - 1];
    let _ = pool.count_result(backend, is_error).and_then(|why| pool.eject(backend, why, now));
}

#[test]
fn the_last_of_a_level_is_never_ejected() {
    let outlier = outlier::Rule { consecutive_errors: 1, max_ejected: 100, ..outlier::Rule::DEFAULT };
    let second = |number| Member { priority: 1, ..member(number) };
    let pool = pool_with(vec![member(1), second(2), second(3)], Rules { outlier, ..rules() });
    let fail = |index: usize| rate(&pool, index + 1, true, Moment::START);
    fail(0);
    assert!(pool.backends()[0].is(State::Up), "its level has no other");
    fail(1);
    fail(2);
    assert_eq!([1, 2].map(|index: usize| pool.backends()[index].is(State::Ejected)), [true, false]);
}

#[test]
fn errors_in_a_row_eject_and_time_brings_back() {
    let outlier = outlier::Rule { consecutive_errors: 3, success_rate: false, ..outlier::Rule::DEFAULT };
    let pool = pool_with((1..=4).map(member).collect(), Rules { outlier, ..rules() });
    let start = Moment::START;
    let at = |s| start + Duration::from_secs(s);
    let fail = |number: usize, times, now| (0..times).for_each(|_| rate(&pool, number, true, now));
    fail(2, 2, at(0));
    rate(&pool, 2, false, at(0));
    fail(2, 2, at(0));
    assert_eq!(shares(&pool, 40), [10; 4], "never three in a row");
    fail(2, 1, at(0));
    assert_eq!(shares(&pool, 30), [10, 0, 10, 10]);
    fail(3, 10, at(1));
    assert_eq!(shares(&pool, 30), [10, 0, 10, 10], "one of four may be out, not two");
    pool.pass_time(at(29));
    assert_eq!(shares(&pool, 30), [10, 0, 10, 10]);
    pool.pass_time(at(30));
    assert_eq!(shares(&pool, 40), [10; 4]);
    let cause = pool.backends()[1].health().cause().clone();
    assert_eq!(cause, "its ejection is over");
    fail(2, 3, at(31));
    pool.pass_time(at(90));
    assert!(pool.backends()[1].is(State::Ejected), "the second time lasts twice as long");
    pool.pass_time(at(91));
    assert!(pool.backends()[1].is(State::Up));
    for pass in 0..4 {
        pool.pass_time(at(100 + 10 * pass));
    }
    assert_eq!(pool.backends()[1].health().ejections(), 0, "forgiven");
}

#[test]
fn an_ejection_says_how_long_it_lasts() {
    let ejection_time = Duration::from_millis(500);
    let outlier = outlier::Rule { consecutive_errors: 1, ejection_time, ..outlier::Rule::DEFAULT };
    let pool = pool_with(vec![member(1), member(2)], Rules { outlier, ..rules() });
    rate(&pool, 1, true, Moment::START);
    assert_eq!(pool.backends()[0].health().cause(), "1 error: ejected for 0.5 s");
}

#[test]
fn a_low_success_rate_ejects() {
    let outlier = outlier::Rule { consecutive_errors: 0, ..outlier::Rule::DEFAULT };
    let pool = pool_with((1..=6).map(member).collect(), Rules { outlier, ..rules() });
    let start = Moment::START;
    pool.pass_time(start);
    for backend in pool.backends() {
        (0..200).for_each(|n| rate(&pool, backend.number, backend.number == 5 && n % 3 == 0, start));
    }
    pool.pass_time(start + Duration::from_secs(9));
    assert_eq!(shares(&pool, 6), [1; 6]);
    pool.pass_time(start + Duration::from_secs(10));
    assert_eq!(shares(&pool, 5), [1, 1, 1, 1, 0, 1]);
    let health = pool.backends()[4].health().cause().clone();
    assert_eq!(health, "67 errors in 200 answers, far more than the others: ejected for 30 s");
}

#[test]
fn the_last_is_never_ejected() {
    let outlier = outlier::Rule { consecutive_errors: 1, max_ejected: 100, ..outlier::Rule::DEFAULT };
    let pool = pool_with(vec![member(1), member(2)], Rules { outlier, ..rules() });
    take_down(&pool, 1);
    rate(&pool, 2, true, Moment::START);
    assert_eq!(next(&pool, &[]), Some(2));
    assert!(pool.backends()[1].is(State::Up));
}
