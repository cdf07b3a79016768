//! What a claim can measure of a run.

use std::ops::Range;

use sim::{Report, Tick};

/// A measure of one run. The arguments follow the name of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Calls that ended.
    Calls,
    /// Calls that ended with an answer below 400.
    Good,
    /// Calls that ended otherwise.
    Errors,
    /// Tries at backends for all calls.
    Tries,
    /// `picks(run, backend)`: calls that came to this backend first.
    Picks,
    /// `share(run, backend)`: the same as a share of all calls, from 0 to 1.
    Share,
    /// The most picks of a backend.
    MostPicks,
    /// The fewest picks of a backend.
    FewestPicks,
    /// The mean latency in milliseconds.
    Mean,
    /// `quantile(run, percent)`: a percentile of the latency in milliseconds.
    Quantile,
    /// `in_flight(run, backend)`: requests in flight there, as the mean over time.
    InFlight,
    /// `goodput(run, from, to)`: good calls a second between these seconds of the run.
    Goodput,
    /// `good_share(run, from, to)`: good calls for each call that arrived between these seconds.
    GoodShare,
    /// `changes(run, backend)`: changes of the state of this backend.
    Changes,
    /// `first_change(run, backend)`: the second in which this backend first changed its state.
    FirstChange,
    /// `rate(run)`: calls that ended a second.
    Rate,
    /// `answer_share(run, backend, from, to)`: the answers of this backend as a share of all answers between
    /// these seconds.
    AnswerShare,
}

/// All measures, by name, each with the number of its arguments after the run.
const NAMES: [(&str, Measure, usize); 17] = [
    ("calls", Measure::Calls, 0),
    ("good", Measure::Good, 0),
    ("errors", Measure::Errors, 0),
    ("tries", Measure::Tries, 0),
    ("picks", Measure::Picks, 1),
    ("share", Measure::Share, 1),
    ("most_picks", Measure::MostPicks, 0),
    ("fewest_picks", Measure::FewestPicks, 0),
    ("mean", Measure::Mean, 0),
    ("quantile", Measure::Quantile, 1),
    ("in_flight", Measure::InFlight, 1),
    ("goodput", Measure::Goodput, 2),
    ("good_share", Measure::GoodShare, 2),
    ("changes", Measure::Changes, 1),
    ("first_change", Measure::FirstChange, 1),
    ("rate", Measure::Rate, 0),
    ("answer_share", Measure::AnswerShare, 3),
];

impl Measure {
    /// The measure with this name, and the number of its arguments after the run.
    pub fn read(name: &str) -> Option<(Self, usize)> {
        NAMES.iter().find(|(one, ..)| *one == name).map(|(_, measure, arguments)| (*measure, *arguments))
    }

    /// The names of all measures.
    pub fn names() -> String {
        NAMES.map(|(name, ..)| name).join(", ")
    }

    /// Its value in a run. Not a number if the run has no such backend or no such time.
    pub fn of(self, report: &Report, arguments: &[f64]) -> f64 {
        let argument = |index: usize| arguments.get(index).copied().unwrap_or(f64::NAN);
        let backend = || {
            let number = argument(0);
            (number >= 1.0).then(|| report.backends().get(number as usize - 1)).flatten()
        };
        let picks = || report.backends().iter().map(|backend| backend.picks);
        let counted = |count: Option<u64>| count.map_or(f64::NAN, |count| count as f64);
        match self {
            Self::Calls => report.calls() as f64,
            Self::Good => report.good() as f64,
            Self::Errors => report.errors() as f64,
            Self::Tries => report.backends().iter().map(|backend| backend.tries).sum::<u64>() as f64,
            Self::Picks => counted(backend().map(|backend| backend.picks)),
            Self::Share => counted(backend().map(|backend| backend.picks)) / picks().sum::<u64>() as f64,
            Self::MostPicks => counted(picks().max()),
            Self::FewestPicks => counted(picks().min()),
            Self::Mean => report.mean().as_secs_f64() * 1e3,
            Self::Quantile => report.quantile(argument(0) / 100.0).as_secs_f64() * 1e3,
            Self::InFlight => backend().map_or(f64::NAN, |backend| backend.in_flight),
            Self::Goodput => between(report, argument(0), argument(1))
                .map_or(f64::NAN, |(good, _)| good / (argument(1) - argument(0))),
            Self::GoodShare => {
                between(report, argument(0), argument(1)).map_or(f64::NAN, |(good, offered)| good / offered)
            }
            Self::Changes => {
                let number = argument(0);
                report.changes().iter().filter(|change| change.backend as f64 == number).count() as f64
            }
            Self::FirstChange => {
                let number = argument(0);
                let first = report.changes().iter().find(|change| change.backend as f64 == number);
                first.map_or(f64::NAN, |change| change.at.as_secs_f64())
            }
            Self::AnswerShare => answer_share(report, argument(0), argument(1)..argument(2)),
            Self::Rate => report.calls() as f64 / report.duration().as_secs_f64(),
        }
    }
}

/// The calls that ended well, and those that arrived, after the second `from` and until the second `to`.
fn between(report: &Report, from: f64, to: f64) -> Option<(f64, f64)> {
    let sums = ticks(report, from..to)
        .fold((0, 0), |(good, offered), tick| (good + tick.good, offered + tick.offered));
    (sums.1 > 0).then_some((sums.0 as f64, sums.1 as f64))
}

/// The part of the answers between these seconds that came from this backend. Not a number without answers.
fn answer_share(report: &Report, backend: f64, seconds: Range<f64>) -> f64 {
    let (mut there, mut all) = (0, 0);
    for tick in ticks(report, seconds) {
        for (index, one) in tick.backends.iter().enumerate() {
            all += u64::from(one.answers);
            there += if index as f64 + 1.0 == backend { u64::from(one.answers) } else { 0 };
        }
    }
    there as f64 / all as f64
}

/// The ticks whose time is between these seconds. A tick has what happened before it.
fn ticks(report: &Report, seconds: Range<f64>) -> impl Iterator<Item = &Tick> {
    report.ticks().iter().filter(move |tick| seconds.contains(&(tick.at.as_secs_f64() - 1e-9)))
}
