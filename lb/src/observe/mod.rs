//! Records of all events: one for each request and one for each change of state.
//!
//! Counters are always kept. All other records cost nothing while there is no reader. Log, admin port and
//! tests read the same records, so they cannot disagree. The records hold strings and numbers, not the types
//! of the modules that report. So every module can report here, and this module depends on none.

use std::fmt::Debug;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use api::{ControlChange, RequestEnd, StateChange, Word};
use tokio::sync::{Notify, broadcast};

mod counters;
pub(crate) mod explain;
mod sharded;
mod states;
mod stats;

pub(crate) use counters::{Counter, Counters, ErrorCause, Histogram, Meter, Phase};
use explain::Explanations;
pub(crate) use sharded::ShardedCounters;
pub(crate) use stats::BackendStats;

/// An event, as the event stream shows it.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// A backend changed its state.
    State(StateChange),
    /// A request ended.
    Request(Box<RequestEnd>),
    /// A setting was changed.
    Control(ControlChange),
}

/// Writes one line per request.
pub(crate) trait AccessLog: Send + Sync + Debug {
    /// A request ended.
    fn ended(&self, outcome: &RequestEnd);
}

/// Receives all events, keeps counters and distributes records.
#[derive(Debug)]
pub(crate) struct Observer {
    events: broadcast::Sender<Event>,
    access_log: AtomicBool,
    access_lines: OnceLock<Box<dyn AccessLog>>,
    draining: AtomicBool,
    leaving: AtomicBool,
    /// Notified when the balancer begins to leave.
    leaves: Notify,
    /// Counters of the requests of all clients.
    pub totals: ShardedCounters,
    /// Open connections of clients.
    pub connections: AtomicI64,
    /// Explanations of requests whose clients asked for one.
    pub explanations: Explanations,
}

/// Events that a slow reader may be late before it misses some.
const BACKLOG: usize = 1024;

impl Observer {
    /// An observer without readers; with `access_log`, it writes one line per request.
    pub(crate) fn new(access_log: bool) -> Self {
        Self {
            events: broadcast::Sender::new(BACKLOG),
            access_log: AtomicBool::new(access_log),
            access_lines: OnceLock::new(),
            draining: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            leaves: Notify::new(),
            totals: ShardedCounters::default(),
            connections: AtomicI64::new(0),
            explanations: Explanations::default(),
        }
    }

    /// Sets the destination of the access log. To be called once.
    pub(crate) fn write_access_log(&self, lines: impl AccessLog + 'static) {
        // The first one stays.
        let _ = self.access_lines.set(Box::new(lines));
    }

    /// Switches the access log on or off.
    pub(crate) fn set_access_log(&self, access_log: bool) {
        self.access_log.store(access_log, Relaxed);
    }

    /// A stream of events from now on. A reader that is too slow misses events; it never slows the balancer
    /// down.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Whether there is a reader of records of requests. The request path asks before it builds a record.
    pub(crate) fn wants_requests(&self) -> bool {
        self.access_log.load(Relaxed) || self.events.receiver_count() > 0
    }

    /// Whether the balancer is draining before it ends.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    /// Begins draining.
    pub(crate) fn begin_draining(&self) {
        self.draining.store(true, Relaxed);
    }

    /// Whether the balancer is about to drain and still accepts connections.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.load(Relaxed)
    }

    /// The balancer is about to drain; notifies all tasks that wait for that.
    pub(crate) fn begin_leaving(&self) {
        self.leaving.store(true, Relaxed);
        self.leaves.notify_waiters();
    }

    /// Waits until the balancer is about to drain.
    pub(crate) async fn leaves(&self) {
        let mut told = std::pin::pin!(self.leaves.notified());
        told.as_mut().enable();
        if !self.is_leaving() {
            told.await;
        }
    }

    /// A backend changed its state: the one place that logs this.
    pub(crate) fn state_changed(&self, change: StateChange) {
        let StateChange { backend, to, cause, .. } = &change;
        match &**to {
            "up" => tracing::info!("backend {backend} {to}: {cause}"),
            _ => tracing::warn!("backend {backend} {to}: {cause}"),
        }
        // Usually there is no reader, which is not an error.
        let _ = self.events.send(Event::State(change));
    }

    /// A setting was changed: the one place that logs this.
    pub(crate) fn intervened(&self, what: String, by: &str) {
        tracing::info!("{what} (by {by})");
        let at_unix_ms = unix_ms(SystemTime::now());
        let _ = self.events.send(Event::Control(ControlChange { at_unix_ms, what, by: by.to_owned() }));
    }

    /// A request ended.
    pub(crate) fn request_ended(&self, outcome: RequestEnd) {
        if let Some(lines) = self.access_lines.get().filter(|_| self.access_log.load(Relaxed)) {
            lines.ended(&outcome);
        }
        if self.events.receiver_count() > 0 {
            let _ = self.events.send(Event::Request(Box::new(outcome)));
        }
    }
}

/// A backend's change of state, as of now.
pub(crate) fn state_change(backend: usize, from: &'static str, to: &'static str, cause: Word) -> StateChange {
    let at_unix_ms = unix_ms(SystemTime::now());
    StateChange { at_unix_ms, backend, from: from.into(), to: to.into(), cause }
}

/// Milliseconds since 1970.
pub(crate) fn unix_ms(time: SystemTime) -> u64 {
    micros(time.duration_since(UNIX_EPOCH).unwrap_or_default()) / 1000
}

/// Whole microseconds, up to the largest number.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
