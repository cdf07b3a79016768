//! A kept connection may end at any moment, and no backend is to blame.

use std::time::Duration;

use serde_json::json;

use crate::common::{Lb, NO_PINGS, Reply, Upstream, eventually, ok, watched, when, within};

/// Answers the first request on each connection, and closes on the second without an answer.
fn once_per_connection() -> Upstream {
    Upstream::new(|seen| match seen.on_connection {
        1 => ok("ok"),
        _ => Reply::Last(Vec::new()),
    })
}

fn assert_no_backend_is_blamed(lb: &Lb) {
    let backend = lb.backend(1);
    let seen = [&backend["failures"], &backend["retries"], &backend["progress"], &backend["state"]];
    assert_eq!(seen, [&json!(0), &json!(0), &json!(null), &json!("up")]);
}

#[test]
fn a_connection_that_closed_between_requests_costs_no_client_an_error() {
    // It closes after each answer, without a header that announces it.
    let upstream = Upstream::new(|_| Reply::Last("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".into()));
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let mut client = lb.client();
    for n in 1..=100 {
        let line = if n % 2 == 0 { "GET /" } else { "POST /" };
        let answer = client.request(line, &[b'x'; 512]);
        assert_eq!((answer.status, upstream.count()), (200, n), "{line}: executed once");
        upstream.wait_until_unconnected();
    }
    assert_no_backend_is_blamed(&lb);
}

#[test]
fn a_restarted_backend_costs_no_client_an_error() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let mut clients: Vec<_> = (0..4).map(|_| lb.client()).collect();
    for line in ["GET /", "POST /", "GET /", "POST /"] {
        for client in &mut clients {
            assert_eq!(client.request(line, b"body").status, 200);
        }
        upstream.stop();
        upstream.wait_until_unconnected();
        upstream.start();
    }
    assert_eq!(upstream.count(), 16);
    assert_no_backend_is_blamed(&lb);
}

#[test]
fn what_may_be_repeated_is_repeated_when_a_kept_connection_dies() {
    for (line, size) in [("GET /again", 0), ("PUT /again", 512), ("DELETE /again", 0)] {
        let upstream = once_per_connection();
        let lb = Lb::start(&[&upstream], &[NO_PINGS]);
        let mut client = lb.client();
        assert_eq!(client.get("/").status, 200);
        let body = vec![b'x'; size];
        assert_eq!(client.request(line, &body).status, 200, "{line}");
        let seen = upstream.requests();
        assert_eq!(seen.iter().map(|seen| seen.on_connection).collect::<Vec<_>>(), [1, 2, 1], "{line}");
        assert_eq!(seen[2].body, body);
        assert_no_backend_is_blamed(&lb);
    }
}

#[test]
fn what_may_have_run_is_not_repeated_when_a_kept_connection_dies() {
    for (line, size) in [("POST /once", 512), ("PATCH /once", 0), ("PUT /once", 100_000)] {
        let upstream = once_per_connection();
        let lb = Lb::start(&[&upstream], &[NO_PINGS]);
        let events = lb.events();
        let mut client = lb.client();
        assert_eq!(client.get("/").status, 200);
        let answer = client.request(line, &vec![b'x'; size]);
        assert_eq!((answer.status, answer.proxy_error()), (502, "connection_terminated"), "{line}");
        assert_eq!(upstream.count_of(line), 1, "{line}");
        let record = events.request("/once");
        assert_eq!(
            (&record["blame"], &record["failure"]),
            (&json!("none"), &json!("the reused connection failed before the answer began"))
        );
        assert_no_backend_is_blamed(&lb);
    }
}

/// Announces how long it keeps its connections.
fn that_says(keep_alive: &'static str) -> Upstream {
    Upstream::new(move |_| {
        Reply::Bytes(
            format!("HTTP/1.1 200 OK\r\nKeep-Alive: {keep_alive}\r\nContent-Length: 2\r\n\r\nok").into(),
        )
    })
}

