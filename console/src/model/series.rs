//! The last minute of the whole lab, tick by tick, for plots.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

use super::window::Window;

/// The time between two points, in microseconds: that of the ticks. A tick that was missed has no point.
pub const STEP_US: u64 = 250_000;

/// The period of the points and the marks, in microseconds.
pub const SPAN_US: u64 = 60_000_000;

/// The largest number of points.
pub const POINTS: usize = 240;

/// The period of the rates and latencies of one point, in microseconds. It is short, so that a plot shows a
/// change at once.
pub const POINT_US: u64 = 1_000_000;

/// The last minute.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Series {
    /// The time between two points, if none was missed, in microseconds.
    pub step_us: u64,
    /// The period of all points, in microseconds.
    pub span_us: u64,
    /// The period of the rates and latencies of one point, in microseconds. It ends with the point.
    pub window_us: u64,
    /// The points, oldest first; at most [`POINTS`].
    pub points: Vec<Point>,
}

/// One moment. Rates are per second. `None` means that nothing is known.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Point {
    /// The time, in microseconds since the epoch of the stream.
    pub t: u64,
    /// Requests that were due, as a rate. With a load, this and the next two are those of its clients.
    pub offered: Option<f64>,
    /// Good answers, as a rate.
    pub good: Option<f64>,
    /// Errors, as a rate.
    pub errors: Option<f64>,
    /// Tries at backends, as a rate.
    pub tries: Option<f64>,
    /// Requests in flight now, for each lane of the view, in their order.
    pub in_flight: Vec<Option<u32>>,
    /// The median latency as clients see it, in microseconds; without a load, that of the backends.
    pub p50_us: Option<u64>,
    /// The 99th percentile of the same.
    pub p99_us: Option<u64>,
    /// As `in_flight`, at the ghost that is shown; empty without a ghost.
    pub ghost_in_flight: Vec<Option<u32>>,
    /// The median latency of the ghost, in microseconds.
    pub ghost_p50_us: Option<u64>,
    /// The 99th percentile of the same.
    pub ghost_p99_us: Option<u64>,
}

/// The sums of one tick.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StepSums {
    pub(super) offered: u64,
    pub(super) good: u64,
    pub(super) errors: u64,
}

/// The sums of one tick: those of the balancer, and those of the load.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Step {
    pub(super) balancer: StepSums,
    pub(super) load: Option<StepSums>,
    pub(super) tries: u64,
}

/// What a point knows in addition to its rates.
#[derive(Clone, Debug, Default)]
pub(super) struct Moment {
    /// Requests in flight, by the number of the backend.
    pub(super) in_flight: BTreeMap<usize, u32>,
    /// The median latency, and the 99th percentile.
    pub(super) latency: [Option<u64>; 2],
}

/// The points so far.
#[derive(Clone, Debug)]
pub(super) struct Points {
    sums: Window<Step>,
    points: VecDeque<(Point, Moment, Option<Moment>)>,
}

impl Default for Points {
    fn default() -> Self {
        Self { sums: Window::of(POINT_US), points: VecDeque::new() }
    }
}

impl Points {
    /// The sums begin again.
    pub(super) fn begin_again(&mut self) {
        self.sums.clear();
    }

    /// Adds the point of this time, which is later than all others. `ghost` is the ghost that is shown.
    pub(super) fn push(&mut self, t: u64, step: Step, moment: Moment, ghost: Option<Moment>) {
        // A load that has begun again counts for nothing before its second tick.
        let fell = |before: StepSums, now: StepSums| now.offered < before.offered;
        let last = self.sums.last().and_then(|(_, last)| last.load);
        if last.zip(step.load).is_some_and(|(before, now)| fell(before, now)) {
            self.sums.clear();
        }
        self.sums.push(t, step);
        let rate = |sum: fn(&StepSums) -> u64| {
            let of_load = self.sums.known_rate(|step| step.load.as_ref().map(sum));
            of_load.or_else(|| self.sums.known_rate(|step| Some(sum(&step.balancer))))
        };
        let point = Point {
            t,
            offered: rate(|sums| sums.offered),
            good: rate(|sums| sums.good),
            errors: rate(|sums| sums.errors),
            tries: self.sums.known_rate(|step| Some(step.tries)),
            ..Point::default()
        };
        self.points.push_back((point, moment, ghost));
        if self.points.len() > POINTS {
            self.points.pop_front();
        }
    }

