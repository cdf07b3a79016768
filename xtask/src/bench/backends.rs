//! Four backends with the lowest possible cost, so that the bench measures the proxy.
//!
//! One thread of this process answers every request with 18 bytes, or with the number in the path
//! (`/bytes/65536`), and discards uploads. Only `/request` gets another answer: the request itself, which
//! shows how a proxy changed it.

use std::net::Ipv4Addr;
use std::sync::mpsc;
use std::{io, str, thread};

use anyhow::{Context, anyhow};
use bytes::Buf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The path whose answer is the request as the backend got it.
pub(super) const MIRROR: &str = "/request";

/// The beginning of paths that contain the size of the answer.
pub(super) const BYTES: &str = "/bytes/";

/// The largest answer, in bytes: one mebibyte.
pub(super) const MOST: usize = 1024 * 1024;

/// 18 bytes of body, as in the measurements that the targets come from.
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 18\r\n\r\nhello from backend";

/// The source of all longer answers.
static FILLER: [u8; MOST] = [0; MOST];

/// The largest head of a request, in bytes; the heads from these proxies are much smaller.
const LIMIT: usize = 16 * 1024;

/// The number of bytes of an upload that are read at once.
const GULP: usize = 64 * 1024;

/// Backends that serve as long as this process runs.
pub(super) struct Backends {
    ports: Vec<u16>,
}

impl Backends {
    /// Starts this number of backends on free ports of the loopback address.
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

    /// The ports of the backends.
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

/// Serves until a connection cannot be accepted, which happens only without free descriptors.
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
    // Empty until there is an upload.
    let mut gulp = Vec::new();
    loop {
        while let Some(end) = end_of_head(&held) {
            let head = &held[..end];
            let (answer, upload) = (Reply::to(head), length_of_body(head)?);
            let here = upload.min(held.len() - end);
            held.drain(..end + here);
            swallow(&mut stream, upload - here, &mut gulp).await?;
            answer.send(&mut stream).await?;
        }
        if held.len() >= LIMIT || stream.read_buf(&mut held).await? == 0 {
            return Ok(());
        }
    }
}

/// Reads this number of bytes and discards them.
async fn swallow(stream: &mut TcpStream, mut left: usize, gulp: &mut Vec<u8>) -> io::Result<()> {
    if left > 0 {
        gulp.resize(GULP, 0);
    }
    while left > 0 {
        let most = left.min(GULP);
        match stream.read(&mut gulp[..most]).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => left -= read,
        }
    }
    Ok(())
}

/// The position of the end of the first head, if it is complete.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// The number of bytes after the head of a request. Only POST has uploads, so the headers of other methods
/// are not read.
fn length_of_body(head: &[u8]) -> io::Result<usize> {
    if !head.starts_with(b"POST ") {
        return Ok(0);
    }
    let mut lines = str::from_utf8(head).unwrap_or_default().lines();
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    // Then the connection breaks, the proxy answers 502, and the bench fails.
    length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "an upload without a length"))
}

/// The answer to a request.
#[derive(Debug, PartialEq)]
enum Reply {
    /// The 18 bytes.
    Short,
    /// This number of bytes.
    Bytes(usize),
    /// The request.
    Mirror(Vec<u8>),
}

impl Reply {
    fn to(head: &[u8]) -> Self {
        let path = head.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        if path == MIRROR.as_bytes() {
            return Self::Mirror(head.to_vec());
        }
        let wanted =
            path.strip_prefix(BYTES.as_bytes()).and_then(|digits| str::from_utf8(digits).ok()?.parse().ok());
        wanted.map_or(Self::Short, |wanted: usize| Self::Bytes(wanted.min(MOST)))
    }

    async fn send(&self, stream: &mut TcpStream) -> io::Result<()> {
        let body = match self {
            Self::Short => return stream.write_all(ANSWER).await,
            Self::Bytes(wanted) => &FILLER[..*wanted],
            Self::Mirror(request) => request,
        };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all_buf(&mut Buf::chain(head.as_bytes(), body)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_with_an_empty_line() {
        assert_eq!(end_of_head(b"GET / HTTP/1.1\r\n"), None);
        assert_eq!(end_of_head(b"GET / HTTP/1.1\r\n\r\nGET"), Some(18));
        assert_eq!(ANSWER.len() - end_of_head(ANSWER).unwrap(), 18);
    }

    #[test]
    fn the_path_says_what_the_answer_is() {
        for (path, expected) in [
            ("/", Reply::Short),
            ("/bytes/65536", Reply::Bytes(65_536)),
            ("/bytes/99999999", Reply::Bytes(MOST)),
            ("/bytes/many", Reply::Short),
            ("/request", Reply::Mirror(b"GET /request HTTP/1.1\r\n\r\n".to_vec())),
        ] {
            assert_eq!(Reply::to(format!("GET {path} HTTP/1.1\r\n\r\n").as_bytes()), expected, "{path}");
        }
    }

    #[test]
    fn an_upload_says_how_long_it_is() {
        for (head, expected) in [
            ("GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", Some(0)),
            ("POST / HTTP/1.1\r\nHost: a\r\ncontent-length: 1048576\r\n\r\n", Some(MOST)),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", None),
            ("POST / HTTP/1.1\r\nContent-Length: long\r\n\r\n", None),
        ] {
            assert_eq!(length_of_body(head.as_bytes()).ok(), expected, "{head:?}");
        }
    }

    #[tokio::test]
    async fn uploads_are_swallowed_and_the_next_request_is_answered() {
        let backends = Backends::start(1).unwrap();
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, backends.ports()[0])).await.unwrap();
        let mut sent = b"POST / HTTP/1.1\r\nContent-Length: 300000\r\n\r\n".to_vec();
        sent.resize(sent.len() + 300_000, b'x');
        sent.extend_from_slice(b"GET /bytes/5 HTTP/1.1\r\n\r\n");
        stream.write_all(&sent).await.unwrap();
        let mut expected = ANSWER.to_vec();
        expected.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n\0\0\0\0\0");
        let mut answers = vec![0; expected.len()];
        stream.read_exact(&mut answers).await.unwrap();
        assert_eq!(answers, expected);
    }
}
