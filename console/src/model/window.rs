//! The last seconds of some sums: a rate is the difference of two of them over the time between them.

use std::collections::VecDeque;

/// The period of all rates, shares and latencies, in microseconds.
pub const WINDOW_US: u64 = 5_000_000;

/// Values with their times, oldest first. It covers its period and the last value before it, so that two
/// values are at least one period apart as soon as there are enough of them.
#[derive(Clone, Debug)]
pub(super) struct Window<T> {
    period_us: u64,
    values: VecDeque<(u64, T)>,
}

impl<T> Default for Window<T> {
    fn default() -> Self {
        Self::of(WINDOW_US)
    }
}

impl<T> Window<T> {
    /// A window with this period, in microseconds.
    pub(super) fn of(period_us: u64) -> Self {
        Self { period_us, values: VecDeque::new() }
    }

    /// Adds the value of this time, which is later than all others.
    pub(super) fn push(&mut self, t: u64, value: T) {
        self.values.push_back((t, value));
        while self.values.get(1).is_some_and(|(second, _)| second.saturating_add(self.period_us) <= t) {
            self.values.pop_front();
        }
    }

    /// Forgets everything: the sums have begun again.
    pub(super) fn clear(&mut self) {
        self.values.clear();
    }

    /// The newest value and its time.
    pub(super) fn last(&self) -> Option<&(u64, T)> {
        self.values.back()
    }

    /// The increase of a sum and the microseconds that it took: from the oldest value that has this sum to
    /// the newest. `None` if the newest value does not have it, zeros if no other does.
    pub(super) fn increase(&self, sum: impl Fn(&T) -> Option<u64>) -> Option<(u64, u64)> {
        let (to, last) = self.values.back().and_then(|(t, value)| Some((*t, sum(value)?)))?;
        let (from, first) = self.values.iter().find_map(|(t, value)| Some((*t, sum(value)?)))?;
        Some((last.saturating_sub(first), to.saturating_sub(from)))
    }

    /// The same a second; zero before two values are known.
    pub(super) fn rate(&self, sum: impl Fn(&T) -> Option<u64>) -> f64 {
        self.known_rate(sum).unwrap_or_default()
    }

    /// The same a second; `None` before two values are known.
    pub(super) fn known_rate(&self, sum: impl Fn(&T) -> Option<u64>) -> Option<f64> {
        let (increase, us) = self.increase(sum)?;
        (us > 0).then(|| increase as f64 / (us as f64 / 1e6))
    }

    /// The microseconds between the oldest and the newest value.
    pub(super) fn covers(&self) -> u64 {
        let first = self.values.front().map_or(0, |(t, _)| *t);
        self.values.back().map_or(0, |(t, _)| t.saturating_sub(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000;

    #[test]
    fn a_rate_is_that_of_the_last_five_seconds() {
        let mut window = Window::default();
        let rates: Vec<f64> = [(0, 0), (4, 40), (10, 100), (15, 130), (16, 200)]
            .map(|(second, sum)| {
                window.push(second * S, sum);
                window.rate(|sum| Some(*sum))
            })
            .to_vec();
        // (100 - 40) / 6 s, (130 - 100) / 5 s, and (200 - 100) / 6 s: the sum at 11 s is not known.
        assert_eq!(rates, [0.0, 10.0, 10.0, 6.0, 100.0 / 6.0]);
        assert_eq!(window.covers(), 6 * S);
    }

    #[test]
    fn a_sum_that_some_values_lack_counts_from_its_first_value() {
        let mut window = Window::default();
        for (second, sum) in [(0, None), (1, Some(5)), (2, None), (3, Some(25))] {
            window.push(second * S, sum);
        }
        assert_eq!(window.increase(|sum| *sum), Some((20, 2 * S)));
        window.push(4 * S, None);
        assert_eq!((window.increase(|sum| *sum), window.rate(|sum| *sum)), (None, 0.0));
    }
}
