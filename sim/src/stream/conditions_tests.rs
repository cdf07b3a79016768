//! Tests of the conditions of the backends.

use api::{BackendTick, ServerTick};
use serde_json::json;

use super::*;

fn fault(t: u64, active: bool, kind: &str, params: Value) -> Told {
    let id = (!matches!(kind, "kill" | "stop")).then_some(3);
    Told { t, backend: 2, active, id, kind: kind.to_owned().into(), params, until: None }
}

fn tick(t: u64, process: &str, workers: Option<u32>) -> Tick {
    let server = ServerTick { process: process.to_owned().into(), workers, ..ServerTick::default() };
    let backend = BackendTick { backend: 2, server: Some(server), ..BackendTick::default() };
    Tick { t, backends: vec![backend], ..Tick::default() }
}

fn of(changes: &[Change]) -> Vec<(u64, Fault, bool)> {
    changes.iter().map(|change| (change.at, change.fault, change.ends)).collect()
}

#[test]
fn faults_that_the_simulator_knows_begin_and_end() {
    let (backend, percent, lasts) = (2, 100.0, Duration::MAX);
    let latency =
        |adds, percent| Fault::Latency { backend, adds: Duration::from_millis(adds), percent, lasts };
    let status = Fault::Status { backend, code: 503, percent, takes: None, lasts };
    for (kind, params, expected) in [
        ("latency", json!({"fixed": "400ms"}), Some(latency(400, 100.0))),
        ("latency", json!({"fixed": 250, "percent": 50}), Some(latency(250, 50.0))),
        ("latency", json!({"exponential": "400ms"}), None),
        ("status", json!({"code": 503, "for": "10s"}), Some(status)),
        ("status", json!({"code": 503, "match": {"path": "/health"}}), None),
        ("status", json!({"weighted": [[1, 503]]}), None),
        ("garbage", Value::Null, None),
    ] {
        let mut conditions = Conditions::default();
        let begun = conditions.fault(&fault(5, true, kind, params.clone()));
        let ended = conditions.fault(&fault(9, false, kind, params.clone()));
        match expected {
            Some(expected) => {
                assert_eq!(of(&begun), [(5, expected, false)], "{params}");
                assert_eq!(of(&ended), [(9, expected, true)], "{params}");
                assert_eq!(begun[0].name, ended[0].name);
                assert!(conditions.unknown.is_empty());
            }
            None => {
                assert!(begun.is_empty() && ended.is_empty(), "{params}");
                assert_eq!(conditions.unknown, [kind.to_owned()].into());
            }
        }
    }
}

#[test]
fn a_fault_that_ends_by_itself_has_its_end_at_once() {
    let told = Told { until: Some(11), ..fault(5, true, "status", json!({"code": 500})) };
    let changes = Conditions::default().fault(&told);
    assert_eq!(changes.iter().map(|it| (it.at, it.ends)).collect::<Vec<_>>(), [(5, false), (11, true)]);
}

#[test]
fn a_process_changes_once_whether_a_tick_or_a_fault_tells_it() {
    let backend = 2;
    let mut conditions = Conditions::default();
    let capacity = Fault::Capacity { backend, workers: None, queue: None };
    assert_eq!(of(&conditions.tick(&tick(1, "running", None))), [(0, capacity, false)]);
    let killed = conditions.fault(&fault(2, true, "kill", Value::Null));
    assert_eq!(of(&killed), [(2, Fault::Kill { backend }, false)]);
    assert!(conditions.tick(&tick(3, "dead", None)).is_empty());
    assert_eq!(of(&conditions.tick(&tick(4, "running", None))), [(4, Fault::Start { backend }, false)]);
    assert!(conditions.fault(&fault(4, false, "kill", Value::Null)).is_empty());
    let stopped = conditions.fault(&fault(5, true, "stop", Value::Null));
    assert_eq!(of(&stopped), [(5, Fault::Stop { backend }, false)]);
    let continued = conditions.fault(&fault(6, false, "stop", Value::Null));
    assert_eq!(of(&continued), [(6, Fault::Continue { backend }, false)]);
    assert!(conditions.tick(&tick(7, "unknown", None)).is_empty());
}

