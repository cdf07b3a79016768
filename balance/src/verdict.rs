//! A try failed. What happens next, and which side is to blame? One pure function decides this.
//!
//! The rules are one table, [`Failure::rule`]; `docs/evidence.md` prints it. Two questions decide every row:
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

use crate::health::Cause;

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
    NoSide,
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
            Self::NoSide => "none",
        }
    }
}

impl Failure {
    /// The consequences of a failure. Each failure has one row.
    #[rustfmt::skip]
    pub const fn rule(self) -> Rule {
        use Blame::{Backend, Balancer, Client, NoSide};
        use Lesson::{Ask, Down, Nothing};
        use Ran::{Maybe, No, Yes};
        const fn rule(ran: Ran, same: Same, other: bool, blame: Blame, lesson: Lesson) -> Rule {
            Rule { ran, same, other, blame, lesson }
        }
        //                                 ran, the same, another, blame,  lesson
        match self {
            Self::ConnectRefused | Self::Unreachable | Self::Unresolved
                                     => rule(No,    Same::Retries, true,  Backend,  Down),
            Self::ConnectTimeout     => rule(No,    Same::No,      true,  Backend,  Ask),
            Self::QueueFull          => rule(No,    Same::No,      true,  NoSide,   Nothing),
            Self::QueueTimeout       => rule(No,    Same::No,      false, NoSide,   Nothing),
            Self::WentDown           => rule(No,    Same::No,      true,  NoSide,   Nothing),
            Self::ClosedUnsent       => rule(No,    Same::Retries, true,  Backend,  Ask),
            Self::StaleUnsent        => rule(No,    Same::Fresh,   false, NoSide,   Nothing),
            Self::StaleMaybeSent     => rule(Maybe, Same::FreshIfAlone, true, NoSide, Nothing),
            Self::ClosedEarly        => rule(Maybe, Same::No,      true,  Backend,  Ask),
            // A request that waited its full time is not tried again.
            Self::HeadTimeout        => rule(Maybe, Same::No,      false, Backend,  Ask),
            // The balancer asked the backend before it judged.
            Self::FellSilent         => rule(Maybe, Same::No,      true,  Backend,  Nothing),
            // Never the final result: without a better answer, the client gets this answer of the backend.
            Self::ChosenStatus       => rule(Yes,   Same::No,      true,  NoSide,   Nothing),
            Self::Malformed | Self::BrokeOff
                                     => rule(Maybe, Same::No,      false, Backend,  Ask),
            Self::ClientGone | Self::BadUpload | Self::LargeUpload | Self::SlowUpload
                                     => rule(Maybe, Same::No,      false, Client,   Nothing),
            Self::OutOfResources     => rule(No,    Same::No,      false, Balancer, Nothing),
            Self::NoBackend          => rule(No,    Same::No,      false, NoSide,   Nothing),
        }
    }

    /// Whether this failure says that no connection can be made to the backend.
    pub const fn is_no_connection(self) -> bool {
        matches!(self.rule().lesson, Lesson::Down)
    }

    /// The party that is to blame.
    pub const fn blame(self) -> Blame {
        self.rule().blame
    }

    /// The status for the client when no try is left: RFC 9110, section 15.6. 502 says that a backend
    /// answered badly, 503 that no backend is available, 504 that an answer took too long.
    pub fn status(self) -> StatusCode {
        match self {
            Self::ConnectRefused
            | Self::Unreachable
            | Self::Unresolved
            | Self::QueueFull
            | Self::QueueTimeout
            | Self::WentDown
            | Self::OutOfResources
            | Self::NoBackend => StatusCode::SERVICE_UNAVAILABLE,
            Self::ConnectTimeout | Self::HeadTimeout | Self::FellSilent => StatusCode::GATEWAY_TIMEOUT,
            Self::BadUpload | Self::ClientGone => StatusCode::BAD_REQUEST,
            Self::LargeUpload => StatusCode::PAYLOAD_TOO_LARGE,
            Self::SlowUpload => StatusCode::REQUEST_TIMEOUT,
            // The first of these is never the final result: the client gets the answer of the backend.
            Self::ChosenStatus
            | Self::StaleUnsent
            | Self::StaleMaybeSent
            | Self::ClosedUnsent
            | Self::ClosedEarly
            | Self::Malformed
            | Self::BrokeOff => StatusCode::BAD_GATEWAY,
        }
    }

    /// The error type for the `Proxy-Status` header: RFC 9209, section 2.3.
    pub fn proxy_status(self) -> &'static str {
        match self {
            Self::ConnectRefused => "connection_refused",
            Self::Unreachable => "destination_ip_unroutable",
            Self::Unresolved => "dns_error",
            Self::ConnectTimeout => "connection_timeout",
            Self::StaleUnsent | Self::StaleMaybeSent | Self::ClosedUnsent | Self::ClosedEarly => {
                "connection_terminated"
            }
            Self::HeadTimeout | Self::FellSilent => "http_response_timeout",
            Self::Malformed => "http_protocol_error",
            Self::BrokeOff => "http_response_incomplete",
            Self::OutOfResources => "connection_limit_reached",
            Self::QueueFull | Self::QueueTimeout | Self::WentDown | Self::ChosenStatus | Self::NoBackend => {
                "destination_unavailable"
            }
            Self::ClientGone | Self::BadUpload | Self::LargeUpload | Self::SlowUpload => "http_request_error",
        }
    }

    /// The failure in words, for logs.
    pub fn words(self) -> &'static str {
        match self {
            Self::ConnectRefused => "connection refused",
            Self::Unreachable => "unreachable",
            Self::Unresolved => "its name does not resolve",
            Self::ConnectTimeout => "connecting took too long",
            Self::QueueFull => "its queue is full",
            Self::QueueTimeout => "no place became free in time",
            Self::WentDown => "it went down while the request waited",
            Self::StaleUnsent => "the idle connection was closed",
            Self::StaleMaybeSent => "the reused connection failed before the answer began",
            Self::ClosedUnsent => "connection closed before the request was sent",
            Self::ClosedEarly => "connection closed before the answer began",
            Self::HeadTimeout => "no answer in time",
            Self::FellSilent => "fell silent",
            Self::ChosenStatus => "answered with a status from --retry-on",
            Self::Malformed => "malformed answer",
            Self::BrokeOff => "answer ended early",
            Self::ClientGone => "client closed its connection",
            Self::BadUpload => "the request's body is malformed",
            Self::LargeUpload => "the request's body is larger than --max-body",
            Self::SlowUpload => "the request's body came too slowly",
            Self::OutOfResources => "the balancer is out of descriptors or ports",
            Self::NoBackend => "no backend is available",
        }
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
