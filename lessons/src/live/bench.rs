//! A balancer that somebody else runs, in front of the backends of the lab.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::eventually;
use lab::stream::Traffic;
use lab::topology::{Balancer, Lab};

use super::act::{act, prepare};
use super::figures::{LiveRun, Told};
use super::plan::Plan;

/// The time limit until a balancer uses all of its backends again.
const READY_TIME: Duration = Duration::from_secs(15);

/// Backends on the ports 3031 and up, and a balancer that the lab did not start.
#[derive(Debug)]
pub struct Bench {
    lab: Lab,
}

impl Bench {
    /// Starts this number of backends.
    ///
    /// # Errors
    /// If a port is taken (names the process that holds it), or if the balancer answers nothing.
    pub async fn start(balancer: SocketAddr, backends: usize) -> Result<Self> {
        let lab = Lab::processes().fixed_ports().backends(backends).balancer(Balancer::Running(balancer));
        Ok(Self { lab: lab.start().await? })
    }

    /// Runs a plan to its end. What the balancer does not tell is missing in the figures.
    ///
    /// # Errors
    /// If a backend refuses a fault, or if the balancer does not use all backends before the run.
    pub async fn play(&self, plan: &Plan, seed: u64) -> Result<LiveRun> {
        for backend in self.lab.backends() {
            backend.heal().await?;
        }
        self.all_answer().await?;
        prepare(&self.lab, plan).await?;
        let (load, shape) = plan.load(self.lab.balancer().address(), seed);
        let traffic = Arc::new(Traffic::start(load, shape)?);
        act(&self.lab, plan, &traffic).await.with_context(|| self.lab.logs())?;
        let report = traffic.end().await?;
        let told = Told::by_answers(&report, plan.backends());
        Ok(LiveRun::new(&report, plan.end.time(), told))
    }

    /// Waits until each backend has answered through the balancer.
    async fn all_answer(&self) -> Result<()> {
        let (mut seen, all) = (BTreeSet::new(), self.lab.backends().len());
        eventually(READY_TIME, "the balancer to use all backends", async || {
            let answer = self.lab.balancer().get("/").await?.ok()?;
            let backend = answer.header("x-backend").context("an answer has no header X-Backend")?;
            seen.insert(backend.to_owned());
            ensure!(seen.len() == all, "only {} of {all} have answered", seen.len());
            Ok(())
        })
        .await
    }
}
