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
    /// It spares this many matching requests at the beginning.
    pub skip: u64,
    /// After `skip`, it can hit every Nth matching request; this is N, at least 1.
    pub every: u64,
    /// It hits this many requests at most.
    pub first: Option<u64>,
    /// It begins this long after it was added.
    pub after: Duration,
    /// It expires this long after its beginning.
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
    /// Names of headers in small letters, and their values; `*` at the end of a value matches any rest.
    pub headers: Vec<(String, String)>,
}

/// What faults know of a request.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its path without its query.
    pub path: &'a str,
    /// The value of a header, by its name in small letters.
    pub header: &'a dyn Fn(&str) -> Option<&'a str>,
}

/// The kind of fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Kind {
    /// The port refuses connections, and open connections are closed.
    Refuse,
    /// The reaction of the worker to SIGTERM.
    ExitOnTerm(Exit),
    /// A worker that has just started is slow: its speed grows evenly from `from` percent to 100 percent.
    ColdStart {
        /// The speed at the start of the worker, in percent, at least 1.
        from: f64,
        /// The time from the start to full speed.
        over: Duration,
    },
    /// A cache of the most recent keys: a hit takes less time than a miss.
    Cache(Cache),
    /// A delay that grows or shrinks evenly from one value to another, and stays there.
    Ramp {
        /// The delay at the beginning of the fault.
        from: Duration,
        /// The delay at the end.
        to: Duration,
        /// The time between the two.
        over: Duration,
    },
    /// The whole server pauses regularly. A service that would start during a pause starts when the pause
    /// ends.
    Gc {
        /// The time from the beginning of a pause to the next one.
        every: Duration,
        /// The duration of a pause.
        pause: Duration,
    },
    /// The answer comes late.
    Latency(Latency),
    /// No byte is sent, until `hold` or the fault is over, or the client gives up.
    Stall {
        /// Before the head, or in the middle of the body.
        at: Position,
        /// The duration; without it, until the fault is removed.
        hold: Option<Duration>,
    },
    /// An answer with this status.
    Status(Status),
    /// An answer with one of these statuses, drawn with these weights, which are above 0.
    Weighted(Vec<(u16, f64)>),
    /// Success and failure in turn, request by request.
    Pattern {
        /// True for a failure; repeated from its beginning, and not empty.
        fails: Vec<bool>,
        /// The status of a failure.
        code: u16,
    },
    /// Success and failure in turn, by time.
    Flap {
        /// The time without failures.
        up: Duration,
        /// The time with failures.
        down: Duration,
        /// The status of a failure.
        code: u16,
    },
    /// A header with the load of the server. The factor is 1 for the truth.
    LoadReport(f64),
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
    Reset(Position),
    /// The connection closes (FIN) instead of an answer.
    CloseEarly,
    /// The answer is not HTTP, and the connection closes.
    Garbage,
}

/// The position of a fault in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Position {
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
    /// The logarithm is normal: many latencies near the median, and a long tail; never above [`MAX_LATENCY`].
    Lognormal {
        /// The median, above 0.
        p50: Duration,
        /// The latency that one of a hundred exceeds, at least the median.
        p99: Duration,
    },
    /// The tail falls as a power: rare latencies are very long.
    Pareto {
        /// The shortest latency.
        min: Duration,
        /// The exponent of the tail, 0.1 to 100: the smaller, the longer the tail.
        alpha: f64,
        /// The longest latency.
        cap: Duration,
    },
}

/// The reaction of a worker to SIGTERM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// It goes on.
    Ignore,
    /// It exits, and its connections break.
    Immediate,
    /// It finishes its requests in flight, but exits after this time at the latest.
    Drain(Duration),
}

/// A cache of keys: the least recently used key makes room for a new one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cache {
    /// The number of keys, at least 1.
    pub size: usize,
    /// The time that a hit takes.
    pub hit: Duration,
    /// The time that a miss takes.
    pub miss: Duration,
    /// The header with the key, in small letters; without it, the path is the key.
    pub header: Option<String>,
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
    /// Whether this request matches.
    pub(super) fn covers(&self, subject: Subject<'_>) -> bool {
        let has = |(name, pattern): &(String, String)| {
            (subject.header)(name).is_some_and(|value| fits(pattern, value))
        };
        self.path.as_deref().is_none_or(|pattern| fits(pattern, subject.path))
            && self.method.as_deref().is_none_or(|wanted| wanted == subject.method)
            && self.headers.iter().all(has)
    }
}

/// A pattern that ends in `*` fits each text with this beginning.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => text.starts_with(prefix),
        None => text == pattern,
    }
}

impl Kind {
    /// Whether it hits single requests.
    pub(super) fn is_per_request(&self) -> bool {
        !matches!(self, Self::Refuse | Self::ExitOnTerm(_))
    }

    /// The stage in the table of [`crate::fault`].
    pub(super) fn stage(&self) -> u8 {
        match self {
            Self::Refuse | Self::ExitOnTerm(_) => 0,
            Self::ColdStart { .. }
            | Self::Cache(_)
            | Self::Latency(_)
            | Self::Ramp { .. }
            | Self::Gc { .. }
            | Self::Stall { at: Position::Before, .. } => 1,
            Self::Status(_)
            | Self::Weighted(_)
            | Self::Pattern { .. }
            | Self::Flap { .. }
            | Self::LoadReport(_) => 2,
            Self::Drip(_) | Self::Truncate { .. } | Self::Stall { at: Position::Mid, .. } => 3,
            Self::Reset(_) | Self::CloseEarly | Self::Garbage => 4,
        }
    }
}
