use std::future::poll_fn;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::super::answer::AnswerBody;
use super::*;

const ROOM: usize = 1024;

#[tokio::test]
async fn a_closed_connection_gives_its_buffers_back_unless_they_are_large() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for (bytes, are_kept) in [(100, true), (ROOM, false)] {
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut other, _) = listener.accept().await.unwrap();
        let (mut reader, mut writer) =
            split::<AnswerBody>(stream, ROOM, Buffers::default(), Meter::default());
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
