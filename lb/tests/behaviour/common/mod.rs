//! What the tests are written with: a balancer, scripted upstreams, a client that shows every byte.

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

/// How long a test waits for what should happen at once. Long, because a busy machine is no failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Pings once, at start, so that only requests tell the balancer anything.
pub(crate) const NO_PINGS: &str = "--ping-interval=1h";

/// Waits until `look` finds what it looks for, and says what it saw last if it never does.
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

/// Turns a condition into what [`eventually`] looks at: `seen` is shown if it never holds.
pub(crate) fn when<T>(holds: bool, seen: T) -> Result<T, T> {
    if holds { Ok(seen) } else { Err(seen) }
}

/// Watches for a while that something stays as it is. For what must *not* happen there is no event to wait
/// for; `time` says within which it would have happened.
pub(crate) fn throughout<T>(time: Duration, mut check: impl FnMut() -> T) {
    let begun = Instant::now();
    while begun.elapsed() < time {
        check();
        std::thread::sleep(Duration::from_millis(20));
    }
}
