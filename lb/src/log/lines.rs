//! Lines on their way to the log: a bounded queue between all threads that log and the thread that writes.
//!
//! The lock is held while a line is copied, and never during a write. So a reader that does not read, or a
//! full disk, costs log lines and never a request.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tracing_subscriber::fmt::MakeWriter;

use super::writer::OpenError;

/// Limit for the bytes of waiting lines: some thousand lines.
pub(super) const ROOM: usize = 1024 * 1024;

/// The part of it that lines of the access log may use. The rest is for lines that are rarer and more
/// important.
const ACCESS_ROOM: usize = ROOM / 4 * 3;

/// The lines that wait to be written. All clones share the same lines.
#[derive(Debug, Clone, Default)]
pub struct Lines(Arc<Queue>);

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    /// Notified when there is work for the thread that writes.
    work: Condvar,
    /// Notified when that thread has done all its work.
    done: Condvar,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    waiting: Batch,
    /// Whether lines are being written.
    busy: bool,
    reopen: Option<Reopened>,
}

/// Sends the result of reopening the log file.
pub(super) type Reopened = oneshot::Sender<Result<(), OpenError>>;

/// Several lines in one buffer, each with its line feed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    /// The end of each line.
    ends: Vec<usize>,
}

impl Batch {
    /// Adds a line if the batch, with `room` bytes in all, has space for it.
    fn add(&mut self, line: &[u8], room: usize) -> bool {
        let fits = self.bytes.len() + line.len() <= room;
        if fits {
            self.bytes.extend_from_slice(line);
            self.ends.push(self.bytes.len());
        }
        fits
    }

    /// The number of lines that are not complete in the first `written` bytes.
    pub(super) fn beyond(&self, written: usize) -> usize {
        self.ends.len() - self.ends.partition_point(|end| *end <= written)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

impl Lines {
    /// Adds a line, which ends with its line feed. A line that does not fit is dropped and counted.
    pub(crate) fn add(&self, line: &[u8]) {
        self.add_within(line, ROOM);
    }

    /// Adds a line of the access log, which leaves space for other lines.
    pub(crate) fn add_access(&self, line: &[u8]) {
        self.add_within(line, ACCESS_ROOM);
    }

    fn add_within(&self, line: &[u8], room: usize) {
        match self.state().waiting.add(line, room) {
            true => self.0.work.notify_one(),
            false => self.drop_some(1),
        }
    }

    /// Lines that were dropped since the start: they did not fit, or could not be written.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Relaxed)
    }

    /// Counts lines that are lost.
    pub(super) fn drop_some(&self, lines: usize) {
        self.0.dropped.fetch_add(lines as u64, Relaxed);
    }

    /// Waits until all lines are written, for `timeout` at most. Returns whether they are.
    pub fn flush(&self, timeout: Duration) -> bool {
        let is_open = |state: &mut State| state.busy || !state.waiting.is_empty();
        let waited = self.0.done.wait_timeout_while(self.state(), timeout, is_open);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Requests that the log file is opened again, after the lines that wait.
    pub(super) fn reopen(&self) -> oneshot::Receiver<Result<(), OpenError>> {
        let (tell, told) = oneshot::channel();
        self.state().reopen = Some(tell);
        self.0.work.notify_one();
        told
    }

    /// Waits for work, and takes all of it: the waiting lines replace `batch`, which is empty. Only the
    /// thread that writes calls this, after it has finished the work from the last call.
    pub(super) fn take(&self, batch: &mut Batch) -> Option<Reopened> {
        let mut state = self.state();
        state.busy = false;
        self.0.done.notify_all();
        let is_idle = |state: &mut State| state.waiting.is_empty() && state.reopen.is_none();
        state = self.0.work.wait_while(state, is_idle).unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(batch, &mut state.waiting);
        state.busy = true;
        state.reopen.take()
    }

    /// Whether more lines wait.
    pub(super) fn has_more(&self) -> bool {
        !self.state().waiting.is_empty()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

/// Each write is one line, because the formats of `tracing` write one line at a time.
impl io::Write for &Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.add(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_do_not_fit_are_counted_and_the_others_keep_their_order() {
        let lines = Lines::default();
        let half = [b'x'; ROOM / 2 - 1];
        lines.add(b"first\n");
        lines.add(&half);
        lines.add(&half);
        lines.add(b"last\n");
        let mut batch = Batch::default();
        assert!(lines.take(&mut batch).is_none());
        assert_eq!((batch.ends.len(), lines.dropped()), (3, 1));
        assert!(batch.bytes.starts_with(b"first\n") && batch.bytes.ends_with(b"xlast\n"));
    }

    #[test]
    fn the_access_log_leaves_room_for_other_lines() {
        let lines = Lines::default();
        let line = [b'x'; ROOM / 8];
        (0..8).for_each(|_| lines.add_access(&line));
        assert_eq!(lines.dropped(), 2);
        lines.add(&line);
        assert_eq!(lines.dropped(), 2);
    }

    #[test]
    fn lines_are_counted_as_far_as_they_are_not_whole() {
        let mut batch = Batch::default();
        assert!(batch.add(b"one\n", 10) && batch.add(b"two\n", 10) && !batch.add(b"three\n", 10));
        let table = [(0, 2), (3, 2), (4, 1), (7, 1), (8, 0)];
        for (written, beyond) in table {
            assert_eq!(batch.beyond(written), beyond, "{written}");
        }
    }

    #[test]
    fn a_flush_waits_for_the_thread_that_writes_as_long_as_it_may() {
        let lines = Lines::default();
        assert!(lines.flush(Duration::ZERO), "there is nothing to write");
        lines.add(b"line\n");
        assert!(!lines.flush(Duration::from_millis(10)), "no thread writes");
        let writing = lines.clone();
        std::thread::spawn(move || {
            let mut batch = Batch::default();
            // The second call reports that the work is done, and waits.
            for _ in 0..2 {
                writing.take(&mut batch);
                batch.clear();
            }
        });
        assert!(lines.flush(Duration::from_secs(10)));
    }
}
