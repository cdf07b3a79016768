//! Tests of the model: tables of events and what a screen shows after them.

use api::{
    BackendTick, Change, ControlChange, Event, Fault, Gap, Ghost, Hello, HelloBackend, Load, LoadTick, Probe,
    Progress, SCHEMA, ServerTick, StateChange, Tick,
};

use super::*;

pub(super) const S: u64 = 1_000_000;

pub(super) fn hello(backends: usize) -> Event {
    let backend = |backend| HelloBackend {
        backend,
        url: format!("http://localhost:{}", 3030 + backend),
        weight: 1,
        mode: "ready".into(),
        state: "up".into(),
        cause: "connected".into(),
    };
    Event::Hello(Box::new(Hello {
        schema: SCHEMA,
        epoch_unix_us: 1_000,
        policy: "round-robin".into(),
        backends: (1..=backends).map(backend).collect(),
        ..Hello::default()
    }))
}

/// A tick in which each backend has these sums of picks, answers and errors, and all answers took 10 ms.
pub(super) fn tick(t: u64, sums: &[(usize, u64, u64, u64)]) -> Tick {
    let backend = |&(backend, picks, answers, errors): &(usize, u64, u64, u64)| BackendTick {
        backend,
        picks,
        answers,
        errors,
        weight: 1,
        latency: vec![(10_000, 1)],
        ..BackendTick::default()
    };
    let all = |part: fn(&(usize, u64, u64, u64)) -> u64| sums.iter().map(part).sum::<u64>();
    Tick {
        t,
        requests: all(|sums| sums.1),
        ended: all(|sums| sums.2),
        good: all(|sums| sums.2 - sums.3),
        errors: all(|sums| sums.3),
        backends: sums.iter().map(backend).collect(),
        ..Tick::default()
    }
}

pub(super) fn model(events: impl IntoIterator<Item = Event>) -> Model {
    let mut model = Model::default();
    events.into_iter().for_each(|event| model.apply(&event));
    model
}

pub(super) fn lane(view: &View, number: usize) -> &Lane {
    view.lanes.iter().find(|lane| lane.number == number).unwrap()
}

#[test]
fn rates_and_shares_are_those_of_the_window() {
    let view = model([
        hello(2),
        Event::Tick(tick(0, &[(1, 500, 500, 0), (2, 1000, 1000, 0)])),
        Event::Tick(tick(10 * S, &[(1, 600, 600, 0), (2, 1100, 1100, 0)])),
        Event::Tick(tick(15 * S, &[(1, 630, 630, 0), (2, 1110, 1110, 5)])),
    ])
    .view();
    let (one, two) = (lane(&view, 1), lane(&view, 2));
    assert_eq!((view.window_us, view.covers_us), (5 * S, 5 * S));
    // 30 and 10 of 40 picks in 5 s. The good answers are 30 and 5.
    assert_eq!((one.rate, one.share, one.good, one.good_share), (6.0, 0.75, Some(1.0), 30.0 / 35.0));
    assert_eq!((two.rate, two.share, two.good, two.good_share), (2.0, 0.25, Some(0.5), 5.0 / 35.0));
    assert_eq!((one.errors, two.errors), (0.0, 1.0));
    assert_eq!((view.totals.offered, view.totals.good, view.totals.errors), (8.0, 7.0, 1.0));
    assert_eq!(view.totals.imbalance, Some(1.5), "0.75 compared to 0.5");
}

#[test]
fn a_tick_without_a_backend_says_that_it_rests() {
    let mut busy = tick(2 * S, &[(1, 10, 10, 0), (2, 10, 10, 0)]);
    busy.backends[1].in_flight = 7;
    let view = model([
        hello(2),
        Event::Tick(tick(0, &[(1, 0, 0, 0), (2, 0, 0, 0)])),
        Event::Tick(busy),
        Event::Tick(tick(4 * S, &[(1, 40, 40, 0)])),
    ])
    .view();
    assert_eq!((lane(&view, 1).rate, lane(&view, 2).rate), (10.0, 2.5));
    assert_eq!((lane(&view, 2).in_flight, lane(&view, 2).cells[59].is_some()), (0, true));
    assert_eq!(view.totals.imbalance, Some(1.6), "40 of 50 picks, compared to 25");
}

