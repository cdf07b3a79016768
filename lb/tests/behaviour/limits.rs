//! Limits of sizes and times for clients.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::{Lb, NO_PINGS, Reply, Upstream, eventually, ok, throughout, when};

#[test]
fn heads_are_limited() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let long = "x".repeat(100_000);
    let table = [
        (format!("GET /{long} HTTP/1.1\r\nHost: h\r\n\r\n"), 414),
        (format!("{long} / HTTP/1.1\r\nHost: h\r\n\r\n"), 501),
        (format!("{} / HTTP/1.1\r\nHost: h\r\n\r\n", &long[..257]), 501),
        (format!("GE(T{long} / HTTP/1.1\r\nHost: h\r\n\r\n"), 400),
        (format!("GET / HTTP/1.1{long}\r\nHost: h\r\n\r\n"), 400),
        (format!("GET / HTTP/1.1\r\nHost: h\r\nX: {long}\r\n\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nHost: h\r\n{long}: x\r\n\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "X: y\r\n".repeat(100)), 431),
    ];
    for (bytes, status) in table {
        let mut client = lb.client();
        let answer = client.send(&bytes).answer();
        assert_eq!((answer.status, answer.head.get("connection")), (status, Some("close")), "{:.40}", bytes);
        assert!(answer.text().starts_with(&status.to_string()) && !answer.text().contains("xxx"));
        assert!(client.wire.closes());
    }
    assert_eq!(upstream.count(), 0);
    let longest = format!("{} /{} HTTP/1.1\r\nHost: h\r\n\r\n", &long[..256], &long[..8191]);
    assert_eq!(lb.client().send(longest).answer().status, 200);
    let many = format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "X: y\r\n".repeat(99));
    assert_eq!(lb.client().send(many).answer().status, 200);
}

#[test]
fn a_head_must_come_in_time_however_slowly_it_comes() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS, "--head-timeout=500ms"]);
    let mut client = lb.client();
    let begun = Instant::now();
    client.send("GET / HTTP/1.1\r\nHost: h\r\nX: ");
    let mut wire = client.wire.stream.try_clone().unwrap();
    let dripping = std::thread::spawn(move || {
        use std::io::Write;
        // Until the other side closes.
        while begun.elapsed() < Duration::from_secs(10) && wire.write_all(b"y").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let answer = client.answer();
    assert_eq!((answer.status, answer.head.get("connection")), (408, Some("close")));
    assert!(begun.elapsed() >= Duration::from_millis(500));
    drop(client);
    dripping.join().unwrap();
    assert_eq!(lb.state()["totals"]["refused"], 1);
}

#[test]
fn a_connection_without_a_request_is_closed_in_time() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS, "--idle-timeout=300ms"]);
    let begun = Instant::now();
    let (mut unused, mut used) = (lb.client(), lb.client());
    assert_eq!(used.get("/").status, 200);
    assert!(unused.wire.closes() && used.wire.closes(), "without a word");
    assert!(begun.elapsed() >= Duration::from_millis(300));
    eventually("both are forgotten", || when(lb.state()["connections"] == 0, ()));
    assert_eq!(lb.state()["totals"]["refused"], 0);
}

#[test]
fn a_client_may_pause_between_requests_and_within_one() {
    /// Much longer than the buffers of a silent client are kept; their release cannot be seen from outside,
    /// on purpose.
    const PAUSE: Duration = Duration::from_millis(150);
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let mut client = lb.client();
    for (begins, ends) in
        [("", "GET / HTTP/1.1\r\nHost: h\r\n\r\n"), ("GET / HT", "TP/1.1\r\nHost: h\r\n\r\n")]
    {
        client.send(begins);
        std::thread::sleep(PAUSE);
        client.send(ends);
        assert_eq!(client.answer().text(), "ok");
        std::thread::sleep(PAUSE);
        assert_eq!(client.get("/").text(), "ok");
    }
    assert_eq!(lb.state()["connections"], 1, "it is the same one all the time");
}

#[test]
fn a_refusal_reaches_a_client_that_is_still_sending() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let mut client = lb.client();
    // To close the connection with these bytes unread would reset it, and the answer would be lost.
    let rest = vec![b'x'; 1 << 20];
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n").send(rest);
    assert_eq!(client.answer().status, 400);
    assert!(client.wire.closes());
}

/// Begins a request with a body of eight bytes, and sends four of them.
fn half_sent(lb: &Lb, line: &str) -> crate::common::Client {
    let mut client = lb.client();
    client.send(format!("{line} HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\nhalf"));
    client
}

