//! The number of tries of a request, their backends, and their bodies.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::{Lb, NO_PINGS, Reply, Upstream, chunked, eventually, ok, when};

/// Closes at each request, and answers when the balancer asks.
fn closing() -> Upstream {
    Upstream::new(|seen| if seen.line() == "OPTIONS *" { ok("") } else { Reply::Last(Vec::new()) })
}

/// Requests that it has read, without questions.
fn tries(upstream: &Upstream) -> usize {
    upstream.count() - upstream.count_of("OPTIONS *")
}

#[test]
fn retries_count_per_backend_and_attempts_per_request() {
    let upstreams: Vec<_> = (0..4).map(|_| Upstream::well("gone")).collect();
    let all: Vec<_> = upstreams.iter().collect();
    let lb = Lb::start(&all, &[NO_PINGS]);
    let events = lb.events();
    for upstream in &upstreams {
        upstream.wait_for_ping();
        upstream.stop();
    }
    assert_eq!(lb.get("/").status, 503);
    let tries: Vec<_> = (1..=4).map(|number| lb.backend(number)["failures"].as_u64().unwrap()).collect();
    let mut sorted = tries.clone();
    sorted.sort_unstable();
    assert_eq!((tries[0], sorted), (4, vec![0, 4, 4, 4]), "three backends, four tries each");
    let record = events.request("/");
    assert_eq!((&record["attempts"], &record["retries"]), (&json!(3), &json!(3)));
    assert_eq!(lb.states().iter().filter(|state| *state == "down").count(), 3, "each was given up");
}

#[test]
fn later_backends_are_told_which_attempt_they_see() {
    let (bad, well) = (closing(), Upstream::well("ok"));
    let lb = Lb::start(&[&bad, &well], &[NO_PINGS]);
    assert_eq!(lb.get("/").status, 200);
    let attempt = |upstream: &Upstream| {
        let requests = upstream.requests();
        let seen = requests.iter().find(|seen| seen.line() == "GET /").unwrap();
        seen.head.get("x-lb-attempt").map(str::to_owned)
    };
    assert_eq!([attempt(&bad), attempt(&well)], [None, Some("2".to_owned())]);
}

#[test]
fn retries_are_a_delay_apart() {
    let upstream = Upstream::well("gone");
    let lb = Lb::start(&[&upstream], &[NO_PINGS, "--retry-delay=50ms"]);
    upstream.wait_for_ping();
    upstream.stop();
    let begun = Instant::now();
    assert_eq!(lb.get("/").status, 503);
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(150), "three retries took {took:?}");
    assert_eq!(lb.backend(1)["failures"], 4);
}

#[test]
fn limits_of_zero_and_one_mean_what_they_say() {
    let (bad, well) = (closing(), Upstream::well("ok"));
    let lb = Lb::start(&[&bad, &well], &[NO_PINGS, "--retries=0", "--attempts=1"]);
    assert_eq!(lb.get("/").status, 502);
    assert_eq!((tries(&bad), tries(&well)), (1, 0));
}

#[test]
fn a_body_that_is_held_is_sent_whole_again() {
    let (bad, well) = (closing(), Upstream::new(|seen| ok(std::str::from_utf8(&seen.body).unwrap())));
    let lb = Lb::start(&[&bad, &well], &[NO_PINGS, "--replay-limit=1KiB"]);
    let body: String = (0..128).map(|n| format!("{n:7} ")).collect();
    assert_eq!(body.len(), 1024);
    let answer = lb.request("PUT /", body.as_bytes());
    assert_eq!((answer.status, answer.text()), (200, &body[..]));
    let first = bad.requests().iter().filter(|seen| seen.line() == "PUT /").cloned().collect::<Vec<_>>();
    assert_eq!((first.len(), &first[0].body[..]), (1, body.as_bytes()));
    assert_eq!(well.requests()[0].head.get("content-length"), Some("1024"));
}

#[test]
fn a_chunked_body_that_is_held_is_sent_whole_again() {
    let (bad, well) = (closing(), Upstream::new(|seen| ok(std::str::from_utf8(&seen.body).unwrap())));
    let lb = Lb::start(&[&bad, &well], &[NO_PINGS]);
    let head = "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    let answer = lb.client().send(format!("{head}{}", chunked(&["one ", "two ", "three"]))).answer();
    assert_eq!((answer.status, answer.text()), (200, "one two three"));
}

#[test]
fn a_body_over_the_limit_is_sent_once() {
    let (bad, well) = (closing(), Upstream::well("ok"));
    let lb = Lb::start(&[&bad, &well], &[NO_PINGS, "--replay-limit=1KiB"]);
    assert_eq!(lb.request("PUT /", &[b'x'; 1025]).status, 502);
    assert_eq!((tries(&bad), tries(&well)), (1, 0));
    assert_eq!(lb.states(), ["up", "up"], "one failure is not the end of a backend");
}

#[test]
fn a_body_that_is_still_coming_is_sent_whole_again() {
    let bad = Upstream::raw(|mut wire| {
        // It ends with half a body.
        if wire.head().is_ok_and(|head| head.is_some()) {
            let _ = wire.exactly(4);
        }
    });
    let well = Upstream::new(|seen| ok(std::str::from_utf8(&seen.body).unwrap()));
    let lb = Lb::start(&[&bad, &well], &[NO_PINGS]);
    let mut client = lb.client();
    client.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\nhalf");
    eventually("it is at the other backend", || when(lb.backend(2)["picks"] == 1, ()));
    let answer = client.send("done").answer();
    assert_eq!((answer.status, answer.text()), (200, "halfdone"));
}

#[test]
fn a_client_still_sending_learns_that_its_backend_is_gone() {
    let bad = Upstream::raw(|mut wire| {
        if wire.head().is_ok_and(|head| head.is_some()) {
            let _ = wire.exactly(100_000);
        }
    });
    let lb = Lb::start(&[&bad], &[NO_PINGS]);
    let mut client = lb.client();
    client.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n").send(vec![b'x'; 100_000]);
    let answer = client.answer();
    assert_eq!((answer.status, answer.proxy_error()), (502, "connection_terminated"));
    assert!(client.wire.closes(), "the rest of the body must not be taken for a request");
}

#[test]
fn an_answer_that_comes_before_the_body_is_passed_on() {
    let upstream = Upstream::raw(|mut wire| {
        if wire.head().is_ok_and(|head| head.is_some()) {
            wire.write("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig").unwrap();
            let _ = wire.rest();
        }
    });
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let mut client = lb.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\npart");
    assert_eq!(client.answer().text(), "big");
    eventually("the connection in the middle of a message is not kept", || {
        let state = lb.backend(1);
        when(state["in_flight"] == 0 && state["failures"] == 0, state)
    });
    assert_eq!(lb.get("/").text(), "big");
    assert_eq!(lb.backend(1)["connections"]["reused"], 0);
}
