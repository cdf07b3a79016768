//! A try failed. What happens next, and which side is to blame? One pure function decides this.
//!
//! The rules are one table, [`RULES`]; `docs/evidence.md` prints it. Two questions decide every row:
//! *may the request have been executed?* and *may it be executed again?* A request that was certainly not
//! sent can go to any backend. A request that may have been executed is repeated only if its method is
//! idempotent (RFC 9110, section 9.2.2) and the balancer still holds its whole body; and only once, so that a
//! request that breaks backends meets at most two of them. After an answer with a status of `retry_on`, it is
//! repeated up to `attempts` times, because the operator has allowed that.
//!
//! The meaning of a failure for the backend is a third question. A client can cause most failures, so a
//! failed request is no evidence against its backend: the balancer asks the backend instead
//! ([`Lesson::Ask`]). Requests take a backend down only if no connection can be made to it.

use std::time::Duration;

use http::{Method, StatusCode};
use strum::{IntoStaticStr, VariantArray};

use crate::state::Cause;

/// The ways in which a try can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Failure {
    /// The port refuses connections.
    ConnectRefused,
    /// The network has no route to the backend.
    Unreachable,
    /// The host name has no address.
    Unresolved,
    /// The connection was not established in time.
    ConnectTimeout,
    /// All places of the backend are taken, and its queue is full.
    QueueFull,
    /// No place of the backend became free in time.
    QueueTimeout,
    /// The backend went down while the request waited for a place or for the connection.
    WentDown,
    /// A fresh connection was closed before the request was written to it.
    ClosedUnsent,
    /// An idle connection turned out to be closed before the request was written to it.
    StaleUnsent,
    /// A reused connection failed after the request was written to it and before an answer began.
    StaleMaybeSent,
    /// A fresh connection was closed or reset before an answer began.
    ClosedEarly,
    /// The head of the answer did not arrive in time.
    HeadTimeout,
    /// The backend fell silent for all requests; see [`crate::silence`].
    FellSilent,
    /// The backend answered with a status for which the settings want another attempt.
    ChosenStatus,
    /// The answer is not HTTP, or its framing contradicts itself.
    Malformed,
    /// The answer ended before it was complete.
    BrokeOff,
    /// The client closed its connection.
    ClientGone,
    /// The chunks of the client's body are malformed, so the rest cannot be read.
    BadUpload,
    /// The client's body is larger than the limit.
    LargeUpload,
    /// No more of the client's body arrived in time.
    SlowUpload,
    /// The balancer has no descriptors, ports or memory left.
    OutOfResources,
    /// No backend is available, or each of them was tried.
    NoBackend,
}

/// The party that is to blame for a failure. Only failures of a backend count for outlier ejection and for
/// peak EWMA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The backend.
    Backend,
    /// The client.
    Client,
    /// This balancer.
    Balancer,
    /// No party: connections end, and sometimes all backends are down.
    NoParty,
}

/// The facts about a failed try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// The kind of failure.
    pub failure: Failure,
    /// A second execution of the request does no harm, and the balancer can send the whole request again.
    pub repeatable: bool,
    /// Retries at this backend so far.
    pub retries: u32,
    /// Backends tried so far, this one included.
    pub attempts: u32,
    /// An earlier try may have executed the request already.
    pub may_have_run: bool,
    /// The budget for repeats of all requests is not used up; see [`crate::budget`].
    pub budget_left: bool,
    /// The backend has been taken down meanwhile, so another try there is useless.
    pub backend_is_out: bool,
    /// Another backend could take the request: one is up and was not tried, and no cookie names this backend.
    pub other_is_up: bool,
    /// There is time left before the request's total deadline.
    pub time_left: bool,
}

/// The limits for the tries of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Retries of the same backend after its first try; 0 for none. The original, the Go balancer that this
    /// project grew from, has 3.
    pub retries: u32,
    /// Pause before a retry. The original has 10 ms.
    pub retry_delay: Duration,
    /// Number of backends that a request may try; at least 1. The original has 3.
    pub attempts: u32,
}

/// The next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Try the same backend once more, after a pause. Counts as a retry.
    Retry(Duration),
    /// Try the same backend at once over a new connection. It does not count as a retry, because the backend
    /// did nothing wrong.
    Reconnect,
    /// Try another backend.
    MoveOn,
    /// End the request; see [`Failure::status`] for the answer to the client.
    GiveUp,
}

/// The judgement on a failed try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// The next step.
    pub next: Next,
    /// The party that is to blame.
    pub blame: Blame,
    /// The meaning of the failure for the backend.
    pub lesson: Lesson,
    /// The backend may have executed the request, although no answer came.
    pub may_have_run: bool,
}

