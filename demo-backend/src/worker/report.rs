//! How does the agent learn the fate of each request?
//!
//! The worker writes lines before it waits or answers. So the reports are in the pipe, and stay there if the
//! worker is killed in the next moment. A quick answer costs one write with all of its reports.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::rc::Rc;

use anyhow::Result;

use crate::link::Report;

/// Writes reports into the pipe to the agent.
pub(super) struct Reporter {
    pipe: File,
    lines: RefCell<Vec<u8>>,
    arrived: Cell<u64>,
    in_flight: Cell<u64>,
}

impl Reporter {
    /// Takes over standard output.
    pub(super) fn new() -> Result<Self> {
        let pipe = File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
        Ok(Self { pipe, lines: RefCell::default(), arrived: Cell::new(0), in_flight: Cell::new(0) })
    }

    /// Stores a report for the next [`Self::send`], which comes soon: a write costs a system call.
    pub(super) fn note(&self, report: Report<'_>) {
        report.encode(&mut self.lines.borrow_mut());
    }

    /// Writes this report, together with the stored ones.
    pub(super) fn send(&self, report: Report<'_>) {
        self.note(report);
        self.flush();
    }

    /// Writes the stored reports.
    ///
    /// Blocks while the pipe is full, which lasts as long as the agent does not read. Without an agent there
    /// is nothing left to do, and the process ends.
    pub(super) fn flush(&self) {
        let mut lines = self.lines.borrow_mut();
        if (&self.pipe).write_all(&lines).is_err() {
            std::process::exit(0);
        }
        lines.clear();
    }
}

/// One request in flight. It reports how the request ended; without another report, its client closed its
/// connection.
pub(super) struct Ticket {
    reporter: Rc<Reporter>,
    /// The number of the request among the requests of this worker, from 1.
    pub(super) number: u64,
    /// Requests in flight when this one came, including itself.
    pub(super) in_flight: u64,
    ended: bool,
}

impl Ticket {
    /// A request's head was read. This report is only stored: code that waits before the next report flushes
    /// first.
    pub(super) fn arrive(reporter: Rc<Reporter>) -> Self {
        reporter.note(Report::Arrived);
        reporter.arrived.set(reporter.arrived.get() + 1);
        reporter.in_flight.set(reporter.in_flight.get() + 1);
        let (number, in_flight) = (reporter.arrived.get(), reporter.in_flight.get());
        Self { reporter, number, in_flight, ended: false }
    }

    /// The last byte of the answer was given to the connection.
    pub(super) fn finish(&mut self) {
        self.end(Report::Finished);
    }

    /// A fault ends the answer.
    pub(super) fn break_off(&mut self) {
        self.end(Report::Broken);
    }

    fn end(&mut self, how: Report<'_>) {
        if !std::mem::replace(&mut self.ended, true) {
            let in_flight = &self.reporter.in_flight;
            in_flight.set(in_flight.get() - 1);
            self.reporter.send(how);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.end(Report::Abandoned);
    }
}