/// An origin that reads a body only for POST and PUT, as Python's `http.server` does: it takes other bodies
/// as the next request.
fn deaf_to_bodies() -> Upstream {
    Upstream::raw(|mut wire| {
        while let Ok(Some(head)) = wire.head() {
            let line = head.first_line().to_owned();
            let reads = ["POST ", "PUT "].iter().any(|method| line.starts_with(method));
            if reads && wire.request_body(&head).is_err() {
                return;
            }
            if line.contains("/hidden") {
                // Long enough for another request to arrive on this connection.
                std::thread::sleep(Duration::from_millis(200));
            }
            let length = if line.starts_with("HEAD ") { String::new() } else { line.clone() };
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{length}", line.len());
            if wire.write(answer).is_err() {
                return;
            }
        }
    })
}

#[test]
fn a_backend_that_says_how_long_it_keeps_a_connection_is_believed() {
    // Half a second, so that no request is being sent when the backend closes.
    let (short, long) = (that_says("timeout=1"), that_says("timeout=100, max=100"));
    for (upstream, on_connection) in [(&short, 1), (&long, 2)] {
        let lb = Lb::start(&[upstream], &[NO_PINGS]);
        let mut client = lb.client();
        for _ in 0..2 {
            assert_eq!(client.get("/").text(), "ok");
            std::thread::sleep(Duration::from_millis(600));
        }
        assert_eq!(upstream.requests()[1].on_connection, on_connection);
        assert_no_backend_is_blamed(&lb);
    }
    let lb = Lb::start(&[&short], &[NO_PINGS]);
    assert_eq!(lb.get("/").text(), "ok");
    within(Duration::from_secs(5), "it is closed", || when(watched(short.address.port())[0].is_empty(), ()));
}

#[test]
fn how_long_a_connection_is_kept_can_be_chosen() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS, "--backend-idle=300ms"]);
    assert_eq!(lb.get("/").text(), "ok");
    within(Duration::from_secs(5), "it is closed", || {
        when(watched(upstream.address.port())[0].is_empty(), ())
    });
}

#[test]
fn the_kernel_watches_silent_connections_on_both_sides() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let mut client = lb.client();
    assert_eq!(client.get("/").text(), "ok");
    eventually("the kernel watches both", || {
        let ([to_backend, _], [_, to_client]) =
            (watched(upstream.address.port()), watched(lb.address.port()));
        when(to_backend == [true] && to_client == [true], (to_backend, to_client))
    });
}

#[test]
fn a_body_that_a_backend_may_not_read_reaches_no_other_client() {
    let upstream = deaf_to_bodies();
    let lb = Lb::start(&[&upstream], &[NO_PINGS, "--workers=1"]);
    let hidden = b"GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
    let chunks = format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", hidden.len()).into_bytes();
    for method in ["GET", "HEAD", "DELETE", "OPTIONS"] {
        for in_chunks in [false, true] {
            let mut evil = lb.client();
            match in_chunks {
                false => _ = evil.ask(&format!("{method} /body"), hidden),
                true => {
                    let head = format!("{method} /body HTTP/1.1\r\nHost: a\r\n").into_bytes();
                    evil.send([&head[..], &chunks, hidden, b"\r\n0\r\n\r\n"].concat());
                }
            }
            let status = if method == "HEAD" { evil.bodiless().status } else { evil.answer().status };
            assert_eq!(status, 200);
            for path in ["/1", "/2"] {
                assert_eq!(lb.get(path).text(), format!("GET {path} HTTP/1.1"), "after a {method}");
            }
        }
    }
}

#[test]
fn a_connection_is_kept_after_every_other_request() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS, "--workers=1"]);
    for (line, body) in [("GET /", ""), ("DELETE /", ""), ("POST /", "x"), ("PUT /", "x"), ("PATCH /", "x")] {
        assert_eq!(lb.request(line, body.as_bytes()).status, 200);
    }
    assert_eq!(lb.backend(1)["connections"]["opened"], 1);
}
