//! The steps on a client's connection: what a request asks for, and what comes after each step.

use http::Method;

use crate::proxy::downstream::tunnel::Tunnel;
use crate::proxy::message::refusal::Refusal;

/// The data of a request that its answer depends on.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    /// The request was in HTTP/1.0.
    pub(super) old: bool,
    pub(super) keep_alive: bool,
    pub(super) takes_trailers: bool,
}

/// The next step after a request.
#[derive(Debug)]
pub(super) enum AfterResponse {
    /// The next request.
    Next,
    /// Close the connection, but the client may still be sending.
    Linger,
    /// Close the connection.
    Close,
    /// Close the connection with an error, which is the only sign that the answer is incomplete: RFC 9112,
    /// section 8.
    Reset,
    /// Another protocol.
    Switch(Box<Tunnel>),
    /// Wait until the client sends something again.
    Idle,
}

/// The result of sending an answer.
#[derive(Debug)]
pub(super) enum Sent {
    /// The complete answer was sent.
    Whole,
    /// The backend did not send the complete answer.
    CutShort,
    /// The client did not accept the complete answer.
    Unwanted,
}

/// The reason why there is no next request.
#[derive(Debug)]
pub(super) enum NoRequest {
    /// The client has left or has nothing to send, or the balancer shuts down.
    Over,
    /// The bytes that came are refused.
    Refused(Refusal),
    /// Nothing has come for a short time.
    Idle,
}
