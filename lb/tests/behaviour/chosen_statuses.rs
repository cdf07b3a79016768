//! Statuses after which the request goes to another backend (`retries.on`): which requests are repeated, how
//! often, and which answer the client gets.

use std::time::Duration;

use serde_json::json;

use crate::common::{Lb, NO_PINGS, Reply, Upstream, eventually, ok, when};

const ON: &str = "--retry-on=502,503,504";

/// Answers every request with this status and a body that names it.
fn answering(status: u16, name: &'static str) -> Upstream {
    Upstream::new(move |_| {
        let head = format!("HTTP/1.1 {status} Status\r\nContent-Length: {}\r\n\r\n{name}", name.len());
        Reply::Bytes(head.into_bytes())
    })
}

#[test]
fn what_may_run_twice_goes_to_another_backend_and_takes_no_backend_down() {
    let (bad, well) = (answering(503, "bad"), Upstream::well("well"));
    let lb = Lb::start(&[&bad, &well], &[NO_PINGS, ON]);
    for _ in 0..10 {
        for (line, body) in [("GET /", &b""[..]), ("PUT /", b"body"), ("DELETE /", b""), ("OPTIONS /", b"")] {
            let answer = lb.request(line, body);
            assert_eq!((answer.status, answer.text()), (200, "well"), "{line}");
        }
    }
    assert!(lb.states().iter().all(|state| state == "up"), "{:?}", lb.states());
    assert!(bad.count() >= 10, "it keeps its turns: {}", bad.count());
    let first = lb.backend(1);
    assert_eq!((&first["status"]["5xx"], &first["failures"]), (&bad.count().into(), &0.into()), "{first}");
    assert_eq!(
        well.requests().iter().filter(|seen| seen.head.get("x-lb-attempt").is_some()).count(),
        bad.count()
    );
    assert!(lb.backend(1)["connections"]["reused"].as_u64() > Some(0), "its connections are kept: {first}");
    for line in ["PUT /", "PUT /"] {
        assert_eq!(lb.request(line, b"held whole").text(), "well");
    }
    assert!(
        well.requests().iter().filter(|seen| seen.line() == "PUT /").any(|seen| seen.body == b"held whole")
    );
}

#[test]
fn what_must_not_run_twice_stays() {
    let (bad, well) = (answering(503, "bad"), Upstream::well("well"));
    let lb = Lb::start(&[&bad, &well], &[NO_PINGS, ON, "--replay-limit=1KiB"]);
    let answers: Vec<_> = (0..4).map(|_| lb.request("POST /", b"once").status).collect();
    assert_eq!(answers.iter().filter(|status| **status == 503).count(), 2, "{answers:?}");
    assert_eq!((bad.count(), well.count()), (2, 2));
    let large = vec![b'x'; 100_000];
    let answers: Vec<_> = (0..4).map(|_| lb.request("PUT /", &large).status).collect();
    assert_eq!(
        answers.iter().filter(|status| **status == 503).count(),
        2,
        "its body is not held: {answers:?}"
    );
}

#[test]
fn only_the_chosen_statuses_are_tried_again_and_none_by_default() {
    for (status, flags) in [(503, &[NO_PINGS][..]), (500, &[NO_PINGS, ON]), (404, &[NO_PINGS, ON])] {
        let (bad, well) = (answering(status, "bad"), Upstream::well("well"));
        let lb = Lb::start(&[&bad, &well], flags);
        let answers: Vec<_> = (0..4).map(|_| lb.get("/").status).collect();
        assert_eq!(answers.iter().filter(|answer| **answer == status).count(), 2, "{status}: {answers:?}");
    }
}

