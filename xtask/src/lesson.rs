//! `cargo xtask lesson` and `cargo xtask lessons`: start the lessons, which are a program of their own.

use std::ffi::OsString;

use clap::Args;

use crate::program::become_program;

/// Run a lesson: a question, a run, and claims that are checked.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Lesson {
    /// The number of the lesson, such as 06, and its options; `--help` explains them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// List the lessons, or check that each claim holds and can fail.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Lessons {
    /// `list` or `selftest`; `--help` explains them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

impl Lesson {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        become_program("lessons", [OsString::from("run")].into_iter().chain(self.arguments))
    }
}

impl Lessons {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        become_program("lessons", self.arguments)
    }
}
