//! Tests of the secret fault.

use api::{Hello, SCHEMA};
use serde_json::{Value, json};

use super::*;

const S: u64 = 1_000_000;

fn merge() -> Merge {
    let mut merge = Merge::new(0, None, Vec::new());
    merge.balancer(Event::Hello(Box::new(Hello { schema: SCHEMA, ..Hello::default() })));
    merge
}

/// Backend 3 with these faults, each an id and a kind.
fn seen(faults: &[(u64, &str)]) -> Option<BackendSeen> {
    let fault = |(id, kind): &(u64, &str)| json!({"id": id, "kind": kind, "active": true});
    let faults: Vec<Value> = faults.iter().map(fault).collect();
    Some(BackendSeen::read(&json!({"worker": {"state": "running"}, "faults": faults})))
}

/// The events in short: the kind of a fault with `+` or `-`, the words of a change.
fn told(events: &[Event]) -> Vec<String> {
    let told = |event: &Event| match event {
        Event::Fault(fault) => format!("{}{}", if fault.active { '+' } else { '-' }, fault.kind),
        Event::Control(change) => {
            assert!(matches!(change.change, Some(Change::Secret { .. } | Change::Revealed { .. })));
            change.what.clone()
        }
        other => other.name().to_owned(),
    };
    events.iter().map(told).collect()
}

/// The faults that a new reader gets, as events and as words of the tick.
fn shown(merge: &Merge) -> (Vec<String>, String) {
    let all = merge.snapshot(S);
    let faults = all.iter().filter(|event| matches!(event, Event::Fault(_))).cloned().collect::<Vec<_>>();
    (told(&faults), format!("{all:?}"))
}

#[test]
fn a_secret_is_hidden_from_its_first_moment_until_it_is_revealed() {
    let mut merge = merge();
    merge.balancer(Event::Tick(api::Tick {
        backends: vec![api::BackendTick { backend: 3, ..Default::default() }],
        ..Default::default()
    }));
    merge.backend(S, 3, seen(&[(1, "latency")]));
    assert!(merge.begin_secret(3, "latency"));
    assert!(!merge.begin_secret(2, "status"), "one secret at a time");
    // The backend is seen before its answer with the id comes.
    assert!(merge.backend(S, 3, seen(&[(1, "latency"), (2, "latency")])).is_empty());
    assert_eq!(told(&merge.confirm_secret(2 * S, 2, "console")), ["a secret fault is active: find it"]);
    assert_eq!(
        told(&merge.backend(3 * S, 3, seen(&[(1, "latency"), (2, "latency"), (5, "status")]))),
        ["+status"]
    );
    let (faults, all) = shown(&merge);
    assert_eq!(faults, ["+latency", "+status"]);
    assert_eq!(all.matches("latency 100 %").count(), 1, "the words of the tick hide it too: {all}");
    assert!(all.contains("a secret fault is active"), "a new reader knows that there is one");
    let (what, events) = merge.reveal(44 * S, "console").unwrap();
    assert_eq!(what, "the secret was latency at B3, found after 42.0 s");
    assert_eq!(told(&events), [&*what, "+latency"]);
    let Event::Control(ControlChange { change, .. }) = &events[0] else { panic!("{events:?}") };
    let revealed = Change::Revealed { backend: 3, fault: "latency".into(), after_us: 42 * S };
    assert_eq!(change.as_ref(), Some(&revealed));
    assert_eq!(shown(&merge).1.matches("latency 100 %").count(), 2);
    assert!(merge.reveal(45 * S, "console").is_none());
}

#[test]
fn a_fault_of_the_same_kind_at_another_backend_is_no_secret() {
    let mut merge = merge();
    assert!(merge.begin_secret(2, "latency"));
    assert_eq!(told(&merge.backend(S, 3, seen(&[(1, "latency")]))), ["+latency"]);
}

#[test]
fn a_secret_that_was_refused_hides_nothing() {
    let mut merge = merge();
    assert!(merge.begin_secret(3, "latency"));
    merge.cancel_secret();
    assert_eq!(told(&merge.backend(S, 3, seen(&[(1, "latency")]))), ["+latency"]);
    assert!(merge.begin_secret(3, "status"));
}

#[test]
fn a_secret_that_has_ended_is_revealed_without_a_fault() {
    let mut merge = merge();
    assert!(merge.begin_secret(3, "latency"));
    merge.confirm_secret(S, 1, "console");
    merge.backend(S, 3, seen(&[(1, "latency")]));
    assert!(merge.backend(2 * S, 3, seen(&[])).is_empty(), "its end is a secret too");
    let (what, events) = merge.reveal(3 * S, "console").unwrap();
    assert_eq!(told(&events), [what]);
}
