//! The body of most answers: the identity of the backend, and the request.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::time::Duration;

use http::header::{ACCEPT, HOST, VIA};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;

use super::headers::{
    ENDPOINT_LOAD_METRICS, X_BACKEND, X_LAB_CACHE, X_LAB_FAULTS, X_LAB_IN_FLIGHT, X_LAB_QUEUE_US,
    X_LAB_REFUSED, X_LAB_SERVICE_US, X_LB_ATTEMPT, X_REQUEST_ID,
};
use super::places::Outcome;
use super::report::Ticket;
use super::shared::Shared;
use crate::capacity::Reason;

/// The headers that show the path of a request.
static SHOWN: [HeaderName; 6] = [
    HOST,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("forwarded"),
    VIA,
];

/// One request at this backend, with everything that its answer says.
pub(super) struct Visit<'a> {
    pub(super) parts: &'a Parts,
    pub(super) shared: &'a Shared,
    pub(super) ticket: &'a Ticket,
    pub(super) outcome: &'a Outcome,
}

impl Visit<'_> {
    /// Adds the headers that every answer has.
    pub(super) fn describe(&self, headers: &mut HeaderMap) {
        let Outcome { plan, queue, service, refused } = self.outcome;
        headers.insert(X_BACKEND, self.shared.config.id.into());
        headers.insert(X_LAB_QUEUE_US, micros(*queue).into());
        headers.insert(X_LAB_SERVICE_US, micros(*service).into());
        headers.insert(X_LAB_IN_FLIGHT, self.ticket.in_flight.into());
        let ids: Vec<_> = plan.fired.iter().map(u32::to_string).collect();
        let ids = HeaderValue::try_from(ids.join(","));
        let faults = ids.ok().filter(|ids| !ids.is_empty());
        headers.insert(X_LAB_FAULTS, faults.unwrap_or(HeaderValue::from_static("none")));
        if let Some(hit) = plan.cache_hit {
            headers.insert(X_LAB_CACHE, HeaderValue::from_static(if hit { "hit" } else { "miss" }));
        }
        let report = plan.load_report.map(|factor| self.shared.places.load().header(factor));
        if let Some(Ok(report)) = report.map(HeaderValue::try_from) {
            headers.insert(ENDPOINT_LOAD_METRICS, report);
        }
        if let Some(reason) = refused {
            headers.insert(X_LAB_REFUSED, HeaderValue::from_static(reason.word()));
        }
    }
}

/// The identity of the backend, and the request; displayed as text, or serialised.
#[derive(Serialize)]
pub(super) struct Identity<'a> {
    backend: u32,
    port: u16,
    pid: u32,
    /// The number of this request among the requests of this worker.
    request: u64,
    /// Requests in flight when this one came, including itself.
    in_flight: u64,
    /// The time in the queue, in microseconds.
    queue_us: u64,
    /// The time of service, in microseconds.
    service_us: u64,
    /// Whether the cache of a fault had the key of the request.
    cache_hit: Option<bool>,
    /// Why the request was not executed.
    refused: Option<Reason>,
    /// The number of the balancer's attempt; 1 without a header.
    attempt: u32,
    request_id: Option<&'a str>,
    method: &'a str,
    path: &'a str,
    headers: BTreeMap<&'a str, &'a str>,
    /// The ids of the faults that hit this request.
    faults: &'a [u32],
    #[serde(skip)]
    as_json: bool,
}

impl<'a> Identity<'a> {
    pub(super) fn of(visit: &Visit<'a>) -> Self {
        let Visit { parts, shared, ticket, outcome } = visit;
        let text = |name: &HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let asks_json =
            parts.uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "format=json"));
        Self {
            backend: shared.config.id,
            port: shared.config.data.port(),
            pid: shared.pid,
            request: ticket.number,
            in_flight: ticket.in_flight,
            queue_us: micros(outcome.queue),
            service_us: micros(outcome.service),
            cache_hit: outcome.plan.cache_hit,
            refused: outcome.refused,
            attempt: text(&X_LB_ATTEMPT).and_then(|attempt| attempt.parse().ok()).unwrap_or(1),
            request_id: text(&X_REQUEST_ID),
            method: parts.method.as_str(),
            path: parts.uri.path_and_query().map_or("*", |path| path.as_str()),
            headers: SHOWN.iter().filter_map(|name| Some((name.as_str(), text(name)?))).collect(),
            faults: &outcome.plan.fired,
            as_json: asks_json || text(&ACCEPT).is_some_and(|accept| accept.starts_with("application/json")),
        }
    }

    /// The content type and the body that the client asked for.
    pub(super) fn body(&self) -> (&'static str, String) {
        if self.as_json
            && let Ok(json) = serde_json::to_string(self)
        {
            return ("application/json", json + "\n");
        }
        ("text/plain; charset=utf-8", self.to_string())
    }
}

impl Display for Identity<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { backend, port, pid, request, attempt, method, path, .. } = self;
        writeln!(
            out,
            "backend {backend} on port {port}: request {request} of worker {pid}, attempt {attempt}"
        )?;
        writeln!(out, "{method} {path}")?;
        for (name, value) in &self.headers {
            writeln!(out, "{name}: {value}")?;
        }
        if let Some(id) = self.request_id {
            writeln!(out, "x-request-id: {id}")?;
        }
        for fault in self.faults {
            writeln!(out, "hit by fault {fault}")?;
        }
        if let Some(reason) = self.refused {
            writeln!(out, "refused: {}", reason.sentence())?;
        }
        let Self { in_flight, queue_us, service_us, .. } = self;
        writeln!(out, "{queue_us} us in the queue, {service_us} us of service, {in_flight} in flight")
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
