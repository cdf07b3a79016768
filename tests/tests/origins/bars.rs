//! The duration of the tests, and the figures that they compare.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::origins::Change;
use lab::load::{Executed, Load, Report, Running};

/// Whether the tests take their full time.
pub(super) fn full() -> bool {
    std::env::var("ROUNDABOUT_BARS").is_ok_and(|bars| bars == "full")
}

/// One of two values: the short one, or the full one.
pub(super) fn either<T>(short: T, long: T) -> T {
    if full() { long } else { short }
}

pub(super) const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(super) const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Sends one request on each of this number of connections, all at once, and returns when they are in flight.
/// The report comes when all of them have ended.
pub(super) async fn at_once(load: Load, count: usize) -> Result<tokio::task::JoinHandle<Result<Report>>> {
    let running: Running = load.connections(count).start()?;
    lab::eventually(seconds(5), "all requests to be sent", async || {
        ensure!(running.begun() >= count as u64, "{} of {count} are", running.begun());
        Ok(())
    })
    .await?;
    Ok(tokio::spawn(running.stop()))
}

/// The results of a load.
#[derive(Debug)]
pub(super) struct Figures {
    pub(super) requests: u64,
    /// The errors with their counts.
    pub(super) errors: Vec<(String, u64)>,
    /// The largest number of executions of one request.
    pub(super) most_runs: u64,
    /// Requests that were executed more than once.
    pub(super) repeated: usize,
    /// Answers from a backend that no backend executed.
    pub(super) lost: usize,
    pub(super) p50: Duration,
    pub(super) max: Duration,
}

impl Figures {
    pub(super) fn of(report: &Report, executed: &Executed) -> Self {
        Self::of_call(report, executed, None)
    }

    /// The figures of one call, by its place in the list.
    pub(super) fn of_call(report: &Report, executed: &Executed, call: Option<usize>) -> Self {
        let mine = |entry: &&lab::load::Entry| call.is_none_or(|call| entry.call == call);
        let entries: Vec<_> = report.entries().iter().filter(mine).collect();
        let ids: HashSet<String> = entries.iter().map(|entry| report.id(entry)).collect();
        let compared = report.compare(executed);
        let among = |list: &[String]| list.iter().filter(|id| ids.contains(*id)).count();
        let mut errors = std::collections::BTreeMap::<String, u64>::new();
        for entry in entries.iter().filter(|entry| entry.is_error()) {
            *errors.entry(format!("{:?}", entry.outcome)).or_default() += 1;
        }
        let mut latencies: Vec<_> = entries.iter().map(|entry| entry.latency()).collect();
        latencies.sort_unstable();
        Self {
            requests: entries.len() as u64,
            errors: errors.into_iter().collect(),
            most_runs: ids.iter().map(|id| executed.times(id)).max().unwrap_or(0),
            repeated: among(&compared.doubled),
            lost: among(&compared.lost),
            p50: latencies.get(latencies.len() / 2).copied().unwrap_or_default(),
            max: latencies.last().copied().unwrap_or_default(),
        }
    }

    pub(super) fn failed(&self) -> u64 {
        self.errors.iter().map(|(_, count)| count).sum()
    }

    /// The conditions for requests that have nothing to do with a fault.
    pub(super) fn untouched(&self) -> Result<()> {
        ensure!(self.requests > 0, "there were none");
        ensure!(self.errors.is_empty(), "{} of {} failed: {:?}", self.failed(), self.requests, self.errors);
        ensure!(self.repeated == 0 && self.lost == 0, "{} were repeated, {} lost", self.repeated, self.lost);
        Ok(())
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, errors, most_runs, repeated, lost, p50, max } = self;
        let failed = self.failed();
        write!(
            f,
            "{requests} requests, {failed} failed, {repeated} repeated (up to {most_runs} runs), {lost} lost"
        )?;
        write!(f, ", p50 {p50:.1?}, slowest {max:.1?}")?;
        if !errors.is_empty() {
            write!(f, ", errors {errors:?}")?;
        }
        Ok(())
    }
}

/// Changes of state as a short text.
pub(super) fn told(changes: &[Change]) -> String {
    let words = |change: &Change| format!("{} {} ({})", change.backend, change.to, change.cause);
    changes.iter().map(words).collect::<Vec<_>>().join(", ")
}

/// Checks that no backend left `up`.
pub(super) fn none_left_up(changes: &[Change]) -> Result<()> {
    ensure!(changes.is_empty(), "backends left `up`: {}", told(changes));
    Ok(())
}
