//! The error of a log that cannot be opened.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// The log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be opened for writing.
    #[error("cannot open the log file {}: {}, or leave out --log-file and [log] file to log to standard error", .path.display(), remedy(error, path))]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
    /// The system does not provide a resource that the log needs.
    #[error(
        "the system does not provide a resource that the log needs: {0}; raise the limits of threads and open files of this process"
    )]
    Resources(#[from] io::Error),
}

/// The remedy if a log file cannot be opened.
fn remedy(error: &io::Error, path: &Path) -> String {
    match Errno::from_io_error(error) {
        Some(Errno::ISDIR) => {
            let example = path.join("lb.log");
            format!("it is a directory; write the path of a file in it, such as {}", example.display())
        }
        Some(Errno::NXIO) => {
            "it is a named pipe that no program reads; first start the program that reads it, or write the path of a file"
                .to_owned()
        }
        _ => format!(
            "{error}; write the path of a file in a folder that exists and that this user may write to"
        ),
    }
}
