//! Bad clients: those that close their connections while they wait, and those that are extremely slow.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::net::sockopt::set_socket_linger;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;

/// A slow client sends or reads one byte in this time.
const PACE: Duration = Duration::from_secs(1);

/// The turns of slow clients are spread over the time.
const TURNS: u32 = 100;

/// The size of the receive buffer of a slow reader, in bytes.
const WINDOW: u32 = 4096;

/// Many clients of one kind, each on a connection of its own.
#[derive(Debug)]
pub struct Crowd {
    waiting: Vec<TcpStream>,
}

/// Many slow clients, which stay slow until this value is dropped.
#[derive(Debug)]
pub struct SlowCrowd {
    dawdling: JoinHandle<()>,
}

impl Crowd {
    /// Makes each of this number of clients send a GET; none reads the answer. To be sure that all of them
    /// are in flight, wait until the balancer reports it.
    ///
    /// # Errors
    /// If the server cannot be reached.
    pub async fn ask(server: SocketAddr, clients: usize, path: &str) -> Result<Self> {
        Self::send(server, clients, &format!("GET {path} HTTP/1.1\r\nHost: {server}\r\n\r\n")).await
    }

    /// Makes each of this number of clients request this path and read the answer at a byte a second. Returns
    /// when each of them has something to read.
    ///
    /// # Errors
    /// As [`Crowd::ask`].
    pub async fn read_slowly(server: SocketAddr, clients: usize, path: &str) -> Result<SlowCrowd> {
        let crowd = Self::ask(server, clients, path).await?;
        for stream in &crowd.waiting {
            stream.readable().await.context("a slow reader got no answer")?;
        }
        Ok(crowd.dawdle(|stream| stream.try_read(&mut [0])))
    }

    /// Makes each of this number of clients begin a request with an endless head, at a byte a second.
    ///
    /// # Errors
    /// As [`Crowd::ask`].
    pub async fn ask_slowly(server: SocketAddr, clients: usize) -> Result<SlowCrowd> {
        let crowd =
            Self::send(server, clients, &format!("GET / HTTP/1.1\r\nHost: {server}\r\nX-Slow: ")).await?;
        Ok(crowd.dawdle(|stream| stream.try_write(b"x")))
    }

    /// Makes each of this number of clients begin to send a body to this path, whose answer must begin before
    /// the body has ended. Returns when each of them has read the beginning of its answer; none sends any
    /// more.
    ///
    /// # Errors
    /// As [`Crowd::ask`].
    pub async fn upload(server: SocketAddr, clients: usize, path: &str) -> Result<Self> {
        let request =
            format!("POST {path} HTTP/1.1\r\nHost: {server}\r\nContent-Length: 1000000\r\n\r\nbegun");
        let crowd = Self::send(server, clients, &request).await?;
        for stream in &crowd.waiting {
            stream.readable().await.context("an upload got no answer")?;
            let read = stream.try_read(&mut [0; 1024]).context("an upload got no answer")?;
            ensure!(read > 0, "an upload was left by the server");
        }
        Ok(crowd)
    }

    /// Closes all connections at once, with a reset: a mere end of the data would not tell whether the
    /// clients still read. Returns their number.
    pub fn vanish(self) -> usize {
        for stream in &self.waiting {
            // If the server has already left a client, there is nothing to reset.
            let _ = set_socket_linger(stream, Some(Duration::ZERO));
        }
        self.waiting.len()
    }

    /// Closes all connections at once, without a reset. Returns their number.
    pub fn close(self) -> usize {
        self.waiting.len()
    }

    async fn send(server: SocketAddr, clients: usize, bytes: &str) -> Result<Self> {
        let mut waiting = Vec::with_capacity(clients);
        for _ in 0..clients {
            let socket = if server.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            socket.set_recv_buffer_size(WINDOW)?;
            let mut stream = socket.connect(server).await.context("cannot connect")?;
            stream.write_all(bytes.as_bytes()).await.context("cannot send")?;
            waiting.push(stream);
        }
        Ok(Self { waiting })
    }

    /// Makes each client take one step a second, without an end.
    fn dawdle(self, step: fn(&TcpStream) -> io::Result<usize>) -> SlowCrowd {
        let dawdling = tokio::spawn(async move {
            let mut clock = tokio::time::interval(PACE / TURNS);
            for turn in (0..TURNS as usize).cycle() {
                clock.tick().await;
                for stream in self.waiting.iter().skip(turn).step_by(TURNS as usize) {
                    // If the server has left a client, the client has nothing more to do.
                    let _ = step(stream);
                }
            }
        });
        SlowCrowd { dawdling }
    }
}

impl Drop for SlowCrowd {
    fn drop(&mut self) {
        self.dawdling.abort();
    }
}
