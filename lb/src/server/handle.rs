//! The handle of a worker, through which the acceptor gives it connections.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// A connection from a client.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// The socket, which does not block.
    pub(crate) stream: TcpStream,
    /// The address of the client.
    pub(crate) client_address: SocketAddr,
    /// The place of the connection within the limit of connections.
    pub(crate) slot: Option<OwnedSemaphorePermit>,
}

/// A worker, as the acceptor sees it.
#[derive(Debug)]
pub(crate) struct WorkerHandle {
    /// Closed to announce that no more connections will arrive.
    connections: mpsc::UnboundedSender<Accepted>,
    /// Open connections of the worker.
    pub(super) open: Arc<AtomicUsize>,
}

/// The worker's side of its handle.
pub(crate) struct Inbox {
    /// Ends when no more connections will arrive.
    pub(super) coming: mpsc::UnboundedReceiver<Accepted>,
    /// Open connections of the worker: plus one for each that arrives, and minus one when it ends.
    pub(super) open: Arc<AtomicUsize>,
}

impl WorkerHandle {
    /// A handle, and the worker's side of it.
    pub(crate) fn new() -> (Self, Inbox) {
        let (connections, coming) = mpsc::unbounded_channel();
        let open = Arc::new(AtomicUsize::new(0));
        (Self { connections, open: Arc::clone(&open) }, Inbox { coming, open })
    }

    /// Gives a connection to the worker. A worker that has ended has panicked, and its connections end with
    /// it.
    pub(crate) fn give(&self, accepted: Accepted) {
        self.open.fetch_add(1, Relaxed);
        let _ = self.connections.send(accepted);
    }
}
