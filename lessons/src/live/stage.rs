//! Starts what a plan describes, breaks it as planned, and measures.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use api::Event;
use lab::commands::CommandRunner;
use lab::load::Tunnels;
use lab::stream::{LabStream, Sources, StreamReader, Traffic};
use lab::topology::Lab;
use tokio::time::sleep;

use super::figures::{LiveRun, Told};
use super::plan::{End, Plan};
use super::script::{Action, Step};

/// A lab that runs a plan.
#[derive(Debug)]
pub struct Stage<'a> {
    plan: &'a Plan,
    lab: Lab,
    traffic: Arc<Traffic>,
    tunnels: Tunnels,
    stream: Arc<LabStream>,
    commands: Arc<CommandRunner>,
}

impl<'a> Stage<'a> {
    /// Starts the processes, and then the load.
    ///
    /// # Errors
    /// If a process does not start, or refuses what the plan says; with its words.
    pub async fn start(plan: &'a Plan, seed: u64) -> Result<Self> {
        let lab = Lab::processes()
            .backends(plan.capacities.len())
            .settings(&plan.settings)
            .lb_arg(format!("--seed={seed}"))
            .backend_arg(format!("--seed={seed}"))
            .start()
            .await?;
        for (backend, capacity) in lab.backends().iter().zip(&plan.capacities) {
            backend.set_capacity(capacity.clone()).await?;
        }
        for (backend, fault) in &plan.faults {
            lab.backend(*backend).add_fault(fault.clone()).await?;
        }
        for (number, weight) in (1..).zip(&plan.weights) {
            if *weight != 1 {
                lab.balancer().set_weight(number, *weight).await?;
            }
        }
        for (number, mode) in (1..).zip(&plan.modes) {
            if let Some(mode) = mode {
                lab.balancer().set_mode(number, mode).await?;
            }
        }
        let tunnels = Tunnels::open(lab.balancer().address(), plan.tunnels).await?;
        let quiet = Sources::of(&lab)?;
        let (load, shape) = plan.load(lab.balancer().address(), seed);
        let traffic = Arc::new(Traffic::start(load, shape)?);
        let sources = Sources { traffic: Some(traffic.clone()), seed: Some(seed), ..quiet };
        let stream = Arc::new(LabStream::start(sources.clone()).await?);
        let commands = Arc::new(CommandRunner::new(stream.clone(), &sources, None).await?);
        Ok(Self { plan, lab, traffic, tunnels, stream, commands })
    }

    /// The events of the lab.
    pub fn stream(&self) -> &Arc<LabStream> {
        &self.stream
    }

    /// Does commands to the lab.
    pub fn commands(&self) -> &Arc<CommandRunner> {
        &self.commands
    }

    /// Runs to the end of the plan, and ends the lab.
    ///
    /// # Errors
    /// If a backend refuses a fault, or a process does not answer; with the words of all processes.
    pub async fn play(self) -> Result<LiveRun> {
        let mut changes = Vec::new();
        let played = tokio::select! {
            played = self.act() => played,
            () = follow(self.stream.read(), &self.traffic, &mut changes) => Ok(()),
        };
        played.with_context(|| self.lab.logs())?;
        let report = self.traffic.end().await?;
        let backends = 1..=u32::try_from(self.plan.capacities.len())?;
        let tunnels = backends.map(|number| self.tunnels.at(number) as u64).collect();
        let told = Told::by(&self.lab.balancer().state().await?, changes, tunnels);
        let time = match self.plan.end {
            End::Time(time) => Some(time),
            End::Requests(_) => None,
        };
        let run = LiveRun::new(&report, time, told);
        drop((self.commands, self.stream));
        self.lab.stop();
        Ok(run)
    }

    /// Does the steps at their times, and waits for the end.
    async fn act(&self) -> Result<()> {
        for (at, step) in &self.plan.script {
            self.until(*at).await;
            self.step(step).await?;
        }
        match self.plan.end {
            End::Time(time) => self.until(time).await,
            End::Requests(_) => self.traffic.finished().await,
        }
        Ok(())
    }

    /// Waits until this time of the load.
    async fn until(&self, at: Duration) {
        sleep(at.saturating_sub(self.traffic.elapsed())).await;
    }

    async fn step(&self, step: &Step) -> Result<()> {
        let number = step.backend;
        let backend = self.lab.backend(number);
        match &step.action {
            Action::Kill => backend.kill().await,
            Action::Start => backend.start().await,
            Action::Stop => backend.stall().await,
            Action::Continue => backend.resume().await,
            Action::Terminate => backend.terminate().await,
            Action::Fault(fault) => backend.add_fault(fault.clone()).await.map(drop),
            Action::Mode(mode) => self.lab.balancer().set_mode(number, mode).await,
        }
    }
}

/// Notes the changes of states, at the time of the load, until the stream ends.
async fn follow(mut reader: StreamReader, traffic: &Traffic, changes: &mut Vec<(Duration, usize)>) {
    while let Some((_, event)) = reader.next().await {
        if let Event::State(change) = &*event
            && change.from != change.to
        {
            changes.push((traffic.elapsed(), change.backend));
        }
    }
}
