//! A connection, whatever carries its bytes. Today, plain TCP carries them.
//!
//! The rest of the balancer knows bytes and messages. Everything that is raw about a socket stands here: how
//! a listener is opened and gives its connections, whether a connection is ready, quiet or reset, how its
//! last bytes leave, and how it ends. So another transport, such as TLS, is one more variant of the three
//! types below, and one more file beside [`plain`].
//!
//! The types have one variant, so they cost nothing yet.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio_util::io::poll_read_buf;

pub(crate) mod plain;

/// Both halves of a connection.
#[derive(Debug)]
pub(crate) enum Stream {
    /// TCP without encryption.
    Plain(TcpStream),
}

/// The half of a connection that reads.
#[derive(Debug)]
pub(crate) enum ReadHalf {
    /// TCP without encryption.
    Plain(OwnedReadHalf),
}

/// The half of a connection that writes. If it is dropped, it says that nothing more is written.
#[derive(Debug)]
pub(crate) enum WriteHalf {
    /// TCP without encryption.
    Plain(OwnedWriteHalf),
}

impl Stream {
    /// An accepted connection, whose socket does not block.
    ///
    /// # Errors
    /// The runtime cannot watch the socket.
    pub(crate) fn accepted(stream: std::net::TcpStream) -> io::Result<Self> {
        TcpStream::from_std(stream).map(Self::Plain)
    }

    /// Connects to an address.
    ///
    /// # Errors
    /// The system cannot make the connection.
    pub(crate) async fn connect(address: SocketAddr) -> io::Result<Self> {
        plain::connect(address).await.map(Self::Plain)
    }

    /// The two halves.
    pub(crate) fn split(self) -> (ReadHalf, WriteHalf) {
        let Self::Plain(stream) = self;
        let (read, write) = stream.into_split();
        (ReadHalf::Plain(read), WriteHalf::Plain(write))
    }

    /// Waits until there is something to read, or the end of the connection.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        let Self::Plain(stream) = self;
        stream.poll_read_ready(cx).map(drop)
    }
}

#[cfg(test)]
impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self::Plain(stream)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self::Plain(stream) = self.get_mut();
        Pin::new(stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self::Plain(stream) = self.get_mut();
        Pin::new(stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self::Plain(stream) = self.get_mut();
        Pin::new(stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self::Plain(stream) = self.get_mut();
        Pin::new(stream).poll_shutdown(cx)
    }
}

impl ReadHalf {
    /// Reads the available bytes to the end of the buffer, as far as it has room.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        let Self::Plain(read) = self;
        poll_read_buf(Pin::new(read), cx, buffer)
    }

    /// Whether the connection is still good while nothing is expected: the other side has not closed it, and
    /// has sent nothing.
    pub(crate) fn is_quiet(&mut self) -> bool {
        let Self::Plain(read) = self;
        plain::is_quiet(read)
    }

    /// The same, according to the kernel: its latest events may not have reached the runtime yet. It costs a
    /// system call.
    pub(crate) fn is_quiet_by_now(&self) -> bool {
        let Self::Plain(read) = self;
        plain::is_quiet_by_now(read.as_ref())
    }

    /// Whether the kernel knows that nothing can be sent any more.
    pub(crate) fn is_reset(&self) -> bool {
        let Self::Plain(read) = self;
        plain::is_reset(read.as_ref())
    }

    /// Makes the kernel find out soon whether the other side, which sends nothing more, is still there.
    pub(crate) fn probe(&self) {
        let Self::Plain(read) = self;
        plain::probe(read.as_ref());
    }

    /// The address of the other side, if it is still connected.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        let Self::Plain(read) = self;
        read.peer_addr().ok()
    }

    /// The connection with both halves; `None` if they belong to two connections.
    pub(crate) fn reunite(self, write: WriteHalf) -> Option<Stream> {
        let (Self::Plain(read), WriteHalf::Plain(write)) = (self, write);
        read.reunite(write).ok().map(Stream::Plain)
    }
}

impl WriteHalf {
    /// Writes some of the bytes.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self::Plain(write) = self;
        Pin::new(write).poll_write(cx, bytes)
    }

    /// Writes some of the bytes of several pieces.
    pub(crate) fn poll_write_pieces(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self::Plain(write) = self;
        Pin::new(write).poll_write_vectored(cx, pieces)
    }

    /// Writes the last bytes, which may wait for the end of the connection, to leave together with it.
    pub(crate) fn poll_write_last(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self::Plain(write) = self;
        plain::poll_write_last(write, cx, bytes)
    }

    /// Says that nothing more will be written.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self::Plain(write) = self;
        Pin::new(write).poll_shutdown(cx)
    }

    /// Ends with a reset when the other half is dropped as well.
    pub(crate) fn reset(self) {
        let Self::Plain(write) = self;
        plain::end_with_reset(write.as_ref());
        write.forget();
    }

    /// Drops this half without a word: the connection ends when the other half is dropped as well.
    pub(crate) fn forget(self) {
        let Self::Plain(write) = self;
        write.forget();
    }
}
