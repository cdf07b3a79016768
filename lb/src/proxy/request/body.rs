//! A request's body that can be sent again while it is held completely.
//!
//! Bytes stream from the client to the backend directly. On their way they are held, up to a limit: a single
//! piece without a copy, several pieces as one copy. While the limit is not exceeded, another try can start
//! at the first byte and continue with bytes that the client has not sent yet. When the limit is exceeded,
//! the held bytes are released, and the request can no longer be repeated: a body must never be sent again in
//! part.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use balance::verdict::Failure;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use crate::proxy::cut::Cut;
use crate::proxy::request::replay_buffer::ReplayBuffer;
use crate::proxy::request::stream::ClientStream;

/// The body of a request, read from the client's connection on demand.
#[derive(Debug)]
pub(crate) struct ClientBody {
    source: ClientStream,
    /// The number of bytes that the body may still have.
    allowed: u64,
    /// Counts the bytes that were read, if they are counted.
    read: Option<Rc<Cell<u64>>>,
}

impl ClientBody {
    /// A body from this source, of at most `allowed` bytes.
    pub(crate) fn new(source: ClientStream, allowed: u64) -> Self {
        Self { source, allowed, read: None }
    }

    /// Counts the bytes of this body there.
    pub(crate) fn count_in(&mut self, read: &Rc<Cell<u64>>) {
        self.read = Some(Rc::clone(read));
    }

