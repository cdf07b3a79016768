//! `/readyz` says whether the balancer wants requests, and after SIGTERM there is time for others to react.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::common::{Client, Lb, NO_PINGS, Reply, Upstream, eventually, order, when};

fn ready(lb: &Lb) -> (u16, String) {
    let answer = Client::connect(lb.admin).get("/readyz");
    (answer.status, answer.text().trim_end().to_owned())
}

fn wait_until(lb: &Lb, status: u16, words: &str) {
    eventually(&format!("{status} {words}"), || {
        let found = ready(lb);
        when(found == (status, words.to_owned()), found)
    });
}

#[test]
fn it_is_ready_once_the_backends_have_been_pinged() {
    let (full, well) = (Upstream::well("full"), Upstream::well("ok"));
    full.choke();
    let lb = Lb::start(&[&full, &well], &["--ping-interval=1h", "--ping-timeout=2s"]);
    assert_eq!(ready(&lb), (503, "the backends have not been pinged yet".to_owned()));
    assert_eq!(Client::connect(lb.admin).get("/healthz").status, 200, "it is alive");
    wait_until(&lb, 200, "ready");
}

#[test]
fn it_is_not_ready_without_a_backend_that_can_be_picked() {
    let upstreams = [Upstream::well("1"), Upstream::well("2")];
    let lb = Lb::start(&[&upstreams[0], &upstreams[1]], &["--ping-interval=50ms", "--ping-timeout=50ms"]);
    wait_until(&lb, 200, "ready");
    upstreams[0].stop();
    lb.wait_for_states(&["down", "up"]);
    assert_eq!(ready(&lb).0, 200);
    order(&lb, "PATCH /backends/2", &json!({"mode": "drain"}));
    wait_until(&lb, 503, "no backend can be picked");
    order(&lb, "PATCH /backends/2", &json!({"mode": "ready"}));
    wait_until(&lb, 200, "ready");
    upstreams[1].stop();
    wait_until(&lb, 503, "no backend can be picked");
    assert_eq!(lb.get("/").status, 503, "and that is true");
    assert_eq!(Client::connect(lb.admin).get("/healthz").status, 200, "it is alive");
    upstreams[0].start();
    wait_until(&lb, 200, "ready");
}

#[test]
fn it_is_not_ready_while_it_drains() {
    let upstream = Upstream::new(|_| Reply::Silence);
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    wait_until(&lb, 200, "ready");
    let mut busy = lb.client();
    busy.ask("GET /", b"");
    eventually("it is in flight", || when(upstream.count() == 1, ()));
    lb.signal(Signal::TERM);
    wait_until(&lb, 503, "draining");
}

#[test]
fn a_lame_duck_serves_and_says_that_it_goes() {
    let upstream = Upstream::well("ok");
    let mut lb = Lb::start(&[&upstream], &[NO_PINGS, "--lame-duck=2s"]);
    wait_until(&lb, 200, "ready");
    let mut kept = lb.client();
    assert_eq!((kept.get("/").head.get("connection"), kept.get("/").status), (None, 200));
    let begun = Instant::now();
    lb.signal(Signal::TERM);
    wait_until(&lb, 503, "draining");
    assert_eq!(Client::connect(lb.admin).get("/healthz").status, 200, "it is alive");
    let last = kept.get("/");
    assert_eq!((last.status, last.head.get("connection")), (200, Some("close")));
    while begun.elapsed() < Duration::from_millis(1500) {
        let answer = lb.get("/");
        assert_eq!((answer.status, answer.head.get("connection")), (200, Some("close")));
    }
    eventually("connections are refused", || when(TcpStream::connect(lb.address).is_err(), ()));
    assert!(begun.elapsed() >= Duration::from_millis(1990), "{:?}", begun.elapsed());
    assert_eq!(lb.exit_status(Duration::from_secs(5)), Some(0));
}

#[test]
fn a_second_signal_ends_a_lame_duck_at_once() {
    for second in [Signal::TERM, Signal::INT] {
        let upstream = Upstream::well("ok");
        let mut lb = Lb::start(&[&upstream], &[NO_PINGS, "--lame-duck=1m"]);
        lb.signal(Signal::TERM);
        lb.wait_for_log("lame duck");
        lb.signal(second);
        assert_eq!(lb.exit_status(Duration::from_secs(5)), Some(1));
    }
}
