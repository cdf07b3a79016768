//! Tests: each fault, as a client sees it.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Backend, eventually};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";

#[test]
fn faults_hold_at_once_on_open_connections() {
    let backend = Backend::start();
    let mut client = backend.client();
    for _ in 0..20 {
        client.ask("/");
        assert_eq!(client.answer().status, 200);
        backend.faults(r#"[{"kind": "status", "code": 503, "retry_after": 9}]"#);
        client.ask("/");
        let answer = client.answer();
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("9")));
        assert!(answer.body.contains("hit by fault 1"), "{answer:?}");
        assert_eq!(backend.order("DELETE /faults/1")["applied"], true);
    }
}

#[test]
fn latency_delays_the_head() {
    let backend = Backend::start();
    backend.faults(r#"[{"kind": "latency", "fixed": "60ms"}]"#);
    let start = Instant::now();
    assert_eq!(backend.get("/").status, 200);
    assert!(start.elapsed() >= Duration::from_millis(60));
}

#[test]
fn a_stalled_request_goes_on_when_its_fault_is_removed() {
    let backend = Backend::start();
    backend.faults(r#"[{"kind": "stall"}]"#);
    let mut client = backend.client();
    client.ask("/");
    assert!(client.is_silent_for(Duration::from_millis(50)));
    backend.order("DELETE /faults/1");
    assert_eq!(client.answer().status, 200);
}

#[test]
fn a_stall_ends_with_its_hold_or_its_fault() {
    let backend = Backend::start();
    for fault in [r#"[{"kind": "stall", "hold": "50ms"}]"#, r#"[{"kind": "stall", "for": "50ms"}]"#] {
        let start = Instant::now();
        backend.faults(fault);
        assert_eq!(backend.get("/").status, 200);
        assert!(start.elapsed() >= Duration::from_millis(50), "{fault}");
    }
}

#[test]
fn a_stall_inside_the_body_comes_after_half_of_it() {
    let backend = Backend::start();
    backend.faults(r#"[{"kind": "stall", "at": "mid"}]"#);
    let mut client = backend.client();
    client.ask("/bytes/1000");
    assert_eq!(client.head().header("content-length"), Some("1000"));
    client.take(500);
    assert!(client.is_silent_for(Duration::from_millis(50)));
    backend.order("POST /reset");
    client.take(500);
}

#[test]
fn a_reset_before_the_answer_sends_nothing() {
    let backend = Backend::start();
    backend.faults(r#"[{"kind": "reset"}]"#);
    let seen = backend.client().send(REQUEST).until_broken();
    assert_eq!(seen, (String::new(), Some(ErrorKind::ConnectionReset)));
    assert_eq!(backend.order("GET /counters")["broken"], 1);
    assert_eq!(backend.order("GET /ledger")["total"], 1, "it was executed, nevertheless");
}

#[test]
fn a_reset_inside_the_answer_comes_after_half_of_it() {
    let backend = Backend::start();
    backend.faults(r#"[{"kind": "reset", "at": "mid"}]"#);
    let mut client = backend.client();
    client.ask("/bytes/1000");
    assert_eq!(client.head().status, 200);
    assert_eq!(client.until_broken(), (".".repeat(500), Some(ErrorKind::ConnectionReset)));
}

#[test]
fn closing_early_is_an_ordinary_end_without_an_answer() {
    let backend = Backend::start();
    backend.faults(r#"[{"kind": "close_early"}]"#);
    assert_eq!(backend.client().send(REQUEST).until_broken(), (String::new(), None));
}

#[test]
fn garbage_is_not_http() {
    let backend = Backend::start();
    backend.faults(r#"[{"kind": "garbage"}]"#);
    let (text, error) = backend.client().send(REQUEST).until_broken();
    assert!(!text.is_empty() && !text.starts_with("HTTP/") && error.is_none(), "{text:?} {error:?}");
}

#[test]
fn a_truncated_body_is_shorter_than_promised() {
    let backend = Backend::start();
    backend.faults(r#"[{"kind": "truncate", "bytes": 10}]"#);
    let mut client = backend.client();
    client.ask("/bytes/100");
    assert_eq!(client.head().header("content-length"), Some("100"));
    assert_eq!(client.until_broken(), (".".repeat(10), None));

    backend.faults(r#"[{"kind": "truncate", "bytes": 1000}]"#);
    let mut client = backend.client();
    client.ask("/bytes/100");
    client.head();
    assert_eq!(client.until_broken(), (".".repeat(99), None), "at least the last byte is missing");
}

#[test]
fn a_truncated_chunked_body_has_no_last_chunk() {
    let backend = Backend::start();
    backend.faults(r#"[{"kind": "truncate", "bytes": 10, "chunked": true}]"#);
    let mut client = backend.client();
    client.ask("/bytes/100");
    let head = client.head();
    assert_eq!((head.header("content-length"), head.header("transfer-encoding")), (None, Some("chunked")));
    assert_eq!(client.until_broken(), ("A\r\n..........\r\n".into(), None));
}

#[test]
fn a_dripping_body_comes_piece_by_piece_and_whole() {
    let backend = Backend::start();
    backend.faults(r#"[{"kind": "drip", "bytes": 2, "every": "20ms"}]"#);
    let start = Instant::now();
    assert_eq!(backend.get("/bytes/7").body, ".......");
    assert!(start.elapsed() >= Duration::from_millis(60), "four pieces have three pauses");
    let mut client = backend.client();
    client.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nabcde");
    assert_eq!(client.answer().body, "abcde");
}

#[test]
fn faults_work_together() {
    let backend = Backend::start();
    let faults = r#"[{"kind": "reset", "at": "mid"}, {"kind": "drip", "bytes": 1, "every": 1},
        {"kind": "status", "code": 404}, {"kind": "latency", "fixed": 20}]"#;
    backend.faults(faults);
    let start = Instant::now();
    let mut client = backend.client();
    client.ask("/");
    let head = client.head();
    let length: usize = head.header("content-length").unwrap().parse().unwrap();
    let (body, error) = client.until_broken();
    assert_eq!((head.status, body.len(), error), (404, length / 2, Some(ErrorKind::ConnectionReset)));
    assert!(start.elapsed() >= Duration::from_millis(20));
}

#[test]
fn a_refusing_port_closes_what_is_open_and_comes_back() {
    let backend = Backend::start();
    let mut kept = backend.client();
    kept.ask("/");
    assert_eq!(kept.answer().status, 200);
    backend.faults(r#"[{"kind": "refuse"}]"#);
    assert!(backend.refuses());
    assert_eq!(kept.rest(), Ok(Vec::new()));
    assert_eq!(backend.order("GET /faults")[0]["fired"], 1);
    assert_eq!(backend.order("DELETE /faults/1")["applied"], true);
    assert_eq!(backend.get("/").status, 200);
    backend.faults(r#"[{"kind": "refuse", "for": "30ms"}]"#);
    eventually("the port is open again", || !backend.refuses());
}

#[test]
fn a_fault_that_hits_the_first_two_still_has_after_a_kill() {
    let backend = Backend::start();
    backend.faults(r#"[{"kind": "status", "code": 500, "first": 2}]"#);
    assert_eq!(backend.get("/").status, 500);
    backend.order("POST /restart");
    let fault = &backend.order("GET /faults")[0];
    assert_eq!(
        (&fault["fired"], &fault["left"]["first"], &fault["active"]),
        (&json!(1), &json!(1), &json!(true))
    );
    assert_eq!(backend.get("/").status, 500);
    assert_eq!(backend.get("/").status, 200);
    let fault = &backend.order("GET /faults")[0];
    assert_eq!((&fault["fired"], &fault["matched"], &fault["active"]), (&json!(2), &json!(3), &json!(false)));
}

#[test]
fn a_stopped_or_dead_worker_gets_its_orders_later() {
    let backend = Backend::start();
    backend.order("POST /stop");
    let added = backend.order_with("POST /faults", r#"{"kind": "status", "code": 501}"#);
    assert_eq!(added, json!({"id": 1, "applied": false}));
    backend.order("POST /continue");
    assert_eq!(backend.get("/").status, 501);
    backend.order("POST /kill");
    let replaced = backend.order_with("PUT /faults", r#"[{"kind": "status", "code": 502}]"#);
    assert_eq!(replaced, json!({"ids": [1], "applied": false}));
    backend.order("POST /start");
    assert_eq!(backend.get("/").status, 502);
}

#[test]
fn all_faults_are_taken_back_at_once() {
    let backend = Backend::start();
    backend.faults(r#"[{"kind": "status", "code": 500}, {"kind": "latency", "fixed": "1ms"}]"#);
    assert_eq!(backend.get("/").status, 500);
    assert_eq!(backend.order("DELETE /faults"), json!({"applied": true}));
    assert_eq!((backend.get("/").status, backend.order("GET /faults")), (200, json!([])));
}

#[test]
fn the_help_says_how_to_remove_a_fault() {
    let readme = include_str!("../../../README.md");
    let help = String::from_utf8(
        std::process::Command::new(env!("CARGO_BIN_EXE_demo-backend")).arg("--help").output().unwrap().stdout,
    )
    .unwrap();
    for (what, text) in [("README.md", readme), ("--help", &*help)] {
        assert!(text.contains("DELETE") && text.contains("/faults/1"), "{what}");
    }
}

#[test]
fn the_same_seed_hits_the_same_requests_again() {
    let backend = Backend::start();
    let hits = |seed: u64| {
        backend.order_with("POST /seed", &json!({ "seed": seed }).to_string());
        (0..40).map(|_| backend.get("/").status).collect::<Vec<_>>()
    };
    backend.faults(r#"[{"kind": "status", "code": 500, "percent": 50}]"#);
    let first = hits(42);
    assert_eq!(hits(42), first);
    assert_ne!(hits(43), first);
    backend.faults(r#"[{"kind": "status", "code": 500, "percent": 50}]"#);
    assert_eq!(hits(42), first, "the same faults, put again, meet the same dice");
}

#[test]
fn reset_brings_everything_back() {
    let backend = Backend::with_flags(&["--seed", "5"]);
    for ill in ["POST /stop", "POST /kill"] {
        backend.order_with("POST /seed", r#"{"seed": 6}"#);
        backend.order_with("POST /faults", r#"{"kind": "reset"}"#);
        backend.order(ill);
        let state = backend.order("POST /reset");
        assert_eq!((&state["worker"]["state"], &state["seed"]), (&json!("running"), &json!(5)));
        assert_eq!(state["faults"], json!([]));
        assert_eq!(backend.get("/").status, 200);
    }
}
