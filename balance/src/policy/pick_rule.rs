//! The kinds of rules that choose a backend, as words for programs.

use serde::Serialize;
use strum::IntoStaticStr;

/// The kind of rule that chose a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum PickRule {
    /// The policy picks by turns.
    Turn,
    /// The policy draws one backend.
    Draw,
    /// The policy draws two backends, and the better score decides.
    BetterOfTwo,
    /// The policy compares the scores of all candidates.
    LowestScore,
    /// The key of the request names the backend.
    Key,
    /// The cookie of the request names the backend.
    Cookie,
    /// No candidate is left, and this backend may be back.
    LastResort,
    /// No backend could be picked.
    NoBackend,
}
