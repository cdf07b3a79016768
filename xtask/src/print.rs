//! Lines for the user.

use std::fmt::Display;
use std::io::{Write as _, stderr};

use console::terminal::say;

/// Prints a line to the standard output. If its reader has gone, as with `| head`, the command goes on
/// without it.
///
/// # Errors
/// If the line cannot be written for another reason, such as a full disk.
pub(crate) fn line(text: impl Display) -> anyhow::Result<()> {
    say(&text.to_string()).map(drop)
}

/// Writes a line to the standard error. If that is closed, the line is lost, and the command goes on.
pub(crate) fn note(text: impl Display) {
    let _ = writeln!(stderr().lock(), "{text}");
}
