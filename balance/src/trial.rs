//! When does a backend that answered no question get requests again? After a time that grows with each
//! failure.
//!
//! Some backends serve requests and answer no questions. They must come back, and a backend that has really
//! failed must not get requests all the time. So the time doubles with each failed trial, as in linkerd's
//! circuit breaker, and it has an upper limit, as Envoy's ejections have.

use std::time::Duration;

/// The time without requests until the first trial of a backend that has never answered a question: it may
/// be a backend that serves requests only.
const FIRST_TRIAL: Duration = Duration::from_secs(5);

/// The same for a backend that has answered a question before, so that its failure is likely. It may have
/// been replaced by another one since.
const FIRST_TRIAL_OF_KNOWN: Duration = Duration::from_secs(60);

/// The longest time until a trial.
const LONGEST_TRIAL: Duration = Duration::from_secs(300);

/// The time that a backend is out before a connection counts as evidence again, after this number of failed
/// trials: from 5 s to 5 min. If `answers_questions`, the backend has answered a question before, and the
/// shortest time is 1 min.
pub fn trial_after(failed: u32, answers_questions: bool) -> Duration {
    let first = if answers_questions { FIRST_TRIAL_OF_KNOWN } else { FIRST_TRIAL };
    first.saturating_mul(2_u32.saturating_pow(failed)).min(LONGEST_TRIAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_doubles_up_to_a_limit() {
        let seconds =
            |answers| [0, 1, 2, 5, 6, 40, u32::MAX].map(|failed| trial_after(failed, answers).as_secs());
        assert_eq!(seconds(false), [5, 10, 20, 160, 300, 300, 300]);
        assert_eq!(seconds(true), [60, 120, 240, 300, 300, 300, 300]);
    }
}
