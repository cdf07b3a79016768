//! Compares two policies in front of four backends, one of which is slow.
//!
//! ```text
//! cargo run -p lab --example compare_policies -- round-robin least-connections
//! ```

use std::time::Duration;

use anyhow::Result;
use lab::load::{Call, Load};
use lab::topology::Lab;
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut policies: Vec<_> = std::env::args().skip(1).collect();
    if policies.is_empty() {
        policies = vec!["round-robin".to_owned(), "least-connections".to_owned()];
    }
    println!("building and starting the lab ...");
    for policy in policies {
        let lab = Lab::processes().backends(4).lb_arg(format!("--policy={policy}")).start().await?;
        lab.backend(4).faults(json!([{ "kind": "latency", "fixed": "50ms" }])).await?;
        let load = Load::closed(lab.balancer().address(), 16).call(Call::get("/")).start()?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        let figures = load.stop().await?.summary();
        println!(
            "{policy:>20}: {} requests, p50 {:?}, p99 {:?}",
            figures.requests, figures.latency.p50, figures.latency.p99
        );
        lab.stop();
    }
    Ok(())
}
