//! Faults of a connection below HTTP.
//!
//! hyper only writes correct answers. So each connection's socket has a wrapper that shares an
//! [`AbortHandle`] with the answers on it: an answer says through the handle how the connection ends, and the
//! wrapper ends it in that way.

use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::fault::Break;

const WHOLE: u8 = 0;
const RESET: u8 = 1;
const CLOSE: u8 = 2;
const GARBAGE: u8 = 3;

/// No status line begins like this; it even contains a byte that is not allowed in a header.
const NOT_HTTP: &[u8] = b"\x00\xffthis is not HTTP\r\n\r\n";

/// Ends a connection in a way in which hyper does not end it.
///
/// It is atomic only because hyper must be able to move connections between threads when they are upgraded.
#[derive(Clone)]
pub(super) struct AbortHandle(Arc<AtomicU8>);

impl AbortHandle {
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicU8::new(WHOLE)))
    }

    /// Ends the connection in this way after all bytes that are written so far.
    pub(super) fn abort(&self, break_off: Break) {
        let break_off = match break_off {
            Break::Reset => RESET,
            Break::Close => CLOSE,
            Break::Garbage => GARBAGE,
        };
        self.0.store(break_off, Ordering::Relaxed);
    }

    fn get(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The socket of a connection, with its handle for faults.
pub(super) struct Wire {
    stream: TcpStream,
    handle: AbortHandle,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, handle: AbortHandle) -> Self {
        Self { stream, handle }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let socket = SockRef::from(&self.stream);
        // If one of these fails, the client was faster, and the connection is already broken.
        let _ = match self.handle.get() {
            // Closing a socket with a linger time of zero sends a reset.
            RESET => socket.set_linger(Some(Duration::ZERO)),
            CLOSE => socket.shutdown(Shutdown::Write),
            GARBAGE => self.stream.try_write(NOT_HTTP).and_then(|_| socket.shutdown(Shutdown::Write)),
            _ => Ok(()),
        };
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes after it has written its whole buffer. This is the moment to break inside an answer: the
    /// client has the first part, and the error makes hyper drop the connection.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.handle.get() != WHOLE {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
