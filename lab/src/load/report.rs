//! Figures from the entries of a ledger.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::draws::Seed;
use super::in_flight;
use super::ledger::{Comparison, Entry, Executed, Outcome, compare};
use super::microseconds;
use super::summary::{Summary, summarise};

/// A named period, from its start to the start of the next one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Phase {
    /// Its name.
    pub(super) name: String,
    /// Its start, counted from the start of the load.
    #[serde(rename = "from_us", with = "microseconds")]
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
    pub(super) seed: u64,
    pub(super) epoch_unix_us: u64,
}

impl Report {
    /// The seed of the load: see [`Load::seed`](super::Load::seed).
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The beginning of the load, from which all its times count, in microseconds since 1970 (Unix time).
    pub fn epoch_unix_us(&self) -> u64 {
        self.epoch_unix_us
    }

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
        let (from, to) = self.period(name)?;
        Some(self.between(from, to))
    }

    /// The beginning and the end of a phase, if there was one with this name. If there were several, of the
    /// first.
    pub fn period(&self, name: &str) -> Option<(Duration, Duration)> {
        let at = self.phases.iter().position(|phase| phase.name == name)?;
        let to = self.phases.get(at + 1).map_or(self.duration, |next| next.from);
        Some((self.phases[at].from, to))
    }

    /// The mean number of requests in flight in a phase, if there was one with this name: of those that this
    /// backend answered, or of all. A request is in flight from the time at which it was sent to the end of
    /// its answer, and between two tries it is not. The entries must be complete: see [`Load::keep_last`].
    ///
    /// [`Load::keep_last`]: super::Load::keep_last
    pub fn in_flight_mean(&self, phase: &str, backend: Option<u32>) -> Option<f64> {
        Some(in_flight::mean(&self.entries, self.period(phase)?, backend))
    }

    /// The number of requests in flight at random moments, one in each stretch of this length. The moments
    /// belong to the seed of the load. There are none if the length is zero.
    pub fn in_flight_series(&self, every: Duration, backend: Option<u32>) -> Vec<(Duration, usize)> {
        let moments = in_flight::moments(Seed(self.seed), every, self.duration);
        in_flight::at(&self.entries, &moments, backend)
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
        self.entries.iter().find(|entry| entry.ended > after && entry.backend == Some(backend))
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
        let entries = (0..3000).map(|number| {
            let (from, to) = (MS(number), MS(number) + Duration::from_micros(number));
            match number % 100 {
                99 => Entry::example(number, from, to, Outcome::Answered(502), None),
                _ => Entry::example(number, from, to, Outcome::Answered(200), Some(number as u32 % 4 + 1)),
            }
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
            seed: 0,
            epoch_unix_us: 0,
        }
    }

    #[test]
    fn the_whole_adds_up() {
        let summary = report().summary();
        assert_eq!((summary.requests, summary.errors), (3000, 30));
        // A latency of n microseconds is the share n / 3000 of all.
        let [p50, p90, p99, p999] =
            [summary.latency.p50, summary.latency.p90, summary.latency.p99, summary.latency.p999]
                .map(|time| time.as_micros());
        assert!((1490..1510).contains(&p50) && (2690..2710).contains(&p90), "{p50} {p90}");
        assert!((2960..2980).contains(&p99) && (2990..=2999).contains(&p999), "{p99} {p999}");
        assert_eq!(summary.latency.max, Duration::from_micros(2999));
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
        assert_eq!(summary, Summary::default());
        assert_eq!((summary.rate(), summary.share(1)), (0.0, 0.0));
    }

    #[test]
    fn both_latencies_stand_side_by_side() {
        // Ten requests were due at once and waited for one connection, 100 ms each: the answer to the first
        // comes after 100 ms, that to the last after a second. The pacer was 2 ms late for the first.
        let entries: Vec<Entry> = (0..10)
            .map(|number| Entry {
                intended: MS(0),
                sent: MS(number * 100).max(MS(2)),
                late: if number == 0 { MS(2) } else { MS(0) },
                ..Entry::example(number, MS(0), MS(number * 100 + 100), Outcome::Answered(200), Some(1))
            })
            .collect();
        let summary = summarise(&entries, MS(0), MS(2000));
        assert_eq!((summary.latency.p50.as_millis(), summary.latency.max), (500, MS(1000)));
        assert_eq!((summary.uncorrected.p50.as_millis(), summary.uncorrected.max), (100, MS(100)));
        assert_eq!((summary.late.p50, summary.late.p99), (MS(0), MS(2)));
        let expected = "10 requests, 0 errors, 0 retries, 5.0 a second\n\
                        \u{20}                p50     p90     p99   p99.9     max\n\
                        corrected     500 ms  900 ms   1.0 s   1.0 s   1.0 s\n\
                        uncorrected   100 ms  100 ms  100 ms  100 ms  100 ms\n\
                        timers late   0.0 ms  0.0 ms  2.0 ms  2.0 ms  2.0 ms\n";
        assert_eq!(summary.to_string(), expected);
    }
}
