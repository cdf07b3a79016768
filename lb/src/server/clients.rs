//! The clients of one worker: served in tasks while they have requests, watched by one task while they are
//! idle.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::handle::Accepted;
use super::task_pool::TaskPool;
use crate::observe::Observer;
use crate::proxy::Proxy;
use crate::proxy::downstream::client::serve_client;
use crate::proxy::downstream::idle;
use crate::proxy::wire::Buffers;
use crate::transport::Stream;

/// Limit of idle tasks of a worker. Each uses 3 KiB, and usually 3 KiB for its buffers.
const PARKED_TASKS: usize = 32;

/// The clients of a worker.
pub(super) struct Clients {
    proxy: Rc<Proxy>,
    observer: Arc<Observer>,
    /// Open connections of the worker; a caller that gives it a connection adds one.
    open: Arc<AtomicUsize>,
    connections: TaskTracker,
    /// Idle tasks.
    task_pool: TaskPool<Client>,
    /// The channel for clients that have become idle.
    idle_clients: mpsc::UnboundedSender<Client>,
}

/// The connection of a client, with the values that it holds to its end.
pub(super) struct Client {
    stream: Stream,
    ip: IpAddr,
    held: (Guard, Option<OwnedSemaphorePermit>, TaskTrackerToken),
}

impl Clients {
    /// No clients yet. Those that become idle go to `idle_clients`, for [`watch_idle`].
    pub(super) fn new(
        proxy: Rc<Proxy>,
        observer: Arc<Observer>,
        open: Arc<AtomicUsize>,
        idle_clients: mpsc::UnboundedSender<Client>,
    ) -> Self {
        let (connections, task_pool) = (TaskTracker::new(), TaskPool::new(PARKED_TASKS));
        Self { proxy, observer, open, connections, task_pool, idle_clients }
    }

    /// Waits until all connections have ended. They finish their present request and close; idle connections
    /// close soon. Tunnels end without help.
    pub(super) async fn finish(&self) {
        self.proxy.begin_draining();
        self.connections.close();
        self.connections.wait().await;
    }

    /// No descriptors are left for clients: idle backend connections are closed.
    pub(super) fn tell_of_shortage(&self) {
        self.proxy.connections.places().tell_of_shortage();
    }

    /// Serves a connection that already counts as open.
    pub(super) fn serve(self: &Rc<Self>, Accepted { stream, client_address, slot }: Accepted) {
        self.proxy.metrics.clients().opened.one();
        let connection = Guard::new(&self.observer, &self.open);
        if let Ok(stream) = Stream::accepted(stream) {
            let held = (connection, slot, self.connections.token());
            self.talk(Client { stream, ip: client_address.ip().to_canonical(), held });
        }
    }

    /// Serves a client until it is idle, in a separate task: an idle task, or a new one.
    fn talk(self: &Rc<Self>, client: Client) {
        if let Err(client) = self.task_pool.hand(client) {
            tokio::task::spawn_local(Rc::clone(self).serve_loop(client));
        }
    }

    async fn serve_loop(self: Rc<Self>, mut client: Client) {
        let mut buffers = Buffers::default();
        loop {
            let Client { stream, ip, held } = client;
            match serve_client(stream, ip, &self.proxy, &mut buffers).await {
                Some(stream) => _ = self.idle_clients.send(Client { stream, ip, held }),
                None => drop(held),
            }
            let Some(next) = self.task_pool.next().await else { return };
            client = next;
        }
    }
}

/// Waits without end until idle clients send bytes again. One task does this for all of them, because
/// thousands of waiting tasks would be most of the cost of idle clients.
pub(super) async fn watch_idle(clients: Rc<Clients>, mut coming: mpsc::UnboundedReceiver<Client>) {
    let mut idle_clients = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some(client) = coming.recv() => idle_clients.push(wait_readable(client, &clients.proxy)),
            Some(client) = idle_clients.next() => {
                if let Some(client) = client {
                    clients.talk(client);
                }
            }
            else => return,
        }
    }
}

/// Waits until a client sends bytes again, and returns it unless it has been silent for too long.
#[expect(clippy::manual_async_fn, reason = "an async fn would store its arguments twice")]
fn wait_readable(client: Client, proxy: &Proxy) -> impl Future<Output = Option<Client>> {
    async move { idle::wait_readable(&client.stream, proxy).await.then_some(client) }
}

/// A client connection counts as open while this value lives.
struct Guard {
    observer: Arc<Observer>,
    open: Arc<AtomicUsize>,
}

impl Guard {
    fn new(observer: &Arc<Observer>, open: &Arc<AtomicUsize>) -> Self {
        observer.connections.fetch_add(1, Relaxed);
        Self { observer: Arc::clone(observer), open: Arc::clone(open) }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.observer.connections.fetch_sub(1, Relaxed);
        self.open.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_client_costs_little() {
        fn size<'a, F>(_: fn(Client, &'a Proxy) -> F) -> usize {
            size_of::<F>()
        }
        let idle_clients = size(wait_readable);
        assert!(idle_clients <= 256, "{idle_clients} bytes");
    }
}
