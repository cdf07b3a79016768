//! Tests of the merge: tables of what the sources tell, and the events that follow.

use api::{Gap, HelloBackend, SCHEMA};
use serde_json::json;

use super::*;

const S: u64 = 1_000_000;

/// The lab's clock begins at 10 s.
fn merge() -> Merge {
    Merge::new(10 * S, Some(42), vec!["stall".into()])
}

fn hello(epoch: u64, t: u64) -> Event {
    let backends = vec![HelloBackend { backend: 1, ..HelloBackend::default() }];
    Event::Hello(Box::new(Hello { schema: SCHEMA, epoch_unix_us: epoch, t, backends, ..Hello::default() }))
}

fn tick(t: u64, backends: &[(usize, u64)]) -> Event {
    let backend = |&(backend, picks): &(usize, u64)| BackendTick {
        backend,
        picks,
        in_flight: 3,
        latency: vec![(1000, picks)],
        ..BackendTick::default()
    };
    Event::Tick(Tick { t, requests: 7, backends: backends.iter().map(backend).collect(), ..Tick::default() })
}

fn only_tick(mut events: Vec<Event>) -> Tick {
    assert_eq!(events.len(), 1, "{events:?}");
    match events.remove(0) {
        Event::Tick(tick) => tick,
        other => panic!("{other:?}"),
    }
}

/// The names of events, and the texts of changes.
fn names<'a>(events: &'a [Event]) -> Vec<&'a str> {
    let name = |event: &'a Event| match event {
        Event::Control(change) => &*change.what,
        other => other.name(),
    };
    events.iter().map(name).collect()
}

#[test]
fn hello_is_that_of_the_lab() {
    let mut merge = merge();
    assert!(merge.balancer(tick(S, &[])).is_empty(), "nothing comes before hello");
    // The balancer started at 4 s, so its 7 s are 1 s of the lab.
    let events = merge.balancer(hello(4 * S, 7 * S));
    let Event::Hello(hello) = &events[0] else { panic!("{events:?}") };
    assert_eq!((hello.epoch_unix_us, hello.t, hello.seed), (10 * S, S, Some(42)));
    assert_eq!(hello.presets, ["stall"]);
}

#[test]
fn a_tick_has_all_backends_and_what_they_say_and_the_load() {
    let mut merge = merge();
    merge.balancer(hello(4 * S, 7 * S));
    merge.balancer(tick(7 * S, &[(1, 5), (2, 6)]));
    let state = json!({"worker": {"state": "running"}, "counters": {"serving": 2}});
    assert!(merge.backend(S, 2, Some(BackendSeen::read(&state))).is_empty());
    let load = Load { t: S, control: "open".into(), rate: 100.0, clients: 0 };
    let figures = |sent, latency| LoadTick { sent, latency, ..LoadTick::default() };
    assert_eq!(names(&merge.load(load.clone(), figures(1, vec![(10, 1)]))), ["load"]);
    assert!(
        merge.load(Load { t: 2 * S, ..load }, figures(2, vec![(10, 1), (20, 1)])).is_empty(),
        "no change"
    );

    let told = only_tick(merge.balancer(tick(8 * S, &[(2, 9)])));
    assert_eq!((told.t, told.requests), (2 * S, 7));
    let of_each: Vec<_> =
        told.backends.iter().map(|one| (one.backend, one.picks, one.in_flight, one.latency.len())).collect();
    assert_eq!(of_each, [(1, 5, 0, 0), (2, 9, 3, 1)], "backend 1 was left out: it has no requests");
    assert_eq!(told.backends[0].server, None);
    assert_eq!(told.backends[1].server.as_ref().map(|server| server.busy), Some(2));
    assert_eq!(told.load, Some(figures(2, vec![(10, 2), (20, 1)])), "all latencies since the last tick");
    let next = only_tick(merge.balancer(tick(9 * S, &[])));
    assert_eq!(next.load, Some(figures(2, vec![])), "and each of them once");
}

