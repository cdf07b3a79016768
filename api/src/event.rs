//! `GET /events`: what happens, one document for each event.

use serde::{Deserialize, Serialize};

use crate::Word;

/// The event `state`: a backend changed its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateChange {
    /// When, in milliseconds since 1970.
    pub at_unix_ms: u64,
    /// The number of the backend.
    pub backend: usize,
    /// The state before.
    pub from: Word,
    /// The state from now on.
    pub to: Word,
    /// Why.
    pub cause: Word,
}

/// The event `control`: an operator, a file or a signal changed something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlChange {
    /// When, in milliseconds since 1970.
    pub at_unix_ms: u64,
    /// What changed, in words.
    pub what: String,
    /// The origin of the change: the configuration file, a signal, names that stand for other addresses, or a
    /// client of the admin port.
    pub by: String,
}

/// The event `request`: a request ended. The texts of clients are not escaped: a program that shows them must
/// escape them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestEnd {
    /// When it ended, in milliseconds since 1970.
    pub at_unix_ms: u64,
    /// Its method.
    pub method: String,
    /// Its target, as the client wrote it; without its query if queries are not to be shown.
    pub path: String,
    /// The version of HTTP that its client speaks, such as `HTTP/1.1`; `-` if it is not known.
    pub protocol: Word,
    /// The status that the client got; 499 if the client left before the end, as nginx logs it.
    pub status: u16,
    /// The number of the backend whose answer, or failure, the client got.
    pub backend: Option<usize>,
    /// Backends that it was given to.
    pub attempts: u32,
    /// Retries at the last backend.
    pub retries: u32,
    /// The backends that it left, by number, each with the reason.
    pub tried: Vec<(usize, Word)>,
    /// Why it failed, if it did.
    pub failure: Option<Word>,
    /// What is to blame for the failure.
    pub blame: Option<Word>,
    /// Microseconds from its arrival until it went to a backend for the last time: picking, waiting for a
    /// place, connecting, failed tries.
    pub queue_us: u64,
    /// Microseconds from then until its last byte was sent; 0 if it was sent at once.
    pub upload_us: u64,
    /// Microseconds from then until the head of the answer came.
    pub head_us: u64,
    /// Microseconds from then until the last byte of the answer was sent.
    pub body_us: u64,
    /// Microseconds in all.
    pub total_us: u64,
    /// The IP address of its client; behind trusted proxies, the address that they name.
    pub client: String,
    /// The host that it asks for, as its client wrote it.
    pub host: Option<String>,
    /// Bytes of its body that were read.
    pub received_bytes: u64,
    /// Bytes of the answer's body that were passed on.
    pub sent_bytes: u64,
    /// Its `X-Request-ID`.
    pub request_id: Option<String>,
    /// The page that led to it, as its client says.
    pub referer: Option<String>,
    /// The program that sent it, as that program says.
    pub user_agent: Option<String>,
}
