//! The faults in force, and the waits that end when a fault does.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::fault::{Active, Faults, Plan, Wait};
use crate::link::FaultOrder;

/// The faults in force in this worker.
#[derive(Default)]
pub(super) struct Faulty {
    faults: RefCell<Faults>,
    /// Notified when the faults change.
    changed: Notify,
}

impl Faulty {
    /// Replaces all faults.
    pub(super) fn replace(&self, seed: u64, orders: Vec<FaultOrder>) {
        let faults = orders.into_iter().map(active).collect();
        self.faults.borrow_mut().replace(seed, faults);
        self.changed.notify_waiters();
    }

    /// Draws all faults for one request.
    pub(super) fn plan(&self, method: &str, path: &str, now: Instant) -> Plan {
        self.faults.borrow_mut().plan(method, path, now)
    }

    /// The key of a fault that makes the port refuse connections, if there is one.
    pub(super) fn refusing(&self, now: Instant) -> Option<u64> {
        self.faults.borrow().refusing(now)
    }

    /// The time at which the next fault expires.
    pub(super) fn next_expiry(&self, now: Instant) -> Option<Instant> {
        self.faults.borrow().next_expiry(now)
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
