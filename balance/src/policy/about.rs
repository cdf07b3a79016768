//! What a policy is: how it picks, and its description for users.

use std::fmt::Debug;
use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::Moment;
use crate::backend::Backend;

use super::pick_rule::PickRule;
use super::request::{Notes, Request};

/// Picks one of the candidates.
///
/// Candidates are already eligible for this attempt: alive, with a weight above 0, and not tried by this
/// request before. They are sorted by number. Values of load and latency belong to the [`Backend`], not to
/// the policy, so that the next policy finds them. A policy keeps at most a turn or a table.
pub trait Policy: Debug + Send + Sync {
    /// Index of the chosen candidate, or `None` if and only if there are no candidates.
    fn pick(&self, candidates: &[Arc<Backend>], request: &mut Request<'_>) -> Option<usize>;

    /// The members of the pool, their weights, or the candidates among them have changed. The pool calls this
    /// before the first pick, and away from the request path: policies make their tables here. A pick may
    /// still come with the previous candidates, and picks for a second attempt always come without some of
    /// the candidates.
    fn rebuild(&self, _members: &[Arc<Backend>], _candidates: &[Arc<Backend>]) {}

    /// The value by which the policy compares candidates (lower is better); `None` if it does not compare.
    fn score(&self, _backend: &Backend, _now: Moment) -> Option<f64> {
        None
    }
}

/// The description of a policy for users, and its properties for the pool.
#[derive(Debug)]
pub struct About {
    /// The name in settings.
    pub name: &'static str,
    /// The backend that it picks.
    pub picks: &'static str,
    /// The data that it uses.
    pub looks_at: &'static str,
    /// The cost of a pick among `n` backends.
    pub cost: &'static str,
    /// Whether it picks by turns, so that a retry must not take a turn from a first attempt.
    pub keeps_turns: bool,
    /// Whether the policy uses weights.
    pub uses_weights: bool,
    /// Whether it picks by a key of the request, such as its client's address.
    pub uses_key: bool,
    /// The reason for a pick, in words.
    pub because: fn(&Notes) -> String,
}

impl About {
    /// The kind of rule that chose a backend, after a pick with these notes.
    pub(crate) fn rule(&self, notes: &Notes) -> PickRule {
        match notes.drawn.len() {
            _ if self.uses_key => PickRule::Key,
            _ if self.keeps_turns => PickRule::Turn,
            1 => PickRule::Draw,
            2 => PickRule::BetterOfTwo,
            _ => PickRule::LowestScore,
        }
    }
}

/// The settings of policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// For `bounded-ring`: the largest load of a backend, in percent of its fair share; more than 100.
    pub load_factor: u32,
    /// For `score` and `affinity`: the keys that the balancer remembers for each backend, those that were
    /// sent last. It should be the number of keys that a backend has room for in its cache.
    pub remembered_keys: NonZeroUsize,
    /// For `affinity`: while the greatest and the smallest number of requests in flight at a backend differ
    /// by more than this, keys do not count.
    pub affinity_gap: u32,
}

impl Settings {
    /// The defaults of the program `lb`.
    pub const DEFAULT: Self = Self {
        load_factor: 125,
        remembered_keys: NonZeroUsize::new(1000).expect("1000 is not 0"),
        affinity_gap: 32,
    };
}
