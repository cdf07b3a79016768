//! Tests: even, random and given times, mixes, and rates that change.

use super::*;
use crate::load::laws::{EXTREME, distance, most_distance};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn constant() -> Rates {
    Rates::new([])
}

fn even(rates: &[f64]) -> Schedule {
    Schedule::new(Seed(1), rates.iter().copied(), &Arrivals::Even, constant())
}

fn poisson(seed: u64, rate: f64, rates: Rates) -> Schedule {
    Schedule::new(Seed(seed), [rate], &Arrivals::Poisson, rates)
}

#[test]
fn one_stream_is_even_and_does_not_drift() {
    let starts: Vec<Duration> = even(&[8.0]).map(|planned| planned.due).take(8001).collect();
    assert_eq!(starts[..3], [0, 125, 250].map(MS));
    assert_eq!(starts[8000], Duration::from_secs(1000));
}

#[test]
fn streams_keep_their_own_rates() {
    let first_ten_seconds: Vec<Planned> =
        even(&[200.0, 1.0, 0.5]).take_while(|planned| planned.due < Duration::from_secs(10)).collect();
    let count = |call| first_ten_seconds.iter().filter(|planned| planned.call == call).count();
    assert_eq!([count(0), count(1), count(2)], [2000, 10, 5]);
    assert!(first_ten_seconds.is_sorted_by_key(|planned| planned.due));
    assert!(first_ten_seconds.iter().map(|planned| planned.number).eq(0..2015));
}

#[test]
fn as_a_mix_it_is_spread_as_evenly_as_it_can_be() {
    let picks: Vec<usize> = even(&[3.0, 1.0]).map(|planned| planned.call).take(8).collect();
    assert_eq!(picks, [0, 1, 0, 0, 0, 1, 0, 0]);
}

#[test]
fn nothing_is_scheduled_without_streams() {
    assert_eq!(even(&[]).next(), None);
}

#[test]
fn poisson_distances_have_the_exponential_law() {
    const MANY: u64 = 50_000;
    for seed in 0..5 {
        let mut before = Duration::ZERO;
        let gaps = poisson(seed, 40.0, constant()).take(MANY as usize).map(|planned| {
            let gap = planned.due - before;
            before = planned.due;
            gap.as_secs_f64()
        });
        let gaps: Vec<f64> = gaps.collect();
        // The standard deviation of an exponential number is its mean.
        let mean = gaps.iter().sum::<f64>() / MANY as f64;
        let deviation = (mean * 40.0 - 1.0) * (MANY as f64).sqrt();
        assert!(deviation.abs() < EXTREME, "seed {seed}: the mean {mean} is {deviation} deviations off");
        let found = distance(gaps, |gap| 1.0 - (-40.0 * gap).exp());
        assert!(found < most_distance(MANY), "seed {seed}: {found}");
    }
}

#[test]
fn even_distances_do_not_pass_as_exponential() {
    let found = distance(vec![0.025; 1000], |gap| 1.0 - (-40.0 * gap).exp());
    assert!(found > most_distance(1000), "{found}");
}

#[test]
fn one_seed_gives_one_schedule() {
    let mix = |seed| {
        let schedule = Schedule::new(Seed(seed), [30.0, 10.0], &Arrivals::Poisson, constant());
        schedule.take(1000).collect::<Vec<_>>()
    };
    assert_eq!(mix(7), mix(7));
    assert_ne!(mix(7), mix(8));
    // A second call does not move the requests of the first.
    let alone = poisson(7, 30.0, constant()).map(|planned| planned.due);
    let first = mix(7).into_iter().filter(|planned| planned.call == 0).map(|planned| planned.due);
    assert!(first.zip(alone).all(|(mixed, alone)| mixed == alone));
}

#[test]
fn two_calls_do_not_share_their_distances() {
    let schedule = Schedule::new(Seed(1), [10.0, 10.0], &Arrivals::Poisson, constant());
    let due: Vec<Duration> = schedule.map(|planned| planned.due).take(1000).collect();
    assert!(due.windows(2).all(|pair| pair[0] < pair[1]), "two requests at one moment");
}

#[test]
fn a_step_changes_the_rate_of_a_poisson_process() {
    // 40 a second, and 200 a second from 100 s on: 4000 in the first part, 20,000 in the second.
    let rates = Rates::new([(Duration::from_secs(100), 5.0)]);
    let due: Vec<Duration> = poisson(3, 40.0, rates)
        .map(|planned| planned.due)
        .take_while(|due| *due < Duration::from_secs(200))
        .collect();
    let first = due.iter().filter(|due| **due < Duration::from_secs(100)).count() as f64;
    for (count, expected) in [(first, 4000.0_f64), (due.len() as f64 - first, 20_000.0)] {
        let deviation = (count - expected) / expected.sqrt();
        assert!(deviation.abs() < EXTREME, "{count} for {expected}");
    }
}

