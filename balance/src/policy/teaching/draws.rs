//! Two choices with a mistake in the second draw, or in the comparison. The mistakes are from real balancers.

use std::sync::Arc;

use fastrand::Rng;

use crate::Moment;
use crate::backend::Backend;
use crate::policy::about::Policy;
use crate::policy::request::Request;

/// Draws two candidates, and keeps one of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draws {
    /// The second draw, after the first one, among so many candidates (at least one).
    second: fn(usize, usize, &mut Rng) -> usize,
    /// Whether the second one is kept: the first and the second.
    keeps_second: fn(&Backend, &Backend) -> bool,
}

impl Draws {
    /// May draw one candidate twice.
    pub(super) const ONE_TWICE: Self =
        Self { second: |_, n, random| random.usize(..n), keeps_second: second_is_lesser };

    /// Takes the neighbour when it has drawn one candidate twice: neighbours meet more often than others.
    pub(super) const NEIGHBOUR: Self = Self {
        second: |first, n, random| match random.usize(..n) {
            drawn if drawn == first => (first + 1) % n,
            drawn => drawn,
        },
        keeps_second: second_is_lesser,
    };

    /// Keeps the candidate that it has drawn last, whatever its load.
    pub(super) const LAST: Self = Self {
        second: |first, n, random| match n {
            1 => 0,
            _ => (first + 1 + random.usize(..n - 1)) % n,
        },
        keeps_second: |_, _| true,
    };
}

fn second_is_lesser(first: &Backend, second: &Backend) -> bool {
    second.load() < first.load()
}

impl Policy for Draws {
    fn pick(&self, candidates: &[Arc<Backend>], request: &mut Request<'_>) -> Option<usize> {
        let n = candidates.len();
        let first = (n > 0).then(|| request.random.usize(..n))?;
        let second = (self.second)(first, n, request.random);
        [first, second].iter().for_each(|index| request.draws(&candidates[*index]));
        Some(if (self.keeps_second)(&candidates[first], &candidates[second]) { second } else { first })
    }

    fn score(&self, backend: &Backend, _: Moment) -> Option<f64> {
        Some(backend.load())
    }
}
