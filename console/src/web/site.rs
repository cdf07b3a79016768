//! The lab that a server of the page shows, and how the server runs commands and writes the report.

use std::fmt;
use std::sync::Arc;

use api::Command;
use futures_util::future::BoxFuture;
use lab::commands::{CommandError, CommandRunner};
use lab::stream::LabStream;

/// The origin of the commands of the page. The stream shows it.
const BY: &str = "console";

/// Runs a command.
type RunCommand = dyn Fn(Command) -> BoxFuture<'static, Result<String, CommandError>> + Send + Sync;

/// Writes a report.
type Report = dyn Fn() -> String + Send + Sync;

/// The lab that a server of the page shows, and how the server runs commands and writes the report.
#[derive(Clone)]
pub struct Site {
    pub(super) stream: Arc<LabStream>,
    pub(super) run_command: Arc<RunCommand>,
    pub(super) report: Option<Arc<Report>>,
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site").finish_non_exhaustive()
    }
}

impl Site {
    /// A site of a lab. The runner runs its commands.
    pub fn new(stream: Arc<LabStream>, runner: Arc<CommandRunner>) -> Self {
        Self::with(stream, move |command| {
            let runner = runner.clone();
            Box::pin(async move { runner.run(&command, BY).await })
        })
    }

    /// A site of a lab whose commands this function runs.
    pub fn with(
        stream: Arc<LabStream>,
        run_command: impl Fn(Command) -> BoxFuture<'static, Result<String, CommandError>> + Send + Sync + 'static,
    ) -> Self {
        Self { stream, run_command: Arc::new(run_command), report: None }
    }

    /// The same site with a report. `write` returns it as one HTML document.
    #[must_use]
    pub fn report(mut self, write: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.report = Some(Arc::new(write));
        self
    }
}
