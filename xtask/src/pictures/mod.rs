//! `cargo xtask pictures`: code draws the pictures in `img/`, so that they stay correct.

mod health;
mod overview;
mod retry;
pub(crate) mod svg;
mod tone;
mod turn;

use std::fs;

use anyhow::{Context, ensure};
use clap::Args;
use lab::binaries::workspace;

/// Draw the pictures in img/.
#[derive(Args)]
pub(crate) struct Pictures {
    /// Only check: fail if a picture in img/ is out of date
    #[arg(long)]
    check: bool,
}

/// Every picture and the name of its file.
fn all() -> [(&'static str, svg::Picture); 5] {
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
            let path = folder.join(name);
            let drawn = picture.finish();
            if self.check {
                let there = fs::read_to_string(&path).unwrap_or_default();
                ensure!(
                    there == drawn,
                    "img/{name} is not up to date: run `cargo xtask pictures` and commit it"
                );
            } else {
                fs::create_dir_all(&folder)?;
                fs::write(&path, drawn).with_context(|| format!("cannot write img/{name}"))?;
                println!("img/{name}");
            }
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
