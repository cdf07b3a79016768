//! The data that the thread of a load and its owner share.

use std::collections::VecDeque;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::ledger::Entry;
use super::report::Phase;
use super::retries::RetryWindow;

/// The data that the thread of a load and its owner share.
#[derive(Debug)]
pub(super) struct Shared {
    /// The first part of every request's id, different for each load.
    pub(super) name: String,
    pub(super) began: Instant,
    /// The same moment, in microseconds since 1970.
    pub(super) epoch_unix_us: u64,
    /// The number of requests that the load has begun.
    pub(super) begun: AtomicU64,
    retry_window: Mutex<RetryWindow>,
    record: Mutex<Record>,
}

/// What has happened so far.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) entries: VecDeque<Entry>,
    pub(super) phases: Vec<Phase>,
    /// The number of requests that have ended, with those whose entries are no longer kept.
    pub(super) ended: u64,
    keep: usize,
}

impl Shared {
    /// The data of a load that keeps this number of entries.
    pub(super) fn new(keep: usize) -> Self {
        Self {
            name: format!("load{:08x}", fastrand::u32(..)),
            began: Instant::now(),
            // A clock before 1970 is wrong anyway.
            epoch_unix_us: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX)),
            begun: AtomicU64::new(0),
            retry_window: Mutex::default(),
            record: Mutex::new(Record { entries: VecDeque::new(), phases: Vec::new(), ended: 0, keep }),
        }
    }

    /// The time since the start of the load, in whole microseconds: a report can be written and read again
    /// without a difference.
    pub(super) fn elapsed(&self) -> Duration {
        whole_microseconds(self.began.elapsed())
    }

    pub(super) fn retry_window(&self) -> MutexGuard<'_, RetryWindow> {
        self.retry_window.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(super) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// A time without its fraction of a microsecond.
pub(super) fn whole_microseconds(time: Duration) -> Duration {
    time - Duration::from_nanos(u64::from(time.subsec_nanos() % 1000))
}

impl Record {
    pub(super) fn push(&mut self, entry: Entry) {
        if self.entries.len() >= self.keep {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
        self.ended += 1;
    }
}
