//! Where does a worker count? It has its own tallies, one for all clients and one for each backend.

use std::sync::Arc;

use crate::observe::{Counters, Meter, Observer};
use crate::pool::Backend;
use crate::proxy::settings::Statistics;

/// The tallies of one worker.
#[derive(Debug)]
pub(crate) struct WorkerMetrics {
    observer: Arc<Observer>,
    worker: usize,
    statistics: Statistics,
}

impl WorkerMetrics {
    pub(crate) fn new(observer: Arc<Observer>, worker: usize, statistics: Statistics) -> Self {
        Self { observer, worker, statistics }
    }

    pub(crate) fn observer(&self) -> &Observer {
        &self.observer
    }

    /// The tally for clients.
    pub(crate) fn clients(&self) -> &Arc<Counters> {
        self.observer.totals.of(self.worker)
    }

    /// The tally for this backend.
    pub(crate) fn at<'a>(&self, backend: &'a Backend) -> &'a Arc<Counters> {
        backend.own.stats.counters.of(self.worker)
    }

    /// Whether the worker counts the durations of requests.
    pub(crate) fn keeps_times(&self) -> bool {
        self.statistics == Statistics::Full
    }

    /// Counts the bytes of a connection in this tally, if they are counted.
    pub(crate) fn meter(&self, counters: &Arc<Counters>) -> Meter {
        match self.statistics {
            Statistics::Full => Meter::of(counters),
            Statistics::Basic => Meter::default(),
        }
    }
}
