//! The workers: one thread for each, with everything that requests need.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::runtime::{LocalOptions, LocalRuntime};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::acceptor::{Accepted, Acceptor, Inbox, Slots, WorkerHandle};
use super::task_pool::TaskPool;
use crate::asking::LOOK;
use crate::config::Config;
use crate::observe::Observer;
use crate::pool::Pool;
use crate::proxy::Proxy;
use crate::proxy::downstream::client::converse;
use crate::proxy::downstream::idle;
use crate::proxy::record::metrics::WorkerMetrics;
use crate::proxy::settings::Settings;
use crate::proxy::upstream::queue::Queues;
use crate::proxy::wire::Buffers;

/// Interval at which idle backend connections are checked.
const PRUNE: Duration = Duration::from_secs(1);

/// Limit of idle tasks of a worker. Each uses 3 KiB, and usually 3 KiB for its buffers.
const PARKED_TASKS: usize = 32;

/// All workers together.
#[derive(Debug)]
pub(super) struct Workers {
    /// Dropped to close the acceptor.
    open: oneshot::Sender<()>,
    /// Yields nothing until all workers have finished and dropped their ends.
    finished: mpsc::Receiver<Infallible>,
}

impl Workers {
    /// Starts the workers, which accept from this listener.
    pub(super) fn start(
        config: &Config,
        settings: &Arc<ArcSwap<Settings>>,
        pool: &Arc<Pool>,
        observer: &Arc<Observer>,
        listener: std::net::TcpListener,
        slots: Slots,
        places: usize,
    ) -> io::Result<Self> {
        let (working, finished) = mpsc::channel(1);
        let (open, closing) = oneshot::channel();
        let seed = config.seed.unwrap_or_else(|| fastrand::u64(..));
        let queues = Arc::new(Queues::new(places));
        let (handles, places): (Vec<_>, Vec<_>) = (0..config.workers).map(|_| WorkerHandle::new()).unzip();
        // The last worker accepts: all others are ready when it accepts the first client.
        let mut acceptor = Some(move || Acceptor::open(listener, slots, handles, closing));
        for (number, inbox) in (1..).zip(places) {
            let shared = (Arc::clone(pool), Arc::clone(observer), Arc::clone(settings), Arc::clone(&queues));
            // Workers with the same random numbers would all send requests to the same backend.
            let random = fastrand::Rng::with_seed(seed.wrapping_add(number as u64));
            let acceptor = acceptor.take_if(|_| number == config.workers);
            let working = working.clone();
            let (tell, told) = std::sync::mpsc::channel();
            std::thread::Builder::new().name(format!("worker {number}")).spawn(move || {
                match prepare(acceptor) {
                    Ok((runtime, acceptor)) => {
                        let _ = tell.send(Ok(()));
                        runtime.block_on(work(number, shared, random, inbox, acceptor));
                        // Look-ups may hang for long, and their results are no longer needed.
                        runtime.shutdown_background();
                    }
                    Err(error) => _ = tell.send(Err(error)),
                }
                drop(working);
            })?;
            told.recv().map_err(io::Error::other)??;
        }
        Ok(Self { open, finished })
    }

    /// Lets the workers accept only the waiting clients, and waits until all requests have finished.
    pub(super) async fn finish(mut self) {
        drop(self.open);
        let _ = self.finished.recv().await;
    }
}

/// Prepares a thread for a worker: a runtime, and the acceptor if this worker accepts.
fn prepare(
    acceptor: Option<impl FnOnce() -> io::Result<Acceptor>>,
) -> io::Result<(LocalRuntime, Option<Acceptor>)> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    let inside = runtime.enter();
    let acceptor = acceptor.map(|open| open()).transpose()?;
    drop(inside);
    Ok((runtime, acceptor))
}

/// Values that all workers share.
pub(crate) type Shared = (Arc<Pool>, Arc<Observer>, Arc<ArcSwap<Settings>>, Arc<Queues>);

