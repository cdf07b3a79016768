//! Counts the allocations of a small request, while the whole balancer runs in this process, and compares
//! them with the budget in `lb/budget.toml`.
//!
//! This is a separate crate, because it counts the allocations of all threads of its process.

use std::alloc::System;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::mpsc;
use std::thread;

use clap::Parser;
use lab::budget::{Budget, Cost};
use lab::exchange::{self, Clients};
use lb::cli::Cli;
use lb::control::Origin;
use lb::log::Log;
use lb::server::{Server, StartError};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Requests before counting, until connections are open and buffers have grown.
const WARM_UP: usize = 1_000;

/// Requests that are counted.
const COUNTED: usize = 10_000;

#[test]
fn a_small_request_allocates_what_it_may() {
    let mut client = Clients::connect(balancer(exchange::backend().unwrap()), 1).unwrap();
    client.exchange(WARM_UP).unwrap();
    let region = Region::new(ALLOCATOR);
    client.exchange(COUNTED).unwrap();
    let counted = region.change();
    let each = |count: usize| count as f64 / COUNTED as f64;
    let allocations = each(counted.allocations + counted.reallocations);
    println!("{allocations:.3} allocations per request, of {:.0} bytes", each(counted.bytes_allocated));
    if let Err(error) = Budget::load().unwrap().compare(Cost::Allocations, allocations) {
        panic!("{error}");
    }
}

/// Runs a balancer on a thread of this process, and returns its address.
#[expect(
    clippy::unwrap_used,
    reason = "helpers fail a test as tests do; clippy excuses only functions marked as tests"
)]
fn balancer(backend: SocketAddr) -> SocketAddr {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        // With port 0, the balancer would print its port only on standard output. So the test tries free
        // ports until one works.
        let (server, address, log) = loop {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
            let (backends, port) =
                (format!("--backends=http://{backend}"), format!("--port={}", free.port()));
            // Timed events must not count as a cost of a request.
            let flags = ["--bind=127.0.0.1", "--admin=127.0.0.1:0", "--workers=1", "--ping-interval=1h"];
            let cli = Cli::parse_from(["lb", &backends, &port].into_iter().chain(flags));
            let origin = Origin::new(None, move || cli.load());
            let config = origin.load().unwrap().config;
            match Server::bind(config.clone(), origin) {
                Err(StartError::Taken { .. }) => {}
                server => {
                    break (
                        server.unwrap(),
                        free,
                        Log::begin(config.log_format, config.log_level, config.log_file.clone()).unwrap(),
                    );
                }
            }
        };
        tell.send(address).unwrap();
        server.run(log, false)
    });
    told.recv().unwrap()
}
