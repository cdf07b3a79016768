//! Least time: the backend that has answered fastest and has not too many requests.
//!
//! *Idea*: the mean latency of a backend, times the number of requests that a new one waits for. *Formula*:
//! the lowest of mean x (in flight + 1) / weight, with the mean over about the last eight answers. A backend
//! without data counts as fast until requests wait at it. *Source*: nginx's and Traefik's `least_time`.
//! *Cost*: O(n) a pick. *When it is wrong*: with many backends, or with many balancers that all choose the
//! same one; `PeakEwma` is better there.
//!
//! A backend that was slow once would never get a request again, and so could never show that it is fast: in
//! Traefik, one backend got 5 of 1500 requests. So a mean without new answers halves every ten seconds. And
//! 20 ms make no difference: users do not notice them, but they would decide every pick.

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

/// The description for users.
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

/// The policy in its initial state.
pub(super) fn make(_: Settings) -> Arc<dyn Policy> {
    Arc::new(LeastTime)
}

/// The terms for the contract.
#[cfg(test)]
pub(super) const TERMS: Terms = Terms::sharing(Bound::Of(0.3));

/// The backend with the lowest expected time.
#[derive(Debug, Default)]
pub(super) struct LeastTime;

impl Policy for LeastTime {
    fn pick(&self, candidates: &[Arc<Backend>], request: &mut Request<'_>) -> Option<usize> {
        // Equal values are decided at random; otherwise the first of the list would get all requests of an
        // idle pool.
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

/// The expected time of a request at the backend in microseconds, in steps of [`GRAIN`], divided by the
/// weight.
fn score(backend: &Backend, now: Moment) -> f64 {
    let mean = backend.mean_latency(now);
    (mean / GRAIN).ceil().max(1.0) * GRAIN * backend.load()
}
