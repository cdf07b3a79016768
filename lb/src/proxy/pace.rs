//! Does a client send its request's body fast enough? A body that trickles in holds a place at its backend for as long as the client
//! likes, though it never comes to a halt.
//!
//! As Apache's `mod_reqtimeout` does (`body=5,MinRate=…`), a client gets a time for the beginning, and more for every byte. Only
//! the time counts in which the client is waited for: a backend that reads slowly is not its fault.

use std::time::{Duration, Instant};

/// How long any client may take, whatever it sends.
const GRACE: Duration = Duration::from_secs(5);

/// How fast one body comes.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Bytes per second that are asked for.
    least: u64,
    /// How long the client was waited for, but for the present wait.
    waited: Duration,
    /// Since when it is waited for.
    since: Option<Instant>,
}

impl Pace {
    /// Asks for so many bytes per second, at least one.
    pub(super) fn new(least: u64) -> Self {
        Self { least: least.max(1), waited: Duration::ZERO, since: None }
    }

    /// So many bytes have come by `now`, and from now on the client is waited for, or it is not. Returns when more must have come.
    pub(super) fn deadline(&mut self, now: Instant, bytes: u64, awaits_client: bool) -> Option<Instant> {
        if let Some(since) = self.since.take() {
            self.waited += now.saturating_duration_since(since);
        }
        if !awaits_client {
            return None;
        }
        self.since = Some(now);
        let allowed = GRACE.saturating_add(Duration::from_millis(bytes.saturating_mul(1000) / self.least));
        // What is far off need not be exact.
        now.checked_add(allowed.saturating_sub(self.waited))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a client has sent by a time in seconds, whether it is waited for from then on, and when more must have come.
    type Case = (u64, u64, bool, Option<u64>);

    #[test]
    fn only_the_time_counts_in_which_the_client_is_waited_for() {
        let start = Instant::now();
        let table: [&[Case]; 4] = [
            // Nothing comes.
            &[(0, 0, true, Some(5))],
            // A trickle: a byte a second.
            &[(0, 0, true, Some(5)), (1, 1, true, Some(5)), (4, 4, true, Some(5)), (5, 5, true, Some(5))],
            // Ten times as much as is asked for.
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
