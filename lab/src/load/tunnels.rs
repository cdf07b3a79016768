//! Clients with long connections: each opens a tunnel through the balancer, as WebSocket clients do. When it
//! ends, the client opens another one.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// The time limit for opening a tunnel.
const PATIENCE: Duration = Duration::from_secs(5);

/// The pause after a tunnel that could not be opened.
const PAUSE: Duration = Duration::from_millis(50);

/// Some tunnels, which stay open until this value is dropped.
#[derive(Debug)]
pub struct Tunnels {
    /// The backend of each tunnel; `None` while it is not open.
    backends: Arc<Mutex<Vec<Option<u32>>>>,
    _clients: JoinSet<()>,
}

impl Tunnels {
    /// Opens this number of tunnels, one after the other, at the path `/upgrade` of the lab's backends.
    ///
    /// # Errors
    /// If one cannot be opened.
    pub async fn open(balancer: SocketAddr, count: usize) -> Result<Self> {
        let backends = Arc::new(Mutex::new(vec![None; count]));
        let mut clients = JoinSet::new();
        for number in 0..count {
            let (tunnel, backend) = open(balancer).await.with_context(|| format!("tunnel {}", number + 1))?;
            set(&backends, number, Some(backend));
            let backends = backends.clone();
            clients.spawn(async move { keep(balancer, tunnel, number, &backends).await });
        }
        Ok(Self { backends, _clients: clients })
    }

    /// The number of open tunnels that end at the backend with this number.
    pub fn at(&self, backend: u32) -> usize {
        let backends = self.backends.lock().unwrap_or_else(PoisonError::into_inner);
        backends.iter().filter(|there| **there == Some(backend)).count()
    }
}

fn set(backends: &Mutex<Vec<Option<u32>>>, number: usize, backend: Option<u32>) {
    backends.lock().unwrap_or_else(PoisonError::into_inner)[number] = backend;
}

/// Waits for the end of a tunnel, opens the next, and so on.
async fn keep(
    balancer: SocketAddr,
    mut tunnel: TokioIo<Upgraded>,
    number: usize,
    backends: &Mutex<Vec<Option<u32>>>,
) -> ! {
    loop {
        // The backend sends nothing by itself, so this ends with the tunnel.
        while tunnel.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {}
        set(backends, number, None);
        let backend;
        (tunnel, backend) = loop {
            match open(balancer).await {
                Ok(opened) => break opened,
                Err(_) => sleep(PAUSE).await,
            }
        };
        set(backends, number, Some(backend));
    }
}

/// Opens a tunnel. Returns it with the number of its backend.
async fn open(balancer: SocketAddr) -> Result<(TokioIo<Upgraded>, u32)> {
    timeout(PATIENCE, async {
        let stream = TcpStream::connect(balancer).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection.with_upgrades());
        let request = Request::get("/upgrade")
            .header(header::HOST, balancer.to_string())
            .header(header::CONNECTION, "upgrade")
            .header(header::UPGRADE, "echo")
            .body(Empty::<Bytes>::new())?;
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        ensure!(status == StatusCode::SWITCHING_PROTOCOLS, "answered {status} instead of 101");
        let backend = answer.headers().get("x-backend").and_then(|number| number.to_str().ok()?.parse().ok());
        let backend = backend.context("the answer does not name its backend in X-Backend")?;
        Ok((TokioIo::new(hyper::upgrade::on(answer).await?), backend))
    })
    .await
    .with_context(|| format!("no answer within {PATIENCE:?}"))?
}
