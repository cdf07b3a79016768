//! Health: pings from the first moment on, thresholds in both directions, and each change logged once with
//! its cause.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use crate::common::{Lb, NO_PINGS, Reply, Upstream, eventually, ok, throughout, when};

/// Pings so fast that a test does not wait for them.
const FAST: [&str; 2] = ["--ping-interval=50ms", "--ping-timeout=50ms"];

/// The lines of a log about a backend.
fn lines_about(log: &str, backend: usize) -> Vec<String> {
    let about = format!("backend {backend} ");
    let lines = log.lines().filter_map(|line| line.find(&about).map(|at| line[at..].to_owned()));
    lines.collect()
}

#[test]
fn the_first_pings_find_the_dead_at_once() {
    let (well, dead) = (Upstream::well("ok"), Upstream::well("dead"));
    dead.stop();
    let begun = Instant::now();
    let lb = Lb::start(&[&well, &dead], &[NO_PINGS]);
    lb.wait_for_states(&["up", "down"]);
    assert!(begun.elapsed() < Duration::from_secs(5), "an interval of an hour did not matter");
    assert_eq!(lb.backend(2)["cause"], "ping: connection refused");
    for _ in 0..4 {
        assert_eq!(lb.get("/").text(), "ok");
    }
    assert_eq!(lb.backend(2)["picks"], 0);
}

#[test]
fn a_change_of_state_is_logged_once_with_its_cause() {
    let (well, dying) = (Upstream::well("ok"), Upstream::well("dying"));
    let lb = Lb::start(&[&well, &dying], &[NO_PINGS]);
    dying.wait_for_ping();
    dying.stop();
    // Several requests detect it at the same time.
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| assert_eq!(lb.get("/").status, 200));
        }
    });
    lb.wait_for_log("backend 2 down");
    assert_eq!(lines_about(&lb.log(), 2), ["backend 2 down: connection refused, after 3 retries"]);
    assert_eq!(lines_about(&lb.log(), 1), Vec::<String>::new());
}

#[test]
fn it_takes_fall_failures_to_go_down_and_rise_pings_to_come_back() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[FAST[0], FAST[1], "--fall=4", "--rise=3"]);
    let events = lb.events();
    upstream.wait_for_ping();
    upstream.stop();
    assert_eq!(events.change("1 up -> down"), "1 up -> down: ping: connection refused, 4 failures in a row");
    let pings = upstream.accepted();
    upstream.start();
    assert_eq!(events.change("1 down -> up"), "1 down -> up: 3 pings in a row answered");
    eventually("its pings are counted", || when(upstream.accepted() >= pings + 3, upstream.accepted()));
    let logged = eventually("both changes are logged", || {
        let lines = lines_about(&lb.log(), 1);
        if lines.len() < 2 { Err(lines) } else { Ok(lines) }
    });
    assert_eq!(logged.len(), 2, "{logged:?}");
    assert_eq!(lb.get("/").status, 200);
}

#[test]
fn progress_towards_the_next_state_can_be_seen() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[FAST[0], FAST[1], "--fall=1000", "--rise=1000"]);
    upstream.wait_for_ping();
    upstream.stop();
    let progress = eventually("progress", || {
        let progress = lb.backend(1)["progress"].clone();
        when(progress["count"].as_u64() > Some(1), progress)
    });
    assert_eq!((&progress["towards"], &progress["of"]), (&"down".into(), &1000.into()));
    upstream.start();
    eventually("one good ping starts the count anew", || {
        let backend = lb.backend(1);
        when(backend["progress"].is_null() && backend["state"] == "up", backend)
    });
}

#[test]
fn failed_requests_make_the_balancer_ask_and_answers_start_the_count_anew() {
    let upstream = Upstream::new(|seen| match seen.line() {
        "GET /works" => {
            Reply::Last("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".into())
        }
        // The question gets no answer either.
        _ => Reply::Last(Vec::new()),
    });
    let lb = Lb::start(&[&upstream], &[NO_PINGS, "--fall=1000"]);
    upstream.wait_for_ping();
    let progress = || lb.backend(1)["progress"]["count"].as_u64();
    assert_eq!(lb.request("POST /fails", b"").status, 502);
    eventually("it is asked until it answers", || when(progress() > Some(2), progress()));
    eventually("an answer starts the count anew", || {
        assert_eq!(lb.get("/works").status, 200);
        when(progress() < Some(2), progress())
    });

    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    assert_eq!(lb.request("POST /fails", b"").status, 502);
    lb.wait_for_states(&["down"]);
    let cause = lb.backend(1)["cause"].clone();
    assert_eq!(
        cause,
        "asked because a request failed or waits: connection closed before the answer began, 3 failures in a row"
    );
}

#[test]
fn a_ping_of_a_path_needs_the_right_status() {
    let is_ready = Arc::new(AtomicBool::new(false));
    let ready = Arc::clone(&is_ready);
    let upstream = Upstream::new(move |_| {
        let status = if ready.load(SeqCst) {
            "204 No Content"
        } else {
            "503 Service Unavailable\r\nContent-Length: 0"
        };
        Reply::Bytes(format!("HTTP/1.1 {status}\r\n\r\n").into())
    });
    let flags = [FAST[0], FAST[1], "--ping-path=/ready", "--ping-status=204"];
    let lb = Lb::start(&[&upstream], &flags);
    lb.wait_for_states(&["down"]);
    assert_eq!(lb.backend(1)["cause"], "ping: status 503 instead of 204");
    is_ready.store(true, SeqCst);
    lb.wait_for_states(&["up"]);
    let host = upstream.address.to_string();
    for ping in upstream.requests() {
        assert_eq!((ping.line(), ping.head.get("host")), ("GET /ready", Some(&*host)));
    }
}

#[test]
fn a_ping_that_is_not_answered_in_time_has_failed() {
    let upstream = Upstream::new(|_| Reply::Silence);
    let lb = Lb::start(&[&upstream], &[FAST[0], FAST[1], "--ping-path=/ready"]);
    lb.wait_for_states(&["down"]);
    assert_eq!(lb.backend(1)["cause"], "ping: no answer in time");
    assert!(upstream.requests()[0].line() == "GET /ready");
}

#[test]
fn pings_keep_their_interval() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &["--ping-interval=100ms", "--ping-timeout=100ms"]);
    let begun = Instant::now();
    eventually("eleven pings", || when(upstream.accepted() >= 11, upstream.accepted()));
    let took = begun.elapsed();
    assert!(took > Duration::from_millis(850), "ten intervals took {took:?}");
    assert_eq!(lb.states(), ["up"]);
}

#[test]
fn one_slow_ping_holds_up_no_other() {
    let pings = Arc::new(AtomicUsize::new(0));
    let slow = Upstream::new(|_| Reply::Silence);
    let count = Arc::clone(&pings);
    let fast = Upstream::new(move |_| {
        count.fetch_add(1, SeqCst);
        ok("ok")
    });
    let flags = ["--ping-path=/", "--ping-interval=10s", "--ping-timeout=10s"];
    let lb = Lb::start(&[&slow, &fast], &flags);
    eventually("the other is pinged meanwhile", || when(pings.load(SeqCst) > 0, ()));
    throughout(Duration::from_millis(100), || assert_eq!(lb.states(), ["up", "up"]));
}
