//! The definition of a fault: what goes wrong, and for which requests.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The largest latency, for any random number.
pub const MAX_LATENCY: Duration = Duration::from_secs(60);

/// The definition of one fault: what goes wrong, and for which requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// The kind of fault.
    pub kind: Kind,
    /// The percentage of the matching requests that it hits, 0 to 100.
    pub percent: f64,
    /// It hits this many requests at most.
    pub first: Option<u64>,
    /// It expires this long after it was added.
    pub lasts: Option<Duration>,
    /// The requests that it can hit.
    pub matches: Match,
}

/// A filter for requests.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Match {
    /// A path without its query; a path that ends in `*` stands for all paths with this beginning.
    pub path: Option<String>,
    /// A method, in capitals.
    pub method: Option<String>,
}

/// The kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Kind {
    /// The port refuses connections, and open connections are closed.
    Refuse,
    /// The answer comes late.
    Latency(Latency),
    /// No byte is sent, until `hold` or the fault is over, or the client gives up.
    Stall {
        /// Before the head, or in the middle of the body.
        at: Moment,
        /// The duration; without it, until the fault is removed.
        hold: Option<Duration>,
    },
    /// An answer with this status.
    Status(Status),
    /// The body comes in small pieces.
    Drip(Drip),
    /// The body and the connection end early.
    Truncate {
        /// The number of body bytes that are sent; without it, half of the body.
        bytes: Option<u64>,
        /// Whether the body comes in chunks without the last one, instead of with a Content-Length.
        chunked: bool,
    },
    /// A TCP reset (RST).
    Reset(Moment),
    /// The connection closes (FIN) instead of an answer.
    CloseEarly,
    /// The answer is not HTTP, and the connection closes.
    Garbage,
}

/// The position of a fault in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Moment {
    /// Before its first byte.
    Before,
    /// After the head and half of the body.
    Mid,
}

/// The delay of an answer: a distribution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Latency {
    /// Always the same delay.
    Fixed(Duration),
    /// Evenly between two bounds.
    Uniform(Duration, Duration),
    /// Many short delays, few long ones, with this mean; never above [`MAX_LATENCY`].
    Exponential(Duration),
    /// One of two delays, as with a cache that has misses.
    Bimodal {
        /// The usual latency.
        fast: Duration,
        /// The other latency.
        slow: Duration,
        /// The percentage of the other latency, 0 to 100.
        slow_percent: f64,
    },
}

/// A status in place of the usual 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// 200 to 599.
    pub code: u16,
    /// The value of the header Retry-After, in seconds.
    pub retry_after: Option<u32>,
}

/// A body in small pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drip {
    /// Bytes in a piece, at least 1.
    pub bytes: u64,
    /// The pause after each piece.
    pub every: Duration,
}

impl Match {
    /// Whether a request with this method and path matches.
    pub(super) fn covers(&self, method: &str, path: &str) -> bool {
        let path_fits = match self.path.as_deref() {
            None => true,
            Some(pattern) => match pattern.strip_suffix('*') {
                Some(prefix) => path.starts_with(prefix),
                None => path == pattern,
            },
        };
        path_fits && self.method.as_deref().is_none_or(|wanted| wanted == method)
    }
}

impl Kind {
    /// The stage in the table of [`crate::fault`].
    pub(super) fn stage(&self) -> u8 {
        match self {
            Self::Refuse => 0,
            Self::Latency(_) | Self::Stall { at: Moment::Before, .. } => 1,
            Self::Status(_) => 2,
            Self::Drip(_) | Self::Truncate { .. } | Self::Stall { at: Moment::Mid, .. } => 3,
            Self::Reset(_) | Self::CloseEarly | Self::Garbage => 4,
        }
    }
}
