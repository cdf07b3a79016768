//! What do all requests of a worker share?

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::report::Reporter;
use crate::cli::WorkerConfig;
use crate::fault::{Active, Faults, Wait};
use crate::link::{FaultOrder, Orders};

/// The data that all requests of this worker share.
pub(super) struct Shared {
    pub(super) config: WorkerConfig,
    /// The id of this process; a question to the kernel would cost a system call.
    pub(super) pid: u32,
    pub(super) faults: RefCell<Faults>,
    /// Notified when the faults change.
    changed: Notify,
    /// The worker shuts down: every answer says that it is the last one of its connection.
    pub(super) ending: Cell<bool>,
    pub(super) reporter: Rc<Reporter>,
}

impl Shared {
    pub(super) fn new(config: WorkerConfig, reporter: Reporter) -> Self {
        Self {
            config,
            pid: std::process::id(),
            faults: RefCell::default(),
            changed: Notify::new(),
            ending: Cell::new(false),
            reporter: Rc::new(reporter),
        }
    }

    /// Waits as planned, but not longer than the fault is active: removing a fault ends these waits.
    pub(super) async fn pause(&self, wait: Wait) {
        let end = wait.lasts.map(|lasts| Instant::now() + lasts);
        loop {
            let changed = self.changed.notified();
            let now = Instant::now();
            let Some(expiry) = self.faults.borrow().standing(wait.key, now) else { return };
            if end.is_some_and(|end| end <= now) {
                return;
            }
            tokio::select! {
                () = changed => {}
                () = sleep_until([end, expiry].into_iter().flatten().min()) => {}
            }
        }
    }

    /// Replaces the orders.
    pub(super) fn obey(&self, orders: Orders) {
        let faults = orders.faults.into_iter().map(active).collect();
        self.faults.borrow_mut().replace(orders.seed, faults);
        self.changed.notify_waiters();
    }
}

fn active(order: FaultOrder) -> Active {
    Active {
        key: order.key,
        id: order.id,
        fault: order.fault,
        until: order.left_ms.map(|left| Instant::now() + Duration::from_millis(left)),
        matched: order.matched,
        fired: order.fired,
    }
}

/// Sleeps until `instant`; without one, forever.
pub(super) async fn sleep_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}
