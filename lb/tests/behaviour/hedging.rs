//! Hedging: a second backend gets the request if the first is slow, and the client gets the first answer.

use std::time::{Duration, Instant};

use crate::common::{Lb, NO_PINGS, Reply, Upstream, eventually, when};

/// Answers after a while.
fn slow(time: Duration) -> Upstream {
    Upstream::new(move |_| {
        Reply::Take(Box::new(move |mut wire| {
            std::thread::sleep(time);
            // The balancer may have closed the connection.
            let _ = wire.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nslow");
        }))
    })
}

const LONG: Duration = Duration::from_secs(3);

#[test]
fn the_faster_of_two_answers_and_the_other_is_left() {
    let (slow, fast) = (slow(LONG), Upstream::well("fast"));
    let lb = Lb::start(&[&slow, &fast], &[NO_PINGS, "--hedge-after=50ms", "--explain"]);
    let began = Instant::now();
    let mut client = lb.client();
    let answer =
        client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Lb-Explain: 1\r\nX-Request-Id: h\r\n\r\n").answer();
    assert_eq!(answer.text(), "fast");
    let took = began.elapsed();
    assert!((Duration::from_millis(50)..LONG / 2).contains(&took), "{took:?}");
    assert_eq!((slow.count(), fast.count()), (1, 1));
    eventually("nothing is in flight", || {
        let state = lb.state();
        when(state["backends"].as_array().unwrap().iter().all(|one| one["in_flight"] == 0), state)
    });
    let told = crate::common::Client::connect(lb.admin).get("/explain/h");
    let told: serde_json::Value = serde_json::from_slice(&told.body).unwrap();
    assert_eq!(
        (&told["decisions"][1]["hedge"], &told["decisions"][1]["chosen"]),
        (&true.into(), &2.into()),
        "{told}"
    );
    assert_eq!(told["decisions"][0]["tries"], serde_json::json!([]), "the first was left without an answer");
    // With a fast answer, there is no second request.
    assert_eq!(client.get("/").text(), "fast");
    assert_eq!(fast.count(), 2);
}

#[test]
fn the_first_may_still_win_and_a_failure_leaves_it_to_the_other() {
    let late = slow(Duration::from_millis(300));
    let never = slow(LONG);
    let lb = Lb::start(&[&late, &never], &[NO_PINGS, "--hedge-after=50ms"]);
    assert_eq!(lb.get("/").text(), "slow");
    assert_eq!((late.count_of("GET /"), never.count_of("GET /")), (1, 1));

    let late = slow(Duration::from_millis(300));
    let broken = Upstream::new(|_| Reply::Last(Vec::new()));
    let lb = Lb::start(&[&late, &broken], &[NO_PINGS, "--hedge-after=50ms"]);
    assert_eq!(lb.get("/").text(), "slow", "the second failed while the first was on its way");
    assert_eq!(lb.backend(2)["failures"], 1);
}

#[test]
fn what_must_not_run_twice_is_not_hedged() {
    let late = slow(Duration::from_millis(300));
    let other = Upstream::well("other");
    let lb = Lb::start(&[&late, &other], &[NO_PINGS, "--hedge-after=50ms"]);
    assert_eq!(lb.request("POST /", b"body").text(), "slow");
    assert_eq!((late.count_of("POST /"), other.count_of("POST /")), (1, 0));
    assert_eq!(lb.request("PUT /", b"body").text(), "other", "its turn");
}

#[test]
fn hedges_come_out_of_the_budget_of_retries() {
    let (one, two) = (slow(Duration::from_millis(150)), slow(Duration::from_millis(150)));
    let flags = ["--hedge-after=20ms", "--retry-budget=1%"];
    let lb = Lb::start(&[&one, &two], &[&[NO_PINGS], &flags[..]].concat());
    std::thread::scope(|scope| {
        for _ in 0..150 {
            scope.spawn(|| assert_eq!(lb.get("/").status, 200));
        }
    });
    let tries = one.count_of("GET /") + two.count_of("GET /");
    assert!((250..=252).contains(&tries), "150 requests and a reserve of 100: {tries}");
}

#[test]
fn a_request_that_breaks_its_hedge_as_well_runs_twice() {
    let closes_late = |seen: &crate::common::Seen| {
        if seen.line() == "GET /die" {
            std::thread::sleep(Duration::from_millis(120));
            return Reply::Last(Vec::new());
        }
        crate::common::ok("ok")
    };
    let upstreams = [0, 1, 2, 3].map(|_| Upstream::new(closes_late));
    let all: Vec<_> = upstreams.iter().collect();
    let lb = Lb::start(&all, &[NO_PINGS, "--hedge-after=50ms"]);
    assert_eq!(lb.get("/die").status, 502);
    assert_eq!(upstreams.iter().map(|upstream| upstream.count_of("GET /die")).sum::<usize>(), 2);
}

/// Answers 503 after a while.
fn overloaded(time: Duration) -> Upstream {
    Upstream::new(move |_| {
        std::thread::sleep(time);
        Reply::Bytes(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy".to_vec())
    })
}

#[test]
fn a_status_that_wants_another_attempt_leaves_the_answer_to_the_other_backend() {
    let late = slow(Duration::from_millis(300));
    let busy = overloaded(Duration::ZERO);
    let lb = Lb::start(&[&late, &busy], &[NO_PINGS, "--hedge-after=50ms", "--retry-on=503"]);
    assert_eq!(lb.get("/").text(), "slow", "the 503 of the second is not the last word");
    assert_eq!((late.count_of("GET /"), busy.count_of("GET /")), (1, 1));
}

#[test]
fn no_backend_gets_a_hedged_request_twice() {
    let upstreams = [150, 0, 0].map(|ms| overloaded(Duration::from_millis(ms)));
    let all: Vec<_> = upstreams.iter().collect();
    for (attempts, expected) in [("--attempts=2", 2), ("--attempts=3", 3)] {
        let before = upstreams.iter().map(|upstream| upstream.count_of("GET /")).collect::<Vec<_>>();
        let lb = Lb::start(&all, &[NO_PINGS, "--hedge-after=50ms", "--retry-on=503", attempts]);
        let answer = lb.get("/");
        assert_eq!((answer.status, answer.text()), (503, "busy"));
        let now = upstreams.iter().map(|upstream| upstream.count_of("GET /"));
        let times: Vec<_> = now.zip(before).map(|(now, before)| now - before).collect();
        assert!(times.iter().all(|times| *times <= 1), "{attempts}: {times:?}");
        assert_eq!(times.iter().sum::<usize>(), expected, "{attempts}: {times:?}");
    }
}
