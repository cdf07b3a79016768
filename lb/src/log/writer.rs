//! The thread that writes the log to standard error, or to a file that can be opened again.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, Timespec, fcntl_getfl, fcntl_setfl};

use super::error::OpenError;
use super::lines::{Batch, Lines};

/// The longest wait for a reader before the thread checks again.
const LOOK: Duration = Duration::from_secs(1);

/// The destination of lines.
#[derive(Debug)]
pub(super) struct Output {
    file: File,
    /// The path to open again; `None` for standard error.
    path: Option<PathBuf>,
    /// The last line is incomplete, so the next line must begin on a new line.
    torn: bool,
}

impl Output {
    /// The file at this path, to which lines are appended, or standard error.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(super) fn open(path: Option<&Path>) -> Result<Self, OpenError> {
        let file = match path {
            // Not through the handle of the standard library: a thread that waits in a write would hold its
            // lock.
            None => File::from(io::stderr().as_fd().try_clone_to_owned()?),
            Some(path) => append(path).map_err(|error| OpenError::File { path: path.to_owned(), error })?,
        };
        Ok(Self { file, path: path.map(Path::to_owned), torn: false })
    }

    /// Whether the output is a terminal.
    pub(super) fn is_terminal(&self) -> bool {
        self.file.is_terminal()
    }

    /// Opens the file again. If that is not possible, the present file stays.
    fn reopen(&mut self) -> Result<(), OpenError> {
        let again = Self::open(self.path.as_deref())?;
        *self = again;
        Ok(())
    }

    /// Writes lines, and returns the number of lines that could not be written completely.
    fn write(&mut self, batch: &Batch) -> usize {
        let file = &self.file;
        let wait = || wait_for_room(file);
        if self.torn && write_all(&mut &*file, b"\n", wait).is_err() {
            return batch.beyond(0);
        }
        let written = write_all(&mut &*file, &batch.bytes, wait).err().unwrap_or(batch.bytes.len());
        let lost = batch.beyond(written);
        self.torn = lost > 0 && !(written == 0 || batch.bytes[written - 1] == b'\n');
        lost
    }
}

/// Opens a file for appending. A pipe without a reader is an error, so that the open never waits.
fn append(path: &Path) -> io::Result<File> {
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().append(true).create(true).custom_flags(nonblocking).open(path)?;
    fcntl_setfl(&file, fcntl_getfl(&file)? & !OFlags::NONBLOCK)?;
    Ok(file)
}

/// Writes all bytes.
///
/// # Errors
/// The number of bytes that were written before the failure.
fn write_all(out: &mut impl Write, bytes: &[u8], mut wait: impl FnMut()) -> Result<(), usize> {
    let mut written = 0;
    while written < bytes.len() {
        match out.write(&bytes[written..]) {
            Ok(0) => return Err(written),
            Ok(more) => written += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Standard error may be shared with a process that has made it non-blocking.
            Err(error) if error.kind() == ErrorKind::WouldBlock => wait(),
            Err(_) => return Err(written),
        }
    }
    Ok(())
}

fn wait_for_room(file: &File) {
    let time = Timespec::try_from(LOOK).ok();
    // The next write shows the result.
    let _ = poll(&mut [PollFd::new(file, PollFlags::OUT)], time.as_ref());
}

/// Starts the thread. It lives as long as the process.
///
/// # Errors
/// The system starts no thread.
pub(super) fn start(lines: Lines, output: Output) -> io::Result<()> {
    std::thread::Builder::new().name("log".to_owned()).spawn(move || keep_writing(&lines, output))?;
    Ok(())
}

fn keep_writing(lines: &Lines, mut output: Output) -> ! {
    let (mut batch, mut told) = (Batch::default(), 0);
    loop {
        let reopen = lines.take(&mut batch);
        let lost = output.write(&batch);
        lines.drop_some(lost);
        // The lines before this belong into the file that was moved.
        if let Some(tell) = reopen {
            let _ = tell.send(output.reopen());
        }
        let dropped = lines.dropped();
        if lost == 0 && dropped > told && !batch.is_empty() && !lines.has_more() {
            tracing::warn!(
                "{} log lines were dropped: the log is not read fast enough, or its disk is full",
                dropped - told
            );
            told = dropped;
        }
        batch.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Accepts this number of bytes, in pieces of three, and is not ready every second time.
    struct Slow {
        taken: Vec<u8>,
        room: usize,
        ready: bool,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.ready = !self.ready;
            match self.room - self.taken.len() {
                _ if !self.ready => Err(ErrorKind::WouldBlock.into()),
                0 => Err(ErrorKind::StorageFull.into()),
                left => {
                    let piece = bytes.len().min(3).min(left);
                    self.taken.extend_from_slice(&bytes[..piece]);
                    Ok(piece)
                }
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn all_is_written_that_there_is_room_for() {
        for (room, expected) in [(100, Ok(())), (8, Ok(())), (7, Err(7)), (0, Err(0))] {
            let mut out = Slow { taken: Vec::new(), room, ready: true };
            let mut waits = 0;
            assert_eq!(write_all(&mut out, b"one\ntwo\n", || waits += 1), expected, "{room}");
            assert!(b"one\ntwo\n".starts_with(&out.taken[..]) && waits > 0);
        }
    }

    #[test]
    fn a_line_that_broke_off_does_not_spoil_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut output = Output::open(Some(&path)).unwrap();
        output.file.write_all(b"half a li").unwrap();
        output.torn = true;
        let lines = Lines::default();
        lines.add(b"whole\n");
        let mut batch = Batch::default();
        lines.take(&mut batch);
        assert_eq!((output.write(&batch), output.torn), (0, false));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "half a li\nwhole\n");
    }
}
