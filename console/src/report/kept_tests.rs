//! What is kept of a run.

use api::{
    BackendTick, ControlChange, Fault, HelloBackend, Load, LoadTick, Req, SCHEMA, StateChange, Tick, Why,
};
use serde_json::json;

use super::*;

const S: u64 = 1_000_000;

fn hello(epoch: u64) -> Event {
    let backend = |backend| HelloBackend {
        backend,
        url: format!("http://b{backend}"),
        weight: 1,
        ..HelloBackend::default()
    };
    Event::Hello(Box::new(Hello {
        schema: SCHEMA,
        epoch_unix_us: epoch,
        policy: "random".into(),
        backends: (1..=4).map(backend).collect(),
        ..Hello::default()
    }))
}

fn request(t: u64, id: u64) -> Event {
    let request = Req {
        t,
        id,
        n: 1,
        method: "GET".into(),
        path: "/busy/20000".into(),
        attempts: 1,
        total_us: 20_374,
        service_us: Some(20_000),
        backend: Some(2),
        ..Req::default()
    };
    Event::Req(Box::new(request))
}

fn tick(t: u64) -> Event {
    let backend = |backend| BackendTick {
        backend,
        picks: t,
        latency: vec![(100, 2), (200, 3)],
        ..BackendTick::default()
    };
    let load = LoadTick { latency: (0..40).map(|n| (n * 100, 1)).collect(), ..LoadTick::default() };
    Event::Tick(Tick { t, backends: (1..=4).map(backend).collect(), load: Some(load), ..Tick::default() })
}

fn fault(t: u64, active: bool) -> Event {
    Event::Fault(Fault {
        t,
        backend: 4,
        active,
        id: Some(1),
        kind: "status".into(),
        params: json!({"code": 503}),
        ..Fault::default()
    })
}

fn policy(t: u64, to: &str) -> Event {
    Event::Control(ControlChange {
        t,
        what: format!("policy random -> {to}"),
        change: Some(api::Change::Policy { policy: to.to_owned().into() }),
        by: "console".into(),
    })
}

#[test]
fn hours_take_less_than_the_bound() {
    let mut kept = Kept::default();
    kept.apply(&hello(1));
    // Two hours with a tick, requests and a change in each second. Requests come faster in the last minute,
    // so that the recording of all requests reaches its bound.
    let (mut id, mut most) = (0, 0);
    for second in 0..7200 {
        let t = second * S;
        kept.apply(&tick(t));
        for _ in 0..if second >= 7140 { 1900 } else { 2 } {
            id += 1;
            kept.apply(&request(t, id));
            if id % 50 == 0 {
                kept.apply(&Event::Why(Box::new(Why { id, decisions: vec![Default::default()] })));
            }
        }
        let cause = "x".repeat(500).into();
        kept.apply(&Event::State(StateChange {
            t,
            backend: 1,
            to: "down".into(),
            cause,
            ..StateChange::default()
        }));
        most = most.max(kept.bytes());
    }
    assert!(most < Kept::MOST_BYTES, "{most} bytes");
    assert!(
        kept.recent().bytes() > 15 << 20,
        "the bound of the requests is reached: {}",
        kept.recent().bytes()
    );
    assert!(kept.forgotten() > 1_000);
    assert_eq!(kept.changes().count() as u64 + kept.forgotten(), 7200);
}

#[test]
fn the_recording_is_that_of_the_last_two_minutes_with_what_held_before() {
    let mut kept = Kept::default();
    assert_eq!(kept.recording(), "");
    for event in [
        hello(1),
        fault(S, true),
        policy(2 * S, "ring"),
        request(3 * S, 1),
        fault(100 * S, true),
        policy(200 * S, "maglev"),
        request(210 * S, 2),
        tick(211 * S),
    ] {
        kept.apply(&event);
    }
    let events: Vec<Event> =
        kept.recording().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [Event::Hello(hello), Event::Fault(fault), rest @ ..] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!((&*hello.policy, hello.t, hello.backends.len()), ("ring", 100 * S, 4));
    assert_eq!((fault.t, fault.active, fault.backend), (100 * S, true, 4), "it was active before");
    let names: Vec<_> = rest.iter().map(|event| (event.name(), event.time().unwrap() / S)).collect();
    assert_eq!(names, [("fault", 100), ("control", 200), ("req", 210), ("tick", 211)]);
    assert_eq!(kept.recent().requests(), 1);
    let small = kept.without_recording();
    assert_eq!(small.recent().requests(), 1);
    assert_eq!((small.recent().begins(), small.recent().ends()), (Some(100 * S), Some(211 * S)));
}

#[test]
fn a_fault_that_has_ended_is_not_in_a_later_recording() {
    let mut kept = Kept::default();
    for event in [hello(1), fault(S, true), fault(2 * S, false), request(300 * S, 1)] {
        kept.apply(&event);
    }
    assert_eq!(kept.recording().lines().count(), 2, "{}", kept.recording());
}

#[test]
fn a_new_epoch_is_a_new_run() {
    let mut kept = Kept::default();
    let load = Event::Load(Load { t: 5, control: "open".into(), ..Load::default() });
    for event in [hello(1), load, request(9, 1), hello(1)] {
        kept.apply(&event);
    }
    assert_eq!((kept.changes().count(), kept.recent().requests()), (1, 1), "the same epoch goes on");
    kept.apply(&hello(2));
    assert_eq!((kept.changes().count(), kept.recent().requests(), kept.now()), (0, 0, 0));
}
