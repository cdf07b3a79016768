//! Tests: the faults that depend on time, on keys and on the worker, and changes of a fault.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, Backend, eventually};

fn service_ms(answer: &Answer) -> u64 {
    answer.header("x-lab-service-us").unwrap().parse::<u64>().unwrap() / 1000
}

fn fault(backend: &Backend, number: usize) -> Value {
    backend.order("GET /state")["faults"][number].clone()
}

#[test]
fn a_new_worker_is_cold_and_an_old_one_is_warm() {
    let backend = Backend::start();
    // At a tenth of the speed for an hour, so that the share of the hour that passes in the test is small.
    backend.faults(r#"[{"kind": "cold_start", "from": 10, "over": "1h"}]"#);
    let cold = service_ms(&backend.get("/busy/20000"));
    assert!((190..=400).contains(&cold), "20 ms of work take 200 ms: {cold}");
    assert!(service_ms(&backend.get("/delay/20")) < 100, "a delay is no work");
    backend.faults(r#"[{"kind": "cold_start", "from": 10, "over": "100ms"}]"#);
    eventually("it is warm", || service_ms(&backend.get("/busy/20000")) < 100);
    let fired = fault(&backend, 0)["fired"].clone();
    assert!(service_ms(&backend.get("/busy/20000")) < 100);
    assert_eq!(fault(&backend, 0)["fired"], fired, "a warm worker is not hit");
}

#[test]
fn a_new_worker_has_an_empty_cache() {
    let backend = Backend::start();
    let cache = r#"[{"kind": "cache", "size": 2, "hit": "0ms", "miss": "30ms", "header": "x-prefix"}]"#;
    backend.faults(cache);
    let ask = |prefix: &str| backend.get_with("/?format=json", &format!("X-Prefix: {prefix}\r\n"));
    for (prefix, is_hit) in [("a", false), ("a", true), ("b", false), ("c", false), ("a", false)] {
        let answer = ask(prefix);
        assert_eq!(answer.header("x-lab-cache"), Some(if is_hit { "hit" } else { "miss" }), "{prefix}");
        assert_eq!(service_ms(&answer) >= 30, !is_hit, "{prefix}: {answer:?}");
        assert!(answer.body.contains(&format!("\"cache_hit\":{is_hit}")), "{answer:?}");
    }
    assert_eq!(ask("a").header("x-lab-cache"), Some("hit"));
    backend.order("POST /restart");
    assert_eq!(ask("a").header("x-lab-cache"), Some("miss"));
}

#[test]
fn pings_fail_in_a_pattern_and_other_requests_do_not() {
    let backend = Backend::start();
    backend.faults(r#"[{"kind": "pattern", "pattern": "SFSF", "match": {"path": "/health"}}]"#);
    let statuses: Vec<_> = (0..8)
        .map(|_| {
            assert_eq!(backend.get("/").status, 200);
            backend.get("/health").status
        })
        .collect();
    assert_eq!(statuses, [200, 503, 200, 503, 200, 503, 200, 503]);
    let fault = fault(&backend, 0);
    assert_eq!((&fault["matched"], &fault["fired"]), (&json!(8), &json!(4)));
}

#[test]
fn a_flap_goes_up_and_down() {
    let backend = Backend::start();
    backend.faults(r#"[{"kind": "flap", "up": "60ms", "down": "60ms", "code": 500}]"#);
    for code in [500, 200, 500] {
        eventually("it changes", || backend.get("/").status == code);
    }
}

#[test]
fn an_answer_reports_the_load_or_lies_about_it() {
    let backend = Backend::with_flags(&["--workers", "1"]);
    let share = || {
        let answer = backend.get("/busy/1000");
        let report =
            answer.header("endpoint-load-metrics").unwrap_or_else(|| panic!("{answer:?}")).to_owned();
        let rest = report.strip_prefix("TEXT cpu_utilization=").unwrap_or_else(|| panic!("{report}"));
        rest.split(',').next().unwrap().parse::<f64>().unwrap()
    };
    backend.faults(r#"[{"kind": "load_report"}]"#);
    assert!(share() < 0.1, "it has done nothing yet");
    // After 300 ms of work, the average over a second is 1 - exp(-0.3) = 0.26.
    backend.get("/busy/300000");
    let busy = share();
    assert!((0.1..0.3).contains(&busy), "{busy}");
    backend.faults(r#"[{"kind": "load_report", "lie": 100}]"#);
    assert!(share() > 1.0, "a hundred times the truth");
    assert_eq!(Backend::start().get("/").header("endpoint-load-metrics"), None);
}

#[test]
fn a_scope_begins_late_and_looks_at_headers() {
    let backend = Backend::start();
    backend.faults(
        r#"[{"kind": "status", "code": 500, "match": {"header": {"x-user": "7*"}}, "after": "40ms"}]"#,
    );
    let ask = |user: &str| backend.get_with("/", &format!("X-User: {user}\r\n")).status;
    let fault_now = fault(&backend, 0);
    assert!(fault_now["left"]["after_ms"].as_u64() <= Some(40), "{fault_now}");
    eventually("it begins", || ask("72") == 500);
    assert_eq!((ask("8"), fault(&backend, 0)["active"].clone()), (200, json!(true)));
    // The port is closed later, without another order.
    backend.faults(r#"[{"kind": "refuse", "after": "40ms", "for": "40ms"}]"#);
    eventually("the port is closed", || backend.refuses());
    eventually("the port is open", || !backend.refuses());
}

#[test]
fn a_changed_fault_keeps_its_id_and_its_counts() {
    let backend = Backend::start();
    backend.faults(
        r#"[{"kind": "reset", "percent": 0}, {"kind": "status", "code": 500, "first": 3, "for": "1h"}]"#,
    );
    assert_eq!(backend.get("/").status, 500);
    let patch = |changes: &str| backend.try_order("PATCH /faults/2", changes);
    assert_eq!(patch(r#"{"code": 501}"#), (200, json!({"applied": true})));
    assert_eq!(backend.get("/").status, 501);
    let fault = fault(&backend, 1);
    assert_eq!((&fault["id"], &fault["code"], &fault["fired"]), (&json!(2), &json!(501), &json!(2)));
    assert_eq!((&fault["first"], &fault["left"]["first"]), (&json!(3), &json!(1)));
    assert!(fault["left"]["for_ms"].as_u64() < Some(3_600_000), "the time goes on: {fault}");
    // Null removes a field.
    assert_eq!(patch(r#"{"first": null, "for": null, "percent": 100}"#).0, 200);
    let statuses: Vec<_> = (0..4).map(|_| backend.get("/").status).collect();
    assert_eq!(statuses, [501; 4]);
    let fault = backend.order("GET /faults")[1].clone();
    assert_eq!((fault.get("first"), fault.get("for"), &fault["fired"]), (None, None, &json!(6)));
    let (status, error) = patch(r#"{"code": null}"#);
    assert_eq!((status, error["error"].as_str().unwrap().starts_with("code: is missing")), (400, true));
    assert_eq!(backend.get("/").status, 501, "a wrong change changes nothing");
    assert_eq!(backend.try_order("PATCH /faults/9", "{}").0, 404);
}

#[test]
fn sigterm_ends_a_worker_as_its_fault_says() {
    let backend = Backend::start();
    let state = || backend.order("GET /state")["worker"]["state"].clone();
    let busy = || {
        let mut client = backend.client();
        client.ask("/delay/300");
        eventually("it is in flight", || backend.order("GET /counters")["in_flight"] == 1);
        client
    };
    // Without a fault, and as a naive program: the request in flight breaks.
    for faults in ["[]", r#"[{"kind": "exit_on_term", "how": "immediate"}]"#] {
        backend.faults(faults);
        let mut client = busy();
        backend.order("POST /term");
        eventually("it is dead", || state() == "dead");
        assert_eq!(client.until_broken().0, "");
        assert_eq!(backend.order("GET /state")["worker"]["last_exit"], "exit status: 143");
        backend.order("POST /start");
    }
    assert_eq!(fault(&backend, 0)["fired"], 1);

    backend.faults(r#"[{"kind": "exit_on_term", "how": "ignore"}]"#);
    let mut client = busy();
    backend.order("POST /term");
    assert_eq!((client.answer().status, state()), (200, json!("running")));

    backend.faults(r#"[{"kind": "exit_on_term", "how": "drain"}]"#);
    let mut client = busy();
    backend.order("POST /term");
    let answer = client.answer();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    eventually("it is dead", || state() == "dead");
    assert_eq!(backend.try_order("POST /term", "").0, 409);
    backend.order("POST /start");

    backend.faults(r#"[{"kind": "exit_on_term", "how": "drain", "grace": "20ms"}]"#);
    let mut client = backend.client();
    client.ask("/delay/60000");
    eventually("it is in flight", || backend.order("GET /counters")["in_flight"] == 1);
    backend.order("POST /term");
    eventually("it does not wait longer than the grace", || state() == "dead");
    assert_eq!(backend.order("GET /counters")["in_flight"], 0);
}

#[test]
fn a_pause_of_the_server_hits_all_that_begins_in_it() {
    let backend = Backend::start();
    backend.faults(r#"[{"kind": "gc", "every": "1h", "pause": "150ms"}]"#);
    let answer = backend.get("/");
    assert!((1..=150).contains(&service_ms(&answer)), "{answer:?}");
    assert_eq!(answer.header("x-lab-faults"), Some("1"));
    let after = backend.get("/");
    assert_eq!((service_ms(&after), after.header("x-lab-faults")), (0, Some("none")), "the pause is over");
    backend.faults(r#"[{"kind": "gc", "every": "1h", "pause": "1h"}]"#);
    let mut client = backend.client();
    client.ask("/");
    assert!(client.is_silent_for(Duration::from_millis(30)));
    backend.order("DELETE /faults");
    assert_eq!(client.answer().status, 200);
}
