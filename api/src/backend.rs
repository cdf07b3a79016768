//! `GET /backends` and `GET /backends/N`: one backend in a few words.

use serde::{Deserialize, Serialize};

use crate::Word;

/// What an operator says of a backend, and how it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendSummary {
    /// Its number; the first is 1.
    pub number: usize,
    /// Its address, as in `http://localhost:3031`.
    pub url: String,
    /// `ready`, `drain` or `maintenance`.
    pub mode: Word,
    /// Its share compared to the other backends.
    #[serde(default)]
    pub weight: u32,
    /// The level it belongs to; 0 is the first.
    #[serde(default)]
    pub priority: u8,
    /// Whether it gets requests only while no other backend can take them.
    #[serde(default)]
    pub backup: bool,
    /// Requests that it may have in flight; `None` for any number.
    #[serde(default)]
    pub max_in_flight: Option<u32>,
    /// `up`, `down`, `suspect` or `ejected`.
    pub state: Word,
    /// Why it is in that state.
    #[serde(default)]
    pub cause: Word,
    /// Whether anything was seen of it since it was added or came back. Before that, its state is an
    /// assumption. A balancer that does not say so has seen it.
    #[serde(default = "yes")]
    pub proven: bool,
    /// Whether it was removed and finishes its last requests.
    #[serde(default)]
    pub leaving: bool,
    /// Requests that are there now.
    #[serde(default)]
    pub in_flight: u32,
}

const fn yes() -> bool {
    true
}

/// How far a backend is on its way to another state, such as 2 of 3 failures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The state that it is on its way to.
    pub towards: Word,
    /// Observations in a row so far.
    pub count: u32,
    /// Observations in a row that the change takes.
    pub of: u32,
}
