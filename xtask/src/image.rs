//! `cargo xtask image`.

use crate::print::line;
use clap::Args;

/// Build the container images from static binaries, without a registry.
#[derive(Args)]
pub(crate) struct BuildImages {}

impl BuildImages {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let images = lab::image::build()?.into_iter().chain([lab::image::build_console()?]);
        for image in images {
            line(format!("{:<26} {:>5.1} MB", image.name, image.bytes as f64 / 1e6))?;
        }
        Ok(())
    }
}
