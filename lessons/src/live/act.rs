//! Does what a plan says to the backends of a lab.

use std::time::Duration;

use anyhow::Result;
use lab::stream::Traffic;
use lab::topology::Lab;
use tokio::time::sleep;

use super::plan::{End, Plan};
use super::script::{Action, Step};

/// Gives the backends the capacity and the faults that they have before the first request.
pub(super) async fn prepare(lab: &Lab, plan: &Plan) -> Result<()> {
    for (backend, capacity) in lab.backends().iter().zip(&plan.capacities) {
        backend.set_capacity(capacity.clone()).await?;
    }
    for (backend, fault) in &plan.faults {
        lab.backend(*backend).add_fault(fault.clone()).await?;
    }
    Ok(())
}

/// Does the steps at the times of the load, and waits for the end.
pub(super) async fn act(lab: &Lab, plan: &Plan, traffic: &Traffic) -> Result<()> {
    for (at, action) in &plan.script {
        until(traffic, *at).await;
        step(lab, action).await?;
    }
    match plan.end {
        End::Time(time) => until(traffic, time).await,
        End::Requests(_) => traffic.finished().await,
    }
    Ok(())
}

/// Waits until this time of the load.
async fn until(traffic: &Traffic, at: Duration) {
    sleep(at.saturating_sub(traffic.elapsed())).await;
}

async fn step(lab: &Lab, step: &Step) -> Result<()> {
    let backend = lab.backend(step.backend);
    match &step.action {
        Action::Kill => backend.kill().await,
        Action::Start => backend.start().await,
        Action::Stop => backend.stall().await,
        Action::Continue => backend.resume().await,
        Action::Terminate => backend.terminate().await,
        Action::Fault(fault) => backend.add_fault(fault.clone()).await.map(drop),
        Action::Mode(mode) => lab.balancer().set_mode(step.backend, mode).await,
    }
}
