//! Affinity: the backend that has the key, unless the loads are too far apart.
//!
//! *Idea*: stay with the cache while the loads are similar; if they are not, care for the load alone until
//! they are. *Formula*: if the greatest and the smallest number of requests in flight differ by at most
//! `affinity_gap`, the least loaded of the backends to which the key was sent, as far as it is among their
//! `remembered_keys` last ones; otherwise, and for a new key, the least loaded of all. The load is `(in
//! flight + 1) / weight`; of equal loads, a hash of the key and the address decides. *Source*: the
//! cache-aware policy of SGLang's gateway. *Cost*: O(n) a pick, with a look into one list for each candidate,
//! in a lock. *When it is wrong*: when the gap is too small, loads differ by chance, and keys wander through
//! all caches; when it is too large, a frequent key overloads its backend; and with several balancers, each
//! sees only a part of the loads.

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
    name: "affinity",
    picks: "the backend that got the key before, unless the loads are too far apart",
    looks_at: "a key, the keys sent before, requests in flight",
    cost: "O(n)",
    keeps_turns: false,
    uses_weights: true,
    uses_key: true,
    because: |notes| match notes.drawn.len() {
        0 => "the key is new or the loads are too far apart, and it has the lowest load".to_owned(),
        1 => "it got this key before".to_owned(),
        _ => format!("{} got this key before, and it has the lowest load of them", notes.drawn()),
    },
};

/// The policy in its initial state.
pub(super) fn make(settings: Settings) -> Arc<dyn Policy> {
    Arc::new(Affinity { sent: SentKeys::new(settings.remembered_keys), gap: settings.affinity_gap })
}

/// The terms for the contract.
#[cfg(test)]
pub(super) const TERMS: Terms = Terms::sharing(Bound::Of(0.3));

/// The backend that has the key, unless the loads are too far apart.
#[derive(Debug)]
pub(super) struct Affinity {
    sent: SentKeys,
    gap: u32,
}

impl Policy for Affinity {
    fn pick(&self, candidates: &[Arc<Backend>], request: &mut Request<'_>) -> Option<usize> {
        let known = request.key;
        let key = request.key();
        let (least, most) = candidates.iter().fold((u32::MAX, 0), |(least, most), backend| {
            let in_flight = backend.in_flight();
            (in_flight.min(least), in_flight.max(most))
        });
        let is_even = most.saturating_sub(least) <= self.gap;
        let mut sent = self.sent.lock();
        let has = |backend: &Backend| known.is_some() && is_even && sent.has(backend, key);
        if request.notes.is_some() {
            candidates.iter().filter(|backend| has(backend)).for_each(|backend| request.draws(backend));
        }
        let of_home = lowest(candidates, key, |backend| has(backend).then(|| backend.load()));
        let index = of_home.or_else(|| lowest(candidates, key, |backend| Some(backend.load())))?;
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
    fn a_key_stays_until_the_loads_are_too_far_apart() {
        let field = backends(&[1; 4]);
        let policy = make(Settings { affinity_gap: 4, ..Settings::DEFAULT });
        let mut random = fastrand::Rng::with_seed(1);
        let home = pick(&*policy, &field, Some(7), &mut random);
        let mut leases = Vec::new();
        for n in 0..5 {
            assert_eq!(pick(&*policy, &field, Some(7), &mut random), home, "with {n} in flight");
            leases.push(InFlight::new(Arc::clone(&field[home])));
        }
        let second = pick(&*policy, &field, Some(7), &mut random);
        assert_ne!(second, home, "5 in flight");
        leases.pop();
        assert_eq!(pick(&*policy, &field, Some(7), &mut random), second, "both have the key now");
    }
}
