//! Tests: data that agrees, and each way in which it can differ.

use super::*;
use crate::claims::faults::Fault;
use serde_json::{Value, json};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// A request that was open from `start` to `start + 1` milliseconds.
fn entry(number: u64, call: usize, start: u64, outcome: Outcome, backend: Option<u32>) -> Entry {
    Entry { call, ..Entry::example(number, MS(start), MS(start + 1), outcome, backend) }
}

/// Calls: 0 is a short GET, 1 a POST, 2 a GET that closes its connection. Garbage from 100 ms to 200 ms, a
/// kill from 200 ms to 300 ms, resets until 400 ms, and a kill of backend 2 until 500 ms.
fn entries() -> Vec<Entry> {
    let cut = Outcome::Failed("the answer ended early: reset".into());
    vec![
        entry(0, 0, 10, Outcome::Answered(200), Some(1)),
        entry(1, 1, 20, Outcome::Answered(200), Some(1)),
        entry(2, 1, 150, Outcome::Answered(502), None),
        entry(3, 1, 250, cut, None),
    ]
}

fn executed() -> Value {
    json!({"r0": 2, "r1": 1, "r2": 1, "r3": 1})
}

fn state(requests: u64, gone: u64, ok: u64, errors: u64, answers: u64) -> State {
    serde_json::from_value(json!({
        "version": "0.1.0", "listen": "127.0.0.1:3030", "policy": "round-robin", "workers": 2,
        "draining": false, "uptime_ms": 1, "connections": 0,
        "totals": {"requests": requests, "no_backend": 0, "client_gone": gone,
            "status": {"1xx": 0, "2xx": ok, "3xx": 0, "4xx": 0, "5xx": errors}},
        "backends": [{
            "number": 1, "url": "http://127.0.0.1:3031", "state": "up", "cause": "it is", "for_ms": 1,
            "progress": null, "in_flight": 0, "picks": 0, "answers": answers, "failures": 0, "retries": 0,
            "connections": {"opened": 1, "reused": 4, "idle": 1},
            "latency_us": {"p50": null, "p90": null, "p99": null}
        }]
    }))
    .unwrap()
}

fn of(entries: &[Entry], executed: &Value, after: &State) -> Audit {
    let before = state(100, 10, 80, 10, 70);
    let phase = |strike, from, to| FaultPhase { strike, from: MS(from), to: MS(to) };
    let at = |fault, backend| Some(Strike { fault, backend, percent: 100 });
    let strike = |fault| at(fault, 1);
    audit(&Lap {
        begun: 4,
        entries,
        id: &|entry| format!("r{}", entry.number),
        kinds: &[CallKind::ShortGet, CallKind::Post, CallKind::DyingGet],
        phases: &[
            phase(None, 0, 100),
            phase(strike(Fault::Garbage), 100, 200),
            phase(strike(Fault::Kill), 200, 300),
            phase(strike(Fault::ResetBefore), 300, 400),
            phase(at(Fault::Kill, 2), 400, 500),
        ],
        vanished: 3,
        left: 2,
        executed: &Executed::from_ledger(&json!({ "executed": executed })).unwrap(),
        counted: (&before, after),
    })
}

/// Counters that agree with [`entries`]: of four requests two were answered, one was cut, one got a 502; and
/// the clients of two uploads left during their answers.
fn after() -> State {
    state(109, 15, 85, 11, 72)
}

#[test]
fn books_that_agree_are_found_to_agree() {
    let audit = of(&entries(), &executed(), &after());
    assert_eq!(audit.findings(), "");
    assert_eq!((audit.requests, audit.posts, audit.errors, audit.repeated_gets), (4, 3, 2, 1));
}

/// The result when one thing in the data is changed.
fn found(change: impl FnOnce(&mut Vec<Entry>, &mut Value)) -> Audit {
    let (mut entries, mut executed) = (entries(), executed());
    change(&mut entries, &mut executed);
    of(&entries, &executed, &after())
}

#[test]
fn an_answer_that_no_backend_executed_is_lost() {
    let audit = found(|_, executed| _ = executed.as_object_mut().unwrap().remove("r1"));
    assert_eq!((audit.lost.count, audit.differences.count), (1, 0));
    assert!(audit.findings().contains("lost: r1"), "{}", audit.findings());
}

