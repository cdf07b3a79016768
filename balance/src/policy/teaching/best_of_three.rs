//! The best of three: draw three backends, pick the one with the lowest load.
//!
//! *Idea*: more draws than [two choices](crate::policy::Kind::TwoChoices), fewer than all. *Formula*: three
//! different candidates, all of them if there are fewer; the lowest of `(in flight + 1) / weight`, the first
//! drawn if several have it. *Source*: Mitzenmacher (2001): the step from one draw to two changes the law,
//! the step from two to three only a factor. *Cost*: O(1) a pick. *What is wrong*: nothing with fresh loads;
//! with old ones ([`Rules::load_view_delay`](crate::Rules::load_view_delay)), more draws make it worse.

use std::sync::Arc;

#[cfg(test)]
use super::super::contract::{Bound, Terms};
use crate::Moment;
use crate::backend::Backend;
use crate::policy::about::{About, Policy, Settings};
use crate::policy::request::Request;

pub(super) const ABOUT: About = About {
    name: "best-of-three",
    picks: "the least loaded of three backends drawn at random",
    looks_at: "requests in flight of three",
    cost: "O(1)",
    keeps_turns: false,
    uses_weights: true,
    uses_key: false,
    because: |notes| format!("of {} it has the lowest load", notes.drawn()),
};

pub(super) const MISTAKE: &str =
    "one draw more than two choices: it gains little, and loses more if loads are old";

pub(super) fn make(_: Settings) -> Arc<dyn Policy> {
    Arc::new(BestOfThree)
}

#[cfg(test)]
pub(super) const TERMS: Terms = Terms::sharing(Bound::Of(0.3));

/// The one of three with the lowest load.
#[derive(Debug)]
struct BestOfThree;

impl Policy for BestOfThree {
    fn pick(&self, candidates: &[Arc<Backend>], request: &mut Request<'_>) -> Option<usize> {
        let n = candidates.len();
        let draws = n.min(3);
        // In the order of the draws, and in the order of the list.
        let (mut drawn, mut sorted) = ([0; 3], [0; 3]);
        for taken in 0..draws {
            // A draw among the places that are left, moved up past each place that is taken before it.
            let mut place = request.random.usize(..n - taken);
            for other in &sorted[..taken] {
                place += usize::from(place >= *other);
            }
            (drawn[taken], sorted[taken]) = (place, place);
            sorted[..=taken].sort_unstable();
            request.draws(&candidates[place]);
        }
        let load = |index: &&usize| candidates[**index].load();
        drawn[..draws].iter().min_by(|one, other| load(one).total_cmp(&load(other))).copied()
    }

    fn score(&self, backend: &Backend, _: Moment) -> Option<f64> {
        Some(backend.load())
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;
    use crate::policy::Notes;
    use crate::policy::contract::backends;

    #[test]
    fn the_three_are_different_and_all_triples_come_equally_often() {
        let field = backends(&[1; 5]);
        let (mut random, mut triples) = (Rng::with_seed(3), std::collections::BTreeMap::<_, u32>::new());
        for _ in 0..10_000 {
            let mut notes = Notes::default();
            let mut request =
                Request { key: None, now: Moment::START, random: &mut random, notes: Some(&mut notes) };
            BestOfThree.pick(&field, &mut request).unwrap();
            notes.drawn.sort_unstable();
            notes.drawn.dedup();
            *triples.entry(notes.drawn).or_default() += 1;
        }
        // Ten triples, 1000 each with a standard deviation of 30.
        assert_eq!(triples.len(), 10);
        assert!(triples.iter().all(|(drawn, n)| drawn.len() == 3 && n.abs_diff(1000) < 150), "{triples:?}");
    }
}
