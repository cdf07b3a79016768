//! Records of all events: one for each request and one for each change of state.
//!
//! Counters are always kept. All other records cost nothing while there is no reader. Log, admin port and
//! tests read the same records, so they cannot disagree. The records hold strings and numbers, not the types
//! of the modules that report. So every module can report here, and this module depends on none.

use std::fmt::Debug;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use api::{Change, ControlChange, Decision, Event, Probe, StateChange, Why};
use tokio::sync::Notify;

mod counters;
pub(crate) mod explain;
mod request_end;
mod sharded;
mod states;
mod stats;
pub(crate) mod stream;

pub(crate) use counters::{Counter, Counters, ErrorCause, Histogram, Meter, Phase};
use explain::Explanations;
pub(crate) use request_end::RequestEnd;
pub(crate) use sharded::ShardedCounters;
pub(crate) use stats::{BackendStats, LatencyMark};
use stream::{Audience, EventStream};

/// Writes one line per request.
pub(crate) trait AccessLog: Send + Sync + Debug {
    /// A request ended.
    fn ended(&self, outcome: &RequestEnd);
}

/// Receives all events, keeps counters and distributes records.
#[derive(Debug)]
pub(crate) struct Observer {
    /// What happens, for readers of the admin port.
    pub(crate) stream: EventStream,
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

impl Observer {
    /// An observer without readers; with `access_log`, it writes one line per request.
    pub(crate) fn new(access_log: bool) -> Self {
        Self {
            stream: EventStream::new(unix_ms(SystemTime::now())),
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

    /// Whether there is a reader of the records of all requests. The request path asks before it builds a
    /// record.
    pub(crate) fn wants_requests(&self) -> bool {
        self.access_log.load(Relaxed) || self.stream.publishes_all()
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

    /// A backend changed its state: the one place that logs this. Times count from the start of the balancer.
    pub(crate) fn state_changed(&self, now_us: u64, change: StateChange) {
        let StateChange { backend, to, cause, .. } = &change;
        match &**to {
            "up" => tracing::info!("backend {backend} {to}: {cause}"),
            _ => tracing::warn!("backend {backend} {to}: {cause}"),
        }
        self.stream.publish(now_us, Audience::Everyone, &Event::State(change));
    }

    /// A setting was changed: the one place that logs this. `change` says the same for programs.
    pub(crate) fn intervened(&self, now_us: u64, what: String, change: Option<Change>, by: &str) {
        tracing::info!("{what} (by {by})");
        let told = ControlChange { t: now_us, what, by: by.to_owned(), change };
        self.stream.publish(now_us, Audience::Everyone, &Event::Control(told));
    }

    /// A ping or a question to a backend ended.
    pub(crate) fn probed(&self, now_us: u64, probe: Probe) {
        self.stream.publish(now_us, Audience::Everyone, &Event::Probe(probe));
    }

    /// A request ended. It stands for `sampled` requests in the sample; 0 if it is not in it. `decisions` are
    /// those about its backends, if they were recorded.
    pub(crate) fn request_ended(
        &self,
        now_us: u64,
        outcome: RequestEnd,
        sampled: u32,
        decisions: Option<Vec<Decision>>,
    ) {
        if let Some(lines) = self.access_lines.get().filter(|_| self.access_log.load(Relaxed)) {
            lines.ended(&outcome);
        }
        let audience = match sampled {
            0 if self.stream.publishes_all() => Audience::All,
            0 => return,
            _ => Audience::Samples,
        };
        let id = self.stream.number();
        let request = outcome.into_event(now_us, id, sampled);
        self.stream.publish(now_us, audience, &Event::Req(Box::new(request)));
        if let Some(decisions) = decisions {
            let decisions = decisions.into_iter().map(Decision::shortened).collect();
            self.stream.publish(now_us, audience, &Event::Why(Box::new(Why { id, decisions })));
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
