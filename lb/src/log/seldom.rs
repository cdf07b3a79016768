//! Limits how often a line that repeats is written.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Decides whether a repeated line is due again. The clock is an argument.
#[derive(Debug)]
pub(crate) struct Seldom {
    every: Duration,
    last: Cell<Option<Instant>>,
}

impl Seldom {
    /// The first line is due at once, and each further one after this interval.
    pub(crate) const fn every(every: Duration) -> Self {
        Self { every, last: Cell::new(None) }
    }

    /// Whether the line is due. If so, the interval starts again.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        let is_due = self.last.get().is_none_or(|last| now.saturating_duration_since(last) >= self.every);
        if is_due {
            self.last.set(Some(now));
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_due_at_first_and_after_its_time() {
        let (seldom, begun) = (Seldom::every(Duration::from_secs(10)), Instant::now());
        let table = [(5, true), (5, false), (14, false), (15, true), (24, false), (0, false), (1000, true)];
        for (second, expected) in table {
            let now = begun + Duration::from_secs(second);
            assert_eq!(seldom.is_due(now), expected, "second {second}");
        }
    }
}