#[test]
fn an_upload_that_comes_to_a_halt_is_its_clients_fault() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS, "--stall-timeout=300ms"]);
    let events = lb.events();
    let begun = Instant::now();
    let mut client = half_sent(&lb, "PUT /halt");
    let answer = client.answer();
    assert_eq!((answer.status, answer.head.get("connection")), (408, Some("close")));
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert!(client.wire.closes());
    let record = events.request("/halt");
    assert_eq!(
        (&record["blame"], &record["failure"]),
        (&json!("client"), &json!("the request's body came too slowly"))
    );
    let backend = lb.backend(1);
    assert_eq!((&backend["failures"], &backend["in_flight"]), (&json!(0), &json!(0)));
    assert_eq!(upstream.count(), 0, "it never saw a whole request");
}

#[test]
fn a_slow_upload_takes_the_time_it_takes() {
    let upstream = Upstream::new(|seen| {
        std::thread::sleep(Duration::from_millis(100));
        ok(&seen.body.len().to_string())
    });
    let flags = [NO_PINGS, "--total-timeout=300ms", "--response-timeout=300ms", "--stall-timeout=10s"];
    let lb = Lb::start(&[&upstream], &flags);
    let mut client = lb.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\n");
    for _ in 0..8 {
        std::thread::sleep(Duration::from_millis(100));
        client.send("x");
    }
    assert_eq!(client.answer().text(), "8");
}

#[test]
fn slow_uploads_do_not_look_like_a_silent_backend() {
    let upstreams = [Upstream::well("1"), Upstream::well("2")];
    let lb = Lb::start(&[&upstreams[0], &upstreams[1]], &[NO_PINGS, "--silence=200ms"]);
    let events = lb.events();
    let begun = Instant::now();
    let mut slow = Vec::new();
    // The first answers all the time, and the second has nothing to answer: it gets only halves of requests.
    while begun.elapsed() < Duration::from_millis(700) {
        assert_eq!(lb.get("/").text(), "1");
        slow.push(half_sent(&lb, "PUT /slow"));
        eventually("it is on its way", || {
            let in_flight = lb.backend(2)["in_flight"].clone();
            when(in_flight == slow.len(), in_flight)
        });
    }
    for client in &mut slow {
        assert_eq!(client.send("done").answer().text(), "2");
    }
    assert_eq!(events.changes(), Vec::<String>::new());
}

#[test]
fn a_client_that_reads_no_further_is_left() {
    let upstream = Upstream::new(|_| ok(&"x".repeat(32 << 20)));
    let lb = Lb::start(&[&upstream], &[NO_PINGS, "--stall-timeout=300ms"]);
    let events = lb.events();
    let mut client = lb.client();
    client.ask("GET /unread", b"");
    let record = events.request("/unread");
    assert_eq!((&record["blame"], &record["status"]), (&json!("client"), &json!(499)));
    eventually("its backend is free", || when(lb.backend(1)["in_flight"] == 0, ()));
    assert_eq!(lb.backend(1)["failures"], 0);
}

#[test]
fn an_answer_that_comes_no_further_breaks_off() {
    let upstream = Upstream::new(|_| {
        Reply::Take(Box::new(|mut wire| {
            wire.write("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf").unwrap();
            let _ = wire.rest();
        }))
    });
    let lb = Lb::start(&[&upstream], &[NO_PINGS, "--stall-timeout=300ms"]);
    let events = lb.events();
    let answer = lb.client().ask("GET /halt", b"").try_answer();
    assert!(answer.is_err(), "{answer:?}");
    let record = events.request("/halt");
    assert_eq!((&record["blame"], &record["failure"]), (&json!("backend"), &json!("answer ended early")));
    upstream.wait_until_unconnected();
}

/// Answers when the test allows it.
fn gated(name: &'static str) -> (Upstream, std::sync::Arc<std::sync::atomic::AtomicBool>) {
    let open = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let gate = std::sync::Arc::clone(&open);
    let upstream = Upstream::new(move |_| {
        let begun = Instant::now();
        while !gate.load(std::sync::atomic::Ordering::SeqCst) && begun.elapsed() < crate::common::PATIENCE {
            std::thread::sleep(Duration::from_millis(2));
        }
        ok(name)
    });
    (upstream, open)
}

