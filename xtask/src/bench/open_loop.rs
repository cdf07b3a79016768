//! Load at a fixed rate, even if the proxy is too slow.
//!
//! `wrk` sends the next request when the last one is answered. So a proxy that stops for a second gets fewer
//! requests in this second, and the stop appears in one latency instead of thousands. Here every request has
//! a time at which it is due, and its latency counts from then, whatever it had to wait for.

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

use super::keep_alive::KeepAlive;

/// The largest latency that the histogram shows, in nanoseconds: ten minutes.
const LONGEST: u64 = 600_000_000_000;

/// The time limit for the last answers.
const PATIENCE: Duration = Duration::from_secs(30);

/// The result of a load.
pub(super) struct OpenLoopReport {
    /// Requests that were sent and answered.
    pub(super) requests: u64,
    /// Requests that were due.
    pub(super) due: u64,
    /// The time from the moment at which a request was due to its answer, in nanoseconds. Requests that could
    /// not be sent before the end are included with the time that they had waited.
    pub(super) latencies: Histogram<u64>,
}

/// Sends this number of requests a second over this number of connections, in turn.
///
/// # Errors
/// If a single request fails.
pub(super) fn run(port: u16, clients: u16, rate: f64, seconds: u16) -> anyhow::Result<OpenLoopReport> {
    let interval = NonZeroU64::new((1e9 / rate) as u64)
        .context("the rate is higher than the resolution of the clock")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut connected = Vec::new();
        for _ in 0..clients {
            let mut client = KeepAlive::connect(port).await?;
            client.ask().await?;
            connected.push(client);
        }
        let schedule = Arc::new(Pacing::begin(interval)?);
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
        timeout(patience, answered).await.context("an answer is missing")??;
        let end = pacer.join().map_err(|_| anyhow!("the pacer panicked"))?;
        schedule.give_up(due, end);
        let latencies = schedule.latencies.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ensure!(!latencies.is_empty(), "not one request was due");
        Ok(OpenLoopReport { requests: schedule.sent(due), due, latencies })
    })
}

/// Takes each request when it is due, and waits for its answer.
async fn work(mut client: KeepAlive, schedule: Arc<Pacing>) -> anyhow::Result<()> {
    while let Some(due) = schedule.next().await {
        client.ask().await?;
        schedule.record(due, Instant::now());
    }
    Ok(())
}

/// Makes requests due, one after the other, up to this number. It is a thread that sleeps, because a
/// runtime's timers count whole milliseconds, in which a proxy can answer dozens of requests. Returns the
/// time of its end.
fn pace(schedule: &Pacing, total: u64) -> Instant {
    // Without this, the kernel may sleep 50 us longer, which would count as latency.
    let _ = set_current_timer_slack(NonZeroU64::new(1));
    for number in 0..total {
        thread::sleep(schedule.due_at(number).saturating_duration_since(Instant::now()));
        schedule.due.add_permits(1);
    }
    schedule.due.close();
    Instant::now()
}

/// The times at which requests are due.
struct Pacing {
    started: Instant,
    interval: NonZeroU64,
    /// Requests that are due and not taken yet.
    due: Semaphore,
    /// Requests that were taken.
    taken: AtomicU64,
    latencies: Mutex<Histogram<u64>>,
}

impl Pacing {
    fn begin(interval: NonZeroU64) -> anyhow::Result<Self> {
        Ok(Self {
            started: Instant::now(),
            interval,
            due: Semaphore::new(0),
            taken: AtomicU64::new(0),
            latencies: Mutex::new(Histogram::new_with_bounds(1, LONGEST, 3)?),
        })
    }

    /// Waits for the next request that is due, and returns the time since which it is; `None` at the end.
    async fn next(&self) -> Option<Instant> {
        self.due.acquire().await.ok()?.forget();
        Some(self.due_at(self.taken.fetch_add(1, Ordering::Relaxed)))
    }

    /// The time at which a request is due; requests are numbered from 0.
    fn due_at(&self, number: u64) -> Instant {
        self.started + Duration::from_nanos((number + 1) * self.interval.get())
    }

    fn record(&self, due: Instant, until: Instant) {
        let nanoseconds = u64::try_from(until.saturating_duration_since(due).as_nanos()).unwrap_or(u64::MAX);
        self.latencies.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(nanoseconds);
    }

    /// Requests that were due and could not be sent have waited until the end.
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
        let schedule = Pacing::begin(NonZeroU64::new(1_000_000).unwrap()).unwrap();
        schedule.due.add_permits(3);
        let first = schedule.next().await.unwrap();
        assert_eq!(first, schedule.started + Duration::from_millis(1));
        // The first was answered after 9 ms; the two others had to wait for it and are recorded at the end.
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
