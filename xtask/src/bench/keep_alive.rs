//! One keep-alive client, for the loads that `wrk` cannot create.

use std::net::Ipv4Addr;

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: bench.example\r\n\r\n";

/// A keep-alive connection.
pub(super) struct KeepAlive {
    stream: TcpStream,
    held: Vec<u8>,
}

impl KeepAlive {
    /// Connects to a port of the loopback address.
    pub(super) async fn connect(port: u16) -> anyhow::Result<Self> {
        let stream =
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.context("cannot connect to the proxy")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, held: Vec::new() })
    }

    /// Requests the 18 bytes and waits for all of them.
    ///
    /// # Errors
    /// If the answer is not a complete 200: a proxy that drops requests would have less work.
    pub(super) async fn ask(&mut self) -> anyhow::Result<()> {
        self.stream.write_all(REQUEST).await.context("the proxy closed a connection")?;
        self.held.clear();
        loop {
            let read = self.stream.read_buf(&mut self.held).await.context("the proxy broke a connection")?;
            ensure!(read > 0, "the proxy closed a connection instead of an answer");
            if is_whole(&self.held)? {
                return Ok(());
            }
        }
    }
}

/// Whether these bytes are a complete answer; fails if it is not the expected one.
fn is_whole(bytes: &[u8]) -> anyhow::Result<bool> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut answer = httparse::Response::new(&mut headers);
    let head = match answer.parse(bytes).context("the proxy answers something that is not HTTP")? {
        httparse::Status::Complete(head) => head,
        httparse::Status::Partial => return Ok(false),
    };
    ensure!(answer.code == Some(200), "the proxy answers {} under load", answer.code.unwrap_or_default());
    let length = answer.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length: usize = length
        .and_then(|header| str::from_utf8(header.value).ok()?.parse().ok())
        .context("the proxy does not forward the length of an answer")?;
    Ok(bytes.len() >= head + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_with_its_last_byte() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
        for end in 0..answer.len() {
            assert!(!is_whole(&answer[..end]).unwrap(), "{end}");
        }
        assert!(is_whole(answer).unwrap());
    }

    #[test]
    fn other_answers_are_failures() {
        for answer in [
            "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "SSH-2.0-OpenSSH\r\n",
        ] {
            assert!(is_whole(answer.as_bytes()).is_err(), "{answer}");
        }
    }
}
