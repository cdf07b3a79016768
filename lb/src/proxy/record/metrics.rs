//! The counters of one worker: one set for all clients, and one for each backend.

use std::cell::Cell;
use std::sync::Arc;

use crate::observe::{Counters, Meter, Observer};
use crate::pool::Backend;
use crate::proxy::settings::Statistics;

/// The counters of one worker.
#[derive(Debug)]
pub(crate) struct WorkerMetrics {
    observer: Arc<Observer>,
    worker: usize,
    statistics: Statistics,
    /// Requests since the last one in the sample.
    since_sample: Cell<u32>,
}

impl WorkerMetrics {
    pub(crate) fn new(observer: Arc<Observer>, worker: usize, statistics: Statistics) -> Self {
        Self { observer, worker, statistics, since_sample: Cell::new(0) }
    }

    pub(crate) fn observer(&self) -> &Observer {
        &self.observer
    }

    /// Whether the next request is in the sample for readers of events: the number of requests that it stands
    /// for, or 0. Every worker takes each of its requests whose turn it is, so no two workers wait for each
    /// other.
    pub(crate) fn sample(&self) -> u32 {
        let one_in = self.observer.stream.one_in();
        if one_in == 0 {
            return 0;
        }
        let since = self.since_sample.get() + 1;
        let is_turn = since >= one_in;
        self.since_sample.set(if is_turn { 0 } else { since });
        if is_turn { one_in } else { 0 }
    }

    /// The counters for clients.
    pub(crate) fn clients(&self) -> &Arc<Counters> {
        self.observer.totals.of(self.worker)
    }

    /// The counters for this backend.
    pub(crate) fn at<'a>(&self, backend: &'a Backend) -> &'a Arc<Counters> {
        backend.own.stats.counters.of(self.worker)
    }

    /// Whether the worker counts the durations of requests.
    pub(crate) fn keeps_times(&self) -> bool {
        self.statistics == Statistics::Full
    }

    /// Counts the bytes of a connection in these counters, if they are counted.
    pub(crate) fn meter(&self, counters: &Arc<Counters>) -> Meter {
        match self.statistics {
            Statistics::Full => Meter::of(counters),
            Statistics::Basic => Meter::default(),
        }
    }
}
