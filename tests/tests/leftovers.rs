//! No process is left running, however a runner ends.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::topology::Lab;

/// Set in the process that acts as the runner.
const RUNNER: &str = "ROUNDABOUT_TEST_RUNNER";

/// Acts as the runner if the variable is set: starts a lab, stops one of its backends, prints the process
/// ids, and waits to be killed. Without the variable, it does nothing.
#[tokio::test]
async fn a_runner_to_be_killed() -> Result<()> {
    if std::env::var_os(RUNNER).is_none() {
        return Ok(());
    }
    let lab = Lab::processes().backends(2).start().await?;
    lab.backend(2).stall().await?;
    let mut pids = vec![u64::from(lab.balancer().pid()?)];
    for backend in lab.backends() {
        pids.push(backend.state().await?["worker"]["pid"].as_u64().context("a worker has a pid")?);
    }
    println!("\nrunning: {}", serde_json::to_string(&pids)?);
    std::future::pending().await
}

#[tokio::test]
async fn a_lab_dies_with_its_runner() -> Result<()> {
    let mut runner = Command::new(std::env::current_exe()?)
        .args(["--exact", "a_runner_to_be_killed", "--nocapture"])
        .env(RUNNER, "1")
        .stdout(Stdio::piped())
        .spawn()?;
    let lines = BufReader::new(runner.stdout.take().context("it is piped")?).lines();
    let said = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("running: ").map(str::to_owned));
    let pids: Vec<u32> = serde_json::from_str(&said.context("the runner ended before it had a lab")?)?;
    assert_eq!(pids.len(), 3);
    ensure!(pids.iter().all(|pid| is_running(*pid)), "all of {pids:?} run");

    runner.kill()?;
    runner.wait()?;
    lab::eventually(Duration::from_secs(5), "the lab to be gone", async || {
        let left: Vec<_> = pids.iter().filter(|pid| is_running(**pid)).collect();
        ensure!(left.is_empty(), "{left:?} still run");
        Ok(())
    })
    .await
}

/// Whether a process runs: a process that has ended and waits for its parent does not.
fn is_running(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
}
