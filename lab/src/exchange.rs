//! How does one send always the same, so that what it costs can be counted?
//!
//! Clients and backends that say the same few bytes again and again, from buffers that they already have: they
//! allocate nothing while they do, so they can live in the process whose allocations are counted. One thread asks on
//! all connections and then waits for all answers, so the balancer always has as many requests in flight.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// What every backend answers, as those of `cargo xtask bench` do.
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 18\r\n\r\nhello from backend";

/// How every answer ends, whatever the balancer does to its head.
const BODY: &[u8] = b"\r\n\r\nhello from backend";

/// What a request or an answer may be at most, in bytes; none here is near it.
const LIMIT: usize = 4096;

/// How long an answer may take; under valgrind everything takes its time.
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts a backend that answers 18 bytes to whatever it is asked, for as long as this process lives, and returns
/// where it listens. Each connection is a thread, as there are few and a thread that blocks allocates nothing.
///
/// # Errors
/// When the system has no port for it.
pub fn backend() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot start a backend")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || converse(stream));
        }
    });
    Ok(address)
}

/// Answers request after request, none of which has a body, until the balancer closes the connection.
fn converse(mut stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = [0; LIMIT];
    while receive(&mut stream, &mut buffer, b"\r\n\r\n")? > 0 {
        stream.write_all(ANSWER)?;
    }
    Ok(())
}

/// Reads until what has come ends with `end`, and returns how much that is: nothing if the connection ends before.
fn receive(stream: &mut TcpStream, buffer: &mut [u8; LIMIT], end: &[u8]) -> Result<usize> {
    let mut held = 0;
    while !buffer[..held].ends_with(end) {
        let read = match stream.read(&mut buffer[held..]) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => read.context("nothing came")?,
        };
        ensure!(
            read > 0 || held == 0,
            "it ends in the middle: {:?}",
            String::from_utf8_lossy(&buffer[..held])
        );
        if read == 0 {
            return Ok(0);
        }
        held += read;
    }
    Ok(held)
}

/// Clients of a balancer, each with a connection that it keeps.
#[derive(Debug)]
pub struct Clients {
    connections: Vec<TcpStream>,
    request: Vec<u8>,
}

impl Clients {
    /// Connects so many clients.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn connect(address: SocketAddr, count: usize) -> Result<Self> {
        let connect = |_| {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            Ok(stream)
        };
        let connections = (0..count).map(connect).collect::<Result<_>>();
        // The head of wrk, the load generator of `cargo xtask bench`.
        let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\n\r\n").into_bytes();
        Ok(Self { connections: connections.context("cannot connect to the balancer")?, request })
    }

    /// So many times: each client sends a request, then each waits for its answer.
    ///
    /// # Errors
    /// When an answer is no 200, is not what the backends say, or does not come.
    pub fn exchange(&mut self, rounds: usize) -> Result<()> {
        let mut buffer = [0; LIMIT];
        for _ in 0..rounds {
            for connection in &mut self.connections {
                connection.write_all(&self.request).context("the balancer takes no more requests")?;
            }
            for connection in &mut self.connections {
                let held = receive(connection, &mut buffer, BODY)?;
                ensure!(
                    buffer[..held].starts_with(b"HTTP/1.1 200 "),
                    "not a 200: {:?}",
                    String::from_utf8_lossy(&buffer[..held])
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_gets_its_answers() {
        let mut clients = Clients::connect(backend().unwrap(), 3).unwrap();
        clients.exchange(2).unwrap();
    }

    #[test]
    fn an_answer_that_is_none_is_an_error() {
        for (answer, expected) in [
            ("", "not a 200: \"\""),
            ("HTTP/1.1 200 OK\r\n", "it ends in the middle: \"HTTP/1.1 200 OK"),
            ("HTTP/1.1 502 Bad Gateway\r\n\r\nhello from backend", "not a 200: \"HTTP/1.1 502"),
        ] {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let mut clients = Clients::connect(listener.local_addr().unwrap(), 1).unwrap();
            let server = thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                receive(&mut stream, &mut [0; LIMIT], b"\r\n\r\n").unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
            });
            let error = clients.exchange(1).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            server.join().unwrap();
        }
    }
}
