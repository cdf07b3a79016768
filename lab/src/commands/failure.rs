//! Why a command was not done.

use std::fmt;

/// Why a command was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandError {
    /// Whether another command can help. Otherwise, a part of the lab did not do its work.
    pub is_mistake: bool,
    /// The reason, and the remedy.
    pub error: String,
}

impl CommandError {
    /// The lab cannot do this.
    pub fn impossible(error: impl Into<String>) -> Self {
        Self { is_mistake: true, error: error.into() }
    }

    /// A part of the lab did not do its work.
    pub fn failed(error: impl Into<String>) -> Self {
        Self { is_mistake: false, error: error.into() }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)
    }
}

impl std::error::Error for CommandError {}
