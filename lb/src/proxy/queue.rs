//! May a request go to its backend at once? With a limit on what a backend has to do, it may have to wait for its
//! turn; but never in a long queue, and never for long.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::deadline::{Deadlines, Interrupt, Unless};
use super::places::Places;
use super::verdict::Failure;
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

/// How requests wait for a backend that has as many in flight as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// How many may wait; more are refused.
    pub longest: usize,
    /// How long each of them may.
    pub patience: Duration,
}

/// What requests may have to wait for, shared by all workers: the queues before the backends, and places for connections.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    /// The places for connections to all backends together.
    pub(crate) places: Places,
    /// By backend number, as far as there are limits.
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
    /// Empty ones, with so many places for connections.
    pub(crate) fn new(places: usize) -> Self {
        Self { places: Places::new(places), ..Self::default() }
    }

    /// The queue before a backend with this limit. Another limit makes a new queue: it holds for what comes from then on.
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

    /// Waits until it is the request's turn at the backend of its lease; its next tries need not wait again.
    pub(crate) async fn wait(
        &self,
        lease: &mut Lease,
        rule: Rule,
        deadline: Instant,
        deadlines: &Deadlines,
    ) -> Result<(), Failure> {
        let (Some(limit), None) = (lease.backend().limit(), &lease.place) else { return Ok(()) };
        let backend = lease.backend();
        let queue = self.before(backend, limit);
        if let Ok(place) = Arc::clone(&queue.places).try_acquire_owned() {
            lease.place = Some(place);
            return Ok(());
        }
        let Some(_waiting) = InQueue::enter(&queue.waiting, rule.longest) else {
            return Err(Failure::QueueFull);
        };
        let turn = pin!(Arc::clone(&queue.places).acquire_owned());
        let patience = (Instant::now() + rule.patience).min(deadline).into();
        match deadlines.wait(turn, || patience, Some((backend, Unless::Down))).await {
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
