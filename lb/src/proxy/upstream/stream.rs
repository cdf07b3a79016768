//! A request on its way to a backend and its answer on the way back, in the protocol of the backend.

use std::task::{Context, Poll};
use std::time::Duration;

use balance::Address;
use balance::verdict::Failure;
use bytes::{Bytes, BytesMut};
use http_body::Frame;

use crate::pool::Backend;
use crate::proxy::cut::Cut;
use crate::proxy::deadline::Deadlines;
use crate::proxy::message::fault::Fault;
use crate::proxy::message::head::{RequestHead, ResponseHead};
use crate::proxy::request::body::TryBody;
use crate::proxy::request::client::ClientContext;
use crate::proxy::request::pace::Pace;
use crate::proxy::upstream::connection::{Connection, Progress};
use crate::proxy::upstream::places::Place;
use crate::transport::Stream;

/// The exchange with a backend: one request and its answer.
#[derive(Debug)]
pub(crate) enum BackendStream {
    /// HTTP/1.1: a connection that carries nothing else meanwhile.
    Http1(Box<Connection>),
}

impl BackendStream {
    /// Sends a request and waits for the head of the answer: see [`Connection::send`].
    ///
    /// # Errors
    /// The fate of the request, as far as it is known.
    pub(crate) fn send(
        &mut self,
        head: &RequestHead,
        backend: &Address,
        body: TryBody,
        client: &ClientContext,
        report: impl FnMut(Progress),
    ) -> impl Future<Output = Result<ResponseHead, Failure>> {
        let Self::Http1(connection) = self;
        connection.send(head, backend, body, client, report)
    }

    /// Starts a task for the rest of the request, if there is a rest, so that it does not matter whether the
    /// client reads the answer.
    pub(crate) fn send_apart(self, pace: impl FnOnce() -> Option<Pace>) -> Self {
        let Self::Http1(connection) = self;
        Self::Http1(connection.send_apart(pace))
    }

    /// Sends the rest of the request, as long as bytes move at least once in every `timeout`.
    ///
    /// # Errors
    /// The reason why the rest could not be sent.
    pub(crate) fn send_rest(
        &mut self,
        timeout: Duration,
        deadlines: &Deadlines,
    ) -> impl Future<Output = Result<(), Failure>> {
        let Self::Http1(connection) = self;
        connection.send_rest(timeout, deadlines)
    }

    /// The fault of the answer's head, if it is malformed.
    pub(crate) fn fault(&self) -> Option<Fault> {
        let Self::Http1(connection) = self;
        connection.fault()
    }

    /// Whether the complete request has been sent.
    pub(crate) fn is_sent(&self) -> bool {
        let Self::Http1(connection) = self;
        connection.is_sent()
    }

    /// Whether the rest of the request waits for bytes from the client.
    pub(crate) fn awaits_client(&self) -> bool {
        let Self::Http1(connection) = self;
        connection.awaits_client()
    }

    /// Bytes of the request that were sent since its answer began.
    pub(crate) fn moved_apart(&self) -> u64 {
        let Self::Http1(connection) = self;
        connection.moved_apart()
    }

    /// The failure of the client's part of a request whose answer has begun, once it is known.
    pub(crate) fn poll_failure(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        let Self::Http1(connection) = self;
        connection.poll_failure(cx)
    }

    /// The next part of the answer's body; `None` at its end.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let Self::Http1(connection) = self;
        connection.poll_frame(cx)
    }

    /// Whether the complete answer has come.
    pub(crate) fn is_end(&self) -> bool {
        let Self::Http1(connection) = self;
        connection.is_end()
    }

    /// Bytes of the answer that are still missing, if the number is known.
    pub(crate) fn left(&self) -> Option<u64> {
        let Self::Http1(connection) = self;
        connection.left()
    }

    /// Logs the fault in the body of this backend's answer.
    #[cold]
    pub(crate) fn complain(&self, backend: &Backend, query: bool) {
        let Self::Http1(connection) = self;
        connection.complain(backend, query);
    }

    /// The parts for a tunnel: the bytes of another protocol in both directions, the bytes that came after
    /// the head of the answer, and the place.
    pub(crate) fn into_stream(self) -> Option<(Stream, BytesMut, Place)> {
        let Self::Http1(connection) = self;
        connection.into_stream()
    }
}
