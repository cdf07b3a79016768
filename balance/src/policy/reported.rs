//! Reported: turns by the capacity that backends report.
//!
//! *Idea*: a backend knows best how busy it is. It says so in its answers, and the balancer gives each
//! backend turns by the answers that it could give in a second. *Formula*: weight = answers a second /
//! (utilisation + share of errors); smooth weighted round robin over these weights. They are read again once
//! a second. A weight counts 10 s after the first report, and for 3 min after the last one. A backend without
//! a weight has the mean of the others; with fewer than two weights, all backends are equal. *Source*: gRFC
//! A58 and Envoy's client-side weighted round robin; the reports are those of ORCA. *Cost*: O(n) a pick, in a
//! lock held for a few nanoseconds per candidate, and one header for each answer. *When it is wrong*: when a
//! backend lies or is mistaken about its load; when utilisation does not grow with the answers, as with a
//! cache; and for short queues, which it does not see: least connections finds them without any report.
//!
//! Weights in the configuration do not count: a report has the capacity in it already. A backend with the
//! weight 0 gets no requests, as under every policy. A bound limits what a lie can do: no weight is more than
//! ten times the mean, or less than a hundredth of it.

use std::sync::{Arc, Mutex, PoisonError};

use super::about::{About, Policy, Settings};
#[cfg(test)]
use super::contract::{Bound, Terms};
use super::request::Request;
use crate::Moment;
use crate::backend::Backend;
use crate::reports::UPDATE;

/// The description for users.
pub(super) const ABOUT: About = About {
    name: "reported",
    picks: "each backend in turn, more often if its load reports show more capacity",
    looks_at: "load reports in answers",
    cost: "O(n)",
    keeps_turns: true,
    uses_weights: false,
    uses_key: false,
    because: |_| "it is its turn, by the load that the backends report".to_owned(),
};

/// The policy in its initial state.
pub(super) fn make(_: Settings) -> Arc<dyn Policy> {
    Arc::new(Reported::default())
}

/// The terms for the contract.
#[cfg(test)]
pub(super) const TERMS: Terms = Terms::sharing(Bound::Picks(1.0));

/// The largest weight of a turn.
const WHOLE: i64 = 65_535;

/// The largest weight, and the smallest, as multiples of the mean.
const MOST: f64 = 10.0;
const LEAST: f64 = 0.01;

/// Turns by reported capacity.
#[derive(Debug, Default)]
pub(super) struct Reported {
    /// A standard lock: it is never held across an `await`, and all credits must change together.
    turns: Mutex<Turns>,
}

#[derive(Debug, Default)]
struct Turns {
    /// The candidates, and their credits and weights by number, minus one.
    company: Vec<Arc<Backend>>,
    credits: Vec<i64>,
    weights: Vec<i64>,
    /// The weight of a backend that is not in the company.
    mean: i64,
    weighed: Option<Moment>,
}

impl Turns {
    /// Reads the weights of the company again.
    fn weigh(&mut self, now: Moment) {
        let reported: Vec<_> = self.company.iter().map(|backend| backend.reported_weight(now)).collect();
        let weights = scaled(&reported);
        self.mean = weights.iter().sum::<i64>() / weights.len().max(1) as i64;
        self.mean = if weights.is_empty() { WHOLE } else { self.mean };
        self.make_room(self.company.last().map_or(0, |backend| backend.number));
        self.weights.fill(self.mean);
        for (backend, weight) in self.company.iter().zip(weights) {
            self.weights[backend.number - 1] = weight;
        }
        self.weighed = Some(now);
    }

    /// Room for the backend with this number.
    fn make_room(&mut self, number: usize) {
        if self.weights.len() < number {
            self.weights.resize(number, self.mean);
            self.credits.resize(number, 0);
        }
    }
}

/// Whole weights in the proportion of the reported ones, the largest of which is [`WHOLE`]. Without reports,
/// all are [`WHOLE`] and not 1: credits from before would otherwise be worth thousands of turns.
fn scaled(reported: &[Option<f64>]) -> Vec<i64> {
    let known: Vec<f64> = reported.iter().flatten().copied().collect();
    if known.len() < 2 {
        return vec![WHOLE; reported.len()];
    }
    let mean = known.iter().sum::<f64>() / known.len() as f64;
    let bounded = |weight: &Option<f64>| weight.unwrap_or(mean).clamp(mean * LEAST, mean * MOST);
    let most = reported.iter().map(bounded).fold(0.0, f64::max);
    if most <= 0.0 {
        return vec![WHOLE; reported.len()];
    }
    let whole = |weight| ((bounded(weight) / most * WHOLE as f64).round() as i64).max(1);
    reported.iter().map(whole).collect()
}

