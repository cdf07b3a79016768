//! Reads a configuration file. Files that can block, or have no end, are refused.

use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use super::problems::Problem;

/// Limit for the bytes of a configuration file: some hundred thousand backends.
pub(crate) const LONGEST: u64 = 16 << 20;

/// Reads a regular file of at most [`LONGEST`] bytes.
///
/// # Errors
/// The file is missing, not readable, not a regular file, or too long.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    let name = path.display();
    let wrong = |is: &str, fix: &str| Problem::new(format!("cannot read {name}: {is}"), fix);
    let cannot = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound if path == Path::new("-") => {
            wrong("standard input is not read", "name a regular file")
        }
        io::ErrorKind::NotFound => {
            wrong("there is no such file", "name a file that exists; lb.example.toml shows its contents")
        }
        io::ErrorKind::PermissionDenied => {
            wrong(&error.to_string(), "give the user of this process read permission, or name another file")
        }
        _ => wrong(&error.to_string(), "name a file that can be read"),
    };
    // Checked before the file is opened, because opening a pipe or a device has effects.
    regular(fs::metadata(path).map_err(cannot)?.file_type(), wrong)?;
    let file = open(path).map_err(cannot)?;
    regular(file.metadata().map_err(cannot)?.file_type(), wrong)?;
    let mut bytes = Vec::new();
    // The length that the system reports may be outdated, or not be a length at all, as below /proc.
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(cannot)?;
    match bytes.len() as u64 > LONGEST {
        false => Ok(bytes),
        true => {
            let is = format!("it has more than {} MiB", LONGEST >> 20);
            Err(wrong(&is, "name a file of settings, or write fewer backends"))
        }
    }
}

/// Opens a file without waiting for the other end of a pipe, if the file has become one since.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

fn regular(kind: FileType, wrong: impl Fn(&str, &str) -> Problem) -> Result<(), Problem> {
    const PIPE: &str = "name a regular file, and first write the output of the pipe into it";
    let (is, fix) = match kind {
        kind if kind.is_file() => return Ok(()),
        kind if kind.is_dir() => ("a directory", "name a regular file"),
        // The shell passes <(command) as a named pipe.
        kind if kind.is_fifo() => ("a named pipe", PIPE),
        kind if kind.is_socket() => ("a socket", "name a regular file"),
        _ => ("a device", "name a regular file"),
    };
    Err(wrong(&format!("it is {is}, not a regular file"), fix))
}
