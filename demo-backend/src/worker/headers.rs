//! The names of the headers that the worker reads and writes.

use http::HeaderName;

/// The id of a request, for the ledger.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The number of the balancer's attempt.
pub(super) const X_LB_ATTEMPT: HeaderName = HeaderName::from_static("x-lb-attempt");

/// The work of a request in microseconds.
pub(super) const X_LAB_WORK: HeaderName = HeaderName::from_static("x-lab-work");

/// The time from the arrival of a request to its deadline, in milliseconds.
pub(super) const X_LAB_DEADLINE_MS: HeaderName = HeaderName::from_static("x-lab-deadline-ms");

/// The number of the backend.
pub(super) const X_BACKEND: HeaderName = HeaderName::from_static("x-backend");

/// The time of a request in the queue, in microseconds.
pub(super) const X_LAB_QUEUE_US: HeaderName = HeaderName::from_static("x-lab-queue-us");

/// The time of a request at its place, in microseconds.
pub(super) const X_LAB_SERVICE_US: HeaderName = HeaderName::from_static("x-lab-service-us");

/// The requests in flight when this one came, including itself.
pub(super) const X_LAB_IN_FLIGHT: HeaderName = HeaderName::from_static("x-lab-in-flight");

/// The ids of the faults that hit the request, or `none`.
pub(super) const X_LAB_FAULTS: HeaderName = HeaderName::from_static("x-lab-faults");

/// Whether the cache of a fault had the key of the request: `hit` or `miss`.
pub(super) const X_LAB_CACHE: HeaderName = HeaderName::from_static("x-lab-cache");

/// The load of the server, as gRPC and Envoy read it.
pub(super) const ENDPOINT_LOAD_METRICS: HeaderName = HeaderName::from_static("endpoint-load-metrics");

/// Why the request was not executed.
pub(super) const X_LAB_REFUSED: HeaderName = HeaderName::from_static("x-lab-refused");
