//! The input of the ghosts: the events of a stream, and what of them is no use.

use api::Hello;
use balance::policy::Kind;

use super::line::Told;

/// A time that is so far ahead of the stream is a mistake, in microseconds: an hour.
const TOO_FAR: u64 = 3_600_000_000;

/// The largest number of unknown policies that are reported.
const MOST_NAMES: usize = 16;

/// What the ghosts could not use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Lines that are no events.
    pub lines: u64,
    /// What is wrong with the first of them.
    pub first: Option<String>,
    /// Requests before the first measured service time, before the first event `hello`, or just before a
    /// change of the backends.
    pub requests: u64,
    /// Requests that took too long, and so arrived late at the ghosts.
    pub late: u64,
    /// Requests that were left out, because too many were in flight at the ghosts.
    pub surplus: u64,
    /// The kinds of faults that are not simulated.
    pub faults: Vec<String>,
    /// Policies in force that this program does not know, each with what it knows instead.
    pub policies: Vec<String>,
    /// The event `hello` came.
    pub has_begun: bool,
}

/// The lines of the stream.
pub(super) struct Input<'a> {
    read: &'a mut dyn FnMut(&mut Vec<u8>) -> bool,
    line: Vec<u8>,
    pub(super) skipped: Skipped,
    /// The time of the latest event.
    pub(super) clock: Option<u64>,
    /// The time of the latest event before the last `hello`.
    pub(super) before: u64,
}

impl<'a> Input<'a> {
    /// The lines that `read` puts into its buffer.
    pub(super) fn new(read: &'a mut dyn FnMut(&mut Vec<u8>) -> bool) -> Self {
        Self { read, line: Vec::new(), skipped: Skipped::default(), clock: None, before: 0 }
    }

    /// The next event.
    pub(super) fn next(&mut self) -> Option<Told> {
        loop {
            self.line.clear();
            if !(self.read)(&mut self.line) {
                return None;
            }
            match Told::read(&self.line).and_then(|told| self.timed(told)) {
                Ok(told) => return Some(told),
                Err(why) => {
                    self.skipped.lines += 1;
                    self.skipped.first.get_or_insert(why);
                }
            }
        }
    }

    /// The same event, if its time is credible.
    fn timed(&mut self, told: Told) -> Result<Told, String> {
        let Some(t) = told.t() else { return Ok(told) };
        if matches!(told, Told::Hello(_)) {
            self.before = self.clock.unwrap_or(0);
        }
        let clock = match (&told, self.clock) {
            // Another balancer may have another clock.
            (Told::Hello(_), _) | (_, None) => t,
            (_, Some(clock)) if t > clock.saturating_add(TOO_FAR) => {
                return Err(format!("the time {t} is far ahead of the event before, at {clock}"));
            }
            (_, Some(clock)) => clock.max(t),
        };
        self.clock = Some(clock);
        Ok(told)
    }

    /// The policy with this name, if this program knows it.
    pub(super) fn policy(&mut self, name: &str) -> Option<Kind> {
        let kind = name.parse();
        if let Err(why) = &kind
            && self.skipped.policies.len() < MOST_NAMES
            && !self.skipped.policies.contains(why)
        {
            self.skipped.policies.push(why.clone());
        }
        kind.ok()
    }

    /// The next event `hello`.
    pub(super) fn hello(&mut self) -> Option<Box<Hello>> {
        loop {
            match self.next()? {
                Told::Hello(hello) => return Some(hello),
                Told::Req(_) => self.skipped.requests += 1,
                _ => {}
            }
        }
    }
}
