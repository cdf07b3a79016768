//! A new configuration ten times a second, without an error for any client.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use lab::load::{Call, Load};
use lab::topology::Lab;

/// The duration of the changes. `ROUNDABOUT_RELOAD_SECONDS` overrides it.
const SECONDS: u64 = 10;

const EVERY: Duration = Duration::from_millis(100);

/// Two configurations that have the backends in common, and little else.
const SETTINGS: [&str; 2] = [
    "[retries]\nretries = 1\n[timeouts]\nresponse = \"9s\"\n[balance]\npanic_threshold = \"20%\"\n",
    "[health]\nping_interval = \"300ms\"\nping_timeout = \"200ms\"\n[queues]\nbackend_limit = 1000\n",
];

fn seconds() -> u64 {
    std::env::var("ROUNDABOUT_RELOAD_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SECONDS)
}

/// Waits until the balancer has read its configuration this number of times.
async fn until_read(lab: &Lab, times: usize) -> Result<()> {
    lab::eventually(Duration::from_secs(10), "the configuration to be read", async || {
        let read = lab.balancer().log().matches("configuration read again").count();
        ensure!(read >= times.min(50), "{read} times of {times}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_exact_turn_outlives_every_reload() -> Result<()> {
    let lab = Lab::processes().settings(SETTINGS[0]).start().await?;
    let calls = [Call::get("/").rate(3.0), Call::post("/", 512).rate(1.0)];
    let load = calls.into_iter().fold(Load::closed(lab.balancer().address(), 16), Load::call).start()?;
    let end = Instant::now() + Duration::from_secs(seconds());
    let mut reloads = 0;
    while Instant::now() < end {
        reloads += 1;
        lab.configure(SETTINGS[reloads % 2], &[1, 2, 3, 4])?;
        lab.balancer().reload()?;
        tokio::time::sleep(EVERY).await;
    }
    until_read(&lab, reloads).await?;
    let report = load.stop().await?;
    println!("{reloads} reloads, {} requests", report.summary().requests);
    assert_eq!(report.errors(), [], "no client may notice");
    let state = lab.balancer().state().await?;
    let shares: Vec<_> = state.backends.iter().map(|backend| backend.picks).collect();
    let (least, most) = (shares.iter().min().unwrap(), shares.iter().max().unwrap());
    ensure!(most - least <= 1, "each backend in turn, all the time: {shares:?}");
    Ok(())
}

#[tokio::test]
async fn backends_that_come_and_go_cost_no_client_an_answer() -> Result<()> {
    let lab = Lab::processes().settings(SETTINGS[0]).start().await?;
    let calls = [Call::get("/").rate(3.0), Call::post("/", 512).rate(1.0), Call::get("/delay/20").rate(0.5)];
    let load = calls.into_iter().fold(Load::closed(lab.balancer().address(), 16), Load::call).start()?;
    let end = Instant::now() + Duration::from_secs(seconds());
    let mut reloads = 0;
    while Instant::now() < end {
        reloads += 1;
        let backends: &[usize] = if reloads % 2 == 0 { &[1, 2, 3, 4] } else { &[2, 3] };
        lab.configure(SETTINGS[0], backends)?;
        lab.balancer().reload()?;
        tokio::time::sleep(EVERY).await;
    }
    until_read(&lab, reloads).await?;
    let report = load.stop().await?;
    println!("{reloads} reloads, {} requests", report.summary().requests);
    assert_eq!(report.errors(), [], "who is removed finishes what it has");
    let compared = report.compare(&lab.ledger().await?);
    assert!(compared.lost.is_empty() && compared.doubled.is_empty(), "{compared:?}");
    Ok(())
}
