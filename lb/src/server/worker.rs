//! The workers: one thread for each, with everything that requests need.

use std::convert::Infallible;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime::{LocalOptions, LocalRuntime};
use tokio::sync::{mpsc, oneshot};

use super::acceptor::{Acceptor, Slots};
use super::clients::{Clients, watch_idle};
use super::handle::{Inbox, WorkerHandle};
use crate::asking::LOOK;
use crate::clock;
use crate::config::Config;
use crate::observe::Observer;
use crate::pool::Pool;
use crate::proxy::Proxy;
use crate::proxy::record::metrics::WorkerMetrics;
use crate::proxy::settings::Settings;
use crate::proxy::upstream::queue::Queues;

/// Interval at which idle backend connections are checked.
const PRUNE: Duration = Duration::from_secs(1);

/// All workers together.
#[derive(Debug)]
pub(super) struct Workers {
    /// Dropped to close the acceptor.
    open: oneshot::Sender<()>,
    /// Yields nothing until all workers have finished and dropped their ends.
    finished: mpsc::Receiver<Infallible>,
}

impl Workers {
    /// Starts the workers, which accept from these listeners.
    pub(super) fn start(
        config: &Config,
        settings: &Arc<ArcSwap<Settings>>,
        pool: &Arc<Pool>,
        observer: &Arc<Observer>,
        listeners: Vec<std::net::TcpListener>,
        slots: Slots,
        places: usize,
    ) -> io::Result<Self> {
        let (working, finished) = mpsc::channel(1);
        let (open, closing) = oneshot::channel();
        let seed = config.seed.unwrap_or_else(|| fastrand::u64(..));
        let queues = Arc::new(Queues::new(places));
        let (handles, places): (Vec<_>, Vec<_>) = (0..config.workers).map(|_| WorkerHandle::new()).unzip();
        // The last worker accepts: all others are ready when it accepts the first client.
        let mut acceptor = Some(move || Acceptor::open(listeners, slots, handles, closing));
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
        let give_up = |wanted| _ = keeper.connections.close_idle(wanted);
        keeper.connections.places().heed_shortages(give_up).await
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
            let max_idle = proxy.settings.now().backend_idle;
            proxy.connections.prune(&proxy.pool.fleet(), max_idle, clock::now());
            drop(proxy);
            tokio::time::sleep(PRUNE.min(max_idle / 4).max(LOOK)).await;
        }
    });

    let (idle_clients, becoming_idle) = mpsc::unbounded_channel();
    let clients = Rc::new(Clients::new(proxy, observer, open, idle_clients));
    tokio::task::spawn_local(watch_idle(Rc::clone(&clients), becoming_idle));
    if let Some(acceptor) = acceptor {
        tokio::task::spawn_local(acceptor.run(Rc::clone(&clients)));
    }
    while let Some(accepted) = coming.recv().await {
        clients.serve(accepted);
    }
    clients.finish().await;
}
