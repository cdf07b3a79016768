//! A number that changes in time: its mean by integration, and its greatest value.

use crate::clock::Nanos;

/// A count that is integrated over time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Gauge {
    value: u32,
    greatest: u32,
    since: Nanos,
    /// The sum of value times nanoseconds.
    area: u128,
}

impl Gauge {
    /// Sets a new value.
    pub(crate) fn set(&mut self, value: u32, now: Nanos) {
        self.area += u128::from(self.value) * u128::from(now - self.since);
        self.since = now;
        self.value = value;
        self.greatest = self.greatest.max(value);
    }

    /// Adds one.
    pub(crate) fn rise(&mut self, now: Nanos) {
        self.set(self.value + 1, now);
    }

    /// Takes one away.
    pub(crate) fn fall(&mut self, now: Nanos) {
        self.set(self.value.saturating_sub(1), now);
    }

    /// Begins to measure again, with the present value.
    pub(crate) fn restart(&mut self, now: Nanos) {
        *self = Self { value: self.value, greatest: self.value, since: now, area: 0 };
    }

    /// The present value.
    pub(crate) fn value(&self) -> u32 {
        self.value
    }

    /// The greatest value since the start.
    pub(crate) fn greatest(&self) -> u32 {
        self.greatest
    }

    /// The mean from `start` to now; the present value if no time has passed.
    pub(crate) fn mean(&self, start: Nanos, now: Nanos) -> f64 {
        let area = self.area + u128::from(self.value) * u128::from(now.saturating_sub(self.since));
        match now.saturating_sub(start) {
            0 => f64::from(self.value),
            time => area as f64 / time as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_weighs_values_by_their_time() {
        let mut gauge = Gauge::default();
        gauge.set(4, 10);
        gauge.fall(20);
        gauge.rise(30);
        // 0 for 10, 4 for 10, 3 for 10, 4 for 10.
        assert_eq!(gauge.mean(0, 40), 2.75);
        gauge.restart(40);
        gauge.set(0, 50);
        assert_eq!((gauge.mean(40, 60), gauge.greatest()), (2.0, 4));
        assert_eq!(Gauge::default().mean(5, 5), 0.0);
    }
}
