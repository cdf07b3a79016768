//! The load of a lab that is shown: requests of different sizes that arrive at random.

use std::net::SocketAddr;
use std::time::Duration;

use crate::load::{Arrivals, Call, Load, Sizes};
use crate::stream::Shape;

/// Half of what four backends with two workers each can do.
const SHAPE: Shape = Shape { is_open: true, rate: 100.0, clients: 8 };

/// The least and the greatest work of a request.
const WORK: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(60));

/// The connections of the load.
const CONNECTIONS: usize = 64;

/// The latest requests of the load that are kept.
const KEPT: usize = 10_000;

/// The usual load for the balancer at this address, and its first shape: 100 requests a second in open loop,
/// with 20 to 60 ms of work each, over at most 64 connections.
pub fn usual_load(balancer: SocketAddr, seed: u64) -> (Load, Shape) {
    let sizes = Sizes::Uniform { least: WORK.0, most: WORK.1 };
    let load = Load::open(balancer)
        .call(Call::get("/").path_from_size().sizes(sizes).rate(SHAPE.rate))
        .arrivals(Arrivals::Poisson)
        .connections(CONNECTIONS)
        .seed(seed)
        .keep_last(KEPT);
    (load, SHAPE)
}
