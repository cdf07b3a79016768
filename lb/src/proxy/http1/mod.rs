//! HTTP/1.1 as bytes: RFC 9112.
//!
//! Pure: heads and bytes of bodies go in and out, for both sides of the balancer. [`super::wire`] handles the
//! sockets. A balancer has to decide itself how strict it is with framing: if two readers understand a
//! message differently, an attacker can smuggle a request past one of them.

use crate::proxy::message::fault::Fault;

pub(crate) mod body;
mod extension;
pub(crate) mod fields;
pub(crate) mod foreign;
pub(crate) mod request;
pub(crate) mod response;

/// Bytes that are not HTTP/1.1, or that contradict themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed message")]
pub(crate) struct Malformed;

impl From<Malformed> for Fault {
    fn from(_: Malformed) -> Self {
        Self::Line
    }
}

impl From<httparse::Error> for Fault {
    fn from(error: httparse::Error) -> Self {
        match error {
            httparse::Error::TooManyHeaders => Self::TooManyHeaders,
            httparse::Error::Status | httparse::Error::Version | httparse::Error::Token => Self::StatusLine,
            _ => Self::Line,
        }
    }
}

fn write_fields<'a>(
    out: &mut Vec<u8>,
    fields: impl Iterator<Item = (&'a http::HeaderName, &'a http::HeaderValue)>,
) {
    for (name, value) in fields {
        write_field(out, name.as_str(), value.as_bytes());
    }
}

fn write_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}
