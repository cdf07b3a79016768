//! The requests of a load as events `req`. Pure.
//!
//! Each try of a request is a request of its own for the balancer, so it is an event of its own.

use std::time::Duration;

use api::{Req, Word};

use crate::client::IMPATIENT;
use crate::load::{Entry, GroundTruth, Outcome};

/// The ids of requests that only the load knows begin here. A balancer counts its requests from 1, and a
/// program that reads numbers as 64-bit floating point still reads these exactly.
pub(super) const FIRST_ID: u64 = 1 << 52;

/// The status of a request whose client left, as nginx logs it.
const CLIENT_LEFT: u16 = 499;

/// What a load says about all its requests.
#[derive(Clone, Debug, Default)]
pub(super) struct LoadNames {
    /// The first part of the ids of its requests.
    pub(super) name: String,
    /// The setting `hash-by` of the balancer.
    pub(super) hash_by: Option<String>,
    /// What is added to the times of the load to get those of the lab, in microseconds.
    pub(super) offset: i64,
}

/// A try of a request that has ended, as its client saw it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ClientSide {
    /// The number of the request at the load.
    pub(super) number: u64,
    /// The event, with `n` and `id` = 0.
    pub(super) req: Req,
}

impl LoadNames {
    /// The number of the request with this id, if it is one of this load.
    pub(super) fn number(&self, request_id: Option<&str>) -> Option<u64> {
        if self.name.is_empty() {
            return None;
        }
        request_id?.strip_prefix(&*self.name)?.strip_prefix('-')?.parse().ok()
    }

    /// The tries of a request that has ended, in their order.
    ///
    /// The time before the head of an answer is the time of the try, with the lateness of the load itself: it
    /// does not depend on the policy. The wait for a free connection does, and is `queue_us`.
    pub(super) fn tries(&self, entry: &Entry, (method, path): (String, String)) -> Vec<ClientSide> {
        let waited = entry.sent.saturating_sub(entry.intended);
        let late = entry.late.min(waited);
        let earlier =
            entry.earlier.iter().map(|one| (one.sent, one.ended, &one.outcome, one.backend, &one.truth));
        let last = (entry.last_sent, entry.ended, &entry.outcome, entry.backend, &entry.truth);
        let tries = earlier.chain([last]).enumerate();
        let request_id = format!("{}-{}", self.name, entry.number);
        let key = self.key(entry, &request_id);
        let client_side = |(place, (sent, ended, outcome, backend, truth)): (_, Tried<'_>)| {
            let (queue, late) = if place == 0 { (waited - late, late) } else { Default::default() };
            let (status, failure) = ending(outcome);
            let (queue_us, head_us) = (micros(queue), micros(late + ended.saturating_sub(sent)));
            let req = Req {
                t: micros(ended).saturating_add_signed(self.offset),
                method: method.clone(),
                path: path.clone(),
                status,
                backend: backend.and_then(|number| usize::try_from(number).ok()),
                attempts: u32::from(backend.is_some()),
                failure,
                queue_us,
                head_us,
                total_us: queue_us.saturating_add(head_us),
                request_id: Some(request_id.clone()),
                service_us: truth.service.map(micros),
                server_queue_us: truth.queue.map(micros),
                key: key.clone(),
                ..Req::default()
            };
            ClientSide { number: entry.number, req }
        };
        tries.map(client_side).collect()
    }

    /// The text that the balancer takes as the key of a request. Without a setting, it is the address of the
    /// client, which is the same for the whole load.
    fn key(&self, entry: &Entry, request_id: &str) -> Option<String> {
        let own = entry.key.map(|key| key.to_string());
        match self.hash_by.as_deref().map(|by| by.strip_prefix("header:").unwrap_or(by)) {
            Some(header) if header.eq_ignore_ascii_case("x-request-id") => Some(request_id.to_owned()),
            Some(_) => own,
            None => Some("127.0.0.1".to_owned()),
        }
    }
}

/// A try: when it was sent, when it ended and how, who answered, and what this backend said.
type Tried<'a> = (Duration, Duration, &'a Outcome, Option<u32>, &'a GroundTruth);

/// The status that a client got, and why it got none. A client that got no complete answer has the status
/// 499 if it lost its patience, and otherwise 0.
fn ending(outcome: &Outcome) -> (u16, Option<Word>) {
    match outcome {
        Outcome::Answered(status) => (*status, None),
        Outcome::Mistaken(_) => (0, Some("the answer to another request".into())),
        Outcome::Failed(why) if why.contains(IMPATIENT) => (CLIENT_LEFT, Some("the client left".into())),
        Outcome::Failed(why) => (0, Some(why.to_string().into())),
    }
}

/// A request of the sample with what its client knows: the times are those of the client, and the balancer
/// says where the time was spent.
pub(super) fn both_sides(sample: &Req, client: &Req) -> Req {
    let queue_us = sample.queue_us.saturating_add(client.queue_us);
    let parts = queue_us.saturating_add(sample.upload_us).saturating_add(sample.body_us);
    Req {
        t: client.t,
        queue_us,
        head_us: client.total_us.saturating_sub(parts).max(sample.head_us),
        total_us: client.total_us.max(sample.total_us),
        ..with_truth(sample, client)
    }
}

/// A request of the sample with what its backend said to the client, and with its key.
pub(super) fn with_truth(sample: &Req, client: &Req) -> Req {
    Req {
        service_us: client.service_us,
        server_queue_us: client.server_queue_us,
        key: client.key.clone(),
        ..sample.clone()
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "requests_tests.rs"]
mod tests;
