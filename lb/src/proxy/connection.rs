//! One connection to a backend: sends a request, reads its answer, and knows whether it can do so again.
//!
//! It has no task of its own: whoever waits for the answer lets it read and write while waiting, so that no
//! request hops between tasks. There is one exception. An answer that begins before its request has ended must
//! not hold up the request, even if the client does not read the answer yet: then a task sends the rest.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use balance::Address;
use balance::verdict::Failure;
use bytes::{Bytes, BytesMut};
use http::{HeaderName, Method, StatusCode};
use http_body::{Body, Frame};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::apart::Apart;
use super::body::{BodyError, TryBody};
use super::caller::Caller;
use super::complaint;
use super::deadline::Deadlines;
use super::head::{RequestHead, ResponseHead};
use super::http1::fault::Fault;
use super::http1::request::write_head;
use super::http1::response::{self, Head};
use super::http1::trailers::{announced, sift};
use super::pace::Pace;
use super::places::Place;
use super::target::Target;
use super::wire::{self, Buffers, Cut, Framing, Reader, Unsent, Writer};
use crate::observe::Meter;
use crate::pool::Backend;
use crate::resolved::Generation;

/// Answers up to this size, heads included, are read at once.
const ROOM: usize = 4 * 1024;

/// Interim answers that one answer may be preceded by.
const MAX_INTERIM: usize = 32;

/// How long before the backend closes a resting connection it is given up.
const MARGIN: Duration = Duration::from_secs(1);

/// A connection to a backend, ready for one request at a time.
#[derive(Debug)]
pub(crate) struct Connection {
    incoming: Reader,
    /// The way out; with a task while [`Connection::send_apart`] has given it away.
    outgoing: Result<Writer<TryBody>, Box<Apart>>,
    /// Interim answers to the present request so far.
    interim: usize,
    keep_alive: bool,
    /// How long the backend keeps it without a request, in seconds, if it has said so.
    kept_for: Option<u32>,
    /// What the present answer says behind its body may pass.
    passes_trailers: bool,
    /// What there is to know of the present answer, if it comes in chunks.
    chunked: Option<Chunked>,
    /// It has served a request before, so the backend may close it at any moment.
    reused: bool,
    /// The addresses of the backend among which its peer is.
    generation: Generation,
    /// What was wrong with the answer, if it was malformed.
    fault: Option<Fault>,
    /// Given back when the connection is closed.
    place: Place,
}

/// An answer in chunks can turn out malformed after its head has been passed on, and can end with trailers.
#[derive(Debug)]
struct Chunked {
    /// What it is the answer to.
    method: Method,
    target: Target,
    /// The trailers that its head announces and that may pass.
    announced: Vec<HeaderName>,
}

/// How far a request has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Progress {
    /// Bytes that are on their way.
    pub(crate) bytes: u64,
    /// That is all.
    pub(crate) whole: bool,
    /// The client has yet to send more.
    pub(crate) awaits_client: bool,
}

impl Connection {
    /// Speaks HTTP/1.1 on a fresh stream. It is handed on from one request to the next, and within each of them: in a
    /// box, so that only its address is.
    /// `generation` is that of the addresses of which it was given one.
    pub(crate) fn new(stream: TcpStream, generation: Generation, meter: Meter, place: Place) -> Box<Self> {
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

    /// Makes it wait for its next request. Returns whether it can take one: both the last request and its
    /// answer went over it whole, and nobody said that it was the last.
    pub(crate) fn rest(&mut self) -> bool {
        self.reused = true;
        // It holds on to the buffer of the client's connection.
        self.chunked = None;
        self.incoming.shrink();
        let sent = self.outgoing.as_ref().is_ok_and(Writer::is_done);
        sent && self.keep_alive && self.is_end() && self.incoming.buffer.is_empty()
    }

    /// How long it may rest, by what the backend has said; `None` if it has said nothing. It ends before the backend
    /// closes it, so that no request is on its way then.
    pub(crate) fn rests_for(&self) -> Option<Duration> {
        self.kept_for.map(|seconds| {
            let kept = Duration::from_secs(seconds.into());
            kept - MARGIN.min(kept / 2)
        })
    }

    /// Whether it is still good: the backend has not closed it, nor said anything unasked.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.incoming.is_quiet()
    }

    /// The same, as of this very moment, at the price of a system call.
    pub(crate) fn is_quiet_by_now(&self) -> bool {
        self.incoming.is_quiet_by_now()
    }

    /// Whether it leads to one of the addresses at which the backend is at present. Its name may have moved to others
    /// since it was made, while the old ones still answer.
    pub(crate) fn leads_to(&mut self, backend: &Backend) -> bool {
        self.generation == backend.own.resolved.generation() || self.moves_along(backend)
    }

    /// Takes it to the present generation if its peer is there as well.
    #[cold]
    fn moves_along(&mut self, backend: &Backend) -> bool {
        let generation = backend.own.resolved.generation();
        let is_there = self.incoming.peer().is_some_and(|peer| backend.own.resolved.has(peer));
        if is_there {
            self.generation = generation;
        }
        is_there
    }

