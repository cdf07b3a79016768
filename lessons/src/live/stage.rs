//! Starts what a plan describes, breaks it as planned, and measures.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use api::Event;
use lab::commands::CommandRunner;
use lab::load::Tunnels;
use lab::stream::{LabStream, Sources, StreamReader, Traffic};
use lab::topology::Lab;

use super::act::{act, prepare};
use super::figures::{LiveRun, Told};
use super::plan::Plan;

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
        prepare(&lab, plan).await?;
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
            played = act(&self.lab, self.plan, &self.traffic) => played,
            () = follow(self.stream.read(), &self.traffic, &mut changes) => Ok(()),
        };
        played.with_context(|| self.lab.logs())?;
        let report = self.traffic.end().await?;
        let backends = 1..=u32::try_from(self.plan.capacities.len())?;
        let tunnels = backends.map(|number| self.tunnels.at(number) as u64).collect();
        let told = Told::by(&self.lab.balancer().state().await?, changes, tunnels);
        let run = LiveRun::new(&report, self.plan.end.time(), told);
        drop((self.commands, self.stream));
        self.lab.stop();
        Ok(run)
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
