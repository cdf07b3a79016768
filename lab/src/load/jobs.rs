//! What is to be sent next, and when?
//!
//! In closed loop whoever is free takes the next job at once. In open loop the pacer hands jobs out when they are due; it
//! is a thread, because a plain sleep is finer than the runtime's timer with its whole milliseconds.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;

use super::Schedule;
use super::run::Shared;

/// How long the pacer sleeps at the most before it looks whether it should stop.
const NAP: Duration = Duration::from_millis(20);

/// What to send next; in open loop also when it should have been sent.
#[derive(Clone, Copy)]
pub(super) struct Job {
    pub(super) call: usize,
    pub(super) due: Option<Duration>,
}

/// Where the connections get their jobs.
pub(super) enum Jobs {
    /// Whoever asks gets the next one at once.
    Closed(Mutex<Schedule>),
    /// They are handed out in order, to one that waits.
    Open(tokio::sync::Mutex<mpsc::UnboundedReceiver<Job>>),
}

impl Jobs {
    pub(super) async fn next(&self) -> Option<Job> {
        match self {
            Self::Closed(schedule) => {
                let mut schedule = schedule.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                schedule.next().map(|(_, call)| Job { call, due: None })
            }
            Self::Open(jobs) => jobs.lock().await.recv().await,
        }
    }
}

/// Hands out the jobs of a schedule when they are due, until the load is stopped.
pub(super) fn pace(schedule: Schedule, shared: Arc<Shared>) -> mpsc::UnboundedReceiver<Job> {
    let (hand_out, jobs) = mpsc::unbounded_channel();
    thread::spawn(move || {
        for (due, call) in schedule {
            while let Some(early) = due.checked_sub(shared.began.elapsed()).filter(|early| !early.is_zero()) {
                if shared.stopping() {
                    return;
                }
                thread::sleep(early.min(NAP));
            }
            if shared.stopping() || hand_out.send(Job { call, due: Some(due) }).is_err() {
                return;
            }
        }
    });
    jobs
}
