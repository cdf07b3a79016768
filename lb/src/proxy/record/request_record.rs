//! The record of one request so far. It becomes a [`RequestEnd`] when the request ends, in any way; and all
//! counts of a request are made here.

use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use balance::Moment;
use balance::verdict::{Blame, Failure};
use http::{Extensions, HeaderValue, StatusCode};

use crate::clock;
use crate::observe::{Counters, Phase, RequestEnd, unix_ms};
use crate::pool::Backend;
use crate::proxy::message::head::{Headers, RequestHead};
use crate::proxy::message::refusal::Refusal;
use crate::proxy::message::request_id::{self, REQUEST_ID};
use crate::proxy::record::details::{Glimpse, RequestDetails};
use crate::proxy::record::explained::Explained;
use crate::proxy::record::metrics::WorkerMetrics;
use crate::proxy::request::body::ClientBody;
use crate::proxy::request::client::ClientContext;
use crate::proxy::settings::InForce;

/// The record of a request in progress. If it is dropped before it is closed, the client closed its
/// connection: no other code reports this end.
#[derive(Debug)]
pub(crate) struct RequestRecord {
    metrics: Rc<WorkerMetrics>,
    /// The data for the access log and events, if there is a reader for them.
    details: Option<Box<RequestDetails>>,
    /// The number of requests that this one stands for in the sample of requests; 0 if it is not in the
    /// sample.
    sampled: u32,
    pub(crate) began: Moment,
    /// The context of the request: see [`crate::proxy::context`].
    pub(crate) context: Extensions,
    times: Times,
    backend: Option<usize>,
    /// The counters for tries at that backend.
    there: Option<Arc<Counters>>,
    /// The first backend and its counters, while a second backend is tried as well.
    hedged: Option<(usize, Arc<Counters>)>,
    rare: Option<Box<Rare>>,
    failure: Option<(&'static str, Blame)>,
    client_gone: bool,
    status: Option<StatusCode>,
    closed: bool,
}

/// Data that most requests do not have.
#[derive(Debug, Default)]
struct Rare {
    explained: Option<Box<Explained>>,
    /// The id of the request, if requests get ids.
    id: Option<HeaderValue>,
}

/// The times of the last try: when the request went to a backend, when it was completely sent, and when the
/// head of the answer came.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Times {
    /// The time when the request was completely sent, if it was not sent at once.
    pub(crate) upload: Option<Moment>,
    pub(crate) sent: Option<Moment>,
    pub(crate) head: Option<Moment>,
}

impl Times {
    /// The times when the request went to a backend, when it was completely sent, and when the head of the
    /// answer came: `now` for an event that did not happen.
    fn until(self, now: Moment) -> (Moment, Moment, Moment) {
        let sent = self.sent.unwrap_or(now);
        (self.upload.unwrap_or(sent), sent, self.head.unwrap_or(now))
    }
}

/// Client closed request: the number that nginx uses in its log, never sent to a client.
const CLIENT_GONE: u16 = 499;

impl RequestRecord {
    /// The record of a request whose head has arrived at `now`.
    pub(crate) fn open(
        now: Moment,
        metrics: &Rc<WorkerMetrics>,
        client: &ClientContext,
        head: &RequestHead,
        body: &mut ClientBody,
        settings: &InForce,
    ) -> Self {
        Self::begin(now, metrics, || {
            let details = RequestDetails::of(head, client, settings);
            body.count_in(&details.received);
            details
        })
    }

    /// The record of bytes that are no request.
    pub(crate) fn unread(
        metrics: &Rc<WorkerMetrics>,
        client: &ClientContext,
        came: &[u8],
        settings: &InForce,
    ) -> Self {
        let came = Glimpse::of(came);
        let mut record =
            Self::begin(clock::now(), metrics, || RequestDetails::of_refused(&came, client, settings));
        if settings.request_id {
            record.identify(&came.headers, client);
        }
        record
    }

    fn begin(
        now: Moment,
        metrics: &Rc<WorkerMetrics>,
        details: impl FnOnce() -> Box<RequestDetails>,
    ) -> Self {
        metrics.clients().requests.one();
        let sampled = metrics.sample();
        Self {
            metrics: Rc::clone(metrics),
            details: (sampled > 0 || metrics.observer().wants_requests()).then(details),
            sampled,
            began: now,
            context: Extensions::new(),
            times: Times::default(),
            backend: None,
            there: None,
            hedged: None,
            rare: None,
            failure: None,
            client_gone: false,
            status: None,
            closed: false,
        }
    }

    /// The request goes to this backend.
    pub(crate) fn goes_to(&mut self, backend: &Backend) {
        self.backend = Some(backend.number);
        let there = self.metrics.at(backend);
        there.requests.one();
        self.there = Some(Arc::clone(there));
    }

