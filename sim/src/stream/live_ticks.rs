//! What happened in a recording, 4 times a second. Pure.

use std::time::Duration;

use crate::report::{BackendTick, Tick};

use super::call::LiveCall;

/// The time between two ticks, in microseconds.
const PERIOD: u64 = 250_000;

/// The largest number of ticks: an hour.
const MOST: usize = 14_400;

/// What is counted in one period.
#[derive(Debug, Default, Clone)]
struct Counted {
    offered: u64,
    good: u64,
    errors: u64,
    retries: u64,
    latency: u64,
    /// For each backend: answers, errors, and how many more requests are in flight at the end.
    backends: Vec<(u32, u32, i64)>,
}

/// The ticks of these calls since `origin`. Each has the calls that ended in the 250 ms before. The states of
/// the backends and their queues are not known.
pub(super) fn live_ticks(calls: &[LiveCall], origin: u64, backends: usize) -> Vec<Tick> {
    let end = calls.iter().map(|call| call.ended).max().unwrap_or(origin);
    let period = |t: u64| usize::try_from(t.saturating_sub(origin) / PERIOD).unwrap_or(usize::MAX);
    let count = (period(end) + 1).min(MOST);
    let mut periods = vec![Counted { backends: vec![(0, 0, 0); backends], ..Counted::default() }; count];
    for call in calls {
        let backend = call.backend.and_then(|number| number.checked_sub(1)).filter(|index| *index < backends);
        if let Some(counted) = periods.get_mut(period(call.arrived)) {
            counted.offered += 1;
            if let Some(index) = backend {
                counted.backends[index].2 += 1;
            }
        }
        if let Some(counted) = periods.get_mut(period(call.ended)) {
            let is_good = (1..400).contains(&call.status);
            counted.good += u64::from(is_good);
            counted.errors += u64::from(!is_good);
            counted.retries += call.retries;
            counted.latency = counted.latency.saturating_add(call.ended - call.arrived);
            if let Some(index) = backend {
                let (answers, errors, in_flight) = &mut counted.backends[index];
                (*answers, *in_flight) = (*answers + 1, *in_flight - 1);
                *errors += u32::from(call.status >= 500);
            }
        }
    }
    let mut in_flight = vec![0_i64; backends];
    periods.iter().zip(1..).map(|(counted, number)| tick(counted, number, &mut in_flight)).collect()
}

fn tick(counted: &Counted, number: u64, in_flight: &mut [i64]) -> Tick {
    let backend = |(&(answers, errors, more), in_flight): (&(u32, u32, i64), &mut i64)| {
        *in_flight += more;
        let in_flight = u32::try_from(*in_flight).unwrap_or(0);
        BackendTick { state: "unknown", in_flight, queue: 0, answers, errors }
    };
    let ends = (counted.good + counted.errors).max(1);
    Tick {
        at: Duration::from_micros(number * PERIOD),
        offered: counted.offered,
        good: counted.good,
        errors: counted.errors,
        tries: counted.good + counted.errors + counted.retries,
        mean_ms: counted.latency as f64 / 1e3 / ends as f64,
        backends: counted.backends.iter().zip(in_flight).map(backend).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tick_has_what_ended_and_what_is_in_flight() {
        let call = |arrived: u64, ended: u64, backend, status| LiveCall {
            arrived: 1_000_000 + arrived,
            ended: 1_000_000 + ended,
            service: None,
            path: 0,
            key: None,
            backend,
            status,
            retries: 0,
        };
        let calls = [
            call(0, 100_000, Some(1), 200),
            call(100_000, 400_000, Some(2), 200),
            call(200_000, 700_000, Some(2), 503),
            call(600_000, 740_000, None, 0),
            call(0, 900_000, Some(9), 200),
        ];
        let ticks = live_ticks(&calls, 1_000_000, 2);
        let sums: Vec<_> =
            ticks.iter().map(|tick| (tick.at.as_millis(), tick.offered, tick.good, tick.errors)).collect();
        assert_eq!(sums, [(250, 4, 1, 0), (500, 0, 1, 0), (750, 1, 0, 2), (1000, 0, 1, 0)]);
        let in_flight: Vec<_> = ticks
            .iter()
            .map(|tick| tick.backends.iter().map(|it| it.in_flight).collect::<Vec<_>>())
            .collect();
        assert_eq!(in_flight, [[0, 2], [0, 1], [0, 0], [0, 0]]);
        assert_eq!((ticks[2].mean_ms, ticks[2].backends[1].errors), (320.0, 1));
        assert_eq!(live_ticks(&[], 7, 2).len(), 1);
        assert_eq!(live_ticks(&[call(0, u64::MAX / 2, Some(1), 200)], 0, 1).len(), MOST);
    }
}
