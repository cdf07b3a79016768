//! A client that writes given bytes, and shows the bytes of the answer.

use std::io;
use std::net::{SocketAddr, TcpStream};

use super::{Head, Wire};

/// A connection to the balancer.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) wire: Wire,
}

/// A complete answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    /// The machine-readable reason in `Proxy-Status`; empty if there is none.
    pub(crate) fn proxy_error(&self) -> &str {
        let value = self.head.get("proxy-status").unwrap_or_default();
        value.split("error=").nth(1).and_then(|rest| rest.split(';').next()).unwrap_or_default()
    }
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self { wire: Wire::new(TcpStream::connect(address).unwrap()) }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.wire.write(bytes).unwrap();
        self
    }

    /// Sends a request: a request line without its version, and a body with its length.
    pub(crate) fn ask(&mut self, line: &str, body: &[u8]) -> &mut Self {
        let length =
            if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let head = format!("{line} HTTP/1.1\r\nHost: test.localhost\r\n{length}\r\n");
        self.send([head.as_bytes(), body].concat())
    }

    /// Closes the connection with a reset, so that the other side detects it.
    pub(crate) fn leave(self) {
        self.wire.reset_at_end();
    }

    /// Sends a request and reads its answer.
    pub(crate) fn request(&mut self, line: &str, body: &[u8]) -> Answer {
        self.ask(line, body);
        if line.starts_with("HEAD ") { self.bodiless() } else { self.answer() }
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.request(&format!("GET {path}"), b"")
    }

    /// Reads a complete answer.
    pub(crate) fn answer(&mut self) -> Answer {
        self.try_answer().unwrap_or_else(|error| panic!("no whole answer: {error}"))
    }

    /// Reads an answer, or returns how it broke off.
    pub(crate) fn try_answer(&mut self) -> io::Result<Answer> {
        let head = self.head_of_answer()?;
        let status = head.status();
        let bodiless = status < 200 || status == 204 || status == 304;
        let body = if bodiless { Vec::new() } else { self.wire.answer_body(&head)? };
        Ok(Answer { status, head, body })
    }

    /// Reads an answer that has no body, at any headers, such as that to `HEAD`.
    pub(crate) fn bodiless(&mut self) -> Answer {
        let head = self.head_of_answer().unwrap();
        Answer { status: head.status(), head, body: Vec::new() }
    }

    pub(crate) fn head_of_answer(&mut self) -> io::Result<Head> {
        self.wire.head()?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}
