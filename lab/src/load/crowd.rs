//! Clients that hang up while they wait for an answer.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Many clients that have asked for something and hang up together, before it came.
#[derive(Debug)]
pub struct Crowd {
    waiting: Vec<TcpStream>,
}

impl Crowd {
    /// Lets so many clients each send a GET on a connection of their own; none reads the answer. To be sure
    /// that all of them are in flight, wait until the balancer says so.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn ask(server: SocketAddr, clients: usize, path: &str) -> Result<Self> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {server}\r\n\r\n");
        let mut waiting = Vec::with_capacity(clients);
        for _ in 0..clients {
            let mut stream = TcpStream::connect(server).await.context("cannot connect")?;
            stream.write_all(request.as_bytes()).await.context("cannot send")?;
            waiting.push(stream);
        }
        Ok(Self { waiting })
    }

    /// All hang up at once. Returns how many there were.
    pub fn vanish(self) -> usize {
        self.waiting.len()
    }
}
