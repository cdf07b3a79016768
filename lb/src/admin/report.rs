//! The state of the balancer as one JSON document.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Instant, SystemTime};

use balance::health::{Cause, Progress, State};
use balance::member::Mode;
use balance::verdict::Failure;
use serde::Serialize;

use crate::clock::moment;
use crate::observe::{ErrorCause, LatencyQuantiles, Observer, Tallies, unix_ms};
use crate::pool::{Backend, Pool};
use crate::proxy::causes;

/// The answer to `GET /state`: the present state, except for the identity.
#[derive(Debug, Serialize)]
pub(super) struct Report<'a> {
    version: &'static str,
    listen: &'a str,
    policy: &'static str,
    workers: usize,
    draining: bool,
    uptime_ms: u128,
    /// Time since the counts began: at the start or at the last reset.
    counting_ms: u128,
    connections: i64,
    /// Log lines that did not fit or could not be written.
    log_lines_dropped: u64,
    totals: TotalsReport,
    backends: Vec<BackendReport>,
}

#[derive(Debug, Serialize)]
struct TotalsReport {
    requests: u64,
    no_backend: u64,
    client_gone: u64,
    refused: u64,
    in_flight: u64,
    /// Answers that have begun.
    status: StatusReport,
    /// Errors by cause; only causes that have occurred.
    errors: BTreeMap<&'static str, u64>,
    bytes: BytesReport,
}

#[derive(Debug, Serialize)]
struct StatusReport {
    #[serde(rename = "1xx")]
    informational: u64,
    #[serde(rename = "2xx")]
    success: u64,
    #[serde(rename = "3xx")]
    redirection: u64,
    #[serde(rename = "4xx")]
    client_error: u64,
    #[serde(rename = "5xx")]
    server_error: u64,
}

#[derive(Debug, Serialize)]
struct BytesReport {
    received: u64,
    sent: u64,
}

#[derive(Debug, Serialize)]
struct BackendReport {
    number: usize,
    url: String,
    weight: u32,
    priority: u8,
    backup: bool,
    mode: Mode,
    /// The backend was removed from the pool and finishes its requests.
    leaving: bool,
    state: State,
    cause: Cause,
    since_unix_ms: u64,
    for_ms: u128,
    progress: Option<Progress>,
    in_flight: u32,
    picks: u64,
    answers: u64,
    failures: u64,
    retries: u64,
    reconnects: u64,
    status: StatusReport,
    /// Errors by cause; only causes that have occurred.
    errors: BTreeMap<&'static str, u64>,
    bytes: BytesReport,
    connections: ConnectionsReport,
    transitions: u64,
    /// Time in each state, by the name of the state.
    states_ms: BTreeMap<&'static str, u128>,
    /// Quantiles of the last 10 to 15 seconds; nulls if there were no answers.
    latency_us: LatencyQuantiles,
}

#[derive(Debug, Serialize)]
struct ConnectionsReport {
    opened: u64,
    reused: u64,
    idle: u64,
}

impl StatusReport {
    fn of(tallies: &Tallies) -> Self {
        let class = |class| tallies.since_reset(|tally| tally.responses(class));
        Self {
            informational: class(1),
            success: class(2),
            redirection: class(3),
            client_error: class(4),
            server_error: class(5),
        }
    }
}

impl BytesReport {
    fn of(tallies: &Tallies) -> Self {
        Self {
            received: tallies.since_reset(|tally| &tally.received),
            sent: tallies.since_reset(|tally| &tally.sent),
        }
    }
}

fn errors(tallies: &Tallies, causes: impl Iterator<Item = ErrorCause>) -> BTreeMap<&'static str, u64> {
    let counts = causes.map(|cause| (cause.name, tallies.since_reset(|tally| tally.errors(cause))));
    counts.filter(|(_, count)| *count > 0).collect()
}

/// The source of the values.
pub(super) struct Subject<'a> {
    pub(super) pool: &'a Pool,
    pub(super) observer: &'a Observer,
    /// Address that clients connect to.
    pub(super) listen: &'a str,
    pub(super) workers: usize,
    /// Start time of the balancer.
    pub(super) started: Instant,
    /// Time at which the counts began.
    pub(super) counting: Instant,
    /// Log lines dropped since then.
    pub(super) lines_dropped: u64,
    pub(super) now: Instant,
}

/// Reads all values.
pub(super) fn report<'a>(subject: &Subject<'a>) -> Report<'a> {
    let &Subject { pool, observer, listen, workers, started, counting, lines_dropped, now } = subject;
    let totals = &observer.totals;
    let failed = |cause: ErrorCause| totals.since_reset(|tally| tally.errors(cause));
    Report {
        version: env!("CARGO_PKG_VERSION"),
        listen,
        policy: pool.rules().policy.name(),
        workers,
        draining: observer.is_draining(),
        uptime_ms: now.duration_since(started).as_millis(),
        counting_ms: now.saturating_duration_since(counting).as_millis(),
        connections: observer.connections.load(Relaxed),
        log_lines_dropped: lines_dropped,
        totals: TotalsReport {
            requests: totals.since_reset(|tally| &tally.requests),
            no_backend: failed(Failure::NoBackend.into()),
            client_gone: failed(Failure::ClientGone.into()),
            refused: causes::of_refusals().map(failed).sum(),
            in_flight: totals.in_flight(),
            status: StatusReport::of(totals),
            errors: errors(totals, causes::of_requests()),
            bytes: BytesReport::of(totals),
        },
        backends: pool.backends().iter().map(|backend| backend_report(pool, backend, now)).collect(),
    }
}

fn backend_report(pool: &Pool, backend: &Backend, now: Instant) -> BackendReport {
    let (health, said) = (backend.health(), backend.said());
    let lasts = moment(now).since(health.since());
    let tallies = &backend.own.stats.tallies;
    let states = backend.own.stats.states_since_reset(now);
    let times = states.times.into_iter();
    BackendReport {
        number: backend.number,
        url: backend.address.to_string(),
        weight: backend.weight(),
        priority: said.priority,
        backup: said.backup,
        mode: said.mode,
        leaving: backend.is_leaving(),
        state: health.state(),
        cause: health.cause().clone(),
        since_unix_ms: unix_ms(SystemTime::now().checked_sub(lasts).unwrap_or(SystemTime::UNIX_EPOCH)),
        for_ms: lasts.as_millis(),
        progress: health.progress(pool.rules().thresholds),
        in_flight: backend.in_flight(),
        picks: tallies.since_reset(|tally| &tally.requests),
        answers: tallies.since_reset(|tally| &tally.answers),
        failures: tallies.since_reset(|tally| &tally.blamed),
        retries: tallies.since_reset(|tally| &tally.retries),
        reconnects: tallies.since_reset(|tally| &tally.reconnects),
        status: StatusReport::of(tallies),
        errors: errors(tallies, causes::of_tries()),
        bytes: BytesReport::of(tallies),
        connections: ConnectionsReport {
            opened: tallies.since_reset(|tally| &tally.opened),
            reused: tallies.since_reset(|tally| &tally.reused),
            idle: tallies.left(|tally| &tally.kept, |tally| &tally.taken),
        },
        transitions: states.changes,
        states_ms: times.map(|(state, time)| (state, time.as_millis())).collect(),
        latency_us: backend.own.stats.quantiles(),
    }
}
