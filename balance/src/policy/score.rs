//! Score: the cache and the load in one number.
//!
//! *Idea*: a backend that has the key in its cache is worth a detour, but not any queue. *Formula*: the
//! lowest of `load / mean load - match`, where load is `(in flight + 1) / weight`, and match is 1 if the key
//! was sent to the backend and is among its `remembered_keys` last ones, otherwise 0. So a backend with the
//! key wins while its load is at most one mean load above that of the least loaded one. Of equal scores, a
//! hash of the key and the address decides. *Source*: the scorers of llm-d's router and of Dynamo's, which
//! subtract a load from the part of a prompt that is cached. *Cost*: O(n) a pick, with a look into one list
//! for each candidate, in a lock. *When it is wrong*: when keys seldom come again, because then the search is
//! for nothing; when the list and the cache differ, as after a restart of a backend or behind several
//! balancers; and when all backends are busy, because then one mean load is a long wait.

use std::sync::Arc;

use super::about::{About, Policy, Settings};
#[cfg(test)]
use super::contract::{Bound, Terms};
use super::request::Request;
use super::sent_keys::{SentKeys, lowest};
use crate::Moment;
use crate::backend::Backend;

/// The description for users.
pub(super) const ABOUT: About = About {
    name: "score",
    picks: "the backend with the best balance of a known key and a low load",
    looks_at: "a key, the keys sent before, requests in flight",
    cost: "O(n)",
    keeps_turns: false,
    uses_weights: true,
    uses_key: true,
    because: |notes| match notes.drawn.len() {
        0 => "no backend got this key before, and it has the lowest load".to_owned(),
        _ => format!("{} got this key before, and it has the best score of key and load", notes.drawn()),
    },
};

/// The policy in its initial state.
pub(super) fn make(settings: Settings) -> Arc<dyn Policy> {
    Arc::new(Score { sent: SentKeys::new(settings.remembered_keys) })
}

/// The terms for the contract.
#[cfg(test)]
pub(super) const TERMS: Terms = Terms::sharing(Bound::Of(0.3));

/// The cache and the load in one number.
#[derive(Debug)]
pub(super) struct Score {
    sent: SentKeys,
}

impl Policy for Score {
    fn pick(&self, candidates: &[Arc<Backend>], request: &mut Request<'_>) -> Option<usize> {
        let known = request.key;
        let key = request.key();
        let mean = candidates.iter().map(|backend| backend.load()).sum::<f64>() / candidates.len() as f64;
        let mut sent = self.sent.lock();
        let has = |backend: &Backend| known.is_some() && sent.has(backend, key);
        if request.notes.is_some() {
            candidates.iter().filter(|backend| has(backend)).for_each(|backend| request.draws(backend));
        }
        let score = |backend: &Backend| Some(backend.load() / mean - f64::from(u8::from(has(backend))));
        let index = lowest(candidates, key, score)?;
        if known.is_some() {
            sent.note(&candidates[index], key);
        }
        Some(index)
    }

    fn rebuild(&self, members: &[Arc<Backend>], _: &[Arc<Backend>]) {
        self.sent.keep(members);
    }

    fn score(&self, backend: &Backend, _: Moment) -> Option<f64> {
        Some(backend.load())
    }
}

#[cfg(test)]
mod tests {
    use super::super::contract::{backends, pick};
    use super::*;
    use crate::InFlight;

    #[test]
    fn a_known_key_is_worth_one_mean_load() {
        let field = backends(&[1; 4]);
        let policy = make(Settings::DEFAULT);
        let mut random = fastrand::Rng::with_seed(1);
        let home = pick(&*policy, &field, Some(7), &mut random);
        let mut leases: Vec<_> = (0..1).map(|_| InFlight::new(Arc::clone(&field[home]))).collect();
        assert_eq!(pick(&*policy, &field, Some(7), &mut random), home, "2 / 1.25 - 1 = 0.6, the others 0.8");
        leases.push(InFlight::new(Arc::clone(&field[home])));
        assert_ne!(pick(&*policy, &field, Some(7), &mut random), home, "3 / 1.5 - 1 = 1, the others 0.67");
    }
}
