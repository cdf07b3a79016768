//! The record of a request that ended, as the access log and the stream of events need it.

use api::{Req, Word};

/// The record of a request that ended. The texts of clients are not escaped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RequestEnd {
    /// When it ended, in milliseconds since 1970.
    pub(crate) at_unix_ms: u64,
    /// Its method.
    pub(crate) method: String,
    /// Its target, as the client wrote it; without its query if queries are not to be shown.
    pub(crate) path: String,
    /// The version of HTTP that its client speaks, such as `HTTP/1.1`; `-` if it is not known.
    pub(crate) protocol: Word,
    /// The status that the client got; 499 if the client left before the end, as nginx logs it.
    pub(crate) status: u16,
    /// The number of the backend whose answer, or failure, the client got.
    pub(crate) backend: Option<usize>,
    /// Backends that it was given to.
    pub(crate) attempts: u32,
    /// Retries at the last backend.
    pub(crate) retries: u32,
    /// The backends that it left, by number, each with the reason.
    pub(crate) tried: Vec<(usize, Word)>,
    /// Why it failed, if it did.
    pub(crate) failure: Option<Word>,
    /// What is to blame for the failure.
    pub(crate) blame: Option<Word>,
    /// Microseconds from its arrival until it went to a backend for the last time: picking, waiting for a
    /// place, connecting, failed tries.
    pub(crate) queue_us: u64,
    /// Microseconds from then until its last byte was sent; 0 if it was sent at once.
    pub(crate) upload_us: u64,
    /// Microseconds from then until the head of the answer came.
    pub(crate) head_us: u64,
    /// Microseconds from then until the last byte of the answer was sent.
    pub(crate) body_us: u64,
    /// Microseconds in all.
    pub(crate) total_us: u64,
    /// The IP address of its client; behind trusted proxies, the address that they name.
    pub(crate) client: String,
    /// The host that it asks for, as its client wrote it.
    pub(crate) host: Option<String>,
    /// Bytes of its body that were read.
    pub(crate) received_bytes: u64,
    /// Bytes of the answer's body that were passed on.
    pub(crate) sent_bytes: u64,
    /// Its `X-Request-ID`.
    pub(crate) request_id: Option<String>,
    /// The page that led to it, as its client says.
    pub(crate) referer: Option<String>,
    /// The program that sent it, as that program says.
    pub(crate) user_agent: Option<String>,
}

impl RequestEnd {
    /// The event for readers of the stream, at this time. `id` is its number there, and the request stands
    /// for `n` requests.
    pub(crate) fn into_event(self, t: u64, id: u64, n: u32) -> Req {
        Req {
            t,
            id,
            n,
            method: self.method,
            path: self.path,
            status: self.status,
            backend: self.backend,
            attempts: self.attempts,
            retries: self.retries,
            tried: self.tried,
            failure: self.failure,
            blame: self.blame,
            queue_us: self.queue_us,
            upload_us: self.upload_us,
            head_us: self.head_us,
            body_us: self.body_us,
            total_us: self.total_us,
            request_id: self.request_id,
            ..Req::default()
        }
    }
}
