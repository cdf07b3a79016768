//! Calls in a live lab: each at its time, with its size, and with what its backend said.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use lab::client::{Answer, Client};
use sim::{RecordedCall, Recording};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// A call that has ended. Times count from the start of the calls.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    /// When it should have been sent.
    pub(super) intended: Duration,
    /// When it was sent.
    pub(super) sent: Duration,
    /// When its answer was complete, or had failed.
    pub(super) ended: Duration,
    /// The status of its answer; `None` for no answer.
    pub(super) status: Option<u16>,
    /// The backend that answered.
    pub(super) backend: Option<usize>,
    /// The measured time of service.
    pub(super) service: Option<Duration>,
    /// The measured time in the queue of the backend.
    pub(super) queue: Option<Duration>,
}

impl Ended {
    /// From the time at which it should have been sent to its end.
    pub(super) fn latency(&self) -> Duration {
        self.ended.saturating_sub(self.intended)
    }

    /// The part of the latency that is neither service nor queue.
    pub(super) fn path(&self) -> Option<Duration> {
        Some(self.latency().saturating_sub(self.service?).saturating_sub(self.queue?))
    }
}

/// Connections that wait for their next call.
type Idle = Arc<Mutex<Vec<Client>>>;

/// Sends each call at its time, whether the calls before it have ended or not. Returns them in the order of
/// their times.
///
/// # Errors
/// If a task panicked.
pub(super) async fn send(address: SocketAddr, calls: &[RecordedCall]) -> Result<Vec<Ended>> {
    let (idle, mut tasks) = (Idle::default(), JoinSet::new());
    let begun = Instant::now();
    for call in calls {
        sleep_until(begun + call.at).await;
        tasks.spawn(exchange(address, *call, begun, Arc::clone(&idle)));
    }
    let mut all = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        all.push(ended.context("a call panicked")?);
    }
    all.sort_by_key(|ended| ended.intended);
    Ok(all)
}

async fn exchange(address: SocketAddr, call: RecordedCall, begun: Instant, idle: Idle) -> Ended {
    let kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let mut client = kept.unwrap_or_else(|| Client::new(address).patience(Duration::from_secs(60)));
    let sent = begun.elapsed();
    let answer = client.get(&format!("/busy/{}", call.takes.as_micros())).await.ok();
    let ended = begun.elapsed();
    idle.lock().unwrap_or_else(PoisonError::into_inner).push(client);
    let number = |name| answer.as_ref().and_then(|answer: &Answer| answer.header(name)?.parse().ok());
    Ended {
        intended: call.at,
        sent,
        ended,
        status: answer.as_ref().map(|answer| answer.status.as_u16()),
        backend: number("x-backend").and_then(|number: u64| usize::try_from(number).ok()),
        service: number("x-lab-service-us").map(Duration::from_micros),
        queue: number("x-lab-queue-us").map(Duration::from_micros),
    }
}

/// The same calls for the simulator, with the measured times of service, and this time on the way. A call
/// without a measured time has the size that it asked for.
pub(super) fn recording(calls: &[RecordedCall], ended: &[Ended], path: Duration) -> Recording {
    let measured = |(call, ended): (&RecordedCall, &Ended)| RecordedCall {
        takes: ended.service.unwrap_or(call.takes),
        path,
        backend: ended.backend,
        ..*call
    };
    Recording::new(calls.iter().zip(ended).map(measured).collect())
}

/// How late the timers of the calls were, at the 99th percentile.
pub(super) fn lateness(ended: &[Ended]) -> Duration {
    quantile(ended.iter().map(|ended| ended.sent.saturating_sub(ended.intended)), 0.99)
}

/// The mean of some times; zero without any.
pub(super) fn mean(times: impl ExactSizeIterator<Item = Duration>) -> Duration {
    let count = u32::try_from(times.len()).unwrap_or(u32::MAX).max(1);
    times.sum::<Duration>() / count
}

/// The time below which this part of the times lies; zero without any.
pub(super) fn quantile(times: impl Iterator<Item = Duration>, part: f64) -> Duration {
    let mut times: Vec<_> = times.collect();
    times.sort_unstable();
    let rank = (part * times.len() as f64).ceil() as usize;
    times.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}
