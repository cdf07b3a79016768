//! The workers: a thread each, with everything that a request needs on its way.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::net::TcpStream;
use tokio::runtime::LocalOptions;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::task::TaskTracker;

use crate::balance::ServerPool;
use crate::config::Config;
use crate::observe::Observer;
use crate::proxy::books::Books;
use crate::proxy::queue::Queues;
use crate::proxy::{Proxy, rest};

/// How often idle backend connections are looked over.
const PRUNE: Duration = Duration::from_secs(1);

/// All workers together.
#[derive(Debug)]
pub(super) struct Crew {
    workers: Vec<Worker>,
    /// Yields nothing until every worker has finished and let go of its end.
    finished: mpsc::Receiver<Infallible>,
    turn: AtomicUsize,
}

#[derive(Debug)]
struct Worker {
    /// Closed to say that no more connections will come.
    connections: mpsc::UnboundedSender<Accepted>,
    /// Connections it has open.
    open: Arc<AtomicUsize>,
}

/// A connection from a client.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// It does not block.
    pub(crate) stream: std::net::TcpStream,
    /// Its other end.
    pub(crate) peer: SocketAddr,
    /// The place it takes among those that there may be.
    pub(crate) slot: Option<OwnedSemaphorePermit>,
}

impl Crew {
    /// Starts the workers.
    pub(super) fn start(
        settings: &Arc<ArcSwap<Config>>,
        pool: &Arc<ServerPool>,
        observer: &Arc<Observer>,
    ) -> io::Result<Self> {
        let (working, finished) = mpsc::channel(1);
        let config = settings.load_full();
        let seed = config.seed.unwrap_or_else(|| fastrand::u64(..));
        let queues = Arc::new(Queues::default());
        let workers = (1..=config.workers).map(|number| {
            let (connections, coming) = mpsc::unbounded_channel();
            let open = Arc::new(AtomicUsize::new(0));
            let shared = (Arc::clone(pool), Arc::clone(observer), Arc::clone(settings), Arc::clone(&queues));
            // Workers that draw the same would all run to the same backend.
            let random = fastrand::Rng::with_seed(seed.wrapping_add(number as u64));
            let (counter, working) = (Arc::clone(&open), working.clone());
            let (tell, told) = std::sync::mpsc::channel();
            std::thread::Builder::new().name(format!("worker {number}")).spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build_local(LocalOptions::default());
                match runtime {
                    Ok(runtime) => {
                        let _ = tell.send(Ok(()));
                        runtime.block_on(work(number, shared, random, coming, counter));
                    }
                    Err(error) => _ = tell.send(Err(error)),
                }
                drop(working);
            })?;
            told.recv().map_err(io::Error::other)??;
            Ok(Worker { connections, open })
        });
        Ok(Self { workers: workers.collect::<io::Result<_>>()?, finished, turn: AtomicUsize::new(0) })
    }

    /// Gives a connection to the worker that has the fewest, and among equals to the next in turn: a keep-alive
    /// connection stays where it lands, so an uneven spread would last.
    pub(super) fn take(&self, accepted: Accepted) {
        let turn = self.turn.fetch_add(1, Relaxed);
        let n = self.workers.len();
        let next = (0..n)
            .map(|step| &self.workers[(turn + step) % n])
            .min_by_key(|worker| worker.open.load(Relaxed));
        let Some(worker) = next else { return };
        worker.open.fetch_add(1, Relaxed);
        // A worker that has ended has panicked, and its connections end with it.
        let _ = worker.connections.send(accepted);
    }

    /// Tells the workers that no more connections will come, and waits until all is finished.
    pub(super) async fn finish(mut self) {
        self.workers.clear();
        let _ = self.finished.recv().await;
    }
}

/// What all workers share.
pub(crate) type Shared = (Arc<ServerPool>, Arc<Observer>, Arc<ArcSwap<Config>>, Arc<Queues>);

/// The life of the worker of this number.
pub(crate) async fn work(
    number: usize,
    (pool, observer, settings, queues): Shared,
    random: fastrand::Rng,
    mut coming: mpsc::UnboundedReceiver<Accepted>,
    open: Arc<AtomicUsize>,
) {
    let books = Rc::new(Books::new(Arc::clone(&observer), number, settings.load().statistics));
    let proxy = Rc::new(Proxy::new(pool, Rc::clone(&books), settings, queues, random));
    let (clock, other) = (Rc::clone(&proxy), Rc::clone(&proxy));
    tokio::task::spawn_local(async move { clock.deadlines.strike().await });
    tokio::task::spawn_local(async move { other.client_deadlines.strike().await });
    let idle = Rc::downgrade(&proxy);
    tokio::task::spawn_local(async move {
        while let Some(proxy) = idle.upgrade() {
            proxy.upstream.prune(&proxy.pool.fleet(), Instant::now());
            drop(proxy);
            tokio::time::sleep(PRUNE).await;
        }
    });

    let connections = TaskTracker::new();
    while let Some(Accepted { stream, peer, slot }) = coming.recv().await {
        books.clients().opened.one();
        let connection = Guard::new(&observer, &open);
        if let Ok(stream) = TcpStream::from_std(stream) {
            let (ip, proxy) = (peer.ip().to_canonical(), Rc::clone(&proxy));
            connections.spawn_local(rest::serve(stream, ip, proxy, (connection, slot)));
        }
    }

    // Connections finish the request they are at and close; idle ones close soon. Tunnels end by themselves.
    proxy.begin_draining();
    connections.close();
    connections.wait().await;
}

/// A client connection is counted for as long as this lives.
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
