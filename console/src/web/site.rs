//! What a server of the page shows, and what does its commands.

use std::fmt;
use std::sync::Arc;

use api::Command;
use futures_util::future::BoxFuture;
use lab::commands::{CommandError, Operator};
use lab::stream::LabStream;

/// The origin of the commands of the page, as the stream tells it.
const BY: &str = "console";

/// Does a command.
type Obey = dyn Fn(Command) -> BoxFuture<'static, Result<String, CommandError>> + Send + Sync;

/// Writes a report.
type Report = dyn Fn() -> String + Send + Sync;

/// What a server of the page shows, and what does its commands.
#[derive(Clone)]
pub struct Site {
    pub(super) stream: Arc<LabStream>,
    pub(super) obey: Arc<Obey>,
    pub(super) report: Option<Arc<Report>>,
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site").finish_non_exhaustive()
    }
}

impl Site {
    /// A site for a lab.
    pub fn new(stream: Arc<LabStream>, operator: Arc<Operator>) -> Self {
        Self::with(stream, move |command| {
            let operator = operator.clone();
            Box::pin(async move { operator.obey(&command, BY).await })
        })
    }

    /// A site whose commands something else does.
    pub fn with(
        stream: Arc<LabStream>,
        obey: impl Fn(Command) -> BoxFuture<'static, Result<String, CommandError>> + Send + Sync + 'static,
    ) -> Self {
        Self { stream, obey: Arc::new(obey), report: None }
    }

    /// Lets the site offer a report, one HTML document.
    #[must_use]
    pub fn report(mut self, write: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.report = Some(Arc::new(write));
        self
    }
}
