//! The two halves of a connection, read and write, on either side of the balancer. Neither half has a task of
//! its own: the task that waits for something lets it read and write meanwhile.

use std::io::{self, IoSlice};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame};

use crate::observe::Meter;
use crate::proxy::cut::Cut;
use crate::proxy::http1::body::{Decoder, END_OF_CHUNK, Found, begin_chunk, end_chunks};
use crate::proxy::message::fault::Fault;
use crate::transport::{ReadHalf, Stream, WriteHalf};

/// The size of further reads, after the first buffer was full. A slow reader needs the same memory.
const LARGE_READ: usize = 32 * 1024;

/// The memory for a head, enough for most. It is kept for the next one.
const HEAD: usize = 512;

/// Pieces of a body up to this size are copied: that costs less than giving the kernel two pieces.
const COPIED: usize = 4 * 1024;

/// The buffers for reading and writing. They can be used for one connection after the other.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    incoming: BytesMut,
    outgoing: Vec<u8>,
}

/// Both halves of a stream that is not in use. Incoming messages are usually not longer than `room`.
pub(crate) fn split<B>(
    stream: Stream,
    room: usize,
    Buffers { incoming, outgoing }: Buffers,
    meter: Meter,
) -> (Reader, Writer<B>) {
    let (read, write) = stream.split();
    (Reader::new(read, incoming, room, meter.clone()), Writer::new(write, outgoing, meter))
}

/// Closes a connection, and returns its buffers unless they have become large.
pub(crate) fn close<B>(reader: Reader, mut writer: Writer<B>) -> Buffers {
    let Reader { buffer: mut incoming, first_room, room, .. } = reader;
    let mut outgoing = mem::take(&mut writer.head);
    writer.close();
    incoming.clear();
    outgoing.clear();
    if room > first_room || outgoing.capacity() > LARGE_READ {
        return Buffers::default();
    }
    Buffers { incoming, outgoing }
}

/// The stream of both halves, and the bytes that were received and not used.
pub(crate) fn reunite<B>(reader: Reader, writer: Writer<B>) -> Option<(Stream, BytesMut)> {
    Some((reader.read.reunite(writer.write)?, reader.buffer))
}

/// The read half.
#[derive(Debug)]
pub(crate) struct Reader {
    /// The half of the connection that this reader reads from.
    pub(crate) read: ReadHalf,
    /// The bytes that were received and not used yet.
    pub(crate) buffer: BytesMut,
    /// The number of these bytes that are known to contain no end of a head.
    pub(crate) searched: usize,
    /// The number of bytes to reserve when the buffer is nearly full: at first, and now.
    first_room: usize,
    room: usize,
    /// The body of the present message.
    pub(crate) body: Decoder,
    /// The fault of the body, if it is malformed.
    pub(crate) fault: Option<Fault>,
    /// The other side sends nothing more.
    pub(crate) ended: bool,
    meter: Meter,
}

impl Reader {
    fn new(read: ReadHalf, buffer: BytesMut, room: usize, meter: Meter) -> Self {
        let (body, fault) = (Decoder::Length(0), None);
        Self { read, buffer, searched: 0, first_room: room, room, body, fault, ended: false, meter }
    }

