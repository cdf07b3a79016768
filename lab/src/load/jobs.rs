//! Which request is sent next, and when?
//!
//! In closed loop, a free connection takes the next job at once. In open loop, the pacer gives out jobs when
//! they are due; it is a thread, because a plain sleep is finer than the runtime's timer with its whole
//! milliseconds.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;

use super::schedule::{Planned, Schedule};
use super::shared::Shared;

/// The longest sleep of the pacer before it checks whether to stop.
const NAP: Duration = Duration::from_millis(20);

/// The next request; in open loop with the time at which it should be sent.
#[derive(Clone, Copy)]
pub(super) struct Job {
    pub(super) number: u64,
    pub(super) call: usize,
    pub(super) due: Option<Duration>,
}

/// The source of jobs for the connections.
pub(super) enum Jobs {
    /// A free connection gets the next job at once.
    Closed(Mutex<Schedule>),
    /// The jobs are given out in order, each to one waiting connection.
    Open(tokio::sync::Mutex<mpsc::UnboundedReceiver<Job>>),
}

impl Jobs {
    pub(super) async fn next(&self) -> Option<Job> {
        match self {
            Self::Closed(schedule) => {
                let mut schedule = schedule.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                schedule.next().map(|Planned { number, call, .. }| Job { number, call, due: None })
            }
            Self::Open(jobs) => jobs.lock().await.recv().await,
        }
    }
}

/// Gives out the jobs of a schedule when they are due, until the load is stopped.
pub(super) fn pace(schedule: Schedule, shared: Arc<Shared>) -> mpsc::UnboundedReceiver<Job> {
    let (hand_out, jobs) = mpsc::unbounded_channel();
    thread::spawn(move || {
        for Planned { number, call, due } in schedule {
            while let Some(early) = due.checked_sub(shared.began.elapsed()).filter(|early| !early.is_zero()) {
                if shared.stopping() {
                    return;
                }
                thread::sleep(early.min(NAP));
            }
            if shared.stopping() || hand_out.send(Job { number, call, due: Some(due) }).is_err() {
                return;
            }
        }
    });
    jobs
}
