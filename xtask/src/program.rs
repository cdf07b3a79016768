//! Starts a program of the workspace that is not this one.

use std::env;
use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, anyhow};

/// Becomes this program, which the launcher has built into the same folder. It returns only if that fails.
pub(crate) fn become_program<A: AsRef<OsStr>>(
    name: &str,
    arguments: impl IntoIterator<Item = A>,
) -> anyhow::Result<()> {
    let program = env::current_exe().context("cannot find the folder of this program")?.with_file_name(name);
    let error = Command::new(&program).args(arguments).exec();
    Err(anyhow!(error).context(format!("cannot start {}; start it with `cargo xtask`", program.display())))
}
