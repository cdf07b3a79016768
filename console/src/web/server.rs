//! Accepts the connections to the server of the page.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use lab::stream::StreamReader;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::events::is_sampled;
use super::routes::{Shared, router};
use super::site::Site;
use super::token::Token;
use super::viewers::Viewers;
use super::write_timeout::WriteTimeout;
use crate::model::Model;

/// The limits of a server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The largest number of viewers.
    pub(super) viewers: usize,
    /// The largest number of connections; more of them wait.
    pub(super) connections: usize,
    /// The time limit for the head of a request. A connection without a request is closed after the same
    /// time.
    pub(super) head: Duration,
    /// The time after which the connection of a viewer that reads no byte is closed.
    pub(super) unread: Duration,
}

const LIMITS: Limits =
    Limits { viewers: 64, connections: 256, head: Duration::from_secs(10), unread: Duration::from_secs(30) };

/// The largest head of a request, in bytes.
const HEAD: usize = 32 * 1024;

/// The pause after an error of `accept`, such as too many open files.
const PAUSE: Duration = Duration::from_millis(50);

/// The time without a viewer after which the last viewer counts as gone. A page that is loaded again is away
/// for a moment.
const GRACE: Duration = Duration::from_secs(5);

/// A running server of the page. It ends when it is dropped.
#[derive(Debug)]
pub struct PageServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

impl PageServer {
    /// Starts a server at this address; port 0 takes a free one. Up to 64 viewers can look at once.
    ///
    /// # Errors
    /// If the address is not free, or if the operating system gives no random numbers for the token.
    pub async fn start(bind: SocketAddr, site: Site) -> Result<Self> {
        Self::start_with(bind, site, LIMITS).await
    }

    pub(super) async fn start_with(bind: SocketAddr, site: Site, limits: Limits) -> Result<Self> {
        let listener =
            TcpListener::bind(bind).await.with_context(|| format!("cannot use the address {bind}"))?;
        let address = listener.local_addr()?;
        let reader = site.stream.read();
        let shared = Arc::new(Shared {
            site,
            token: Token::generate()?,
            port: address.port(),
            viewers: Viewers::new(limits.viewers),
            model: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        let following = shared.clone();
        tasks.spawn(async move { follow(reader, &following.model).await });
        let router = router(shared.clone());
        tasks.spawn(async move { accept(listener, router, limits).await });
        Ok(Self { address, shared, _tasks: tasks })
    }

    /// The address where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of the page, for a browser on this machine.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.address.port())
    }

    /// The token that commands need.
    pub fn token(&self) -> &Token {
        &self.shared.token
    }

    /// The number of viewers.
    pub fn viewers(&self) -> usize {
        self.shared.viewers.count()
    }

    /// Waits until there has been no viewer for 5 s.
    pub async fn no_viewers(&self) {
        self.shared.viewers.gone(GRACE).await;
    }
}

/// Gives the events of a reader to the model. The model gets the same events as a viewer of the sample.
async fn follow(mut reader: StreamReader, model: &Mutex<Model>) {
    while let Some((_, event)) = reader.next().await {
        if is_sampled(&event) {
            model.lock().unwrap_or_else(PoisonError::into_inner).apply(&event);
        }
    }
}

async fn accept(listener: TcpListener, router: Router, limits: Limits) {
    let room = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    // This ends only if the semaphore is closed, and nothing closes it.
    while let Ok(place) = room.clone().acquire_owned().await {
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(serve(stream, router.clone(), limits, place));
            }
            Err(_) => sleep(PAUSE).await,
        }
    }
}

/// Answers the requests of one connection.
async fn serve(stream: TcpStream, router: Router, limits: Limits, _place: OwnedSemaphorePermit) {
    // This fails only for a connection that is closed. Without it, the kernel may delay a small event.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(HEAD)
        .serve_connection(
            TokioIo::new(WriteTimeout::new(stream, limits.unread)),
            TowerToHyperService::new(router),
        );
    // An error ends only this connection.
    let _ = connection.await;
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
