//! The figures of a live run: from the ledger of the load, and from what the balancer tells.

use std::ops::Range;
use std::time::Duration;

use api::State;
use lab::load::{Entry, Outcome, Report};

use crate::figures::{BackendFigures, Between, Figures};

/// What a balancer told about a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// The calls that came to each backend first, and the tries there.
    pub(super) picks: Vec<(u64, u64)>,
    /// The changes of states, if the balancer tells them.
    pub(super) changes: Option<Vec<(Duration, usize)>>,
    /// The tunnels at each backend at the end.
    pub(super) tunnels: Vec<u64>,
}

impl Told {
    /// What our balancer tells.
    pub(super) fn by(state: &State, changes: Vec<(Duration, usize)>, tunnels: Vec<u64>) -> Self {
        // The balancer counts a try at another backend, and a hedge, as a pick there.
        let tries = |backend: &api::BackendState| (backend.picks, backend.picks + backend.retries);
        Self { picks: state.backends.iter().map(tries).collect(), changes: Some(changes), tunnels }
    }
}

impl Told {
    /// What the answers of the backends say, if the balancer tells nothing.
    pub(super) fn by_answers(report: &Report, backends: usize) -> Self {
        let summary = report.summary();
        let there = |(number, _)| summary.answers.get(&number).copied().unwrap_or(0);
        let picks = (1..).zip(0..backends).map(there).map(|answers| (answers, answers)).collect();
        Self { picks, ..Self::default() }
    }
}

/// The results of a live run.
#[derive(Clone, Debug)]
pub struct LiveRun {
    entries: Vec<Entry>,
    /// The latencies, sorted.
    latencies: Vec<Duration>,
    duration: Duration,
    late: Duration,
    told: Told,
}

impl LiveRun {
    /// `time` is the length of the run, if it was planned.
    pub(super) fn new(report: &Report, time: Option<Duration>, told: Told) -> Self {
        let entries = report.entries().to_vec();
        let mut latencies: Vec<Duration> = entries.iter().map(Entry::latency).collect();
        latencies.sort_unstable();
        let summary = report.summary();
        Self { entries, latencies, duration: time.unwrap_or(summary.duration), late: summary.late.p99, told }
    }

    /// How late the timers of the load were, at the 99th percentile.
    pub fn late(&self) -> Duration {
        self.late
    }
}

/// Whether a call has what it wanted: an answer below 400.
fn is_good(entry: &Entry) -> bool {
    matches!(entry.outcome, Outcome::Answered(status) if status < 400)
}

fn has(seconds: &Range<f64>, moment: Duration) -> bool {
    seconds.contains(&moment.as_secs_f64())
}

fn count<'a>(entries: impl Iterator<Item = &'a Entry>) -> u64 {
    entries.count() as u64
}

impl Figures for LiveRun {
    fn duration(&self) -> Duration {
        self.duration
    }

    fn calls(&self) -> u64 {
        self.entries.len() as u64
    }

    fn good(&self) -> u64 {
        count(self.entries.iter().filter(|entry| is_good(entry)))
    }

    fn mean(&self) -> Duration {
        let all = u32::try_from(self.latencies.len()).unwrap_or(u32::MAX);
        self.latencies.iter().sum::<Duration>().checked_div(all).unwrap_or_default()
    }

    fn quantile(&self, quantile: f64) -> Duration {
        let rank = (quantile.clamp(0.0, 1.0) * self.latencies.len() as f64).ceil() as usize;
        self.latencies.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }

    fn slower(&self, than: Duration) -> u64 {
        (self.latencies.len() - self.latencies.partition_point(|latency| *latency <= than)) as u64
    }

    fn tunnels(&self) -> Vec<u64> {
        self.told.tunnels.clone()
    }

    fn backends(&self) -> Vec<BackendFigures> {
        let figures = |(number, &(picks, tries))| {
            let there = self.entries.iter().filter(|entry| entry.backend == Some(number));
            let time: Duration = there.map(|entry| entry.ended.saturating_sub(entry.last_sent)).sum();
            let in_flight = time.as_secs_f64() / self.duration.as_secs_f64();
            BackendFigures { picks, tries, in_flight }
        };
        (1..).zip(&self.told.picks).map(figures).collect()
    }

    fn changes(&self) -> Option<Vec<(Duration, usize)>> {
        self.told.changes.clone()
    }

    fn between(&self, seconds: Range<f64>) -> Between {
        let ended = self.entries.iter().filter(|entry| has(&seconds, entry.ended));
        Between {
            offered: count(self.entries.iter().filter(|entry| has(&seconds, entry.intended))),
            good: count(ended.filter(|entry| is_good(entry))),
        }
    }

    fn answers(&self, seconds: Range<f64>) -> Vec<u64> {
        let of = |number: u32| {
            let there = self.entries.iter().filter(|entry| entry.backend == Some(number));
            count(there.filter(|entry| has(&seconds, entry.ended)))
        };
        (1..).zip(&self.told.picks).map(|(number, _)| of(number)).collect()
    }
}