#[test]
fn a_balancer_that_is_late_does_not_stop_the_ticks() {
    let mut merge = merge();
    assert!(merge.pass(9 * S).is_empty(), "nothing is known yet");
    merge.balancer(hello(10 * S, 0));
    assert!(merge.pass(599_999).is_empty(), "the first tick is that of the balancer");
    merge.balancer(tick(S, &[(1, 5)]));
    let passes = [1_500, 1_599, 1_600, 1_700, 1_850, 1_851];
    let told = passes.map(|ms| merge.pass(ms * 1000).len());
    assert_eq!(told, [0, 0, 1, 0, 1, 0]);
    let own = only_tick(merge.pass(3 * S));
    assert_eq!((own.t, own.backends[0].picks, own.backends[0].latency.len()), (3 * S, 5, 0));
    merge.balancer(tick(4 * S, &[(1, 6)]));
    assert!(merge.pass(4 * S + 1).is_empty(), "it tells again");
}

#[test]
fn a_balancer_that_comes_back_is_told_apart_from_a_new_one() {
    let lost = "the balancer tells no events: connection refused";
    for (epoch, expected) in
        [(4 * S, "the balancer tells its events again"), (9 * S, "the balancer has started again")]
    {
        let mut merge = merge();
        assert!(merge.lost(0, "connection refused").is_empty(), "it has not begun");
        merge.balancer(hello(4 * S, 7 * S));
        merge.balancer(tick(7 * S, &[(1, 500)]));
        assert_eq!(names(&merge.lost(S, "connection refused")), [lost]);
        assert!(merge.lost(S, "connection refused").is_empty(), "it is told once");
        assert_eq!(names(&merge.balancer(hello(epoch, 8 * S))), ["hello", expected]);
        let backends = only_tick(merge.balancer(tick(9 * S, &[]))).backends;
        assert_eq!(backends.is_empty(), epoch == 9 * S, "the sums of another process count for nothing");
    }
}

#[test]
fn times_are_those_of_the_lab_and_missing_events_are_told_in_words() {
    let mut merge = merge();
    merge.balancer(hello(4 * S, 7 * S));
    let change = StateChange { t: 8 * S, backend: 1, to: "down".into(), ..StateChange::default() };
    let told = merge.balancer(Event::State(change));
    assert!(matches!(&told[..], [Event::State(StateChange { t: 2_000_000, .. })]), "{told:?}");
    let told = merge.balancer(Event::Gap(Gap { from: 3, to: 9 }));
    assert_eq!(names(&told), ["7 events of the balancer are missing"]);
}

#[test]
fn a_new_reader_gets_the_present_state() {
    let mut merge = merge();
    assert!(merge.snapshot(S).is_empty());
    merge.balancer(hello(10 * S, 0));
    merge.balancer(tick(S, &[(1, 5)]));
    let change = |from: &'static str, to: &'static str| {
        Event::State(StateChange {
            t: S,
            backend: 1,
            from: from.into(),
            to: to.into(),
            ..StateChange::default()
        })
    };
    merge.balancer(change("up", "down"));
    merge.balancer(Event::Control(ControlChange {
        change: Some(Change::Policy { policy: "ring".into() }),
        ..Default::default()
    }));
    merge.backend(S, 1, Some(BackendSeen::read(&json!({"worker": {"state": "dead"}}))));
    merge.load(Load::default(), LoadTick::default());
    let snapshot = merge.snapshot(2 * S);
    assert_eq!(names(&snapshot), ["hello", "load", "tick", "state", "fault"]);
    let Event::Hello(hello) = &snapshot[0] else { panic!("{snapshot:?}") };
    assert_eq!((hello.t, &*hello.policy), (2 * S, "ring"));
    assert_eq!(snapshot[3], change("down", "down"), "it tells a state, and no change");
    let Event::Fault(fault) = &snapshot[4] else { panic!("{snapshot:?}") };
    assert_eq!((fault.t, &*fault.kind), (S, "kill"), "a fault has the time of its beginning");
}
