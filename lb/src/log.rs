//! How much is written on standard error, and how: the level can change while the balancer runs.

use std::sync::Mutex;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt as lines, reload};

use crate::config::LogFormat;
use crate::words::words;

/// The least important lines that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// What somebody has to look after.
    Error,
    /// What somebody should know of.
    Warn,
    /// What changes, and the access log.
    #[default]
    Info,
    /// Every ping as well.
    Debug,
    /// Everything there is.
    Trace,
}

words!(Level, "no level", {
    Error => "error",
    Warn => "warn",
    Info => "info",
    Debug => "debug",
    Trace => "trace",
});

impl Level {
    fn filter(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }
}

/// The log of this process.
#[derive(Debug)]
pub struct Log {
    level: Mutex<Level>,
    filter: reload::Handle<LevelFilter, Registry>,
}

impl Log {
    /// From now on lines of this level and above are written to standard error. To be called once in a process.
    pub fn begin(format: LogFormat, level: Level) -> Self {
        let (filter, handle) = reload::Layer::new(level.filter());
        let log = tracing_subscriber::registry().with(filter);
        let lines = lines::layer().with_writer(std::io::stderr);
        match format {
            LogFormat::Text => {
                let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
                log.with(lines.with_target(false).with_ansi(colours)).init();
            }
            LogFormat::Json => log.with(lines.json().flatten_event(true)).init(),
        }
        Self { level: Mutex::new(level), filter: handle }
    }

    /// The level in force.
    pub fn level(&self) -> Level {
        *self.level.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// From now on this is the level.
    pub fn set_level(&self, level: Level) {
        *self.level.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = level;
        // It fails only when the log is gone, and then there is nothing to filter.
        let _ = self.filter.reload(level.filter());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_levels_and_back() {
        assert!(Level::ALL.iter().all(|level| level.name().parse() == Ok(*level)));
        let error = "verbose".parse::<Level>().unwrap_err();
        assert_eq!(error, "'verbose' is no level; write one of error, warn, info, debug, trace");
    }
}
