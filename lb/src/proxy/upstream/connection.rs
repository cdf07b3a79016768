//! One connection to a backend: it sends a request, reads the answer, and knows whether it can serve another
//! request.
//!
//! A connection has no task of its own: the task that waits for the answer also reads and writes, so that no
//! request moves between tasks. There is one exception. An answer that begins before its request has ended
//! must not block the request, even if the client does not read the answer yet: then a task sends the rest.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use balance::Address;
use balance::verdict::Failure;
use bytes::{Bytes, BytesMut};
use http::{HeaderName, Method, StatusCode};
use http_body::{Body, Frame};
use tokio::time::Instant;

use crate::observe::Meter;
use crate::pool::Backend;
use crate::proxy::cut::Cut;
use crate::proxy::deadline::Deadlines;
use crate::proxy::http1::request::write_head;
use crate::proxy::http1::response::{self, Head};
use crate::proxy::message::fault::Fault;
use crate::proxy::message::head::{RequestHead, ResponseHead};
use crate::proxy::message::prepare::prepare_interim;
use crate::proxy::message::target::Target;
use crate::proxy::message::trailers::{announced, sift};
use crate::proxy::record::complaint;
use crate::proxy::request::body::TryBody;
use crate::proxy::request::client::ClientContext;
use crate::proxy::request::pace::Pace;
use crate::proxy::upstream::apart::Apart;
use crate::proxy::upstream::places::Place;
use crate::proxy::wire::{self, Buffers, Framing, Reader, SendError, Writer};
use crate::resolved::Generation;
use crate::transport::Stream;

/// Answers up to this size, including their heads, are read at once.
const ROOM: usize = 4 * 1024;

/// The largest number of interim answers before one answer.
const MAX_INTERIM: usize = 32;

/// The time before the backend closes an idle connection at which the balancer closes it.
const MARGIN: Duration = Duration::from_secs(1);

/// A connection to a backend, ready for one request at a time.
#[derive(Debug)]
pub(crate) struct Connection {
    incoming: Reader,
    /// The write half; or a task, after [`Connection::send_apart`] has moved it there.
    outgoing: Result<Writer<TryBody>, Box<Apart>>,
    /// The number of interim answers to the present request.
    interim: usize,
    keep_alive: bool,
    /// The time that the backend keeps the connection without a request, in seconds, if the backend has told
    /// it.
    kept_for: Option<u32>,
    /// Trailers of the present answer may be forwarded.
    passes_trailers: bool,
    /// Data about the present answer, if it comes in chunks.
    chunked: Option<Chunked>,
    /// The connection has served a request before, so the backend may close it at any moment.
    reused: bool,
    /// The generation of the backend's addresses that contains the peer of this connection.
    generation: Generation,
    /// The fault of the answer, if it was malformed.
    fault: Option<Fault>,
    /// Given back when the connection is closed.
    place: Place,
}

/// Chunks can turn out to be malformed after the head has been forwarded, and can end with trailers.
#[derive(Debug)]
struct Chunked {
    /// The method of the request.
    method: Method,
    target: Target,
    /// The trailers that the head announces and that may be forwarded.
    announced: Vec<HeaderName>,
}

/// The progress of sending a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Progress {
    /// Bytes that were sent.
    pub(crate) bytes: u64,
    /// The complete request was sent.
    pub(crate) whole: bool,
    /// The balancer waits for more bytes from the client.
    pub(crate) awaits_client: bool,
}

impl Connection {
    /// Starts HTTP/1.1 on a new stream. The connection is in a box, because it moves from one request to the
    /// next and within each of them: so only its address moves. `generation` is the generation of the
    /// addresses that contain its peer.
    pub(crate) fn new(stream: Stream, generation: Generation, meter: Meter, place: Place) -> Box<Self> {
        let (incoming, outgoing) = wire::split(stream, ROOM, Buffers::default(), meter);
        Box::new(Self {
            incoming,
            outgoing: Ok(outgoing),
            interim: 0,
            keep_alive: true,
            kept_for: None,
            passes_trailers: true,
            chunked: None,
            reused: false,
            generation,
            fault: None,
            place,
        })
    }

    /// Prepares the connection for its next request. Returns whether it can serve one: the last request and
    /// its answer were both transferred completely, and neither side wants to close the connection.
    pub(crate) fn make_idle(&mut self) -> bool {
        self.reused = true;
        // This value refers to the buffer of the client's connection.
        self.chunked = None;
        self.incoming.shrink();
        let sent = self.outgoing.as_ref().is_ok_and(Writer::is_done);
        sent && self.keep_alive && self.is_end() && self.incoming.buffer.is_empty()
    }

    /// The time that the connection may be idle, from the information of the backend; `None` if there is
    /// none. It ends before the backend closes the connection, so that no request is on its way at that
    /// moment.
    pub(crate) fn idle_for(&self) -> Option<Duration> {
        self.kept_for.map(|seconds| {
            let kept = Duration::from_secs(seconds.into());
            kept - MARGIN.min(kept / 2)
        })
    }

