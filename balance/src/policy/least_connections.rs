//! Least connections: whoever has the fewest requests in flight.
//!
//! *Idea*: what a backend has not finished says how fast it is, whatever the reason. *Formula*: the lowest of
//! `(in flight + 1) / weight`; among equals, whoever was picked longest ago. *Source*: HAProxy's `leastconn`, with the heap
//! that the seed's page wished for. *Cost*: O(log n) a pick, and as much for every request that ends, in a lock held for
//! as long. *When it is wrong*: a backend that fails at once looks idle and draws all requests; one that has just come up
//! does for a moment, which [slow start](crate::balance) prevents; and many balancers that all see the same idlest backend
//! run there together.
//!
//! Looking through all backends would be shorter, and is as fast for a few. With thousands, looking costs more than
//! everything else that is done for a request, and most of what is looked at has not changed since the last time.

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

/// What people read about it.
pub(super) const ABOUT: About = About {
    name: "least-connections",
    picks: "the backend with the fewest requests in flight, relative to its weight",
    looks_at: "requests in flight",
    cost: "O(log n)",
    keeps_turns: false,
    uses_weights: true,
    uses_key: false,
    because: |_| "it has the least to do for its weight".to_owned(),
};

/// One at its beginning.
pub(super) fn make(_: Settings) -> Arc<dyn Policy> {
    Arc::new(LeastConnections::default())
}

/// What it promises.
#[cfg(test)]
pub(super) const TERMS: Terms = Terms::sharing(Bound::Of(0.3));

/// Whoever has the least to do.
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

    fn arrange(&self, _: &[Arc<Backend>], candidates: &[Arc<Backend>]) {
        self.ranking.store(Some(Ranking::of(candidates)));
    }

    fn score(&self, backend: &Backend, _: Moment) -> Option<f64> {
        Some(backend.load())
    }
}
