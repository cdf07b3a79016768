//! The end of a command: exit statuses that several commands share, and the output that comes before.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// The exit status if the balancer cannot start, or if `lb ctl` cannot reach a balancer. It is the same as
/// that of clap for a wrong flag.
pub const CANNOT_START: u8 = 2;

/// Prints the result of a command on standard output, and returns the exit status. A reader that closes its
/// end early, such as `head`, has what it wanted, so that is no failure.
pub(crate) fn print(result: impl Display) -> ExitCode {
    let mut output = io::stdout().lock();
    match write!(output, "{result}").and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            print_error(format_args!("error: cannot write to standard output: {error}\n"));
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

/// Prints an error on standard error. If that cannot be written, the exit status is all that is left.
pub fn print_error(error: impl Display) {
    let _ = write!(io::stderr().lock(), "{error}");
}
