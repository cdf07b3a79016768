//! Stops the process of one of four backends under load: the port still accepts connections, and nothing
//! answers.
//!
//! ```text
//! cargo run -p lab --example stall_one
//! ```

use std::time::{Duration, Instant};

use anyhow::Result;
use lab::load::{Call, Load};
use lab::topology::Lab;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    println!("building and starting the lab ...");
    let lab = Lab::processes().backends(4).start().await?;
    let load = Load::closed(lab.balancer().address(), 32).call(Call::get("/")).start()?;
    tokio::time::sleep(Duration::from_secs(1)).await;

    let stopped = Instant::now();
    lab.backend(2).stall().await?;
    lab.until_state(2, "suspect", Duration::from_secs(5)).await?;
    println!("the balancer suspects backend 2 after {:?}", stopped.elapsed());
    tokio::time::sleep(Duration::from_secs(1)).await;

    lab.backend(2).resume().await?;
    lab.until_state(2, "up", Duration::from_secs(5)).await?;
    let figures = load.stop().await?.summary();
    println!("{} requests, {} errors, slowest {:?}", figures.requests, figures.errors, figures.latency.max);
    lab.stop();
    Ok(())
}
