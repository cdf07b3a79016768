//! The figures of a period, from the entries of a ledger.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::ledger::Entry;
use crate::spell::time;

/// The longest time that a histogram distinguishes, in microseconds: an hour.
const LONGEST: u64 = 3_600_000_000;

/// The figures of a period.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// The length of the period.
    pub duration: Duration,
    /// Requests that ended in it, with or without an error.
    pub requests: u64,
    /// The number of them that ended with an error, see [`Entry::is_error`].
    pub errors: u64,
    /// The number of tries after the first one, of these requests.
    pub retries: u64,
    /// The number of answers of each backend to the last tries of requests.
    pub answers: BTreeMap<u32, u64>,
    /// The latency, which counts from the time at which a request should have been sent: see
    /// [`Entry::latency`].
    pub latency: Quantiles,
    /// The latency from the time at which a request was sent: see [`Entry::uncorrected`]. In open loop, this
    /// is what a load shows that does not count the wait for a free connection.
    pub uncorrected: Quantiles,
    /// How late the timers of the load were, see [`Entry::late`]. If the 99th percentile is more than a few
    /// milliseconds, the machine was too busy to measure latencies.
    pub late: Quantiles,
}

/// Quantiles of a time, with three exact digits. All are zero if there is no value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quantiles {
    /// The median.
    pub p50: Duration,
    /// The 90th percentile.
    pub p90: Duration,
    /// The 99th percentile.
    pub p99: Duration,
    /// The 99.9th percentile.
    pub p999: Duration,
    /// The longest time.
    pub max: Duration,
}

impl Summary {
    /// Requests a second.
    pub fn rate(&self) -> f64 {
        let seconds = self.duration.as_secs_f64();
        if seconds > 0.0 { self.requests as f64 / seconds } else { 0.0 }
    }

    /// A backend's share of all answers, from 0 to 1; zero without answers.
    pub fn share(&self, backend: u32) -> f64 {
        let all: u64 = self.answers.values().sum();
        let own = self.answers.get(&backend).copied().unwrap_or(0);
        if all > 0 { own as f64 / all as f64 } else { 0.0 }
    }
}

/// A small table: the latencies from both starts side by side.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, errors, retries, .. } = self;
        writeln!(f, "{requests} requests, {errors} errors, {retries} retries, {:.1} a second", self.rate())?;
        let head = ["p50", "p90", "p99", "p99.9", "max"].map(str::to_owned);
        let row = |f: &mut fmt::Formatter<'_>, name: &str, cells: [String; 5]| {
            let cells = cells.map(|cell| format!("{cell:>8}")).concat();
            writeln!(f, "{name:<12}{cells}")
        };
        row(f, "", head)?;
        row(f, "corrected", self.latency.words())?;
        row(f, "uncorrected", self.uncorrected.words())?;
        row(f, "timers late", self.late.words())
    }
}

impl Quantiles {
    fn words(self) -> [String; 5] {
        [self.p50, self.p90, self.p99, self.p999, self.max].map(|value| time(Some(value)))
    }
}

/// Adds up the entries that ended at `from` or later and before `to`.
pub fn summarise<'a>(entries: impl IntoIterator<Item = &'a Entry>, from: Duration, to: Duration) -> Summary {
    let mut summary = Summary { duration: to.saturating_sub(from), ..Summary::default() };
    let [mut latency, mut uncorrected, mut late] = [(); 3].map(|()| Times::default());
    for entry in entries.into_iter().filter(|entry| (from..to).contains(&entry.ended)) {
        summary.requests += 1;
        summary.errors += u64::from(entry.is_error());
        summary.retries += entry.tries() - 1;
        if let Some(backend) = entry.backend {
            *summary.answers.entry(backend).or_default() += 1;
        }
        latency.add(entry.latency());
        uncorrected.add(entry.uncorrected());
        late.add(entry.late);
    }
    (summary.latency, summary.uncorrected, summary.late) =
        (latency.quantiles(), uncorrected.quantiles(), late.quantiles());
    summary
}

/// Many times, of which quantiles are wanted.
#[derive(Default)]
struct Times {
    /// Made for the first value: many periods are empty.
    histogram: Option<Histogram<u64>>,
    max: Duration,
}

impl Times {
    fn add(&mut self, time: Duration) {
        self.max = self.max.max(time);
        if self.histogram.is_none() {
            // Only bounds in the wrong order can fail here, and these are in order.
            self.histogram = Histogram::new_with_bounds(1, LONGEST, 3).ok();
        }
        if let Some(histogram) = &mut self.histogram {
            histogram.saturating_record(u64::try_from(time.as_micros()).unwrap_or(LONGEST));
        }
    }

    fn quantiles(self) -> Quantiles {
        let Some(histogram) = self.histogram else { return Quantiles::default() };
        // The histogram returns the upper end of a range of values; the longest time may be lower.
        let [p50, p90, p99, p999] = [0.5, 0.9, 0.99, 0.999]
            .map(|quantile| Duration::from_micros(histogram.value_at_quantile(quantile)).min(self.max));
        Quantiles { p50, p90, p99, p999, max: self.max }
    }
}
