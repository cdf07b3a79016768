//! Lines on the standard output.

use std::io::{self, Write};

use anyhow::{Context, Result};

/// Writes a line to the standard output. Returns false if its reader has gone: that is the normal end of a
/// pipe such as `| head`.
///
/// # Errors
/// If the line cannot be written for another reason, such as a full disk.
pub fn say(line: &str) -> Result<bool> {
    write_line(&mut io::stdout().lock(), line)
}

fn write_line(out: &mut impl Write, line: &str) -> Result<bool> {
    let written = writeln!(out, "{line}").and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        other => other.map(|()| true).context("cannot write to the standard output"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An output on which every write ends like this.
    struct Ends(io::ErrorKind);

    impl Write for Ends {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_an_end_and_a_full_disk_is_an_error() {
        let mut out = Vec::new();
        assert!(write_line(&mut out, "a line").unwrap());
        assert_eq!(out, b"a line\n");
        assert!(!write_line(&mut Ends(io::ErrorKind::BrokenPipe), "a line").unwrap());
        let error = write_line(&mut Ends(io::ErrorKind::StorageFull), "a line").unwrap_err();
        assert!(format!("{error:#}").starts_with("cannot write to the standard output: "), "{error:#}");
    }
}
