//! Tests: the mean by hand, and why the moments of samples are random.

use super::*;
use crate::load::GroundTruth;
use crate::load::ledger::{Outcome, Try};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn entry(number: u64, from: u64, to: u64, backend: u32) -> Entry {
    Entry::example(number, MS(from), MS(to), Outcome::Answered(200), Some(backend))
}

/// One request at backend 1, one at backend 2, and one that was first at backend 1 and then at backend 2.
fn entries() -> [Entry; 3] {
    let first = Try {
        sent: MS(200),
        ended: MS(240),
        outcome: Outcome::Answered(503),
        backend: Some(1),
        truth: GroundTruth::default(),
    };
    let tried = Entry { earlier: vec![first], last_sent: MS(260), ..entry(2, 200, 300, 2) };
    [entry(0, 0, 100, 1), entry(1, 50, 150, 2), tried]
}

#[test]
fn the_mean_is_the_time_in_flight_divided_by_the_period() {
    for (from, to, backend, expected) in [
        (0, 400, None, 280.0 / 400.0),
        (0, 200, None, 1.0),
        (50, 100, None, 2.0),
        (100, 150, None, 1.0),
        (150, 200, None, 0.0),
        (0, 400, Some(1), 140.0 / 400.0),
        (0, 400, Some(2), 140.0 / 400.0),
        (0, 400, Some(3), 0.0),
        // Between its tries, a request is at no backend.
        (240, 260, None, 0.0),
        (0, 0, None, 0.0),
    ] {
        let found = mean(&entries(), (MS(from), MS(to)), backend);
        assert!((found - expected).abs() < 1e-9, "{from} to {to} at {backend:?}: {found}, not {expected}");
    }
}

#[test]
fn the_number_at_a_moment_counts_those_that_have_begun_and_not_ended() {
    let moments = [0, 49, 50, 99, 100, 150, 250, 299, 300].map(MS);
    let counts = at(&entries(), &moments, None).into_iter().map(|(_, count)| count);
    assert_eq!(counts.collect::<Vec<_>>(), [1, 1, 2, 2, 1, 0, 0, 1, 0]);
}

#[test]
fn random_moments_do_not_go_in_step_with_even_arrivals() {
    // 40 requests a second that take 101 ms each: 4.04 are in flight in the mean, by Little's law. At the
    // moments of arrivals there are always 5.
    const SAMPLES: u64 = 400;
    let entries: Vec<Entry> =
        (0..4100).map(|number| entry(number, number * 25, number * 25 + 101, 1)).collect();
    let mean_at = |moments: &[Duration]| {
        let samples = at(&entries, moments, None);
        samples.iter().map(|(_, count)| *count as f64).sum::<f64>() / samples.len() as f64
    };
    let polled: Vec<Duration> = (4..SAMPLES).map(|number| MS(250 * number)).collect();
    assert_eq!(mean_at(&polled), 5.0);

    let moments = moments(Seed(1), MS(250), MS(250 * SAMPLES));
    assert_eq!(moments.len(), SAMPLES as usize);
    for (number, moment) in (0..).zip(&moments) {
        assert!((MS(250 * number)..MS(250 * (number + 1))).contains(moment), "{number}: {moment:?}");
    }
    // There are 5 in flight for 1 of 25 ms, and else 4.
    let sigma = (0.04_f64 * 0.96 / (SAMPLES - 4) as f64).sqrt();
    let found = mean_at(&moments[4..]);
    assert!((found - 4.04).abs() < 4.9 * sigma, "{found}");
    let integral = mean(&entries, (MS(1000), MS(100_000)), None);
    assert!((integral - 4.04).abs() < 1e-9, "{integral}");
}

#[test]
fn there_are_no_moments_without_a_distance() {
    assert_eq!(moments(Seed(1), Duration::ZERO, MS(9)), []);
}
