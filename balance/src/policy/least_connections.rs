//! Least connections: the backend with the fewest requests in flight.
//!
//! *Idea*: the number of unfinished requests shows how fast a backend is, for whatever reason. *Formula*: the
//! lowest of `(in flight + 1) / weight`; with equal values, the backend that was picked longest ago.
//! *Source*: HAProxy's `leastconn`, with the heap that the description of the original names as a possible
//! improvement. *Cost*: O(log n) a pick, and the same for each request that ends, in a lock for that time.
//! *When it is wrong*: a backend that fails at once looks idle and attracts all requests; a backend that has
//! just come up does so for a moment, which [slow start](crate::Rules::slow_start) prevents; and many
//! balancers that all see the same idle backend send their requests to it at once.
//!
//! A search through all backends would be shorter code, and as fast for a few backends. With thousands of
//! backends, the search costs more than all other work for a request, and most of the values have not changed
//! since the last search.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::about::{About, Policy, Settings};
#[cfg(test)]
use super::contract::{Bound, Terms};
use super::list::{lowest, position};
use super::request::Request;
use crate::Moment;
use crate::backend::Backend;
use crate::ranking::Ranking;

/// The description for users.
pub(super) const ABOUT: About = About {
    name: "least-connections",
    picks: "the backend with the fewest requests in flight, relative to its weight",
    looks_at: "requests in flight",
    cost: "O(log n)",
    keeps_turns: false,
    uses_weights: true,
    uses_key: false,
    because: |_| "it has the lowest load for its weight".to_owned(),
};

/// The policy in its initial state.
pub(super) fn make(_: Settings) -> Arc<dyn Policy> {
    Arc::new(LeastConnections::default())
}

/// The terms for the contract.
#[cfg(test)]
pub(super) const TERMS: Terms = Terms::sharing(Bound::Of(0.3));

/// The backend with the lowest load.
#[derive(Debug, Default)]
pub(super) struct LeastConnections {
    ranking: ArcSwapOption<Ranking>,
}

impl Policy for LeastConnections {
    fn pick(&self, candidates: &[Arc<Backend>], _: &mut Request<'_>) -> Option<usize> {
        let ranking = self.ranking.load();
        let ranked = ranking.as_ref().and_then(|ranking| {
            let is_candidate = |number| position(candidates, number).is_some();
            position(candidates, ranking.take_least(is_candidate)?)
        });
        ranked.or_else(|| lowest(candidates, Backend::load))
    }

    fn rebuild(&self, _: &[Arc<Backend>], candidates: &[Arc<Backend>]) {
        match &*self.ranking.load() {
            Some(ranking) => ranking.follow(candidates),
            None => self.ranking.store(Some(Arc::new(Ranking::of(candidates)))),
        }
    }

    fn score(&self, backend: &Backend, _: Moment) -> Option<f64> {
        Some(backend.load())
    }
}
