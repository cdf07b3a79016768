//! One clock for all times: the lab's. Pure, except for [`LabClock::now`].

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use api::Event;

/// The clock of a lab. Times are microseconds since its start.
#[derive(Clone, Copy, Debug)]
pub(super) struct LabClock {
    pub(super) epoch_unix_us: u64,
    began: Instant,
}

impl LabClock {
    pub(super) fn start() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let epoch_unix_us = u64::try_from(since_1970.as_micros()).unwrap_or(u64::MAX);
        Self { epoch_unix_us, began: Instant::now() }
    }

    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// The distance from one epoch to another: what is added to a time since `from` to get the time since `to`.
pub(super) fn distance(from: u64, to: u64) -> i64 {
    i64::try_from(i128::from(from) - i128::from(to)).unwrap_or(0)
}

/// Adds a distance to all times of an event. A time before the epoch becomes 0.
pub(super) fn shift(event: &mut Event, by: i64) {
    let shift = |t: &mut u64| *t = t.saturating_add_signed(by);
    match event {
        Event::Hello(hello) => shift(&mut hello.t),
        Event::Tick(tick) => shift(&mut tick.t),
        Event::State(change) => shift(&mut change.t),
        Event::Probe(probe) => shift(&mut probe.t),
        Event::Fault(fault) => {
            shift(&mut fault.t);
            fault.until.iter_mut().for_each(shift);
        }
        Event::Control(change) => shift(&mut change.t),
        Event::Load(load) => shift(&mut load.t),
        Event::Req(request) => shift(&mut request.t),
        Event::Ghost(ghost) => shift(&mut ghost.tick.t),
        // They have no times.
        Event::Why(_) | Event::Gap(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use api::{Fault, Tick};

    use super::*;

    #[test]
    fn times_of_another_epoch_are_those_of_the_lab() {
        for (from, to, t, expected) in [
            // The balancer started 3 s before the lab's clock, so 5 s of its time are 2 s of the lab's.
            (1_000_000, 4_000_000, 5_000_000, 2_000_000),
            (4_000_000, 1_000_000, 5_000_000, 8_000_000),
            (1_000_000, 4_000_000, 1, 0),
            (0, u64::MAX, 7, 7),
        ] {
            let mut event = Event::Tick(Tick { t, ..Tick::default() });
            shift(&mut event, distance(from, to));
            assert_eq!(event, Event::Tick(Tick { t: expected, ..Tick::default() }), "{from} {to} {t}");
        }
        let mut fault = Event::Fault(Fault { t: 10, until: Some(20), ..Fault::default() });
        shift(&mut fault, 5);
        assert_eq!(fault, Event::Fault(Fault { t: 15, until: Some(25), ..Fault::default() }));
    }
}
