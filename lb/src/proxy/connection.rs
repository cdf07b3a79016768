//! One connection to a backend: sends a request, reads its answer, and knows whether it can do so again.
//!
//! It has no task of its own: whoever waits for the answer lets it read and write while waiting, so that no
//! request hops between tasks. There is one exception. An answer that begins before its request has ended must
//! not hold up the request, even if the client does not read the answer yet: then a task sends the rest.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes, BytesMut};
use http::header::TRANSFER_ENCODING;
use http::{HeaderMap, Method, Response, StatusCode, request};
use http_body::{Body, Frame};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio_util::io::poll_read_buf;
use tokio_util::task::AbortOnDropHandle;

use super::body::{BodyError, TryBody};
use super::http1::Malformed;
use super::http1::body::{Decoder, Found};
use super::http1::request::{END_OF_CHUNK, begin_chunk, end_chunks, write_head};
use super::http1::response::{self, Head};
use super::verdict::Failure;

/// Room to read into: small at first, more for those who fill it.
const SMALL_READ: usize = 4 * 1024;
const LARGE_READ: usize = 64 * 1024;

/// Pieces of a body up to this size are copied behind what goes before them, which costs less than handing
/// the kernel two pieces.
const COPIED: usize = 4 * 1024;

/// Interim answers that one answer may be preceded by.
const MAX_INTERIM: usize = 32;

/// A connection to a backend, ready for one request at a time.
#[derive(Debug)]
pub(crate) struct Connection {
    read: OwnedReadHalf,
    /// What has come and was not taken yet.
    buffer: BytesMut,
    /// How much of it is known to hold no end of a head.
    searched: usize,
    /// How much to make room for when there is little left.
    room: usize,
    /// Interim answers to the present request so far.
    interim: usize,
    answer: Decoder,
    keep_alive: bool,
    /// The way out; with a task while [`Connection::send_apart`] has given it away.
    outgoing: Result<Outgoing, AbortOnDropHandle<Outgoing>>,
    /// It has served a request before, so the backend may close it at any moment.
    reused: bool,
}

/// The way out.
#[derive(Debug)]
struct Outgoing {
    write: OwnedWriteHalf,
    /// What to write next, of which so many bytes are written; then `chunk`, then `tail`.
    head: Vec<u8>,
    written: usize,
    chunk: Bytes,
    tail: &'static [u8],
    /// What is still to be sent of the request.
    body: Option<TryBody>,
    chunked: bool,
    /// Something of the request is on its way.
    begun: bool,
}

/// Why a request could not be sent.
enum Unsent {
    /// Its client is gone.
    Client,
    /// The connection is.
    Broken,
}

/// An answer that did not come whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the backend's answer broke off")]
pub(crate) struct Broken;

impl Connection {
    /// Speaks HTTP/1.1 on a fresh stream.
    pub(crate) fn new(stream: TcpStream) -> Self {
        // Requests are written whole; waiting for more to send would only delay them.
        let _ = stream.set_nodelay(true);
        let (read, write) = stream.into_split();
        Self {
            read,
            buffer: BytesMut::new(),
            searched: 0,
            room: SMALL_READ,
            interim: 0,
            answer: Decoder::Length(0),
            keep_alive: true,
            outgoing: Ok(Outgoing::new(write)),
            reused: false,
        }
    }

    /// Makes it wait for its next request. Returns whether it can take one: both the last request and its
    /// answer went over it whole, and nobody said that it was the last.
    pub(crate) fn rest(&mut self) -> bool {
        self.reused = true;
        let sent = self.outgoing.as_ref().is_ok_and(Outgoing::is_done);
        if self.room > SMALL_READ && self.buffer.is_empty() {
            // A large answer's room is not kept for as long as the connection is.
            (self.room, self.buffer) = (SMALL_READ, BytesMut::new());
        }
        sent && self.keep_alive && self.answer.is_end() && self.buffer.is_empty()
    }

    /// Whether it is still good: the backend has not closed it, nor said anything unasked.
    pub(crate) fn is_quiet(&mut self) -> bool {
        let mut byte = [0];
        let cx = &mut Context::from_waker(Waker::noop());
        Pin::new(&mut self.read).poll_read(cx, &mut ReadBuf::new(&mut byte)).is_pending()
    }

