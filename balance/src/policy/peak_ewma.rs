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

use crate::Moment;
use std::sync::Arc;

use super::{Backend, Policy, Request};

/// The one of two that will probably answer first.
#[derive(Debug, Default)]
pub struct PeakEwma;

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
