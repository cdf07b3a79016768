//! A try failed. What now, and who is to blame? The balancer's heart, as one pure function.
//!
//! The rules are the table below. Two questions decide every row: *may the request have been executed?* and
//! *may it be executed again?* What was surely not sent can go anywhere. What may have been executed is
//! repeated only if its method is idempotent (RFC 9110, section 9.2.2) and the balancer still holds its
//! whole body.
//!
//! | failure | same backend again | another backend | blame | when all is spent |
//! |---|---|---|---|---|
//! | connection refused, unreachable, no such name | up to `retries`, a delay apart | yes | backend | 503 |
//! | connecting took too long | no | yes | backend | 504 |
//! | its queue is full | no | yes | nobody | 503 |
//! | its queue took too long | no | no | nobody | 503 |
//! | it was taken down while connecting to it | no | yes | nobody | 503 |
//! | fresh connection closed before it took the request | up to `retries` | yes | backend | 502 |
//! | kept connection closed before it took the request | once, on a fresh one, for free | | nobody | |
//! | kept connection died before the answer began | if repeatable: once, fresh, for free | | nobody | 502 |
//! | fresh connection died before the answer began | if repeatable: up to `retries` | if repeatable | backend | 502 |
//! | no answer in time | no | no | backend | 504 |
//! | the backend fell silent | no | if repeatable: once | backend | 504 |
//! | malformed answer | no | no | backend | 502 |
//! | answer broke off | no | no | backend | connection aborted |
//! | client went away | no | no | client | 499 in the log, 400 for a client that still reads |
//! | client's body is malformed | no | no | client | 400 |
//! | client's body is too large | no | no | client | 413 |
//! | client's body does not come on | no | no | client | 408 |
//! | out of descriptors or ports here | no | no | balancer | 503 |
//! | no backend alive | | | nobody | 503 |

use std::time::Duration;

use http::{Method, StatusCode};
use strum::{IntoStaticStr, VariantArray};

/// How a try failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Failure {
    /// Nobody listens there.
    ConnectRefused,
    /// The network says that there is no way.
    Unreachable,
    /// The host name has no address.
    Unresolved,
    /// The connection was not established in time.
    ConnectTimeout,
    /// All its places are taken, and too many wait for one already.
    QueueFull,
    /// None of its places became free in time.
    QueueTimeout,
    /// It was still waited for, or connected to, when others found out that nobody is there.
    WentDown,
    /// A fresh connection was closed before the request was written to it.
    ClosedUnsent,
    /// A kept connection turned out closed before the request was written to it.
    StaleUnsent,
    /// A kept connection died after the request was written to it and before an answer began.
    StaleMaybeSent,
    /// A fresh connection was closed or reset before an answer began.
    ClosedEarly,
    /// The answer's head did not come in time.
    HeadTimeout,
    /// The backend fell silent for everybody; see [`crate::balance::silence`].
    FellSilent,
    /// The answer is not HTTP, or its framing contradicts itself.
    Malformed,
    /// The answer ended before it was complete.
    BrokeOff,
    /// The client closed its connection.
    ClientGone,
    /// The client's body cannot be read on: its chunks are malformed.
    BadUpload,
    /// More comes of the client's body than there may be.
    LargeUpload,
    /// Nothing more of the client's body came in time.
    SlowUpload,
    /// This balancer has no descriptors, ports or memory left.
    OutOfResources,
    /// No backend is alive, or none that was not tried.
    NoBackend,
}

/// Whose fault a failure is. Only backends' faults change a backend's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The backend's.
    Backend,
    /// The client's.
    Client,
    /// This balancer's.
    Balancer,
    /// Nobody's: connections end, and backends are sometimes all down.
    Nobody,
}

/// What is known when a try has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// How it failed.
    pub failure: Failure,
    /// The request may be executed twice with the effect of once, and can be sent again as it came.
    pub repeatable: bool,
    /// Retries at this backend so far.
    pub retries: u32,
    /// Backends tried so far, this one included.
    pub attempts: u32,
    /// It has moved once because a backend fell silent.
    pub left_a_silent_one: bool,
    /// All requests together have not repeated too often lately; see [`crate::balance::budget`].
    pub budget_left: bool,
    /// The backend has meanwhile been taken down, so that it is idle to try it again.
    pub backend_is_out: bool,
    /// There is time left before the request's total deadline.
    pub time_left: bool,
}

/// How often a request may try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Retries of the same backend after its first try; 0 for none. The seed has 3.
    pub retries: u32,
    /// Pause before a retry. The seed has 10 ms.
    pub retry_delay: Duration,
    /// Backends a request may be given to; at least 1. The seed has 3.
    pub attempts: u32,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The same backend once more, after a pause. Counts as a retry.
    Retry(Duration),
    /// The same backend at once over a fresh connection. Costs nothing: the backend did nothing wrong.
    Reconnect,
    /// On to a backend that was not tried.
    MoveOn,
    /// It ends here; see [`Failure::status`] for what the client gets.
    GiveUp,
}

