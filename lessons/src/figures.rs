//! What a claim can measure of a run. A run in virtual time and a run of real processes have the same
//! figures, so one claim can be checked in both.

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use sim::{Picks, Report, Tick};

/// The figures of one backend.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BackendFigures {
    /// Calls that came here first.
    pub picks: u64,
    /// Tries that came here.
    pub tries: u64,
    /// Requests in flight: the mean over time.
    pub in_flight: f64,
}

/// What happened between two moments of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Between {
    /// Calls that arrived.
    pub offered: u64,
    /// Calls that ended with an answer below 400.
    pub good: u64,
}

/// The figures of a run.
pub trait Figures {
    /// The measured time.
    fn duration(&self) -> Duration;

    /// Calls that ended.
    fn calls(&self) -> u64;

    /// Calls that ended with an answer below 400.
    fn good(&self) -> u64;

    /// The mean latency.
    fn mean(&self) -> Duration;

    /// The latency at a quantile from 0 to 1.
    fn quantile(&self, quantile: f64) -> Duration;

    /// Calls that took longer than this.
    fn slower(&self, than: Duration) -> u64;

    /// The tunnels that end at each backend, at the end of the run; none in virtual time.
    fn tunnels(&self) -> Vec<u64> {
        Vec::new()
    }

    /// The backends, in their order.
    fn backends(&self) -> Vec<BackendFigures>;

    /// The changes of states: when, and the number of the backend. `None` if the balancer does not tell them.
    fn changes(&self) -> Option<Vec<(Duration, usize)>>;

    /// What happened between these seconds.
    fn between(&self, seconds: Range<f64>) -> Between;

    /// The answers of each backend between these seconds.
    fn answers(&self, seconds: Range<f64>) -> Vec<u64>;

    /// What the picks show together. `None` if the run does not tell it: a live run, or one without
    /// `explain`.
    fn picks(&self) -> Option<&Picks> {
        None
    }
}

/// The figures of the runs of a lesson, by the name of the run.
pub type Reports<'a> = BTreeMap<&'a str, Rc<dyn Figures>>;

impl Figures for Report {
    fn picks(&self) -> Option<&Picks> {
        self.picks()
    }

    fn duration(&self) -> Duration {
        self.duration()
    }

    fn calls(&self) -> u64 {
        self.calls()
    }

    fn good(&self) -> u64 {
        self.good()
    }

    fn mean(&self) -> Duration {
        self.mean()
    }

    fn quantile(&self, quantile: f64) -> Duration {
        self.quantile(quantile)
    }

    fn slower(&self, than: Duration) -> u64 {
        self.slower(than)
    }

    fn backends(&self) -> Vec<BackendFigures> {
        let figures = |backend: &sim::BackendFigures| BackendFigures {
            picks: backend.picks,
            tries: backend.tries,
            in_flight: backend.in_flight,
        };
        self.backends().iter().map(figures).collect()
    }

    fn changes(&self) -> Option<Vec<(Duration, usize)>> {
        Some(self.changes().iter().map(|change| (change.at, change.backend)).collect())
    }

    fn between(&self, seconds: Range<f64>) -> Between {
        ticks(self, seconds).fold(Between::default(), |sum, tick| Between {
            offered: sum.offered + tick.offered,
            good: sum.good + tick.good,
        })
    }

    fn answers(&self, seconds: Range<f64>) -> Vec<u64> {
        let mut answers = vec![0; self.backends().len()];
        for tick in ticks(self, seconds) {
            for (sum, backend) in answers.iter_mut().zip(&tick.backends) {
                *sum += u64::from(backend.answers);
            }
        }
        answers
    }
}

/// The ticks whose time is between these seconds. A tick has what happened before it.
fn ticks(report: &Report, seconds: Range<f64>) -> impl Iterator<Item = &Tick> {
    report.ticks().iter().filter(move |tick| seconds.contains(&(tick.at.as_secs_f64() - 1e-9)))
}
