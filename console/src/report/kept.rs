//! What a console keeps of a run for its report and for the ghosts, in a bounded amount of memory.

use std::collections::VecDeque;

use api::{Event, Hello};

use super::recent::Recent;
use super::requests::Requests;
use super::stretch::{Stretch, Stretches};
use crate::model::{LogLine, Model};

/// Older changes than the last ones are forgotten.
const CHANGES: usize = 5_000;

/// The same for the bytes of their texts.
const CHANGES_BYTES: usize = 3 << 20;

/// A recording of a run in memory: all changes, the figures of each second, some requests, and everything of
/// the last two minutes. After hours, it still takes less than [`Kept::MOST_BYTES`]: older seconds are joined
/// in pairs, and the oldest changes are left out.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    model: Model,
    first: Option<Box<Hello>>,
    now: u64,
    changes: VecDeque<LogLine>,
    /// The lines of the log that were taken so far.
    seen: u64,
    changes_bytes: usize,
    forgotten: u64,
    stretches: Stretches,
    requests: Requests,
    recent: Recent,
}

impl Kept {
    /// The largest number of bytes that a recording takes.
    pub const MOST_BYTES: usize = 32 << 20;

    /// Takes in the next event of the stream.
    pub fn apply(&mut self, event: &Event) {
        if let Event::Hello(hello) = event {
            self.hello(hello);
        }
        self.model.apply(event);
        self.now = self.now.max(event.time().unwrap_or(0));
        self.recent.apply(event, self.now);
        self.take_lines();
        match event {
            Event::Tick(tick) => self.stretches.tick(tick),
            Event::Req(request) => self.requests.end(request),
            Event::Why(why) => self.requests.explain(why),
            _ => {}
        }
    }

    fn hello(&mut self, hello: &Hello) {
        // Times of another epoch cannot be compared with the times so far.
        if self.first.as_ref().is_some_and(|first| first.epoch_unix_us != hello.epoch_unix_us) {
            *self = Self::default();
        }
        self.first.get_or_insert_with(|| Box::new(hello.clone()));
    }

    /// The new lines of the log are the changes.
    fn take_lines(&mut self) {
        let (lines, seen) = self.model.log_after(self.seen);
        for line in lines {
            self.changes_bytes += weight(line);
            self.changes.push_back(line.clone());
        }
        self.seen = seen;
        while self.changes.len() > CHANGES || self.changes_bytes > CHANGES_BYTES {
            let Some(oldest) = self.changes.pop_front() else { break };
            self.changes_bytes = self.changes_bytes.saturating_sub(weight(&oldest));
            self.forgotten += 1;
        }
    }

    /// The recording of the last two minutes, with all requests that were told: one event in each line, as
    /// `sim replay` reads it. At a high rate it is shorter. Empty if the stream has not begun.
    pub fn recording(&self) -> String {
        self.recent.lines()
    }

    /// The same without the lines of [`Kept::recording`], which a report does not need: a small copy.
    #[must_use]
    pub fn without_recording(&self) -> Self {
        Self {
            model: self.model.clone(),
            first: self.first.clone(),
            changes: self.changes.clone(),
            stretches: self.stretches.clone(),
            requests: self.requests.clone(),
            recent: self.recent.without_lines(),
            ..*self
        }
    }

    /// The bytes that the recording takes, without the model, which has a fixed size.
    pub fn bytes(&self) -> usize {
        self.changes_bytes + self.stretches.bytes() + self.requests.bytes() + self.recent.bytes()
    }

    pub(super) fn model(&self) -> &Model {
        &self.model
    }

    pub(super) fn first(&self) -> Option<&Hello> {
        self.first.as_deref()
    }

    pub(super) fn now(&self) -> u64 {
        self.now
    }

    pub(super) fn changes(&self) -> impl Iterator<Item = &LogLine> {
        self.changes.iter()
    }

    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    pub(super) fn stretches(&self) -> &[Stretch] {
        self.stretches.all()
    }

    pub(super) fn requests(&self) -> &Requests {
        &self.requests
    }

    pub(super) fn recent(&self) -> &Recent {
        &self.recent
    }
}

/// How many bytes a change takes.
fn weight(line: &LogLine) -> usize {
    size_of::<LogLine>() + line.text.len()
}

#[cfg(test)]
#[path = "kept_tests.rs"]
mod tests;
