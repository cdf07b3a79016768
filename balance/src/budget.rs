//! May a request be repeated once more? A budget over all requests, so that retries help with the failures of a few
//! and do not multiply the load when everything fails.
//!
//! With a limit per request alone, three layers of balancers with three retries each turn one request into 64. A budget
//! ties the retries to what comes in: over the last ten seconds, so many percent of the requests, and a few per second
//! besides for a balancer that has little to do. The idea and the defaults are Finagle's and Linkerd's (20 percent,
//! 10 per second, over 10 seconds).
//!
//! The pool counts the requests where it counts those in flight. The budget only remembers, second by second, how far that
//! count was.

use crate::Moment;
use std::collections::VecDeque;

/// How many retries there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Retries per hundred requests.
    pub percent: u32,
    /// Retries per second besides.
    pub per_second: u32,
}

impl Rule {
    /// Finagle's figures.
    pub const DEFAULT: Self = Self { percent: 20, per_second: 10 };
}

/// How long back requests and retries count, in seconds.
pub const WINDOW: u64 = 10;

/// One second's share of the window.
#[derive(Debug, Clone, Copy)]
struct Second {
    at: u64,
    /// All requests that had come when the second began.
    requests_before: u64,
    retries: u64,
}

/// The retries of the last [`WINDOW`].
#[derive(Debug, Default)]
pub struct Budget {
    seconds: VecDeque<Second>,
}

impl Budget {
    /// What is left, at `now`, when so many `requests` have come in all.
    pub fn left(&mut self, now: Moment, requests: u64, rule: Rule) -> u64 {
        self.pass(now, || requests);
        let recent = self.seconds.front().map_or(0, |oldest| requests.saturating_sub(oldest.requests_before));
        let allowed = recent * u64::from(rule.percent) / 100 + WINDOW * u64::from(rule.per_second);
        allowed.saturating_sub(self.seconds.iter().map(|second| second.retries).sum())
    }

    /// Takes one retry out of it. Returns whether there was one left.
    pub fn withdraw(&mut self, now: Moment, requests: u64, rule: Rule) -> bool {
        let granted = self.left(now, requests, rule) > 0;
        if granted && let Some(second) = self.seconds.back_mut() {
            second.retries += 1;
        }
        granted
    }

    /// Lets time pass: to be called at least once a second, so that requests are counted in the second they come in.
    /// `requests` is only asked for when a new second has begun.
    pub fn pass(&mut self, now: Moment, requests: impl FnOnce() -> u64) {
        let at = now.since(Moment::START).as_secs();
        if self.seconds.back().is_none_or(|last| last.at < at) {
            self.seconds.push_back(Second { at, requests_before: requests(), retries: 0 });
        }
        while self.seconds.front().is_some_and(|oldest| oldest.at + WINDOW <= at) {
            self.seconds.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule { percent: 20, per_second: 1 };

    fn seconds(n: u64) -> Moment {
        Moment::after(std::time::Duration::from_secs(n))
    }

    fn granted(budget: &mut Budget, now: u64, requests: u64, asked: u64) -> usize {
        (0..asked).filter(|_| budget.withdraw(seconds(now), requests, RULE)).count()
    }

    #[test]
    fn a_quiet_balancer_has_its_reserve() {
        let mut budget = Budget::default();
        assert_eq!(granted(&mut budget, 0, 0, 100), 10);
        assert_eq!(granted(&mut budget, 9, 0, 100), 0, "they were all taken in the window's first second");
        assert_eq!(granted(&mut budget, 10, 0, 100), 10);
    }

    #[test]
    fn a_fifth_of_the_requests_may_be_repeated() {
        let mut budget = Budget::default();
        budget.pass(seconds(0), || 0);
        assert_eq!(granted(&mut budget, 1, 1000, 5000), 210);
        assert_eq!(granted(&mut budget, 2, 2000, 5000), 200);
        // The thousand of the first second leave the window, then those of the next; the retries follow.
        assert_eq!([10, 11, 12].map(|now| granted(&mut budget, now, 2000, 5000)), [0, 0, 10]);
    }

    #[test]
    fn over_any_window_there_are_never_more() {
        let mut budget = Budget::default();
        let (mut requests, mut taken) = (0, Vec::new());
        for second in 0..100 {
            budget.pass(seconds(second), || requests);
            requests += second % 7 * 100;
            taken.push((requests, granted(&mut budget, second, requests, 1000)));
        }
        for window in taken.windows(WINDOW as usize) {
            let came = window[window.len() - 1].0 - window[0].0 + 700;
            let retries: usize = window.iter().map(|(_, retries)| retries).sum();
            assert!(retries as u64 <= came / 5 + 10, "{retries} of {came}");
        }
    }
}
