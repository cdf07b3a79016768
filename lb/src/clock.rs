//! The clock for the decisions in `balance`. Its moments count from the start of this process.

use std::sync::LazyLock;
use std::time::{Instant, SystemTime};

use balance::Moment;

/// The start of the clock: the first time that it was read.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The moment of an instant. Instants before the start of the clock become the start.
pub(crate) fn moment(instant: Instant) -> Moment {
    Moment::after(instant.saturating_duration_since(*START))
}

/// The start of the clock, in microseconds since 1970. The first caller decides: the calendar of the machine
/// may be set later.
pub(crate) fn epoch_unix_us() -> u64 {
    static EPOCH: LazyLock<u64> = LazyLock::new(|| {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let micros = u64::try_from(since_1970.as_micros()).unwrap_or(u64::MAX);
        micros.saturating_sub(now().as_micros())
    });
    *EPOCH
}

/// The present moment.
pub(crate) fn now() -> Moment {
    moment(Instant::now())
}

/// The instant of a moment.
pub(crate) fn instant(moment: Moment) -> Instant {
    *START + moment.since(Moment::START)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_instant_comes_back_but_for_a_fraction_of_a_microsecond() {
        moment(Instant::now());
        let now = Instant::now();
        let back = instant(moment(now));
        assert!(now.duration_since(back) < Duration::from_micros(1), "{now:?} {back:?}");
    }
}
