//! What counts as evidence? This module turns the end of a ping, of a question and of a try into evidence
//! about the backend.
//!
//! The failure says what happened. The table in [`crate::verdict`] says what the request does next. The
//! failure of a request is no evidence against its backend: at most, the balancer asks the backend.

use crate::Moment;
use crate::backend::Backend;
use crate::health::Evidence;
use crate::pool::{ServerPool, Transition};
use crate::questions::Reply;
use crate::state::State;
use crate::verdict::{Blame, Facts, Failure, Lesson, Limits, Verdict, judge};

/// The evidence of a failed ping, if it is evidence about the backend. `suspect`: the backend is suspected of
/// silence.
pub fn of_ping(failure: Failure, suspect: bool) -> Option<Evidence> {
    match failure {
        Failure::OutOfResources => None,
        // The kernel accepts connections for a stopped process, too. If not even a connection is made, the
        // host is gone.
        Failure::HeadTimeout if suspect => Some(Evidence::StillSilent),
        failure => {
            let cause = format!("ping: {}", failure.words()).into();
            Some(match failure {
                Failure::ConnectRefused => Evidence::PingRefused(cause),
                Failure::ClosedEarly | Failure::Malformed => Evidence::NotHttp(cause),
                _ => Evidence::PingFailed(cause),
            })
        }
    }
}

/// The evidence at the end of a question.
pub fn of_question(answer: Result<(), Failure>) -> Reply {
    let cause =
        |failure: Failure| format!("asked because a request failed or waits: {}", failure.words()).into();
    match answer {
        Ok(()) => Reply::Evidence(Evidence::Answered),
        Err(failure) => match failure {
            Failure::OutOfResources => Reply::Unasked,
            // The kernel may have accepted the connection for a stopped process.
            Failure::HeadTimeout => Reply::None,
            Failure::ConnectRefused => Reply::Evidence(Evidence::PingRefused(cause(failure))),
            Failure::ConnectTimeout | Failure::Unreachable | Failure::Unresolved => {
                Reply::Evidence(Evidence::PingFailed(cause(failure)))
            }
            _ => Reply::Evidence(Evidence::NotHttp(cause(failure))),
        },
    }
}

/// A failed try, with the facts that its request knows.
#[derive(Debug, Clone, Copy)]
pub struct FailedTry<'a> {
    /// The kind of failure.
    pub failure: Failure,
    /// A second execution of the request does no harm, and the balancer can send the whole request again.
    pub repeatable: bool,
    /// Retries at this backend so far.
    pub retries: u32,
    /// Backends tried so far, this one included.
    pub attempts: u32,
    /// The numbers of the backends that the request tried before.
    pub tried: &'a [usize],
    /// An earlier try may have executed the request already.
    pub may_have_run: bool,
    /// The backend that a cookie names for this request, if any: a [`Backend::id`].
    pub home: Option<u64>,
    /// There is time left before the request's total deadline.
    pub time_left: bool,
}

impl<X> ServerPool<X> {
    /// Adds the facts of the pool to the facts of the request, and judges the failed try.
    pub fn judge(&self, failed: FailedTry<'_>, backend: &Backend, limits: Limits, now: Moment) -> Verdict {
        let facts = Facts {
            failure: failed.failure,
            repeatable: failed.repeatable,
            retries: failed.retries,
            attempts: failed.attempts,
            may_have_run: failed.may_have_run,
            budget_left: self.may_retry(now),
            backend_is_out: backend.is(State::Down),
            other_is_up: failed.home != Some(backend.id) && self.has_other(failed.tried, backend),
            time_left: failed.time_left,
        };
        judge(facts, limits)
    }

    /// Applies what a failed try says about its backend.
    pub fn apply_verdict(
        &self,
        failure: Failure,
        verdict: Verdict,
        backend: &Backend,
        limits: Limits,
        now: Moment,
    ) -> Vec<Transition> {
        let outlier = if verdict.blame == Blame::Backend { self.count_failure(backend, now) } else { None };
        let ejected = outlier.and_then(|why| self.eject(backend, why, now));
        let down = match verdict.lesson {
            Lesson::Nothing => None,
            Lesson::Ask => {
                self.ask_soon(backend);
                None
            }
            Lesson::Down => {
                let (cause, refused) = (limits.cause(failure), failure == Failure::ConnectRefused);
                self.learn(backend, Evidence::CannotConnect { cause, refused }, now)
            }
        };
        ejected.into_iter().chain(down).collect()
    }
}

#[cfg(test)]
mod tests {
    use strum::VariantArray;

    use super::*;

    #[test]
    fn a_ping_is_evidence_unless_the_balancer_could_not_send_it() {
        let failed = |words: &'static str| Some(Evidence::PingFailed(words.into()));
        let refused = || Some(Evidence::PingRefused("ping: connection refused".into()));
        let not_http = || Some(Evidence::NotHttp("ping: connection closed before the answer began".into()));
        let table = [
            (Failure::OutOfResources, None, None),
            (
                Failure::ConnectTimeout,
                failed("ping: connecting took too long"),
                failed("ping: connecting took too long"),
            ),
            (Failure::HeadTimeout, failed("ping: no answer in time"), Some(Evidence::StillSilent)),
            (Failure::ConnectRefused, refused(), refused()),
            (Failure::ClosedEarly, not_http(), not_http()),
            (
                Failure::Unresolved,
                failed("ping: its name does not resolve"),
                failed("ping: its name does not resolve"),
            ),
        ];
        for (failure, of_one_that_is_up, of_a_suspect) in table {
            assert_eq!(of_ping(failure, false), of_one_that_is_up, "{failure:?}");
            assert_eq!(of_ping(failure, true), of_a_suspect, "{failure:?}");
        }
    }

    #[test]
    fn only_the_backend_s_own_failures_are_evidence() {
        assert_eq!(of_question(Ok(())), Reply::Evidence(Evidence::Answered));
        for failure in Failure::VARIANTS {
            let kind = match of_question(Err(*failure)) {
                Reply::None => "none",
                Reply::Unasked => "unasked",
                Reply::Evidence(Evidence::PingRefused(_)) => "refused",
                Reply::Evidence(Evidence::PingFailed(_)) => "failed",
                Reply::Evidence(Evidence::NotHttp(_)) => "not http",
                other => panic!("{failure:?}: {other:?}"),
            };
            let expected = match failure {
                Failure::OutOfResources => "unasked",
                Failure::HeadTimeout => "none",
                Failure::ConnectRefused => "refused",
                Failure::ConnectTimeout | Failure::Unreachable | Failure::Unresolved => "failed",
                _ => "not http",
            };
            assert_eq!(kind, expected, "{failure:?}");
        }
    }
}
