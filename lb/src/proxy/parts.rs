//! The parts of the balancer that one worker has for its requests.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::pool::Pool;
use crate::proxy::deadline::Deadlines;
use crate::proxy::message::date::Date;
use crate::proxy::record::metrics::WorkerMetrics;
use crate::proxy::settings::{Settings, WorkerSettings};
use crate::proxy::upstream::connections::ConnectionPool;
use crate::proxy::upstream::queue::Queues;

/// The part of the balancer that belongs to one worker: all that a request needs.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) pool: Arc<Pool>,
    pub(crate) metrics: Rc<WorkerMetrics>,
    pub(super) queues: Arc<Queues>,
    pub(super) random: RefCell<fastrand::Rng>,
    pub(crate) settings: WorkerSettings,
    pub(crate) connections: ConnectionPool,
    pub(crate) deadlines: Deadlines,
    draining: Cell<bool>,
    pub(super) date: Date,
}

impl Proxy {
    pub(crate) fn new(
        pool: Arc<Pool>,
        metrics: Rc<WorkerMetrics>,
        settings: Arc<ArcSwap<Settings>>,
        queues: Arc<Queues>,
        random: fastrand::Rng,
    ) -> Self {
        Self {
            connections: ConnectionPool::new(Rc::clone(&metrics), Arc::clone(&queues)),
            queues,
            random: RefCell::new(random),
            settings: WorkerSettings::new(settings),
            deadlines: Deadlines::default(),
            draining: Cell::new(false),
            date: Date::default(),
            pool,
            metrics,
        }
    }

    /// Starts the shutdown of the balancer, and wakes all waiting tasks.
    pub(crate) fn begin_draining(&self) {
        self.draining.set(true);
        self.deadlines.wake_all();
    }

    /// Whether the balancer shuts down.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.get()
    }
}
