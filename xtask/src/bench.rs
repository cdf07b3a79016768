//! `cargo xtask bench`.

use clap::Args;

/// Compare the balancer with nginx and HAProxy.
#[derive(Args)]
pub(crate) struct Bench {}

impl Bench {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        anyhow::bail!("not yet")
    }
}
