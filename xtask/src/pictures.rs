//! `cargo xtask pictures`.

use clap::Args;

/// Draw the pictures in img/.
#[derive(Args)]
pub(crate) struct Pictures {}

impl Pictures {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        anyhow::bail!("not yet")
    }
}
