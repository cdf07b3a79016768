//! A request of the stream: when it arrived, and what it asked of a server.

use std::time::Duration;

use serde::Deserialize;
use xxhash_rust::xxh3::xxh3_64;

use crate::recording::RecordedCall;

/// The fields of an event `req` that a simulation needs. See [`api::Req`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ToldCall {
    t: u64,
    status: u16,
    backend: Option<usize>,
    attempts: u32,
    retries: u32,
    upload_us: u64,
    head_us: u64,
    body_us: u64,
    total_us: u64,
    service_us: Option<u64>,
    server_queue_us: Option<u64>,
    key: Option<String>,
}

/// A request of the stream. Times are microseconds of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LiveCall {
    /// When it arrived at the balancer.
    pub(super) arrived: u64,
    /// When it ended.
    pub(super) ended: u64,
    /// The time in which a worker served it, if its backend said so.
    pub(super) service: Option<u64>,
    /// The time of its last try, without waits and service.
    pub(super) path: u64,
    pub(super) key: Option<u64>,
    /// The number of the backend whose answer it got.
    pub(super) backend: Option<usize>,
    /// The status that its client got.
    pub(super) status: u16,
    /// Its tries after the first one.
    pub(super) retries: u64,
}

impl LiveCall {
    /// The call of a request that has ended. A server that refused a request did not serve it, so the service
    /// is not known.
    pub(super) fn of(req: &ToldCall) -> Self {
        let at_backend = req.upload_us.saturating_add(req.head_us).saturating_add(req.body_us);
        let refused = req.status >= 500 && req.service_us == Some(0);
        let service = req.service_us.filter(|_| !refused);
        let path = service.zip(req.server_queue_us);
        Self {
            arrived: req.t.saturating_sub(req.total_us),
            ended: req.t,
            service,
            path: path.map_or(0, |(service, wait)| at_backend.saturating_sub(service.saturating_add(wait))),
            // The balancer hashes the key in the same way.
            key: req.key.as_ref().map(|key| xxh3_64(key.as_bytes())),
            backend: req.backend,
            status: req.status,
            retries: u64::from(req.retries) + u64::from(req.attempts.saturating_sub(1)),
        }
    }

    /// The same call for a run that began at `origin`, with this work in microseconds. `None` if it arrived
    /// before.
    pub(super) fn since(&self, origin: u64, work: u64) -> Option<RecordedCall> {
        Some(RecordedCall {
            at: Duration::from_micros(self.arrived.checked_sub(origin)?),
            takes: Duration::from_micros(work),
            path: Duration::from_micros(self.path),
            key: self.key,
            backend: self.backend,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request that waited 2 ms at the balancer, 10 ms at the server, and was served for 30 ms. Its head
    /// came 43 ms after it was sent, so 3 ms were spent on the way, and 1 ms more on its body.
    #[test]
    fn a_request_is_taken_apart() {
        let req = ToldCall {
            t: 1_046_000,
            total_us: 46_000,
            head_us: 43_000,
            body_us: 1000,
            service_us: Some(30_000),
            server_queue_us: Some(10_000),
            attempts: 2,
            retries: 1,
            status: 200,
            backend: Some(3),
            ..ToldCall::default()
        };
        let call = LiveCall::of(&req);
        assert_eq!((call.arrived, call.path, call.retries), (1_000_000, 4000, 2));
        let recorded = call.since(400_000, 30_000).unwrap();
        assert_eq!((recorded.at.as_millis(), recorded.path.as_millis()), (600, 4));
        assert_eq!(call.since(1_000_001, 30_000), None);
        let refused = ToldCall { service_us: Some(0), status: 503, ..req.clone() };
        assert_eq!(LiveCall::of(&refused).service, None);
        let unknown = ToldCall { service_us: None, key: Some("ann".into()), ..req };
        let unknown = LiveCall::of(&unknown);
        assert_eq!((unknown.path, unknown.key), (0, Some(xxh3_64(b"ann"))));
    }
}
