//! Kills one of four backends under load, and counts what the clients lost.
//!
//! ```text
//! cargo run -p lab --example kill_one
//! ```

use std::time::Duration;

use anyhow::{Context, Result};
use lab::load::{Call, Load};
use lab::topology::Lab;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    println!("building and starting the lab ...");
    let lab = Lab::processes().backends(4).start().await?;
    let load = Load::closed(lab.balancer().address(), 32).call(Call::get("/")).start()?;
    load.phase("before");
    tokio::time::sleep(Duration::from_secs(1)).await;

    load.phase("killed");
    lab.backend(2).kill().await?;
    lab.until_state(2, "down", Duration::from_secs(3)).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;

    load.phase("started again");
    lab.backend(2).start().await?;
    lab.until_state(2, "up", Duration::from_secs(10)).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;

    let report = load.stop().await?;
    for name in ["before", "killed", "started again"] {
        let figures = report.phase(name).context("the phase was begun")?;
        println!(
            "{name:>13}: {} requests, {} errors, slowest {:?}",
            figures.requests, figures.errors, figures.latency.max
        );
    }
    let compared = report.compare(&lab.ledger().await?);
    println!("answers that no backend executed: {}", compared.lost.len());
    lab.stop();
    Ok(())
}
