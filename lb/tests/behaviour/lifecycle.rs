//! From the first line to the last: the output, the log, and the end together with the parent process.

use std::time::Duration;

use serde_json::{Value, json};

use crate::common::{Lb, NO_PINGS, Reply, Upstream, eventually, ok, when};

#[test]
fn it_says_in_one_line_where_it_listens_and_serves_from_then_on() {
    let upstream = Upstream::well("ok");
    for _ in 0..5 {
        let lb = Lb::start(&[&upstream], &[NO_PINGS]);
        assert_eq!(lb.ready, format!("listening on http://{}, admin on http://{}\n", lb.address, lb.admin));
        assert_eq!(lb.get("/").text(), "ok");
        assert!(lb.address.ip().is_loopback() && lb.admin.ip().is_loopback());
    }
}

#[test]
fn it_ends_with_its_parent_process() {
    let upstream = Upstream::new(|_| Reply::Silence);
    let mut lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let mut client = lb.client();
    client.ask("GET /", b"");
    eventually("a request is in flight", || when(upstream.count() == 1, ()));
    lb.close_stdin();
    lb.exit_status(Duration::from_secs(5));
    assert!(client.wire.closes());
}

#[test]
fn a_backend_that_does_not_resolve_is_no_reason_not_to_start() {
    let upstream = Upstream::well("ok");
    let backends = ["http://no-such-name.invalid:1".to_owned(), upstream.url()];
    let lb = Lb::spawn(crate::common::lb_command(), &backends, &[NO_PINGS]);
    for _ in 0..4 {
        assert_eq!(lb.get("/").text(), "ok");
    }
    lb.wait_for_states(&["down", "up"]);
}

#[test]
fn a_backend_may_be_given_by_name() {
    let upstream = Upstream::well("ok");
    let backend = format!("http://localhost:{}", upstream.address.port());
    let lb = Lb::spawn(crate::common::lb_command(), &[backend], &[NO_PINGS]);
    for _ in 0..4 {
        assert_eq!(lb.get("/").text(), "ok");
    }
    assert_eq!((lb.backend(1)["failures"].clone(), lb.states()), (json!(0), vec!["up".to_owned()]));
}

/// Requests of several kinds, with their values in the access log: path, status, backend, blame.
const KINDS: [(&str, &str, u16, &str, &str); 3] = [
    ("GET /well?q=%22", "/well?q=%22", 200, "1", "-"),
    ("POST /fails", "/fails", 502, "1", "backend"),
    ("CONNECT h:1", "h:1", 501, "-", "client"),
];

fn some_requests(flags: &[&str]) -> Lb {
    let upstream = Upstream::new(|seen| match seen.line() {
        "POST /fails" => Reply::Bytes("nonsense\r\n\r\n".into()),
        _ => ok("ok"),
    });
    let lb = Lb::start(&[&upstream], flags);
    for (line, _, status, _, _) in KINDS {
        assert_eq!(lb.request(line, b"").status, status, "{line}");
    }
    upstream.stop();
    lb.get("/refused");
    lb.wait_for_log("backend 1 down");
    lb
}

#[test]
fn the_access_log_has_one_line_per_request() {
    let lb = some_requests(&[NO_PINGS, "--access-log"]);
    lb.wait_for_log("path=/refused");
    let log = lb.log();
    for (_, path, status, backend, blame) in KINDS {
        let lines: Vec<_> = log.lines().filter(|line| line.contains(&format!("path={path} "))).collect();
        let [line] = lines[..] else { panic!("{path}: {lines:?}\n{log}") };
        for field in
            [format!("status={status}"), format!("backend=\"{backend}\""), format!("blame=\"{blame}\"")]
        {
            assert!(line.contains(&field), "{field}: {line}");
        }
        for field in ["method=", "attempts=", "retries=", "queue_us=", "head_us=", "body_us=", "total_us="] {
            assert!(line.contains(field), "{field}: {line}");
        }
    }
    assert!(!log.contains('\u{1b}'), "colours are for terminals");
}

#[test]
fn the_access_log_is_off_unless_asked_for() {
    let lb = some_requests(&[NO_PINGS]);
    let log = lb.log();
    assert!(log.contains("malformed answer to POST /fails"), "{log}");
    assert_eq!(log.lines().count(), 2, "only that, and the change of state: {log}");
}

#[test]
fn a_json_log_can_be_read_line_by_line() {
    let lb = some_requests(&[NO_PINGS, "--access-log", "--log-format=json"]);
    lb.wait_for_log("/refused");
    let log = lb.log();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    for (_, path, status, backend, blame) in KINDS {
        let of_path: Vec<_> = lines.iter().filter(|line| line["path"] == path).collect();
        assert_eq!(of_path.len(), 1, "{path}: {log}");
        assert_eq!(of_path[0]["status"], status);
        assert_eq!((&of_path[0]["backend"], &of_path[0]["blame"]), (&json!(backend), &json!(blame)));
    }
    let told: Vec<_> =
        lines.iter().filter(|line| line["level"] == "WARN").map(|line| &line["message"]).collect();
    assert_eq!(told[1..], ["backend 1 down: connection refused, after 3 retries"], "{told:?}");
}

#[test]
fn every_worker_takes_its_share_of_the_connections() {
    // Each worker has its own backend connections, which shows the worker of a client's connection.
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS, "--workers=4"]);
    assert_eq!(lb.state()["workers"], 4);
    let mut clients: Vec<_> = (0..4).map(|_| lb.client()).collect();
    for client in &mut clients {
        for _ in 0..5 {
            client.get("/");
        }
    }
    let connections = lb.backend(1)["connections"].clone();
    assert_eq!((&connections["opened"], &connections["reused"]), (&json!(4), &json!(16)));
    eventually("all are counted", || when(lb.state()["connections"] == 4, ()));
    drop(clients);
    eventually("none is left", || when(lb.state()["connections"] == 0, ()));
}
