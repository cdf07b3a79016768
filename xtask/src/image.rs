//! `cargo xtask image`.

use clap::Args;

/// Build the container images from static binaries.
#[derive(Args)]
pub(crate) struct Image {}

impl Image {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        anyhow::bail!("not yet")
    }
}