/// Whether the same backend gets the request again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Same {
    /// No.
    No,
    /// Up to [`Limits::retries`] times, with a pause of [`Limits::retry_delay`] before each.
    Retries,
    /// Once, at once, over a new connection. This is no retry: connections end at some time, and no backend
    /// is to blame.
    Fresh,
    /// The same as `Fresh`, if no other backend can take the request.
    FreshIfAlone,
}

/// What a failed request says about its backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lesson {
    /// Nothing about its health.
    Nothing,
    /// The request or the backend is at fault: the balancer asks the backend, and the answer is the evidence.
    Ask,
    /// The backend is down.
    Down,
}

/// Whether a backend has executed a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ran {
    /// Certainly not.
    No,
    /// Perhaps, and no answer came.
    Maybe,
    /// Yes: the backend has answered.
    Yes,
}

/// The consequences of one kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Whether the backend has executed the request.
    pub ran: Ran,
    /// Whether the same backend gets the request again.
    pub same: Same,
    /// Whether another backend gets the request.
    pub other: bool,
    /// The party that is to blame.
    pub blame: Blame,
    /// The meaning for the backend when the request leaves it. [`Lesson::Down`] counts only when the retries
    /// of the request are used up; before that it counts as [`Lesson::Ask`].
    pub lesson: Lesson,
    /// The status for the client when no try is left: RFC 9110, section 15.6. 502 says that a backend
    /// answered badly, 503 that no backend is available, 504 that an answer took too long.
    pub status: StatusCode,
    /// The error type for the `Proxy-Status` header: RFC 9209, section 2.3.
    pub proxy_status: &'static str,
    /// The failure in words, for logs.
    pub words: &'static str,
}

/// All rules: one row for each failure, in the order of [`Failure`].
#[rustfmt::skip]
pub const RULES: [(Failure, Rule); Failure::VARIANTS.len()] = {
    use Blame::{Backend, Balancer, Client, NoParty};
    use Failure::*;
    use Lesson::{Ask, Down, Nothing};
    use Ran::{Maybe, No, Yes};
    use Same::{Fresh, FreshIfAlone, Retries};
    const NOT: Same = Same::No;
    // The failure; whether it ran, the same backend again, another backend; blame and lesson; status for the
    // client, error for Proxy-Status.
    [
        row(ConnectRefused, (No,    Retries,      true),  (Backend,  Down),    503, "connection_refused",
            "connection refused"),
        row(Unreachable,    (No,    Retries,      true),  (Backend,  Down),    503, "destination_ip_unroutable",
            "unreachable"),
        row(Unresolved,     (No,    Retries,      true),  (Backend,  Down),    503, "dns_error",
            "its name does not resolve"),
        row(ConnectTimeout, (No,    NOT,          true),  (Backend,  Ask),     504, "connection_timeout",
            "connecting took too long"),
        row(QueueFull,      (No,    NOT,          true),  (NoParty,  Nothing), 503, "destination_unavailable",
            "its queue is full"),
        row(QueueTimeout,   (No,    NOT,          false), (NoParty,  Nothing), 503, "destination_unavailable",
            "no place became free in time"),
        row(WentDown,       (No,    NOT,          true),  (NoParty,  Nothing), 503, "destination_unavailable",
            "it went down while the request waited"),
        row(ClosedUnsent,   (No,    Retries,      true),  (Backend,  Ask),     502, "connection_terminated",
            "connection closed before the request was sent"),
        row(StaleUnsent,    (No,    Fresh,        false), (NoParty,  Nothing), 502, "connection_terminated",
            "the idle connection was closed"),
        row(StaleMaybeSent, (Maybe, FreshIfAlone, true),  (NoParty,  Nothing), 502, "connection_terminated",
            "the reused connection failed before the answer began"),
        row(ClosedEarly,    (Maybe, NOT,          true),  (Backend,  Ask),     502, "connection_terminated",
            "connection closed before the answer began"),
        // A request that waited its full time is not tried again.
        row(HeadTimeout,    (Maybe, NOT,          false), (Backend,  Ask),     504, "http_response_timeout",
            "no answer in time"),
        // The balancer asked the backend before it judged.
        row(FellSilent,     (Maybe, NOT,          true),  (Backend,  Nothing), 504, "http_response_timeout",
            "fell silent"),
        // Never the final result: without a better answer, the client gets this answer of the backend.
        row(ChosenStatus,   (Yes,   NOT,          true),  (NoParty,  Nothing), 502, "destination_unavailable",
            "answered with a status from --retry-on"),
        row(Malformed,      (Maybe, NOT,          false), (Backend,  Ask),     502, "http_protocol_error",
            "malformed answer"),
        row(BrokeOff,       (Maybe, NOT,          false), (Backend,  Ask),     502, "http_response_incomplete",
            "answer ended early"),
        row(ClientGone,     (Maybe, NOT,          false), (Client,   Nothing), 400, "http_request_error",
            "client closed its connection"),
        row(BadUpload,      (Maybe, NOT,          false), (Client,   Nothing), 400, "http_request_error",
            "the request's body is malformed"),
        row(LargeUpload,    (Maybe, NOT,          false), (Client,   Nothing), 413, "http_request_error",
            "the request's body is larger than --max-body"),
        row(SlowUpload,     (Maybe, NOT,          false), (Client,   Nothing), 408, "http_request_error",
            "the request's body came too slowly"),
        row(OutOfResources, (No,    NOT,          false), (Balancer, Nothing), 503, "connection_limit_reached",
            "the balancer is out of descriptors or ports"),
        row(NoBackend,      (No,    NOT,          false), (NoParty,  Nothing), 503, "destination_unavailable",
            "no backend is available"),
    ]
};

