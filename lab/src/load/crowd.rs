//! Clients that nobody wishes for: those that hang up while they wait, and those that are endlessly slow.

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

/// Slow clients take their turns spread over the time, and not all at once.
const TURNS: u32 = 100;

/// What a slow reader's kernel keeps for it, in bytes.
const WINDOW: u32 = 4096;

/// Many clients of one kind, each on a connection of its own.
#[derive(Debug)]
pub struct Crowd {
    waiting: Vec<TcpStream>,
}

/// Many slow clients, which stay as they are until this is dropped.
#[derive(Debug)]
pub struct SlowCrowd {
    dawdling: JoinHandle<()>,
}

impl Crowd {
    /// Lets so many clients each send a GET; none reads the answer. To be sure that all of them are in flight,
    /// wait until the balancer says so.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn ask(server: SocketAddr, clients: usize, path: &str) -> Result<Self> {
        Self::send(server, clients, &format!("GET {path} HTTP/1.1\r\nHost: {server}\r\n\r\n")).await
    }

    /// Lets so many clients each ask for this path and read the answer at a byte a second. Returns when each of them
    /// has something to read.
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

    /// Lets so many clients each begin a request whose head goes on for ever, at a byte a second.
    ///
    /// # Errors
    /// As [`Crowd::ask`].
    pub async fn ask_slowly(server: SocketAddr, clients: usize) -> Result<SlowCrowd> {
        let crowd =
            Self::send(server, clients, &format!("GET / HTTP/1.1\r\nHost: {server}\r\nX-Slow: ")).await?;
        Ok(crowd.dawdle(|stream| stream.try_write(b"x")))
    }

    /// Lets so many clients each begin to send a body to this path, which has to answer before it has all of it. Returns
    /// when each of them has read the beginning of its answer; none sends any more.
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

    /// All hang up at once, with a reset: a mere end of what they send would leave it open whether they still read. Returns how
    /// many there were.
    pub fn vanish(self) -> usize {
        for stream in &self.waiting {
            // One that the server has left already has nothing to reset.
            let _ = set_socket_linger(stream, Some(Duration::ZERO));
        }
        self.waiting.len()
    }

    /// All close their connections at once, and send no more. Returns how many there were.
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

    /// Lets each client take a step a second, for ever.
    fn dawdle(self, step: fn(&TcpStream) -> io::Result<usize>) -> SlowCrowd {
        let dawdling = tokio::spawn(async move {
            let mut clock = tokio::time::interval(PACE / TURNS);
            for turn in (0..TURNS as usize).cycle() {
                clock.tick().await;
                for stream in self.waiting.iter().skip(turn).step_by(TURNS as usize) {
                    // Whoever was left by the server has nothing more to do.
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
