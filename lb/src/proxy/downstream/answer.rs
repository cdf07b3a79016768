//! The answer to the client: a backend's answer as it streams in, or an answer of the balancer.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use balance::verdict::{Blame, Failure};
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Method, StatusCode};
use http_body::{Body, Frame, SizeHint};

use crate::clock;
use crate::proxy::cut::Cut;
use crate::proxy::downstream::tunnel::Tunnel;
use crate::proxy::message::head::{Headers, ResponseHead};
use crate::proxy::message::refusal::Refusal;
use crate::proxy::parts::Proxy;
use crate::proxy::record::request_record::RequestRecord;
use crate::proxy::request::pace::Pace;
use crate::proxy::upstream::queue::Lease;
use crate::proxy::upstream::stream::BackendStream;

const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// An answer to a client.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: ResponseHead,
    pub(crate) body: AnswerBody,
}

impl Answer {
    /// Records an answer of the balancer, and adds the headers that its client asked for.
    pub(crate) fn mark_own(&mut self, record: &mut RequestRecord) {
        let length = match &self.body {
            AnswerBody::Own(Some(text)) => text.len(),
            AnswerBody::Own(None) | AnswerBody::Relay(_) | AnswerBody::Switch(_) => 0,
        };
        record.sends_own(&mut self.head.headers, length);
    }
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum AnswerBody {
    /// The body from a backend, forwarded as it comes.
    Relay(Relay),
    /// A body from the balancer, or none.
    Own(Option<Bytes>),
    /// No body: the connection continues with another protocol.
    Switch(Box<Tunnel>),
}

/// A backend's answer on its way to the client. The request is in flight until the last byte is taken: this
/// value has its count, its connection and its record.
#[derive(Debug)]
pub(crate) struct Relay {
    end: Option<End>,
}

/// The data for the work at the end of an answer.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) proxy: Rc<Proxy>,
    pub(crate) record: RequestRecord,
    pub(crate) lease: Lease,
    pub(crate) connection: BackendStream,
}

impl AnswerBody {
    /// Forwards a backend's answer, and does the remaining work when it ends.
    pub(crate) fn relay(end: End) -> Self {
        let is_end = end.connection.is_end();
        let pace = || end.proxy.settings.now().min_upload_rate.map(Pace::new);
        let connection = end.connection.send_apart(pace);
        let mut relay = Relay { end: Some(End { connection, ..end }) };
        if is_end {
            relay.complete();
        }
        Self::Relay(relay)
    }

    /// Bytes of the request that were sent since its answer began.
    pub(crate) fn moved_apart(&self) -> u64 {
        match self {
            Self::Relay(Relay { end: Some(end) }) => end.connection.moved_apart(),
            _ => 0,
        }
    }
}

impl Relay {
    /// The answer is complete: records this, and keeps the connection.
    fn complete(&mut self) {
        let Some(End { proxy, mut record, lease, connection }) = self.end.take() else { return };
        let (backend, now) = (lease.backend(), clock::now());
        record.answered();
        proxy.pool.answered(backend, || now);
        proxy.connections.put_back(backend, connection, now);
        record.close(now);
    }

    /// The answer ended early, stalled, or is malformed. The client has its head already, so the balancer can
    /// only end the answer early, too.
    fn broke_off(&mut self, cut: Cut) {
        let Some(End { proxy, mut record, lease, connection }) = self.end.take() else { return };
        let failure = match cut {
            Cut::Malformed => Failure::Malformed,
            Cut::BrokeOff | Cut::TooLarge => Failure::BrokeOff,
        };
        if cut == Cut::Malformed {
            connection.complain(lease.backend(), proxy.settings.now().log_query);
        }
        let (blame, now) = (Blame::Backend, clock::now());
        record.tried(failure, blame);
        proxy.pool.broke_off(lease.backend(), now);
        record.failed(failure, blame);
        record.close(now);
    }

    /// The client failed while its answer was on its way, so that the backend cannot get the complete
    /// request: the try ends here, and so does the connection to the backend.
    fn client_failed(&mut self, failure: Failure) {
        let Some(End { mut record, .. }) = self.end.take() else { return };
        record.tried(failure, failure.blame());
        record.failed(failure, failure.blame());
        record.close(clock::now());
    }

