//! Tests: the numbers of backends, and what happens when another backend gets one.

use super::tests::{member, pool};
use super::*;
use crate::{Address, InFlight};

#[test]
fn late_evidence_changes_neither_a_backend_that_has_left_nor_the_next_owner_of_its_number() {
    let pool = pool(2);
    let now = Moment::START;
    let gone = Arc::clone(&pool.backends()[1]);
    let _ = pool.change(vec![Change::Remove(member(2).address)], now);
    let lease = InFlight::new(Arc::clone(&gone));
    let down = || Evidence::CannotConnect { cause: "test".into(), refused: true };
    assert!(pool.learn(&gone, down(), now).is_some(), "it still has a request");
    drop(lease);
    let _ = pool.pass_time(now);
    assert_eq!(pool.learn(&gone, Evidence::Connected, now), None);
    let _ = pool.change(vec![Change::Add(member(3))], now);
    assert_eq!((pool.backends()[1].number, gone.number), (2, 2), "another backend has its number");
    let before = pool.backends()[1].health().clone();
    for evidence in [Evidence::Answered, Evidence::Connected, down(), Evidence::FellSilent("test".into())] {
        assert_eq!(pool.learn(&gone, evidence.clone(), now), None, "{evidence:?}");
        assert_eq!(pool.asked(&gone, crate::Reply::Evidence(evidence), now).transition, None);
    }
    assert_eq!(format!("{:?}", &*pool.backends()[1].health()), format!("{before:?}"));
}

#[test]
fn numbers_stay_small_however_many_addresses_come_and_go() {
    let pool = pool(4);
    let address = |n: u32| Address { host: format!("10.{}.{}.1", n / 256, n % 256), port: 80 };
    for n in 0..12_000 {
        let _ = pool.change(vec![Change::Add(Member::new(address(n)))], Moment::START);
        assert_eq!(pool.backends()[4].number, 5);
        let _ = pool.change(vec![Change::Remove(address(n))], Moment::START);
        let _ = pool.pass_time(Moment::START);
    }
    let roster = pool.lock();
    assert_eq!((roster.numbers.len(), roster.free.len()), (4, 1));
}

#[test]
fn an_address_that_comes_back_has_its_number_if_that_is_free() {
    let pool = pool(3);
    let change = |change| {
        let _ = pool.change(vec![change], Moment::START);
        let _ = pool.pass_time(Moment::START);
    };
    let numbers = || -> Vec<_> {
        pool.backends().iter().map(|backend| (backend.number, backend.address.port - 3030)).collect()
    };
    change(Change::Remove(member(1).address));
    change(Change::Remove(member(2).address));
    change(Change::Add(member(2)));
    assert_eq!(numbers(), [(2, 2), (3, 3)]);
    change(Change::Add(member(7)));
    assert_eq!(numbers(), [(1, 7), (2, 2), (3, 3)]);
    change(Change::Add(member(1)));
    assert_eq!(numbers(), [(1, 7), (2, 2), (3, 3), (4, 1)]);
}

#[test]
fn a_backend_is_found_by_its_number_while_it_has_requests() {
    let pool = pool(4);
    let lease = InFlight::new(Arc::clone(&pool.backends()[1]));
    let _ = pool
        .change(vec![Change::Remove(member(1).address), Change::Remove(member(2).address)], Moment::START);
    let _ = pool.pass_time(Moment::START);
    let found = || -> Vec<_> {
        let fleet = pool.fleet();
        (0..6).filter_map(|number| Some((number, fleet.backend(number)?.address.port - 3030))).collect()
    };
    assert_eq!(found(), [(2, 2), (3, 3), (4, 4)], "the second has left, and has a request");
    drop(lease);
    let _ = pool.pass_time(Moment::START);
    assert_eq!(found(), [(3, 3), (4, 4)]);
}
