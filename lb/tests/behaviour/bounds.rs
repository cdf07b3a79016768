//! Everything that a client can make the balancer store or compute has a limit.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::{Lb, NO_PINGS, Reply, Upstream, eventually, ok, order, when};

#[test]
fn options_of_a_connection_have_a_bound() {
    let upstream = Upstream::new(|seen| {
        let options = seen.head.get("x-options").and_then(|n| n.parse().ok()).unwrap_or(1);
        let listed = vec!["x-a"; options].join(", ");
        Reply::Bytes(
            format!("HTTP/1.1 200 OK\r\nConnection: {listed}\r\nX-A: 1\r\nContent-Length: 0\r\n\r\n").into(),
        )
    });
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let ask = |connection: &str| {
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n{connection}\r\n");
        lb.client().send(request).answer().status
    };
    let listed = |options: usize| format!("Connection: {}\r\n", vec!["x-a"; options].join(","));
    let table = [
        (listed(32), 200),
        (listed(33), 400),
        (listed(16).repeat(2), 200),
        (listed(17).repeat(2), 400),
        (format!("Connection: {}\r\n", ",".repeat(40)), 400),
        (format!("{}{}", listed(14_000), "X-B: 1\r\n".repeat(90)), 400),
        // The answer of a backend has the same limit.
        ("X-Options: 32\r\n".to_owned(), 200),
        ("X-Options: 33\r\n".to_owned(), 502),
    ];
    for (connection, expected) in table {
        assert_eq!(ask(&connection), expected, "{connection:.80}");
    }
}

#[test]
fn kept_connections_are_given_up_for_clients() {
    let upstreams: Vec<_> = (0..4)
        .map(|_| {
            Upstream::new(|_| {
                std::thread::sleep(Duration::from_millis(300));
                ok("ok")
            })
        })
        .collect();
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n 256; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_lb")]);
    let urls: Vec<_> = upstreams.iter().map(Upstream::url).collect();
    let lb = Lb::spawn(shell, &urls, &[NO_PINGS, "--workers=2", "--policy=least-connections"]);
    upstreams.iter().for_each(Upstream::wait_for_ping);
    let mut clients: Vec<_> = (0..100).map(|_| lb.client()).collect();
    let mut ask_all = |what: &str| {
        for client in &mut clients {
            client.ask("GET /", b"");
        }
        let answers: Vec<_> = clients.iter_mut().map(|client| client.answer()).collect();
        let failed: Vec<_> = answers
            .iter()
            .filter(|answer| answer.status != 200)
            .map(|answer| (answer.status, answer.text().to_owned()))
            .collect();
        assert_eq!(failed, [], "{what}");
    };
    ask_all("a connection for each");
    // All are kept, a quarter at each backend. Now each backend in turn gets all requests.
    for alone in 1..=4 {
        for other in 1..=4 {
            let mode = if other == alone { "ready" } else { "drain" };
            assert_eq!(order(&lb, &format!("PATCH /backends/{other}"), &json!({ "mode": mode })).0, 200);
        }
        ask_all("those that are kept elsewhere make room");
    }
    for backend in lb.state()["backends"].as_array().unwrap() {
        assert_eq!((&backend["failures"], &backend["state"]), (&json!(0), &json!("up")));
    }
}

#[test]
fn a_body_in_many_pieces_costs_little_more_than_its_bytes() {
    let upstream = Upstream::new(|_| Reply::Silence);
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let before = lb.resident_kib();
    let body = "1\r\nx\r\n".repeat(65_000) + "0\r\n\r\n";
    let clients: Vec<_> = (1..=16)
        .map(|n| {
            let mut client = lb.client();
            client.send(format!("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}"));
            eventually("it waits for its answer", || when(upstream.count_of("PUT /") == n, upstream.count()));
            client
        })
        .collect();
    let each = lb.resident_kib().saturating_sub(before) / clients.len();
    assert!(each < 400, "{each} KiB for each");
}

#[test]
fn an_upload_that_trickles_gives_its_place_back() {
    let begins = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n";
    let upstream = Upstream::hasty(
        move |head| if head.first_line().starts_with("PUT /early") { begins.into() } else { Vec::new() },
        |_| ok("ok"),
    );
    let flags = [NO_PINGS, "--backend-limit=2", "--queue-timeout=30s", "--min-upload-rate=1KiB"];
    let lb = Lb::start(&[&upstream], &flags);
    let events = lb.events();
    let begun = Instant::now();
    for path in ["/late", "/early"] {
        let mut client = lb.client();
        client.send(format!("PUT {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"));
        std::thread::spawn(move || {
            while client.wire.write("x").is_ok() {
                std::thread::sleep(Duration::from_millis(100));
            }
        });
    }
    eventually("they hold both places", || when(lb.backend(1)["in_flight"] == 2, ()));
    assert_eq!(lb.get("/").text(), "ok", "it was waiting for a place");
    assert!(begun.elapsed() >= Duration::from_millis(4900), "everybody gets some time");
    for path in ["/late", "/early"] {
        let record = events.request(path);
        let seen = (&record["failure"], &record["blame"]);
        assert_eq!(seen, (&json!("the request's body came too slowly"), &json!("client")), "{path}");
    }
    assert_eq!(lb.backend(1)["failures"], 0);
}
