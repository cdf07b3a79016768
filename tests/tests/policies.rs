//! The effect of a policy: one slow backend among four, with clients that wait a second.

use std::time::Duration;

use anyhow::{Result, ensure};
use lab::load::{Call, Load, Report};
use lab::topology::Lab;

/// Requests per second.
const RATE: f64 = 50.0;
const TIME: Duration = Duration::from_secs(40);

/// The time that a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Backend 4 needs 2 s for each answer, the others 20 ms; the same load under this policy.
async fn one_slow_of_four(policy: &str) -> Result<Report> {
    // Only the policy may help.
    let flags = [format!("--policy={policy}"), "--silence=1m".into(), "--seed=1".into()];
    let lab = flags.into_iter().fold(Lab::processes(), |setup, flag| setup.lb_arg(flag)).start().await?;
    for backend in lab.backends() {
        let time = if backend.number() == 4 { "2s" } else { "20ms" };
        backend.faults(serde_json::json!([{"kind": "latency", "fixed": time}])).await?;
    }
    // The clients wait for all answers: a client that closes its connection would make the slow backend look
    // idle.
    let load = Load::open(lab.balancer().address()).call(Call::get("/").rate(RATE)).start()?;
    tokio::time::sleep(TIME).await;
    let report = load.stop().await?;
    // One may be due at the very end.
    ensure!(report.unsent() <= 1, "{} requests found no free connection in time", report.unsent());
    Ok(report)
}

/// The share of requests that were answered well and in time.
fn success(report: &Report) -> f64 {
    let entries = report.entries();
    let well = entries.iter().filter(|entry| !entry.is_error() && entry.latency() <= PATIENCE).count();
    well as f64 / entries.len() as f64
}

#[tokio::test]
async fn the_less_a_policy_knows_the_more_a_slow_backend_costs() -> Result<()> {
    let (blind, counting, timing) = tokio::try_join!(
        one_slow_of_four("round-robin"),
        one_slow_of_four("least-connections"),
        one_slow_of_four("peak-ewma"),
    )?;
    let rates = [&blind, &counting, &timing].map(success);
    println!("answered within {PATIENCE:?}: round robin, least connections, peak EWMA: {rates:.4?}");
    let [blind, counting, timing] = rates;
    ensure!((0.745..=0.755).contains(&blind), "a quarter of the turns is the slow one's: {blind}");
    ensure!(counting >= 0.97, "it is busy, so it gets little: {counting}");
    ensure!(timing >= counting, "it is known to be slow: {timing} against {counting}");
    Ok(())
}