#[test]
fn a_trace_has_its_own_times_and_an_end() {
    let trace = Arrivals::Trace(vec![MS(5), MS(5), MS(70), MS(71)]);
    let schedule = Schedule::new(Seed(1), [1.0, 1.0], &trace, constant());
    let planned: Vec<_> = schedule.map(|planned| (planned.due, planned.call)).collect();
    assert_eq!(planned, [(MS(5), 0), (MS(5), 1), (MS(70), 0), (MS(71), 1)]);
}

#[test]
fn a_trace_that_goes_back_is_refused() {
    let error = |times: &[u64]| {
        let trace = Arrivals::Trace(times.iter().copied().map(MS).collect());
        format!("{:#}", trace.check().unwrap_err())
    };
    assert!(error(&[]).contains("at least one time"));
    assert!(error(&[1, 3, 2]).contains("time 2 of the trace is 2ms"), "{}", error(&[1, 3, 2]));
}

/// The times of the next requests, in milliseconds.
fn next_times(schedule: &mut Schedule, count: usize) -> Vec<u128> {
    schedule.take(count).map(|planned| (planned.due.as_micros() + 500) / 1000).collect()
}

#[test]
fn a_new_rate_makes_no_burst_and_no_gap() {
    // Ten a second. At 250 ms, half of the wait from 200 ms to 300 ms is over.
    for (rate, expected) in [
        (20.0, vec![275, 325, 375, 425]),
        (10.0, vec![300, 400, 500, 600]),
        (1.0, vec![750, 1750, 2750, 3750]),
        (1000.0, vec![251, 252, 253, 254]),
        (0.0, vec![]),
    ] {
        let mut schedule = even(&[10.0]);
        assert_eq!(next_times(&mut schedule, 3), [0, 100, 200]);
        schedule.set_rate(MS(250), rate);
        assert_eq!(next_times(&mut schedule, 4), expected, "{rate}");
    }
}

#[test]
fn a_load_without_a_rate_goes_on_with_a_new_rate() {
    let mut schedule = even(&[10.0]);
    assert_eq!(next_times(&mut schedule, 3), [0, 100, 200]);
    schedule.set_rate(MS(250), 0.0);
    assert_eq!((schedule.peek(), schedule.has_ended()), (None, false));
    schedule.set_rate(MS(9000), 5.0);
    assert_eq!(next_times(&mut schedule, 2), [9100, 9300]);
}

#[test]
fn a_request_that_is_late_keeps_its_time() {
    let mut schedule = even(&[10.0]);
    // The pacer was late: at 250 ms, no request has been given out.
    schedule.set_rate(MS(250), 20.0);
    assert_eq!(next_times(&mut schedule, 5), [0, 100, 200, 275, 325]);
}

#[test]
fn a_new_rate_keeps_the_ratio_of_the_calls() {
    let mut schedule = even(&[30.0, 10.0]);
    schedule.set_rate(MS(0), 400.0);
    let second: Vec<Planned> = schedule.take_while(|planned| planned.due < Duration::from_secs(1)).collect();
    let first_call = second.iter().filter(|planned| planned.call == 0).count();
    assert_eq!((second.len(), first_call), (400, 300));
}

#[test]
fn distances_change_behind_the_next_request() {
    let mut schedule = even(&[10.0]);
    assert_eq!(next_times(&mut schedule, 2), [0, 100]);
    schedule.set_random(true);
    let random = next_times(&mut schedule, 1000);
    assert_eq!(random[0], 200);
    assert!(random.windows(2).any(|pair| pair[1] - pair[0] > 300), "even distances: {random:?}");
    schedule.set_random(false);
    let even: Vec<u128> = next_times(&mut schedule, 1000);
    assert!(even.windows(2).all(|pair| (99..=101).contains(&(pair[1] - pair[0]))), "{even:?}");
    assert_eq!((even[999] - even[0] + 5) / 10, 9990, "no drift");
}

#[test]
fn a_schedule_goes_on_after_a_time_in_which_it_had_no_clock() {
    let mut schedule = even(&[10.0]);
    // A closed loop takes 1000 requests in no time.
    assert_eq!(schedule.by_ref().take(1000).count(), 1000);
    schedule.resume(MS(7000), 20.0);
    assert_eq!(next_times(&mut schedule, 3), [7050, 7100, 7150]);
}
