//! The page of the demo.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Error, Result};
use console::Reporter;
use console::terminal::say;
use console::web::{PORT, PageServer, Site};
use lab::commands::CommandRunner;
use lab::stream::LabStream;

/// The page of the demo, or the reason why there is none.
pub(super) enum Page {
    Open(PageServer),
    /// The user does not want it.
    Unwanted,
    /// Another program uses its port.
    Taken,
}

impl Page {
    /// Serves the page of a lab on port 4000, if it is wanted and the port is free.
    pub(super) async fn open(
        is_wanted: bool,
        stream: &Arc<LabStream>,
        runner: &Arc<CommandRunner>,
        reporter: &Arc<Reporter>,
    ) -> Result<Self> {
        if !is_wanted {
            return Ok(Self::Unwanted);
        }
        let bind = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
        let reporter = reporter.clone();
        let site = Site::new(stream.clone(), runner.clone()).report(move || reporter.write());
        match PageServer::start(bind, site).await {
            Ok(server) => Ok(Self::Open(server)),
            Err(error) if is_taken(&error) => Ok(Self::Taken),
            Err(error) => Err(error),
        }
    }

    /// What to tell the user.
    pub(super) fn line(&self) -> String {
        match self {
            Self::Open(server) => format!("the page is at {}", server.url()),
            Self::Unwanted => "there is no page (--no-page)".to_owned(),
            Self::Taken => format!(
                "there is no page: another program uses port {PORT}; end it and start the demo again, or use --no-page"
            ),
        }
    }

    /// Waits until the last viewer has left.
    pub(super) async fn hold(&self) -> Result<()> {
        let Self::Open(server) = self else { return Ok(()) };
        if server.viewers() > 0 {
            say(&format!(
                "the lab runs for the viewers of {} until the last one has left; Ctrl-C ends it",
                server.url()
            ))?;
            server.no_viewers().await;
        }
        Ok(())
    }
}

fn is_taken(error: &Error) -> bool {
    let io = error.root_cause().downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == ErrorKind::AddrInUse)
}
