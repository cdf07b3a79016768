//! What a claim can measure of a run.

use std::time::Duration;

use sim::Picks;

use crate::figures::{Between, Figures};

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
    /// `slower(run, milliseconds)`: calls that took longer.
    Slower,
    /// `tunnels(run, backend)`: tunnels that end at this backend, at the end of the run; only live.
    Tunnels,
    /// `furthest(run)`: the greatest distance of a backend from its fair share after any number of picks, in
    /// picks.
    Furthest,
    /// `pair(run, backend, backend)`: how often these two were drawn together.
    Pair,
    /// `moved(run, backend)`: keys that moved from this backend to another one.
    Moved,
    /// `keys(run)`: the number of different keys.
    Keys,
}

/// All measures, by name, each with the number of its arguments after the run.
const NAMES: [(&str, Measure, usize); 23] = [
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
    ("slower", Measure::Slower, 1),
    ("tunnels", Measure::Tunnels, 1),
    ("furthest", Measure::Furthest, 0),
    ("pair", Measure::Pair, 2),
    ("moved", Measure::Moved, 1),
    ("keys", Measure::Keys, 0),
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

    /// Its value in a run. Not a number if the run has no such backend or no such time, or if its balancer
    /// does not tell it.
    pub fn of(self, run: &dyn Figures, arguments: &[f64]) -> f64 {
        let argument = |index: usize| arguments.get(index).copied().unwrap_or(f64::NAN);
        let backends = run.backends();
        let backend = || {
            let number = argument(0);
            (number >= 1.0).then(|| backends.get(number as usize - 1)).flatten()
        };
        let picks = || backends.iter().map(|backend| backend.picks);
        let counted = |count: Option<u64>| count.map_or(f64::NAN, |count| count as f64);
        match self {
            Self::Calls => run.calls() as f64,
            Self::Good => run.good() as f64,
            Self::Errors => (run.calls() - run.good()) as f64,
            Self::Tries => backends.iter().map(|backend| backend.tries).sum::<u64>() as f64,
            Self::Picks => counted(backend().map(|backend| backend.picks)),
            Self::Share => counted(backend().map(|backend| backend.picks)) / picks().sum::<u64>() as f64,
            Self::MostPicks => counted(picks().max()),
            Self::FewestPicks => counted(picks().min()),
            Self::Mean => run.mean().as_secs_f64() * 1e3,
            Self::Quantile => run.quantile(argument(0) / 100.0).as_secs_f64() * 1e3,
            Self::InFlight => backend().map_or(f64::NAN, |backend| backend.in_flight),
            Self::Goodput => good_between(run, argument(0), argument(1), |_| argument(1) - argument(0)),
            Self::GoodShare => good_between(run, argument(0), argument(1), |between| between.offered as f64),
            Self::Changes => changes(run, argument(0)).map_or(f64::NAN, |times| times.len() as f64),
            Self::FirstChange => {
                let first = changes(run, argument(0)).and_then(|times| times.first().copied());
                first.map_or(f64::NAN, |at| at.as_secs_f64())
            }
            Self::AnswerShare => {
                let answers = run.answers(argument(1)..argument(2));
                let there = answers.iter().zip(1..).find(|(_, number)| f64::from(*number) == argument(0));
                counted(there.map(|(count, _)| *count)) / answers.iter().sum::<u64>() as f64
            }
            Self::Slower if argument(0) >= 0.0 => {
                run.slower(Duration::from_secs_f64(argument(0) / 1e3)) as f64
            }
            Self::Slower => f64::NAN,
            Self::Tunnels => {
                let tunnels = run.tunnels();
                let there = tunnels.iter().zip(1..).find(|(_, number)| f64::from(*number) == argument(0));
                counted(there.map(|(count, _)| *count))
            }
            Self::Furthest => run.picks().map_or(f64::NAN, Picks::furthest),
            Self::Pair => {
                let [one, other] = [argument(0), argument(1)].map(|number| number as usize);
                counted(run.picks().map(|picks| picks.pair(one, other)))
            }
            Self::Moved => counted(run.picks().and_then(|picks| picks.moved(argument(0) as usize))),
            Self::Keys => counted(run.picks().map(|picks| picks.keys() as u64)),
            Self::Rate => run.calls() as f64 / run.duration().as_secs_f64(),
        }
    }
}

/// The calls that ended well between these seconds, divided by this. Not a number if none arrived.
fn good_between(run: &dyn Figures, from: f64, to: f64, by: impl Fn(&Between) -> f64) -> f64 {
    let between = run.between(from..to);
    if between.offered == 0 { f64::NAN } else { between.good as f64 / by(&between) }
}

/// The times at which this backend changed its state.
fn changes(run: &dyn Figures, backend: f64) -> Option<Vec<Duration>> {
    let of_backend = |(at, number): (Duration, usize)| (number as f64 == backend).then_some(at);
    Some(run.changes()?.into_iter().filter_map(of_backend).collect())
}
