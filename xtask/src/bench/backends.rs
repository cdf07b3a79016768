//! Four backends that cost as little as possible, so that what is measured is the proxy.
//!
//! They answer 18 bytes to whatever they are asked, in one thread of this process. Only `/request` gets
//! another answer: the request itself, which shows what a proxy made of it.

use std::net::Ipv4Addr;
use std::sync::mpsc;
use std::{io, thread};

use anyhow::{Context, anyhow};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The path that is answered with the request as the backend saw it.
pub(super) const MIRROR: &str = "/request";

/// 18 bytes of body, as in the measurements that the bars come from.
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 18\r\n\r\nhello from backend";

/// What a request may be at most, in bytes; no proxy here sends anywhere near as much.
const LIMIT: usize = 16 * 1024;

/// Backends that serve for as long as this process lives.
pub(super) struct Backends {
    ports: Vec<u16>,
}

impl Backends {
    /// Starts that many on free ports of the loopback.
    pub(super) fn start(count: usize) -> anyhow::Result<Self> {
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            if let Err(error) = serve_all(count, &tell) {
                let _ = tell.send(Err(error));
            }
        });
        let ports = told.recv().map_err(|_| anyhow!("the backends ended at once"))?;
        Ok(Self { ports: ports.context("the backends do not start")? })
    }

    /// The ports they listen on.
    pub(super) fn ports(&self) -> &[u16] {
        &self.ports
    }
}

fn serve_all(count: usize, tell: &mpsc::Sender<io::Result<Vec<u16>>>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let mut ports = Vec::new();
        let mut accepting = tokio::task::JoinSet::new();
        for _ in 0..count {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            ports.push(listener.local_addr()?.port());
            accepting.spawn(accept(listener));
        }
        let _ = tell.send(Ok(ports));
        while accepting.join_next().await.is_some() {}
        Ok(())
    })
}

/// Serves until a connection cannot be accepted, which only happens when the descriptors run out.
async fn accept(listener: TcpListener) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(converse(stream));
    }
}

/// Answers request after request on one connection.
async fn converse(mut stream: TcpStream) -> io::Result<()> {
    let mut held = Vec::with_capacity(LIMIT);
    loop {
        while let Some(end) = end_of_head(&held) {
            let answer = answer(&held[..end]);
            held.drain(..end);
            stream.write_all(&answer).await?;
        }
        if held.len() >= LIMIT || stream.read_buf(&mut held).await? == 0 {
            return Ok(());
        }
    }
}

/// Where the first request in these bytes ends, if all of it is there. No request here has a body.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

fn answer(head: &[u8]) -> Vec<u8> {
    let is_mirror = head.split(|byte| *byte == b' ').nth(1) == Some(MIRROR.as_bytes());
    if !is_mirror {
        return ANSWER.to_vec();
    }
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", head.len()).into_bytes();
    answer.extend_from_slice(head);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_with_an_empty_line() {
        assert_eq!(end_of_head(b"GET / HTTP/1.1\r\n"), None);
        assert_eq!(end_of_head(b"GET / HTTP/1.1\r\n\r\nGET"), Some(18));
    }

    #[test]
    fn the_answer_has_18_bytes_and_the_mirror_shows_the_request() {
        let plain = answer(b"GET / HTTP/1.1\r\n\r\n");
        assert_eq!(plain.len() - end_of_head(&plain).unwrap(), 18);
        let mirrored = answer(b"GET /request HTTP/1.1\r\nVia: 1.1 x\r\n\r\n");
        assert!(mirrored.ends_with(b"\r\n\r\nGET /request HTTP/1.1\r\nVia: 1.1 x\r\n\r\n"));
    }
}
