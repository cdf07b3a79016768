//! The stream of events of a live lab under other policies: the same calls, with the same measured service
//! times and the same faults.
//!
//! - `line.rs`: an event in a line of JSON, as `docs/events.md` describes it.
//! - `call.rs`: what a request of the stream asks of a server.
//! - `conditions.rs`: the faults, the processes and the capacities of the backends.
//! - `follow.rs`: the ghosts of a stream that goes on, and `input.rs` what comes to them.
//! - `replay.rs`: a recording of a stream, and `live_ticks.rs` what happened in it.

mod call;
mod conditions;
mod follow;
mod input;
mod line;
mod live_ticks;
mod replay;

use balance::Address;

use api::Hello;

use crate::server::Server;
use crate::settings::Sim;

pub use follow::{Follow, follow};
pub use input::Skipped;
pub use line::read_line;
pub use replay::StreamRecording;

/// Numbers of backends above this are a mistake.
const MOST_BACKENDS: usize = 10_000;

/// The servers of a stream. A number that the stream does not name is a server that gets no requests.
fn stage(hello: &Hello, seed: u64) -> Sim {
    let count = hello.backends.iter().map(|backend| backend.backend).max().unwrap_or(0);
    let server = |number: usize| {
        let told = hello.backends.iter().find(|backend| backend.backend == number);
        let server = Server::unlimited();
        let Some(told) = told else { return server.weight(0) };
        // A backend in another mode than `ready` gets no requests either.
        let server = server.weight(if told.mode == "ready" { told.weight } else { 0 });
        match address(&told.url) {
            Some(address) => server.address(address),
            None => server,
        }
    };
    (1..=count.min(MOST_BACKENDS)).fold(Sim::new(seed), |sim, number| sim.servers(1, server(number)))
}

/// The address in a text such as `http://localhost:3031`.
fn address(url: &str) -> Option<Address> {
    let (host, port) = url.strip_prefix("http://")?.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Some(Address { host, port: port.parse().ok()? })
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
