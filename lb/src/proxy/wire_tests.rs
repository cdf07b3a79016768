//! Tests: how bytes are read, written and kept back on a socket.

use std::future::poll_fn;

use std::mem::MaybeUninit;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::proxy::downstream::answer::AnswerBody;

const ROOM: usize = 1024;

/// A connection on this side, and its other side.
async fn connection() -> (Reader, Writer<AnswerBody>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (reader, writer) = split(stream.into(), ROOM, Buffers::default(), Meter::default());
    (reader, writer, listener.accept().await.unwrap().0)
}

#[tokio::test]
async fn a_closed_connection_gives_its_buffers_back_unless_they_are_large() {
    for (bytes, are_kept) in [(100, true), (ROOM, false)] {
        let (mut reader, mut writer, mut other) = connection().await;
        other.write_all(&vec![b'x'; bytes]).await.unwrap();
        while reader.buffer.len() < bytes {
            poll_fn(|cx| reader.poll_fill(cx)).await.unwrap();
        }
        writer.put(|out| out.extend_from_slice(b"never sent"));

        let Buffers { incoming, outgoing } = close(reader, writer);
        assert!(incoming.is_empty() && outgoing.is_empty(), "nothing of this one is for the next one");
        assert_eq!((incoming.capacity() > 0, outgoing.capacity() > 0), (are_kept, are_kept), "{bytes} bytes");
        assert_eq!(other.read(&mut [0]).await.unwrap(), 0, "the other side sees the end");
    }
}

#[tokio::test]
async fn the_last_message_leaves_with_the_end_even_if_received_bytes_were_never_read() {
    for something_came in [false, true] {
        let (reader, mut writer, mut other) = connection().await;
        if something_came {
            other.write_all(b"are you there").await.unwrap();
            let ReadHalf::Plain(read) = &reader.read;
            read.readable().await.unwrap();
        }
        for (message, is_last) in [("one", false), ("the last", true)] {
            let body = AnswerBody::Own(Some(message.into()));
            writer.begin(body, Framing::Plain, |_| {});
            if is_last {
                writer.is_last();
            }
            poll_fn(|cx| writer.poll_send(cx)).await.unwrap();
        }
        // The bytes get to the other side within the call into the kernel.
        assert_eq!(SockRef::from(&other).peek(&mut [MaybeUninit::uninit(); 20]).unwrap(), "one".len());

        close(reader, writer);
        let mut seen = [0; 11];
        other.read_exact(&mut seen).await.unwrap();
        assert_eq!(&seen, b"onethe last");
        assert_eq!(other.read(&mut [0]).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_reset_is_no_end_even_if_the_end_was_to_come() {
    let (reader, mut writer, mut other) = connection().await;
    writer.begin(AnswerBody::Own(Some("the last".into())), Framing::Plain, |_| {});
    writer.is_last();
    poll_fn(|cx| writer.poll_send(cx)).await.unwrap();

    writer.reset();
    drop(reader);
    let seen = other.read_to_end(&mut Vec::new()).await;
    assert_eq!(seen.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}
