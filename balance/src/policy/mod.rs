//! Whose turn is it? One trait, one file a policy.
//!
//! | policy | it looks at | cost of a pick among *n* | when it is right |
//! |---|---|---|---|
//! | [`RoundRobin`] | whose turn it is | O(1) | equal backends, equal requests |
//! | [`WeightedRoundRobin`] | turns and weights | O(n) | unequal backends, equal requests |
//! | [`Random`] | nothing | O(1) | many balancers that know nothing of each other |
//! | [`WeightedRandom`] | weights | O(log n) | the same, with unequal backends |
//! | [`LeastConnections`] | requests in flight | O(log n) | requests of unequal length |
//! | [`TwoChoices`] | requests in flight of two | O(1) | the same, with many balancers or stale counts |
//! | [`PeakEwma`] | latencies and requests in flight of two | O(1) | backends that slow down now and then |
//! | [`LeastTime`] | latencies and requests in flight | O(n) | few backends of different speed |
//! | [`Ring`] | a key | O(1) | caches, when backends come and go |
//! | [`BoundedRing`] | a key, and requests in flight | O(1) | caches, when some keys are hot |
//! | [`Maglev`] | a key | O(1) | caches, when the shares must be even |
//! | [`Rendezvous`] | a key | O(n) | caches, few backends, exact weights |

use crate::Moment;
use std::fmt::Debug;
use std::sync::Arc;

use fastrand::Rng;

use super::backend::Backend;

mod bounded_ring;
#[cfg(test)]
pub(crate) mod contract;
mod kind;
mod least_connections;
mod least_time;
mod maglev;
mod peak_ewma;
mod random;
mod rendezvous;
mod ring;
mod round_robin;
mod two_choices;
mod weighted_random;
mod weighted_round_robin;

pub use bounded_ring::BoundedRing;
pub use kind::Kind;
pub use least_connections::LeastConnections;
pub use least_time::LeastTime;
pub use maglev::Maglev;
pub use peak_ewma::PeakEwma;
pub use random::Random;
pub use rendezvous::Rendezvous;
pub use ring::Ring;
pub use round_robin::RoundRobin;
pub use two_choices::TwoChoices;
pub use weighted_random::WeightedRandom;
pub use weighted_round_robin::WeightedRoundRobin;

/// Picks one of the candidates.
///
/// Candidates are already eligible for this attempt: alive, of a weight above 0, and not tried by this request before.
/// They are in the order of their numbers. Facts about load and latency live on the [`Backend`], not in the policy, so
/// that another policy finds them when it takes over; a policy keeps at most a turn or a table.
pub trait Policy: Debug + Send + Sync {
    /// Index of the chosen candidate, or `None` if and only if there are none.
    fn pick(&self, candidates: &[Arc<Backend>], request: &mut Request<'_>) -> Option<usize>;

    /// The members of the pool, their weights, or the candidates among them have changed. It is called before the first
    /// pick, and away from the request path: tables are made here. A pick may still come with the candidates of before,
    /// and picks for a second attempt always come with some of the candidates missing.
    fn arrange(&self, _members: &[Arc<Backend>], _candidates: &[Arc<Backend>]) {}

    /// What it compares candidates by, the lower the better; `None` if it does not compare.
    fn score(&self, _backend: &Backend, _now: Moment) -> Option<f64> {
        None
    }
}

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
    /// Its key, or one drawn by lot.
    fn key(&mut self) -> u64 {
        self.key.unwrap_or_else(|| self.random.u64(..))
    }

    /// Notes a backend that was drawn.
    fn draws(&mut self, backend: &Backend) {
        if let Some(notes) = &mut self.notes {
            notes.drawn.push(backend.number);
        }
    }

    /// Notes a backend that was passed over.
    pub(super) fn passes(&mut self, backend: &Backend, why: &'static str) {
        if let Some(notes) = &mut self.notes {
            notes.passed.push((backend.number, why));
        }
    }

    /// Notes why it was not the policy that chose.
    pub(super) fn because(&mut self, why: &'static str) {
        if let Some(notes) = &mut self.notes {
            notes.because = Some(why);
        }
    }

    /// Two different candidates, every pair with the same chance; twice the same if there is but one.
    ///
    /// The second is drawn among the others, and moved up by one if it would meet the first. To take the neighbour
    /// instead is a known mistake: neighbours then meet more often than others.
    fn two_of<'c>(&mut self, candidates: &'c [Arc<Backend>]) -> Option<[(usize, &'c Backend); 2]> {
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

/// The index of the candidate with this number.
fn position(candidates: &[Arc<Backend>], number: usize) -> Option<usize> {
    place(candidates, number, |backend| backend.number)
}

/// The index of the backend with this number in a list that is sorted by number.
pub(super) fn place<T>(list: &[T], number: usize, number_of: impl Fn(&T) -> usize) -> Option<usize> {
    // In a list without gaps, the index follows from the number.
    match list.get(number.wrapping_sub(1)) {
        Some(backend) if number_of(backend) == number => Some(number - 1),
        _ => list.binary_search_by_key(&number, number_of).ok(),
    }
}

/// Index of the candidate with the lowest score; of the first of them, if several have it.
fn lowest(candidates: &[Arc<Backend>], score: impl Fn(&Backend) -> f64) -> Option<usize> {
    let scored = candidates.iter().map(|backend| score(backend)).enumerate();
    scored.min_by(|one, other| one.1.total_cmp(&other.1)).map(|(index, _)| index)
}

/// A number for two numbers, as good as drawn by lot: the finalizer of splitmix64 (Steele, Lea and Flood 2014) over both.
fn mix(one: u64, other: u64) -> u64 {
    let mut z = one ^ other.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
