//! The time of a backend in each state, and the number of changes.

use std::time::{Duration, Instant};

/// The past and present states of a backend, with any names.
#[derive(Debug, Clone)]
pub(crate) struct States {
    now: &'static str,
    since: Instant,
    /// The time in each state that has ended, by name.
    before: Vec<(&'static str, Duration)>,
    changes: u64,
}

/// A view of the states at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The time in each state, in the order of first entry.
    pub times: Vec<(&'static str, Duration)>,
    /// The number of changes.
    pub changes: u64,
}

impl States {
    /// Begins with this state.
    pub(super) fn new(state: &'static str, now: Instant) -> Self {
        Self { now: state, since: now, before: Vec::new(), changes: 0 }
    }

    /// Changes to another state.
    pub(super) fn change(&mut self, to: &'static str, now: Instant) {
        let spent = now.saturating_duration_since(self.since);
        match self.before.iter_mut().find(|(state, _)| *state == self.now) {
            Some((_, time)) => *time += spent,
            None => self.before.push((self.now, spent)),
        }
        (self.now, self.since) = (to, now);
        self.changes += 1;
    }

    /// The difference to an earlier view; both views are of `now`.
    #[must_use]
    pub(super) fn since(&self, earlier: Option<&Seen>, now: Instant) -> Seen {
        let mut seen = Seen { times: self.times(now), changes: self.changes };
        if let Some(earlier) = earlier {
            seen.changes = seen.changes.saturating_sub(earlier.changes);
            for (state, time) in &mut seen.times {
                let before = earlier.times.iter().find(|(name, _)| name == state);
                *time = time.saturating_sub(before.map_or(Duration::ZERO, |(_, time)| *time));
            }
        }
        seen
    }

    /// The present state.
    pub(crate) fn now(&self) -> &'static str {
        self.now
    }

    /// The number of changes.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// The time in each state until `now`, in the order of first entry.
    pub(crate) fn times(&self, now: Instant) -> Vec<(&'static str, Duration)> {
        let mut all = self.clone();
        all.change(self.now, now);
        all.before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_add_up_to_all_the_time_there_was() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut states = States::new("up", begun);
        assert_eq!(states.times(at(3)), [("up", Duration::from_secs(3))]);
        states.change("down", at(10));
        states.change("up", at(14));
        // If two threads see a change, it may have the earlier of their times.
        states.change("suspect", at(13));
        let times = states.times(at(20));
        assert_eq!(
            times,
            [("up", 10), ("down", 4), ("suspect", 7)].map(|(state, s)| (state, Duration::from_secs(s)))
        );
        assert_eq!((states.now(), states.changes()), ("suspect", 3));

        let earlier = states.since(None, at(20));
        assert_eq!((&earlier.times, earlier.changes), (&times, 3));
        states.change("up", at(25));
        let seconds = |seconds| Duration::from_secs(seconds);
        let times = vec![("up", seconds(1)), ("down", seconds(0)), ("suspect", seconds(5))];
        assert_eq!(states.since(Some(&earlier), at(26)), Seen { times, changes: 1 });
    }
}
