//! May a request go to its backend at once? If the backend has a limit, the request may have to wait, but
//! never in a long queue, and never for long.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use balance::verdict::Failure;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::pool::{Backend, InFlight};
use crate::proxy::deadline::{Deadlines, Interrupt, Unless};
use crate::proxy::settings::QueueRule;
use crate::proxy::upstream::places::Places;

/// The things that requests may have to wait for, shared by all workers: queues of backends, and places for
/// connections.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    /// The places for connections to all backends together.
    pub(crate) places: Places,
    /// By backend number, for backends with a limit.
    queues: RwLock<HashMap<usize, Arc<Queue>>>,
}

#[derive(Debug)]
struct Queue {
    limit: u32,
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Queue {
    fn new(limit: u32) -> Self {
        Self { limit, places: Arc::new(Semaphore::new(limit as usize)), waiting: AtomicUsize::new(0) }
    }
}

/// The place of a request at a backend. While this value exists, the request counts as in flight, and takes
/// one of the places of the backend if they are limited.
#[derive(Debug)]
pub(crate) struct Lease {
    in_flight: InFlight,
    place: Option<OwnedSemaphorePermit>,
}

impl Lease {
    pub(crate) fn new(backend: Arc<Backend>) -> Self {
        Self { in_flight: InFlight::new(backend), place: None }
    }

    /// The backend of the request.
    pub(crate) fn backend(&self) -> &Arc<Backend> {
        self.in_flight.backend()
    }
}

impl Queues {
    /// Empty queues, with this number of places for connections.
    pub(crate) fn new(places: usize) -> Self {
        Self { places: Places::new(places), ..Self::default() }
    }

    /// The queue of a backend with this limit. Another limit makes a new queue for the requests from then on.
    fn before(&self, backend: &Backend, limit: u32) -> Arc<Queue> {
        let queues = self.queues.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.get(&backend.number).filter(|queue| queue.limit == limit) {
            return Arc::clone(queue);
        }
        drop(queues);
        let mut queues = self.queues.write().unwrap_or_else(PoisonError::into_inner);
        let queue = queues.entry(backend.number).or_insert_with(|| Arc::new(Queue::new(limit)));
        if queue.limit != limit {
            *queue = Arc::new(Queue::new(limit));
        }
        Arc::clone(queue)
    }

    /// Waits for a place at the backend of the lease; the next tries of the request need not wait again.
    pub(crate) async fn wait(
        &self,
        lease: &mut Lease,
        rule: QueueRule,
        deadline: Instant,
        deadlines: &Deadlines,
    ) -> Result<(), Failure> {
        let (Some(limit), None) = (lease.backend().limit(), &lease.place) else { return Ok(()) };
        let backend = &Arc::clone(lease.backend());
        let queue = self.before(backend, limit);
        if let Ok(place) = Arc::clone(&queue.places).try_acquire_owned() {
            lease.place = Some(place);
            return Ok(());
        }
        let Some(_waiting) = InQueue::enter(&queue.waiting, &backend.own.stats.queued, rule.max_waiting)
        else {
            return Err(Failure::QueueFull);
        };
        let turn = pin!(Arc::clone(&queue.places).acquire_owned());
        let until = (Instant::now() + rule.timeout).min(deadline).into();
        match deadlines.wait(turn, || until, Some((backend, Unless::Down))).await {
            Ok(place) => {
                lease.place = place.ok();
                Ok(())
            }
            Err(Interrupt::Deadline) => Err(Failure::QueueTimeout),
            Err(Interrupt::State) => Err(Failure::WentDown),
        }
    }
}

/// While this value exists, a request waits in a queue. It also counts in the statistics of the backend,
/// whose queue may be replaced by another one.
struct InQueue<'a>(&'a AtomicUsize, &'a AtomicU32);

impl<'a> InQueue<'a> {
    fn enter(waiting: &'a AtomicUsize, queued: &'a AtomicU32, max_waiting: usize) -> Option<Self> {
        let entered =
            waiting.fetch_update(Relaxed, Relaxed, |waiting| (waiting < max_waiting).then_some(waiting + 1));
        // Not created before the request is in the queue, because dropping it counts down.
        entered.is_ok().then(|| {
            queued.fetch_add(1, Relaxed);
            Self(waiting, queued)
        })
    }
}

impl Drop for InQueue<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
        self.1.fetch_sub(1, Relaxed);
    }
}