    /// Reads the available bytes.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.buffer.capacity() - self.buffer.len() < self.room / 4 {
            self.buffer.reserve(self.room);
        }
        let free = self.buffer.capacity() - self.buffer.len();
        let read = ready!(self.read.poll_read(cx, &mut self.buffer))?;
        self.meter.received(read);
        self.ended |= read == 0;
        self.room = if read == free { LARGE_READ } else { self.room };
        Poll::Ready(Ok(read))
    }

    /// The next part of the body; `None` at its end.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        loop {
            match self.body.take(&mut self.buffer).map_err(|fault| self.fault = Some(fault)) {
                Ok(Found::Frame(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(Found::End) => return Poll::Ready(None),
                Ok(Found::Nothing) => {}
                Err(()) => return Poll::Ready(Some(Err(Cut::Malformed))),
            }
            match ready!(self.poll_fill(cx)) {
                Ok(1..) => {}
                Ok(0) if self.body == Decoder::Close => {
                    self.body = Decoder::Length(0);
                    return Poll::Ready(None);
                }
                _ => return Poll::Ready(Some(Err(Cut::BrokeOff))),
            }
        }
    }

    /// Discards the bytes of the body that have come: they are not needed.
    pub(crate) fn skip_body(&mut self) {
        while let Ok(Found::Frame(_)) = self.body.take(&mut self.buffer) {}
    }

    /// Releases the memory of a large message, which is not kept for the life of the connection.
    pub(crate) fn shrink(&mut self) {
        if self.room > self.first_room && self.buffer.is_empty() {
            (self.room, self.buffer) = (self.first_room, BytesMut::new());
        }
    }
}

/// The write half, for messages with bodies of the type `B`.
#[derive(Debug)]
pub(crate) struct Writer<B> {
    write: WriteHalf,
    /// The bytes to write next, of which `written` are done; then `chunk`, then `tail`.
    head: Vec<u8>,
    written: usize,
    chunk: Bytes,
    tail: &'static [u8],
    /// The rest of the message's body.
    body: Option<B>,
    framing: Framing,
    /// No message follows the present one.
    last: bool,
    /// The end of the message is held back, to leave together with the end of the connection.
    held: bool,
    /// Bytes of the message that were sent.
    moved: u64,
    meter: Meter,
}

/// How a body is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Unchanged: its head states the length, or the end of the connection ends it.
    Plain,
    /// In chunks, with or without the trailers that may follow them.
    Chunked {
        /// The reader accepts trailers.
        trailers: bool,
    },
}

/// The reason why a message could not be sent.
#[derive(Debug)]
pub(crate) enum SendError<E> {
    /// Its body could not be read.
    Body(E),
    /// The connection is gone.
    Broken,
}

impl<B> Writer<B> {
    fn new(write: WriteHalf, head: Vec<u8>, meter: Meter) -> Self {
        Self {
            write,
            head,
            written: 0,
            chunk: Bytes::new(),
            tail: b"",
            body: None,
            framing: Framing::Plain,
            last: false,
            held: false,
            moved: 0,
            meter,
        }
    }

    /// Whether the complete message is sent.
    pub(crate) fn is_done(&self) -> bool {
        self.body.is_none() && self.is_flushed()
    }

    /// Whether all available bytes are written: the message waits for its body, not for its reader.
    pub(crate) fn is_flushed(&self) -> bool {
        self.written == self.head.len() && self.chunk.is_empty() && self.tail.is_empty()
    }

    /// The rest of the present message's body.
    pub(crate) fn body(&self) -> Option<&B> {
        self.body.as_ref()
    }

    /// Gives up the rest of the present message, and returns its body.
    pub(crate) fn give_up(&mut self) -> Option<B> {
        self.body.take()
    }

    /// Bytes of the present message that were sent, including its head and its framing.
    pub(crate) fn moved(&self) -> u64 {
        self.moved
    }

    /// No message follows the present one, and the connection is closed after it. So a message that fits into
    /// one segment waits for that: a separate segment for the end of the connection would cost about as much.
    pub(crate) fn is_last(&mut self) {
        self.last = true;
    }