    /// Sends a request and waits for the head of the answer. Interim answers go to the `caller`, and `report`
    /// hears how far the request has come: at once, and whenever it has come further.
    ///
    /// # Errors
    /// What became of the request, as far as can be told.
    pub(crate) async fn send(
        &mut self,
        head: &RequestHead,
        backend: &Address,
        body: TryBody,
        caller: &Caller,
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
                    Poll::Ready(Err(Unsent::Body(error))) => return Poll::Ready(Err(error.into())),
                    Poll::Ready(Err(Unsent::Broken)) if outgoing.moved() == 0 => {
                        let failure = if self.reused { Failure::StaleUnsent } else { Failure::ClosedUnsent };
                        return Poll::Ready(Err(failure));
                    }
                    // If it broke later, the backend may have answered before it closed.
                    _ => {}
                }
                let (bytes, whole) = (outgoing.moved(), outgoing.is_done());
                let progress = Progress { bytes, whole, awaits_client: !whole && outgoing.is_flushed() };
                if reported.replace(progress) != Some(progress) {
                    report(progress);
                }
            }
            self.poll_head(cx, head, caller)
        })
        .await;
        self.keep_alive &= !misread;
        answer
    }

    /// The head of the answer, after any interim ones.
    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        asked: &RequestHead,
        caller: &Caller,
    ) -> Poll<Result<ResponseHead, Failure>> {
        loop {
            let Some(head) = self.take_head(&asked.method).map_err(|fault| self.malformed(fault))? else {
                match ready!(self.incoming.poll_fill(cx)) {
                    Ok(1..) => continue,
                    // A kept connection that ends without a word ended by itself, as they do.
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
                caller.tell(&head.response);
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

    /// A head from the buffer, if a whole one has come.
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

    /// What is wrong with the answer, if it is malformed.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Whether the request has been sent whole.
    pub(crate) fn is_sent(&self) -> bool {
        self.outgoing.as_ref().is_ok_and(Writer::is_done)
    }

    /// Whether the rest of the request is held up by the client, who has yet to send it.
    pub(crate) fn awaits_client(&self) -> bool {
        match &self.outgoing {
            Ok(outgoing) => !outgoing.is_done() && outgoing.is_flushed(),
            Err(apart) => apart.awaits_client(),
        }
    }

    /// How the client's part of a request that is sent apart has failed, once that is known.
    pub(crate) fn poll_failure(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        match &mut self.outgoing {
            Ok(_) => Poll::Pending,
            Err(apart) => apart.poll_failure(cx),
        }
    }

    /// Bytes of the request that have been sent apart.
    pub(crate) fn moved_apart(&self) -> u64 {
        self.outgoing.as_ref().err().map_or(0, |apart| apart.moved())
    }

    /// Sends the rest of the request, for as long as it moves: once every `patience`.
    ///
    /// # Errors
    /// Why it could not be sent.
    pub(crate) async fn send_rest(
        &mut self,
        patience: Duration,
        deadlines: &Deadlines,
    ) -> Result<(), Failure> {
        let Ok(outgoing) = &mut self.outgoing else { return Ok(()) };
        let (until, mut moved) = (Cell::new(Instant::now() + patience), outgoing.moved());
        let sending = poll_fn(|cx| {
            let sent = outgoing.poll_send(cx);
            if std::mem::replace(&mut moved, outgoing.moved()) != moved {
                until.set(Instant::now() + patience);
            }
            sent
        });
        match deadlines.wait(sending, || until.get(), None).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Unsent::Body(error))) => Err(error.into()),
            Ok(Err(Unsent::Broken)) => Err(Failure::BrokeOff),
            Err(_) if self.awaits_client() => Err(Failure::SlowUpload),
            Err(_) => Err(Failure::BrokeOff),
        }
    }

    /// Has a task send the rest of the request, if there is any, whether the client reads the answer or not.
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

    /// Trailers without those that may not pass.
    #[cold]
    fn sifted(&self, frame: Frame<Bytes>) -> Option<Frame<Bytes>> {
        let trailers = frame.into_trailers().ok().filter(|_| self.passes_trailers)?;
        let announced = self.chunked.as_ref().map_or(&[][..], |chunked| &chunked.announced);
        Some(Frame::trailers(sift(&trailers, announced)))
    }

    /// Logs what is wrong with the chunks of the answer, which is that of this backend.
    #[cold]
    pub(crate) fn complain(&self, backend: &Backend, query: bool) {
        if let (Some(Chunked { method, target, .. }), Some(fault)) = (&self.chunked, self.incoming.fault) {
            complaint::malformed(backend.number, method, target, query, fault);
        }
    }

    /// Whether the answer has come whole.
    pub(crate) fn is_end(&self) -> bool {
        self.incoming.body.is_end()
    }

    /// Bytes of the answer that are still to come, if that is known.
    pub(crate) fn left(&self) -> Option<u64> {
        self.incoming.body.left()
    }

    /// What a tunnel is built on: the socket, what came over it behind the head of the answer, and its place.
    pub(crate) fn into_stream(self: Box<Self>) -> Option<(TcpStream, BytesMut, Place)> {
        let (stream, buffer) = wire::reunite(self.incoming, self.outgoing.ok()?)?;
        Some((stream, buffer, self.place))
    }
}

/// Whether there are servers that take the body of such a request for the next request: methods whose content has no defined
/// meaning (RFC 9110, sections 9.3.1, 9.3.2, 9.3.5, 9.3.7 and 9.3.8), so that some servers do not read it.
fn may_be_misread(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::DELETE | Method::OPTIONS | Method::TRACE)
}

impl From<BodyError<Cut>> for Failure {
    fn from(error: BodyError<Cut>) -> Self {
        match error {
            BodyError::Client(Cut::Malformed) => Self::BadUpload,
            BodyError::Client(Cut::TooLarge) => Self::LargeUpload,
            BodyError::Client(Cut::BrokeOff) | BodyError::Superseded => Self::ClientGone,
        }
    }
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
