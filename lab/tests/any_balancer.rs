//! A lab around each balancer that is installed: all requests are answered, and each backend gets its share.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::eventually;
use lab::load::Load;
use lab::topology::peers::{NGINX, OTHER_BALANCERS};
use lab::topology::{Balancer, Lab};

/// Starts a lab with two backends around a balancer, and sends requests.
async fn serves(balancer: Balancer) -> Result<()> {
    let lab = Lab::processes().backends(2).balancer(balancer).start().await?;
    let load = Load::closed(lab.balancer().address(), 4).start()?;
    eventually(Duration::from_secs(20), "the load to get going", async || {
        ensure!(load.begun() >= 400, "it has begun {}", load.begun());
        Ok(())
    })
    .await?;
    let report = load.stop().await?;
    ensure!(report.errors().is_empty(), "{:?}", report.errors());
    ensure!(report.compare(&lab.ledger().await?).lost.is_empty(), "an answer is in no backend's ledger");
    for backend in [1, 2] {
        let share = report.summary().share(backend);
        ensure!(share > 0.4, "backend {backend} got the share {share}");
    }
    let can_report = lab.balancer().capabilities().state.is_some();
    ensure!(can_report == lab.balancer().state().await.is_ok(), "it can do other things than it says");
    ensure!(can_report == (balancer == Balancer::Own), "only our balancer reports its state");
    lab.stop();
    Ok(())
}

#[tokio::test]
async fn a_lab_starts_around_our_own_balancer() -> Result<()> {
    serves(Balancer::Own).await
}

#[tokio::test]
async fn a_lab_starts_around_each_installed_balancer() -> Result<()> {
    for other in OTHER_BALANCERS {
        match other.locate() {
            Some(_) => serves(Balancer::Other(other)).await.context(other.name)?,
            None => println!("not tested: {} is not installed: {}", other.name, other.install),
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_balancer_that_cannot_report_its_state_is_not_waited_for() -> Result<()> {
    if NGINX.locate().is_none() {
        println!("not tested: nginx is not installed: {}", NGINX.install);
        return Ok(());
    }
    let lab = Lab::processes().backends(1).balancer(Balancer::Other(&NGINX)).start().await?;
    let error = lab.until_state(1, "down", Duration::from_secs(60)).await.unwrap_err();
    ensure!(format!("{error:#}").contains("nginx cannot report its state"), "{error:#}");
    Ok(())
}