#[test]
fn a_post_that_was_executed_twice_is_found_whether_it_was_answered_or_not() {
    assert_eq!(found(|_, executed| executed["r1"] = json!(2)).repeated_posts.count, 1);
    assert_eq!(found(|_, executed| executed["r2"] = json!(2)).repeated_posts.count, 1);
}

#[test]
fn a_get_may_be_executed_twice_and_no_more() {
    let audit = found(|_, executed| executed["r0"] = json!(3));
    assert_eq!((audit.repeated_again.count, audit.repeated_gets), (1, 0));
    assert!(audit.findings().contains("more than twice: 3 times, r0"), "{}", audit.findings());
}

#[test]
fn a_path_that_closes_explains_its_own_502_at_any_time() {
    let dying = |outcome| {
        found(move |entries, _| {
            entries[0].call = 2;
            (entries[0].outcome, entries[0].backend) = (outcome, None);
        })
    };
    assert_eq!(dying(Outcome::Answered(502)).unexplained.count, 0);
    assert_eq!(dying(Outcome::Answered(503)).unexplained.count, 1);
}

#[test]
fn a_get_that_meets_a_fault_at_each_of_two_backends_may_fail() {
    let get = |from, to, status| {
        found(move |entries, _| {
            (entries[3].call, entries[3].sent, entries[3].ended) = (0, MS(from), MS(to));
            entries[3].outcome = Outcome::Answered(status);
        })
    };
    assert_eq!(get(350, 450, 502).unexplained.count, 0);
    assert_eq!(get(350, 450, 504).unexplained.count, 1, "both faults end a try at once");
    assert_eq!(get(350, 360, 502).unexplained.count, 1, "there is another backend");
    assert_eq!(get(250, 350, 502).unexplained.count, 1, "both faults are at one backend");
}

#[test]
fn an_answer_to_another_request_is_found() {
    let audit = found(|entries, _| entries[0].outcome = Outcome::Mistaken("it is r1's".into()));
    assert_eq!((audit.mistaken.count, audit.unexplained.count), (1, 0));
}

#[test]
fn only_a_fault_that_stood_meanwhile_explains_an_error() {
    let moved = |start| {
        found(move |entries, _| {
            entries[2].sent = MS(start);
            entries[2].ended = MS(start + 1);
        })
    };
    // Garbage explains a 502, and so does a kill for a POST. Before them, there was no fault.
    assert_eq!(moved(150).unexplained.count, 0);
    assert_eq!(moved(250).unexplained.count, 0);
    assert_eq!(moved(50).unexplained.count, 1);
    // A GET must not notice a kill.
    let audit = found(|entries, _| entries[3].call = 0);
    assert_eq!(audit.unexplained.count, 1);
    assert!(audit.findings().contains("Kill"), "{}", audit.findings());
}

#[test]
fn a_request_without_an_end_is_missed() {
    let audit = found(|entries, _| _ = entries.pop());
    assert!(audit.findings().contains("requests begun, requests ended: 4 and 3"), "{}", audit.findings());
}

#[test]
fn requests_that_no_client_sent_must_not_be_executed() {
    let audit = found(|_, executed| executed["stranger"] = json!(1));
    assert!(audit.findings().contains("no client sent, none: 1 and 0"), "{}", audit.findings());
}

#[test]
fn each_of_the_balancers_counters_is_compared() {
    for wrong in [
        state(110, 15, 85, 11, 72),
        state(109, 16, 85, 11, 72),
        state(109, 15, 84, 11, 72),
        state(109, 15, 85, 12, 72),
        state(109, 15, 85, 11, 71),
    ] {
        assert_eq!(of(&entries(), &executed(), &wrong).differences.count, 1, "{wrong:?}");
    }
}

#[test]
fn laps_add_up_and_a_few_examples_are_kept() {
    let mut all = Audit::default();
    for _ in 0..5 {
        all.add(found(|_, executed| executed["r1"] = json!(2)));
    }
    assert_eq!((all.requests, all.repeated_posts.count), (20, 5));
    assert_eq!(all.findings().lines().count(), EXAMPLES);
}
