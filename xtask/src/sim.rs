//! `cargo xtask sim`: starts the simulator, which is a program of its own.

use std::ffi::OsString;

use clap::Args;

use crate::program::become_program;

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
        become_program("sim", [OsString::from("draw")].into_iter().chain(self.arguments))
    }
}