    /// Whether the declared length of the body is too large.
    pub(crate) fn is_too_large(&self) -> bool {
        self.source.left().is_some_and(|length| length > self.allowed)
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let frame = ready!(self.source.poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            let length = frame.data_ref().map_or(0, |data| data.len() as u64);
            if let Some(read) = &self.read {
                read.set(read.get() + length);
            }
            match self.allowed.checked_sub(length) {
                Some(left) => self.allowed = left,
                None => return Poll::Ready(Some(Err(Cut::TooLarge))),
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.source.is_end()
    }

    fn size_hint(&self) -> SizeHint {
        self.source.left().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// The reason why the rest of a body cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError<E> {
    /// The client closed its connection, or broke the framing.
    #[error("the client's body ended early")]
    Client(#[source] E),
    /// Another try has taken over this body.
    #[error("another try has taken over")]
    Superseded,
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

/// The body of a request on its way to any backend. `B` is the source from the client.
#[derive(Debug)]
pub(crate) struct ReplayBody<B = ClientBody> {
    /// `None` for the many requests without a body, which cost nothing here.
    shared: Option<Rc<RefCell<Shared<B>>>>,
}

#[derive(Debug)]
struct Shared<B> {
    source: B,
    /// The length that the client declared, if it did.
    length: Option<u64>,
    held: ReplayBuffer,
    limit: usize,
    over: bool,
    ended: bool,
    trailers: Option<HeaderMap>,
    /// Only the latest try may read: the previous one may still be polled while its connection is closed.
    latest: u32,
}

impl<B: Body<Data = Bytes> + Unpin> ReplayBody<B> {
    /// Takes the client's body; up to `limit` bytes of it are held.
    pub(crate) fn new(source: B, limit: usize) -> Self {
        if source.is_end_stream() {
            return Self { shared: None };
        }
        let length = source.size_hint().exact();
        let shared = Shared {
            source,
            length,
            held: ReplayBuffer::default(),
            limit,
            over: false,
            ended: false,
            trailers: None,
            latest: 0,
        };
        Self { shared: Some(Rc::new(RefCell::new(shared))) }
    }

    /// Whether the body can be sent from its first byte on.
    pub(crate) fn is_held(&self) -> bool {
        self.shared.as_ref().is_none_or(|shared| !shared.borrow().over)
    }

    /// Whether its length is known in advance.
    pub(crate) fn has_length(&self) -> bool {
        self.shared.as_ref().is_none_or(|shared| shared.borrow().length.is_some())
    }

    /// The body for one more try, from its first byte. Earlier tries can no longer read.
    pub(crate) fn for_try(&self) -> TryBody<B> {
        let number = self.shared.as_ref().map_or(0, |shared| {
            let mut shared = shared.borrow_mut();
            shared.latest += 1;
            shared.latest
        });
        TryBody { shared: self.shared.clone(), number, bytes: 0, trailed: false }
    }
}

/// The body of one try.
#[derive(Debug)]
pub(crate) struct TryBody<B = ClientBody> {
    shared: Option<Rc<RefCell<Shared<B>>>>,
    number: u32,
    /// Bytes read so far.
    bytes: u64,
    /// The trailers were read.
    trailed: bool,
}

impl<B: Body<Data = Bytes> + Unpin> Body for TryBody<B> {
    type Data = Bytes;
    type Error = BodyError<B::Error>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        let Some(shared) = &this.shared else { return Poll::Ready(None) };
        let shared = &mut *shared.borrow_mut();
        if shared.latest != this.number {
            return Poll::Ready(Some(Err(BodyError::Superseded)));
        }
        let data = match shared.held_from(this.bytes) {
            Some(held) => held,
            None if shared.ended => {
                let trailers = shared.trailers.clone().filter(|_| !this.trailed);
                this.trailed = true;
                return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
            }
            None => match ready!(Pin::new(&mut shared.source).poll_frame(cx)) {
                None => {
                    shared.ended = true;
                    return Poll::Ready(None);
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(BodyError::Client(error)))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        shared.hold(&data);
                        data
                    }
                    Err(other) => {
                        shared.ended = true;
                        shared.trailers = other.trailers_ref().cloned();
                        this.trailed = true;
                        return Poll::Ready(Some(Ok(other)));
                    }
                },
            },
        };
        this.bytes += data.len() as u64;
        if shared.source.is_end_stream() && !shared.holds_more(this.bytes) {
            shared.ended = true;
        }
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.shared.as_ref().is_none_or(|shared| {
            let shared = shared.borrow();
            shared.ended && !shared.holds_more(self.bytes) && (self.trailed || shared.trailers.is_none())
        })
    }

    fn size_hint(&self) -> SizeHint {
        match &self.shared {
            None => SizeHint::with_exact(0),
            Some(shared) => match shared.borrow().length {
                Some(length) => SizeHint::with_exact(length.saturating_sub(self.bytes)),
                None => SizeHint::default(),
            },
        }
    }
}

impl<B> Shared<B> {
    fn hold(&mut self, data: &Bytes) {
        self.over |= self.held.len() + data.len() > self.limit;
        if self.over {
            self.held = ReplayBuffer::default();
        } else {
            let length = self.length.and_then(|length| usize::try_from(length).ok());
            self.held.push(data, length.filter(|length| *length <= self.limit));
        }
    }

    /// Whether more than the first `read` bytes is held.
    fn holds_more(&self, read: u64) -> bool {
        (self.held.len() as u64) > read
    }

    /// The held bytes after the first `read` bytes.
    fn held_from(&self, read: u64) -> Option<Bytes> {
        usize::try_from(read).ok().filter(|_| self.holds_more(read)).map(|read| self.held.from(read))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    type Source = Pin<Box<dyn Body<Data = Bytes, Error = Infallible>>>;

    fn body(chunks: &'static [&'static str], limit: usize) -> ReplayBody<Source> {
        let frames = chunks.iter().map(|chunk| Ok(Frame::data(Bytes::from_static(chunk.as_bytes()))));
        ReplayBody::new(Box::pin(StreamBody::new(Chunks(frames))), limit)
    }

    struct Chunks<I>(I);

    impl<I: Iterator + Unpin> futures_core::Stream for Chunks<I> {
        type Item = I::Item;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<I::Item>> {
            Poll::Ready(self.0.next())
        }
    }

    async fn read(body: TryBody<Source>) -> String {
        String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn every_try_sends_the_whole_body() {
        let body = body(&["one ", "two ", "three"], 64);
        assert_eq!(read(body.for_try()).await, "one two three");
        assert!(body.is_held());
        assert_eq!(read(body.for_try()).await, "one two three");
    }

    #[tokio::test]
    async fn a_try_that_stopped_halfway_is_taken_over_from_the_start() {
        let body = body(&["one ", "two ", "three"], 64);
        let mut first = body.for_try();
        first.frame().await.unwrap().unwrap();
        let second = body.for_try();
        assert!(matches!(first.frame().await, Some(Err(BodyError::Superseded))));
        assert_eq!(read(second).await, "one two three");
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_sent_once_and_not_held() {
        let body = body(&["one ", "two ", "three"], 8);
        assert!(body.is_held());
        assert_eq!(read(body.for_try()).await, "one two three");
        assert!(!body.is_held());
    }

    #[tokio::test]
    async fn no_body_is_always_held() {
        let body = ReplayBody::new(http_body_util::Empty::<Bytes>::new(), 0);
        assert!(body.is_held() && body.shared.is_none());
        assert!(body.for_try().is_end_stream());
    }
}
