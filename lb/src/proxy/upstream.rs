//! One worker's connections to the backends: connect, check out, send, put back.
//!
//! hyper speaks HTTP/1.1 on a connection; which connection a request takes is decided here. Every worker has
//! its own connections, so nothing here is locked. hyper's pooled client is not used: it repeats requests on
//! its own, and the balancer has to know about every single try.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use http::{Request, Response, request};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::body::{BodyError, TryBody};
use super::verdict::Failure;
use crate::balance::Backend;

/// How long a connection is kept without a request. Shorter than what backends commonly allow would be
/// safer, but 4 s of some servers and 75 s of others cannot both be met; a stale one is noticed anyway.
const KEEP_IDLE: Duration = Duration::from_secs(60);

/// Idle connections kept to one backend by one worker.
const MAX_IDLE: usize = 512;

/// A connection to a backend, ready for one request.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<TryBody>,
    /// It has served a request before, so the backend may close it at any moment.
    reused: bool,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

/// One worker's connections.
#[derive(Debug)]
pub(crate) struct Upstream {
    /// By backend number, minus one; the most recently used last.
    idle: RefCell<Vec<Vec<Idle>>>,
    connect_timeout: Duration,
}

impl Upstream {
    pub(crate) fn new(backends: usize, connect_timeout: Duration) -> Self {
        Self { idle: RefCell::new((0..backends).map(|_| Vec::new()).collect()), connect_timeout }
    }

    /// A connection to the backend: a kept one if there is any, else, or if `fresh` is asked for, a new one.
    ///
    /// `look_first` is for requests that must not be repeated: it lets the runtime collect what the network
    /// has to say before a kept connection is trusted, at the price of one system call. What is left of the
    /// race between a dying backend and a request is the time the request is on its way.
    pub(crate) async fn checkout(
        &self,
        backend: &Backend,
        fresh: bool,
        look_first: bool,
        deadline: Instant,
    ) -> Result<Connection, Failure> {
        if !fresh {
            if look_first && self.has_idle(backend) {
                tokio::task::yield_now().await;
            }
            if let Some(connection) = self.take_idle(backend) {
                backend.stats.reused.fetch_add(1, Relaxed);
                return Ok(connection);
            }
        }
        let connection = self.connect(backend, deadline).await?;
        backend.stats.opened.fetch_add(1, Relaxed);
        Ok(connection)
    }

    /// Keeps a connection for the next request. To be called only when both the request and the answer
    /// have gone over it whole.
    pub(crate) fn put_back(&self, backend: &Backend, mut connection: Connection) {
        if connection.sender.is_closed() {
            return;
        }
        connection.reused = true;
        let idle = &mut self.idle.borrow_mut()[backend.number - 1];
        if idle.len() < MAX_IDLE {
            idle.push(Idle { connection, since: Instant::now() });
            backend.stats.idle.fetch_add(1, Relaxed);
        }
    }

    /// Drops the connections that were closed by the backend or have been idle for too long. To be called often
    /// enough that the closed ones do not pile up.
    pub(crate) fn prune(&self, backends: &[Arc<Backend>], now: Instant) {
        for (idle, backend) in self.idle.borrow_mut().iter_mut().zip(backends) {
            let before = idle.len();
            idle.retain(|kept| {
                !kept.connection.sender.is_closed() && now.saturating_duration_since(kept.since) < KEEP_IDLE
            });
            let gone = i64::try_from(before - idle.len()).unwrap_or(0);
            backend.stats.idle.fetch_sub(gone, Relaxed);
        }
    }

    fn has_idle(&self, backend: &Backend) -> bool {
        !self.idle.borrow()[backend.number - 1].is_empty()
    }

    /// The most recently used connection that is ready: the least likely to have been closed meanwhile, and
    /// the others can age and go.
    fn take_idle(&self, backend: &Backend) -> Option<Connection> {
        let idle = &mut self.idle.borrow_mut()[backend.number - 1];
        let ready = idle.iter().rposition(|kept| kept.connection.sender.is_ready())?;
        backend.stats.idle.fetch_sub(1, Relaxed);
        Some(idle.remove(ready).connection)
    }

