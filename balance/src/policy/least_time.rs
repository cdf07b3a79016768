//! Least time: whoever has been answering soonest, and has not too much to do.
//!
//! *Idea*: the mean of a backend's latencies, times what waits before one. *Formula*: the lowest of
//! mean x (in flight + 1) / weight, the mean over about the last eight answers; a backend of which nothing is known is
//! taken to be fast, until requests wait there. *Source*: nginx's and Traefik's `least_time`. *Cost*: O(n) a pick. *When it is wrong*:
//! with many backends, or many balancers that all choose the same one; [`PeakEwma`](super::PeakEwma) is better there.
//!
//! A backend that once was slow would never be asked again, and so never be seen to be fast: Traefik had one that got 5
//! of 1500 requests. So a mean that no answer has confirmed halves every ten seconds, and 20 ms make no difference:
//! nobody notices them, but they would decide every pick.

use crate::Moment;
use std::sync::Arc;

use super::{Backend, Policy, Request, lowest};

/// Differences below this are noise, in microseconds.
const GRAIN: f64 = 20_000.0;

/// Whoever seems to answer first.
#[derive(Debug, Default)]
pub struct LeastTime;

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
