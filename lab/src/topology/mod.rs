//! Starts a whole lab, breaks it on command, and leaves no process behind.
//!
//! ```no_run
//! # async fn story() -> anyhow::Result<()> {
//! use std::time::Duration;
//! use lab::topology::Lab;
//!
//! let lab = Lab::processes().backends(4).lb_arg("--workers=2").start().await?;
//! lab.backend(2).kill().await?;
//! lab.until_state(2, "down", Duration::from_secs(3)).await?;
//! lab.backend(2).start().await?;
//! lab.backend(3).stall().await?;
//! lab.backend(3).resume().await?;
//! lab.backend(1).faults(serde_json::json!([{"kind": "status", "params": {"code": 500}}])).await?;
//! println!("{:?}", lab.balancer().state().await?);
//! # Ok(())
//! # }
//! ```
//!
//! A lab runs as processes of this machine or, with [`Lab::compose`], in containers. In both cases, the
//! backends' control ports break the backends, so the same test works for both.

mod backend;
mod balancer;
mod compose;
mod configuration;
mod ports;
mod process;
mod start;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::eventually;
use crate::load::Executed;

pub use api::{BackendState, Connections, LatencyMicros, Progress, State, Totals};
pub use backend::Backend;
pub use balancer::Balancer;
pub use start::Setup;

/// The balancer's port in a lab with fixed ports; its admin port is 1000 higher.
pub const BALANCER_PORT: u16 = 3030;

/// The first backend's port in a lab with fixed ports, the others follow; control ports are 1000 higher.
pub const FIRST_BACKEND_PORT: u16 = 3031;

/// The difference between a data port and its control port, with fixed ports.
const CONTROL_OFFSET: u16 = 1000;

/// The addresses of one of the lab's programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Serving {
    data: SocketAddr,
    control: SocketAddr,
}

/// A running lab: one balancer and its backends. It ends when it is dropped.
#[derive(Debug)]
pub struct Lab {
    balancer: Balancer,
    backends: Vec<Backend>,
    containers: Option<compose::Containers>,
}

impl Lab {
    /// A lab of processes, by default with free ports, so that many labs can run side by side.
    pub fn processes() -> Setup {
        Setup::processes()
    }

    /// A lab in containers, as `docker-compose.yml` describes it: four backends, fixed ports.
    pub fn compose() -> Setup {
        Setup::compose()
    }

    /// The balancer.
    pub fn balancer(&self) -> &Balancer {
        &self.balancer
    }

    /// Makes the balancer drain and end (SIGTERM), and starts another one, which takes over the same socket:
    /// for clients it is one balancer. Its admin port may be different afterwards.
    ///
    /// # Errors
    /// If the lab was not described with [`Setup::held_port`], or if the balancer has not ended well in this
    /// time.
    pub async fn restart_balancer(&mut self, within: Duration) -> Result<()> {
        self.balancer.restart(within).await
    }

    /// Writes other settings (TOML) into the balancer's configuration file, with these backends (numbers).
    /// The balancer notices by itself, or at once with [`Balancer::reload`].
    ///
    /// # Errors
    /// If the lab was not described with [`Setup::settings`], or if the file cannot be written.
    ///
    /// # Panics
    /// If there is no backend with such a number.
    pub fn configure(&self, settings: &str, backends: &[usize]) -> Result<()> {
        self.balancer.configuration()?.write(settings, backends.iter().map(|number| self.backend(*number)))
    }

    /// One backend by its number; the first is 1, as in the balancer's state and in the ids of the backends.
    ///
    /// # Panics
    /// If there is no backend with that number.
    pub fn backend(&self, number: usize) -> &Backend {
        let backend = number.checked_sub(1).and_then(|index| self.backends.get(index));
        backend.unwrap_or_else(|| panic!("there is no backend {number}, only 1 to {}", self.backends.len()))
    }

    /// All backends in the order of their numbers.
    pub fn backends(&self) -> &[Backend] {
        &self.backends
    }

    /// Waits until the balancer reports that a backend is in a state (`up`, `down` or `suspect`).
    ///
    /// # Errors
    /// If the time is up: has the last state and the programs' logs.
    pub async fn until_state(&self, number: usize, state: &str, within: Duration) -> Result<()> {
        self.until(within, &format!("backend {number} to be {state}"), |seen| {
            let backend = seen.backend(number).with_context(|| format!("backend {number} is unknown"))?;
            ensure!(backend.state == state, "it is {} ({})", backend.state, backend.cause);
            Ok(())
        })
        .await
    }

    /// Waits until the balancer's state passes `check`, which returns an error with the reason why it does
    /// not. `what` completes the sentence "waited for …".
    ///
    /// # Errors
    /// If the time is up: has the last error of `check` and the programs' logs.
    pub async fn until<T>(
        &self,
        within: Duration,
        what: &str,
        mut check: impl FnMut(&State) -> Result<T>,
    ) -> Result<T> {
        let seen = eventually(within, what, async || check(&self.balancer.state().await?)).await;
        seen.map_err(|error| {
            let cause = format!("{error:#}\n{}", self.logs());
            anyhow::anyhow!(cause)
        })
    }

    /// How often each request was executed, over all backends.
    ///
    /// # Errors
    /// If a backend's control port does not answer.
    pub async fn ledger(&self) -> Result<Executed> {
        let mut all = Executed::default();
        for backend in &self.backends {
            all.merge(backend.ledger().await?);
        }
        Ok(all)
    }

    /// The last output of all programs, each line with its program's name.
    pub fn logs(&self) -> String {
        match &self.containers {
            Some(containers) => containers.logs(),
            None => [self.balancer.log()].into_iter().chain(self.backends.iter().map(Backend::log)).collect(),
        }
    }

    /// Ends the lab and returns when all of it is gone. Dropping the lab does the same.
    pub fn stop(self) {
        drop(self);
    }
}
