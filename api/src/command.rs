//! The answers to commands.

use serde::{Deserialize, Serialize};

use crate::Word;

/// `GET /policy` and `PUT /policy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyInForce {
    /// The name of the policy.
    pub policy: Word,
    /// The names of all policies.
    pub known: Vec<Word>,
}

/// `GET /log` and `PUT /log`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLevel {
    /// The level from which lines are written.
    pub level: Word,
    /// The names of all levels.
    pub known: Vec<Word>,
}

/// `POST /reload`: the differences between the configuration before and the configuration from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// The settings that changed, such as `health.ping_interval`.
    pub changed: Vec<Word>,
    /// Settings that differ but can change only with a restart.
    pub after_restart: Vec<Word>,
    /// The changes of backends, in words.
    pub backends: String,
    /// The warnings of the configuration.
    pub warnings: Vec<String>,
}

/// `POST /statistics/reset`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatisticsReset {
    /// For how many milliseconds the balancer has counted since the reset.
    pub counting_ms: u64,
}
