//! Is a client still there? The end of its data does not decide this: a client that sends nothing more may
//! close its side of the connection and read on (RFC 9112, section 9.6). A reset says that the client has
//! left, and so does a write that fails.
//!
//! At first, a client that closes its socket looks the same as a client that closes one side: the kernel
//! learns the difference only from the reply to something that it sends. So the balancer makes the kernel
//! send TCP's own probes, and asks the kernel whether a reset has come. A runtime would not report this: it
//! reports an end once.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::proxy::http1::body::Found;
use crate::proxy::wire::Reader;
use crate::transport::ReadHalf;

/// Bytes that are read in advance while a request is in progress, to notice when its client leaves.
const AHEAD: usize = 64 * 1024;

/// The first pause between two questions to the kernel. Each pause is twice as long as the one before.
const FIRST: Duration = Duration::from_millis(10);

/// The longest pause: a reset is noticed with at most this delay.
const LONGEST: Duration = Duration::from_secs(1);

/// The state of a client while its request is in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// The client is there, or nothing shows that it is not.
    Here,
    /// The client has left.
    Left,
    /// The client sends nothing more, and its request is incomplete.
    CutShort,
}

/// Checks whether a client is there. It costs nothing while the client may still send something.
#[derive(Debug, Default)]
pub(crate) struct Watch(Option<Box<Questions>>);

/// The schedule of the questions to the kernel.
#[derive(Debug)]
struct Questions {
    next: Pin<Box<Sleep>>,
    pause: Duration,
    /// Whether the request is complete was checked.
    checked: bool,
}

impl Watch {
    /// The next request begins.
    pub(crate) fn begin(&mut self) {
        if let Some(questions) = &mut self.0 {
            questions.checked = false;
        }
    }

    /// Checks whether the client is there. Bytes that come meanwhile are kept for their reader: they are the
    /// rest of the present body, or further requests. With `aborts`, the end of the client's data counts as
    /// the end of the client.
    pub(crate) fn look(
        &mut self,
        incoming: &RefCell<Reader>,
        aborts: impl FnOnce() -> bool,
        cx: &mut Context<'_>,
    ) -> Presence {
        let incoming = &mut *incoming.borrow_mut();
        while !incoming.ended && incoming.buffer.len() < AHEAD {
            match incoming.poll_fill(cx) {
                // The reader of the body must be woken.
                Poll::Ready(Ok(_)) if !incoming.body.is_end() => cx.waker().wake_by_ref(),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return Presence::Left,
                Poll::Pending => return Presence::Here,
            }
        }
        self.look_closer(incoming, aborts, cx)
    }

    /// The same, while another task reads the bytes of the client.
    pub(crate) fn look_only(&mut self, incoming: &RefCell<Reader>, cx: &mut Context<'_>) -> Presence {
        self.ask(&incoming.borrow().read, cx)
    }

    /// Checks a client that has sent its last byte, or more than is read in advance.
    #[cold]
    fn look_closer(
        &mut self,
        incoming: &Reader,
        aborts: impl FnOnce() -> bool,
        cx: &mut Context<'_>,
    ) -> Presence {
        let questions = self.0.get_or_insert_with(Questions::new);
        if incoming.ended && !std::mem::replace(&mut questions.checked, true) {
            if aborts() {
                return Presence::Left;
            }
            if !is_whole(incoming) {
                return Presence::CutShort;
            }
            incoming.read.probe();
        }
        self.ask(&incoming.read, cx)
    }

    fn ask(&mut self, stream: &ReadHalf, cx: &mut Context<'_>) -> Presence {
        let questions = self.0.get_or_insert_with(Questions::new);
        loop {
            if stream.is_reset() {
                return Presence::Left;
            }
            match questions.poll_next(cx) {
                Poll::Ready(()) => {}
                Poll::Pending => return Presence::Here,
            }
        }
    }
}

impl Questions {
    fn new() -> Box<Self> {
        Box::new(Self { next: Box::pin(tokio::time::sleep(FIRST)), pause: FIRST, checked: false })
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.next.as_mut().poll(cx));
        self.pause = (self.pause * 2).min(LONGEST);
        self.next.as_mut().reset(Instant::now() + self.pause);
        Poll::Ready(())
    }
}

/// Whether the rest of the present request is already in the buffer.
fn is_whole(incoming: &Reader) -> bool {
    let (mut body, mut rest) = (incoming.body, incoming.buffer.clone());
    loop {
        match body.take(&mut rest) {
            Ok(Found::Nothing) => return false,
            Ok(Found::Frame(_)) if !body.is_end() => {}
            // The reader finds out what is wrong with it.
            Ok(_) | Err(_) => return true,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use socket2::SockRef;
    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::observe::Meter;
    use crate::proxy::downstream::answer::AnswerBody;
    use crate::proxy::http1::body::{Chunk, Decoder};
    use crate::proxy::wire::{self, Buffers};

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (stream, listener.accept().await.unwrap().0)
    }

    /// The presence of a client that sends these bytes and no more, in this kind of body.
    async fn seen(body: Decoder, bytes: &[u8], aborts: bool) -> Presence {
        let (mut client, ours) = pair().await;
        let (mut reader, _writer) =
            wire::split::<AnswerBody>(ours.into(), 1024, Buffers::default(), Meter::default());
        reader.body = body;
        client.write_all(bytes).await.unwrap();
        client.shutdown().await.unwrap();
        let (reader, mut watch) = (RefCell::new(reader), Watch::default());
        poll_fn(|cx| {
            let presence = watch.look(&reader, || aborts, cx);
            if reader.borrow().ended { Poll::Ready(presence) } else { Poll::Pending }
        })
        .await
    }

    #[tokio::test]
    async fn an_end_says_whether_the_request_is_whole() {
        let chunks = Decoder::Chunked(Chunk::Size, 0);
        let table = [
            (Decoder::Length(0), &b""[..], Presence::Here),
            (Decoder::Length(0), b"GET / HTTP/1.1\r\n", Presence::Here),
            (Decoder::Length(3), b"abc", Presence::Here),
            (Decoder::Length(3), b"abcGET /", Presence::Here),
            (Decoder::Length(3), b"ab", Presence::CutShort),
            (chunks, b"1\r\na\r\n0\r\n\r\n", Presence::Here),
            (chunks, b"1\r\na\r\n0\r\nX: y\r\n\r\n", Presence::Here),
            (chunks, b"1\r\na\r\n0\r\n", Presence::CutShort),
            (chunks, b"1\r\na", Presence::CutShort),
            (chunks, b"", Presence::CutShort),
            (chunks, b"1\r\na\r\nzz\r\n", Presence::Here),
        ];
        for (body, bytes, expected) in table {
            assert_eq!(seen(body, bytes, false).await, expected, "{body:?} {}", bytes.escape_ascii());
        }
        assert_eq!(seen(Decoder::Length(0), b"", true).await, Presence::Left);
    }

    #[tokio::test]
    async fn a_reset_behind_the_end_is_noticed() {
        let (mut client, ours) = pair().await;
        let (reader, _writer) =
            wire::split::<AnswerBody>(ours.into(), 1024, Buffers::default(), Meter::default());
        client.shutdown().await.unwrap();
        let (reader, mut watch) = (RefCell::new(reader), Watch::default());
        let mut client = Some(client);
        poll_fn(|cx| {
            if watch.look(&reader, || false, cx) == Presence::Left {
                assert!(client.is_none(), "it is still there");
                return Poll::Ready(());
            }
            if reader.borrow().ended
                && let Some(client) = client.take()
            {
                SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
            }
            Poll::Pending
        })
        .await;
    }
}
