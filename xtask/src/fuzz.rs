//! `cargo xtask fuzz`: unexpected bytes for all code that reads bytes or decides on them.
//!
//! The targets are functions in `lb/src/fuzz`; cargo-fuzz builds them with libFuzzer, on stable Rust.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::print::line;
use anyhow::{Context, ensure};
use clap::Args;
use lab::binaries::workspace;

/// Seconds for one input. A longer run counts as a hang.
const PATIENCE: u32 = 20;

/// Search for input that breaks a rule of the balancer (needs cargo-fuzz and a C++ compiler).
#[derive(Args)]
pub(crate) struct Fuzz {
    /// Fuzz target; without a target, all targets, one after the other
    #[arg(value_name = "TARGET")]
    target: Option<String>,
    /// Minutes for each target
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    minutes: u32,
}

impl Fuzz {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let folder = workspace().join("lb/fuzz");
        let all = targets(&folder)?;
        let chosen = match self.target {
            Some(target) => {
                ensure!(
                    all.contains(&target),
                    "there is no target '{}'; choose from {}",
                    api::excerpt(&target),
                    all.join(", ")
                );
                vec![target]
            }
            None => all,
        };
        let installed =
            cargo().args(["fuzz", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
        ensure!(
            installed.is_ok_and(|status| status.success()),
            "cargo-fuzz is not installed: cargo install cargo-fuzz --locked"
        );
        chosen.iter().try_for_each(|target| search(&folder, target, self.minutes))
    }
}

/// Every target has a folder of seed inputs.
fn targets(folder: &Path) -> anyhow::Result<Vec<String>> {
    let seeds = fs::read_dir(folder.join("seeds")).context("cannot read lb/fuzz/seeds")?;
    let mut targets: Vec<_> = seeds.flatten().map(|seed| seed.file_name().to_string_lossy().into()).collect();
    targets.sort();
    Ok(targets)
}

/// Fuzzes one target. New inputs that it finds are kept in `corpus`, for the next search.
fn search(folder: &Path, target: &str, minutes: u32) -> anyhow::Result<()> {
    line(format!("\n{target}, for {minutes} min"))?;
    let corpus = folder.join("corpus").join(target);
    fs::create_dir_all(&corpus).with_context(|| format!("cannot make {}", corpus.display()))?;
    let status = cargo()
        .args(["fuzz", "run", "--sanitizer", "none", "--fuzz-dir"])
        .arg(folder)
        .arg(target)
        .args([corpus, folder.join("seeds").join(target)])
        .args(["--", &format!("-max_total_time={}", minutes * 60), &format!("-timeout={PATIENCE}")])
        .arg("-print_final_stats=1")
        .status()
        .context("cannot run cargo fuzz")?;
    ensure!(
        status.success(),
        "{target} fails on the bytes named above; keep them in lb/fuzz/seeds/{target} once the fault is fixed"
    );
    Ok(())
}

fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    cargo.current_dir(workspace());
    cargo
}