#[test]
fn the_first_tick_tells_conditions_from_before() {
    let backend = 2;
    let capacity = |workers| Fault::Capacity { backend, workers, queue: None };
    let mut conditions = Conditions::default();
    let first = conditions.tick(&tick(7, "dead", Some(2)));
    assert_eq!(of(&first), [(0, Fault::Kill { backend }, false), (0, capacity(Some(2)), false)]);
    assert_eq!(of(&conditions.tick(&tick(8, "dead", Some(3)))), [(8, capacity(Some(3)), false)]);
    let mut chosen = Conditions::new(Some(1));
    assert_eq!(of(&chosen.tick(&tick(7, "running", Some(2)))), [(0, capacity(Some(1)), false)]);
    assert!(chosen.tick(&tick(8, "running", Some(3))).is_empty(), "the number of workers is chosen");
}

#[test]
fn delays_of_faults_are_no_work() {
    let mut conditions = Conditions::default();
    let call = |ended, service, backend| LiveCall {
        arrived: 0,
        ended,
        service,
        path: 0,
        key: None,
        backend: Some(backend),
        status: 200,
        retries: 0,
    };
    assert_eq!(conditions.work(&call(0, None, 2)), None, "no work is known");
    conditions.fault(&fault(1_000_000, true, "latency", json!({"fixed": "400ms"})));
    conditions.fault(&fault(3_000_000, false, "latency", json!({"fixed": "400ms"})));
    for (ended, service, backend, expected) in [
        (2_000_000, 420_000, 2, 20_000),
        // Another backend, and services that began before the fault and after it.
        (2_000_000, 420_000, 1, 420_000),
        (1_300_000, 420_000, 2, 420_000),
        (3_500_000, 420_000, 2, 420_000),
        (3_300_000, 420_000, 2, 20_000),
        // It was not hit.
        (2_000_000, 30_000, 2, 30_000),
    ] {
        let call = call(ended, Some(service), backend);
        assert_eq!(conditions.work(&call), Some(expected), "{call:?}");
    }
    assert_eq!(conditions.work(&call(9_000_000, None, 2)), Some(30_000), "the work of the call before");
}

#[test]
fn what_is_over_is_forgotten() {
    let mut conditions = Conditions::default();
    let fixed = json!({"fixed": "400ms"});
    for number in 0..1000 {
        conditions.fault(&fault(number, true, "latency", fixed.clone()));
        conditions.fault(&fault(number + 1, false, "latency", fixed.clone()));
    }
    conditions.fault(&Told { until: Some(2000), ..fault(1000, true, "latency", fixed.clone()) });
    conditions.fault(&Told { id: Some(4), ..fault(1000, true, "latency", fixed) });
    assert_eq!((conditions.delays.len(), conditions.active.len()), (1002, 2));
    conditions.forget(REMEMBERED + 999);
    assert_eq!((conditions.delays.len(), conditions.active.len()), (3, 2), "requests may still tell of them");
    conditions.forget(REMEMBERED + 2000);
    assert_eq!((conditions.delays.len(), conditions.active.len()), (1, 1), "the one without an end");
}

#[test]
fn nonsense_has_a_bound() {
    let mut conditions = Conditions::default();
    for number in 0..2 * MOST_ACTIVE as u64 {
        let told = Told { id: Some(number), ..fault(5, true, "latency", json!({"fixed": "1ms"})) };
        conditions.fault(&told);
        conditions.fault(&Told { kind: format!("kind{number}").into(), ..told });
    }
    assert_eq!((conditions.active.len(), conditions.unknown.len()), (MOST_ACTIVE, MOST_KINDS));
    assert!(
        conditions.fault(&Told { backend: 1_000_000_000, ..fault(5, true, "kill", Value::Null) }).is_empty()
    );
    assert!(!conditions.backends.contains_key(&1_000_000_000));
}
