//! Least time: whoever has been answering soonest, and has not too much to do.
//!
//! *Idea*: the mean of a backend's latencies, times what waits before one. *Formula*: the lowest of
//! mean x (in flight + 1) / weight, the mean over about the last eight answers; a backend of which nothing is known is
//! taken to be fast, until requests wait there. *Source*: nginx's and Traefik's `least_time`. *Cost*: O(n) a pick. *When it is wrong*:
//! with many backends, or many balancers that all choose the same one; `PeakEwma` is better there.
//!
//! A backend that once was slow would never be asked again, and so never be seen to be fast: Traefik had one that got 5
//! of 1500 requests. So a mean that no answer has confirmed halves every ten seconds, and 20 ms make no difference:
//! nobody notices them, but they would decide every pick.

use std::sync::Arc;

use super::about::{About, Policy, Settings};
#[cfg(test)]
use super::contract::{Bound, Terms};
use super::list::lowest;
use super::request::Request;
use crate::Moment;
use crate::backend::Backend;

/// Differences below this are noise, in microseconds.
const GRAIN: f64 = 20_000.0;

/// What people read about it.
pub(super) const ABOUT: About = About {
    name: "least-time",
    picks: "the backend that will probably answer first",
    looks_at: "latencies and requests in flight",
    cost: "O(n)",
    keeps_turns: false,
    uses_weights: true,
    uses_key: false,
    because: |_| "it will probably answer first".to_owned(),
};

/// One at its beginning.
pub(super) fn make(_: Settings) -> Arc<dyn Policy> {
    Arc::new(LeastTime)
}

/// What it promises.
#[cfg(test)]
pub(super) const TERMS: Terms = Terms::sharing(Bound::Of(0.3));

/// Whoever seems to answer first.
#[derive(Debug, Default)]
pub(super) struct LeastTime;

impl Policy for LeastTime {
    fn pick(&self, candidates: &[Arc<Backend>], request: &mut Request<'_>) -> Option<usize> {
        // Among equals the lot decides, or the first of the list would get all that comes to an idle pool.
        let start = request.random.usize(..candidates.len().max(1));
        let (before, after) = candidates.split_at(start);
        let score = |backend: &Backend| score(backend, request.now);
        let best = |part| lowest(part, score);
        match (best(after), best(before)) {
            (Some(here), Some(there)) if score(&before[there]) < score(&after[here]) => Some(there),
            (Some(here), _) => Some(start + here),
            (None, there) => there,
        }
    }

    fn score(&self, backend: &Backend, now: Moment) -> Option<f64> {
        Some(score(backend, now))
    }
}

/// Microseconds, in steps of [`GRAIN`], that a request would take there, by a backend's weight.
fn score(backend: &Backend, now: Moment) -> f64 {
    let mean = backend.mean_latency(now);
    (mean / GRAIN).ceil().max(1.0) * GRAIN * backend.load()
}
