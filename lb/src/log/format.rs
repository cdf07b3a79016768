//! The lines that the log has: their format, and their lowest level.

use std::str::FromStr;

use balance::names;
use strum::{Display, IntoStaticStr, VariantArray};
use tracing_subscriber::filter::LevelFilter;

/// Format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Display, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
    /// The access log in the combined log format of Apache and nginx, and all other lines as text.
    Combined,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        names::parse(text, "not known")
    }
}

/// The lowest level of lines that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Display, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Level {
    /// Errors that an operator must look into.
    Error,
    /// Facts that an operator should know.
    Warn,
    /// Changes, and the access log.
    #[default]
    Info,
    /// Also every ping.
    Debug,
    /// Everything.
    Trace,
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        names::parse(text, "no level")
    }
}

impl Level {
    /// The filter that lets lines of this level pass.
    pub(super) fn filter(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_levels_and_back() {
        assert!(Level::VARIANTS.iter().all(|level| level.to_string().parse() == Ok(*level)));
        let error = "verbose".parse::<Level>().unwrap_err();
        assert_eq!(error, "'verbose' is no level; write one of error, warn, info, debug, trace");
    }
}
