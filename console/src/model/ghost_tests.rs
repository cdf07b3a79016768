//! Tests of ghosts: tables of their ticks and what is shown.

use api::{LoadTick, ServerTick, Tick};

use super::*;

const S: u64 = 1_000_000;

/// A tick of a ghost: its sum of picks at backend 1, and 20 latencies since the last tick.
fn tick(policy: &'static str, t: u64, picks: u64, latency: u64) -> GhostTick {
    let server = Some(ServerTick { queued: 3, ..ServerTick::default() });
    let backend = BackendTick {
        backend: 1,
        picks,
        answers: picks,
        in_flight: 5,
        latency: vec![(latency, 20)],
        server,
        ..BackendTick::default()
    };
    let load = LoadTick { latency: vec![(latency, 20)], ..LoadTick::default() };
    let tick = Tick { t, requests: picks, good: picks, in_flight: 5, load: Some(load), ..Tick::default() };
    GhostTick { policy: policy.into(), tick: Tick { backends: vec![backend], ..tick } }
}

fn ghosts(ticks: &[GhostTick]) -> Ghosts {
    let mut ghosts = Ghosts::default();
    ticks.iter().for_each(|ghost| ghosts.tick(ghost, ghost.tick.t));
    ghosts
}

#[test]
fn a_ghost_has_the_figures_of_a_lab() {
    let mut second = tick("ring", 2 * S, 40, 700);
    let idle = BackendTick { backend: 2, picks: 10, ..BackendTick::default() };
    second.tick.backends.push(idle.clone());
    let mut first = tick("ring", 0, 10, 900);
    first.tick.backends.push(idle);
    let ghosts = ghosts(&[first, second, tick("ring", 4 * S, 70, 700)]);
    let view = ghosts.view("random", 4 * S, 0, &Latencies::default()).unwrap();
    let latency = (Some(700), Some(900));
    assert_eq!((&*view.policy, view.totals.good, view.totals.in_flight), ("ring", 15.0, 5));
    assert_eq!((view.totals.p50_us, view.totals.p99_us), latency);
    let one = &view.lanes[0];
    assert_eq!((one.number, one.in_flight, one.queued, one.share, one.rate), (1, 5, 3, 1.0, 15.0));
    assert_eq!((one.p50_us, one.p99_us), latency);
    assert_eq!((view.lanes[1].number, view.lanes[1].share, view.lanes[1].p50_us), (2, 0.0, None));
    assert_eq!((view.agreement, view.covers_us), (None, 0));
}

#[test]
fn the_ghost_that_was_asked_for_is_shown() {
    let mut ghosts = ghosts(&[tick("random", S, 1, 1), tick("ring", S, 1, 1), tick("maglev", S, 1, 1)]);
    let shown = |ghosts: &Ghosts, now| {
        ghosts.view("random", now, 0, &Latencies::default()).map(|ghost| ghost.policy.to_string())
    };
    assert_eq!(shown(&ghosts, S).as_deref(), Some("maglev"), "not that of the policy in force");
    ghosts.ask(Some(&"ring".into()));
    assert_eq!(shown(&ghosts, S).as_deref(), Some("ring"));
    assert_eq!(shown(&ghosts, S + GONE_US), None, "it says nothing any more");
    ghosts.ask(None);
    assert_eq!(shown(&ghosts, S), None);
}

#[test]
fn the_agreement_compares_the_policy_in_force_with_its_own_ghost() {
    // The means are those of the time after `since`, for which both are known.
    for (real, since, expected, covers) in [
        (100, 0, Some(100.0), 2 * S),
        (80, 0, Some(75.0), 2 * S),
        (40, 0, Some(0.0), 2 * S),
        (80, S, Some(75.0), S),
        (80, 2 * S, None, 0),
    ] {
        let mut latencies = Latencies::default();
        latencies.push(0, &vec![(9_999, 50)]);
        latencies.push(2 * S, &vec![(real, 20)]);
        latencies.push(3 * S, &vec![(9_999, 50)]);
        let mut ghosts = ghosts(&[tick("random", 0, 1, 7_777), tick("random", 2 * S, 9, 100)]);
        ghosts.tick(&tick("ring", 2 * S, 1, 5), 2 * S);
        let view = ghosts.view("random", 2 * S, since, &latencies);
        let found = view.map(|ghost| (ghost.agreement, ghost.covers_us));
        assert_eq!(found, Some((expected, covers)), "{real} {since}");
    }
}

#[test]
fn a_ghost_that_begins_again_has_no_past() {
    let mut ghosts = ghosts(&[tick("ring", 0, 900, 5), tick("ring", S, 1000, 5)]);
    ghosts.tick(&tick("ring", 2 * S, 3, 8), 2 * S);
    ghosts.tick(&tick("ring", S, 999, 9), 2 * S);
    let view = ghosts.view("random", 2 * S, 0, &Latencies::default()).unwrap();
    assert_eq!((view.totals.good, view.totals.p50_us, view.lanes[0].p50_us), (0.0, Some(8), Some(8)));
}

#[test]
fn the_agreement_is_that_of_the_last_thirty_seconds() {
    let mut latencies = Latencies::default();
    let mut ghosts = Ghosts::default();
    for second in 0..40 {
        // They differ at first, and agree for the last 31 s.
        latencies.push(second * S, &vec![(if second < 9 { 900 } else { 100 }, 50)]);
        ghosts.tick(&tick("random", second * S, second, 100), second * S);
        ghosts.tick(&tick("ring", second * S, second, 5), second * S);
    }
    let view = ghosts.view("random", 39 * S, 0, &latencies).unwrap();
    assert_eq!((view.agreement, view.covers_us), (Some(100.0), LONG_US));
}
