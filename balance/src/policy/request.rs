//! The data of a request that a policy may use.

use std::sync::Arc;

use fastrand::Rng;

use crate::Moment;
use crate::backend::Backend;

use super::pick_rule::PickRule;

/// The data of a request that a policy may use.
#[derive(Debug)]
pub struct Request<'a> {
    /// The key that requests for the same backend have in common; `None` if the request has no key.
    pub key: Option<u64>,
    /// The time of the pick.
    pub now: Moment,
    /// The generator for draws.
    pub random: &'a mut Rng,
    /// The notes that explain the pick, if an explanation is wanted.
    pub notes: Option<&'a mut Notes>,
}

/// Notes that explain a pick.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notes {
    /// The numbers of the backends that were drawn or compared.
    pub drawn: Vec<usize>,
    /// The backends that were passed over in the end, with the reasons.
    pub passed: Vec<(usize, &'static str)>,
    /// The reason for the choice, if the policy did not make it.
    pub because: Option<(PickRule, &'static str)>,
}

impl Request<'_> {
    /// The key of the request, or a random one.
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

    /// Notes the reason for a choice that the policy did not make.
    pub(crate) fn because(&mut self, rule: PickRule, why: &'static str) {
        if let Some(notes) = &mut self.notes {
            notes.because = Some((rule, why));
        }
    }

    /// Two different candidates, every pair with the same probability; the same one twice if there is only
    /// one.
    ///
    /// The second is drawn among the others, and moved up by one if it would be the first. It is a known
    /// mistake to take the neighbour instead: neighbours then meet more often than others.
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
    /// The numbers of the backends that were drawn or compared, as words.
    pub(super) fn drawn(&self) -> String {
        self.drawn.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
    }
}
