//! What a policy is: how it picks, and what people read about it.

use std::fmt::Debug;
use std::sync::Arc;

use crate::Moment;
use crate::backend::Backend;

use super::request::{Notes, Request};

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

/// What people read about a policy, and what the pool must know of it.
#[derive(Debug)]
pub struct About {
    /// The name that people write.
    pub name: &'static str,
    /// What it picks.
    pub picks: &'static str,
    /// The data that it looks at.
    pub looks_at: &'static str,
    /// What a pick costs among `n` backends.
    pub cost: &'static str,
    /// Whether it picks by turns, so that a retry must not take a turn from a first attempt.
    pub keeps_turns: bool,
    /// Whether weights make a difference to it.
    pub uses_weights: bool,
    /// Whether it picks by a key of the request, such as its client's address.
    pub uses_key: bool,
    /// Why it picked as it did.
    pub because: fn(&Notes) -> String,
}

/// What an operator can set about policies.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How far above its fair share a backend may be, in percent; more than 100.
    pub load_factor: u32,
}
