//! A try failed. What now, and who is to blame? The balancer's heart, as one pure function.
//!
//! The rules are one table, [`Failure::rule`]; `docs/evidence.md` prints it. Two questions decide every row: *may the
//! request have been executed?* and *may it be executed again?* What was surely not sent can go anywhere. What may have
//! been executed is repeated only if its method is idempotent (RFC 9110, section 9.2.2) and the balancer still holds its
//! whole body; and only once, so that a request that breaks backends meets two of them at most.
//!
//! What a failure teaches about the backend is a third question. A client can provoke most failures, so a failed request
//! is no evidence against its backend: the backend is asked instead ([`Teaches::Ask`]). Only a backend to which no
//! connection can be made is taken down by requests.

use std::time::Duration;

use http::{Method, StatusCode};
use strum::{IntoStaticStr, VariantArray};

use crate::questions::Lesson;

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
    /// The backend fell silent for everybody; see [`crate::silence`].
    FellSilent,
    /// It answered with a status for which the settings want another backend asked.
    ChosenStatus,
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

/// Whose fault a failure is. Only a backend's faults count for outlier ejection and for peak EWMA.
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
    /// It may have been executed at an earlier try already.
    pub may_have_run: bool,
    /// All requests together have not repeated too often lately; see [`crate::budget`].
    pub budget_left: bool,
    /// The backend has meanwhile been taken down, so that it is idle to try it again.
    pub backend_is_out: bool,
    /// Another backend could take it: one is up that was not tried, and the request does not belong to this one.
    pub other_is_up: bool,
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
    /// What the failure teaches about the backend.
    pub teaches: Teaches,
    /// The backend may have executed the request, although no answer came.
    pub may_have_run: bool,
}

/// Whether the same backend gets the request again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Same {
    /// No.
    No,
    /// Up to [`Limits::retries`] times, [`Limits::retry_delay`] apart.
    Retries,
    /// Once, at once, over a fresh connection. It is no retry: connections end at some time, and no backend is to blame.
    Fresh,
    /// The same, if no other backend can take it.
    FreshIfAlone,
}

/// What a failure teaches about the backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Teaches {
    /// Nothing about its health.
    Nothing,
    /// The request or the backend is at fault: the backend is asked, and its answer is the evidence.
    Ask,
    /// The backend is down.
    Down,
}

/// Whether a backend has executed a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ran {
    /// Surely not.
    No,
    /// It may have, and no answer came.
    Maybe,
    /// It has answered.
    Yes,
}

/// What follows from one kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Whether the backend has executed the request.
    pub ran: Ran,
    /// Whether the same backend gets the request again.
    pub same: Same,
    /// Whether another backend gets the request.
    pub other: bool,
    /// Whose fault it is.
    pub blame: Blame,
    /// What it teaches about the backend once the request leaves; [`Teaches::Down`] only when its retries are used up, and
    /// [`Teaches::Ask`] before.
    pub teaches: Teaches,
}

/// Judges a failed try.
pub fn judge(facts: Facts, limits: Limits) -> Verdict {
    let rule = facts.failure.rule();
    let may_repeat = match rule.ran {
        Ran::No => true,
        // A request that no backend answers may be what breaks them: it is repeated once.
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
    // However often a request retries, that is one observation: it is made when the request leaves.
    let leaves = matches!(next, Next::MoveOn | Next::GiveUp);
    let teaches = match rule.teaches {
        _ if !leaves => Teaches::Nothing,
        Teaches::Down if retries_left => Teaches::Ask,
        teaches => teaches,
    };
    Verdict { next, blame: rule.blame, teaches, may_have_run: rule.ran == Ran::Maybe }
}

impl Verdict {
    /// What the pool learns about the backend.
    pub fn lesson(self, failure: Failure, limits: Limits) -> Lesson {
        match self.teaches {
            Teaches::Nothing => Lesson::Nothing,
            Teaches::Ask => Lesson::Ask,
            Teaches::Down => Lesson::Down {
                cause: match limits.retries {
                    0 => failure.words().into(),
                    retries => format!("{}, after {retries} retries", failure.words()).into(),
                },
                refused: failure == Failure::ConnectRefused,
            },
        }
    }
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
    /// What follows from it. One row per failure.
    #[rustfmt::skip]
    pub const fn rule(self) -> Rule {
        use Blame::{Backend, Balancer, Client, Nobody};
        use Teaches::{Ask, Down, Nothing};
        use Ran::{Maybe, No, Yes};
        const fn rule(ran: Ran, same: Same, other: bool, blame: Blame, teaches: Teaches) -> Rule {
            Rule { ran, same, other, blame, teaches }
        }
        //                                 ran, the same, another, blame,  teaches
        match self {
            Self::ConnectRefused | Self::Unreachable | Self::Unresolved
                                     => rule(No,    Same::Retries, true,  Backend,  Down),
            Self::ConnectTimeout     => rule(No,    Same::No,      true,  Backend,  Ask),
            Self::QueueFull          => rule(No,    Same::No,      true,  Nobody,   Nothing),
            Self::QueueTimeout       => rule(No,    Same::No,      false, Nobody,   Nothing),
            Self::WentDown           => rule(No,    Same::No,      true,  Nobody,   Nothing),
            Self::ClosedUnsent       => rule(No,    Same::Retries, true,  Backend,  Ask),
            Self::StaleUnsent        => rule(No,    Same::Fresh,   false, Nobody,   Nothing),
            Self::StaleMaybeSent     => rule(Maybe, Same::FreshIfAlone, true, Nobody, Nothing),
            Self::ClosedEarly        => rule(Maybe, Same::No,      true,  Backend,  Ask),
            // A request that waited its full time is not tried again.
            Self::HeadTimeout        => rule(Maybe, Same::No,      false, Backend,  Ask),
            // The backend was asked before it was judged.
            Self::FellSilent         => rule(Maybe, Same::No,      true,  Backend,  Nothing),
            // Never the last word: without a better one, the backend's answer is passed on.
            Self::ChosenStatus       => rule(Yes,   Same::No,      true,  Nobody,   Nothing),
            Self::Malformed | Self::BrokeOff
                                     => rule(Maybe, Same::No,      false, Backend,  Ask),
            Self::ClientGone | Self::BadUpload | Self::LargeUpload | Self::SlowUpload
                                     => rule(Maybe, Same::No,      false, Client,   Nothing),
            Self::OutOfResources     => rule(No,    Same::No,      false, Balancer, Nothing),
            Self::NoBackend          => rule(No,    Same::No,      false, Nobody,   Nothing),
        }
    }

    /// Whether it says that no connection can be made to the backend.
    pub const fn is_no_connection(self) -> bool {
        matches!(self.rule().teaches, Teaches::Down)
    }

    /// Whose fault it is.
    pub const fn blame(self) -> Blame {
        self.rule().blame
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
            // Of these, the first is never the last word: the backend's answer is passed on.
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
            Self::ChosenStatus => "answered with a status to try again for",
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
