//! One connection of the admin port, and how long it may take for anything.

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
use crate::proxy::refusal::Refusal;

/// How long a connection may be silent before its next request, and how long the head of that may take.
pub(super) const HEAD: Duration = Duration::from_secs(10);

/// How long a reader may read nothing of what is there for it.
pub(super) const UNREAD: Duration = Duration::from_secs(10);

/// Bytes of a head.
pub(super) const LONGEST_HEAD: usize = 64 * 1024;

/// How long a client that is refused may take to notice.
const LINGER: Duration = Duration::from_secs(2);

/// Room for what comes first.
const ROOM: usize = 1024;

/// Reads until it is clear whether a client speaks another protocol than HTTP. Returns what has come, and why
/// the client is refused if it does; `None` if the client says too little for too long.
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
                // A reader of HTTP finds out the same.
                Ok(0) | Err(_) => return None,
            }
        }
    };
    let foreign = timeout(HEAD, reading).await.ok()?;
    Some((came.freeze(), foreign))
}

/// Answers a client that speaks another protocol, and waits until it has noticed: to close the connection
/// while the client is sending would reset it, and the answer would be lost.
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
    // Whether it has noticed or not, the connection is closed.
    let _ = timeout(LINGER, noticed).await;
}

/// A socket that fails when its other end reads nothing for [`UNREAD`].
pub(super) struct Watched {
    stream: TcpStream,
    /// What came first, and was not read yet.
    first: Bytes,
    visit: Rc<Visit>,
    /// Ends when it has been unread for too long; nothing while it is read.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Watched {
    /// A socket over which these bytes have come already.
    pub(super) fn new(stream: TcpStream, first: Bytes, visit: Rc<Visit>) -> Self {
        Self { stream, first, visit, stalled: None }
    }

    /// Passes on what came of writing, or an end to that.
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
