//! Which request is sent next, and when?
//!
//! In closed loop, a free connection takes the next job at once. In open loop, the pacer gives out jobs when
//! they are due. It also wakes clients that wait before a retry or before their next request. It is a thread,
//! because the wait of a thread is finer than the runtime's timer with its whole milliseconds.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU64;
use std::pin::pin;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use rustix::thread::set_current_timer_slack;
use tokio::sync::{Notify, oneshot};

use super::arrivals::Arrivals;
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
pub(super) struct JobQueue {
    schedule: Schedule,
    pacing: Pacing,
    due: VecDeque<Job>,
    /// Those that wait for a time, in the order of these times. The second number tells them apart.
    sleepers: BTreeMap<(Duration, u64), oneshot::Sender<()>>,
    slept: u64,
    /// No more jobs are given out.
    is_over: bool,
    unsent: u64,
}

/// What sets the pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pacing {
    /// The schedule.
    Open,
    /// This number of connections, each of which has one request at a time.
    Closed(usize),
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
    pub(super) fn new(schedule: Schedule, pacing: Pacing, began: Instant) -> Self {
        let queue = JobQueue::new(schedule, pacing);
        Self { began, queue: Mutex::new(queue), changed: Condvar::new(), ready: Notify::new() }
    }

    fn queue(&self) -> MutexGuard<'_, JobQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next job for a free connection with this number, as soon as there is one; `None` if there are no
    /// more.
    pub(super) async fn next(&self, connection: usize) -> Option<Job> {
        loop {
            // A notice that comes after the look at the queue must not be lost.
            let mut ready = pin!(self.ready.notified());
            ready.as_mut().enable();
            let step = self.queue().step(connection);
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

    /// Changes the jobs while they are given out. The change gets the present time of the load.
    ///
    /// # Errors
    /// Those of the change.
    pub(super) fn change(&self, change: impl FnOnce(&mut JobQueue, Duration) -> Result<()>) -> Result<()> {
        let mut queue = self.queue();
        change(&mut queue, self.began.elapsed())?;
        self.changed.notify_all();
        self.ready.notify_waiters();
        Ok(())
    }

    /// Whether the connections set the pace.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.queue().pacing, Pacing::Closed(_))
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
    fn new(schedule: Schedule, pacing: Pacing) -> Self {
        Self {
            schedule,
            pacing,
            due: VecDeque::new(),
            sleepers: BTreeMap::new(),
            slept: 0,
            is_over: false,
            unsent: 0,
        }
    }

    /// From now on, an open loop has this rate.
    ///
    /// # Errors
    /// If the loop has no rate, or a rate cannot be.
    pub(super) fn set_rate(&mut self, now: Duration, per_second: f64) -> Result<()> {
        ensure!(self.pacing == Pacing::Open, "a closed loop has no rate: make it an open loop");
        self.check_rate(per_second)?;
        self.schedule.set_rate(now, per_second);
        Ok(())
    }

    /// From now on, the loop is open, with this rate.
    ///
    /// # Errors
    /// As [`JobQueue::set_rate`].
    pub(super) fn open(&mut self, now: Duration, per_second: f64) -> Result<()> {
        if self.pacing == Pacing::Open {
            return self.set_rate(now, per_second);
        }
        self.check_rate(per_second)?;
        self.schedule.resume(now, per_second);
        self.pacing = Pacing::Open;
        Ok(())
    }

    /// From now on, the loop is closed, with this number of the load's connections. Requests that are due are
    /// sent first.
    ///
    /// # Errors
    /// If there are not as many connections.
    pub(super) fn close(&mut self, clients: usize, connections: usize) -> Result<()> {
        ensure!(clients > 0, "a closed loop without clients sends nothing: give it at least one");
        ensure!(
            clients <= connections,
            "{clients} clients need {clients} connections, and the load has {connections}: write at most {connections} \
             clients, or start the load with more connections"
        );
        if self.pacing == Pacing::Open {
            // The clients set the pace: a rate of zero before must not stop them.
            self.schedule.forget_rates();
        }
        self.pacing = Pacing::Closed(clients);
        Ok(())
    }

    /// From now on, requests arrive by this law.
    ///
    /// # Errors
    /// If one of the two laws is a trace.
    pub(super) fn set_arrivals(&mut self, arrivals: &Arrivals) -> Result<()> {
        ensure!(!self.schedule.is_trace(), "a trace has its own times, which cannot change");
        let is_random = match arrivals {
            Arrivals::Even => false,
            Arrivals::Poisson => true,
            Arrivals::Trace(_) => bail!("a load that runs cannot get a trace: start a load with it"),
        };
        self.schedule.set_random(is_random);
        Ok(())
    }

    fn check_rate(&self, per_second: f64) -> Result<()> {
        ensure!(!self.schedule.is_trace(), "a trace has its own times and no rate");
        ensure!(
            per_second.is_finite() && per_second >= 0.0,
            "{per_second} requests a second: a rate is zero or a positive number"
        );
        Ok(())
    }

    /// What a free connection with this number does.
    fn step(&mut self, connection: usize) -> Step {
        if self.is_over {
            return Step::End;
        }
        if let Some(job) = self.due.pop_front() {
            return Step::Do(job);
        }
        if self.schedule.has_ended() {
            return Step::End;
        }
        match self.pacing {
            Pacing::Closed(clients) if connection < clients => self
                .schedule
                .next()
                .map_or(Step::Wait, |Planned { number, call, .. }| Step::Do(Job { number, call, due: None })),
            Pacing::Open | Pacing::Closed(_) => Step::Wait,
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
        let next = self.schedule.peek().filter(|_| self.pacing == Pacing::Open).map(|next| next.due);
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