#[test]
fn a_lane_without_answers_in_the_window_has_no_latency() {
    let mut model =
        model([hello(1), Event::Tick(tick(0, &[(1, 0, 0, 0)])), Event::Tick(tick(S, &[(1, 9, 9, 0)]))]);
    let seen = |model: &Model| {
        let view = model.view();
        (lane(&view, 1).is_quiet, lane(&view, 1).p50_us, lane(&view, 1).p99_us)
    };
    assert_eq!(seen(&model), (false, Some(10_000), Some(10_000)));
    for quarter in 0..40 {
        model.apply(&Event::Tick(tick(S + quarter * S / 4, &[])));
    }
    assert_eq!(seen(&model), (true, None, None));
}

#[test]
fn a_backend_that_answers_503_is_the_worst_even_beside_one_that_is_down() {
    let down = StateChange { t: S, backend: 3, from: "up".into(), to: "down".into(), ..Default::default() };
    let view = model([
        hello(3),
        Event::Tick(tick(0, &[(1, 0, 0, 0), (2, 0, 0, 0), (3, 0, 0, 0)])),
        Event::State(down),
        Event::Tick(tick(4 * S, &[(1, 50, 50, 0), (2, 50, 50, 50)])),
    ])
    .view();
    let found: Vec<_> = view.lanes.iter().map(|lane| (lane.trouble, lane.is_worst, lane.good)).collect();
    assert_eq!(
        found,
        [(Trouble::None, false, Some(1.0)), (Trouble::Harm, true, Some(0.0)), (Trouble::Out, false, None)]
    );
    assert_eq!(lane(&view, 2).cells[59], Some(Cell { state: Health::Up, errors: 50 }));
    assert_eq!(lane(&view, 3).cells[56], Some(Cell { state: Health::Down, errors: 0 }));
}

#[test]
fn a_timeline_ends_with_the_last_second_of_which_something_is_known() {
    let mut model = model([hello(1), Event::Tick(tick(S, &[(1, 1, 1, 0)]))]);
    // A probe advances the time, and says nothing about the state.
    model.apply(&Event::Probe(Probe { t: 2 * S, backend: 1, ..Probe::default() }));
    assert_eq!(lane(&model.view(), 1).cells[59], Some(Cell { state: Health::Up, errors: 0 }));
    let down =
        StateChange { t: 3 * S, backend: 1, from: "up".into(), to: "down".into(), ..Default::default() };
    model.apply(&Event::State(down));
    let view = model.view();
    let ends = [None, Some(Cell { state: Health::Down, errors: 0 })];
    assert_eq!(lane(&view, 1).cells[58..], ends, "nothing is known of the second from 2 s to 3 s");
}

#[test]
fn retries_are_all_tries_after_the_first() {
    let frame = |t, requests, picks, retries| {
        let mut tick = tick(t, &[(1, picks, 0, 0)]);
        (tick.requests, tick.backends[0].retries) = (requests, retries);
        Event::Tick(tick)
    };
    // 40 requests in 4 s: 44 picks, so 4 went to another backend, and 4 tries at the same backend.
    let totals = model([hello(1), frame(0, 100, 100, 0), frame(4 * S, 140, 144, 4)]).view().totals;
    assert_eq!((totals.retries, totals.retries_ever, totals.amplification), (2.0, 8, Some(1.2)));
}

#[test]
fn changes_are_followed() {
    let down = Event::State(StateChange {
        t: S,
        backend: 2,
        from: "up".into(),
        to: "down".into(),
        cause: "connection refused".into(),
        progress: None,
    });
    let probe = Event::Probe(Probe {
        t: 2 * S,
        backend: 2,
        ok: true,
        what: "connected".into(),
        took_us: 300,
        progress: Some(Progress { towards: "up".into(), count: 1, of: 2 }),
    });
    let control = |what: &str, change| {
        Event::Control(ControlChange { t: 2 * S, what: what.into(), by: "test".into(), change: Some(change) })
    };
    let view = model([
        hello(2),
        down,
        probe,
        control("policy round-robin -> ring", Change::Policy { policy: "ring".into() }),
        control("weight", Change::Weight { backend: 1, weight: 5 }),
        control("mode", Change::Mode { backend: 1, mode: "drain".into() }),
        control("added", Change::Added { backend: 3, url: "http://localhost:9".into() }),
        control("removed", Change::Removed { backend: 3 }),
    ])
    .view();
    let two = lane(&view, 2);
    assert_eq!((two.state, &*two.cause, &*two.progress), (Health::Down, "connection refused", "1/2 up"));
    let expected = LastProbe { t: 2 * S, ok: true, what: "connected".into(), took_us: 300 };
    assert_eq!(two.probe, Some(expected));
    assert_eq!((&*view.policy, &*lane(&view, 1).mode, lane(&view, 1).weight), ("ring", "drain", 5));
    assert_eq!((&*lane(&view, 3).url, &*lane(&view, 3).mode), ("http://localhost:9", "removed"));
    let log: Vec<&str> = view.log.iter().map(|line| &*line.text).collect();
    assert_eq!(
        log,
        [
            "B2 up -> down: connection refused",
            "policy round-robin -> ring (by test)",
            "weight (by test)",
            "mode (by test)",
            "added (by test)",
            "removed (by test)",
        ]
    );
}

