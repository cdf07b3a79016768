//! The deadlines of one worker: a list that one clock checks.
//!
//! A timer per request would cost more than many requests do. Deadlines are seconds long, so it is enough to
//! check all waits a hundred times a second: a wait that is never interrupted costs one insertion and one
//! removal in a list that only its own thread uses. The same check finds the requests that wait at a backend
//! that has fallen silent.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use balance::state::State;
use slab::Slab;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::pool::Backend;

/// The time between two checks. They need 0.1 % of a core or less for ten thousand waits.
const RESOLUTION: Duration = Duration::from_millis(10);

/// The reason why a wait ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interrupt {
    /// Its deadline has passed.
    Deadline,
    /// The backend came into the state that ends the wait.
    State,
}

/// The state of a backend that ends a wait early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unless {
    /// The backend is down.
    Down,
    /// Requests wait at the backend and get no answer: see [`Backend::is_silent`].
    Silent,
}

impl Unless {
    fn holds(self, backend: &Backend) -> bool {
        match self {
            Self::Down => backend.is(State::Down),
            Self::Silent => backend.is_silent(),
        }
    }
}

#[derive(Debug)]
struct Wait {
    deadline: Instant,
    /// The wait ends early if the backend comes into this state.
    unless: Option<(Arc<Backend>, Unless)>,
    waker: Waker,
    interrupt: Option<Interrupt>,
}

/// The waits of one worker. A deadline takes effect at most twice the [`RESOLUTION`] late.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    waits: RefCell<Slab<Wait>>,
    began: Notify,
}

impl Deadlines {
    /// Waits for `future` until `deadline`, or, with `unless`, until the backend comes into that state. If
    /// the backend is in that state from the start, it was picked despite it, and the state does not end the
    /// wait. The future may move its deadline while it runs. The deadline is read only if the future has to
    /// wait, so that a future that does not wait costs no look at the clock.
    pub(crate) fn wait<F: Future + Unpin>(
        &self,
        mut future: F,
        deadline: impl Fn() -> Instant,
        unless: Option<(&Arc<Backend>, Unless)>,
    ) -> impl Future<Output = Result<F::Output, Interrupt>> {
        let unless = unless.filter(|(backend, unless)| !unless.holds(backend));
        let mut slot: Option<WaitSlot<'_>> = None;
        poll_fn(move |cx| {
            if let Poll::Ready(output) = Pin::new(&mut future).poll(cx) {
                return Poll::Ready(Ok(output));
            }
            match &slot {
                None => slot = Some(self.enter(cx.waker(), deadline(), unless)),
                Some(slot) => {
                    let mut waits = self.waits.borrow_mut();
                    let wait = &mut waits[slot.key];
                    // A deadline that was moved in the same moment has not passed.
                    let deadline = deadline();
                    let put_off = std::mem::replace(&mut wait.deadline, deadline) != deadline;
                    match wait.interrupt {
                        Some(Interrupt::Deadline) if put_off => wait.interrupt = None,
                        Some(interrupt) => return Poll::Ready(Err(interrupt)),
                        None => {}
                    }
                    wait.waker.clone_from(cx.waker());
                }
            }
            Poll::Pending
        })
    }

    /// Ends the waits of this worker at their deadlines. It never returns.
    pub(crate) async fn run(&self) -> ! {
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
            let leaves = wait.unless.as_ref().is_some_and(|(backend, unless)| unless.holds(backend));
            wait.interrupt = match wait.interrupt {
                None if now >= wait.deadline => Some(Interrupt::Deadline),
                None if leaves => Some(Interrupt::State),
                _ => continue,
            };
            wait.waker.wake_by_ref();
        }
    }

    /// Makes all waiting futures check their state, because something has changed for all of them.
    pub(crate) fn wake_all(&self) {
        self.waits.borrow().iter().for_each(|(_, wait)| wait.waker.wake_by_ref());
    }

    fn enter(
        &self,
        waker: &Waker,
        deadline: Instant,
        unless: Option<(&Arc<Backend>, Unless)>,
    ) -> WaitSlot<'_> {
        let mut waits = self.waits.borrow_mut();
        if waits.is_empty() {
            self.began.notify_one();
        }
        let unless = unless.map(|(backend, unless)| (Arc::clone(backend), unless));
        let key = waits.insert(Wait { deadline, unless, waker: waker.clone(), interrupt: None });
        WaitSlot { waits: &self.waits, key }
    }
}

/// The slot of a wait in the list. It is given up when the wait ends, for whatever reason.
struct WaitSlot<'a> {
    waits: &'a RefCell<Slab<Wait>>,
    key: usize,
}

