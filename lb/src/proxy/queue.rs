//! May a request go to its backend at once? With a limit on what a backend has to do, it may have to wait for its
//! turn; but never in a long queue, and never for long.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::deadline::{Deadlines, Interrupt};
use super::verdict::Failure;
use crate::balance::health::State;
use crate::balance::{Backend, InFlight};

/// How much a backend has to do at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Requests it may have in flight, at least 1, over all workers together.
    pub in_flight: usize,
    /// Requests that may wait for one of these to end.
    pub queue: usize,
    /// How long each of them may wait.
    pub patience: Duration,
}

/// The queues before all backends, shared by all workers.
#[derive(Debug)]
pub(crate) struct Queues {
    /// By backend number; none without a limit.
    queues: RwLock<HashMap<usize, Arc<Queue>>>,
    limit: Option<Limit>,
}

#[derive(Debug)]
struct Queue {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// A request's place at a backend: it counts as in flight there, and takes one of its places if they are limited,
/// for as long as this lives.
#[derive(Debug)]
pub(crate) struct Lease {
    in_flight: InFlight,
    place: Option<OwnedSemaphorePermit>,
}

impl Lease {
    pub(crate) fn new(backend: Arc<Backend>) -> Self {
        Self { in_flight: InFlight::new(backend), place: None }
    }

    /// Where the request is.
    pub(crate) fn backend(&self) -> &Arc<Backend> {
        self.in_flight.backend()
    }
}

impl Queues {
    pub(crate) fn new(limit: Option<Limit>) -> Self {
        Self { queues: RwLock::default(), limit }
    }

    /// The queue before a backend.
    fn queue(&self, backend: &Backend, limit: Limit) -> Arc<Queue> {
        let known =
            self.queues.read().unwrap_or_else(PoisonError::into_inner).get(&backend.number).map(Arc::clone);
        known.unwrap_or_else(|| {
            let mut queues = self.queues.write().unwrap_or_else(PoisonError::into_inner);
            let places = Arc::new(Semaphore::new(limit.in_flight));
            let new = || Arc::new(Queue { places, waiting: AtomicUsize::new(0) });
            Arc::clone(queues.entry(backend.number).or_insert_with(new))
        })
    }

    /// Waits until it is the request's turn at the backend of its lease; its next tries need not wait again.
    pub(crate) async fn wait(
        &self,
        lease: &mut Lease,
        deadline: Instant,
        deadlines: &Deadlines,
    ) -> Result<(), Failure> {
        let (Some(limit), None) = (self.limit, &lease.place) else { return Ok(()) };
        let backend = lease.backend();
        let queue = self.queue(backend, limit);
        if let Ok(place) = Arc::clone(&queue.places).try_acquire_owned() {
            lease.place = Some(place);
            return Ok(());
        }
        let Some(_waiting) = InQueue::enter(&queue.waiting, limit.queue) else {
            return Err(Failure::QueueFull);
        };
        let turn = Arc::clone(&queue.places).acquire_owned();
        let patience = Cell::new((Instant::now() + limit.patience).min(deadline).into());
        match deadlines.wait(turn, &patience, Some((backend, State::Down))).await {
            Ok(place) => {
                lease.place = place.ok();
                Ok(())
            }
            Err(Interrupt::Deadline) => Err(Failure::QueueTimeout),
            Err(Interrupt::State) => Err(Failure::WentDown),
        }
    }
}

/// A request waits in a queue for as long as this lives.
struct InQueue<'a>(&'a AtomicUsize);

impl<'a> InQueue<'a> {
    fn enter(waiting: &'a AtomicUsize, longest: usize) -> Option<Self> {
        let entered =
            waiting.fetch_update(Relaxed, Relaxed, |waiting| (waiting < longest).then_some(waiting + 1));
        // Not made before it is in: dropping it counts down.
        entered.is_ok().then(|| Self(waiting))
    }
}

impl Drop for InQueue<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
