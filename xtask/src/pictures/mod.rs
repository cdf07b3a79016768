//! `cargo xtask pictures`: code draws the pictures in `img/`, so that they stay correct.

mod demo;
mod health;
mod overview;
mod retry;
mod turn;

use std::fs;
use std::path::Path;

use crate::print::line;
use anyhow::{Context, ensure};
use clap::Args;
use lab::binaries::workspace;
use picture::Picture;

/// Draw the pictures in img/.
#[derive(Args)]
pub(crate) struct Pictures {
    /// Only check: fail if a picture in img/ is out of date
    #[arg(long)]
    check: bool,

    /// Record the demo first: run it in a terminal for a minute, and keep its last screen in img/demo.ansi
    #[arg(long, conflicts_with = "check")]
    record: bool,
}

/// Every picture and the name of its file.
fn all() -> [(&'static str, Picture); 5] {
    [
        ("lab.svg", overview::lab()),
        ("round-robin.svg", turn::round_robin()),
        ("dead-backend.svg", turn::dead_backend()),
        ("retry-and-attempts.svg", retry::retry_and_attempts()),
        ("health-states.svg", health::health_states()),
    ]
}

impl Pictures {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let folder = workspace().join("img");
        for (name, picture) in all() {
            let flaws = picture.flaws();
            ensure!(flaws.is_empty(), "img/{name} cannot be read: {}", flaws.join("; "));
            self.keep(&folder, name, &picture.finish())?;
        }
        let recording = folder.join("demo.ansi");
        if self.record {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(demo::record(&recording))?;
        }
        let recorded = fs::read(recording).context("img/demo.ansi: run `cargo xtask pictures --record`")?;
        self.keep(&folder, "demo.svg", &demo::draw(&recorded)?)
    }

    /// Writes a picture, or compares it with the file that is there.
    fn keep(&self, folder: &Path, name: &str, drawn: &str) -> anyhow::Result<()> {
        let path = folder.join(name);
        if self.check {
            let there = fs::read_to_string(&path).unwrap_or_default();
            ensure!(there == drawn, "img/{name} is not up to date: run `cargo xtask pictures` and commit it");
        } else {
            fs::write(&path, drawn).with_context(|| format!("cannot write img/{name}"))?;
            line(format!("img/{name}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_in_every_picture_can_be_read() {
        for (name, picture) in all() {
            assert_eq!(picture.flaws(), Vec::<String>::new(), "in {name}");
        }
    }
}
