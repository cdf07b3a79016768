//! A change of one backend's state makes a new view of the pool. Its cost is counted in bytes, which do not
//! depend on the machine.
//!
//! This is a separate crate, because it counts the allocations of all threads of its process.

use std::alloc::System;
use std::sync::Arc;

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

#[test]
fn a_change_of_a_state_copies_no_list_of_members() {
    for policy in Kind::VARIANTS {
        let member = |index: usize| {
            let host = format!("10.0.{}.{}", index >> 8, index & 255);
            Member::new(Address { host, port: 80 })
        };
        let members = (0..BACKENDS).map(member).collect();
        let rules = Rules { policy: *policy, ..Rules::default() };
        let pool: ServerPool = ServerPool::new(members, rules, |_, _| (), Moment::START);
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
