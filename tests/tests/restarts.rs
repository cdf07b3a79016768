//! Restarts without an error for any client: of the balancer, while its port stays open, and of the backends,
//! one after the other.
//!
//! The clients keep their connections, obey `Connection: close`, and never repeat a request.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use lab::load::{Call, Load, Outcome, Running};
use lab::topology::{Backend, Lab};

/// Restarts of each kind in one run.
const RESTARTS: usize = 100;

/// Clients, each on a keep-alive connection.
const CLIENTS: usize = 16;

/// Waits until every client has got another answer.
async fn serve_some(load: &Running) -> Result<()> {
    let enough = load.begun() + 4 * CLIENTS as u64;
    lab::eventually(Duration::from_secs(10), "more requests", async || {
        ensure!(load.begun() >= enough, "{} of {enough} were sent", load.begun());
        Ok(())
    })
    .await
}

#[tokio::test]
async fn restarts_of_the_balancer_cost_no_client_an_answer() -> Result<()> {
    let mut lab = Lab::processes().backends(2).held_port().start().await?;
    let calls = [Call::get("/").rate(3.0), Call::post("/", 512).rate(1.0), Call::get("/delay/20").rate(0.5)];
    let load = calls.into_iter().fold(Load::closed(lab.balancer().address(), CLIENTS), Load::call).start()?;
    for _ in 0..RESTARTS {
        serve_some(&load).await?;
        lab.restart_balancer(Duration::from_secs(10)).await?;
    }
    serve_some(&load).await?;
    let report = load.stop().await?;
    let summary = report.summary();
    println!(
        "{RESTARTS} restarts: {} requests, the slowest took {:?}",
        summary.requests, summary.latency.max
    );
    assert_eq!(report.errors(), [], "no client may notice");
    let compared = report.compare(&lab.ledger().await?);
    assert!(compared.lost.is_empty() && compared.doubled.is_empty(), "{compared:?}");
    Ok(())
}

/// Three backends, with frequent pings, so that a hundred restarts do not take minutes.
async fn lab_with_frequent_pings() -> Result<Lab> {
    let pings = ["--ping-interval=25ms", "--ping-timeout=25ms"];
    pings.into_iter().fold(Lab::processes().backends(3), |setup, flag| setup.lb_arg(flag)).start().await
}

/// GETs and POSTs, three to one.
fn start_load(lab: &Lab) -> Result<Running> {
    let calls = [Call::get("/").rate(3.0), Call::post("/", 512).rate(1.0)];
    calls.into_iter().fold(Load::closed(lab.balancer().address(), CLIENTS), Load::call).start()
}

/// Ends one backend after the other in this way, and starts it again.
async fn roll(lab: &Lab, load: &Running, end: impl AsyncFn(&Backend) -> Result<()>) -> Result<()> {
    for restart in 0..RESTARTS {
        let backend = lab.backend(restart % 3 + 1);
        serve_some(load).await?;
        end(backend).await?;
        serve_some(load).await?;
        backend.start().await?;
        lab.until_state(backend.number(), "up", Duration::from_secs(10)).await?;
    }
    Ok(())
}

#[tokio::test]
async fn rolling_restarts_of_the_backends_cost_no_client_an_answer() -> Result<()> {
    let lab = lab_with_frequent_pings().await?;
    let load = start_load(&lab)?;
    roll(&lab, &load, Backend::drain).await?;
    let report = load.stop().await?;
    let summary = report.summary();
    println!(
        "{RESTARTS} rolling restarts: {} requests, the slowest took {:?}",
        summary.requests, summary.latency.max
    );
    assert_eq!(report.errors(), [], "no client may notice");
    let compared = report.compare(&lab.ledger().await?);
    assert!(compared.lost.is_empty() && compared.doubled.is_empty(), "{compared:?}");
    Ok(())
}

#[tokio::test]
async fn backends_that_are_killed_one_after_the_other_cost_no_get() -> Result<()> {
    let lab = lab_with_frequent_pings().await?;
    let load = start_load(&lab)?;
    roll(&lab, &load, Backend::kill).await?;
    let report = load.stop().await?;
    let failed: Vec<_> = report.entries().iter().filter(|entry| entry.is_error()).collect();
    println!(
        "{RESTARTS} kills and starts: {} requests, {} POSTs failed that were at a killed backend",
        report.summary().requests,
        failed.len()
    );
    for entry in &failed {
        assert_eq!((entry.call, &entry.outcome), (1, &Outcome::Answered(502)), "{entry:?}");
    }
    assert!(failed.len() <= RESTARTS * CLIENTS, "more failed than were in flight");
    let compared = report.compare(&lab.ledger().await?);
    assert!(compared.lost.is_empty(), "lost: {:?}", compared.lost);
    let posts = report.entries().iter().filter(|entry| entry.call == 1).map(|entry| report.id(entry));
    let twice: HashSet<_> = compared.doubled.into_iter().collect();
    assert_eq!(posts.filter(|id| twice.contains(id)).collect::<Vec<_>>(), [""; 0], "POSTs executed twice");
    Ok(())
}