    /// The client gets the answer of this backend after all, although other backends were tried since.
    pub(crate) fn goes_back_to(&mut self, backend: &Backend) {
        self.backend = Some(backend.number);
        self.there = Some(Arc::clone(self.metrics.at(backend)));
    }

    /// The request also goes to this backend.
    pub(crate) fn hedges(&mut self, backend: &Backend) {
        self.hedged = self.backend.zip(self.there.take());
        self.goes_to(backend);
        self.there.iter().for_each(|there| there.hedges.one());
    }

    /// One of two backends has failed, the second or the first, and the request waits for the other.
    pub(crate) fn hedge_failed(&mut self, is_second: bool, failure: Failure, blame: Blame) {
        let (number, there) = match &self.hedged {
            Some((number, there)) if !is_second => (Some(*number), Some(there)),
            _ => (self.backend, self.there.as_ref()),
        };
        let explained = self.rare.as_deref_mut().and_then(|rare| rare.explained.as_deref_mut());
        if let (Some(explained), Some(number)) = (explained, number) {
            explained.failed(number, failure, blame);
        }
        there.into_iter().for_each(|there| count_failure(there, failure, blame));
    }

    /// One of two backends answers, the second or the first.
    pub(crate) fn hedge_ends(&mut self, is_second: bool) {
        if let Some((number, there)) = self.hedged.take().filter(|_| !is_second) {
            (self.backend, self.there) = (Some(number), Some(there));
        }
    }

    /// Records the times of a try.
    pub(crate) fn timed(&mut self, times: Times) {
        let last = if times.sent.is_some() { times } else { self.times };
        self.times = Times { head: times.head, ..last };
    }

    /// The times of the present try. They are recorded as they come, so that they are known even if the
    /// client leaves.
    pub(crate) fn times(&mut self) -> &mut Times {
        &mut self.times
    }

    /// Gives the request an id, or keeps the id that it has.
    pub(crate) fn identify(&mut self, headers: &Headers, client: &ClientContext) {
        let id = request_id::choose(headers, client.trusted, || fastrand::u128(..));
        if let Some(details) = &mut self.details {
            details.request_id = Some(String::from_utf8_lossy(id.as_bytes()).into_owned());
        }
        self.rare.get_or_insert_default().id = Some(id);
    }

    /// Adds the id to the request for the backend, and starts to record how the request is decided, if its
    /// client asks for that. At this point, the client no longer influences which headers are forwarded.
    pub(crate) fn mark(&mut self, head: &mut RequestHead, settings: &InForce) {
        if let Some(id) = self.rare.as_ref().and_then(|rare| rare.id.clone()) {
            head.headers.insert(REQUEST_ID, id);
        }
        if settings.explain
            && let Some(explained) = Explained::begin(head, self.began, settings.log_query, self.sampled > 0)
        {
            self.rare.get_or_insert_default().explained = Some(explained);
        }
    }

    /// The notes on decisions, if the client asked for them.
    pub(crate) fn explanation(&mut self) -> Option<&mut Explained> {
        self.rare.as_deref_mut()?.explained.as_deref_mut()
    }

    /// Tells the client the id of its request, and how it was decided, if the client asked for that.
    pub(crate) fn add_headers(&mut self, headers: &mut Headers) {
        let Some(rare) = &mut self.rare else { return };
        if let Some(explained) = &mut rare.explained {
            explained.add_header(headers, self.status.map(|status| status.as_u16()), self.metrics.observer());
        }
        if let Some(id) = &rare.id {
            headers.insert(REQUEST_ID, id.clone());
        }
    }

    /// The balancer sends an answer of its own, with these headers and a body of `length` bytes.
    pub(crate) fn sends_own(&mut self, headers: &mut Headers, length: usize) {
        self.add_headers(headers);
        if let Some(details) = self.details.as_mut().filter(|details| !details.is_head()) {
            details.sent = length as u64;
        }
    }

    /// This number of bytes of the answer's body is sent to the client.
    pub(crate) fn count_sent(&mut self, bytes: impl FnOnce() -> usize) {
        if let Some(details) = &mut self.details {
            details.sent += bytes() as u64;
        }
    }

    /// These numbers of bytes were received from the client and sent to it after a switch of protocols.
    pub(crate) fn tunnelled(&mut self, received: u64, sent: u64) {
        if let Some(details) = &mut self.details {
            details.received.set(details.received.get() + received);
            details.sent += sent;
        }
    }