/// The judgement on a failed try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// What to do.
    pub next: Next,
    /// Whose fault it was.
    pub blame: Blame,
    /// The retries are used up: this backend is down, whatever its count of failures says.
    pub take_down: bool,
}

/// Judges a failed try.
pub fn judge(facts: Facts, limits: Limits) -> Verdict {
    use Failure as F;
    let blame = facts.failure.blame();
    let can_retry = facts.retries < limits.retries && !facts.backend_is_out && facts.budget_left;
    let can_move = facts.attempts < limits.attempts && facts.budget_left;

    let (retry, reconnect, move_on) = match facts.failure {
        F::ConnectRefused | F::Unreachable | F::Unresolved | F::ClosedUnsent => (can_retry, false, can_move),
        F::ConnectTimeout | F::QueueFull | F::WentDown => (false, false, can_move),
        F::StaleUnsent => (false, true, false),
        F::StaleMaybeSent => (false, facts.repeatable, false),
        F::ClosedEarly => (facts.repeatable && can_retry, false, facts.repeatable && can_move),
        F::FellSilent => (false, false, facts.repeatable && can_move && !facts.left_a_silent_one),
        F::QueueTimeout
        | F::HeadTimeout
        | F::Malformed
        | F::BrokeOff
        | F::ClientGone
        | F::BadUpload
        | F::LargeUpload
        | F::SlowUpload
        | F::OutOfResources
        | F::NoBackend => (false, false, false),
    };

    let next = match facts.time_left {
        false => Next::GiveUp,
        true if reconnect => Next::Reconnect,
        true if retry => Next::Retry(limits.retry_delay),
        true if move_on => Next::MoveOn,
        true => Next::GiveUp,
    };
    let may_retry = match facts.failure {
        F::ConnectRefused | F::Unreachable | F::Unresolved | F::ClosedUnsent => true,
        F::ClosedEarly => facts.repeatable,
        _ => false,
    };
    Verdict { next, blame, take_down: may_retry && facts.retries >= limits.retries }
}

/// Whether executing a request twice has the effect of executing it once: RFC 9110, section 9.2.2.
pub fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    )
}

impl Blame {
    /// The word used in logs and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Backend => "backend",
            Self::Client => "client",
            Self::Balancer => "balancer",
            Self::Nobody => "nobody",
        }
    }
}

impl Failure {
    /// Whose fault it is.
    pub fn blame(self) -> Blame {
        match self {
            Self::ClientGone | Self::BadUpload | Self::LargeUpload | Self::SlowUpload => Blame::Client,
            Self::OutOfResources => Blame::Balancer,
            Self::QueueFull
            | Self::QueueTimeout
            | Self::WentDown
            | Self::StaleUnsent
            | Self::StaleMaybeSent
            | Self::NoBackend => Blame::Nobody,
            Self::ConnectRefused
            | Self::Unreachable
            | Self::Unresolved
            | Self::ConnectTimeout
            | Self::ClosedUnsent
            | Self::ClosedEarly
            | Self::HeadTimeout
            | Self::FellSilent
            | Self::Malformed
            | Self::BrokeOff => Blame::Backend,
        }
    }

    /// What the client gets when nothing more can be tried: RFC 9110, section 15.6. 502 says that an
    /// upstream answered badly, 503 that there is none to ask, 504 that it was too late.
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
            Self::StaleUnsent
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
            Self::QueueFull | Self::QueueTimeout | Self::WentDown | Self::NoBackend => {
                "destination_unavailable"
            }
            Self::ClientGone | Self::BadUpload | Self::LargeUpload | Self::SlowUpload => "http_request_error",
        }
    }

    /// The failure in words, as causes are logged.
    pub fn words(self) -> &'static str {
        match self {
            Self::ConnectRefused => "connection refused",
            Self::Unreachable => "unreachable",
            Self::Unresolved => "its name does not resolve",
            Self::ConnectTimeout => "connecting took too long",
            Self::QueueFull => "its queue is full",
            Self::QueueTimeout => "none of its places became free in time",
            Self::WentDown => "went down meanwhile",
            Self::StaleUnsent => "kept connection was closed",
            Self::StaleMaybeSent => "kept connection died before it answered",
            Self::ClosedUnsent => "connection closed before it took the request",
            Self::ClosedEarly => "connection closed before an answer",
            Self::HeadTimeout => "no answer in time",
            Self::FellSilent => "fell silent",
            Self::Malformed => "malformed answer",
            Self::BrokeOff => "answer broke off",
            Self::ClientGone => "client went away",
            Self::BadUpload => "the request's body is malformed",
            Self::LargeUpload => "the request's body is larger than it may be here",
            Self::SlowUpload => "the request's body did not come on",
            Self::OutOfResources => "the balancer is out of descriptors or ports",
            Self::NoBackend => "no backend is alive",
        }
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
