//! HTTP/1.1 as bytes on a socket, read without the library under test.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use socket2::SockRef;

use super::PATIENCE;

/// A socket, and the bytes that were read and not yet consumed.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
    /// All bytes that were read, if a test wants them.
    record: Option<Vec<u8>>,
}

/// The first line and the headers of a message.
#[derive(Debug, Clone, Default)]
pub(crate) struct Head {
    /// The text as it arrived, with all line ends; bytes that are not UTF-8 are replaced.
    pub(crate) text: String,
}

impl Head {
    /// The request line or the status line.
    pub(crate) fn first_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    /// An answer's status.
    pub(crate) fn status(&self) -> u16 {
        self.first_line().split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
    }

    /// All values of a header, in order.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let lines = self.text.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }

    /// The only value of a header.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "'{name}' more than once in\n{}", self.text);
        all.first().copied()
    }

    /// The only value of each of several headers.
    pub(crate) fn values<const N: usize>(&self, names: [&str; N]) -> [Option<&str>; N] {
        names.map(|name| self.get(name))
    }

    /// Whether a body follows the head of a request.
    pub(crate) fn has_body(&self) -> bool {
        self.is_chunked() || self.content_length().is_some_and(|length| length > 0)
    }

    fn is_chunked(&self) -> bool {
        self.get("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
    }

    fn content_length(&self) -> Option<usize> {
        self.get("content-length").map(|length| length.parse().expect("a length"))
    }
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new(), record: None }
    }

    /// Keeps all bytes that are read from now on.
    pub(crate) fn recording(self) -> Self {
        Self { record: Some(Vec::new()), ..self }
    }

    /// All bytes that were read since.
    pub(crate) fn recorded(&self) -> &[u8] {
        self.record.as_deref().unwrap_or_default()
    }

    pub(crate) fn write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Reads a head. `None` at a clean end before its first byte.
    pub(crate) fn head(&mut self) -> io::Result<Option<Head>> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                let head: Vec<_> = self.buffer.drain(..end + 4).collect();
                return Ok(Some(Head { text: String::from_utf8_lossy(&head).into_owned() }));
            }
            match self.fill()? {
                0 if self.buffer.is_empty() => return Ok(None),
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                _ => {}
            }
        }
    }

    /// Reads the body of a request.
    pub(crate) fn request_body(&mut self, head: &Head) -> io::Result<Vec<u8>> {
        match (head.is_chunked(), head.content_length()) {
            (true, _) => self.chunks(),
            (false, length) => self.exactly(length.unwrap_or(0)),
        }
    }

    /// Reads the body of an answer, if necessary to the end of the connection.
    pub(crate) fn answer_body(&mut self, head: &Head) -> io::Result<Vec<u8>> {
        match (head.is_chunked(), head.content_length()) {
            (true, _) => self.chunks(),
            (false, Some(length)) => self.exactly(length),
            (false, None) => self.rest(),
        }
    }

    pub(crate) fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            if self.fill()? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.buffer.drain(..length).collect())
    }

    /// All bytes until the other side closes.
    pub(crate) fn rest(&mut self) -> io::Result<Vec<u8>> {
        while self.fill()? > 0 {}
        Ok(std::mem::take(&mut self.buffer))
    }

    /// Whether the other side closes without sending more bytes.
    pub(crate) fn closes(&mut self) -> bool {
        let closed = match self.fill() {
            Ok(read) => read == 0,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        };
        closed && self.buffer.is_empty()
    }

    /// Closes the sending side of the connection.
    pub(crate) fn finish(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Ends this connection with a reset. Bytes that were written before still arrive.
    pub(crate) fn reset_at_end(&self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size =
                usize::from_str_radix(size, 16).map_err(|_| io::Error::from(ErrorKind::InvalidData))?;
            if size == 0 {
                while !self.line()?.is_empty() {}
                return Ok(body);
            }
            body.extend(self.exactly(size)?);
            assert_eq!(self.exactly(2)?, b"\r\n");
        }
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|window| window == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).take(end).collect();
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            if self.fill()? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut some = [0; 16 * 1024];
        // A read with a time limit does not start again after a signal, such as when the machine sleeps.
        let read = loop {
            match self.stream.read(&mut some) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.buffer.extend_from_slice(&some[..read]);
        if let Some(record) = &mut self.record {
            record.extend_from_slice(&some[..read]);
        }
        Ok(read)
    }
}

/// A body in chunks of the given texts, with its end.
pub(crate) fn chunked(chunks: &[&str]) -> String {
    let chunks = chunks.iter().map(|chunk| format!("{:x}\r\n{chunk}\r\n", chunk.len()));
    chunks.chain(["0\r\n\r\n".to_owned()]).collect()
}
