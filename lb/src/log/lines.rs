//! Lines on their way to the log: a bounded queue between all threads that log and the one that writes.
//!
//! The lock is held while a line is copied, and never while anything is written. So a reader that does not read, or a disk
//! that is full, costs lines and never a request.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tracing_subscriber::fmt::MakeWriter;

use super::writer::OpenError;

/// Bytes of lines that may wait: some thousand lines.
pub(super) const ROOM: usize = 1024 * 1024;

/// How many of them lines of the access log may take. The rest is for what is rarer and matters more.
const ACCESS_ROOM: usize = ROOM / 4 * 3;

/// The lines that wait to be written. All clones stand for the same lines.
#[derive(Debug, Clone, Default)]
pub struct Lines(Arc<Queue>);

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    /// There is something to do for the thread that writes.
    work: Condvar,
    /// That thread has done all there was.
    done: Condvar,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    waiting: Batch,
    /// Lines are being written.
    busy: bool,
    reopen: Option<Reopened>,
}

/// Tells what came of reopening the log file.
pub(super) type Reopened = oneshot::Sender<Result<(), OpenError>>;

/// Lines one behind the other, each with its line feed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    /// Where each line ends.
    ends: Vec<usize>,
}

impl Batch {
    /// Adds a line if the batch has room for it: `room` bytes in all.
    fn add(&mut self, line: &[u8], room: usize) -> bool {
        let fits = self.bytes.len() + line.len() <= room;
        if fits {
            self.bytes.extend_from_slice(line);
            self.ends.push(self.bytes.len());
        }
        fits
    }

    /// How many lines are not whole in the first `written` bytes.
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
    /// Adds a line, which ends with its line feed. One that does not fit is counted and dropped.
    pub(crate) fn add(&self, line: &[u8]) {
        self.add_within(line, ROOM);
    }

    /// Adds a line of the access log, which leaves room for other lines.
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

    /// Waits until all lines are written, for `patience` at most. Returns whether they are.
    pub fn flush(&self, patience: Duration) -> bool {
        let is_open = |state: &mut State| state.busy || !state.waiting.is_empty();
        let waited = self.0.done.wait_timeout_while(self.state(), patience, is_open);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Asks for the log file to be opened anew, behind the lines that wait.
    pub(super) fn reopen(&self) -> oneshot::Receiver<Result<(), OpenError>> {
        let (tell, told) = oneshot::channel();
        self.state().reopen = Some(tell);
        self.0.work.notify_one();
        told
    }

    /// Waits for work, and takes all there is: `batch`, which is empty, is swapped for the lines that wait. To be called by
    /// the thread that writes, once it has done what it took before.
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

/// Each write is one line: so the formats of `tracing` write.
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
            // The second time, it says that it has done what it took, and waits.
            for _ in 0..2 {
                writing.take(&mut batch);
                batch.clear();
            }
        });
        assert!(lines.flush(Duration::from_secs(10)));
    }
}
