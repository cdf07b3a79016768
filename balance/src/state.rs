//! The states of a backend, and the progress from one to another.

use std::borrow::Cow;

use serde::Serialize;

/// The reason for a conclusion, in words for people.
pub type Cause = Cow<'static, str>;

/// The state of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The backend gets its share of the requests.
    Up,
    /// The backend failed. It gets no requests until it answers its pings again.
    Down,
    /// The backend accepts connections and sends nothing. It gets no requests until it sends anything.
    Suspect,
    /// The backend answers, but with errors. It gets no requests for a limited time.
    Ejected,
}

impl State {
    /// The name in logs and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Suspect => "suspect",
            Self::Ejected => "ejected",
        }
    }
}

/// The amount of evidence for a change of state. Names and defaults are those of HAProxy: `rise` 2, `fall` 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// Answered pings in a row that bring a backend up; at least 1.
    pub rise: u32,
    /// Failures in a row that take a backend down; at least 1.
    pub fall: u32,
}

/// The progress of a backend towards another state, such as "2 of 3 failures".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// The other state.
    pub towards: State,
    /// Observations in a row so far.
    pub count: u32,
    /// Observations in a row that the change needs.
    pub of: u32,
}

/// A change of state, for the log and for the state page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The state before.
    pub from: State,
    /// The state after the change.
    pub to: State,
    /// The reason.
    pub cause: Cause,
}
