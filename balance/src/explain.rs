//! The explanation of a pick: the same pick as any other, with notes of the data that decided it.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Serialize;

use super::backend::{Backend, Peer};
use super::member::Mode;
use super::policy::{Notes, PickRule, Request};
use super::pool::ServerPool;
use super::state::State;

/// The explanation of one pick.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pick {
    /// The policy in force.
    pub policy: &'static str,
    /// The backends that could be picked.
    pub candidates: Vec<Candidate>,
    /// The backends that could not be picked, with the reasons.
    pub excluded: Vec<Excluded>,
    /// The numbers of the backends that the policy drew or compared, if it draws.
    pub drawn: Vec<usize>,
    /// The number of the backend that was picked, if any.
    pub chosen: Option<usize>,
    /// The kind of rule that chose: a fixed word for programs.
    pub rule: PickRule,
    /// The reason for this choice, as a sentence.
    pub because: String,
}

/// A backend that could be picked, with its values at that moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Candidate {
    /// The number of the backend.
    pub backend: usize,
    /// The weight of the backend.
    pub weight: u32,
    /// The requests in flight at the backend.
    pub in_flight: u32,
    /// The expected time of an answer, with a pessimistic estimate, in milliseconds.
    pub latency_ms: f64,
    /// The value that the policy compares (lower is better), if it compares.
    pub score: Option<f64>,
}

/// A backend that could not be picked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Excluded {
    /// The number of the backend.
    pub backend: usize,
    /// The reason.
    pub why: Cow<'static, str>,
}

impl<X> ServerPool<X> {
    /// The same as [`ServerPool::next_backend`], with an explanation. The loads in it were read immediately
    /// before the pick: with many workers, another pick may have happened in between.
    pub fn explain_next_backend(
        &self,
        tried: &[usize],
        sticky: Option<u64>,
        request: &mut Request<'_>,
    ) -> (Option<Arc<Peer<X>>>, Pick) {
        let fleet = self.fleet();
        let policy = self.rules().policy;
        let mut candidates = Vec::new();
        for (backend, score) in fleet.candidates(request.now) {
            if !tried.contains(&backend.number) {
                candidates.push(Candidate {
                    backend: backend.number,
                    weight: backend.weight(),
                    in_flight: backend.in_flight(),
                    latency_ms: backend.peak_latency(request.now) / 1000.0,
                    score,
                });
            }
        }
        let mut notes = Notes::default();
        let mut noted =
            Request { key: request.key, now: request.now, random: request.random, notes: Some(&mut notes) };
        let chosen = fleet.next_backend(tried, sticky, &mut noted);
        let passed = |backend: &Backend| notes.passed.iter().find(|(number, _)| *number == backend.number);
        let mut excluded = Vec::new();
        for backend in &fleet.members {
            let listed = candidates.iter().any(|candidate| candidate.backend == backend.number);
            let is_chosen = chosen.as_ref().is_some_and(|chosen| chosen.number == backend.number);
            let why = match passed(backend) {
                _ if is_chosen => continue,
                Some((_, why)) => Cow::Borrowed(*why),
                None if listed => continue,
                None => why_not(backend, tried),
            };
            excluded.push(Excluded { backend: backend.number, why });
        }
        candidates.retain(|candidate| excluded.iter().all(|other| other.backend != candidate.backend));
        let (rule, because) = match (&chosen, notes.because) {
            (None, _) => (PickRule::NoBackend, "no backend could be picked".to_owned()),
            (_, Some((rule, because))) => (rule, because.to_owned()),
            (Some(_), None) => (policy.about().rule(&notes), (policy.about().because)(&notes)),
        };
        let pick = Pick {
            policy: policy.name(),
            candidates,
            excluded,
            drawn: notes.drawn,
            chosen: chosen.as_ref().map(|backend| backend.number),
            rule,
            because,
        };
        self.count_pick(tried, chosen.as_deref());
        (chosen, pick)
    }
}

