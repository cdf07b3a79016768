//! Records of all events: one for each request and one for each change of state.
//!
//! Counters are always kept. All other records cost nothing while there is no reader. Log, admin port and
//! tests read the same records, so they cannot disagree. The records hold strings and numbers, not the types
//! of the modules that report. So every module can report here, and this module depends on none.

use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tokio::sync::{Notify, broadcast};

pub mod explain;
mod states;
mod stats;
mod tallies;
mod tally;

use explain::Explanations;
pub use states::{Seen, States};
pub use stats::{BackendStats, LatencyQuantiles};
pub use tallies::Tallies;
pub use tally::{Counter, ErrorCause, Histogram, Meter, Phase, Tally};

/// An event, as the event stream shows it.
#[derive(Debug, Clone)]
pub enum Event {
    /// A backend changed its state.
    State(StateChange),
    /// A request ended.
    Request(Box<Outcome>),
    /// A setting was changed.
    Control(Intervention),
}

/// A change that a user or a program asked for.
#[derive(Debug, Clone, Serialize)]
pub struct Intervention {
    /// Time, in milliseconds since 1970.
    pub at_unix_ms: u64,
    /// The change, in words.
    pub what: String,
    /// The origin of the change: the configuration file, a signal, names with new addresses, or a client of
    /// the admin port.
    pub by: String,
}

/// A change of state of a backend, and its cause.
#[derive(Debug, Clone, Serialize)]
pub struct StateChange {
    /// Time, in milliseconds since 1970.
    pub at_unix_ms: u64,
    /// The backend's number.
    pub backend: usize,
    /// The state before.
    pub from: &'static str,
    /// The new state.
    pub to: &'static str,
    /// The cause.
    pub cause: Cow<'static, str>,
}

impl StateChange {
    /// A change at the present time.
    pub fn new(backend: usize, from: &'static str, to: &'static str, cause: Cow<'static, str>) -> Self {
        Self { at_unix_ms: unix_ms(SystemTime::now()), backend, from, to, cause }
    }
}

/// All facts about one request, from the arrival of its head to the last byte of its answer. Texts of the
/// client are stored as they arrived; each output escapes them.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Outcome {
    /// Time of its end, in milliseconds since 1970.
    pub at_unix_ms: u64,
    /// Its method.
    pub method: String,
    /// The target, as the client wrote it; without its query if the query is not to be shown.
    pub path: String,
    /// The HTTP version of the client, such as `HTTP/1.1`; `-` if it is unknown.
    pub protocol: &'static str,
    /// The status that the client got; 499 if it left before the end, as nginx logs it.
    pub status: u16,
    /// The number of the backend that gave the client's answer or failure.
    pub backend: Option<usize>,
    /// Number of backends that the request was sent to; 0 for a refused request.
    pub attempts: u32,
    /// Retries at the last backend.
    pub retries: u32,
    /// The earlier backends, and the failure at each of them.
    pub tried: Vec<(usize, &'static str)>,
    /// The failure of the request, if it failed.
    pub failure: Option<&'static str>,
    /// The party to blame.
    pub blame: Option<&'static str>,
    /// Microseconds from the arrival until the request was sent to a backend for the last time: picking,
    /// waiting in a queue, connecting, failed tries.
    pub queue_us: u64,
    /// Microseconds from then until its last byte was sent, which is the time in which the client sends the
    /// body. 0 if it was sent at once.
    pub upload_us: u64,
    /// Microseconds from then until the head of the answer.
    pub head_us: u64,
    /// Microseconds from then until the last byte of the answer.
    pub body_us: u64,
    /// Microseconds in all.
    pub total_us: u64,
    /// The IP address of the client; with trusted proxies, of the client in front of them.
    pub client: String,
    /// The host that the request is for, as the client wrote it.
    pub host: Option<String>,
    /// Bytes of the request's body that were read.
    pub received_bytes: u64,
    /// Bytes of the answer's body that were passed on.
    pub sent_bytes: u64,
    /// The `X-Request-ID`.
    pub request_id: Option<String>,
    /// The referring page, as the client wrote it.
    pub referer: Option<String>,
    /// The program of the client, as the client wrote it.
    pub user_agent: Option<String>,
}

