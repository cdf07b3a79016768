//! When do calls arrive? In an open loop by a law or by a record, in a closed loop when a client is ready.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{NEVER, Nanos, nanos, nanos_of_seconds};
use crate::draws::{Draws, Stream, exponential};
use crate::service::Service;

/// The law of the arrivals.
#[derive(Debug, Clone, PartialEq)]
pub enum Arrivals {
    /// Calls a second, all with the same distance.
    Even(f64),
    /// Calls a second on average, with exponential distances: many clients that do not know of each other.
    Poisson(f64),
    /// Poisson arrivals with a rate that changes: each rate holds from its time to the next one. Before the
    /// first time, no call arrives.
    Steps(Vec<(Duration, f64)>),
    /// These times since the start of the run, in order.
    Trace(Arc<[Duration]>),
    /// Clients that each send the next call when the last one has ended and they have thought for a time.
    Closed {
        /// The number of clients.
        clients: u32,
        /// The time from an answer to the next call.
        think: Service,
    },
}

impl Arrivals {
    /// The number of clients of a closed loop.
    pub(crate) fn clients(&self) -> Option<u32> {
        match self {
            Self::Closed { clients, .. } => Some(*clients),
            _ => None,
        }
    }

    /// The time of the call with this number, when the call before it came at `last`. [`NEVER`] if there is
    /// none. In a closed loop, `last` is the end of the client's last call.
    pub(crate) fn next(&self, last: Nanos, number: u64, draws: &Draws) -> Nanos {
        let wait = |rate: f64, units: f64| nanos_of_seconds(units / rate);
        let units = || exponential(draws.unit(Stream::Arrival, number));
        match self {
            Self::Even(rate) => wait(*rate, (number + 1) as f64),
            Self::Poisson(rate) => last.saturating_add(wait(*rate, units())),
            Self::Steps(steps) => after_steps(steps, last, units()),
            Self::Trace(times) => {
                times.get(usize::try_from(number).unwrap_or(usize::MAX)).map_or(NEVER, |at| nanos(*at))
            }
            Self::Closed { think, .. } => last.saturating_add(think.size(number, draws, Stream::Think)),
        }
    }
}

/// The time at which the rates have added up to this many units since `last`: the arrivals of a Poisson
/// process with a changing rate (Çınlar, "Introduction to Stochastic Processes", 1975, section 4.7).
fn after_steps(steps: &[(Duration, f64)], last: Nanos, mut units: f64) -> Nanos {
    let mut now = last;
    for (index, (from, rate)) in steps.iter().enumerate() {
        let until = steps.get(index + 1).map_or(NEVER, |(next, _)| nanos(*next));
        if until <= now {
            continue;
        }
        now = now.max(nanos(*from));
        let here = if until == NEVER { f64::INFINITY } else { (until - now) as f64 / 1e9 * rate };
        if *rate > 0.0 && units <= here {
            return now.saturating_add(nanos_of_seconds(units / rate));
        }
        units -= if *rate > 0.0 { here } else { 0.0 };
        now = until;
    }
    NEVER
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{ms, s};

    fn times(arrivals: &Arrivals, n: u64) -> Vec<Nanos> {
        let draws = Draws::new(1);
        let mut last = 0;
        let mut next = |number| {
            last = arrivals.next(last, number, &draws);
            last
        };
        (0..n).map(&mut next).collect()
    }

    #[test]
    fn even_arrivals_do_not_drift() {
        assert_eq!(times(&Arrivals::Even(3.0), 3), [333_333_333, 666_666_667, 1_000_000_000]);
        assert_eq!(times(&Arrivals::Even(3.0), 3_000_000).last(), Some(&nanos(s(1_000_000))));
    }

    #[test]
    fn a_trace_ends() {
        assert_eq!(times(&Arrivals::Trace([ms(1), ms(5)].into()), 3), [1_000_000, 5_000_000, NEVER]);
    }

    /// The counts in each step of 1000 s: a Poisson count has the variance of its mean, and the bound is five
    /// standard deviations.
    #[test]
    fn each_step_has_its_rate() {
        let steps = Arrivals::Steps(vec![(s(1000), 10.0), (s(2000), 0.0), (s(3000), 40.0), (s(4000), 1.0)]);
        let times = times(&steps, 52_000);
        let count = |from: u64| {
            times.iter().filter(|at| (nanos(s(from))..nanos(s(from + 1000))).contains(at)).count()
        };
        assert_eq!((count(0), count(2000)), (0, 0));
        for (from, expected) in [(1000, 10_000.0), (3000, 40_000.0), (4000, 1000.0)] {
            let off = (count(from) as f64 - expected).abs() / f64::sqrt(expected);
            assert!(off < 5.0, "{} instead of {expected} from {from} s", count(from));
        }
        assert_eq!(Arrivals::Steps(vec![(s(0), 0.0)]).next(0, 0, &Draws::new(1)), NEVER);
    }
}