    /// Whether the connection is still good: the backend has not closed it, and has sent nothing without a
    /// request.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.incoming.read.is_quiet()
    }

    /// The same at this very moment, which costs a system call.
    pub(crate) fn is_quiet_by_now(&self) -> bool {
        self.incoming.read.is_quiet_by_now()
    }

    /// Whether the connection leads to one of the present addresses of the backend. The name may have moved
    /// to other addresses since the connection was made, while the old ones still answer.
    pub(crate) fn leads_to(&mut self, backend: &Backend) -> bool {
        self.generation == backend.own.resolved.generation() || self.moves_along(backend)
    }

    /// Moves the connection to the present generation if its peer is also in that one.
    #[cold]
    fn moves_along(&mut self, backend: &Backend) -> bool {
        let generation = backend.own.resolved.generation();
        let is_there = self.incoming.read.peer().is_some_and(|peer| backend.own.resolved.has(peer));
        if is_there {
            self.generation = generation;
        }
        is_there
    }

    /// Sends a request and waits for the head of the answer. Interim answers go to the `client`. `report`
    /// gets the progress of the request: at once, and whenever more was sent.
    ///
    /// # Errors
    /// The fate of the request, as far as it is known.
    pub(crate) async fn send(
        &mut self,
        head: &RequestHead,
        backend: &Address,
        body: TryBody,
        client: &ClientContext,
        mut report: impl FnMut(Progress),
    ) -> Result<ResponseHead, Failure> {
        let Ok(outgoing) = &mut self.outgoing else { return Err(Failure::StaleUnsent) };
        let framing = match body.size_hint().exact() {
            Some(_) => Framing::Plain,
            // A server cannot ask for trailers, and may take them for headers.
            None => Framing::Chunked { trailers: false },
        };
        (self.incoming.searched, self.interim) = (0, 0);
        let misread = !body.is_end_stream() && may_be_misread(&head.method);
        outgoing.begin(body, framing, |out| write_head(out, head, backend));
        let mut reported = None;
        let answer = poll_fn(|cx| {
            if let Ok(outgoing) = &mut self.outgoing {
                match outgoing.poll_send(cx) {
                    Poll::Ready(Err(SendError::Body(error))) => return Poll::Ready(Err(error.into())),
                    Poll::Ready(Err(SendError::Broken)) if outgoing.moved() == 0 => {
                        let failure = if self.reused { Failure::StaleUnsent } else { Failure::ClosedUnsent };
                        return Poll::Ready(Err(failure));
                    }
                    // If the connection broke later, the backend may have answered before it closed the
                    // connection.
                    _ => {}
                }
                let (bytes, whole) = (outgoing.moved(), outgoing.is_done());
                let progress = Progress { bytes, whole, awaits_client: !whole && outgoing.is_flushed() };
                if reported.replace(progress) != Some(progress) {
                    report(progress);
                }
            }
            self.poll_head(cx, head, client)
        })
        .await;
        self.keep_alive &= !misread;
        answer
    }

    /// The head of the answer, after interim ones.
    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        asked: &RequestHead,
        client: &ClientContext,
    ) -> Poll<Result<ResponseHead, Failure>> {
        loop {
            let Some(mut head) = self.take_head(&asked.method).map_err(|fault| self.malformed(fault))? else {
                match ready!(self.incoming.poll_fill(cx)) {
                    Ok(1..) => continue,
                    // An idle connection that ends without a byte has reached its normal end.
                    _ if self.reused && self.incoming.buffer.is_empty() && self.interim == 0 => {
                        return Poll::Ready(Err(Failure::StaleMaybeSent));
                    }
                    _ => return Poll::Ready(Err(Failure::ClosedEarly)),
                }
            };
            let status = head.response.status;
            if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
                self.interim += 1;
                if self.interim > MAX_INTERIM {
                    return Poll::Ready(Err(self.malformed(Fault::TooManyInterim)));
                }
                prepare_interim(&mut head.response);
                client.inform(head.response);
                continue;
            }
            self.incoming.body = head.framing.into();
            if head.framing == response::Framing::Chunked {
                let announced = announced(&head.response.headers);
                let (method, target) = (asked.method.clone(), asked.uri.clone());
                self.chunked = Some(Chunked { method, target, announced });
            }
            (self.keep_alive, self.passes_trailers) = (head.keep_alive, head.passes_trailers);
            self.kept_for = head.kept_for.or(self.kept_for);
            return Poll::Ready(Ok(head.response));
        }
    }

    /// A head from the buffer, if it is complete.
    fn take_head(&mut self, asked: &Method) -> Result<Option<Head>, Fault> {
        let Reader { buffer, searched, .. } = &mut self.incoming;
        if buffer.len() == *searched {
            return Ok(None);
        }
        let head = response::take(buffer, *searched, asked)?;
        *searched = if head.is_some() { 0 } else { buffer.len() };
        Ok(head)
    }

    #[cold]
    fn malformed(&mut self, fault: Fault) -> Failure {
        self.fault = Some(fault);
        Failure::Malformed
    }

    /// The fault of the answer, if it is malformed.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Whether the complete request has been sent.
    pub(crate) fn is_sent(&self) -> bool {
        self.outgoing.as_ref().is_ok_and(Writer::is_done)
    }

    /// Whether the rest of the request waits for bytes from the client.
    pub(crate) fn awaits_client(&self) -> bool {
        match &self.outgoing {
            Ok(outgoing) => !outgoing.is_done() && outgoing.is_flushed(),
            Err(apart) => apart.awaits_client(),
        }
    }

    /// The failure of the client's part of a request that a task sends, once it is known.
    pub(crate) fn poll_failure(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        match &mut self.outgoing {
            Ok(_) => Poll::Pending,
            Err(apart) => apart.poll_failure(cx),
        }
    }

    /// Bytes of the request that a task has sent.
    pub(crate) fn moved_apart(&self) -> u64 {
        self.outgoing.as_ref().err().map_or(0, |apart| apart.moved())
    }

    /// Sends the rest of the request, as long as bytes move at least once in every `timeout`.
    ///
    /// # Errors
    /// The reason why the rest could not be sent.
    pub(crate) async fn send_rest(
        &mut self,
        timeout: Duration,
        deadlines: &Deadlines,
    ) -> Result<(), Failure> {
        let Ok(outgoing) = &mut self.outgoing else { return Ok(()) };
        let (until, mut moved) = (Cell::new(Instant::now() + timeout), outgoing.moved());
        let sending = poll_fn(|cx| {
            let sent = outgoing.poll_send(cx);
            if std::mem::replace(&mut moved, outgoing.moved()) != moved {
                until.set(Instant::now() + timeout);
            }
            sent
        });
        match deadlines.wait(sending, || until.get(), None).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(SendError::Body(error))) => Err(error.into()),
            Ok(Err(SendError::Broken)) => Err(Failure::BrokeOff),
            Err(_) if self.awaits_client() => Err(Failure::SlowUpload),
            Err(_) => Err(Failure::BrokeOff),
        }
    }

    /// Starts a task for the rest of the request, if there is a rest, so that it does not matter whether the
    /// client reads the answer.
    pub(crate) fn send_apart(self: Box<Self>, pace: impl FnOnce() -> Option<Pace>) -> Box<Self> {
        if self.outgoing.as_ref().map_or(true, Writer::is_done) {
            return self;
        }
        let this = *self;
        Box::new(Self {
            outgoing: this.outgoing.and_then(|outgoing| Err(Box::new(Apart::begin(outgoing, pace())))),
            ..this
        })
    }

    /// The next part of the answer's body; `None` at its end.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        Poll::Ready(match ready!(self.incoming.poll_frame(cx)) {
            Some(Ok(frame)) if frame.is_trailers() => self.sifted(frame).map(Ok),
            frame => frame,
        })
    }

    /// Trailers without those that must not be forwarded.
    #[cold]
    fn sifted(&self, frame: Frame<Bytes>) -> Option<Frame<Bytes>> {
        let trailers = frame.into_trailers().ok().filter(|_| self.passes_trailers)?;
        let announced = self.chunked.as_ref().map_or(&[][..], |chunked| &chunked.announced);
        Some(Frame::trailers(sift(&trailers, announced)))
    }

    /// Logs the fault in the chunks of this backend's answer.
    #[cold]
    pub(crate) fn complain(&self, backend: &Backend, query: bool) {
        if let (Some(Chunked { method, target, .. }), Some(fault)) = (&self.chunked, self.incoming.fault) {
            complaint::malformed(backend.number, method, target, query, fault);
        }
    }

    /// Whether the complete answer has come.
    pub(crate) fn is_end(&self) -> bool {
        self.incoming.body.is_end()
    }

    /// Bytes of the answer that are still missing, if the number is known.
    pub(crate) fn left(&self) -> Option<u64> {
        self.incoming.body.left()
    }

    /// The parts for a tunnel: the socket, the bytes that came after the head of the answer, and the place.
    pub(crate) fn into_stream(self: Box<Self>) -> Option<(Stream, BytesMut, Place)> {
        let (stream, buffer) = wire::reunite(self.incoming, self.outgoing.ok()?)?;
        Some((stream, buffer, self.place))
    }
}

/// Whether some servers take the body of such a request for the next request: for these methods, content has
/// no defined meaning (RFC 9110, sections 9.3.1, 9.3.2, 9.3.5, 9.3.7 and 9.3.8), so that some servers do not
/// read it.
fn may_be_misread(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::DELETE | Method::OPTIONS | Method::TRACE)
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
