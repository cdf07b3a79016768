//! Sends always the same request, so that its cost can be counted.
//!
//! Clients and backends that repeat the same few bytes from buffers that they already have. They allocate
//! nothing meanwhile, so they can be in the process whose allocations are counted. One thread sends on all
//! connections and then waits for all answers, so the balancer always has the same number of requests in
//! flight.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// The answer of every backend, as in `cargo xtask bench`.
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 18\r\n\r\nhello from backend";

/// The end of every answer, whatever the balancer does to its head.
const BODY: &[u8] = b"\r\n\r\nhello from backend";

/// The largest request or answer, in bytes; the real ones are much smaller.
const LIMIT: usize = 4096;

/// The time limit for an answer; everything is slow under valgrind.
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts a backend that answers every request with 18 bytes as long as this process runs, and returns its
/// address. Each connection has a thread, because there are few connections, and a blocked thread allocates
/// nothing.
///
/// # Errors
/// If the system has no free port.
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

/// Answers requests without a body until the balancer closes the connection.
fn converse(mut stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = [0; LIMIT];
    while receive(&mut stream, &mut buffer, b"\r\n\r\n")? > 0 {
        stream.write_all(ANSWER)?;
    }
    Ok(())
}

/// Reads until the received bytes end with `end`, and returns their number: zero if the connection ends
/// before.
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

/// Clients of a balancer, each with a keep-alive connection.
#[derive(Debug)]
pub struct Clients {
    connections: Vec<TcpStream>,
    request: Vec<u8>,
}

impl Clients {
    /// Connects this number of clients.
    ///
    /// # Errors
    /// If there is no server at the address.
    pub fn connect(address: SocketAddr, count: usize) -> Result<Self> {
        let connect = |_| {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            Ok(stream)
        };
        let connections = (0..count).map(connect).collect::<Result<_>>();
        // The request head of wrk, the load generator of `cargo xtask bench`.
        let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\n\r\n").into_bytes();
        Ok(Self { connections: connections.context("cannot connect to the balancer")?, request })
    }

    /// Repeats this number of times: each client sends a request, then each waits for its answer.
    ///
    /// # Errors
    /// If an answer is not 200, is not the answer of the backends, or does not come.
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
