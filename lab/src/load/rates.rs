//! A rate that changes.
//!
//! Pure. A schedule is made for a constant rate. [`Rates`] stretches it: while the rate is twice as high, the
//! clock of the schedule runs twice as fast. So a change of the rate takes effect in the middle of the wait
//! for the next request: what is left of this wait becomes shorter or longer, and no request is skipped and
//! none comes twice. Even requests stay even, and a Poisson process becomes a Poisson process with the other
//! rate (the time-change theorem).

use std::time::Duration;

/// From one moment on, the clock of the schedule runs at one speed.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stretch {
    /// The beginning, in seconds of real time.
    real: f64,
    /// The same moment, in seconds of the schedule.
    planned: f64,
    /// Seconds of the schedule in a second of real time.
    speed: f64,
}

/// The speed of a schedule over the time. The last speed has no end.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rates {
    /// In the order of their beginnings; never empty.
    stretches: Vec<Stretch>,
}

impl Rates {
    /// A schedule as it was made, until the first of these changes: from a time on, a speed. The times are in
    /// ascending order.
    pub(super) fn new(changes: impl IntoIterator<Item = (Duration, f64)>) -> Self {
        let mut rates = Self { stretches: vec![Stretch { real: 0.0, planned: 0.0, speed: 1.0 }] };
        for (at, speed) in changes {
            rates.change(at, speed);
        }
        rates
    }

    /// From this moment on, the clock of the schedule has this speed. Replaces all later changes.
    pub(super) fn change(&mut self, at: Duration, speed: f64) {
        let planned = self.planned(at.as_secs_f64());
        self.resume(at, planned, speed);
    }

    /// From this moment on, the clock of the schedule has this speed and begins at this time of the schedule,
    /// in seconds. No request with an earlier time is asked for any more. Replaces all later changes.
    pub(super) fn resume(&mut self, at: Duration, planned: f64, speed: f64) {
        let real = at.as_secs_f64();
        self.stretches.retain(|stretch| stretch.real < real);
        self.stretches.push(Stretch { real, planned, speed });
    }

    /// The time of the schedule at this real time, in seconds.
    fn planned(&self, real: f64) -> f64 {
        let begun = |stretch: &&Stretch| stretch.real <= real;
        let stretch = self.stretches.iter().rev().find(begun);
        stretch.map_or(real, |stretch| stretch.planned + (real - stretch.real) * stretch.speed)
    }

    /// The real time of a time of the schedule, which is in seconds. There is none if the rate is zero before
    /// that, without an end.
    pub(super) fn real(&self, planned: f64) -> Option<Duration> {
        let stretch = self.stretches.iter().rev().find(|stretch| stretch.planned <= planned)?;
        let since = (planned - stretch.planned) / stretch.speed;
        // A speed of zero gives infinity, or no number.
        let is_reached = since.is_finite();
        is_reached.then(|| Duration::try_from_secs_f64(stretch.real + since).unwrap_or(Duration::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// The real times of a schedule that is due every 100 ms.
    fn times(rates: &Rates) -> Vec<Option<u128>> {
        let planned = (0..6).map(|number| f64::from(number) / 10.0);
        planned.map(|at| rates.real(at).map(|real| (real.as_micros() + 500) / 1000)).collect()
    }

    #[test]
    fn a_change_stretches_what_is_left_of_the_wait() {
        // Times in milliseconds, by hand. Before each change, the schedule is due every 100 ms.
        for (changes, expected) in [
            (vec![], [0, 100, 200, 300, 400, 500].map(Some)),
            // Twice as fast from 250 ms on: of the wait until 300 ms, 50 ms are left, which take 25 ms.
            (vec![(250, 2.0)], [0, 100, 200, 275, 325, 375].map(Some)),
            // A tenth of the rate: the 50 ms take 500 ms.
            (vec![(250, 0.1)], [0, 100, 200, 750, 1750, 2750].map(Some)),
            // A change at the moment at which a request is due does not move this request.
            (vec![(200, 2.0)], [0, 100, 200, 250, 300, 350].map(Some)),
            // Nothing is due from 250 ms to one second.
            (vec![(250, 0.0), (1000, 1.0)], [0, 100, 200, 1050, 1150, 1250].map(Some)),
            // Nothing is due until one second.
            (vec![(0, 0.0), (1000, 1.0)], [1000, 1100, 1200, 1300, 1400, 1500].map(Some)),
            // Nothing is due any more.
            (vec![(250, 0.0)], [Some(0), Some(100), Some(200), None, None, None]),
            // Two changes in one wait: 50 ms are left, 25 of them take 50 ms and the others 12.5 ms.
            (vec![(250, 0.5), (300, 2.0)], [0, 100, 200, 313, 363, 413].map(Some)),
            // The last of two changes at one moment counts.
            (vec![(250, 7.0), (250, 2.0)], [0, 100, 200, 275, 325, 375].map(Some)),
        ] {
            let rates = Rates::new(changes.iter().map(|(at, speed)| (MS(*at), *speed)));
            assert_eq!(times(&rates), expected, "{changes:?}");
        }
    }

    #[test]
    fn a_change_replaces_those_that_come_later() {
        let mut rates = Rates::new([(MS(250), 2.0), (MS(900), 0.0)]);
        rates.change(MS(300), 1.0);
        assert_eq!(rates, Rates::new([(MS(250), 2.0), (MS(300), 1.0)]));
        assert_eq!(rates.real(10.0), Some(MS(9950)), "the clock is 50 ms ahead of the real time");
    }

    #[test]
    fn a_schedule_that_was_left_goes_on_where_it_was() {
        let mut rates = Rates::new([(MS(900), 0.0)]);
        // The next request was planned for 400 ms; 50 ms before that, at twice the rate, are 25 ms.
        rates.resume(MS(5000), 0.35, 2.0);
        assert_eq!([0.4, 0.5].map(|planned| rates.real(planned)), [5025, 5075].map(|ms| Some(MS(ms))));
    }
}
