//! Does a client send its request once more, and when?
//!
//! Pure: the time and the random numbers are arguments. Retries by clients are what turns a short overload
//! into a long one, so the load can make them, with and without the usual limits.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::draws::Draws;
use super::ledger::Outcome;

/// The length of the window in which requests and retries count for a budget, in seconds.
const WINDOW: u64 = 10;

/// The retries of the clients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retries {
    /// The most retries of a request, in addition to its first try.
    pub most: u32,
    /// Whether an answer with a status of 500 or more is a reason for a retry. A failure always is one: no
    /// connection, no complete answer, or no answer within the patience. The answer to another request never
    /// is.
    pub on_5xx: bool,
    /// The wait before a retry.
    pub backoff: Backoff,
    /// The limit on the retries of all clients together.
    pub budget: Option<RetryBudget>,
}

/// The wait before a retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backoff {
    /// No wait.
    None,
    /// Always the same wait.
    Fixed(Duration),
    /// A random wait from zero to a limit, with equal chances. The limit begins at `first` and doubles with
    /// each retry of the request, up to `most` (known as full jitter).
    Exponential {
        /// The limit of the first wait.
        first: Duration,
        /// The greatest limit.
        most: Duration,
    },
}

/// A limit on the retries of all clients: in any ten seconds, a share of the requests that were begun, plus a
/// number for each of the seconds. A second begins with a whole second of the load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryBudget {
    /// The number of retries for each request, such as 0.2.
    pub share: f64,
    /// Additional retries for each second.
    pub floor: f64,
}

impl Retries {
    /// This number of retries, at once, without a budget, after failures and after answers with 5xx.
    pub const fn most(most: u32) -> Self {
        Self { most, on_5xx: true, backoff: Backoff::None, budget: None }
    }

    /// # Errors
    /// If a number is outside of its range.
    pub(super) fn check(&self) -> Result<()> {
        if let Backoff::Exponential { first, most } = self.backoff {
            ensure!(
                first <= most,
                "a backoff that begins with {first:?} and ends with {most:?}: write the smaller time first"
            );
        }
        let Some(RetryBudget { share, floor }) = self.budget else { return Ok(()) };
        for (what, value) in [("share", share), ("floor", floor)] {
            ensure!(
                value.is_finite() && value >= 0.0,
                "a retry budget with the {what} {value}: use zero or a positive number"
            );
        }
        Ok(())
    }

    /// The wait before the next try of a request, if there is one. `tries` is the number of its tries so far,
    /// and `outcome` that of the last one. `withdraw` takes a retry out of the budget, if one is left.
    pub(super) fn next(
        &self,
        tries: u32,
        outcome: &Outcome,
        withdraw: impl FnOnce(RetryBudget) -> bool,
        draws: Draws,
    ) -> Option<Duration> {
        let is_reason = match outcome {
            Outcome::Failed(_) => true,
            Outcome::Answered(status) => self.on_5xx && *status >= 500,
            Outcome::Mistaken(_) => false,
        };
        let may = tries <= self.most && is_reason && self.budget.is_none_or(withdraw);
        may.then(|| self.backoff.wait(tries, draws))
    }
}

impl Backoff {
    /// The wait after this number of tries.
    fn wait(self, tries: u32, mut draws: Draws) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::Fixed(wait) => wait,
            Self::Exponential { first, most } => {
                let doubled = 2_u32.saturating_pow(tries.saturating_sub(1));
                first.saturating_mul(doubled).min(most).mul_f64(draws.unit())
            }
        }
    }
}

/// The requests and retries of the last seconds, for a [`RetryBudget`].
#[derive(Debug, Default)]
pub(super) struct RetryWindow {
    seconds: VecDeque<CountedSecond>,
}

#[derive(Debug)]
struct CountedSecond {
    at: u64,
    requests: u64,
    retries: u64,
}

impl RetryWindow {
    /// Counts a request that begins.
    pub(super) fn request(&mut self, now: Duration) {
        self.second(now).requests += 1;
    }

    /// Takes a retry out of the budget. Returns whether one was left.
    pub(super) fn withdraw(&mut self, now: Duration, budget: RetryBudget) -> bool {
        self.second(now);
        let sum = |of: fn(&CountedSecond) -> u64| self.seconds.iter().map(of).sum::<u64>() as f64;
        let allowed = sum(|second| second.requests) * budget.share + WINDOW as f64 * budget.floor;
        let is_left = sum(|second| second.retries) + 1.0 <= allowed;
        self.second(now).retries += u64::from(is_left);
        is_left
    }

    /// The present second, after those outside of the window are gone.
    fn second(&mut self, now: Duration) -> &mut CountedSecond {
        let at = now.as_secs();
        while self.seconds.front().is_some_and(|oldest| oldest.at + WINDOW <= at) {
            self.seconds.pop_front();
        }
        // Two clients can read the clock in one order and get here in the other.
        if self.seconds.back().is_none_or(|last| last.at < at) {
            self.seconds.push_back(CountedSecond { at, requests: 0, retries: 0 });
        }
        let last = self.seconds.len() - 1;
        &mut self.seconds[last]
    }
}

#[cfg(test)]
#[path = "retries_tests.rs"]
mod tests;
