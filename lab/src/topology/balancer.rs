//! The balancer of a running lab.

use std::net::SocketAddr;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, Result};

use super::process::Process;
use super::{Serving, State};
use crate::client::{Answer, Client, Events};

/// The balancer of a running lab.
#[derive(Debug)]
pub struct Balancer {
    serving: Serving,
    process: Option<Process>,
}

impl Balancer {
    pub(super) fn new(serving: Serving, process: Option<Process>) -> Self {
        Self { serving, process }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.serving.data
    }

    /// Where it can be asked about itself.
    pub fn admin(&self) -> SocketAddr {
        self.serving.control
    }

    /// Sends one GET through the balancer, on a connection of its own.
    ///
    /// # Errors
    /// When no complete answer comes; any answer is `Ok`, whatever its status.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        Client::new(self.address()).get(path).await
    }

    /// What it says about itself and the backends.
    ///
    /// # Errors
    /// When the admin port does not answer, or not in the shape of [`State`].
    pub async fn state(&self) -> Result<State> {
        Client::new(self.admin()).get("/state").await?.ok()?.json()
    }

    /// Its events as they happen: `state` for each change of a backend's state (and one per backend at the
    /// start), `request` for a sample of the requests.
    ///
    /// # Errors
    /// When the admin port does not answer.
    pub async fn events(&self) -> Result<Events> {
        Events::open(self.admin(), "/events").await
    }

    /// The id of its process.
    ///
    /// # Errors
    /// When it runs in a container.
    pub fn pid(&self) -> Result<u32> {
        Ok(self.process()?.pid())
    }

    /// Asks it to drain and end (SIGTERM), and returns at once.
    ///
    /// # Errors
    /// When it runs in a container or has ended already.
    pub fn terminate(&self) -> Result<()> {
        self.process()?.terminate()
    }

    /// Ends it at once (SIGKILL).
    ///
    /// # Errors
    /// When it runs in a container or has ended already.
    pub fn kill(&self) -> Result<()> {
        self.process()?.kill()
    }

    /// Waits until its process has ended.
    ///
    /// # Errors
    /// When it runs in a container, or still runs after this time.
    pub async fn exited(&self, within: Duration) -> Result<ExitStatus> {
        self.process()?.exited(within).await
    }

    /// What it printed last; nothing when it runs in a container, where [`super::Lab::logs`] has it.
    pub fn log(&self) -> String {
        self.process.as_ref().map(Process::log).unwrap_or_default()
    }

    fn process(&self) -> Result<&Process> {
        self.process.as_ref().context("this balancer runs in a container: use `docker` to signal it")
    }
}
