//! Figures from the entries of a ledger.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::ledger::{Comparison, Entry, Executed, Outcome, compare};

/// The longest latency that the histogram distinguishes, in microseconds: an hour.
const LONGEST: u64 = 3_600_000_000;

/// A named period, from its start to the start of the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Phase {
    /// Its name.
    pub(super) name: String,
    /// Its start, counted from the start of the load.
    pub(super) from: Duration,
}

/// The results of a load.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub(super) name: String,
    pub(super) entries: Vec<Entry>,
    pub(super) phases: Vec<Phase>,
    pub(super) duration: Duration,
    pub(super) begun: u64,
    pub(super) unsent: u64,
}

impl Report {
    /// All requests, in the order in which they ended.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The number of requests that the load began: the number of entries, unless only the latest were kept.
    pub fn begun(&self) -> u64 {
        self.begun
    }

    /// Requests that were due and had no free connection when the load was stopped. No other figure contains
    /// them: many of them in open loop mean that the latencies look better than they are.
    pub fn unsent(&self) -> u64 {
        self.unsent
    }

    /// The `X-Request-Id` of a request.
    pub fn id(&self, entry: &Entry) -> String {
        request_id(&self.name, entry.number)
    }

    /// The figures of the whole load.
    pub fn summary(&self) -> Summary {
        self.between(Duration::ZERO, self.duration)
    }

    /// The figures of a phase, if there was one with this name. If there were several, the first.
    pub fn phase(&self, name: &str) -> Option<Summary> {
        let at = self.phases.iter().position(|phase| phase.name == name)?;
        let to = self.phases.get(at + 1).map_or(self.duration, |next| next.from);
        Some(self.between(self.phases[at].from, to))
    }

    /// The figures of the requests that ended in this period.
    pub fn between(&self, from: Duration, to: Duration) -> Summary {
        summarise(&self.entries, from, to)
    }

    /// The figures of each second.
    pub fn seconds(&self) -> Vec<Summary> {
        let starts = (0..).map(Duration::from_secs).take_while(|from| *from < self.duration);
        starts.map(|from| self.between(from, self.duration.min(from + Duration::from_secs(1)))).collect()
    }

    /// The first answer of a backend after this time.
    pub fn first_answer(&self, backend: u32, after: Duration) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.end > after && entry.backend == Some(backend))
    }

    /// The errors with their counts, the most frequent first: reasons, and statuses of 400 or more.
    pub fn errors(&self) -> Vec<(String, u64)> {
        let mut counts = BTreeMap::<String, u64>::new();
        for entry in self.entries.iter().filter(|entry| entry.is_error()) {
            let what = match &entry.outcome {
                Outcome::Answered(status) => format!("status {status}"),
                Outcome::Failed(reason) => reason.to_string(),
                Outcome::Mistaken(how) => how.to_string(),
            };
            *counts.entry(what).or_default() += 1;
        }
        let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts
    }

    /// Compares the entries with the executions of the backends.
    pub fn compare(&self, executed: &Executed) -> Comparison {
        compare(&self.entries, |entry| self.id(entry), executed)
    }
}

/// The figures of a period.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The length of the period.
    pub duration: Duration,
    /// Requests that ended in it, with or without an error.
    pub requests: u64,
    /// The number of them that ended with an error, see [`Entry::is_error`].
    pub errors: u64,
    /// The number of answers of each backend.
    pub answers: BTreeMap<u32, u64>,
    /// The median latency; zero without requests.
    pub p50: Duration,
    /// The 99th percentile of the latency.
    pub p99: Duration,
    /// The longest latency.
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

