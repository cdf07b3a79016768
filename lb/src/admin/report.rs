//! The balancer's state as one JSON document.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Instant, SystemTime};

use serde::Serialize;

use crate::balance::health::{Cause, Progress, State};
use crate::balance::{Backend, ServerPool};
use crate::observe::{LatencyQuantiles, Observer, unix_ms};

/// What `GET /state` answers. All of it but the identity is as of now.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    version: &'static str,
    listen: String,
    policy: &'static str,
    workers: usize,
    draining: bool,
    uptime_ms: u128,
    connections: i64,
    totals: TotalsReport,
    backends: Vec<BackendReport>,
}

#[derive(Debug, Serialize)]
struct TotalsReport {
    requests: u64,
    no_backend: u64,
    client_gone: u64,
    refused: u64,
    status: StatusReport,
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
struct BackendReport {
    number: usize,
    url: String,
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
    connections: ConnectionsReport,
    /// Of the last 10 to 15 seconds; nulls if nothing was answered.
    latency_us: LatencyQuantiles,
}

#[derive(Debug, Serialize)]
struct ConnectionsReport {
    opened: u64,
    reused: u64,
    idle: i64,
}

/// Reads everything off. `started` is when the balancer began, `listen` where.
pub(crate) fn report(
    pool: &ServerPool,
    observer: &Observer,
    listen: String,
    workers: usize,
    started: Instant,
) -> Report {
    let now = Instant::now();
    let totals = &observer.totals;
    let [informational, success, redirection, client_error, server_error] =
        totals.status.each_ref().map(|count| count.load(Relaxed));
    Report {
        version: env!("CARGO_PKG_VERSION"),
        listen,
        policy: pool.rules().policy.name(),
        workers,
        draining: observer.is_draining(),
        uptime_ms: now.duration_since(started).as_millis(),
        connections: totals.connections.load(Relaxed),
        totals: TotalsReport {
            requests: totals.requests.load(Relaxed),
            no_backend: totals.no_backend.load(Relaxed),
            client_gone: totals.client_gone.load(Relaxed),
            refused: totals.refused.load(Relaxed),
            status: StatusReport { informational, success, redirection, client_error, server_error },
        },
        backends: pool.backends().iter().map(|backend| backend_report(pool, backend, now)).collect(),
    }
}

fn backend_report(pool: &ServerPool, backend: &Backend, now: Instant) -> BackendReport {
    let health = backend.health();
    let lasts = now.saturating_duration_since(health.since());
    let stats = &backend.stats;
    BackendReport {
        number: backend.number,
        url: backend.address.to_string(),
        state: health.state(),
        cause: health.cause().clone(),
        since_unix_ms: unix_ms(SystemTime::now().checked_sub(lasts).unwrap_or(SystemTime::UNIX_EPOCH)),
        for_ms: lasts.as_millis(),
        progress: health.progress(pool.rules().thresholds),
        in_flight: backend.in_flight(),
        picks: stats.picks.load(Relaxed),
        answers: stats.answers.load(Relaxed),
        failures: stats.failures.load(Relaxed),
        retries: stats.retries.load(Relaxed),
        connections: ConnectionsReport {
            opened: stats.opened.load(Relaxed),
            reused: stats.reused.load(Relaxed),
            idle: stats.idle.load(Relaxed),
        },
        latency_us: stats.quantiles(),
    }
}
