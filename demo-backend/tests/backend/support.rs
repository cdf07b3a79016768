//! Starts a backend on free ports, and talks to it byte by byte.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The longest wait in these tests; a test that waits so long has failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// A running backend; it ends when this value is dropped.
pub(crate) struct Backend {
    /// The agent's process.
    pub(crate) agent: Child,
    /// The address of the worker.
    pub(crate) data: SocketAddr,
    /// The address for commands.
    pub(crate) control: SocketAddr,
}

impl Backend {
    /// Starts backend 7 on free ports.
    pub(crate) fn start() -> Self {
        Self::with_flags(&[])
    }

    pub(crate) fn with_flags(flags: &[&str]) -> Self {
        let mut agent = command(&["--id", "7", "--port", "0"]).args(flags).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(agent.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (data, control) = line
            .trim_end()
            .strip_prefix("listening on http://")
            .and_then(|rest| rest.split_once(", control on http://"))
            .unwrap_or_else(|| panic!("the first line is {line:?}"));
        Self { data: data.parse().unwrap(), control: control.parse().unwrap(), agent }
    }

    /// Sends a command such as "POST /kill", and expects 200.
    pub(crate) fn order(&self, command: &str) -> Value {
        self.order_with(command, "")
    }

    pub(crate) fn order_with(&self, command: &str, body: &str) -> Value {
        let (status, value) = self.try_order(command, body);
        assert_eq!(status, 200, "{command} {body}: {value}");
        value
    }

    pub(crate) fn try_order(&self, command: &str, body: &str) -> (u16, Value) {
        let request = format!(
            "{command} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.control,
            body.len()
        );
        let answer = Answer::parse(&Client::connect(self.control).send(&request).rest().unwrap());
        let value = serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("not JSON: {answer:?}"));
        (answer.status, value)
    }

    /// Replaces all faults, and checks that they are active at once.
    pub(crate) fn faults(&self, faults: &str) {
        assert_eq!(self.order_with("PUT /faults", faults)["applied"], true);
    }

    /// Requests a path on a new connection.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.get_with(path, "")
    }

    /// The same, with header lines that each end in `\r\n`.
    pub(crate) fn get_with(&self, path: &str, headers: &str) -> Answer {
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{headers}\r\n");
        Answer::parse(&self.client().send(&request).rest().unwrap())
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.data)
    }

    /// Whether the data port refuses connections.
    pub(crate) fn refuses(&self) -> bool {
        refuses(self.data)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let _ = self.agent.kill();
        let _ = self.agent.wait();
    }
}

/// The program, with pipes for all its standard streams.
pub(crate) fn command(flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_demo-backend"));
    command.args(flags).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn refuses(address: SocketAddr) -> bool {
    matches!(TcpStream::connect(address), Err(error) if error.kind() == ErrorKind::ConnectionRefused)
}

/// Waits until a condition holds.
pub(crate) fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < DEADLINE, "still not true: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// One connection.
pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Self(BufReader::new(stream))
    }

    pub(crate) fn send(&mut self, bytes: &str) -> &mut Self {
        self.0.get_mut().write_all(bytes.as_bytes()).unwrap();
        self
    }

    /// Requests a path and keeps the connection.
    pub(crate) fn ask(&mut self, path: &str) -> &mut Self {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"))
    }

    /// All bytes up to the end of the connection, or the error.
    pub(crate) fn rest(&mut self) -> Result<Vec<u8>, ErrorKind> {
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes).map(|_| bytes).map_err(|error| error.kind())
    }

    /// The bytes before the connection ended, in any way.
    pub(crate) fn until_broken(&mut self) -> (String, Option<ErrorKind>) {
        let mut bytes = Vec::new();
        let error = self.0.read_to_end(&mut bytes).err().map(|error| error.kind());
        (String::from_utf8_lossy(&bytes).into_owned(), error)
    }

    /// One line of the answer.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line
    }

    /// One answer with a Content-Length, on a connection that stays open.
    pub(crate) fn answer(&mut self) -> Answer {
        let head = self.head();
        let length = head.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        Answer { body: self.take(length), ..head }
    }

    /// The head of an answer.
    pub(crate) fn head(&mut self) -> Answer {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let line = self.line();
            assert_ne!(line, "", "the connection ended inside a head: {head:?}");
            head += &line;
        }
        Answer::parse(head.as_bytes())
    }

    /// This many bytes.
    pub(crate) fn take(&mut self, length: usize) -> String {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// Whether no byte comes for this time.
    pub(crate) fn is_silent_for(&mut self, time: Duration) -> bool {
        self.0.get_ref().set_read_timeout(Some(time)).unwrap();
        let error = self.0.read(&mut [0]).err().map(|error| error.kind());
        self.0.get_ref().set_read_timeout(Some(DEADLINE)).unwrap();
        matches!(error, Some(ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP: {text:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status: {text:?}"));
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}
