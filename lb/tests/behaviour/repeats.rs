//! How often a request is tried, where, and with what body.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::{Lb, NO_PINGS, Reply, Upstream, chunked, eventually, ok, when};

fn closing() -> Upstream {
    Upstream::new(|_| Reply::Last(Vec::new()))
}

#[test]
fn retries_count_per_backend_and_attempts_per_request() {
    let upstreams: Vec<_> = (0..4).map(|_| closing()).collect();
    let all: Vec<_> = upstreams.iter().collect();
    let lb = Lb::start(&all, &[NO_PINGS]);
    let events = lb.events();
    assert_eq!(lb.get("/").status, 502);
    let counts: Vec<_> = upstreams.iter().map(Upstream::count).collect();
    let mut sorted = counts.clone();
    sorted.sort_unstable();
    assert_eq!((counts[0], sorted), (4, vec![0, 4, 4, 4]), "three backends, four tries each");
    let record = events.request("/");
    assert_eq!((&record["attempts"], &record["retries"]), (&json!(3), &json!(3)));
    assert_eq!(lb.states().iter().filter(|state| *state == "down").count(), 3, "each was given up");
}

#[test]
fn later_backends_are_told_which_attempt_they_see() {
    let upstreams = [closing(), closing(), Upstream::well("third")];
    let lb = Lb::start(&[&upstreams[0], &upstreams[1], &upstreams[2]], &[NO_PINGS, "--retries=1"]);
    // Whether the second or the third backend comes next is the turn's affair.
    assert_eq!(lb.get("/").status, 200);
    let mut seen: Vec<_> = upstreams
        .iter()
        .flat_map(Upstream::requests)
        .map(|seen| seen.head.get("x-lb-attempt").unwrap_or("none").to_owned())
        .collect();
    assert_eq!(seen[..2], ["none", "none"], "a retry is not an attempt");
    seen.sort_unstable();
    assert!(seen.starts_with(&["2".to_owned()]), "{seen:?}");
}

#[test]
fn retries_are_a_delay_apart() {
    let times: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let sink = Arc::clone(&times);
    let upstream = Upstream::new(move |_| {
        sink.lock().unwrap().push(Instant::now());
        Reply::Last(Vec::new())
    });
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    assert_eq!(lb.get("/").status, 502);
    let times = times.lock().unwrap();
    let gaps: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(gaps.len(), 3);
    assert!(gaps.iter().all(|gap| *gap >= Duration::from_millis(9)), "{gaps:?}");
}

#[test]
fn limits_of_zero_and_one_mean_what_they_say() {
    let (bad, well) = (closing(), Upstream::well("ok"));
    let lb = Lb::start(&[&bad, &well], &[NO_PINGS, "--retries=0", "--attempts=1"]);
    assert_eq!(lb.get("/").status, 502);
    assert_eq!((bad.count(), well.count()), (1, 0));
    assert_eq!(lb.backend(1)["cause"], "connection closed before an answer");
}

#[test]
fn a_body_that_is_held_is_sent_whole_again() {
    let (bad, well) = (closing(), Upstream::new(|seen| ok(std::str::from_utf8(&seen.body).unwrap())));
    let lb = Lb::start(&[&bad, &well], &[NO_PINGS, "--replay-limit=1KiB"]);
    let body: String = (0..128).map(|n| format!("{n:7} ")).collect();
    assert_eq!(body.len(), 1024);
    let answer = lb.request("PUT /", body.as_bytes());
    assert_eq!((answer.status, answer.text()), (200, &body[..]));
    assert_eq!(bad.count(), 4);
    assert!(
        bad.requests().iter().all(|seen| seen.body == body.as_bytes()),
        "every try began at the first byte"
    );
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
    assert_eq!((bad.count(), well.count()), (1, 0));
    assert_eq!(lb.states(), ["up", "up"], "one failure is not the end of a backend");
}

#[test]
fn a_body_that_is_still_coming_is_sent_whole_again() {
    let bad = Upstream::raw(|mut wire| {
        // It dies with half a body.
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