    /// Sends a request and waits for the head of the answer.
    ///
    /// # Errors
    /// What became of the request, as far as can be told.
    pub(crate) async fn send(
        &mut self,
        head: &request::Parts,
        body: TryBody,
    ) -> Result<Response<()>, Failure> {
        let Ok(outgoing) = &mut self.outgoing else { return Err(Failure::StaleUnsent) };
        outgoing.begin(head, body);
        (self.searched, self.interim) = (0, 0);
        poll_fn(|cx| {
            if let Ok(outgoing) = &mut self.outgoing {
                match outgoing.poll_send(cx) {
                    Poll::Ready(Err(Unsent::Client)) => return Poll::Ready(Err(Failure::ClientGone)),
                    Poll::Ready(Err(Unsent::Broken)) if !outgoing.begun => {
                        let failure = if self.reused { Failure::StaleUnsent } else { Failure::ClosedUnsent };
                        return Poll::Ready(Err(failure));
                    }
                    // If it broke later, the backend may have answered before it closed.
                    _ => {}
                }
            }
            self.poll_head(cx, &head.method)
        })
        .await
    }

    /// The head of the answer, after any interim ones.
    fn poll_head(&mut self, cx: &mut Context<'_>, asked: &Method) -> Poll<Result<Response<()>, Failure>> {
        loop {
            let Some(head) = self.take_head(asked).map_err(|Malformed| Failure::Malformed)? else {
                match ready!(self.poll_fill(cx)) {
                    Ok(1..) => continue,
                    // A kept connection that ends without a word ended by itself, as they do.
                    _ if self.reused && self.buffer.is_empty() && self.interim == 0 => {
                        return Poll::Ready(Err(Failure::StaleMaybeSent));
                    }
                    _ => return Poll::Ready(Err(Failure::ClosedEarly)),
                }
            };
            let status = head.response.status();
            if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
                self.interim += 1;
                if self.interim > MAX_INTERIM {
                    return Poll::Ready(Err(Failure::Malformed));
                }
                continue;
            }
            self.answer = head.framing.into();
            self.keep_alive = head.keep_alive;
            return Poll::Ready(Ok(head.response));
        }
    }

    /// A head from the buffer, if a whole one has come.
    fn take_head(&mut self, asked: &Method) -> Result<Option<Head>, Malformed> {
        if self.buffer.len() == self.searched {
            return Ok(None);
        }
        let head = response::take(&mut self.buffer, self.searched, asked)?;
        self.searched = if head.is_some() { 0 } else { self.buffer.len() };
        Ok(head)
    }

    /// Has a task send the rest of the request, if there is any, whether anybody reads the answer or not. The
    /// task keeps the way out when it is done: a backend could take a closed one for a client that left.
    pub(crate) fn send_apart(self) -> Self {
        let outgoing = match self.outgoing {
            Ok(mut outgoing) if !outgoing.is_done() => {
                Err(AbortOnDropHandle::new(tokio::task::spawn_local(async move {
                    // If it fails, the answer tells.
                    let _ = poll_fn(|cx| outgoing.poll_send(cx)).await;
                    outgoing
                })))
            }
            done => done,
        };
        Self { outgoing, ..self }
    }

    /// The next part of the answer's body; `None` at its end.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        loop {
            match self.answer.take(&mut self.buffer) {
                Ok(Found::Frame(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(Found::End) => return Poll::Ready(None),
                Ok(Found::Nothing) => {}
                Err(Malformed) => return Poll::Ready(Some(Err(Broken))),
            }
            match ready!(self.poll_fill(cx)) {
                Ok(1..) => {}
                Ok(0) if self.answer == Decoder::Close => {
                    self.answer = Decoder::Length(0);
                    return Poll::Ready(None);
                }
                _ => return Poll::Ready(Some(Err(Broken))),
            }
        }
    }

    /// Whether the answer has come whole.
    pub(crate) fn is_end(&self) -> bool {
        self.answer.is_end()
    }

    /// Bytes of the answer that are still to come, if that is known.
    pub(crate) fn left(&self) -> Option<u64> {
        self.answer.left()
    }

    /// What a tunnel is built on: the socket, and what came over it behind the head of the answer.
    pub(crate) fn into_stream(self) -> Option<(TcpStream, BytesMut)> {
        Some((self.read.reunite(self.outgoing.ok()?.write).ok()?, self.buffer))
    }

    /// Reads what there is to read.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.buffer.capacity() - self.buffer.len() < self.room / 4 {
            self.buffer.reserve(self.room);
        }
        let free = self.buffer.capacity() - self.buffer.len();
        let read = ready!(poll_read_buf(Pin::new(&mut self.read), cx, &mut self.buffer))?;
        self.room = if read == free { (self.room * 4).min(LARGE_READ) } else { self.room };
        Poll::Ready(Ok(read))
    }
}

impl Outgoing {
    fn new(write: OwnedWriteHalf) -> Self {
        Self {
            write,
            head: Vec::new(),
            written: 0,
            chunk: Bytes::new(),
            tail: b"",
            body: None,
            chunked: false,
            begun: false,
        }
    }

