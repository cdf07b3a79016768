//! Backends that serve requests and answer no questions: neither a client nor a slow start takes them out for
//! good.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use crate::common::{Lb, PATIENCE, Reply, Seen, Upstream, eventually, ok, when, within};

/// Time in which a backend that is out gets its first trial: five seconds and a ping.
const TRIAL: Duration = Duration::from_secs(5);

const PINGS: [&str; 2] = ["--ping-interval=200ms", "--ping-timeout=200ms"];

/// Sends the requests that backends break at, until all backends are down.
fn take_all_down(lb: &Lb) {
    eventually("all backends are down", || {
        let answer = lb.get("/die");
        assert!(answer.status >= 500, "{}", answer.status);
        let states = lb.states();
        when(states.iter().all(|state| state == "down"), states)
    });
}

#[test]
fn a_path_that_breaks_backends_takes_no_pool_down_for_good() {
    let dislikes = |seen: &Seen| match seen.line() {
        "OPTIONS *" | "GET /die" => Reply::Last(Vec::new()),
        _ => ok("ok"),
    };
    let upstreams = [0, 1, 2].map(|_| Upstream::new(dislikes));
    let lb = Lb::start(&upstreams.each_ref(), &PINGS);
    take_all_down(&lb);
    // Requests still reach a backend, and the answer brings it back.
    assert_eq!(lb.get("/").status, 200);
    eventually("one is up", || when(lb.states().contains(&"up".to_owned()), lb.states()));
    // The others get no requests while this one is up, so they are tried after some time.
    within(TRIAL + PATIENCE, "all are up", || {
        let states = lb.states();
        when(states.iter().all(|state| state == "up"), states)
    });
    for _ in 0..6 {
        assert_eq!(lb.get("/").status, 200);
    }
    // They have answered requests, so closed questions say nothing any more.
    let events = lb.events();
    for _ in 0..12 {
        lb.get("/die");
    }
    assert_eq!(lb.get("/").status, 200);
    assert_eq!(events.changes(), Vec::<String>::new());
}

#[test]
fn a_backend_that_closes_connections_while_it_starts_comes_up() {
    let starts = Arc::new(AtomicBool::new(true));
    let flag = Arc::clone(&starts);
    let slow = Upstream::new(move |seen: &Seen| match seen.line() {
        "OPTIONS *" => Reply::Last(Vec::new()),
        _ if flag.load(SeqCst) => Reply::Last(Vec::new()),
        _ => ok("slow"),
    });
    let other = Upstream::well("other");
    let lb = Lb::start(&[&slow, &other], &PINGS);
    eventually("it is down", || {
        assert_eq!(lb.get("/").text(), "other");
        when(lb.states() == ["down", "up"], lb.states())
    });
    starts.store(false, SeqCst);
    within(TRIAL + PATIENCE, "it is up", || when(lb.states() == ["up", "up"], lb.states()));
    let mut names = [lb.get("/"), lb.get("/")].map(|answer| answer.text().to_owned());
    names.sort_unstable();
    assert_eq!(names, ["other", "slow"]);
}

#[test]
fn a_backend_that_ignores_questions_is_no_suspect_for_good() {
    let ignores = |name: &'static str| {
        move |seen: &Seen| match seen.line() {
            "OPTIONS *" => Reply::Silence,
            "GET /slow" => Reply::Take(Box::new(|mut wire| {
                // Until the balancer gives up.
                let _ = wire.rest();
            })),
            _ => ok(name),
        }
    };
    let upstreams = [Upstream::new(ignores("1")), Upstream::new(ignores("2"))];
    let flags = [&PINGS[..], &["--policy=least-connections"]].concat();
    let lb = Lb::start(&upstreams.each_ref(), &flags);
    let events = lb.events();
    let mut waits = lb.client();
    waits.ask("GET /slow", b"");
    // All other requests go to the other backend, which has fewer in flight.
    eventually("one is suspected", || {
        assert_eq!(lb.get("/").status, 200);
        when(lb.states().contains(&"suspect".to_owned()), lb.states())
    });
    waits.leave();
    within(TRIAL + PATIENCE, "both are up", || when(lb.states() == ["up", "up"], lb.states()));
    eventually("the reason is told", || {
        let changes = events.changes();
        when(changes.iter().any(|change| change.contains("suspect -> up: on trial")), changes)
    });
}
