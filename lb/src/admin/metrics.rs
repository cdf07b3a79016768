//! `GET /metrics` for Prometheus: one table of all metrics, with a function that reads each value.
//!
//! A test writes `docs/statistics.md` from the same table.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::exposition::{Kind, Metric, Page, Values};
use crate::observe::{Counter, Counters, ErrorCause, Histogram, Observer, Phase, ShardedCounters};
use crate::pool::{Backend, Pool};
use crate::proxy::record::causes;
use crate::proxy::settings::Statistics;

/// The source of the values.
pub(super) struct View<'a> {
    /// All backends, by number, with their addresses.
    backends: Vec<(Arc<Backend>, String)>,
    pub(super) observer: &'a Observer,
    /// Log lines that were dropped.
    pub(super) lines_dropped: u64,
    /// Start time of the balancer.
    started: SystemTime,
    now: Instant,
}

impl<'a> View<'a> {
    /// A view of the present values, of a balancer with this start time.
    pub(super) fn new(
        pool: &Pool,
        observer: &'a Observer,
        started: SystemTime,
        now: Instant,
        lines_dropped: u64,
    ) -> Self {
        let with_address = |backend: Arc<Backend>| {
            let url = backend.address.to_string();
            (backend, url)
        };
        let backends = pool.backends().into_iter().map(with_address).collect();
        Self { backends, observer, started, now, lines_dropped }
    }
}

/// One metric, and the function that reads it.
pub(super) struct Entry {
    pub(super) metric: Metric,
    /// `--statistics=basic` omits this metric.
    pub(super) full_only: bool,
    read: fn(&View<'_>, &mut Values<'_>),
}

/// All metrics as one page.
pub(super) fn page(view: &View<'_>, statistics: Statistics) -> String {
    let mut page = Page::default();
    for entry in METRICS.iter().filter(|entry| statistics == Statistics::Full || !entry.full_only) {
        (entry.read)(view, &mut page.begin(entry.metric));
    }
    page.finish()
}

/// An entry of the table. The page has the same order.
const fn entry(
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    help: &'static str,
    read: fn(&View<'_>, &mut Values<'_>),
) -> Entry {
    Entry { metric: Metric { name, kind, labels, help }, full_only: false, read }
}

impl Entry {
    /// Marks a metric that exists only with `--statistics=full`.
    const fn full_only(self) -> Self {
        Self { full_only: true, ..self }
    }
}

use Kind::{Counter as C, Gauge as G, Histogram as H};

#[rustfmt::skip]
pub(super) const METRICS: &[Entry] = &[
    entry("roundabout_build_info", G, &["version"],
        "Always 1; the version is in the label.",
        |_, values| values.add(&[env!("CARGO_PKG_VERSION")], 1)),
    entry("process_start_time_seconds", G, &[],
        "When the balancer started, in seconds since 1970.",
        |view, values| values.add(&[], since_1970(view.started).as_secs_f64())),
    entry("roundabout_draining", G, &[],
        "Whether the balancer is draining before it ends: 1 or 0.",
        |view, values| values.add(&[], u8::from(view.observer.is_draining()))),

    entry("lb_events_missed_total", C, &[],
        "Events that readers of /events missed, because they read too slowly.",
        |view, values| values.add(&[], view.observer.stream.missed())),
    entry("lb_log_lines_dropped_total", C, &[],
        "Log lines that were dropped because the log is not read fast enough or its disk is full.",
        |view, values| values.add(&[], view.lines_dropped)),

    entry("roundabout_requests_total", C, &[],
        "Requests that arrived, including refused input that is no valid request.",
        |view, values| of_clients(view, values, |counters| &counters.requests)),
    entry("roundabout_requests_in_flight", G, &[],
        "Requests that have arrived and have not ended: the last byte of the answer has not been sent.",
        |view, values| values.add(&[], view.observer.totals.in_flight())),
    entry("roundabout_responses_total", C, &["code"],
        "Answers that have begun, by class of status, including the balancer's own answers. The code none counts requests \
         whose client left before the answer began.",
        |view, values| responses(values, &view.observer.totals, None, &Counters::CLASSES)),
    entry("roundabout_errors_total", C, &["cause", "blame"],
        "Requests that failed for their client, by cause and by the party to blame.",
        |view, values| errors(values, &view.observer.totals, None, causes::of_requests())),
    entry("roundabout_client_connections_open", G, &[],
        "Open connections of clients.",
        |view, values| values.add(&[], view.observer.connections.load(Relaxed))),
    entry("roundabout_client_connections_accepted_total", C, &[],
        "Connections of clients that were accepted. Further requests on the same connection do not count here.",
        |view, values| of_clients(view, values, |counters| &counters.opened)),
    entry("roundabout_client_received_bytes_total", C, &[],
        "Bytes received from clients, including heads.",
        |view, values| of_clients(view, values, |counters| &counters.received)).full_only(),
    entry("roundabout_client_sent_bytes_total", C, &[],
        "Bytes sent to clients, including heads.",
        |view, values| of_clients(view, values, |counters| &counters.sent)).full_only(),

    entry("roundabout_backend_up", G, &["backend"],
        "Whether the backend is up: 1 or 0.",
        |view, values| of_backends(view, values, |backend| u64::from(backend.own.stats.states().now() == "up"))),
    entry("roundabout_backend_state", G, &["backend", "state"],
        "Always 1; the backend's current state is in the label.",
        |view, values| each(view, |backend, url| {
            values.add(&[url, backend.own.stats.states().now()], 1);
        })),
    entry("roundabout_backend_state_seconds_total", C, &["backend", "state"],
        "Seconds that the backend has spent in each state. A state appears when the backend first enters it.",
        times_in_states),
    entry("roundabout_backend_transitions_total", C, &["backend"],
        "Changes of the backend's state.",
        |view, values| of_backends(view, values, |backend| backend.own.stats.states().changes())),
    entry("roundabout_backend_attempts_total", C, &["backend"],
        "Requests that were given to the backend.",
        |view, values| tallied(view, values, |counters| &counters.requests)),
    entry("roundabout_backend_retries_total", C, &["backend"],
        "Further tries at the same backend, after a pause.",
        |view, values| tallied(view, values, |counters| &counters.retries)),
    entry("roundabout_backend_reconnects_total", C, &["backend"],
        "Further tries at the same backend without a pause, because a kept connection had ended.",
        |view, values| tallied(view, values, |counters| &counters.reconnects)),
    entry("roundabout_backend_hedges_total", C, &["backend"],
        "Tries at the backend beside a try at another backend, which was slow.",
        |view, values| tallied(view, values, |counters| &counters.hedges)),
    entry("roundabout_backend_requests_in_flight", G, &["backend"],
        "Requests that are in flight at the backend or wait for it.",
        |view, values| of_backends(view, values, |backend| backend.in_flight().into())),
    entry("roundabout_backend_responses_total", C, &["backend", "code"],
        "Answers of the backend that were passed on, by class of status.",
        |view, values| each(view, |backend, url| {
            responses(values, &backend.own.stats.counters, Some(url), &Counters::CLASSES[1..]);
        })),
    entry("roundabout_backend_completed_total", C, &["backend"],
        "Answers of the backend that arrived completely.",
        |view, values| tallied(view, values, |counters| &counters.answers)),
    entry("roundabout_backend_errors_total", C, &["backend", "cause", "blame"],
        "Tries at the backend that failed, by cause and by the party to blame, even if another try succeeded.",
        |view, values| each(view, |backend, url| {
            errors(values, &backend.own.stats.counters, Some(url), causes::of_tries());
        })),
    entry("roundabout_backend_connections_opened_total", C, &["backend"],
        "Connections opened to the backend, without those of pings.",
        |view, values| tallied(view, values, |counters| &counters.opened)),
    entry("roundabout_backend_connections_reused_total", C, &["backend"],
        "Tries over a connection that was used before.",
        |view, values| tallied(view, values, |counters| &counters.reused)),
    entry("roundabout_backend_connections_idle", G, &["backend"],
        "Idle connections that are kept for the next request.",
        |view, values| of_backends(view, values, |backend| {
            backend.own.stats.counters.left(|counters| &counters.kept, |counters| &counters.taken)
        })),
    entry("roundabout_backend_received_bytes_total", C, &["backend"],
        "Bytes received from the backend, including heads.",
        |view, values| tallied(view, values, |counters| &counters.received)).full_only(),
    entry("roundabout_backend_sent_bytes_total", C, &["backend"],
        "Bytes sent to the backend, including heads.",
        |view, values| tallied(view, values, |counters| &counters.sent)).full_only(),
    entry("roundabout_backend_request_duration_seconds", H, &["backend", "phase"],
        "Duration of requests at the last backend that they were given to, by phase.",
        durations).full_only(),
];

fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn of_clients(view: &View<'_>, values: &mut Values<'_>, which: impl Fn(&Counters) -> &Counter) {
    values.add(&[], view.observer.totals.sum(which));
}

/// Calls a function for each backend and its address.
fn each(view: &View<'_>, mut what: impl FnMut(&Backend, &str)) {
    for (backend, url) in &view.backends {
        what(backend, url);
    }
}

fn of_backends(view: &View<'_>, values: &mut Values<'_>, value: impl Fn(&Backend) -> u64) {
    each(view, |backend, url| values.add(&[url], value(backend)));
}

fn tallied(view: &View<'_>, values: &mut Values<'_>, which: impl Fn(&Counters) -> &Counter) {
    of_backends(view, values, |backend| backend.own.stats.counters.sum(&which));
}

fn times_in_states(view: &View<'_>, values: &mut Values<'_>) {
    each(view, |backend, url| {
        for (state, time) in backend.own.stats.states().times(view.now) {
            values.add(&[url, state], time.as_secs_f64());
        }
    });
}

/// Answers by class; `classes` are the last entries of the list of all classes.
fn responses(values: &mut Values<'_>, counters: &ShardedCounters, backend: Option<&str>, classes: &[&str]) {
    let first = Counters::CLASSES.len() - classes.len();
    for (class, name) in (first..).zip(classes) {
        let labels: Vec<_> = backend.into_iter().chain([*name]).collect();
        values.add(&labels, counters.sum(|counters| counters.responses(class)));
    }
}

fn errors(
    values: &mut Values<'_>,
    counters: &ShardedCounters,
    backend: Option<&str>,
    causes: impl Iterator<Item = ErrorCause>,
) {
    for cause in causes {
        let labels: Vec<_> = backend.into_iter().chain([cause.name, cause.blame]).collect();
        values.add(&labels, counters.sum(|counters| counters.errors(cause)));
    }
}

fn durations(view: &View<'_>, values: &mut Values<'_>) {
    each(view, |backend, url| {
        let counters = &backend.own.stats.counters;
        for phase in Phase::ALL {
            let bucket = |number| counters.sum(|counters| counters.times(phase).bucket(number));
            let buckets = Histogram::BOUNDS.iter().zip(0..).map(|(bound, number)| (*bound, bucket(number)));
            let beyond = bucket(Histogram::BOUNDS.len());
            let micros = counters.sum(|counters| counters.times(phase).micros());
            let sum = Duration::from_micros(micros).as_secs_f64();
            values.add_histogram(&[url, phase.name()], buckets, beyond, sum);
        }
    });
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
