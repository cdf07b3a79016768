//! Which request is sent next, and when?
//!
//! In closed loop, a free connection takes the next job at once. In open loop, the pacer gives out jobs when
//! they are due. It also wakes clients that wait before a retry. It is a thread, because the wait of a thread
//! is finer than the runtime's timer with its whole milliseconds.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU64;
use std::pin::pin;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::thread::set_current_timer_slack;
use tokio::sync::{Notify, oneshot};

use super::schedule::{Planned, Schedule};

/// The next request; in open loop with the time at which it should be sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Job {
    pub(super) number: u64,
    pub(super) call: usize,
    pub(super) due: Option<Duration>,
}

/// The source of jobs for the connections.
#[derive(Debug)]
pub(super) struct Jobs {
    began: Instant,
    queue: Mutex<JobQueue>,
    /// The queue has changed: the pacer looks at it.
    changed: Condvar,
    /// There is a job for a connection, or there are no more jobs.
    ready: Notify,
}

/// The jobs that are to come and those that are due.
#[derive(Debug)]
struct JobQueue {
    schedule: Schedule,
    is_open: bool,
    due: VecDeque<Job>,
    /// Those that wait for a time, in the order of these times. The second number tells them apart.
    sleepers: BTreeMap<(Duration, u64), oneshot::Sender<()>>,
    slept: u64,
    /// No more jobs are given out.
    is_over: bool,
    unsent: u64,
}

/// What a free connection does.
#[derive(Debug, PartialEq)]
enum Step {
    Do(Job),
    Wait,
    End,
}

impl Jobs {
    /// The jobs of a schedule that began at this time.
    pub(super) fn new(schedule: Schedule, is_open: bool, began: Instant) -> Self {
        let queue = JobQueue::new(schedule, is_open);
        Self { began, queue: Mutex::new(queue), changed: Condvar::new(), ready: Notify::new() }
    }

    fn queue(&self) -> MutexGuard<'_, JobQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next job for a free connection, as soon as there is one; `None` if there are no more.
    pub(super) async fn next(&self) -> Option<Job> {
        loop {
            // A notice that comes after the look at the queue must not be lost.
            let mut ready = pin!(self.ready.notified());
            ready.as_mut().enable();
            let step = self.queue().step();
            match step {
                Step::Do(job) => return Some(job),
                Step::Wait => ready.await,
                Step::End => {
                    // The others that wait have to end as well.
                    self.ready.notify_waiters();
                    return None;
                }
            }
        }
    }

    /// Waits until this time of the load, or until the load is stopped. Returns whether the load goes on.
    pub(super) async fn wait_until(&self, time: Duration) -> bool {
        let waiting = {
            let mut queue = self.queue();
            if queue.is_over || time <= self.began.elapsed() {
                return !queue.is_over;
            }
            queue.sleep(time)
        };
        self.changed.notify_all();
        waiting.await.is_ok()
    }

    /// Gives out no more jobs.
    pub(super) fn stop(&self) {
        self.queue().stop();
        self.changed.notify_all();
        self.ready.notify_waiters();
    }

    /// The number of jobs that were due when the load was stopped, and that no connection had taken.
    pub(super) fn unsent(&self) -> u64 {
        self.queue().unsent
    }

    /// Gives out the jobs of an open loop when they are due, and wakes those that wait for a time, until the
    /// load is stopped.
    pub(super) fn pace(&self) {
        // Without this, the kernel may let the thread sleep for 50 us longer.
        let _ = set_current_timer_slack(NonZeroU64::new(1));
        let mut queue = self.queue();
        while !queue.is_over {
            let now = self.began.elapsed();
            queue = match queue.pass(now) {
                Pass::HandedOut => {
                    self.ready.notify_one();
                    queue
                }
                Pass::Until(time) => {
                    let wait = time.saturating_sub(now);
                    self.changed.wait_timeout(queue, wait).unwrap_or_else(PoisonError::into_inner).0
                }
                Pass::Change => self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

/// What the pacer does next.
#[derive(Debug, PartialEq)]
enum Pass {
    /// It gave out a job, and looks for the next one.
    HandedOut,
    /// It waits until this time.
    Until(Duration),
    /// It waits for a change.
    Change,
}

impl JobQueue {
    fn new(schedule: Schedule, is_open: bool) -> Self {
        Self {
            schedule,
            is_open,
            due: VecDeque::new(),
            sleepers: BTreeMap::new(),
            slept: 0,
            is_over: false,
            unsent: 0,
        }
    }

    /// What a free connection does.
    fn step(&mut self) -> Step {
        if self.is_over {
            return Step::End;
        }
        if let Some(job) = self.due.pop_front() {
            return Step::Do(job);
        }
        if self.schedule.has_ended() {
            return Step::End;
        }
        match self.is_open {
            true => Step::Wait,
            false => self
                .schedule
                .next()
                .map_or(Step::Wait, |Planned { number, call, .. }| Step::Do(Job { number, call, due: None })),
        }
    }

    /// Adds one that waits for a time. The receiver gets a message at this time, or an error if the load is
    /// stopped before.
    fn sleep(&mut self, until: Duration) -> oneshot::Receiver<()> {
        let (wake, waiting) = oneshot::channel();
        self.sleepers.insert((until, self.slept), wake);
        self.slept += 1;
        waiting
    }

    /// Wakes those that waited until now, and gives out the next job of an open loop if it is due.
    fn pass(&mut self, now: Duration) -> Pass {
        while let Some(first) = self.sleepers.first_entry().filter(|first| first.key().0 <= now) {
            // The one that waited may be gone.
            let _ = first.remove().send(());
        }
        let next = self.schedule.peek().filter(|_| self.is_open).map(|next| next.due);
        if next.is_some_and(|due| due <= now) {
            let job = self.schedule.next();
            self.due.extend(job.map(|Planned { number, call, due }| Job { number, call, due: Some(due) }));
            return Pass::HandedOut;
        }
        let sleeper = self.sleepers.keys().next().map(|(until, _)| *until);
        next.into_iter().chain(sleeper).min().map_or(Pass::Change, Pass::Until)
    }

    fn stop(&mut self) {
        self.is_over = true;
        self.unsent += self.due.len() as u64;
        self.due.clear();
        self.sleepers.clear();
    }
}

#[cfg(test)]
#[path = "jobs_tests.rs"]
mod tests;
