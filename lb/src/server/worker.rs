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

use super::door::{Accepted, Desk, Door, Place, Slots};
use super::spare::Spare;
use crate::asking::LOOK;
use crate::config::Config;
use crate::observe::Observer;
use crate::pool::Pool;
use crate::proxy::Proxy;
use crate::proxy::downstream::client::converse;
use crate::proxy::downstream::rest;
use crate::proxy::record::books::Books;
use crate::proxy::upstream::queue::Queues;
use crate::proxy::wire::Buffers;

/// Interval at which idle backend connections are checked.
const PRUNE: Duration = Duration::from_secs(1);

/// Limit of idle tasks of a worker. Each uses 3 KiB, and usually 3 KiB for its buffers.
const SPARE: usize = 32;

/// All workers together.
#[derive(Debug)]
pub(super) struct Crew {
    /// Dropped to close the acceptor.
    open: oneshot::Sender<()>,
    /// Yields nothing until all workers have finished and dropped their ends.
    finished: mpsc::Receiver<Infallible>,
}

impl Crew {
    /// Starts the workers, which accept from this listener.
    pub(super) fn start(
        settings: &Arc<ArcSwap<Config>>,
        pool: &Arc<Pool>,
        observer: &Arc<Observer>,
        listener: std::net::TcpListener,
        slots: Slots,
        places: usize,
    ) -> io::Result<Self> {
        let (working, finished) = mpsc::channel(1);
        let (open, closing) = oneshot::channel();
        let config = settings.load_full();
        let seed = config.seed.unwrap_or_else(|| fastrand::u64(..));
        let queues = Arc::new(Queues::new(places));
        let (desks, places): (Vec<_>, Vec<_>) = (0..config.workers).map(|_| Desk::new()).unzip();
        // The last worker accepts: all others are ready when it accepts the first client.
        let mut door = Some(move || Door::open(listener, slots, desks, closing));
        for (number, place) in (1..).zip(places) {
            let shared = (Arc::clone(pool), Arc::clone(observer), Arc::clone(settings), Arc::clone(&queues));
            // Workers with the same random numbers would all send requests to the same backend.
            let random = fastrand::Rng::with_seed(seed.wrapping_add(number as u64));
            let door = door.take_if(|_| number == config.workers);
            let working = working.clone();
            let (tell, told) = std::sync::mpsc::channel();
            std::thread::Builder::new().name(format!("worker {number}")).spawn(move || {
                match prepare(door) {
                    Ok((runtime, door)) => {
                        let _ = tell.send(Ok(()));
                        runtime.block_on(work(number, shared, random, place, door));
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
fn prepare(door: Option<impl FnOnce() -> io::Result<Door>>) -> io::Result<(LocalRuntime, Option<Door>)> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    let inside = runtime.enter();
    let door = door.map(|open| open()).transpose()?;
    drop(inside);
    Ok((runtime, door))
}

/// Values that all workers share.
pub(crate) type Shared = (Arc<Pool>, Arc<Observer>, Arc<ArcSwap<Config>>, Arc<Queues>);

/// Runs the worker with this number.
pub(crate) async fn work(
    number: usize,
    (pool, observer, settings, queues): Shared,
    random: fastrand::Rng,
    Place { mut coming, open }: Place,
    door: Option<Door>,
) {
    let books = Rc::new(Books::new(Arc::clone(&observer), number, settings.load().statistics));
    let proxy = Rc::new(Proxy::new(pool, books, settings, queues, random));
    let clock = Rc::clone(&proxy);
    tokio::task::spawn_local(async move { clock.deadlines.strike().await });
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

    let (silent, falling_silent) = mpsc::unbounded_channel();
    let clients = Rc::new(Clients {
        proxy,
        observer,
        open,
        connections: TaskTracker::new(),
        spare: Spare::new(SPARE),
        silent,
    });
    tokio::task::spawn_local(keep_company(Rc::clone(&clients), falling_silent));
    if let Some(door) = door {
        tokio::task::spawn_local(door.keep(Rc::clone(&clients)));
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
    spare: Spare<Client>,
    /// The channel for clients that have become idle.
    silent: mpsc::UnboundedSender<Client>,
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
        self.proxy.books.clients().opened.one();
        let connection = Guard::new(&self.observer, &self.open);
        if let Ok(stream) = TcpStream::from_std(stream) {
            let held = (connection, slot, self.connections.token());
            self.talk(Client { stream, ip: peer.ip().to_canonical(), held });
        }
    }

    /// Serves a client until it is idle, in a separate task: an idle task, or a new one.
    fn talk(self: &Rc<Self>, client: Client) {
        if let Err(client) = self.spare.hand(client) {
            tokio::task::spawn_local(Rc::clone(self).talk_to_one_after_the_other(client));
        }
    }

    async fn talk_to_one_after_the_other(self: Rc<Self>, mut client: Client) {
        let mut buffers = Buffers::default();
        loop {
            let Client { stream, ip, held } = client;
            match converse(stream, ip, &self.proxy, &mut buffers).await {
                Some(stream) => _ = self.silent.send(Client { stream, ip, held }),
                None => drop(held),
            }
            let Some(next) = self.spare.next().await else { return };
            client = next;
        }
    }
}

/// Waits without end until idle clients send bytes again. One task does this for all of them, because
/// thousands of waiting tasks would be most of the cost of idle clients.
async fn keep_company(clients: Rc<Clients>, mut coming: mpsc::UnboundedReceiver<Client>) {
    let mut silent = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some(client) = coming.recv() => silent.push(speaks_again(client, &clients.proxy)),
            Some(client) = silent.next() => {
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
fn speaks_again(client: Client, proxy: &Proxy) -> impl Future<Output = Option<Client>> {
    async move { rest::speaks_again(&client.stream, proxy).await.then_some(client) }
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
    fn a_silent_client_costs_little() {
        fn size<'a, F>(_: fn(Client, &'a Proxy) -> F) -> usize {
            size_of::<F>()
        }
        let silent = size(speaks_again);
        assert!(silent <= 256, "{silent} bytes");
    }
}
