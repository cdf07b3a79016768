//! When do the requests of an open loop arrive?

use std::time::Duration;

use anyhow::{Result, ensure};

/// The law of the times between requests in open loop. A closed loop takes from it only the order of its
/// calls.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Arrivals {
    /// Equal times between the requests of a call. The first request is due at once.
    #[default]
    Even,
    /// Exponential times between the requests of a call, which are drawn from the seed: the arrivals of many
    /// independent clients (a Poisson process).
    Poisson,
    /// These times, counted from the beginning of the load, in ascending order. After the last one, the load
    /// ends. The rates of the calls only give their ratio.
    Trace(Vec<Duration>),
}

impl Arrivals {
    /// # Errors
    /// If a trace is empty or goes back in time.
    pub(super) fn check(&self) -> Result<()> {
        let Self::Trace(times) = self else { return Ok(()) };
        ensure!(!times.is_empty(), "a trace without times sends nothing: give it at least one time");
        for (place, pair) in times.windows(2).enumerate() {
            ensure!(
                pair[0] <= pair[1],
                "time {} of the trace is {:?}, before the time in front of it ({:?}): sort the times",
                place + 1,
                pair[1],
                pair[0]
            );
        }
        Ok(())
    }
}
