//! The level, format and destination of the log. The level can change while the balancer runs.
//!
//! No thread that logs waits for the log. Lines go into a bounded queue (`lines.rs`), and a separate thread
//! writes them to standard error or to a file (`writer.rs`). Lines that do not fit, and lines that the file
//! does not accept, are counted.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::oneshot;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt as layer, reload};

pub(crate) mod access;
mod error;
pub mod escape;
mod format;
mod lines;
pub(crate) mod seldom;
mod writer;

use access::AccessLines;
pub use error::OpenError;
pub use format::{Level, LogFormat};
pub use lines::Lines;
use writer::Output;

/// How long the end of the process waits for the last lines.
pub const LAST_LINES: Duration = Duration::from_secs(1);

/// The log of this process.
#[derive(Debug)]
pub struct Log {
    level: Mutex<Level>,
    filter: reload::Handle<LevelFilter, Registry>,
    format: LogFormat,
    file: Option<PathBuf>,
    lines: Lines,
}

impl Log {
    /// Opens the log in this format, from this level on, in this file or on standard error. From now on,
    /// lines are written there, and so are panics. To be called once in a process.
    ///
    /// # Errors
    /// The log file cannot be opened, or the system does not start the thread that writes.
    pub fn begin(format: LogFormat, level: Level, file: Option<PathBuf>) -> Result<Self, OpenError> {
        let output = Output::open(file.as_deref())?;
        let colours = output.is_terminal();
        let lines = Lines::default();
        writer::start(lines.clone(), output)?;
        let (filter, handle) = reload::Layer::new(level.filter());
        let log = tracing_subscriber::registry().with(filter);
        let layer = layer::layer().with_writer(lines.clone());
        match format {
            LogFormat::Text | LogFormat::Combined => {
                log.with(layer.with_target(false).with_ansi(colours)).init();
            }
            LogFormat::Json => log.with(layer.json().flatten_event(true)).init(),
        }
        let last = lines.clone();
        // The default hook writes directly to standard error, and would wait there for a reader.
        std::panic::set_hook(Box::new(move |panic| {
            tracing::error!("{panic}");
            last.flush(LAST_LINES);
        }));
        Ok(Self { level: Mutex::new(level), filter: handle, format, file, lines })
    }

    /// The lines that wait to be written, and the number of dropped lines.
    pub fn lines(&self) -> &Lines {
        &self.lines
    }

    /// The destination of the access log.
    pub(crate) fn access(&self) -> AccessLines {
        AccessLines::new(self.format, self.lines.clone())
    }

    /// The log file; `None` for standard error.
    pub(crate) fn file(&self) -> Option<&PathBuf> {
        self.file.as_ref()
    }

    /// Opens the log file again, because another program has moved it. The result arrives when that is done;
    /// if the file cannot be opened, the old file stays in use.
    pub(crate) fn reopen(&self) -> oneshot::Receiver<Result<(), OpenError>> {
        self.lines.reopen()
    }

    /// The present level.
    pub fn level(&self) -> Level {
        *self.level.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Sets the level.
    pub fn set_level(&self, level: Level) {
        *self.level.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = level;
        // This fails only if the log has ended, and then there is nothing to filter.
        let _ = self.filter.reload(level.filter());
    }
}
