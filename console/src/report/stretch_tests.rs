//! Figures over time.

use api::LoadTick;

use super::*;

fn tick(t: u64, sum: u64, in_flight: u32) -> Tick {
    let backend = BackendTick { backend: 1, picks: sum, retries: 1, in_flight, ..BackendTick::default() };
    let load = LoadTick {
        offered: sum,
        good: sum,
        latency: vec![(100, 1), (t, 1)],
        uncorrected: vec![(100, 2)],
        ..LoadTick::default()
    };
    Tick { t, backends: vec![backend], load: Some(load), ..Tick::default() }
}

#[test]
fn the_ticks_of_a_second_are_one_stretch() {
    let mut stretches = Stretches::default();
    for (t, sum, in_flight) in
        [(0, 1, 1), (250_000, 5, 9), (750_000, 7, 2), (1_000_000, 9, 3), (900_000, 99, 99)]
    {
        stretches.tick(&tick(t, sum, in_flight));
    }
    let [first, second] = stretches.all() else { panic!("{stretches:?}") };
    assert_eq!((first.t, first.offered, first.tries, first.lanes[0].in_flight), (750_000, 7, 8, 9));
    assert_eq!(first.corrected, [(0, 1), (100, 3), (250_000, 1), (750_000, 1)], "of all three ticks");
    assert_eq!(first.uncorrected, [(100, 6)]);
    assert_eq!((second.t, second.offered, second.lanes[0].in_flight), (1_000_000, 9, 3));
}

#[test]
fn a_backend_without_a_tick_keeps_its_sums_and_is_idle() {
    let mut stretches = Stretches::default();
    stretches.tick(&tick(0, 5, 4));
    stretches.tick(&Tick { t: 1_000_000, requests: 5, ..Tick::default() });
    let last = &stretches.all()[1];
    assert_eq!((last.lanes[0].picks, last.lanes[0].in_flight, last.has_load), (5, 0, false));
}

#[test]
fn a_day_takes_no_more_than_its_bound_and_keeps_the_end() {
    let mut stretches = Stretches::default();
    for second in 0..86_400 {
        stretches.tick(&tick(second * SECOND, second, 1));
    }
    assert!(stretches.all().len() <= MOST, "{}", stretches.all().len());
    assert!(stretches.bytes() <= MOST_BYTES);
    let bytes: usize = stretches.all().iter().map(Stretch::bytes).sum();
    assert_eq!(stretches.bytes(), bytes, "the count of the bytes is right");
    assert_eq!(stretches.all().last().unwrap().offered, 86_399);
    let latencies: u64 = stretches.all().iter().flat_map(|it| &it.uncorrected).map(|(_, count)| count).sum();
    assert_eq!(latencies, 2 * 86_400, "no latency is lost");
}

#[test]
fn many_backends_make_the_stretches_longer() {
    let backend = |backend| BackendTick { backend, ..BackendTick::default() };
    let mut stretches = Stretches::default();
    for second in 0..400 {
        let backends = (1..=1000).map(backend).collect();
        stretches.tick(&Tick { t: second * SECOND, backends, ..Tick::default() });
    }
    assert!(stretches.bytes() <= MOST_BYTES && stretches.all().len() > 10, "{}", stretches.all().len());
}

#[test]
fn a_sum_that_begins_again_grows_from_zero() {
    assert_eq!((grown(5, 9), grown(9, 5)), (4, 5));
}
