//! A running lab.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api::State;

use super::backend::Backend;
use super::compose::Containers;
use super::handle::BalancerHandle;
use crate::eventually;
use crate::load::Executed;

/// A running lab: one balancer and its backends. It ends when it is dropped.
#[derive(Debug)]
pub struct Lab {
    pub(super) balancer: BalancerHandle,
    pub(super) backends: Vec<Backend>,
    pub(super) containers: Option<Containers>,
}

impl Lab {
    /// The balancer.
    pub fn balancer(&self) -> &BalancerHandle {
        &self.balancer
    }

    /// The token that changes at the admin port need; `None` if they need none.
    pub fn admin_token(&self) -> Option<&str> {
        self.containers.as_ref().map(Containers::token)
    }

    /// Makes the balancer drain and end (SIGTERM), and starts another one, which takes over the same socket:
    /// for clients it is one balancer. Its admin port may be different afterwards.
    ///
    /// # Errors
    /// If the lab was not described with [`super::Setup::held_port`], or if the balancer has not ended well
    /// in this time.
    pub async fn restart_balancer(&mut self, within: Duration) -> Result<()> {
        self.balancer.restart(within).await
    }

    /// Writes other settings (TOML) into the balancer's configuration file, with these backends (numbers).
    /// The balancer notices by itself, or at once with [`BalancerHandle::reload`].
    ///
    /// # Errors
    /// If the lab was not described with [`super::Setup::settings`], or if the file cannot be written.
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
    /// If the time is up: has the last error of `check` and the programs' logs. At once if the balancer does
    /// not report its state.
    pub async fn until<T>(
        &self,
        within: Duration,
        what: &str,
        mut check: impl FnMut(&State) -> Result<T>,
    ) -> Result<T> {
        self.balancer.can("report its state", self.balancer.capabilities().state)?;
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
