//! Prints what the program has to say.

use std::io::{ErrorKind, Write as _, stderr, stdout};

use anyhow::Context;

/// Prints a text at once. Returns false if the reader has read enough and closed the pipe, which is no error.
pub(crate) fn print(text: &str) -> anyhow::Result<bool> {
    let mut out = stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error).context("cannot print"),
    }
}

/// Writes a line to the standard error. If that is closed, the line is lost, and the program goes on.
pub(crate) fn note(line: &str) {
    let _ = writeln!(stderr().lock(), "{line}");
}