#[test]
fn a_client_may_finish_what_it_was_sending_when_the_answer_came() {
    let upstream = Upstream::raw(|mut wire| {
        let Ok(Some(_)) = wire.head() else { return };
        wire.write("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno").unwrap();
        let _ = wire.rest();
    });
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let mut client = lb.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n");
    assert_eq!(client.answer().text(), "no");
    // No backend reads the rest, but a reset could cost a client the answer.
    for _ in 0..16 {
        client.send(vec![b'x'; 64 * 1024]);
    }
    assert!(client.wire.closes());
}

#[test]
fn a_backend_gets_no_more_than_its_limit_and_the_others_wait_for_their_turn() {
    let (upstream, open) = gated("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS, "--backend-limit=2", "--queue=3", "--queue-timeout=9s"]);
    let mut clients: Vec<_> = (0..5).map(|_| lb.client()).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        client.ask("POST /", b"x");
        eventually("it is counted", || {
            let in_flight = lb.backend(1)["in_flight"].clone();
            when(in_flight == n + 1, in_flight)
        });
    }
    eventually("two are sent", || when(upstream.count() == 2, upstream.count()));
    throughout(Duration::from_millis(100), || assert_eq!(upstream.count(), 2));

    let begun = Instant::now();
    let refused = lb.request("POST /more", b"x");
    assert_eq!((refused.status, refused.proxy_error()), (503, "destination_unavailable"));
    assert!(refused.head.get("retry-after").is_some() && refused.text().contains("its queue is full"));
    assert!(begun.elapsed() < Duration::from_secs(5), "it did not wait");

    // A client that leaves gives up its place in the queue.
    clients.pop().unwrap().leave();
    eventually("it has left", || when(lb.backend(1)["in_flight"] == 4, ()));
    open.store(true, std::sync::atomic::Ordering::SeqCst);
    for client in &mut clients {
        assert_eq!(client.answer().status, 200);
    }
    assert_eq!((upstream.count(), &lb.backend(1)["failures"]), (4, &json!(0)));
    assert_eq!(lb.get("/").status, 200, "the places are free again");
}

#[test]
fn a_request_does_not_wait_for_its_turn_for_ever() {
    let (upstream, _shut) = gated("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS, "--backend-limit=1", "--queue-timeout=300ms"]);
    let mut first = lb.client();
    first.ask("GET /", b"");
    eventually("it is sent", || when(upstream.count() == 1, ()));
    let begun = Instant::now();
    let refused = lb.get("/");
    assert_eq!(refused.status, 503);
    assert!(refused.text().contains("no place became free in time"), "{}", refused.text());
    assert!(begun.elapsed() >= Duration::from_millis(300));
}

#[test]
fn a_full_queue_sends_a_request_to_another_backend() {
    let (busy, _shut) = gated("busy");
    let well = Upstream::well("well");
    let lb = Lb::start(&[&busy, &well], &[NO_PINGS, "--backend-limit=1", "--queue=0"]);
    let events = lb.events();
    let mut first = lb.client();
    first.ask("GET /first", b"");
    eventually("it is sent", || when(busy.count() == 1, ()));
    for _ in 0..4 {
        assert_eq!(lb.request("POST /more", b"x").text(), "well");
    }
    let record = events.request("/more");
    assert!([json!(null), json!([[1, "its queue is full"]])].contains(&record["tried"]), "{record}");
    assert_eq!((&lb.backend(1)["failures"], lb.states()), (&json!(0), vec!["up".into(), "up".into()]));
}

#[test]
fn bodies_are_limited_if_that_is_asked_for() {
    let upstream = Upstream::new(|seen| ok(&seen.body.len().to_string()));
    let lb = Lb::start(&[&upstream], &[NO_PINGS, "--max-body=8B"]);
    let mut client = lb.client();
    assert_eq!(client.request("POST /", b"12345678").text(), "8");
    let chunked = |text: &str| {
        format!(
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n1234\r\n{text}0\r\n\r\n"
        )
    };
    assert_eq!(client.send(chunked("4\r\n5678\r\n")).answer().text(), "8");
    assert_eq!(upstream.count(), 2);
    assert_eq!(client.send(chunked("5\r\n56789\r\n")).answer().status, 413);
    let declared = client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n").answer();
    assert_eq!((declared.status, declared.head.get("connection")), (413, Some("close")));
    assert!(client.wire.closes(), "what follows would be the body");
    let backend = lb.backend(1);
    assert_eq!((upstream.count(), &backend["failures"]), (2, &json!(0)), "it saw none of these whole");
    assert_eq!(lb.state()["totals"]["refused"], 2);
}
