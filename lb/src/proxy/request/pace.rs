//! Does a client send the body of its request fast enough? A body that comes in single bytes would occupy a
//! place at its backend for any length of time, although it never stops.
//!
//! As in Apache's `mod_reqtimeout` (`body=5,MinRate=…`), a client gets some time for the beginning, and more
//! for each byte. Only the time counts in which the balancer waits for the client: a backend that reads
//! slowly is not the client's fault.

use std::time::{Duration, Instant};

/// The time that every client gets, whatever it sends.
const GRACE: Duration = Duration::from_secs(5);

/// The pace of one body.
#[derive(Debug)]
pub(crate) struct Pace {
    /// The required bytes per second.
    least: u64,
    /// The time that the balancer has waited for the client, without the present wait.
    waited: Duration,
    /// The start of the present wait, if there is one.
    since: Option<Instant>,
}

impl Pace {
    /// Requires this number of bytes per second, at least one.
    pub(crate) fn new(least: u64) -> Self {
        Self { least: least.max(1), waited: Duration::ZERO, since: None }
    }

    /// The total of bytes at `now`; `awaits_client` says whether the balancer waits for the client from now
    /// on. Returns the time by which more bytes must have come.
    pub(crate) fn deadline(&mut self, now: Instant, bytes: u64, awaits_client: bool) -> Option<Instant> {
        if let Some(since) = self.since.take() {
            self.waited += now.saturating_duration_since(since);
        }
        if !awaits_client {
            return None;
        }
        self.since = Some(now);
        let allowed = GRACE.saturating_add(Duration::from_millis(bytes.saturating_mul(1000) / self.least));
        // A time far in the future need not be exact.
        now.checked_add(allowed.saturating_sub(self.waited))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes from a client at a time in seconds, whether the balancer waits for it from then on, and the
    /// time for the next bytes.
    type Case = (u64, u64, bool, Option<u64>);

    #[test]
    fn only_the_time_counts_in_which_the_client_is_waited_for() {
        let start = Instant::now();
        let table: [&[Case]; 4] = [
            // No bytes come.
            &[(0, 0, true, Some(5))],
            // One byte a second.
            &[(0, 0, true, Some(5)), (1, 1, true, Some(5)), (4, 4, true, Some(5)), (5, 5, true, Some(5))],
            // Ten times the required pace.
            &[(0, 0, true, Some(5)), (1, 1000, true, Some(15)), (2, 2000, true, Some(25))],
            // A backend that does not read for an hour.
            &[(0, 0, true, Some(5)), (2, 100, false, None), (3602, 100, true, Some(3606))],
        ];
        for cases in table {
            let mut pace = Pace::new(100);
            for (at, bytes, awaits, expected) in cases {
                let deadline = pace.deadline(start + Duration::from_secs(*at), *bytes, *awaits);
                let seconds = deadline.map(|deadline| deadline.duration_since(start).as_secs());
                assert_eq!(seconds, *expected, "{cases:?} at {at}");
            }
        }
    }
}