#[test]
fn the_last_answer_is_passed_on_when_no_other_backend_is_left() {
    let alone = answering(503, "alone");
    let lb = Lb::start(&[&alone], &[NO_PINGS, ON, "--retry-budget=0%"]);
    let answer = lb.get("/");
    assert_eq!((answer.status, answer.text()), (503, "alone"));
    let all = [answering(502, "one"), answering(503, "two"), answering(504, "three"), answering(503, "four")];
    let lb = Lb::start(&all.iter().collect::<Vec<_>>(), &[NO_PINGS, ON]);
    let answer = lb.get("/");
    assert_eq!(all.iter().map(Upstream::count).sum::<usize>(), 3, "as many attempts as there may be");
    let is_last = |upstream: &&Upstream| {
        upstream.requests().iter().any(|seen| seen.head.get("x-lb-attempt") == Some("3"))
    };
    let last = all.iter().position(|upstream| is_last(&upstream)).expect("a third attempt");
    let expected = [(502, "one"), (503, "two"), (504, "three"), (503, "four")][last];
    assert_eq!((answer.status, answer.text()), expected, "the last answer");
    // A backend that does not answer at all: the client gets the answer of the previous one.
    let (bad, dead) = (answering(503, "bad"), Upstream::new(|_| Reply::Last(Vec::new())));
    let lb = Lb::start(&[&bad, &dead], &[NO_PINGS, ON, "--retries=0"]);
    let answer = lb.get("/");
    assert_eq!((answer.status, answer.text()), (503, "bad"));
    eventually("nothing is left in flight", || {
        let flights = [1, 2].map(|number| lb.backend(number)["in_flight"].clone());
        when(flights.iter().all(|flight| *flight == 0), flights)
    });
}

#[test]
fn only_backends_that_a_request_was_given_to_count_as_attempts() {
    let (one, two) = (answering(503, "one"), answering(503, "two"));
    let (dead, gone) = (Upstream::well("dead"), Upstream::well("gone"));
    let well = Upstream::well("well");
    [&dead, &gone].into_iter().for_each(Upstream::stop);
    let table: [(&[&Upstream], &str, u16, usize); 6] = [
        (&[&one, &two], "/both", 503, 2),
        (&[&one], "/one", 503, 1),
        (&[&dead, &gone], "/dead", 503, 2),
        (&[&dead], "/alone", 503, 1),
        (&[&well], "/well", 200, 1),
        (&[&well], "/refused#", 400, 0),
    ];
    for (upstreams, path, status, attempts) in table {
        let lb = Lb::start(upstreams, &[NO_PINGS, ON, "--retries=0", "--access-log", "--log-format=json"]);
        let events = lb.events();
        assert_eq!(lb.get(path).status, status, "{path}");
        let record = events.request(path);
        assert_eq!(record["attempts"], json!(attempts), "{path}: {record}");
        lb.wait_for_log(&format!("\"attempts\":{attempts},"));
    }
}

#[test]
fn the_budget_bounds_it() {
    let (bad, well) = (answering(503, "bad"), Upstream::well("well"));
    let budget = "[retries]\non = [503]\nbudget = \"0%\"\nbudget_per_second = 0\n";
    let config =
        crate::common::Config::new(&format!("{}{budget}", crate::common::tables([(&bad, ""), (&well, "")])));
    let lb = Lb::configured(&config.path(), &[NO_PINGS]);
    let answers: Vec<_> = (0..4).map(|_| lb.get("/").status).collect();
    assert_eq!(answers.iter().filter(|status| **status == 503).count(), 2, "{answers:?}");
}

#[test]
fn an_unwanted_answer_does_not_delay_the_next() {
    // The body never ends: the connection is closed, and the client gets its answer at once.
    let endless = Upstream::new(|_| {
        Reply::Take(Box::new(|mut wire| {
            let _ = wire.write("HTTP/1.1 503 Busy\r\nContent-Length: 1000000\r\n\r\nbegun");
            let _ = wire.rest();
        }))
    });
    let well = Upstream::new(|_| {
        std::thread::sleep(Duration::from_millis(20));
        ok("well")
    });
    let lb = Lb::start(&[&endless, &well], &[NO_PINGS, ON]);
    for _ in 0..4 {
        assert_eq!(lb.get("/").text(), "well");
    }
    endless.wait_until_unconnected();
    assert_eq!(lb.backend(1)["in_flight"], 0);
}
