//! How long may a request wait? One worker's deadlines, kept in one list and looked at by one clock.
//!
//! A timer per request would cost more than many a request does. Deadlines are seconds long, so it is enough
//! to look at all waiting requests a hundred times a second: a wait that is never interrupted costs one
//! insertion and one removal in a list that only its own thread touches. The same look finds the requests
//! that wait at a backend that has fallen silent.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use slab::Slab;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::balance::Backend;

/// How late a deadline may strike.
pub(crate) const RESOLUTION: Duration = Duration::from_millis(10);

/// Why a wait ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interrupt {
    /// Its deadline has passed.
    Deadline,
    /// The backend it waits for has fallen silent.
    Silence,
}

#[derive(Debug)]
struct Wait {
    deadline: Instant,
    /// Whom it waits for, if it would rather leave when that one falls silent.
    unless_silent: Option<Arc<Backend>>,
    waker: Waker,
    interrupt: Option<Interrupt>,
}

/// The waits of one worker.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    waits: RefCell<Slab<Wait>>,
    began: Notify,
}

impl Deadlines {
    /// Waits for `future` until `deadline`, or until the backend `unless_silent` is suspected of silence.
    pub(crate) async fn wait<F: Future>(
        &self,
        future: F,
        deadline: Instant,
        unless_silent: Option<&Arc<Backend>>,
    ) -> Result<F::Output, Interrupt> {
        let mut future = pin!(future);
        let mut place: Option<Place<'_>> = None;
        poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            match &place {
                None => place = Some(self.enter(cx.waker(), deadline, unless_silent)),
                Some(place) => {
                    let mut waits = self.waits.borrow_mut();
                    let wait = &mut waits[place.key];
                    if let Some(interrupt) = wait.interrupt {
                        return Poll::Ready(Err(interrupt));
                    }
                    wait.waker.clone_from(cx.waker());
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Strikes the deadlines of this worker, for ever.
    pub(crate) async fn strike(&self) -> ! {
        loop {
            while self.waits.borrow().is_empty() {
                self.began.notified().await;
            }
            tokio::time::sleep(RESOLUTION).await;
            self.interrupt(Instant::now());
        }
    }

    /// Interrupts the waits that are over at `now`.
    fn interrupt(&self, now: Instant) {
        for (_, wait) in self.waits.borrow_mut().iter_mut() {
            let silent = wait.unless_silent.as_ref().is_some_and(|backend| backend.is_suspect());
            wait.interrupt = match wait.interrupt {
                None if now >= wait.deadline => Some(Interrupt::Deadline),
                None if silent => Some(Interrupt::Silence),
                _ => continue,
            };
            wait.waker.wake_by_ref();
        }
    }

    fn enter(&self, waker: &Waker, deadline: Instant, unless_silent: Option<&Arc<Backend>>) -> Place<'_> {
        let mut waits = self.waits.borrow_mut();
        if waits.is_empty() {
            self.began.notify_one();
        }
        let unless_silent = unless_silent.map(Arc::clone);
        let key = waits.insert(Wait { deadline, unless_silent, waker: waker.clone(), interrupt: None });
        Place { waits: &self.waits, key }
    }
}

/// A wait's place in the list, given up when the wait ends in whatever way.
struct Place<'a> {
    waits: &'a RefCell<Slab<Wait>>,
    key: usize,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.waits.borrow_mut().remove(self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;
    use crate::balance::Address;

    async fn with_clock<T>(deadlines: &Deadlines, wait: impl Future<Output = T>) -> T {
        tokio::select! {
            output = wait => output,
            never = deadlines.strike() => never,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_strikes_on_time() {
        let deadlines = Deadlines::default();
        let start = Instant::now();
        let wait = deadlines.wait(pending::<()>(), start + Duration::from_secs(1), None);
        assert_eq!(with_clock(&deadlines, wait).await, Err(Interrupt::Deadline));
        let late = start.elapsed() - Duration::from_secs(1);
        assert!(late <= 2 * RESOLUTION, "late by {late:?}");
        assert!(deadlines.waits.borrow().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_in_time_is_not_disturbed() {
        let deadlines = Deadlines::default();
        let start = Instant::now();
        let work = tokio::time::sleep(Duration::from_millis(500));
        let wait = deadlines.wait(work, start + Duration::from_secs(1), None);
        assert_eq!(with_clock(&deadlines, wait).await, Ok(()));
        assert!(deadlines.waits.borrow().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn an_abandoned_wait_leaves_no_trace() {
        let deadlines = Deadlines::default();
        let far = Instant::now() + Duration::from_secs(60);
        let wait = deadlines.wait(pending::<()>(), far, None);
        assert!(tokio::time::timeout(Duration::from_millis(50), wait).await.is_err());
        assert!(deadlines.waits.borrow().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_backend_that_is_not_suspect_disturbs_nobody() {
        let deadlines = Deadlines::default();
        let address = Address { host: "127.0.0.1".into(), port: 1 };
        let backend = Arc::new(Backend::new(1, address, std::time::Instant::now()));
        let deadline = Instant::now() + Duration::from_millis(100);
        let wait = deadlines.wait(pending::<()>(), deadline, Some(&backend));
        assert_eq!(with_clock(&deadlines, wait).await, Err(Interrupt::Deadline));
    }
}
