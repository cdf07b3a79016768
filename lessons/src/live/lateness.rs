//! Is this machine quick enough to measure times?

use std::thread::sleep;
use std::time::{Duration, Instant};

/// A machine whose timers are later than this, at the 99th percentile, is too busy for claims about times.
pub const LIMIT: Duration = Duration::from_millis(5);

/// The number of timers that are tried before a lesson.
const TIMERS: usize = 200;

/// How late the timers of a machine are, at the 99th percentile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lateness {
    /// Of the timers before the run.
    pub before: Duration,
    /// Of the load during the run.
    pub during: Duration,
}

impl Lateness {
    /// Tries 200 timers of 1 ms, which takes a fifth of a second or more.
    pub fn measure() -> Self {
        let wanted = Duration::from_millis(1);
        let late = |_| {
            let began = Instant::now();
            sleep(wanted);
            began.elapsed().saturating_sub(wanted)
        };
        let mut late: Vec<Duration> = (0..TIMERS).map(late).collect();
        late.sort_unstable();
        let before = late.get(TIMERS * 99 / 100).copied().unwrap_or_default();
        Self { before, during: Duration::ZERO }
    }

    /// The same, with the greater lateness of another run.
    #[must_use]
    pub fn with(self, during: Duration) -> Self {
        Self { during: self.during.max(during), ..self }
    }

    /// Whether the machine is too busy for claims about times.
    pub fn is_late(self) -> bool {
        self.before.max(self.during) > LIMIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_late_timer_is_enough() {
        let (good, bad) = (LIMIT, LIMIT + Duration::from_micros(1));
        for (before, during, expected) in [(good, good, false), (bad, good, true), (good, bad, true)] {
            assert_eq!(Lateness { before, during }.is_late(), expected, "{before:?}, {during:?}");
        }
        let all = Lateness { before: good, during: good }.with(bad).with(good);
        assert_eq!(all.during, bad);
    }
}
