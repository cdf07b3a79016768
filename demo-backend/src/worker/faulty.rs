//! The faults in force, and the waits that end when a fault does.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::fault::{Active, Exit, Faults, Lru, Plan, Subject, Wait};
use crate::link::FaultOrder;

/// The faults in force in this worker.
pub(super) struct Faulty {
    faults: RefCell<Faults>,
    /// Notified when the faults change.
    changed: Notify,
}

impl Faulty {
    /// No faults, in a worker that starts now.
    pub(super) fn new() -> Self {
        Self { faults: RefCell::new(Faults::new(Instant::now())), changed: Notify::new() }
    }

    /// Replaces all faults.
    pub(super) fn replace(&self, seed: u64, orders: Vec<FaultOrder>) {
        let now = Instant::now();
        let faults = orders.into_iter().map(|order| active(order, now)).collect();
        self.faults.borrow_mut().replace(seed, faults);
        self.changed.notify_waiters();
    }

    /// Draws all faults for one request.
    pub(super) fn plan(&self, subject: Subject<'_>, now: Instant) -> Plan {
        self.faults.borrow_mut().plan(subject, now)
    }

    /// The reaction to SIGTERM, and the key of its fault, if there is one.
    pub(super) fn on_term(&self, now: Instant) -> Option<(u64, Exit)> {
        self.faults.borrow().on_term(now)
    }

    /// The key of a fault that makes the port refuse connections, if there is one.
    pub(super) fn refusing(&self, now: Instant) -> Option<u64> {
        self.faults.borrow().refusing(now)
    }

    /// The time at which the next fault begins or expires.
    pub(super) fn next_change(&self, now: Instant) -> Option<Instant> {
        self.faults.borrow().next_change(now)
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

fn active(order: FaultOrder, now: Instant) -> Active {
    let age = Duration::from_micros(order.age_us.unsigned_abs());
    let begins = if order.age_us < 0 { now.checked_add(age) } else { now.checked_sub(age) };
    Active {
        key: order.key,
        id: order.id,
        fault: order.fault,
        begins: begins.unwrap_or(now),
        until: order.left_us.map(|left| now + Duration::from_micros(left)),
        matched: order.matched,
        fired: order.fired,
        lru: Lru::default(),
    }
}

/// Sleeps until `instant`; without one, forever.
pub(super) async fn sleep_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}