#[test]
fn faults_and_the_process_are_shown() {
    let fault = |active| {
        Event::Fault(Fault {
            t: S,
            backend: 1,
            active,
            id: Some(7),
            kind: "status".into(),
            ..Fault::default()
        })
    };
    let mut model = model([hello(1), fault(true)]);
    assert_eq!(lane(&model.view(), 1).faults, ["status"]);
    let server = |t, faults: &[&str]| {
        let faults = faults.iter().map(ToString::to_string).collect();
        let mut tick = tick(t, &[(1, 0, 0, 0)]);
        tick.backends[0].server = Some(ServerTick {
            process: "running".into(),
            busy: 2,
            workers: Some(2),
            queued: 3,
            queue: None,
            faults,
        });
        Event::Tick(tick)
    };
    model.apply(&server(S, &["status 503 100 %"]));
    let view = model.view();
    assert_eq!(lane(&view, 1).faults, ["status 503 100 %"]);
    let running = Server { process: "running".into(), busy: 2, workers: Some(2), queued: 3, queue: None };
    assert_eq!(lane(&view, 1).server, Some(running));
    model.apply(&fault(false));
    assert!(lane(&model.view(), 1).faults.is_empty());
}

#[test]
fn the_load_is_shown_as_its_clients_see_it() {
    let with_load = |t, offered, done, waiting| {
        let latency = vec![(40_000, 9), (80_000, 1)];
        let load = LoadTick { offered, done, good: done, waiting, latency, ..LoadTick::default() };
        Event::Tick(Tick { load: Some(load), ..tick(t, &[]) })
    };
    let open = Load { t: 0, control: "open".into(), rate: 100.0, clients: 0 };
    let load = model([hello(1), Event::Load(open), with_load(0, 0, 0, 0), with_load(2 * S, 200, 190, 10)]);
    let load = load.view().load.unwrap();
    assert_eq!((load.offered, load.good, load.waiting), (100.0, 95.0, 10));
    assert_eq!((load.p50_us, load.p99_us), (Some(40_000), Some(80_000)));
}

#[test]
fn a_balancer_that_starts_again_gives_no_negative_rates() {
    let view = model([
        hello(1),
        Event::Tick(tick(0, &[(1, 0, 0, 0)])),
        Event::Tick(tick(S, &[(1, 1000, 1000, 0)])),
        hello(1),
        Event::Tick(tick(2 * S, &[(1, 10, 10, 0)])),
        Event::Tick(tick(4 * S, &[(1, 30, 30, 0)])),
    ])
    .view();
    assert_eq!((lane(&view, 1).rate, view.covers_us), (10.0, 2 * S));
}

#[test]
fn another_epoch_begins_a_new_model() {
    let Event::Hello(mut other) = hello(1) else { unreachable!() };
    (other.epoch_unix_us, other.t) = (9_000, 5);
    let view = model([
        hello(2),
        Event::Tick(tick(900 * S, &[(2, 1, 1, 0)])),
        Event::Gap(Gap { from: 1, to: 3 }),
        Event::Hello(other),
    ])
    .view();
    assert_eq!((view.t, view.lanes.len(), view.log.len(), view.totals.missed), (5, 1, 0, 0));
}

