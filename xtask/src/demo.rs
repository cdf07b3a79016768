//! `cargo xtask demo`.

use clap::Args;

/// Start the lab, send gentle traffic and watch it.
#[derive(Args)]
pub(crate) struct Demo {}

impl Demo {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        anyhow::bail!("not yet")
    }
}
