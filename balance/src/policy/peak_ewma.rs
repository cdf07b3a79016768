//! Peak EWMA: draw two, take the one that will probably answer first.
//!
//! *Idea*: a backend's latency, remembered pessimistically: a worse answer is believed at once, a better one only over
//! time. *Formula*: cost = latency x (in flight + 1) / weight, the lower of two drawn candidates; the latency is that of
//! [`Peak`](crate::latency::Peak), where a failure counts as five seconds. *Source*: Finagle's and Linkerd's
//! load balancer. *Cost*: two draws and two decays. *When it is wrong*: when latency says more about the requests than
//! about the backends, as with a few slow paths; and right after a start, when nothing is known.
//!
//! A failure counts as slow because it often is the fastest answer there is: else a backend that fails at once would draw
//! all requests to it.

use std::sync::Arc;

use super::about::{About, Policy, Settings};
#[cfg(test)]
use super::contract::{Bound, Terms};
use super::request::Request;
use crate::Moment;
use crate::backend::Backend;

/// What people read about it.
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

/// One at its beginning.
pub(super) fn make(_: Settings) -> Arc<dyn Policy> {
    Arc::new(PeakEwma)
}

/// What it promises.
#[cfg(test)]
pub(super) const TERMS: Terms = Terms { draws_two: true, ..Terms::sharing(Bound::Of(0.3)) };

/// The one of two that will probably answer first.
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

/// Microseconds that a request would take there, by a backend's weight.
fn cost(backend: &Backend, now: Moment) -> f64 {
    backend.peak_latency(now) * backend.load()
}
