//! The type for points in time in this crate.
//!
//! A moment counts from the start of the caller's clock. This clock may be the machine's clock or the clock
//! of a simulator: nothing in this crate reads a clock.

use std::ops::{Add, AddAssign};
use std::time::Duration;

/// A point in time: microseconds since the caller's clock started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(u64);

impl Moment {
    /// The start of the clock.
    pub const START: Self = Self(0);

    /// The moment this long after the start of the clock. Fractions of a microsecond are cut off. Times after
    /// 580,000 years become the last moment.
    pub const fn after(start: Duration) -> Self {
        // Not by Duration::as_micros, which divides 128 bits: every request takes some moments.
        let seconds = start.as_secs().saturating_mul(1_000_000);
        Self(seconds.saturating_add(start.subsec_micros() as u64))
    }

    /// The time from an earlier moment to this one; zero if the other moment is later. Two threads may read
    /// their clocks in one order and use the readings in the other order.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// The same in microseconds.
    #[must_use]
    pub const fn micros_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Microseconds since the start of the clock.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The moment this many microseconds after the start of the clock.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// For an atomic in which 0 means "never": the microseconds plus one.
    pub(crate) const fn to_stamp(self) -> u64 {
        self.0.saturating_add(1)
    }

    /// The moment of such a stamp, or `None` for "never".
    pub(crate) const fn from_stamp(stamp: u64) -> Option<Self> {
        match stamp.checked_sub(1) {
            Some(micros) => Some(Self(micros)),
            None => None,
        }
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(Self::after(later).0))
    }
}

impl AddAssign<Duration> for Moment {
    fn add_assign(&mut self, later: Duration) {
        *self = *self + later;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_as_far_apart_as_they_say() {
        let later = Moment::START + Duration::from_millis(5);
        assert_eq!(later.since(Moment::START), Duration::from_millis(5));
        assert_eq!(Moment::START.since(later), Duration::ZERO, "a clock that was read too early is no error");
        assert_eq!(Moment::after(Duration::MAX) + Duration::MAX, Moment::after(Duration::MAX));
    }

    #[test]
    fn a_stamp_tells_the_first_moment_from_never() {
        assert_eq!(Moment::from_stamp(0), None);
        assert_eq!(Moment::from_stamp(Moment::START.to_stamp()), Some(Moment::START));
    }
}
