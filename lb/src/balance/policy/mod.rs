//! Whose turn is it? One trait, one file a policy.

use std::fmt::Debug;
use std::sync::Arc;

use super::Backend;

mod kind;
mod round_robin;

pub use kind::Kind;
pub use round_robin::RoundRobin;

/// Picks one of the candidates.
///
/// Candidates are already eligible for this attempt: alive, and not tried by this request before. Facts about
/// load live on the [`Backend`], not in the policy, so that a policy keeps at most a turn or a table.
pub trait Policy: Debug + Send + Sync {
    /// The policy's name, as people write it.
    fn name(&self) -> &'static str;

    /// Index of the chosen candidate, or `None` if there are none.
    fn pick(&self, candidates: &[Arc<Backend>]) -> Option<usize>;
}