    /// No bytes of the answer have come for too long.
    pub(crate) fn stalled(&mut self) {
        match &self.end {
            // The backend may be waiting for the client.
            Some(End { connection, .. }) if connection.awaits_client() => {
                self.client_failed(Failure::SlowUpload);
            }
            _ => self.broke_off(Cut::BrokeOff),
        }
    }

    fn on_byte(&mut self, frame: &Frame<Bytes>) {
        let Some(End { proxy, record, lease, .. }) = &mut self.end else { return };
        record.count_sent(|| frame.data_ref().map_or(0, Bytes::len));
        if lease.backend().is_listened_to() {
            proxy.pool.on_byte(lease.backend(), clock::now());
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let relay = match self.get_mut() {
            Self::Own(bytes) => return Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Switch(_) => return Poll::Ready(None),
            Self::Relay(relay) => relay,
        };
        let Some(End { connection, .. }) = &mut relay.end else { return Poll::Ready(None) };
        let polled = connection.poll_frame(cx);
        let is_end = connection.is_end();
        if !is_end && let Poll::Ready(failure) = connection.poll_failure(cx) {
            relay.client_failed(failure);
            return Poll::Ready(Some(Err(Cut::BrokeOff)));
        }
        let frame = ready!(polled);
        match &frame {
            Some(Ok(frame)) => {
                relay.on_byte(frame);
                if is_end {
                    relay.complete();
                }
            }
            Some(Err(cut)) => relay.broke_off(*cut),
            None => relay.complete(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(bytes) => bytes.is_none(),
            Self::Switch(_) => true,
            Self::Relay(relay) => relay.end.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let left = match self {
            Self::Own(bytes) => Some(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Switch(_) => Some(0),
            Self::Relay(relay) => relay.end.as_ref().map_or(Some(0), |end| end.connection.left()),
        };
        left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// The answer to a request that no backend may get.
pub(crate) fn refuse(mut record: RequestRecord, refusal: Refusal, by: &str) -> Answer {
    record.refused(refusal);
    record.answering(refusal.status());
    let mut answer = refused(refusal, by);
    answer.mark_own(&mut record);
    record.close(clock::now());
    answer
}

/// The same for a request whose record is closed already.
pub(crate) fn refused(refusal: Refusal, by: &str) -> Answer {
    own(by, refusal.status(), "http_request_denied", refusal.reason(), None)
}

/// The answer to a `TRACE` or `OPTIONS` that goes no further. A trace shows data that a client may not see,
/// such as cookies, so the balancer does not answer it with a trace.
pub(crate) fn last_hop(mut record: RequestRecord, method: &Method, by: &str) -> Answer {
    let mut answer = match *method {
        Method::OPTIONS => Answer { head: ResponseHead::new(StatusCode::OK), body: AnswerBody::Own(None) },
        _ => {
            let why = "this balancer does not answer TRACE";
            let mut refused = own(by, StatusCode::METHOD_NOT_ALLOWED, "http_request_denied", why, None);
            refused.head.headers.insert(ALLOW, HeaderValue::from_static("OPTIONS"));
            refused
        }
    };
    record.answering(answer.head.status);
    answer.mark_own(&mut record);
    record.close(clock::now());
    answer
}

/// An answer of the balancer: a status, a line with the reason, and the same for machines in `Proxy-Status`
/// (RFC 9209) under the name `by`.
pub(crate) fn own(
    by: &str,
    status: StatusCode,
    proxy_status: &str,
    why: &str,
    retry_after: Option<Duration>,
) -> Answer {
    let text = format!("{} {}: {why}\n", status.as_u16(), status.canonical_reason().unwrap_or(""));
    let mut headers = Headers::default();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    let machine = format!("{by}; error={proxy_status}; details=\"{why}\"");
    if let Ok(value) = HeaderValue::from_str(&machine) {
        headers.insert(PROXY_STATUS, value);
    }
    if let Some(wait) = retry_after {
        headers
            .insert(RETRY_AFTER, wait.as_secs_f64().ceil().max(1.0).to_string().parse().expect("a number"));
    }
    Answer { head: ResponseHead { status, headers }, body: AnswerBody::Own(Some(text.into())) }
}