/// Runs the worker with this number.
pub(crate) async fn work(
    number: usize,
    (pool, observer, settings, queues): Shared,
    random: fastrand::Rng,
    Inbox { mut coming, open }: Inbox,
    acceptor: Option<Acceptor>,
) {
    let metrics = Rc::new(WorkerMetrics::new(Arc::clone(&observer), number, settings.load().statistics));
    let proxy = Rc::new(Proxy::new(pool, metrics, settings, queues, random));
    let clock = Rc::clone(&proxy);
    tokio::task::spawn_local(async move { clock.deadlines.run().await });
    let keeper = Rc::clone(&proxy);
    tokio::task::spawn_local(async move {
        let give_up = |wanted| _ = keeper.upstream.give_up(wanted);
        keeper.upstream.places().heed_shortages(give_up).await
    });
    let (leaving, leaves) = (Rc::downgrade(&proxy), Arc::clone(&observer));
    tokio::task::spawn_local(async move {
        leaves.leaves().await;
        // Connections are still accepted, but each answer says that it is the last one on its connection.
        leaving.upgrade().iter().for_each(|proxy| proxy.begin_draining());
    });
    let idle = Rc::downgrade(&proxy);
    tokio::task::spawn_local(async move {
        while let Some(proxy) = idle.upgrade() {
            let longest = proxy.settings.now().backend_idle;
            proxy.upstream.prune(&proxy.pool.fleet(), longest, Instant::now());
            drop(proxy);
            tokio::time::sleep(PRUNE.min(longest / 4).max(LOOK)).await;
        }
    });

    let (idle_clients, becoming_idle) = mpsc::unbounded_channel();
    let clients = Rc::new(Clients {
        proxy,
        observer,
        open,
        connections: TaskTracker::new(),
        task_pool: TaskPool::new(PARKED_TASKS),
        idle_clients,
    });
    tokio::task::spawn_local(watch_idle(Rc::clone(&clients), becoming_idle));
    if let Some(acceptor) = acceptor {
        tokio::task::spawn_local(acceptor.keep(Rc::clone(&clients)));
    }
    while let Some(accepted) = coming.recv().await {
        clients.serve(accepted);
    }
    // Connections finish their present request and close; idle connections close soon. Tunnels end without
    // help.
    clients.proxy.begin_draining();
    clients.connections.close();
    clients.connections.wait().await;
}

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
struct Client {
    stream: TcpStream,
    ip: IpAddr,
    held: (Guard, Option<OwnedSemaphorePermit>, TaskTrackerToken),
}

impl Clients {
    /// No descriptors are left for clients: idle backend connections are closed.
    pub(super) fn tell_of_shortage(&self) {
        self.proxy.upstream.places().tell_of_shortage();
    }

    /// Serves a connection that already counts as open.
    pub(super) fn serve(self: &Rc<Self>, Accepted { stream, peer, slot }: Accepted) {
        self.proxy.metrics.clients().opened.one();
        let connection = Guard::new(&self.observer, &self.open);
        if let Ok(stream) = TcpStream::from_std(stream) {
            let held = (connection, slot, self.connections.token());
            self.talk(Client { stream, ip: peer.ip().to_canonical(), held });
        }
    }

    /// Serves a client until it is idle, in a separate task: an idle task, or a new one.
    fn talk(self: &Rc<Self>, client: Client) {
        if let Err(client) = self.task_pool.hand(client) {
            tokio::task::spawn_local(Rc::clone(self).talk_to_one_after_the_other(client));
        }
    }

    async fn talk_to_one_after_the_other(self: Rc<Self>, mut client: Client) {
        let mut buffers = Buffers::default();
        loop {
            let Client { stream, ip, held } = client;
            match converse(stream, ip, &self.proxy, &mut buffers).await {
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
async fn watch_idle(clients: Rc<Clients>, mut coming: mpsc::UnboundedReceiver<Client>) {
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
