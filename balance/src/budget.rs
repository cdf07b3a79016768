//! May a request be repeated once more? One budget for all requests: retries help with the failures of a few
//! requests, and do not multiply the load when everything fails.
//!
//! With a limit per request alone, three layers of balancers with three retries each turn one request into
//! 64. A budget limits the retries to a percentage of the requests of the last ten seconds, plus a few per
//! second for a balancer with little traffic. The idea and the defaults come from Finagle and Linkerd (20
//! percent, 10 per second, over 10 seconds).
//!
//! The pool counts the requests where it counts those in flight. The budget only stores the value of this
//! count at the start of each second.

use crate::Moment;
use std::collections::VecDeque;

/// The limits of a retry budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Retries per hundred requests.
    pub percent: u32,
    /// Additional retries per second.
    pub per_second: u32,
}

impl Rule {
    /// The defaults of Finagle.
    pub const DEFAULT: Self = Self { percent: 20, per_second: 10 };
}

/// The length of the window in which requests and retries count, in seconds.
pub const WINDOW: u64 = 10;

/// The share of one second in the window.
#[derive(Debug, Clone, Copy)]
struct Second {
    at: u64,
    /// All requests that had arrived when the second began.
    requests_before: u64,
    retries: u64,
}

/// The retries of the last [`WINDOW`].
#[derive(Debug, Default)]
pub struct Budget {
    seconds: VecDeque<Second>,
}

impl Budget {
    /// The number of retries that are left at `now`, when `requests` requests have arrived in total.
    pub fn left(&mut self, now: Moment, requests: u64, rule: Rule) -> u64 {
        self.pass(now, || requests);
        let recent = self.seconds.front().map_or(0, |oldest| requests.saturating_sub(oldest.requests_before));
        let allowed = recent * u64::from(rule.percent) / 100 + WINDOW * u64::from(rule.per_second);
        allowed.saturating_sub(self.seconds.iter().map(|second| second.retries).sum())
    }

    /// Takes one retry out of the budget. Returns whether one was left.
    pub fn withdraw(&mut self, now: Moment, requests: u64, rule: Rule) -> bool {
        let granted = self.left(now, requests, rule) > 0;
        if granted && let Some(second) = self.seconds.back_mut() {
            second.retries += 1;
        }
        granted
    }

    /// Moves the window forward. The caller calls this at least once a second, so that requests count in the
    /// second in which they arrive. `requests` is called only when a new second has begun.
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
    fn no_window_has_more_retries_than_the_budget() {
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
