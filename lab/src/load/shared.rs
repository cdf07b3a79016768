//! The data that the thread of a load and its owner share.

use std::collections::VecDeque;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use super::ledger::Entry;
use super::report::Phase;

/// The data that the thread of a load and its owner share.
#[derive(Debug)]
pub(super) struct Shared {
    /// The first part of every request's id, different for each load.
    pub(super) name: String,
    pub(super) began: Instant,
    /// The number of requests that the load has begun.
    pub(super) begun: AtomicU64,
    record: Mutex<Record>,
}

/// What has happened so far.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) entries: VecDeque<Entry>,
    pub(super) phases: Vec<Phase>,
    keep: usize,
}

impl Shared {
    /// The data of a load that keeps this number of entries.
    pub(super) fn new(keep: usize) -> Self {
        Self {
            name: format!("load{:08x}", fastrand::u32(..)),
            began: Instant::now(),
            begun: AtomicU64::new(0),
            record: Mutex::new(Record { entries: VecDeque::new(), phases: Vec::new(), keep }),
        }
    }

    pub(super) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Record {
    pub(super) fn push(&mut self, entry: Entry) {
        if self.entries.len() >= self.keep {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }
}
