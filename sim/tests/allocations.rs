//! A run allocates for its calls in flight and not for its events.
//!
//! This is a separate crate, because it counts the allocations of all threads of its process.

use std::alloc::System;

use balance::policy::Kind;
use sim::{Arrivals, Server, Service, Sim, Stop, ms};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn events_allocate_nothing() {
    for policy in [Kind::RoundRobin, Kind::LeastConnections, Kind::TwoChoices, Kind::PeakEwma] {
        let sim = Sim::new(2)
            .servers(4, Server::workers(1))
            .policy(policy)
            .without_checks()
            .arrivals(Arrivals::Poisson(64.0))
            .service(Service::Exp(ms(50)));
        let allocations = |calls| {
            let region = Region::new(ALLOCATOR);
            sim.run(Stop::Requests(calls));
            let change = region.change();
            change.allocations + change.reallocations
        };
        let (short, long) = (allocations(20_000), allocations(100_000));
        // Lists of calls in flight may grow once or twice more.
        assert!(long <= short + 10, "{policy}: {short} for 20,000 calls and {long} for 100,000");
    }
}
