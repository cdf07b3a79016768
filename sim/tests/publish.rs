//! What a pool of many backends allocates: for a change of one backend's state, which makes a new view of the
//! pool, and for questions about one backend or about the budget. Costs are counted in bytes, which do not
//! depend on the machine.
//!
//! This is a separate crate, because it counts the allocations of all threads of its process.

use std::alloc::System;
use std::sync::{Arc, Mutex, PoisonError};

use balance::budget;
use balance::health::Evidence;
use balance::member::Member;
use balance::policy::Kind;
use balance::{Address, Moment, Rules, ServerPool};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use strum::VariantArray;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const BACKENDS: usize = 10_000;

/// The view has the candidates of the only level: a pointer each, in a list that grows by doubling. A policy
/// may keep two numbers of 16 bytes for each member or candidate, and a bit of notes. A copy of the list of
/// members and of its index would be 40 bytes more for each.
const MOST: usize = BACKENDS * (2 * 8 + 2 * 16 + 2);

/// The tests count the allocations of the whole process, so they run one at a time.
static COUNTED: Mutex<()> = Mutex::new(());

fn pool(rules: Rules) -> ServerPool {
    let member = |index: usize| {
        let host = format!("10.0.{}.{}", index >> 8, index & 255);
        Member::new(Address { host, port: 80 })
    };
    ServerPool::new((0..BACKENDS).map(member).collect(), rules, |_, _| (), Moment::START)
}

#[test]
fn a_question_about_one_backend_or_about_the_budget_copies_no_list() {
    let _alone = COUNTED.lock().unwrap_or_else(PoisonError::into_inner);
    let pool = pool(Rules { retry_budget: Some(budget::Rule::DEFAULT), ..Rules::default() });
    // The budget begins its first second.
    assert!(pool.may_retry(Moment::START));
    let region = Region::new(ALLOCATOR);
    assert!(pool.may_retry(Moment::START));
    pool.withdraw_retry(Moment::START);
    let found = pool.fleet().backend(BACKENDS / 2).map(|backend| backend.number);
    let bytes = region.change().bytes_allocated;
    assert_eq!(found, Some(BACKENDS / 2));
    // A copy of the list is 8 bytes for each backend. The harness of the tests may allocate a little.
    assert!(bytes < BACKENDS, "{bytes} bytes");
}

#[test]
fn a_change_of_a_state_copies_no_list_of_members() {
    let _alone = COUNTED.lock().unwrap_or_else(PoisonError::into_inner);
    for policy in Kind::VARIANTS {
        let pool = pool(Rules { policy: *policy, ..Rules::default() });
        let backend = Arc::clone(&pool.backends()[BACKENDS / 2]);
        let region = Region::new(ALLOCATOR);
        let down = Evidence::CannotConnect { cause: "counted".into(), refused: true };
        assert!(pool.learn(&backend, down, Moment::START).is_some());
        let counted = region.change();
        let (bytes, times) = (counted.bytes_allocated, counted.allocations + counted.reallocations);
        println!("{policy:<20} {bytes:>9} bytes in {times} allocations");
        assert!(bytes <= MOST, "{policy}: {bytes} bytes");
        assert!(times < 100, "{policy}: {times} allocations");
    }
}