impl Drop for WaitSlot<'_> {
    fn drop(&mut self) {
        self.waits.borrow_mut().remove(self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::pending;
    use std::pin::pin;
    use std::task::Context;

    use balance::health::Evidence;

    use super::*;
    use crate::config::Flags;
    use crate::observe::Observer;
    use crate::pool::Pool;

    /// Lets the clock run until the wait is over, without a runtime: the time between two checks passes
    /// at once. Returns the result, and the time that has passed.
    fn over<T>(
        deadlines: &Deadlines,
        start: Instant,
        wait: impl Future<Output = Result<T, Interrupt>>,
    ) -> (Result<T, Interrupt>, Duration) {
        let (mut wait, mut passed) = (pin!(wait), Duration::ZERO);
        loop {
            if let Poll::Ready(result) = wait.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return (result, passed);
            }
            passed += RESOLUTION;
            deadlines.interrupt(start + passed);
        }
    }

    #[test]
    fn a_deadline_is_met_on_time() {
        let (deadlines, start) = (Deadlines::default(), Instant::now());
        // Immediately after a check, whatever the time between two checks is.
        let due = Duration::from_millis(1001);
        let wait = deadlines.wait(pending::<()>(), || start + due, None);
        let (result, passed) = over(&deadlines, start, wait);
        assert_eq!(result, Err(Interrupt::Deadline));
        let late = passed - due;
        assert!(late <= Duration::from_millis(20), "late by {late:?}");
        assert!(deadlines.waits.borrow().is_empty());
    }

    #[tokio::test]
    async fn the_clock_of_a_worker_ends_a_wait() {
        let (deadlines, start) = (Deadlines::default(), Instant::now());
        let due = Duration::from_millis(30);
        let result = tokio::select! {
            result = deadlines.wait(pending::<()>(), || start + due, None) => result,
            never = deadlines.run() => never,
        };
        assert_eq!(result, Err(Interrupt::Deadline));
        assert!(start.elapsed() >= due, "{:?}", start.elapsed());
    }

    #[test]
    fn a_result_in_time_is_not_interrupted() {
        let (deadlines, start) = (Deadlines::default(), Instant::now());
        let mut polls = 0;
        let work = poll_fn(|_| {
            polls += 1;
            if polls < 50 { Poll::Pending } else { Poll::Ready(()) }
        });
        let wait = deadlines.wait(work, || start + Duration::from_secs(1), None);
        assert_eq!(over(&deadlines, start, wait), (Ok(()), 49 * RESOLUTION));
        assert!(deadlines.waits.borrow().is_empty());
    }

    #[test]
    fn a_deadline_can_be_put_off() {
        let (deadlines, start) = (Deadlines::default(), Instant::now());
        let deadline = Cell::new(start + Duration::from_secs(1));
        let mut polls = 0;
        // It makes progress in the moment in which the deadline would pass.
        let work = poll_fn(|_| {
            polls += 1;
            if polls == 2 {
                deadline.set(start + Duration::from_secs(2));
            }
            Poll::<()>::Pending
        });
        let (result, passed) = over(&deadlines, start, deadlines.wait(work, || deadline.get(), None));
        assert_eq!((result, passed), (Err(Interrupt::Deadline), Duration::from_secs(2)));
    }

    #[test]
    fn an_abandoned_wait_leaves_no_trace() {
        let (deadlines, start) = (Deadlines::default(), Instant::now());
        {
            let mut wait = pin!(deadlines.wait(pending::<()>(), || start + Duration::from_secs(60), None));
            assert!(wait.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            assert_eq!(deadlines.waits.borrow().len(), 1);
        }
        assert!(deadlines.waits.borrow().is_empty());
    }

    #[test]
    fn only_a_backend_that_comes_into_the_state_ends_a_wait() {
        let (deadlines, start) = (Deadlines::default(), Instant::now());
        let file = "[[backend]]\nurl = \"http://127.0.0.1:1\"\n[health]\nfall = 1";
        let config = crate::config::read(Some(("lb.toml", file)), &Flags::default()).unwrap().config;
        let now = crate::clock::now();
        let pool = Pool::new(config.members(), config.rules(), Arc::new(Observer::new(false)), now);
        let backend = pool.backends().remove(0);
        let deadline = start + Duration::from_millis(100);
        for evidence in [Evidence::TimePassed, Evidence::PingRefused("refused".into())] {
            pool.learn(&backend, evidence, now);
            let wait = deadlines.wait(pending::<()>(), || deadline, Some((&backend, Unless::Down)));
            let (result, _) = over(&deadlines, start, wait);
            assert_eq!(result, Err(Interrupt::Deadline), "{:?}", backend.health());
        }
    }
}
