//! Tests: the answers of the data port, and the counts.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Answer, Backend, eventually};

#[test]
fn every_answer_names_its_backend() {
    let backend = Backend::start();
    let headers = "X-Request-Id: abc\r\nX-Lb-Attempt: 2\r\nX-Forwarded-For: 1.2.3.4\r\nVia: 1.1 lb\r\n";
    let answer = backend.get_with("/some/path?a=b", headers);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("x-backend"), Some("7"));
    assert_eq!(answer.header("x-request-id"), Some("abc"));
    let port = backend.data.port();
    assert!(
        answer.body.starts_with(&format!("backend 7 on port {port}: request 1 of worker ")),
        "{answer:?}"
    );
    assert!(answer.body.contains("attempt 2\nGET /some/path?a=b\nhost: test\n"), "{answer:?}");

    for json in [backend.get("/?format=json"), backend.get_with("/", "Accept: application/json\r\n")] {
        let value: Value = serde_json::from_str(&json.body).unwrap();
        assert_eq!(
            (&value["backend"], &value["port"], &value["attempt"]),
            (&json!(7), &json!(port), &json!(1))
        );
        assert_eq!(value["headers"], json!({"host": "test"}));
    }
}

#[test]
fn a_path_closes_its_connection_without_an_answer_and_is_executed() {
    let backend = Backend::start();
    let request = "GET /die HTTP/1.1\r\nHost: test\r\nX-Request-Id: abc\r\n\r\n";
    assert_eq!(backend.client().send(request).until_broken(), (String::new(), None));
    eventually("the ledger has it", || backend.order("GET /ledger")["executed"]["abc"] == 1);
    assert_eq!(backend.get("/").status, 200, "it answers everything else");
}

#[test]
fn paths_with_a_meaning_do_what_they_say() {
    let backend = Backend::start();
    let start = Instant::now();
    assert_eq!(backend.get("/delay/50").status, 200);
    assert!(start.elapsed() >= Duration::from_millis(50));
    assert_eq!(backend.get("/bytes/200000").body.len(), 200_000);
    assert_eq!(backend.get("/bytes/0").body, "");
    let mistake = backend.get("/bytes/many");
    assert_eq!((mistake.status, mistake.header("x-backend")), (400, Some("7")));
    let long = "x".repeat(129);
    assert_eq!(backend.get_with("/", &format!("X-Request-Id: {long}\r\n")).status, 400);
}

#[test]
fn echo_sends_back_each_part_as_it_comes() {
    let backend = Backend::start();
    let mut client = backend.client();
    client.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 6\r\nContent-Type: a/b\r\n\r\nabc");
    let head = client.head();
    assert_eq!((head.header("content-length"), head.header("content-type")), (Some("6"), Some("a/b")));
    assert_eq!(client.take(3), "abc");
    assert_eq!(client.send("def").take(3), "def");
    // The connection is still good.
    client
        .send("POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n");
    assert_eq!(client.head().header("transfer-encoding"), Some("chunked"));
    assert_eq!(client.take(12), "2\r\nhi\r\n0\r\n\r\n");
}

#[test]
fn a_connection_is_kept_whatever_was_asked() {
    let backend = Backend::start();
    let mut client = backend.client();
    for _ in 0..3 {
        client.ask("/");
        assert_eq!(client.answer().status, 200);
        client.send("POST /form HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\n").send("body");
        assert_eq!(client.answer().status, 200);
        client.send("HEAD /bytes/99 HTTP/1.1\r\nHost: test\r\n\r\n");
        assert_eq!(client.head().header("content-length"), Some("99"));
    }
    let counters = backend.order("GET /counters");
    assert_eq!((&counters["arrived"], &counters["finished"]), (&json!(9), &json!(9)));
}

#[test]
fn an_upgraded_connection_echoes_bytes() {
    let backend = Backend::start();
    let mut client = backend.client();
    client.send("GET /upgrade HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    let head = client.head();
    assert_eq!((head.status, head.header("upgrade")), (101, Some("echo")));
    assert_eq!(client.send("no\x01HTTP").take(7), "no\x01HTTP");
    assert_eq!(client.send("more").take(4), "more");
    assert_eq!(backend.get("/upgrade").status, 400);
}

#[test]
fn a_client_that_goes_away_is_counted() {
    let backend = Backend::start();
    for path in ["/delay/60000", "/bytes/1073741824"] {
        let mut client = backend.client();
        client.ask(path);
        eventually("it has arrived", || backend.order("GET /counters")["in_flight"] == 1);
        drop(client);
        eventually("it is over", || backend.order("GET /counters")["in_flight"] == 0);
    }
    let counters = backend.order("GET /counters");
    assert_eq!((&counters["abandoned"], &counters["finished"]), (&json!(2), &json!(0)));
    assert_eq!((&counters["started"], &counters["max_in_flight"]), (&json!(2), &json!(1)));
}

#[test]
fn a_request_that_never_came_whole_is_not_executed() {
    let backend = Backend::start();
    let mut client = backend.client();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nhalf");
    eventually("it has arrived", || backend.order("GET /counters")["arrived"] == 1);
    drop(client);
    eventually("it is over", || backend.order("GET /counters")["abandoned"] == 1);
    assert_eq!(backend.order("GET /ledger")["total"], 0);
}

#[test]
fn requests_can_be_sent_ahead() {
    let backend = Backend::start();
    let mut client = backend.client();
    client.ask("/1").ask("/2").ask("/3");
    let bodies: Vec<_> = (0..3).map(|_| client.answer()).map(|Answer { body, .. }| body).collect();
    for (body, path) in bodies.iter().zip(["GET /1\n", "GET /2\n", "GET /3\n"]) {
        assert!(body.contains(path), "{body}");
    }
}
