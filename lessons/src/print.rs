//! Prints what the program has to say.

use std::io::{ErrorKind, Write as _, stdout};

use anyhow::{Context, Result};

/// Prints a text at once. A reader that has read enough and closed the pipe is no error.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("cannot print"),
        _ => Ok(()),
    }
}