/// Adds up the entries that ended at `from` or later and before `to`. Quantiles have three exact digits.
pub fn summarise<'a>(entries: impl IntoIterator<Item = &'a Entry>, from: Duration, to: Duration) -> Summary {
    let mut summary = Summary {
        duration: to.saturating_sub(from),
        requests: 0,
        errors: 0,
        answers: BTreeMap::new(),
        p50: Duration::ZERO,
        p99: Duration::ZERO,
        max: Duration::ZERO,
    };
    // Only bounds in the wrong order can fail here, and these are in order.
    let Ok(mut latencies) = Histogram::<u64>::new_with_bounds(1, LONGEST, 3) else { return summary };
    for entry in entries.into_iter().filter(|entry| (from..to).contains(&entry.end)) {
        summary.requests += 1;
        summary.errors += u64::from(entry.is_error());
        if let Some(backend) = entry.backend {
            *summary.answers.entry(backend).or_default() += 1;
        }
        summary.max = summary.max.max(entry.latency());
        latencies.saturating_record(u64::try_from(entry.latency().as_micros()).unwrap_or(LONGEST));
    }
    // The histogram returns the upper end of a range of values; the longest latency may be lower.
    let quantile = |q| Duration::from_micros(latencies.value_at_quantile(q)).min(summary.max);
    (summary.p50, summary.p99) = (quantile(0.5), quantile(0.99));
    summary
}

/// The `X-Request-Id` of a request.
pub(super) fn request_id(load: &str, number: u64) -> String {
    format!("{load}-{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// One request a millisecond for three seconds, to four backends in turn; the latency of each in
    /// microseconds is its number, and every hundredth fails.
    fn report() -> Report {
        let entries = (0..3000).map(|number| Entry {
            number,
            call: 0,
            start: MS(number),
            end: MS(number) + Duration::from_micros(number),
            outcome: if number % 100 == 99 { Outcome::Answered(502) } else { Outcome::Answered(200) },
            backend: (number % 100 != 99).then_some(number as u32 % 4 + 1),
        });
        let phases = [("steady", 0), ("kill", 1_000_500)]
            .map(|(name, from)| Phase { name: name.into(), from: Duration::from_micros(from) });
        Report {
            name: "l".into(),
            entries: entries.collect(),
            phases: phases.into(),
            duration: MS(3003),
            begun: 3000,
            unsent: 0,
        }
    }

    #[test]
    fn the_whole_adds_up() {
        let summary = report().summary();
        assert_eq!((summary.requests, summary.errors), (3000, 30));
        assert_eq!(summary.max, Duration::from_micros(2999));
        assert!((1490..1510).contains(&summary.p50.as_micros()), "{:?}", summary.p50);
        assert!((2960..2980).contains(&summary.p99.as_micros()), "{:?}", summary.p99);
        assert!((998.0..1000.0).contains(&summary.rate()), "{}", summary.rate());
        assert!((0.252..0.253).contains(&summary.share(1)) && summary.share(9) == 0.0, "{summary:?}");
    }

    #[test]
    fn a_request_belongs_to_the_phase_in_which_it_ended() {
        let report = report();
        let parts = ["steady", "kill"].map(|name| report.phase(name).unwrap().requests);
        // Number 1000 began 0.5 ms before the second phase and ended 0.5 ms after its beginning.
        assert_eq!(parts, [1000, 2000]);
        assert_eq!(report.phase("never"), None);
    }

    #[test]
    fn seconds_cover_the_whole() {
        let seconds = report().seconds();
        assert_eq!(seconds.len(), 4);
        assert_eq!(seconds.iter().map(|second| second.requests).sum::<u64>(), 3000);
        assert_eq!(seconds[3].duration, MS(3));
    }

    #[test]
    fn errors_are_counted_by_reason() {
        assert_eq!(report().errors(), [("status 502".to_owned(), 30)]);
    }

    #[test]
    fn the_first_answer_after_a_moment_is_found() {
        let report = report();
        assert_eq!(report.first_answer(2, MS(100)).unwrap().number, 101);
        assert_eq!(report.first_answer(5, MS(0)), None);
    }

    #[test]
    fn nothing_adds_up_to_nothing() {
        let summary = summarise([], Duration::ZERO, Duration::ZERO);
        assert_eq!(
            (summary.requests, summary.rate(), summary.share(1), summary.p99),
            (0, 0.0, 0.0, Duration::ZERO)
        );
    }
}
