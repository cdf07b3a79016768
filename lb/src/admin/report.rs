//! The state of the balancer as one JSON document.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime};

use api::{BackendState, Bytes, Connections, ResponsesByClass, Totals, Word};
use balance::verdict::Failure;

use crate::clock::moment;
use crate::observe::{ErrorCause, Observer, ShardedCounters, unix_ms};
use crate::pool::{Backend, Pool, progress};
use crate::proxy::record::causes;

fn responses(counters: &ShardedCounters) -> ResponsesByClass {
    let class = |class| counters.since_reset(|counters| counters.responses(class));
    ResponsesByClass {
        informational: class(1),
        success: class(2),
        redirection: class(3),
        client_error: class(4),
        server_error: class(5),
    }
}

fn bytes(counters: &ShardedCounters) -> Bytes {
    Bytes {
        received: counters.since_reset(|counters| &counters.received),
        sent: counters.since_reset(|counters| &counters.sent),
    }
}

fn errors(counters: &ShardedCounters, causes: impl Iterator<Item = ErrorCause>) -> BTreeMap<Word, u64> {
    let counts =
        causes.map(|cause| (cause.name.into(), counters.since_reset(|counters| counters.errors(cause))));
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
pub(super) fn report(subject: &Subject<'_>) -> api::State {
    let &Subject { pool, observer, listen, workers, started, counting, lines_dropped, now } = subject;
    let totals = &observer.totals;
    let failed = |cause: ErrorCause| totals.since_reset(|counters| counters.errors(cause));
    api::State {
        version: env!("CARGO_PKG_VERSION").into(),
        listen: listen.to_owned(),
        policy: pool.rules().policy.name().into(),
        workers,
        draining: observer.is_draining(),
        uptime_ms: millis(now.duration_since(started)),
        counting_ms: millis(now.saturating_duration_since(counting)),
        connections: observer.connections.load(Relaxed).try_into().unwrap_or(0),
        log_lines_dropped: lines_dropped,
        events_missed: observer.stream.missed(),
        totals: Totals {
            requests: totals.since_reset(|counters| &counters.requests),
            no_backend: failed(Failure::NoBackend.into()),
            client_gone: failed(Failure::ClientGone.into()),
            refused: causes::of_refusals().map(failed).sum(),
            in_flight: totals.in_flight(),
            status: responses(totals),
            errors: errors(totals, causes::of_requests()),
            bytes: bytes(totals),
        },
        backends: pool.backends().iter().map(|backend| backend_report(pool, backend, now)).collect(),
    }
}

fn backend_report(pool: &Pool, backend: &Backend, now: Instant) -> BackendState {
    let (health, spec) = (backend.health(), backend.spec());
    let lasts = moment(now).since(health.since());
    let counters = &backend.own.stats.counters;
    let states = backend.own.stats.states_since_reset(now);
    let times = states.times.into_iter();
    BackendState {
        number: backend.number,
        url: backend.address.to_string(),
        weight: backend.weight(),
        reported_weight: backend.reported_weight(moment(now)),
        ignored_reports: backend.ignored_reports(),
        priority: spec.priority,
        backup: spec.backup,
        mode: spec.mode.name().into(),
        leaving: backend.is_leaving(),
        state: health.state().name().into(),
        cause: health.cause().clone(),
        since_unix_ms: unix_ms(SystemTime::now().checked_sub(lasts).unwrap_or(SystemTime::UNIX_EPOCH)),
        for_ms: millis(lasts),
        progress: progress(&health, pool.rules().thresholds),
        in_flight: backend.in_flight(),
        picks: counters.since_reset(|counters| &counters.requests),
        answers: counters.since_reset(|counters| &counters.answers),
        failures: counters.since_reset(|counters| &counters.blamed),
        retries: counters.since_reset(|counters| &counters.retries),
        reconnects: counters.since_reset(|counters| &counters.reconnects),
        hedges: counters.since_reset(|counters| &counters.hedges),
        status: responses(counters),
        errors: errors(counters, causes::of_tries()),
        bytes: bytes(counters),
        connections: Connections {
            opened: counters.since_reset(|counters| &counters.opened),
            reused: counters.since_reset(|counters| &counters.reused),
            idle: counters.left(|counters| &counters.kept, |counters| &counters.taken),
        },
        transitions: states.changes,
        states_ms: times.map(|(state, time)| (state.into(), millis(time))).collect(),
        latency_us: backend.own.stats.quantiles(),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