    /// A try at the backend failed.
    pub(crate) fn tried(&mut self, failure: Failure, blame: Blame) {
        let backend = self.backend;
        if let (Some(explained), Some(backend)) = (self.explanation(), backend) {
            explained.failed(backend, failure, blame);
        }
        let Some(there) = &self.there else { return };
        count_failure(there, failure, blame);
    }

    /// The same backend is tried once more, after a pause.
    pub(crate) fn retries(&self) {
        self.there.iter().for_each(|there| there.retries.one());
    }

    /// The same backend is tried once more, at once over a new connection.
    pub(crate) fn reconnects(&self) {
        self.there.iter().for_each(|there| there.reconnects.one());
    }

    /// The backend has given a complete answer.
    pub(crate) fn answered(&self) {
        self.there.iter().for_each(|there| there.answers.one());
    }

    /// The status that the client gets, unless it has left.
    pub(crate) fn answering(&mut self, status: StatusCode) {
        if !self.client_gone {
            self.status = Some(status);
            self.metrics.clients().responded(self.status);
        }
    }

    /// The client gets the answer of the backend.
    pub(crate) fn relaying(&mut self, status: StatusCode) {
        self.there.iter().for_each(|there| there.responded(Some(status)));
        let backend = self.backend;
        if let (Some(explained), Some(backend)) = (self.explanation(), backend) {
            explained.answered(backend, status.as_u16());
        }
        self.answering(status);
    }

    /// The request failed.
    pub(crate) fn failed(&mut self, failure: Failure, blame: Blame) {
        self.metrics.clients().failed(failure.into());
        self.client_gone = failure == Failure::ClientGone;
        self.failure = Some((failure.words(), blame));
    }

    /// The request was refused.
    pub(crate) fn refused(&mut self, refusal: Refusal) {
        self.metrics.clients().failed(refusal.into());
        self.failure = Some((refusal.reason(), Blame::Client));
    }

    /// The request ends now.
    pub(crate) fn close(&mut self, now: Moment) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        self.count(now);
        let observer = self.metrics.observer();
        let explained = self.rare.take().and_then(|rare| rare.explained);
        let decisions = explained.map(|explained| explained.finish(observer));
        if let Some(details) = self.details.take() {
            observer.request_ended(now.as_micros(), self.outcome(*details, now), self.sampled, decisions);
        }
    }

    /// The outcome of a request that has ended.
    fn outcome(&self, details: RequestDetails, now: Moment) -> RequestEnd {
        let (begun, sent, head) = self.times.until(now);
        details.add_to(
            &self.context,
            RequestEnd {
                at_unix_ms: unix_ms(SystemTime::now()),
                status: self
                    .status
                    .filter(|_| !self.client_gone)
                    .map_or(CLIENT_GONE, |status| status.as_u16()),
                backend: self.backend,
                failure: self.failure.map(|(words, _)| words.into()),
                blame: self.failure.map(|(_, blame)| blame.name().into()),
                queue_us: begun.micros_since(self.began),
                upload_us: sent.micros_since(begun),
                head_us: head.micros_since(sent),
                body_us: now.micros_since(head),
                total_us: now.micros_since(self.began),
                ..RequestEnd::default()
            },
        )
    }

    /// Counts how the request ended, and how long it took.
    fn count(&self, now: Moment) {
        let clients = self.metrics.clients();
        clients.ended.one();
        if self.status.is_none() {
            clients.responded(None);
        }
        let Some(there) = self.there.as_ref().filter(|_| self.metrics.keeps_times()) else { return };
        // After a switch of protocols, the bytes of both sides are no body of an answer.
        let now = match self.status {
            Some(StatusCode::SWITCHING_PROTOCOLS) => self.times.head.unwrap_or(now),
            _ => now,
        };
        let (begun, sent, head) = self.times.until(now);
        let queued = begun.micros_since(self.began);
        let uploaded = sent.micros_since(begun);
        let waited = head.micros_since(sent);
        let passed = now.micros_since(head);
        there.took(Phase::Queue, queued);
        if self.times.upload.is_some() {
            there.took(Phase::Upload, uploaded);
        }
        if self.times.sent.is_some() {
            there.took(Phase::Head, waited);
        }
        if self.times.head.is_some() {
            there.took(Phase::Body, passed);
        }
        there.took(Phase::Total, queued + uploaded + waited + passed);
    }
}

fn count_failure(there: &Counters, failure: Failure, blame: Blame) {
    there.failed(failure.into());
    if blame == Blame::Backend {
        there.blamed.one();
    }
}

impl Drop for RequestRecord {
    fn drop(&mut self) {
        if !self.closed {
            self.tried(Failure::ClientGone, Blame::Client);
            self.failed(Failure::ClientGone, Blame::Client);
            self.close(clock::now());
        }
    }
}
