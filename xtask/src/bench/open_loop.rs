//! Load at a fixed rate, whether the proxy keeps up or not.
//!
//! `wrk` sends the next request when the last one is answered, so a proxy that halts for a second is asked less in
//! that second, and the halt shows in one latency instead of thousands. Here every request has a moment at which it
//! is due, and its latency counts from then, wherever it had to wait.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};
use hdrhistogram::Histogram;
use rustix::thread::set_current_timer_slack;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::client::Client;

/// What is shown of anything that takes longer, in nanoseconds: ten minutes.
const LONGEST: u64 = 600_000_000_000;

/// How long the last answers may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came of it.
pub(super) struct Outcome {
    /// Requests that were sent, and answered.
    pub(super) requests: u64,
    /// Requests that were due.
    pub(super) due: u64,
    /// How long it took from the moment a request was due to its answer, in nanoseconds. Those that could not be sent
    /// before the end are in it with the time that they had waited by then.
    pub(super) latencies: Histogram<u64>,
}

/// Sends that many requests a second over that many connections, in turn.
///
/// # Errors
/// If a single request fails.
pub(super) fn run(port: u16, clients: u16, rate: f64, seconds: u16) -> anyhow::Result<Outcome> {
    let interval =
        NonZeroU64::new((1e9 / rate) as u64).context("a rate beyond what a clock can tell apart")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut connected = Vec::new();
        for _ in 0..clients {
            let mut client = Client::connect(port).await?;
            client.ask().await?;
            connected.push(client);
        }
        let schedule = Arc::new(Schedule::begin(interval)?);
        let mut working = JoinSet::new();
        for client in connected {
            working.spawn(work(client, Arc::clone(&schedule)));
        }
        let due = u64::from(seconds) * 1_000_000_000 / interval;
        let pacer = Arc::clone(&schedule);
        let pacer = thread::spawn(move || pace(&pacer, due));
        let patience = Duration::from_secs(seconds.into()) + PATIENCE;
        let answered = async {
            while let Some(done) = working.join_next().await {
                done??;
            }
            anyhow::Ok(())
        };
        timeout(patience, answered).await.context("an answer never came")??;
        let end = pacer.join().map_err(|_| anyhow!("the pacer panicked"))?;
        schedule.give_up(due, end);
        let latencies = schedule.latencies.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ensure!(!latencies.is_empty(), "not one request was due");
        Ok(Outcome { requests: schedule.sent(due), due, latencies })
    })
}

/// Takes a request whenever one is due, and waits for its answer.
async fn work(mut client: Client, schedule: Arc<Schedule>) -> anyhow::Result<()> {
    while let Some(due) = schedule.next().await {
        client.ask().await?;
        schedule.record(due, Instant::now());
    }
    Ok(())
}

/// Lets requests become due, one after the other, until there have been so many. A thread that sleeps does that: a
/// runtime's timers count whole milliseconds, in which a proxy can answer dozens of requests. Returns when it ended.
fn pace(schedule: &Schedule, total: u64) -> Instant {
    // The kernel may otherwise let it sleep 50 us longer, which would count as latency.
    let _ = set_current_timer_slack(NonZeroU64::new(1));
    for number in 0..total {
        thread::sleep(schedule.due_at(number).saturating_duration_since(Instant::now()));
        schedule.due.add_permits(1);
    }
    schedule.due.close();
    Instant::now()
}

/// Which request is due when.
struct Schedule {
    started: Instant,
    interval: NonZeroU64,
    /// Requests that are due and that nobody has taken.
    due: Semaphore,
    /// Requests that somebody has taken.
    taken: AtomicU64,
    latencies: Mutex<Histogram<u64>>,
}

impl Schedule {
    fn begin(interval: NonZeroU64) -> anyhow::Result<Self> {
        Ok(Self {
            started: Instant::now(),
            interval,
            due: Semaphore::new(0),
            taken: AtomicU64::new(0),
            latencies: Mutex::new(Histogram::new_with_bounds(1, LONGEST, 3)?),
        })
    }

    /// Waits for the next request that is due, and returns since when; `None` at the end.
    async fn next(&self) -> Option<Instant> {
        self.due.acquire().await.ok()?.forget();
        Some(self.due_at(self.taken.fetch_add(1, Ordering::Relaxed)))
    }

    /// When a request is due; they are numbered from 0.
    fn due_at(&self, number: u64) -> Instant {
        self.started + Duration::from_nanos((number + 1) * self.interval.get())
    }

    fn record(&self, due: Instant, until: Instant) {
        let nanoseconds = u64::try_from(until.saturating_duration_since(due).as_nanos()).unwrap_or(u64::MAX);
        self.latencies.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(nanoseconds);
    }

    /// What was due and could not be sent has waited until the end.
    fn give_up(&self, due: u64, end: Instant) {
        for number in self.sent(due)..due {
            self.record(self.due_at(number), end);
        }
    }

    fn sent(&self, due: u64) -> u64 {
        self.taken.load(Ordering::Relaxed).min(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::backends::Backends;

    #[test]
    fn requests_are_sent_at_the_rate() {
        let backends = Backends::start(1).unwrap();
        let outcome = run(backends.ports()[0], 4, 500.0, 1).unwrap();
        assert!(outcome.due >= 500, "{}", outcome.due);
        assert_eq!(outcome.latencies.len(), outcome.due);
        assert!(outcome.requests <= outcome.due);
    }

    #[tokio::test]
    async fn latency_counts_from_when_a_request_was_due() {
        let schedule = Schedule::begin(NonZeroU64::new(1_000_000).unwrap()).unwrap();
        schedule.due.add_permits(3);
        let first = schedule.next().await.unwrap();
        assert_eq!(first, schedule.started + Duration::from_millis(1));
        // The first was answered 9 ms late; the two others had to wait for it and are recorded at the end.
        schedule.record(first, first + Duration::from_millis(9));
        schedule.due.close();
        schedule.give_up(3, Instant::now());
        assert_eq!(schedule.sent(3), 1);
        assert!(schedule.next().await.is_none());
        let latencies = schedule.latencies.lock().unwrap();
        assert_eq!(latencies.len(), 3);
        assert!(latencies.equivalent(latencies.max(), 9_000_000), "{}", latencies.max());
    }
}
