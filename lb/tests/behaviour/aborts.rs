//! Early ends: of an answer, which must never look complete, and of a client, for which no backend is to
//! blame.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::{Client, Events, Lb, NO_PINGS, Reply, Upstream, eventually, ok, when};

#[test]
fn an_answer_that_breaks_off_never_looks_whole() {
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly a part";
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n";
    let until_the_end = "HTTP/1.1 200 OK\r\n\r\npart";
    let table = [
        ("length, closed", length, false),
        ("length, reset", length, true),
        ("chunks, closed", chunks, false),
        ("chunks, reset", chunks, true),
        ("bad chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\nzz\r\n", false),
        ("until the end, reset", until_the_end, true),
    ];
    for (what, bytes, by_reset) in table {
        let upstream =
            Upstream::new(
                move |_| if by_reset { Reply::Reset(bytes.into()) } else { Reply::Last(bytes.into()) },
            );
        let well = Upstream::well("ok");
        let lb = Lb::start(&[&upstream, &well], &[NO_PINGS]);
        let events = lb.events();
        let mut client = lb.client();
        let answer = client.ask("GET /", b"").try_answer();
        assert!(answer.is_err(), "{what}: it looks whole: {answer:?}");
        let record = events.request("/");
        assert_eq!((&record["blame"], &record["status"]), (&json!("backend"), &json!(200)), "{what}");
        let failure = if what == "bad chunk" { "malformed answer" } else { "answer ended early" };
        assert_eq!(record["failure"], failure, "{what}");
        assert_eq!((upstream.count_of("GET /"), well.count()), (1, 0), "{what}: never repeated");
        let backend = lb.backend(1);
        assert_eq!((&backend["failures"], &backend["in_flight"]), (&json!(1), &json!(0)), "{what}");
    }
}

#[test]
fn a_client_that_leaves_before_the_answer_blames_no_backend() {
    let upstream = Upstream::new(|_| Reply::Silence);
    let lb = Lb::start(&[&upstream], &[NO_PINGS, "--access-log"]);
    let events = lb.events();
    let mut client = lb.client();
    client.ask("GET /gone", b"");
    eventually("it waits", || when(upstream.count() == 1, ()));
    client.leave();
    let record = events.request("/gone");
    assert_eq!((&record["status"], &record["blame"]), (&json!(499), &json!("client")));
    assert!(lb.wait_for_log("path=/gone").contains("status=499"));
    upstream.wait_until_unconnected();
    assert_innocent(&lb, 1);
}

/// The expected latency of a backend, as the last tick that has it tells it, in microseconds.
fn peak_us(events: &Events, backend: usize) -> Option<u64> {
    let ticks = events.all("tick");
    let mut rows = ticks.iter().rev().flat_map(|tick| tick["backends"].as_array().into_iter().flatten());
    rows.find(|row| row["backend"] == backend)?["peak_us"].as_u64()
}

#[test]
fn a_wait_in_vain_raises_the_expected_latency_and_nothing_else() {
    let upstream = Upstream::new(|_| Reply::Silence);
    let lb = Lb::start(&[&upstream], &[NO_PINGS, "--silence=1m"]);
    let events = lb.events();
    let mut client = lb.client();
    let begun = Instant::now();
    client.ask("GET /gone", b"");
    eventually("it waits", || when(upstream.count() == 1, ()));
    let waits = Instant::now();
    eventually("it has waited for 400 ms", || when(waits.elapsed() >= Duration::from_millis(400), ()));
    client.leave();
    // Before any answer, the balancer expects 30 ms.
    let peak = eventually("the wait is learned", || {
        let peak = peak_us(&events, 1).unwrap_or(0);
        when(peak > 30_000, peak)
    });
    // The value falls by 5 % in half a second.
    let least = 380_000;
    assert!((least..=begun.elapsed().as_micros() as u64).contains(&peak), "{peak} us");
    assert_innocent(&lb, 1);
}

