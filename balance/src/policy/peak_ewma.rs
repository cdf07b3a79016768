//! Peak EWMA: draw two backends, pick the one with the lower expected latency.
//!
//! *Idea*: a pessimistic memory of a backend's latency: a slower answer counts at once, a faster answer only
//! over time. *Formula*: cost = latency x (in flight + 1) / weight, the lower of two drawn candidates; the
//! latency is that of [`Peak`](crate::latency::Peak), where a failure counts as five seconds. *Source*: the
//! load balancer of Finagle and Linkerd. *Cost*: two draws and two decays. *When it is wrong*: when latency
//! depends more on the requests than on the backends, as with a few slow paths; and immediately after a
//! start, when no latency is known.
//!
//! A failure counts as slow because it is often the fastest answer of all: otherwise a backend that fails at
//! once would attract all requests. A request whose client has left counts as an answer after the time that
//! it waited, if this is longer than expected: otherwise a backend that answers after all clients have left
//! would look as fast as before.

use std::sync::Arc;

use super::about::{About, Policy, Settings};
#[cfg(test)]
use super::contract::{Bound, Terms};
use super::request::Request;
use crate::Moment;
use crate::backend::Backend;

/// The description for users.
pub(super) const ABOUT: About = About {
    name: "peak-ewma",
    picks: "of two backends drawn at random, the one that will probably answer first",
    looks_at: "latencies and requests in flight of two",
    cost: "O(1)",
    keeps_turns: false,
    uses_weights: true,
    uses_key: false,
    because: |notes| format!("of {} it will probably answer first", notes.drawn()),
};

/// The policy in its initial state.
pub(super) fn make(_: Settings) -> Arc<dyn Policy> {
    Arc::new(PeakEwma)
}

/// The terms for the contract.
#[cfg(test)]
pub(super) const TERMS: Terms = Terms { draws_two: true, ..Terms::sharing(Bound::Of(0.3)) };

/// The one of two with the lower expected latency.
#[derive(Debug, Default)]
pub(super) struct PeakEwma;

impl Policy for PeakEwma {
    fn pick(&self, candidates: &[Arc<Backend>], request: &mut Request<'_>) -> Option<usize> {
        let [(one, first), (other, second)] = request.two_of(candidates)?;
        let cost = |backend| cost(backend, request.now);
        Some(if cost(second) < cost(first) { other } else { one })
    }

    fn score(&self, backend: &Backend, now: Moment) -> Option<f64> {
        Some(cost(backend, now))
    }
}

/// The expected time of a request at the backend in microseconds, divided by the weight.
fn cost(backend: &Backend, now: Moment) -> f64 {
    backend.peak_latency(now) * backend.load()
}