/// Writes one line per request.
pub trait AccessLog: Send + Sync + Debug {
    /// A request ended.
    fn ended(&self, outcome: &Outcome);
}

/// Receives all events, keeps counters and distributes records.
#[derive(Debug)]
pub struct Observer {
    events: broadcast::Sender<Event>,
    access_log: AtomicBool,
    access_lines: OnceLock<Box<dyn AccessLog>>,
    draining: AtomicBool,
    leaving: AtomicBool,
    /// Notified when the balancer begins to leave.
    leaves: Notify,
    /// Counters of the requests of all clients.
    pub totals: Tallies,
    /// Open connections of clients.
    pub connections: AtomicI64,
    /// Explanations of requests whose clients asked for one.
    pub explanations: Explanations,
}

/// Events that a slow reader may be late before it misses some.
const BACKLOG: usize = 1024;

impl Observer {
    /// An observer without readers; with `access_log`, it writes one line per request.
    pub fn new(access_log: bool) -> Self {
        Self {
            events: broadcast::Sender::new(BACKLOG),
            access_log: AtomicBool::new(access_log),
            access_lines: OnceLock::new(),
            draining: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            leaves: Notify::new(),
            totals: Tallies::default(),
            connections: AtomicI64::new(0),
            explanations: Explanations::default(),
        }
    }

    /// Sets the destination of the access log. To be called once.
    pub fn write_access_log(&self, lines: impl AccessLog + 'static) {
        // The first one stays.
        let _ = self.access_lines.set(Box::new(lines));
    }

    /// Switches the access log on or off.
    pub fn set_access_log(&self, access_log: bool) {
        self.access_log.store(access_log, Relaxed);
    }

    /// A stream of events from now on. A reader that is too slow misses events; it never slows the balancer
    /// down.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Whether there is a reader of records of requests. The request path asks before it builds a record.
    pub fn wants_requests(&self) -> bool {
        self.access_log.load(Relaxed) || self.events.receiver_count() > 0
    }

    /// Whether the balancer is draining before it ends.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    /// Begins draining.
    pub fn begin_draining(&self) {
        self.draining.store(true, Relaxed);
    }

    /// Whether the balancer is about to drain and still accepts connections.
    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Relaxed)
    }

    /// The balancer is about to drain; notifies all tasks that wait for that.
    pub fn begin_leaving(&self) {
        self.leaving.store(true, Relaxed);
        self.leaves.notify_waiters();
    }

    /// Waits until the balancer is about to drain.
    pub async fn leaves(&self) {
        let mut told = std::pin::pin!(self.leaves.notified());
        told.as_mut().enable();
        if !self.is_leaving() {
            told.await;
        }
    }

    /// A backend changed its state: the one place that logs this.
    pub fn state_changed(&self, change: StateChange) {
        let StateChange { backend, to, cause, .. } = &change;
        match *to {
            "up" => tracing::info!("backend {backend} {to}: {cause}"),
            _ => tracing::warn!("backend {backend} {to}: {cause}"),
        }
        // Usually there is no reader, which is not an error.
        let _ = self.events.send(Event::State(change));
    }

    /// A setting was changed: the one place that logs this.
    pub fn intervened(&self, what: String, by: &str) {
        tracing::info!("{what} (by {by})");
        let at_unix_ms = unix_ms(SystemTime::now());
        let _ = self.events.send(Event::Control(Intervention { at_unix_ms, what, by: by.to_owned() }));
    }

    /// A request ended.
    pub fn request_ended(&self, outcome: Outcome) {
        if let Some(lines) = self.access_lines.get().filter(|_| self.access_log.load(Relaxed)) {
            lines.ended(&outcome);
        }
        if self.events.receiver_count() > 0 {
            let _ = self.events.send(Event::Request(Box::new(outcome)));
        }
    }
}

/// Milliseconds since 1970.
pub(crate) fn unix_ms(time: SystemTime) -> u64 {
    micros(time.duration_since(UNIX_EPOCH).unwrap_or_default()) / 1000
}

/// Whole microseconds, up to the largest number.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