/// The reason why a member is no candidate.
fn why_not(backend: &Backend, tried: &[usize]) -> Cow<'static, str> {
    let (spec, health) = (backend.spec(), backend.health());
    match (spec.mode, health.state()) {
        _ if tried.contains(&backend.number) => "this request has tried it already".into(),
        (Mode::Drain | Mode::Maintenance, _) => format!("it is in {}", spec.mode).into(),
        (Mode::Ready, _) if spec.weight == 0 => "it has no weight".into(),
        (Mode::Ready, State::Up) if spec.backup => "it is a backup, and other backends are available".into(),
        (Mode::Ready, State::Up) => "another level takes this request".into(),
        (Mode::Ready, state) => format!("it is {}: {}", state.name(), health.cause()).into(),
    }
}

#[cfg(test)]
mod tests {
    use crate::Moment;

    use super::*;
    use crate::member::Member;
    use crate::policy::Kind;
    use crate::pool::tests::{member, pool_with, rules, take_down};
    use crate::{InFlight, Rules};

    #[test]
    fn each_backend_is_a_candidate_or_excluded_with_a_reason() {
        let members = vec![
            member(1),
            Member { weight: 0, ..member(2) },
            Member { mode: Mode::Drain, ..member(3) },
            Member { backup: true, ..member(4) },
            Member { limit: Some(1), ..member(5) },
            member(6),
            member(7),
        ];
        let pool = pool_with(members, Rules { policy: Kind::LeastConnections, ..rules() });
        take_down(&pool, 6);
        let _busy = [1, 5].map(|number: usize| InFlight::new(Arc::clone(&pool.backends()[number - 1])));
        let mut random = fastrand::Rng::with_seed(1);
        let mut request = Request { key: None, now: Moment::START, random: &mut random, notes: None };
        let (chosen, decision) = pool.explain_next_backend(&[7], None, &mut request);
        assert_eq!(chosen.unwrap().number, 1);
        let candidates: Vec<_> =
            decision.candidates.iter().map(|one| (one.backend, one.in_flight, one.score)).collect();
        assert_eq!(candidates, [(1, 1, Some(2.0))]);
        let why: Vec<_> = decision.excluded.iter().map(|one| (one.backend, &*one.why)).collect();
        assert_eq!(
            why,
            [
                (2, "it has no weight"),
                (3, "it is in drain"),
                (4, "it is a backup, and other backends are available"),
                (5, "it is full"),
                (6, "it is down: test"),
                (7, "this request has tried it already"),
            ]
        );
        assert_eq!(decision.because, "it has the lowest load for its weight");
        assert_eq!(decision.rule, PickRule::LowestScore);
    }

    #[test]
    fn the_explanation_names_the_drawn_backends() {
        let pool = pool_with((1..=4).map(member).collect(), Rules { policy: Kind::TwoChoices, ..rules() });
        let mut random = fastrand::Rng::with_seed(1);
        let mut request = Request { key: None, now: Moment::START, random: &mut random, notes: None };
        let (chosen, decision) = pool.explain_next_backend(&[], None, &mut request);
        let [one, other] = decision.drawn[..] else { panic!("{decision:?}") };
        assert_eq!(chosen.unwrap().number, one);
        assert_eq!(decision.because, format!("of {one} and {other} it has the lower load"));
    }

    #[test]
    fn each_policy_has_the_rule_of_its_kind() {
        use PickRule::{BetterOfTwo, Draw, Key, LowestScore, Turn};
        for (kind, expected) in [
            (Kind::RoundRobin, Turn),
            (Kind::WeightedRoundRobin, Turn),
            (Kind::Random, Draw),
            (Kind::WeightedRandom, Draw),
            (Kind::TwoChoices, BetterOfTwo),
            (Kind::PeakEwma, BetterOfTwo),
            (Kind::LeastConnections, LowestScore),
            (Kind::LeastTime, LowestScore),
            (Kind::Ring, Key),
            (Kind::BoundedRing, Key),
            (Kind::Maglev, Key),
            (Kind::Rendezvous, Key),
        ] {
            let pool = pool_with((1..=4).map(member).collect(), Rules { policy: kind, ..rules() });
            let mut random = fastrand::Rng::with_seed(1);
            let mut request = Request { key: Some(7), now: Moment::START, random: &mut random, notes: None };
            let (_, decision) = pool.explain_next_backend(&[], None, &mut request);
            assert_eq!(decision.rule, expected, "{kind}");
        }
    }
}
