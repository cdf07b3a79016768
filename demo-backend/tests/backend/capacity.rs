//! Tests: places, queue and disciplines, as clients see them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, Backend, Client, eventually};

/// The number in a header of an answer.
fn number(answer: &Answer, name: &str) -> u64 {
    let value = answer.header(name).unwrap_or_else(|| panic!("no {name}: {answer:?}"));
    value.parse().unwrap_or_else(|_| panic!("{name} is {value}"))
}

fn queue_ms(answer: &Answer) -> u64 {
    number(answer, "x-lab-queue-us") / 1000
}

fn set(backend: &Backend, capacity: Value) {
    assert_eq!(backend.order_with("PUT /capacity", &capacity.to_string())["applied"], true);
}

fn counter(backend: &Backend, name: &str) -> Value {
    backend.order("GET /counters")[name].clone()
}

/// Sends a request with this id, and waits until it has arrived.
fn send(backend: &Backend, id: &str, path: &str, headers: &str) -> Client {
    let before = counter(backend, "arrived").as_u64().unwrap();
    let mut client = backend.client();
    client.send(&format!("GET {path} HTTP/1.1\r\nHost: test\r\nX-Request-Id: {id}\r\n{headers}\r\n"));
    eventually("it has arrived", || counter(backend, "arrived") == before + 1);
    client
}

/// A request for `/held` holds its worker until the returned function is called.
fn hold(backend: &Backend) -> impl Fn() + '_ {
    backend.faults(r#"[{"kind": "stall", "match": {"path": "/held"}}]"#);
    || drop(backend.order("DELETE /faults/1"))
}

/// The times that each request was executed, by its id.
fn executed(backend: &Backend) -> Value {
    backend.order("GET /ledger")["executed"].clone()
}

#[test]
fn one_worker_serves_three_requests_one_after_the_other() {
    let backend = Backend::with_flags(&["--workers", "1"]);
    // A stopped worker gets the three at the same moment when it goes on.
    backend.order("POST /stop");
    let clients: Vec<Client> = (0..3)
        .map(|_| {
            let mut client = backend.client();
            client.ask("/busy/50000");
            client
        })
        .collect();
    backend.order("POST /continue");
    let mut answers: Vec<_> = clients.into_iter().map(|mut client| client.answer()).collect();
    answers.sort_by_key(queue_ms);
    let took: Vec<_> = answers
        .iter()
        .map(|answer| (number(answer, "x-lab-queue-us"), number(answer, "x-lab-service-us")))
        .collect();
    assert_eq!(took[0].0, 0, "the first one waits for nothing");
    for (place, pair) in took.windows(2).enumerate() {
        // Lindley: the wait and the service of the one before, less the time between the two arrivals. The
        // machine is given 30 ms for the arrivals.
        let (expected, wait) = (pair[0].0 + pair[0].1, pair[1].0);
        assert!((expected.saturating_sub(30_000)..=expected + 1).contains(&wait), "{place}: {took:?}");
    }
    // A process that gets no time for long serves longer, never shorter.
    assert!(took.iter().all(|(_, service)| (50_000..150_000).contains(service)), "{took:?}");
    let in_flight: Vec<_> = answers.iter().map(|answer| number(answer, "x-lab-in-flight")).collect();
    assert_eq!(in_flight, [1, 2, 3], "the order of service is the order of arrival");
}

#[test]
fn a_full_queue_refuses_and_the_ledger_does_not_have_the_request() {
    let backend = Backend::start();
    set(&backend, json!({"workers": 1, "queue": 0}));
    let release = hold(&backend);
    let mut first = send(&backend, "first", "/held", "");
    let refused = backend.get_with("/?format=json", "X-Request-Id: second\r\n");
    assert_eq!((refused.status, refused.header("x-lab-refused")), (503, Some("full")));
    let body: Value = serde_json::from_str(&refused.body).unwrap();
    let said = [&body["refused"], &body["service_us"], &body["in_flight"], &body["faults"]];
    assert_eq!(said, [&json!("full"), &json!(0), &json!(2), &json!([])]);
    release();
    assert_eq!((first.answer().status, executed(&backend)), (200, json!({"first": 1})));
    let counters = backend.order("GET /counters");
    let counted = [&counters["refused"], &counters["started"], &counters["finished"]];
    assert_eq!(counted, [&json!(1), &json!(1), &json!(2)]);
}

