//! The error of a command.

use std::fmt;

/// The error of a command that was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandError {
    /// Whether the command is the reason: this lab cannot do it, but it can do another command. If false, a
    /// part of the lab failed, and the same command can succeed later.
    pub is_mistake: bool,
    /// The reason, and the remedy.
    pub error: String,
}

impl CommandError {
    /// The error of a command that this lab cannot do.
    pub fn impossible(error: impl Into<String>) -> Self {
        Self { is_mistake: true, error: error.into() }
    }

    /// The error of a command during which a part of the lab failed.
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