    /// Writes bytes before the next message.
    pub(crate) fn put(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.head);
    }

    /// Ends with a reset when the read half is dropped as well: an incomplete message must not look complete.
    pub(crate) fn reset(self) {
        self.write.reset();
    }

    /// Ends the connection when the read half is dropped as well. Bytes that are held back are sent before,
    /// by a shutdown of the write half: otherwise the kernel would discard them if received bytes were never
    /// read.
    pub(crate) fn close(self) {
        if !self.held {
            self.write.forget();
        }
    }

    /// Writes the collected bytes.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let head = &self.head[self.written..];
            let write = &mut self.write;
            let wrote = match (head, &self.chunk[..]) {
                ([], []) if self.tail.is_empty() => break,
                (_, []) if self.tail.is_empty() && self.last && self.body.is_none() => {
                    self.held = true;
                    ready!(write.poll_write_last(cx, head))?
                }
                (_, []) if self.tail.is_empty() => ready!(write.poll_write(cx, head))?,
                (_, chunk) => {
                    let pieces = [head, chunk, self.tail].map(IoSlice::new);
                    ready!(write.poll_write_pieces(cx, &pieces))?
                }
            };
            if wrote == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.moved += wrote as u64;
            self.meter.sent(wrote);
            let of_head = wrote.min(head.len());
            let of_chunk = (wrote - of_head).min(self.chunk.len());
            self.written += of_head;
            self.chunk.advance(of_chunk);
            self.tail = &self.tail[wrote - of_head - of_chunk..];
        }
        self.head.clear();
        self.written = 0;
        // Even an empty chunk would keep its read buffer from being reused.
        self.chunk = Bytes::new();
        Poll::Ready(Ok(()))
    }

    /// Says that nothing more will be written.
    pub(crate) fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write.poll_shutdown(cx)
    }
}

impl<B: Body<Data = Bytes> + Unpin> Writer<B> {
    /// Begins a message, whose head is written by `write_head`. The rest of an earlier message is dropped.
    pub(crate) fn begin(&mut self, body: B, framing: Framing, write_head: impl FnOnce(&mut Vec<u8>)) {
        self.head.drain(..self.written);
        self.head.reserve(HEAD);
        (self.written, self.moved, self.framing, self.last) = (0, 0, framing, false);
        write_head(&mut self.head);
        self.body = Some(body).filter(|body| !body.is_end_stream() || framing != Framing::Plain);
    }

    /// Sends the message as long as there are bytes to send.
    pub(crate) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError<B::Error>>> {
        loop {
            let gathered = self.poll_gather(cx);
            if let Poll::Ready(Err(error)) = gathered {
                // The bytes before the error are sent if that is possible at once.
                let _ = self.poll_flush(cx);
                return Poll::Ready(Err(SendError::Body(error)));
            }
            ready!(self.poll_flush(cx)).map_err(|_| SendError::Broken)?;
            if self.body.is_none() {
                return Poll::Ready(Ok(()));
            }
            if gathered.is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Collects parts of the body, until there is enough to write, or nothing more for now.
    fn poll_gather(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), B::Error>> {
        while self.chunk.is_empty() && self.head.len() - self.written < COPIED {
            let Some(body) = &mut self.body else { return Poll::Ready(Ok(())) };
            let frame = ready!(Pin::new(&mut *body).poll_frame(cx)).transpose()?;
            let ended = frame.is_none() || body.is_end_stream();
            let trailers = frame.and_then(|frame| self.add(frame));
            // The bytes that end the body must follow its last piece.
            if trailers.is_some() || (ended && self.chunk.is_empty()) {
                self.body = None;
                if let Framing::Chunked { trailers: taken } = self.framing {
                    end_chunks(&mut self.head, &trailers.filter(|_| taken).unwrap_or_default());
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Adds a part of the body to the bytes to write; returns trailers.
    fn add(&mut self, frame: Frame<Bytes>) -> Option<HeaderMap> {
        let data = match frame.into_data() {
            Ok(data) if data.is_empty() => return None,
            Ok(data) => data,
            Err(frame) => return frame.into_trailers().ok(),
        };
        let chunked = self.framing != Framing::Plain;
        if chunked {
            begin_chunk(&mut self.head, data.len());
        }
        let tail = if chunked { END_OF_CHUNK } else { b"" };
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
#[path = "wire_tests.rs"]
mod tests;