/// The rows are found by the number of their failure, so each must stand in its place.
const _: () = {
    let mut index = 0;
    while index < RULES.len() {
        assert!(RULES[index].0 as usize == index, "a row of RULES is not in the order of Failure");
        index += 1;
    }
};

const fn row(
    failure: Failure,
    (ran, same, other): (Ran, Same, bool),
    (blame, lesson): (Blame, Lesson),
    status: u16,
    proxy_status: &'static str,
    words: &'static str,
) -> (Failure, Rule) {
    let status = match status {
        400 => StatusCode::BAD_REQUEST,
        408 => StatusCode::REQUEST_TIMEOUT,
        413 => StatusCode::PAYLOAD_TOO_LARGE,
        502 => StatusCode::BAD_GATEWAY,
        503 => StatusCode::SERVICE_UNAVAILABLE,
        504 => StatusCode::GATEWAY_TIMEOUT,
        _ => panic!("a failure has one of these statuses, or one that is added here"),
    };
    (failure, Rule { ran, same, other, blame, lesson, status, proxy_status, words })
}

/// Judges a failed try.
pub fn judge(facts: Facts, limits: Limits) -> Verdict {
    let rule = facts.failure.rule();
    let may_repeat = match rule.ran {
        Ran::No => true,
        // A request that no backend answers may be the cause of their failures: it is repeated once.
        Ran::Maybe => facts.repeatable && !facts.may_have_run,
        Ran::Yes => facts.repeatable,
    };
    let retries_left = facts.retries < limits.retries;
    let can_retry = retries_left && !facts.backend_is_out && facts.budget_left;
    let can_move = facts.attempts < limits.attempts && facts.budget_left;

    let next = if !facts.time_left || !may_repeat {
        Next::GiveUp
    } else {
        match rule.same {
            Same::FreshIfAlone if facts.other_is_up && can_move => Next::MoveOn,
            Same::Fresh | Same::FreshIfAlone => Next::Reconnect,
            Same::Retries if can_retry => Next::Retry(limits.retry_delay),
            _ if rule.other && can_move => Next::MoveOn,
            _ => Next::GiveUp,
        }
    };
    // All retries of a request are one observation, which is made when the request leaves the backend.
    let leaves = matches!(next, Next::MoveOn | Next::GiveUp);
    let lesson = match rule.lesson {
        _ if !leaves => Lesson::Nothing,
        Lesson::Down if retries_left => Lesson::Ask,
        lesson => lesson,
    };
    Verdict { next, blame: rule.blame, lesson, may_have_run: rule.ran == Ran::Maybe }
}

impl Limits {
    /// The reason for the conclusion that a backend is down, after a failure without a connection.
    pub fn cause(self, failure: Failure) -> Cause {
        match self.retries {
            0 => failure.words().into(),
            retries => format!("{}, after {retries} retries", failure.words()).into(),
        }
    }
}

/// Whether a second execution of a request changes nothing more: RFC 9110, section 9.2.2.
pub fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    )
}

impl Blame {
    /// The name in logs and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Backend => "backend",
            Self::Client => "client",
            Self::Balancer => "balancer",
            Self::NoParty => "none",
        }
    }
}

impl Failure {
    /// The consequences of a failure.
    pub const fn rule(self) -> Rule {
        RULES[self as usize].1
    }

    /// Whether this failure says that no connection can be made to the backend.
    pub const fn is_no_connection(self) -> bool {
        matches!(self.rule().lesson, Lesson::Down)
    }

    /// The party that is to blame.
    pub const fn blame(self) -> Blame {
        self.rule().blame
    }

    /// The status for the client when no try is left.
    pub const fn status(self) -> StatusCode {
        self.rule().status
    }

    /// The error type for the `Proxy-Status` header.
    pub const fn proxy_status(self) -> &'static str {
        self.rule().proxy_status
    }

    /// The failure in words, for logs.
    pub const fn words(self) -> &'static str {
        self.rule().words
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