    /// The points of the last [`SPAN_US`], for these lanes.
    pub(super) fn view(&self, now: u64, lanes: &[usize]) -> Series {
        let of_each = |all: &BTreeMap<usize, u32>| lanes.iter().map(|lane| all.get(lane).copied()).collect();
        let point = |(point, moment, ghost): &(Point, Moment, Option<Moment>)| {
            let ghost = ghost.as_ref();
            let [ghost_p50_us, ghost_p99_us] = ghost.map(|ghost| ghost.latency).unwrap_or_default();
            Point {
                in_flight: of_each(&moment.in_flight),
                p50_us: moment.latency[0],
                p99_us: moment.latency[1],
                ghost_in_flight: ghost.map(|ghost| of_each(&ghost.in_flight)).unwrap_or_default(),
                ghost_p50_us,
                ghost_p99_us,
                ..point.clone()
            }
        };
        let inside = self.points.iter().filter(|(point, ..)| point.t.saturating_add(SPAN_US) > now);
        Series {
            step_us: STEP_US,
            span_us: SPAN_US,
            window_us: POINT_US,
            points: inside.map(point).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(sum: u64) -> Step {
        let sums = StepSums { offered: sum, good: sum / 2, errors: 0 };
        Step { balancer: sums, load: None, tries: 2 * sum }
    }

    #[test]
    fn the_rates_of_a_point_are_those_of_its_last_second() {
        let mut points = Points::default();
        for (ms, sum) in [(0, 0), (250, 10), (1000, 40), (1250, 90), (3000, 160)] {
            points.push(ms * 1000, step(sum), Moment::default(), None);
        }
        let found: Vec<_> =
            points.view(0, &[]).points.iter().map(|point| (point.offered, point.tries)).collect();
        // 10 in 250 ms, 40 in 1 s, 80 in 1 s, and 70 in 1.75 s: the sum at 2 s was missed.
        let expected = [None, Some(40.0), Some(40.0), Some(80.0), Some(40.0)];
        assert_eq!(found, expected.map(|rate: Option<f64>| (rate, rate.map(|rate| 2.0 * rate))));
    }

    #[test]
    fn clients_are_believed_more_than_the_balancer() {
        let mut points = Points::default();
        let with_load = |sum, offered| {
            let load = Some(StepSums { offered, ..StepSums::default() });
            Step { load, ..step(sum) }
        };
        points.push(0, with_load(0, 100), Moment::default(), None);
        points.push(STEP_US, with_load(10, 150), Moment::default(), None);
        points.push(2 * STEP_US, with_load(20, 5), Moment::default(), None);
        points.push(3 * STEP_US, with_load(20, 30), Moment::default(), None);
        let rates: Vec<_> = points.view(0, &[]).points.iter().map(|point| point.offered).collect();
        assert_eq!(rates, [None, Some(200.0), None, Some(100.0)], "the load has begun again");
    }

    #[test]
    fn a_point_has_a_place_for_each_lane() {
        let mut points = Points::default();
        let moment = Moment { in_flight: [(2, 7)].into(), ..Moment::default() };
        points.push(0, step(0), moment.clone(), None);
        let ghost = Moment { in_flight: [(3, 9)].into(), latency: [Some(1), None] };
        points.push(STEP_US, step(0), moment, Some(ghost));
        let found = points.view(0, &[1, 2, 3]).points;
        assert_eq!(found[0].in_flight, [None, Some(7), None]);
        assert_eq!((found[0].ghost_in_flight.len(), found[0].ghost_p50_us), (0, None));
        assert_eq!(
            (&found[1].ghost_in_flight[..], found[1].ghost_p50_us),
            (&[None, None, Some(9)][..], Some(1))
        );
    }

    #[test]
    fn a_minute_is_kept() {
        let mut points = Points::default();
        (0..1000).for_each(|n| points.push(n * STEP_US, step(n), Moment::default(), None));
        let found = points.view(999 * STEP_US, &[]).points;
        assert_eq!((found.len(), found[0].t), (POINTS, 760 * STEP_US));
        assert_eq!(points.view(1009 * STEP_US, &[]).points.len(), POINTS - 10, "time goes on");
    }
}
