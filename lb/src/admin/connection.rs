//! One connection of the admin port, and its time limits.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep, timeout};

use super::room::Visit;
use crate::proxy::http1::foreign::{First, first};
use crate::proxy::message::refusal::Refusal;

/// How long a connection may be silent before its next request, and how long the head of a request may take.
pub(super) const HEAD: Duration = Duration::from_secs(10);

/// How long a client may leave the bytes of an answer unread.
pub(super) const UNREAD: Duration = Duration::from_secs(10);

/// Limit for the bytes of a head.
pub(super) const LONGEST_HEAD: usize = 64 * 1024;

/// How long the balancer waits for a refused client to read the answer.
const LINGER: Duration = Duration::from_secs(2);

/// Size of the buffer for the first bytes.
const ROOM: usize = 1024;

/// Reads until it is clear whether a client speaks a protocol other than HTTP. Returns the bytes that have
/// arrived, and the refusal if the client speaks another protocol; `None` if too few bytes arrive in time.
pub(super) async fn begin(stream: &mut TcpStream, visit: &Visit) -> Option<(Bytes, Option<Refusal>)> {
    let mut came = BytesMut::with_capacity(ROOM);
    let reading = async {
        loop {
            match first(&came) {
                First::Foreign(refusal) => return Some(refusal),
                First::Other => return None,
                First::Unclear => {}
            }
            match stream.read_buf(&mut came).await {
                Ok(1..) => visit.moves(),
                // The HTTP reader gets the same result.
                Ok(0) | Err(_) => return None,
            }
        }
    };
    let foreign = timeout(HEAD, reading).await.ok()?;
    Some((came.freeze(), foreign))
}

/// Answers a client that speaks another protocol, and waits until the client has read the answer. If the
/// balancer closed the connection while the client sends, the kernel would reset it, and the answer would be
/// lost.
pub(super) async fn refuse(stream: &mut TcpStream, refusal: Refusal) {
    let body = json!({ "error": refusal.reason() }).to_string();
    let head = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncache-control: no-store\r\n\
                x-content-type-options: nosniff\r\nconnection: close\r\ncontent-length:";
    let answer = format!("{head} {}\r\n\r\n{body}", body.len());
    let noticed = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        while stream.read(&mut [0; ROOM]).await? > 0 {}
        io::Result::Ok(())
    };
    // The connection is closed in both cases.
    let _ = timeout(LINGER, noticed).await;
}

/// A socket that fails when its peer reads nothing for [`UNREAD`].
pub(super) struct Watched {
    stream: TcpStream,
    /// The first bytes, which are not read yet.
    first: Bytes,
    visit: Rc<Visit>,
    /// Ends when bytes have been unread for too long; `None` while the peer reads.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Watched {
    /// A socket on which these bytes have already arrived.
    pub(super) fn new(stream: TcpStream, first: Bytes, visit: Rc<Visit>) -> Self {
        Self { stream, first, visit, stalled: None }
    }

    /// Passes on the result of a write, or an error if the peer has not read for too long.
    fn written<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            self.visit.moves();
            return written;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(UNREAD)));
        stalled.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.first.is_empty() {
            let length = self.first.len().min(buffer.remaining());
            buffer.put_slice(&self.first[..length]);
            self.first.advance(length);
            return Poll::Ready(Ok(()));
        }
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            self.visit.moves();
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.written(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
