//! The body of most answers: the identity of the backend, and the request.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use http::HeaderName;
use http::header::{ACCEPT, HOST, VIA};
use http::request::Parts;
use serde::Serialize;

use super::report::Ticket;
use super::shared::Shared;
use crate::fault::Plan;

pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_LB_ATTEMPT: HeaderName = HeaderName::from_static("x-lb-attempt");

/// The headers that show the path of a request.
static SHOWN: [HeaderName; 6] = [
    HOST,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("forwarded"),
    VIA,
];

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
    pub(super) fn of(parts: &'a Parts, shared: &'a Shared, ticket: &Ticket, plan: &'a Plan) -> Self {
        let text = |name: &HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let asks_json =
            parts.uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "format=json"));
        Self {
            backend: shared.config.id,
            port: shared.config.data.port(),
            pid: shared.pid,
            request: ticket.number,
            in_flight: ticket.in_flight,
            attempt: text(&X_LB_ATTEMPT).and_then(|attempt| attempt.parse().ok()).unwrap_or(1),
            request_id: text(&X_REQUEST_ID),
            method: parts.method.as_str(),
            path: parts.uri.path_and_query().map_or("*", |path| path.as_str()),
            headers: SHOWN.iter().filter_map(|name| Some((name.as_str(), text(name)?))).collect(),
            faults: &plan.fired,
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
        Ok(())
    }
}