impl Policy for Reported {
    fn pick(&self, candidates: &[Arc<Backend>], request: &mut Request<'_>) -> Option<usize> {
        let last = candidates.last()?;
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.weighed.is_none_or(|at| request.now.since(at) >= UPDATE) {
            turns.weigh(request.now);
        }
        turns.make_room(last.number);
        let Turns { credits, weights, .. } = &mut *turns;
        let mut sum = 0;
        let mut richest = (0, i64::MIN);
        for (index, backend) in candidates.iter().enumerate() {
            let (credit, weight) = (&mut credits[backend.number - 1], weights[backend.number - 1]);
            *credit += weight;
            sum += weight;
            if *credit > richest.1 {
                richest = (index, *credit);
            }
        }
        credits[candidates[richest.0].number - 1] -= sum;
        Some(richest.0)
    }

    /// Credits start again when the candidates change, and only then: see `weighted_round_robin.rs`.
    fn rebuild(&self, _: &[Arc<Backend>], candidates: &[Arc<Backend>]) {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |(one, other): (&Arc<Backend>, &Arc<Backend>)| Arc::ptr_eq(one, other);
        let stays = turns.company.len() == candidates.len();
        if !stays || !turns.company.iter().zip(candidates).all(is_same) {
            *turns = Turns { company: candidates.to_vec(), mean: WHOLE, ..Turns::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::contract::backends;
    use super::*;
    use crate::reports::LoadReport;
    use fastrand::Rng;
    use proptest::prelude::*;
    use std::time::Duration;

    fn at(ms: u64) -> Moment {
        Moment::after(Duration::from_millis(ms))
    }

    fn say(backend: &Backend, cpu_utilization: f64, now: Moment) {
        let report = LoadReport { cpu_utilization, rps_fractional: 10.0, ..LoadReport::default() };
        backend.learn_report(Some(report), now);
    }

    fn shares(policy: &Reported, field: &[Arc<Backend>], now: Moment, n: usize) -> Vec<usize> {
        let mut shares = vec![0; field.len()];
        let mut random = Rng::with_seed(1);
        for _ in 0..n {
            let mut request = Request { key: None, now, random: &mut random, notes: None };
            shares[policy.pick(field, &mut request).expect("there are candidates")] += 1;
        }
        shares
    }

    #[test]
    fn a_busy_backend_gets_fewer_turns_once_its_report_counts() {
        let field = backends(&[1; 4]);
        let policy = Reported::default();
        policy.rebuild(&field, &field);
        let loads = [0.25, 0.25, 0.25, 0.5];
        field.iter().zip(loads).for_each(|(backend, load)| say(backend, load, at(0)));
        assert_eq!(shares(&policy, &field, at(9_500), 28), [7; 4], "in the blackout");
        assert_eq!(shares(&policy, &field, at(10_400), 28), [7; 4], "before the update");
        assert_eq!(shares(&policy, &field, at(10_500), 28), [8, 8, 8, 4]);
        assert_eq!(shares(&policy, &field, at(180_000), 28), [7; 4], "the reports have expired");
    }

    #[test]
    fn a_backend_without_a_weight_has_the_mean_of_the_others() {
        assert_eq!(scaled(&[Some(10.0), None, Some(30.0)]), [21_845, 43_690, 65_535]);
        assert_eq!(scaled(&[Some(10.0), None, None]), [WHOLE; 3], "one weight alone says nothing");
        assert_eq!(scaled(&[]), [0_i64; 0]);
    }

    proptest! {
        /// Whatever backends report, each weight is a number from 1 to the whole, and at most 1000 times
        /// another one.
        #[test]
        fn weights_are_bounded(reported in prop::collection::vec(prop::option::of(0.0..1e13_f64), 0..40)) {
            let weights = scaled(&reported);
            prop_assert_eq!(weights.len(), reported.len());
            prop_assert!(weights.iter().all(|weight| (1..=65_535).contains(weight)), "{:?}", weights);
            if let (Some(least), Some(most)) = (weights.iter().min(), weights.iter().max()) {
                prop_assert!(most / least <= 1010, "{:?}", weights);
            }
        }

        /// Weights of the right order: a backend that reports more capacity never has fewer turns.
        #[test]
        fn more_capacity_is_never_less_weight(one in 0.1..1e6_f64, more in 0.0..1e6_f64) {
            let weights = scaled(&[Some(one), Some(one + more)]);
            prop_assert!(weights[0] <= weights[1]);
        }
    }
}
