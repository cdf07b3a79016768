//! Tools of the tests: a balancer, scripted upstreams, and a client that shows each byte.

use std::fmt::Debug;
use std::time::{Duration, Instant};

mod balancer;
mod client;
mod events;
mod file;
mod metrics;
mod names;
mod orders;
mod upstream;
mod wire;

pub(crate) use balancer::{Ended, Lb, lb_command};
pub(crate) use client::{Answer, Client};
pub(crate) use events::Events;
pub(crate) use file::{Config, in_maintenance, tables};
pub(crate) use metrics::Metrics;
pub(crate) use names::Names;
pub(crate) use orders::{Load, ctl, ctl_with, order, order_with};
pub(crate) use upstream::{Reply, Seen, Upstream, ok, watched};
pub(crate) use wire::{Head, Wire, chunked};

/// How long a test waits for an event that should happen at once. Long, because a busy machine is no failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Pings only at the start, so that the balancer learns only from requests.
pub(crate) const NO_PINGS: &str = "--ping-interval=1h";

/// Waits until `look` returns `Ok`; otherwise the test fails with the last error.
pub(crate) fn eventually<T, E: Debug>(what: &str, look: impl FnMut() -> Result<T, E>) -> T {
    within(PATIENCE, what, look)
}

/// The same, with a deadline that is part of what is tested.
pub(crate) fn within<T, E: Debug>(
    deadline: Duration,
    what: &str,
    mut look: impl FnMut() -> Result<T, E>,
) -> T {
    let begun = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(last) if begun.elapsed() > deadline => {
                panic!("{what}: not within {deadline:?}; last: {last:?}")
            }
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// Turns a condition into a result for [`eventually`], which shows `seen` if the condition never holds.
pub(crate) fn when<T>(holds: bool, seen: T) -> Result<T, T> {
    if holds { Ok(seen) } else { Err(seen) }
}

/// Checks for some time that a condition stays true. For an event that must *not* happen, there is nothing to
/// wait for; the event would have happened within `time`.
pub(crate) fn throughout<T>(time: Duration, mut check: impl FnMut() -> T) {
    let begun = Instant::now();
    while begun.elapsed() < time {
        check();
        std::thread::sleep(Duration::from_millis(20));
    }
}