    async fn connect(&self, backend: &Backend, deadline: Instant) -> Result<Connection, Failure> {
        let connecting = async {
            let stream = connect_to_any(&addresses(backend).await?).await?;
            // Requests are written whole; waiting for more to send would only delay them.
            let _ = stream.set_nodelay(true);
            let (sender, connection) =
                http1::handshake(TokioIo::new(stream)).await.map_err(|_| Failure::ClosedUnsent)?;
            // Its errors reach whoever waits for an answer on it.
            tokio::task::spawn_local(connection.with_upgrades());
            Ok(Connection { sender, reused: false })
        };
        let patience = self.connect_timeout.min(deadline.saturating_duration_since(Instant::now()));
        tokio::time::timeout(patience, connecting).await.unwrap_or(Err(Failure::ConnectTimeout))
    }
}

impl Connection {
    /// Sends a request and waits for the head of the answer.
    pub(crate) async fn send(
        &mut self,
        head: &request::Parts,
        body: TryBody,
    ) -> Result<Response<Incoming>, Failure> {
        let mut request = Request::new(body);
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = head.uri.clone();
        *request.headers_mut() = head.headers.clone();
        let reused = self.reused;
        self.sender.try_send_request(request).await.map_err(|mut error| {
            let unsent = error.take_message().is_some();
            classify(error.error(), unsent, reused)
        })
    }
}

/// What an error on a connection means for the request on it. `unsent` says that hyper gave the request
/// back, which it does only if not a byte of it was written.
fn classify(error: &hyper::Error, unsent: bool, reused: bool) -> Failure {
    let source = std::error::Error::source(error);
    let clients_fault = source.is_some_and(|source| source.is::<BodyError<hyper::Error>>());
    match (unsent, reused) {
        _ if clients_fault => Failure::ClientGone,
        _ if error.is_parse() => Failure::Malformed,
        (true, true) => Failure::StaleUnsent,
        (true, false) => Failure::ClosedUnsent,
        (false, true) => Failure::StaleMaybeSent,
        (false, false) => Failure::ClosedEarly,
    }
}

/// The backend's addresses: what its name stood for when it was last asked for.
async fn addresses(backend: &Backend) -> Result<Arc<Vec<SocketAddr>>, Failure> {
    let known = backend.resolved.load_full();
    if known.is_empty() { resolve(backend).await } else { Ok(known) }
}

/// Looks the backend's name up. The last good answer stays when the look-up fails.
pub(crate) async fn resolve(backend: &Backend) -> Result<Arc<Vec<SocketAddr>>, Failure> {
    if backend.address.literal().is_some() {
        return Ok(backend.resolved.load_full());
    }
    let host = (backend.address.host.as_str(), backend.address.port);
    let found: Vec<_> = tokio::net::lookup_host(host).await.map_err(|_| Failure::Unresolved)?.collect();
    if found.is_empty() {
        return Err(Failure::Unresolved);
    }
    backend.resolved.store(Arc::new(found));
    Ok(backend.resolved.load_full())
}

/// Connects to the first address that accepts: `localhost` is often two, and only one of them is served.
pub(crate) async fn connect_to_any(addresses: &[SocketAddr]) -> Result<TcpStream, Failure> {
    let mut failure = Failure::Unresolved;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = connect_failure(&error),
        }
    }
    Err(failure)
}

fn connect_failure(error: &io::Error) -> Failure {
    /// Linux's numbers for: too many open files in the system and in the process, no buffer space, and
    /// out of memory. The standard library has names for too few of them.
    const OUT_OF_RESOURCES: [i32; 4] = [23, 24, 105, 12];
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Failure::ConnectRefused,
        io::ErrorKind::TimedOut => Failure::ConnectTimeout,
        // No port is left for one more connection to this address.
        io::ErrorKind::AddrNotAvailable => Failure::OutOfResources,
        _ if error.raw_os_error().is_some_and(|code| OUT_OF_RESOURCES.contains(&code)) => {
            Failure::OutOfResources
        }
        _ => Failure::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connect_errors_tell_who_is_to_blame() {
        let table = [
            (io::ErrorKind::ConnectionRefused.into(), Failure::ConnectRefused),
            (io::ErrorKind::TimedOut.into(), Failure::ConnectTimeout),
            (io::ErrorKind::AddrNotAvailable.into(), Failure::OutOfResources),
            (io::ErrorKind::HostUnreachable.into(), Failure::Unreachable),
            (io::Error::from_raw_os_error(24), Failure::OutOfResources),
        ];
        for (error, failure) in table {
            assert_eq!(connect_failure(&error), failure, "{error}");
        }
    }
}