#[test]
fn the_slower_of_two_backends_is_known_to_be_slow() {
    let (slow, quick) = (Upstream::new(|_| Reply::Silence), Upstream::well("quick"));
    let lb = Lb::start(&[&slow, &quick], &[NO_PINGS, "--silence=1m", "--hedge-after=200ms"]);
    let events = lb.events();
    assert_eq!(lb.get("/").text(), "quick");
    let peak = eventually("the wait is learned", || {
        let peak = peak_us(&events, 1).unwrap_or(0);
        when(peak > 30_000, peak)
    });
    assert!(peak >= 190_000, "{peak} us");
    assert_eq!((&lb.backend(1)["state"], &lb.backend(1)["failures"]), (&json!("up"), &json!(0)));
}

#[test]
fn a_client_that_leaves_within_the_answer_blames_no_backend() {
    let upstream = Upstream::new(|_| {
        Reply::Take(Box::new(|mut wire| {
            let _ = wire.write("HTTP/1.1 200 OK\r\n\r\n");
            while wire.write([b'x'; 1000]).is_ok() {}
        }))
    });
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let events = lb.events();
    let mut client = lb.client();
    client.ask("GET /gone", b"").head_of_answer().unwrap();
    drop(client);
    let record = events.request("/gone");
    assert_eq!((&record["status"], &record["blame"]), (&json!(499), &json!("client")));
    upstream.wait_until_unconnected();
    assert_innocent(&lb, 1);
}

#[test]
fn a_client_that_leaves_within_its_request_blames_no_backend() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let events = lb.events();
    for framing in ["Content-Length: 100\r\n\r\npart", "Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n"] {
        let mut client = lb.client();
        client.send(format!("PUT /gone HTTP/1.1\r\nHost: h\r\n{framing}"));
        eventually("it is on its way", || when(lb.backend(1)["in_flight"] == 1, ()));
        drop(client);
        eventually("it is over", || when(lb.backend(1)["in_flight"] == 0, ()));
    }
    let records = eventually("both records", || {
        let records = events.all("req");
        when(records.len() == 2, records)
    });
    for record in records {
        assert_eq!((&record["status"], &record["blame"]), (&json!(499), &json!("client")), "{record}");
    }
    upstream.wait_until_unconnected();
    assert_eq!(upstream.count(), 0, "no backend took a part for a complete request");
    assert_innocent(&lb, 2);
    let status = lb.state()["totals"]["status"].clone();
    assert_eq!(status["5xx"], 0, "no client got an answer: {status}");
}

#[test]
fn a_burst_of_clients_that_vanish_changes_no_state() {
    let upstreams: Vec<_> = (0..2)
        .map(|_| Upstream::new(|seen| if seen.line() == "GET /" { Reply::Silence } else { ok("ok") }))
        .collect();
    let lb = Lb::start(
        &[&upstreams[0], &upstreams[1]],
        &["--ping-interval=50ms", "--ping-timeout=50ms", "--silence=10s"],
    );
    let events = lb.events();
    let mut clients: Vec<_> = (0..64).map(|_| lb.client()).collect();
    for client in &mut clients {
        client.ask("GET /", b"");
    }
    eventually("all wait", || when(upstreams.iter().map(Upstream::count).sum::<usize>() == 64, ()));
    clients.into_iter().for_each(Client::leave);
    eventually("all are gone", || {
        let in_flight = [1, 2].map(|number| lb.backend(number)["in_flight"].clone());
        when(in_flight == [0, 0], in_flight)
    });
    crate::common::throughout(Duration::from_millis(200), || assert_eq!(lb.states(), ["up", "up"]));
    assert_eq!(events.changes(), Vec::<String>::new());
    assert_innocent(&lb, 64);
    assert_eq!(lb.get("/well").text(), "ok");
}

/// `gone` clients left, and no backend has a failure.
fn assert_innocent(lb: &Lb, gone: u64) {
    eventually("every client is accounted for", || {
        let totals = lb.state()["totals"].clone();
        when(totals["client_gone"] == gone, totals)
    });
    for backend in lb.state()["backends"].as_array().unwrap() {
        let seen = [&backend["failures"], &backend["in_flight"], &backend["progress"], &backend["state"]];
        assert_eq!(seen, [&json!(0), &json!(0), &json!(null), &json!("up")]);
    }
}