    fn begin(&mut self, head: &request::Parts, body: TryBody) {
        self.head.clear();
        (self.written, self.begun) = (0, false);
        write_head(&mut self.head, head);
        self.chunked = head.headers.contains_key(TRANSFER_ENCODING);
        self.body = Some(body).filter(|body| !body.is_end_stream() || self.chunked);
    }

    /// Everything is sent.
    fn is_done(&self) -> bool {
        self.body.is_none()
            && self.written == self.head.len()
            && self.chunk.is_empty()
            && self.tail.is_empty()
    }

    /// Sends the request for as long as there is something to send.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Unsent>> {
        loop {
            let gathered = self.poll_gather(cx)?;
            ready!(self.poll_flush(cx)).map_err(|_| Unsent::Broken)?;
            if self.body.is_none() {
                return Poll::Ready(Ok(()));
            }
            ready!(gathered);
        }
    }

    /// Collects what the client has sent, until there is enough to write, or nothing more for now.
    fn poll_gather(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Unsent>> {
        while self.chunk.is_empty() && self.head.len() - self.written < COPIED {
            let Some(body) = &mut self.body else { return Poll::Ready(Ok(())) };
            let frame = match ready!(Pin::new(&mut *body).poll_frame(cx)) {
                Some(Ok(frame)) => Some(frame),
                Some(Err(BodyError::Client(_) | BodyError::Superseded)) => {
                    return Poll::Ready(Err(Unsent::Client));
                }
                None => None,
            };
            let ended = frame.is_none() || body.is_end_stream();
            let trailers = frame.and_then(|frame| self.add(frame));
            // What ends the body must stand behind its last piece.
            if trailers.is_some() || (ended && self.chunk.is_empty()) {
                self.body = None;
                if self.chunked {
                    end_chunks(&mut self.head, &trailers.unwrap_or_default());
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Writes what is collected.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let head = &self.head[self.written..];
            let write = Pin::new(&mut self.write);
            let wrote = match (head, &self.chunk[..]) {
                ([], []) if self.tail.is_empty() => break,
                (_, []) if self.tail.is_empty() => ready!(write.poll_write(cx, head))?,
                (_, chunk) => {
                    let pieces = [head, chunk, self.tail].map(IoSlice::new);
                    ready!(write.poll_write_vectored(cx, &pieces))?
                }
            };
            if wrote == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.begun = true;
            let of_head = wrote.min(head.len());
            let of_chunk = (wrote - of_head).min(self.chunk.len());
            self.written += of_head;
            self.chunk.advance(of_chunk);
            self.tail = &self.tail[wrote - of_head - of_chunk..];
        }
        self.head.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    /// Puts a part of the body behind what is to be written; returns trailers.
    fn add(&mut self, frame: Frame<Bytes>) -> Option<HeaderMap> {
        let data = match frame.into_data() {
            Ok(data) if data.is_empty() => return None,
            Ok(data) => data,
            Err(frame) => return frame.into_trailers().ok(),
        };
        if self.chunked {
            begin_chunk(&mut self.head, data.len());
        }
        let tail = if self.chunked { END_OF_CHUNK } else { b"" };
        if data.len() <= COPIED {
            self.head.extend_from_slice(&data);
            self.head.extend_from_slice(tail);
        } else {
            (self.chunk, self.tail) = (data, tail);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use hyper::body::Incoming;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::super::body::ReplayBody;
    use super::*;

    /// A request without a body, as a client's connection hands it over.
    async fn received_request() -> Request<Incoming> {
        let (mut client, server) = tokio::io::duplex(1024);
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let (hand_over, mut received) = tokio::sync::mpsc::unbounded_channel();
        let service = service_fn(move |request| {
            hand_over.send(request).unwrap();
            std::future::pending::<Result<Response<String>, io::Error>>()
        });
        let serving =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(server), service);
        tokio::select! {
            _ = serving => unreachable!("the service never answers"),
            request = received.recv() => request.unwrap(),
        }
    }

    /// A connection that its other side has reset.
    async fn reset_connection() -> Connection {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        socket2::SockRef::from(&accepted).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(accepted);
        // The error itself must stay for the write to find.
        stream.ready(tokio::io::Interest::ERROR).await.unwrap();
        Connection::new(stream)
    }

    /// It was quiet when it was taken, and dies before the first byte of the request is written.
    #[tokio::test]
    async fn what_a_dead_connection_does_not_take_was_not_sent() {
        for (reused, expected) in [(true, Failure::StaleUnsent), (false, Failure::ClosedUnsent)] {
            let (head, body) = received_request().await.into_parts();
            let body = ReplayBody::new(body, 1024);
            let mut connection = reset_connection().await;
            connection.reused = reused;
            assert_eq!(connection.send(&head, body.for_try()).await.unwrap_err(), expected);
        }
    }
}
