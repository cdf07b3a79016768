//! `cargo xtask sim`: starts the simulator, which is a program of its own.

use std::env;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, anyhow};
use clap::Args;

/// Run a scenario in virtual time under several policies, and draw the results.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Simulate {
    /// The scenario and its options; `--help` explains them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

impl Simulate {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        // The launcher has built it into the same folder.
        let sim = env::current_exe().context("cannot find the folder of this program")?.with_file_name("sim");
        let error = Command::new(&sim).arg("draw").args(self.arguments).exec();
        Err(anyhow!(error).context(format!("cannot start {}; `cargo xtask sim` builds it", sim.display())))
    }
}
