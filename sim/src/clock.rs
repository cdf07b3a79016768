//! Virtual time: whole nanoseconds since the start of a run.
//!
//! Whole numbers make a run the same on every machine. The balancer's decisions take a [`Moment`], which
//! counts microseconds; [`moment`] cuts off the rest.

use std::time::Duration;

use balance::Moment;

/// A point in virtual time, or a length of it, in nanoseconds.
pub(crate) type Nanos = u64;

/// A time that never comes.
pub(crate) const NEVER: Nanos = Nanos::MAX;

/// This many seconds.
pub const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// This many milliseconds.
pub const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// The nanoseconds of a duration. Durations above 584 years become [`NEVER`].
pub(crate) fn nanos(duration: Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER)
}

/// A number of seconds as nanoseconds, rounded. Negative numbers become 0, and too large ones [`NEVER`].
pub(crate) fn nanos_of_seconds(seconds: f64) -> Nanos {
    // A conversion of this kind keeps to the range of the type.
    libm::round(seconds * 1e9) as Nanos
}

/// The same point in time for the balancer's decisions.
pub(crate) const fn moment(now: Nanos) -> Moment {
    Moment::from_micros(now / 1000)
}

/// Writes a time as a number of seconds.
pub(crate) fn as_seconds<S: serde::Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_to_their_range() {
        assert_eq!(nanos(ms(50)), 50_000_000);
        assert_eq!(nanos(Duration::MAX), NEVER);
        assert_eq!(nanos_of_seconds(-1.0), 0);
        assert_eq!(nanos_of_seconds(1.5e-9), 2);
        assert_eq!(moment(1_999_999), Moment::after(Duration::from_micros(1999)));
    }
}