#[test]
fn a_stream_of_another_format_is_refused() {
    let Event::Hello(mut other) = hello(2) else { unreachable!() };
    other.schema = SCHEMA + 1;
    let mut model = model([Event::Hello(other), Event::Tick(tick(S, &[(7, 1, 1, 0)]))]);
    let view = model.view();
    assert!(view.problem.unwrap().contains("format 2, and this console reads format 1"));
    assert!(view.lanes.iter().all(|lane| lane.number != 7), "the tick is left out");
    model.apply(&hello(2));
    assert_eq!(model.view().problem, None);
}

#[test]
fn a_log_line_is_read_once() {
    let mut model = model([hello(1), Event::Gap(Gap { from: 1, to: 1 })]);
    let (lines, seen) = model.log_after(0);
    assert_eq!((lines.count(), seen), (1, 1));
    model.apply(&Event::Gap(Gap { from: 2, to: 2 }));
    assert_eq!(model.log_after(seen).0.count(), 1);
}

#[test]
fn a_secret_fault_is_told_later_and_a_reset_forgets_it() {
    let control = |t, change| Event::Control(ControlChange { t, change: Some(change), ..Default::default() });
    let mut model = model([hello(2), control(5 * S, Change::Secret { since: 4 * S })]);
    assert_eq!(model.view().secret, Some(Secret { since: 4 * S, revealed: None }));
    let revealed = || Change::Revealed { backend: 2, fault: "latency".into(), after_us: 3 * S };
    let told = Some(Revealed { backend: 2, fault: "latency".into(), after_us: 3 * S });
    model.apply(&control(7 * S, revealed()));
    assert_eq!(model.view().secret, Some(Secret { since: 4 * S, revealed: told.clone() }));
    model.apply(&control(8 * S, Change::Reset));
    assert_eq!(model.view().secret, None);
    model.apply(&control(9 * S, revealed()));
    assert_eq!(model.view().secret, Some(Secret { since: 6 * S, revealed: told }), "a reader that came late");
}

#[test]
fn plots_have_points_and_marks_and_the_ghost() {
    let ghost_tick = tick(S, &[(2, 9, 9, 0)]);
    let mut one = tick(2 * S, &[(1, 30, 30, 0), (2, 10, 10, 0)]);
    one.backends[1].in_flight = 7;
    let mut view = model([
        hello(2),
        Event::Tick(tick(S, &[(1, 0, 0, 0), (2, 0, 0, 0)])),
        Event::Fault(Fault { t: S, backend: 2, active: true, kind: "kill".into(), ..Fault::default() }),
        Event::Ghost(Ghost { policy: "ring".into(), tick: ghost_tick }),
        Event::Tick(one),
    ])
    .view();
    assert_eq!((view.series.points.len(), view.marks.len()), (2, 1));
    let point = view.series.points.remove(1);
    assert_eq!((point.t, point.offered, point.tries), (2 * S, Some(40.0), Some(40.0)));
    assert_eq!((point.p50_us, &point.in_flight[..]), (Some(10_000), &[Some(0), Some(7)][..]));
    assert_eq!(point.ghost_in_flight, [None, Some(0)]);
    assert_eq!(view.ghost.map(|ghost| ghost.policy), Some("ring".into()));
    assert_eq!(view.percentiles.corrected, [(50.0, 10_000), (75.0, 10_000)], "4 answers of the backends");
    assert_eq!(view.lanes[1].unanswered, 7);
}

#[test]
fn the_line_of_a_removed_backend_ends_with_its_last_request() {
    let control = Event::Control(ControlChange {
        t: 2 * S,
        what: "removed".into(),
        by: "test".into(),
        change: Some(Change::Removed { backend: 2 }),
    });
    let tick = |t, in_flight| {
        let backend = |backend, in_flight| BackendTick { backend, in_flight, ..BackendTick::default() };
        Event::Tick(Tick { t, backends: vec![backend(1, 4), backend(2, in_flight)], ..Tick::default() })
    };
    let mut model = Model::default();
    for event in [tick(S, 3), control, tick(3 * S, 1), tick(4 * S, 0), tick(5 * S, 0)] {
        model.apply(&event);
    }
    let lines: Vec<_> = model.view().series.points.iter().map(|point| point.in_flight.clone()).collect();
    assert_eq!(lines, [[Some(4), Some(3)], [Some(4), Some(1)], [Some(4), None], [Some(4), None]]);
}