#[test]
fn a_server_sheds_before_its_queue_is_full() {
    let backend = Backend::with_flags(&["--workers", "1", "--queue", "9", "--shed", "1"]);
    let release = hold(&backend);
    let _served = send(&backend, "a", "/held", "");
    let mut waits = send(&backend, "b", "/busy/1", "");
    assert_eq!(backend.get("/").header("x-lab-refused"), Some("shed"));
    assert_eq!((counter(&backend, "waiting"), counter(&backend, "serving")), (json!(1), json!(1)));
    release();
    assert_eq!(waits.answer().status, 200);
    assert_eq!((counter(&backend, "waiting"), counter(&backend, "max_waiting")), (json!(0), json!(1)));
}

#[test]
fn the_newest_is_first_with_lifo() {
    let backend = Backend::start();
    for (discipline, second) in [("lifo", "c"), ("fifo", "b")] {
        backend.order("DELETE /ledger");
        set(&backend, json!({"workers": 1, "discipline": discipline}));
        let stall = |path| format!(r#"{{"kind": "stall", "match": {{"path": "{path}"}}}}"#);
        backend.faults(&format!("[{}, {}]", stall("/held"), stall("/then")));
        let requests = [("a", "/held"), ("b", "/then"), ("c", "/then")];
        let _clients = requests.map(|(id, path)| send(&backend, id, path, ""));
        backend.order("DELETE /faults/1");
        eventually("the second one is served", || backend.order("GET /ledger")["total"] == 2);
        assert_eq!(executed(&backend), json!({"a": 1, second: 1}), "{discipline}");
        backend.order("DELETE /faults/2");
        eventually("all are served", || backend.order("GET /ledger")["total"] == 3);
    }
}

#[test]
fn a_request_without_its_client_is_executed_or_frees_its_worker() {
    let backend = Backend::start();
    for on_disconnect in ["continue", "cancel"] {
        backend.order("DELETE /ledger");
        set(&backend, json!({"workers": 1, "on_disconnect": on_disconnect}));
        let release = hold(&backend);
        let abandoned = counter(&backend, "abandoned").as_u64().unwrap();
        let served = send(&backend, "served", "/held", "");
        let waits = send(&backend, "waits", "/busy/1", "");
        let mut last = send(&backend, "last", "/busy/1", "");
        for (client, gone) in [(waits, 1), (served, 2)] {
            drop(client);
            eventually("it is gone", || counter(&backend, "abandoned") == abandoned + gone);
        }
        if on_disconnect == "continue" {
            assert!(last.is_silent_for(Duration::from_millis(50)), "the work goes on");
            release();
            assert_eq!(last.answer().status, 200);
            assert_eq!(executed(&backend), json!({"served": 1, "waits": 1, "last": 1}));
        } else {
            assert_eq!(last.answer().status, 200, "the worker is free");
            assert_eq!(executed(&backend), json!({"served": 1, "last": 1}));
        }
    }
}

#[test]
fn a_request_whose_client_left_while_the_worker_was_stopped_is_work_nevertheless() {
    let backend = Backend::start();
    set(&backend, json!({"workers": 1, "on_disconnect": "continue", "work": "1ms"}));
    backend.order("POST /stop");
    for id in ["a", "b", "c"] {
        backend.client().send(&format!("GET / HTTP/1.1\r\nHost: test\r\nX-Request-Id: {id}\r\n\r\n"));
    }
    backend.order("POST /continue");
    eventually("all are executed", || executed(&backend) == json!({"a": 1, "b": 1, "c": 1}));
}

#[test]
fn a_request_is_dropped_when_its_deadline_is_over_or_cannot_be_met() {
    let backend = Backend::start();
    for (discipline, reason) in [("drop_expired", "expired"), ("drop_hopeless", "hopeless")] {
        backend.order("DELETE /ledger");
        set(&backend, json!({"workers": 1, "discipline": discipline, "patience": "1h"}));
        let release = hold(&backend);
        let mut first = send(&backend, "first", "/held", "");
        let mut second = send(&backend, "second", "/busy/2000000", "X-Lab-Deadline-Ms: 100\r\n");
        let mut third = send(&backend, "third", "/busy/1", "");
        if discipline == "drop_hopeless" {
            release();
        }
        let dropped = second.answer();
        assert_eq!((dropped.status, dropped.header("x-lab-refused")), (503, Some(reason)));
        if discipline == "drop_expired" {
            assert!((100..5000).contains(&queue_ms(&dropped)), "{dropped:?}");
            release();
        }
        assert_eq!((first.answer().status, third.answer().status), (200, 200));
        assert_eq!(executed(&backend), json!({"first": 1, "third": 1}), "{discipline}");
    }
}

#[test]
fn a_capacity_reaches_a_worker_that_runs_and_the_next_one() {
    let backend = Backend::with_flags(&["--workers", "1", "--speed", "50"]);
    let first_capacity = backend.order("GET /capacity");
    assert_eq!((&first_capacity["workers"], &first_capacity["speed"]), (&json!(1), &json!(50.0)));
    let _served = send(&backend, "served", "/delay/60000", "");
    let mut waits = send(&backend, "waits", "/", "");
    assert!(waits.is_silent_for(Duration::from_millis(30)));
    set(&backend, json!({"workers": 2}));
    assert_eq!(waits.answer().status, 200);
    backend.order("POST /restart");
    assert_eq!(backend.order("GET /capacity")["workers"], 2);
    assert_eq!(counter(&backend, "serving"), 0);
    backend.order("POST /reset");
    assert_eq!(backend.order("GET /capacity"), first_capacity, "the capacity of the flags");
    assert_eq!(backend.order("GET /state")["capacity"], first_capacity);
    let took = number(&backend.get("/busy/100000"), "x-lab-service-us");
    assert!((200_000..300_000).contains(&took), "half the speed, twice the time: {took}");
    // What GET shows, PUT takes.
    set(&backend, first_capacity);
}

#[test]
fn every_answer_says_how_long_it_took_and_what_hit_it() {
    let backend = Backend::start();
    let status = r#"{"kind": "status", "code": 418, "match": {"path": "/teapot"}}"#;
    let late = r#"{"kind": "latency", "fixed": "20ms", "match": {"method": "GET"}}"#;
    backend.faults(&format!("[{late}, {status}]"));
    for (path, code, service, faults) in [
        ("/", 200, 20_000, "1"),
        ("/delay/10", 200, 30_000, "1"),
        ("/busy/5000", 200, 25_000, "1"),
        ("/bytes/5", 200, 20_000, "1"),
        ("/teapot", 418, 20_000, "1,2"),
        ("/busy/much", 400, 0, "none"),
    ] {
        let answer = backend.get(path);
        assert_eq!((answer.status, answer.header("x-lab-faults")), (code, Some(faults)), "{path}");
        assert_eq!((number(&answer, "x-lab-queue-us"), number(&answer, "x-lab-in-flight")), (0, 1), "{path}");
        let took = number(&answer, "x-lab-service-us");
        // The lateness of a timer is no service time, unless the machine is very late.
        assert!((service..=service + 100_000).contains(&took), "{path}: {took}");
    }
    let sized = backend.get_with("/?format=json", "X-Lab-Work: 3000\r\n");
    let body: Value = serde_json::from_str(&sized.body).unwrap();
    assert_eq!((&body["faults"], &body["queue_us"]), (&json!([1]), &json!(0)));
    assert!(body["service_us"].as_u64() >= Some(23_000), "{body}");
    let mistake = backend.get_with("/", "X-Lab-Work: 3ms\r\n");
    assert_eq!((mistake.status, mistake.body.contains("send a whole number of microseconds")), (400, true));
}

#[test]
fn a_stalled_request_holds_its_worker_until_the_fault_is_removed() {
    let backend = Backend::with_flags(&["--workers", "1"]);
    backend.faults(
        r#"[{"kind": "stall", "first": 1}, {"kind": "latency", "fixed": "60s", "match": {"path": "/late"}}]"#,
    );
    let mut stalled = send(&backend, "stalled", "/", "");
    let mut waits = send(&backend, "waits", "/late", "");
    assert!(waits.is_silent_for(Duration::from_millis(30)));
    backend.order("DELETE /faults/1");
    assert_eq!(stalled.answer().status, 200);
    eventually("the next one is served", || counter(&backend, "started") == 2);
    backend.order("DELETE /faults/2");
    let answer = waits.answer();
    assert!(number(&answer, "x-lab-service-us") < 10_000_000, "its latency ended with the fault: {answer:?}");
}

#[test]
fn what_waits_at_a_killed_worker_is_lost_and_not_executed() {
    let backend = Backend::with_flags(&["--workers", "1"]);
    let (_served, _waits) = (send(&backend, "a", "/busy/60000000", ""), send(&backend, "b", "/", ""));
    backend.order("POST /kill");
    let counters = backend.order("GET /counters");
    let expected = json!({
        "arrived": 2, "started": 1, "finished": 0, "abandoned": 0, "broken": 0, "lost": 2, "refused": 0,
        "waiting": 0, "serving": 0, "max_waiting": 1, "in_flight": 0, "max_in_flight": 2,
    });
    assert_eq!((counters, executed(&backend)), (expected, json!({"a": 1})));
}
