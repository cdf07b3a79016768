//! How do a worker's reports get into the ledger?
//!
//! A thread reads the pipe and then sleeps for a millisecond, so that a busy worker costs the agent a
//! thousand wake-ups a second instead of one for each report. Code that needs the numbers reads the pipe
//! first, so that it sees everything that was reported before.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tokio::sync::watch;

use crate::ledger::Ledger;
use crate::link::Report;

const REST: Duration = Duration::from_millis(1);

/// Space for the reports of half a second, in case the reading thread does not run for so long.
#[cfg(target_os = "linux")]
const PIPE_SIZE: usize = 1 << 20;

/// The ledger, shared between the agent and the reading thread. The lock is held only to add or to read,
/// never across an await, so an ordinary lock is enough.
pub(super) type SharedLedger = Arc<Mutex<Ledger>>;

/// The agent's end of one worker's pipe.
pub(super) struct ReportReader {
    pipe: OwnedFd,
    reading: Mutex<Reading>,
    ledger: SharedLedger,
    obeyed: watch::Sender<u64>,
}

#[derive(Default)]
struct Reading {
    /// The beginning of an incomplete line.
    rest: Vec<u8>,
    ended: bool,
}

impl ReportReader {
    /// Starts to read `pipe` into `ledger`; the second value is the version of the orders that the worker
    /// obeys.
    pub(super) fn open(pipe: OwnedFd, ledger: SharedLedger) -> Result<(Arc<Self>, watch::Receiver<u64>)> {
        rustix::io::ioctl_fionbio(&pipe, true)?;
        #[cfg(target_os = "linux")]
        // Without the privilege for a larger size, the default size is used.
        let _ = rustix::pipe::fcntl_setpipe_size(&pipe, PIPE_SIZE);
        let (obeyed, version) = watch::channel(0);
        let reports = Arc::new(Self { pipe, reading: Mutex::default(), ledger, obeyed });
        let reader = Arc::clone(&reports);
        std::thread::spawn(move || {
            while !reader.drain() {
                // After an interrupted wait, the loop reads once more.
                let _ = poll(&mut [PollFd::new(&reader.pipe, PollFlags::IN)], None);
                std::thread::sleep(REST);
            }
        });
        Ok((reports, version))
    }

    /// Reads all available bytes. True at the end of the pipe: the worker is dead and all its reports are
    /// known.
    pub(super) fn drain(&self) -> bool {
        let mut reading = lock(&self.reading);
        let mut buffer = [0; 16 * 1024];
        while !reading.ended {
            match rustix::io::read(&self.pipe, &mut buffer) {
                Ok(0) => reading.ended = true,
                Ok(length) => self.take(&mut reading.rest, &buffer[..length]),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => reading.ended = true,
            }
        }
        reading.ended
    }

    fn take(&self, rest: &mut Vec<u8>, bytes: &[u8]) {
        rest.extend_from_slice(bytes);
        let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') else { return };
        let mut ledger = lock(&self.ledger);
        // Workers write only UTF-8.
        for report in String::from_utf8_lossy(&rest[..end]).lines().filter_map(Report::decode) {
            ledger.add(report);
            if let Report::Obeyed(version) = report {
                self.obeyed.send_replace(version);
            }
        }
        rest.drain(..=end);
    }
}

/// If the thread that held the lock panicked, the numbers are still usable.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
