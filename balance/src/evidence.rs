//! What counts as evidence? From the end of a ping, of a question and of a try to what is learnt about the backend.
//!
//! The failure says what happened, and the table in [`crate::verdict`] what follows for the request. What happened to a
//! request is no evidence against its backend: at most it makes the balancer ask.

use crate::Moment;
use crate::backend::Backend;
use crate::health::{Evidence, State};
use crate::pool::{ServerPool, Transition};
use crate::questions::Reply;
use crate::verdict::{Blame, Facts, Failure, Limits, Verdict, judge};

/// What a ping that failed says, if it says anything about the backend. `suspect`: the backend is suspected of silence.
pub fn of_ping(failure: Failure, suspect: bool) -> Option<Evidence> {
    match failure {
        Failure::OutOfResources => None,
        // The kernel connects for a process that is stopped; a host that does not even connect is gone.
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

/// What the end of a question says about the backend.
pub fn of_question(answer: Result<(), Failure>) -> Reply {
    let cause =
        |failure: Failure| format!("asked because a request failed or waits: {}", failure.words()).into();
    match answer {
        Ok(()) => Reply::Evidence(Evidence::Answered),
        Err(failure) => match failure {
            Failure::OutOfResources => Reply::Unasked,
            // The kernel may have accepted the connection for a process that is stopped.
            Failure::HeadTimeout => Reply::None,
            Failure::ConnectRefused => Reply::Evidence(Evidence::PingRefused(cause(failure))),
            Failure::ConnectTimeout | Failure::Unreachable | Failure::Unresolved => {
                Reply::Evidence(Evidence::PingFailed(cause(failure)))
            }
            _ => Reply::Evidence(Evidence::NotHttp(cause(failure))),
        },
    }
}

/// A try that failed, as its request knows it.
#[derive(Debug, Clone, Copy)]
pub struct FailedTry<'a> {
    /// How it failed.
    pub failure: Failure,
    /// The request may be executed twice with the effect of once, and can be sent again as it came.
    pub repeatable: bool,
    /// Retries at this backend so far.
    pub retries: u32,
    /// Backends tried so far, this one included.
    pub attempts: u32,
    /// The numbers of the backends that the request has left.
    pub tried: &'a [usize],
    /// The request may have been executed at an earlier try already.
    pub may_have_run: bool,
    /// The backend that the request belongs to, if any: a [`Backend::id`].
    pub home: Option<u64>,
    /// There is time left before the request's total deadline.
    pub time_left: bool,
}

impl<X> ServerPool<X> {
    /// Adds what the pool knows to what the request knows, and judges the failed try.
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

    /// Takes in what a failed try says about its backend.
    pub fn take_in(
        &self,
        failure: Failure,
        verdict: Verdict,
        backend: &Backend,
        limits: Limits,
        now: Moment,
    ) -> Vec<Transition> {
        let outlier = if verdict.blame == Blame::Backend { self.failed(backend, now) } else { None };
        let ejected = outlier.and_then(|why| self.eject(backend, why, now));
        let taught = self.teach(backend, verdict.lesson(failure, limits), now);
        ejected.into_iter().chain(taught).collect()
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
        let not_http = || Some(Evidence::NotHttp("ping: connection closed before an answer".into()));
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
