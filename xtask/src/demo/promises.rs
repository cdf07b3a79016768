//! The promises of the scenario, and whether they were kept. Pure: measurements go in, verdicts come out.

use std::time::Duration;

use super::glyphs::time;
use crate::verdict::Verdict;

/// The longest time of an answer around a kill.
const SLOWEST: Duration = Duration::from_millis(250);

/// A backend that came back must serve again within this time.
const BACK_WITHIN: Duration = Duration::from_secs(3);

/// The time after a stall by which the other backends must have taken over.
pub(super) const STALL_GRACE: Duration = Duration::from_secs(2);

/// The meaning of taking over: this part of the rate before.
pub(super) const TAKEN_OVER: f64 = 0.9;

/// What a run of the scenario measured.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Measured {
    /// Errors over the whole run.
    pub(super) errors: u64,
    /// From the start command until the backend's first answer; `None` if there was none.
    pub(super) slowest_around_kill: Duration,
    /// From the order to start until the backend's first answer; `None` if none came.
    pub(super) serves_after_start: Option<Duration>,
    /// Errors while one backend was stalled.
    pub(super) errors_in_stall: u64,
    /// Requests a second before any event, and with one backend stalled, from [`STALL_GRACE`] on.
    pub(super) rates: (f64, f64),
    /// From the continue command until the backend's first answer; `None` if there was none.
    pub(super) serves_after_continue: Option<Duration>,
    /// Requests that were answered and that no backend executed.
    pub(super) lost: usize,
}

/// Judges a run.
pub(super) fn judge(run: &Measured) -> Vec<Verdict> {
    let verdict = |promise: String, measured: String, kept| Verdict { promise, measured, kept };
    let back = |what: &str, took: Option<Duration>| {
        let measured = took.map_or_else(|| "not in this run".into(), |took| time(Some(took)));
        verdict(
            format!("{what}, a backend serves again within {}", time(Some(BACK_WITHIN))),
            measured,
            took.is_some_and(|took| took < BACK_WITHIN),
        )
    };
    let (before, after) = run.rates;
    let part = if before > 0.0 { after / before } else { 0.0 };
    vec![
        verdict("no GET ends in an error".into(), run.errors.to_string(), run.errors == 0),
        verdict("every answer is in a backend's ledger".into(), format!("{} lost", run.lost), run.lost == 0),
        verdict(
            format!("around the kill no answer takes {} or more", time(Some(SLOWEST))),
            time(Some(run.slowest_around_kill)),
            run.slowest_around_kill < SLOWEST,
        ),
        back("started", run.serves_after_start),
        verdict(
            format!(
                "{} after a stall, the others serve at {:.0} % of the rate before, without errors",
                time(Some(STALL_GRACE)),
                TAKEN_OVER * 100.0
            ),
            format!("{:.0} %, {} errors", part * 100.0, run.errors_in_stall),
            part >= TAKEN_OVER && run.errors_in_stall == 0,
        ),
        back("continued", run.serves_after_continue),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Measured {
        Measured {
            errors: 0,
            slowest_around_kill: Duration::from_millis(249),
            serves_after_start: Some(Duration::from_millis(2999)),
            errors_in_stall: 0,
            rates: (1000.0, 900.0),
            serves_after_continue: Some(Duration::from_millis(2999)),
            lost: 0,
        }
    }

    /// The indices of the promises that this run breaks.
    fn broken(run: &Measured) -> Vec<usize> {
        let verdicts = judge(run);
        verdicts.iter().enumerate().filter(|(_, verdict)| !verdict.kept).map(|(place, _)| place).collect()
    }

    #[test]
    fn each_promise_is_broken_by_its_own_number() {
        assert!(broken(&good()).is_empty());
        assert_eq!(broken(&Measured { errors: 1, ..good() }), [0]);
        assert_eq!(broken(&Measured { lost: 1, ..good() }), [1]);
        assert_eq!(broken(&Measured { slowest_around_kill: SLOWEST, ..good() }), [2]);
        assert_eq!(broken(&Measured { serves_after_start: None, ..good() }), [3]);
        assert_eq!(broken(&Measured { serves_after_start: Some(BACK_WITHIN), ..good() }), [3]);
        assert_eq!(broken(&Measured { errors_in_stall: 1, ..good() }), [4]);
        assert_eq!(broken(&Measured { rates: (1000.0, 899.0), ..good() }), [4]);
        assert_eq!(broken(&Measured { rates: (0.0, 0.0), ..good() }), [4]);
        assert_eq!(broken(&Measured { serves_after_continue: None, ..good() }), [5]);
    }
}
