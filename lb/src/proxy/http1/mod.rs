//! HTTP/1.1 as bytes, on the side of the backends: RFC 9112.
//!
//! Pure: heads and bodies go in, bytes come out, and the other way round. Sockets are [`super::connection`]'s.
//! On the side of the clients hyper does this. Towards backends it would cost more than everything else here
//! together, and it decides what a balancer has to decide: how strict to be with an answer's framing.

pub(crate) mod body;
pub(crate) mod request;
pub(crate) mod response;

/// Bytes from a backend that are not HTTP/1.1, or that contradict themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed answer")]
pub(crate) struct Malformed;
