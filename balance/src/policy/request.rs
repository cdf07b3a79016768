//! The request that a backend is picked for, as far as a policy may know it.

use std::sync::Arc;

use fastrand::Rng;

use crate::Moment;
use crate::backend::Backend;

/// What a policy may know of a request.
#[derive(Debug)]
pub struct Request<'a> {
    /// What it shares with the requests that belong to the same backend; `None` if it has nothing of the kind.
    pub key: Option<u64>,
    /// When it is to be sent.
    pub now: Moment,
    /// Where draws come from.
    pub random: &'a mut Rng,
    /// Where it is noted how the pick came about, if anybody wants to know.
    pub notes: Option<&'a mut Notes>,
}

/// How a pick came about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notes {
    /// The numbers of the backends that were drawn or looked at.
    pub drawn: Vec<usize>,
    /// Those that were passed over at last, and why.
    pub passed: Vec<(usize, &'static str)>,
    /// Why the chosen one, if not by the policy.
    pub because: Option<&'static str>,
}

impl Request<'_> {
    /// Its key, or one drawn at random.
    pub(super) fn key(&mut self) -> u64 {
        self.key.unwrap_or_else(|| self.random.u64(..))
    }

    /// Notes a backend that was drawn.
    pub(super) fn draws(&mut self, backend: &Backend) {
        if let Some(notes) = &mut self.notes {
            notes.drawn.push(backend.number);
        }
    }

    /// Notes a backend that was passed over.
    pub(crate) fn passes(&mut self, backend: &Backend, why: &'static str) {
        if let Some(notes) = &mut self.notes {
            notes.passed.push((backend.number, why));
        }
    }

    /// Notes why it was not the policy that chose.
    pub(crate) fn because(&mut self, why: &'static str) {
        if let Some(notes) = &mut self.notes {
            notes.because = Some(why);
        }
    }

    /// Two different candidates, every pair with the same chance; twice the same if there is but one.
    ///
    /// The second is drawn among the others, and moved up by one if it would meet the first. To take the neighbour
    /// instead is a known mistake: neighbours then meet more often than others.
    pub(super) fn two_of<'c>(&mut self, candidates: &'c [Arc<Backend>]) -> Option<[(usize, &'c Backend); 2]> {
        let n = candidates.len();
        let one = match n {
            0 => return None,
            1 => 0,
            _ => self.random.usize(..n),
        };
        let other = match n {
            1 => 0,
            _ => self.random.usize(..n - 1),
        };
        let other = if n > 1 && other >= one { other + 1 } else { other };
        let both = [one, other].map(|index| (index, &*candidates[index]));
        both.iter().for_each(|(_, backend)| self.draws(backend));
        Some(both)
    }
}

impl Notes {
    /// The numbers of the backends that were drawn or looked at, as words.
    pub(super) fn drawn(&self) -> String {
        self.drawn.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
    }
}
