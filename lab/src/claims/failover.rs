//! The claims about a run in which one backend is killed and started, and another one stalled and continued.

use std::time::Duration;

use super::claim::{Claim, Measured, Tolerance, Value};

/// The longest time of an answer around a kill.
const SLOWEST: Duration = Duration::from_millis(250);

/// A backend that came back must serve again within this time.
const BACK_WITHIN: Duration = Duration::from_secs(3);

/// The time after a stall by which the other backends must have taken over.
pub const STALL_GRACE: Duration = Duration::from_secs(2);

/// The meaning of taking over: this part of the rate before, in percent.
const TAKEN_OVER: f64 = 90.0;

/// What a run measured.
#[derive(Clone, Debug, PartialEq)]
pub struct FailoverRun {
    /// Errors over the whole run.
    pub errors: u64,
    /// The longest time of an answer from the kill until the start.
    pub slowest_around_kill: Duration,
    /// From the start command until the backend's first answer; `None` if there was none.
    pub serves_after_start: Option<Duration>,
    /// Errors while one backend was stalled.
    pub errors_in_stall: u64,
    /// Requests a second before any event, and with one backend stalled, from [`STALL_GRACE`] on.
    pub rates: (f64, f64),
    /// From the continue command until the backend's first answer; `None` if there was none.
    pub serves_after_continue: Option<Duration>,
    /// Requests that were answered and that no backend executed.
    pub lost: u64,
}

/// The claims.
pub const CLAIMS: [Claim<FailoverRun>; 6] = [
    Claim {
        says: "no GET ends in an error",
        measured: |run| Measured::plain(Value::Count(run.errors)),
        tolerance: Tolerance::NONE,
        counter_case: |run| run.errors = 1,
    },
    Claim {
        says: "every answer is in a backend's ledger",
        measured: |run| Measured::told(Some(Value::Count(run.lost)), format!("{} lost", run.lost)),
        tolerance: Tolerance::NONE,
        counter_case: |run| run.lost = 1,
    },
    Claim {
        says: "around the kill no answer takes {} or more",
        measured: |run| Measured::plain(Value::Time(run.slowest_around_kill)),
        tolerance: Tolerance::Below(Value::Time(SLOWEST)),
        counter_case: |run| run.slowest_around_kill = SLOWEST,
    },
    Claim {
        says: "started, a backend serves again within {}",
        measured: |run| back(run.serves_after_start),
        tolerance: Tolerance::Below(Value::Time(BACK_WITHIN)),
        counter_case: |run| run.serves_after_start = None,
    },
    Claim {
        says: "2.0 s after a stall, the others serve at {} of the rate before, without errors",
        measured: |run| {
            let (before, after) = run.rates;
            let part = if before > 0.0 { after * 100.0 / before } else { 0.0 };
            let without_errors = (run.errors_in_stall == 0).then_some(Value::Percent(part));
            Measured::told(without_errors, format!("{part:.0} %, {} errors", run.errors_in_stall))
        },
        tolerance: Tolerance::AtLeast(Value::Percent(TAKEN_OVER)),
        counter_case: |run| run.rates = (1000.0, 899.0),
    },
    Claim {
        says: "continued, a backend serves again within {}",
        measured: |run| back(run.serves_after_continue),
        tolerance: Tolerance::Below(Value::Time(BACK_WITHIN)),
        counter_case: |run| run.serves_after_continue = Some(BACK_WITHIN),
    },
];

/// The time until a backend served again.
fn back(took: Option<Duration>) -> Measured {
    match took.map(Value::Time) {
        Some(took) => Measured::plain(took),
        None => Measured::told(None, "not in this run".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::claim::{self, faults_of, judge};
    use super::*;
    use crate::spell::time;

    fn good() -> FailoverRun {
        FailoverRun {
            errors: 0,
            slowest_around_kill: Duration::from_millis(249),
            serves_after_start: Some(Duration::from_millis(2999)),
            errors_in_stall: 0,
            rates: (1000.0, 900.0),
            serves_after_continue: Some(Duration::from_millis(2999)),
            lost: 0,
        }
    }

    fn broken(run: &FailoverRun) -> Vec<usize> {
        claim::broken(&CLAIMS, run)
    }

    #[test]
    fn each_claim_is_broken_by_its_counter_case_alone() {
        assert_eq!(faults_of(&CLAIMS, &good()), [""; 0]);
    }

    #[test]
    fn each_promise_is_broken_by_its_own_number() {
        assert!(broken(&good()).is_empty());
        assert_eq!(broken(&FailoverRun { errors: 1, ..good() }), [0]);
        assert_eq!(broken(&FailoverRun { lost: 1, ..good() }), [1]);
        assert_eq!(broken(&FailoverRun { slowest_around_kill: SLOWEST, ..good() }), [2]);
        assert_eq!(broken(&FailoverRun { serves_after_start: None, ..good() }), [3]);
        assert_eq!(broken(&FailoverRun { serves_after_start: Some(BACK_WITHIN), ..good() }), [3]);
        assert_eq!(broken(&FailoverRun { errors_in_stall: 1, ..good() }), [4]);
        assert_eq!(broken(&FailoverRun { rates: (1000.0, 899.0), ..good() }), [4]);
        assert_eq!(broken(&FailoverRun { rates: (0.0, 0.0), ..good() }), [4]);
        assert_eq!(broken(&FailoverRun { serves_after_continue: None, ..good() }), [5]);
    }

    #[test]
    fn the_sentences_name_their_bounds() {
        let said: Vec<String> = judge(&CLAIMS, &good()).iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "ok      no GET ends in an error: 0",
                "ok      every answer is in a backend's ledger: 0 lost",
                "ok      around the kill no answer takes 250 ms or more: 249 ms",
                "ok      started, a backend serves again within 3.0 s: 3.0 s",
                "ok      2.0 s after a stall, the others serve at 90 % of the rate before, without errors: 90 %, 0 errors",
                "ok      continued, a backend serves again within 3.0 s: 3.0 s",
            ]
        );
        assert!(said[4].contains(&time(Some(STALL_GRACE))));
    }
}
