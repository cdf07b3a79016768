//! The end that loses no request, and the ends that do not wait.

use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use command_fds::{CommandFdExt, FdMapping};
use rustix::process::Signal;
use socket2::{Domain, Socket, Type};

use crate::common::{
    Client, Ended, Lb, NO_PINGS, PATIENCE, Reply, Upstream, eventually, lb_command, ok, when,
};

/// An upstream that answers `/slow` when the test allows it, and everything else at once.
fn gated() -> (Upstream, Arc<AtomicBool>) {
    let open = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&open);
    let upstream = Upstream::new(move |seen| {
        if seen.line() == "GET /slow" {
            let begun = Instant::now();
            while !gate.load(SeqCst) && begun.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        ok("done")
    });
    (upstream, open)
}

/// A client whose request is in flight.
fn in_flight(lb: &Lb, upstream: &Upstream) -> Client {
    let mut client = lb.client();
    client.ask("GET /slow", b"");
    eventually("it is in flight", || when(upstream.count_of("GET /slow") == 1, ()));
    client
}

fn drains_on(signal: Signal) {
    let (upstream, gate) = gated();
    let mut lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let mut busy = in_flight(&lb, &upstream);
    let (mut used, mut unused) = (lb.client(), lb.client());
    assert_eq!(used.get("/").status, 200);
    let events = lb.events();

    lb.signal(signal);
    lb.wait_for_log("draining");
    eventually("new connections are refused", || when(TcpStream::connect(lb.address).is_err(), ()));
    let last = used.get("/");
    assert_eq!(
        (last.status, last.head.get("connection")),
        (200, Some("close")),
        "a request that was on its way"
    );
    assert!(used.wire.closes(), "is the last one");
    assert!(unused.wire.closes(), "and a connection without one is closed soon");
    let health = Client::connect(lb.admin).get("/healthz");
    assert_eq!((health.status, health.text()), (503, "draining\n"));
    assert_eq!(lb.state()["draining"], true);

    gate.store(true, SeqCst);
    let answer = busy.answer();
    assert_eq!((answer.text(), answer.head.get("connection")), ("done", Some("close")));
    assert!(busy.wire.closes());
    assert_eq!(lb.exit_status(PATIENCE), Some(0));
    lb.wait_for_log("drained");
    drop(events);
}

#[test]
fn sigterm_finishes_what_is_in_flight() {
    drains_on(Signal::TERM);
}

#[test]
fn sigint_does_the_same() {
    drains_on(Signal::INT);
}

#[test]
fn an_idle_balancer_ends_at_once() {
    let upstream = Upstream::well("ok");
    let mut lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let mut idle: Vec<_> = (0..8).map(|_| lb.client()).collect();
    for client in &mut idle {
        assert_eq!(client.get("/").status, 200);
    }
    // Long enough for the clients to become idle, which cannot be seen from outside. One client has just sent
    // bytes.
    std::thread::sleep(Duration::from_millis(150));
    assert_eq!(idle[0].get("/").status, 200);
    lb.signal(Signal::TERM);
    assert_eq!(lb.exit_status(Duration::from_secs(5)), Some(0));
    assert!(idle.iter_mut().all(|client| client.wire.closes()));
}

#[test]
fn who_has_just_spoken_may_speak_once_more() {
    let upstream = Upstream::well("ok");
    let mut lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let mut client = lb.client();
    assert_eq!(client.get("/").status, 200);
    lb.signal(Signal::TERM);
    // Well within the second that idle clients have, and longer than a pause within a request may be.
    std::thread::sleep(Duration::from_millis(300));
    let last = client.get("/");
    assert_eq!((last.status, last.head.get("connection")), (200, Some("close")));
    assert_eq!(lb.exit_status(PATIENCE), Some(0));
}

#[test]
fn an_upload_in_flight_is_finished() {
    let upstream = Upstream::new(|seen| ok(&seen.body.len().to_string()));
    let mut lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let mut client = lb.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\nhalf");
    eventually("it is in flight", || when(lb.backend(1)["in_flight"] == 1, ()));
    lb.signal(Signal::TERM);
    lb.wait_for_log("draining");
    assert_eq!(client.send("done").answer().text(), "8");
    assert_eq!(lb.exit_status(PATIENCE), Some(0));
}

#[test]
fn a_tunnel_is_waited_for() {
    let upstream = Upstream::new(|_| {
        Reply::Take(Box::new(|mut wire| {
            let _ = wire
                .write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n");
            while let Ok(word) = wire.exactly(4) {
                let _ = wire.write(word);
            }
        }))
    });
    let mut lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let mut client = lb.client();
    client.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\nword");
    client.head_of_answer().unwrap();
    assert_eq!(client.wire.exactly(4).unwrap(), b"word");
    lb.signal(Signal::TERM);
    lb.wait_for_log("draining");
    assert_eq!(client.send("talk").wire.exactly(4).unwrap(), b"talk", "it goes on");
    client.wire.finish();
    assert_eq!(lb.exit_status(PATIENCE), Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for second in [Signal::TERM, Signal::INT] {
        let (upstream, _gate) = gated();
        let mut lb = Lb::start(&[&upstream], &[NO_PINGS]);
        let mut client = in_flight(&lb, &upstream);
        lb.signal(Signal::TERM);
        lb.wait_for_log("draining");
        lb.signal(second);
        assert_eq!(lb.exit_status(Duration::from_secs(5)), Some(1));
        assert!(client.wire.closes());
    }
}

#[test]
fn the_drain_time_ends_it() {
    let (upstream, _gate) = gated();
    let mut lb = Lb::start(&[&upstream], &[NO_PINGS, "--drain-time=200ms"]);
    let _client = in_flight(&lb, &upstream);
    let begun = Instant::now();
    lb.signal(Signal::TERM);
    assert_eq!(lb.exit_status(Duration::from_secs(5)), Some(1));
    assert!(begun.elapsed() >= Duration::from_millis(200));
    lb.wait_for_log("drain time is over");
}

#[test]
fn its_parents_end_ends_a_draining_balancer_too() {
    let (upstream, _gate) = gated();
    let mut lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let _client = in_flight(&lb, &upstream);
    lb.signal(Signal::TERM);
    lb.wait_for_log("draining");
    lb.close_stdin();
    lb.exit_status(Duration::from_secs(5));
}

#[test]
fn who_waits_to_be_accepted_at_the_end_is_still_served() {
    let upstream = Upstream::well("ok");
    let mut lb = Lb::start(&[&upstream], &[NO_PINGS]);
    lb.signal(Signal::STOP);
    // The kernel completes their handshakes; the balancer sees them together with the signal to end.
    let mut waiting: Vec<_> = (0..64).map(|_| lb.client()).collect();
    for client in &mut waiting {
        client.ask("GET /", b"");
    }
    lb.signal(Signal::TERM);
    lb.signal(Signal::CONT);
    for client in &mut waiting {
        assert_eq!(client.answer().text(), "ok");
    }
    assert_eq!(lb.exit_status(PATIENCE), Some(0));
}

#[test]
fn who_waits_for_a_place_at_the_end_is_served_as_well() {
    let (upstream, gate) = gated();
    let mut lb = Lb::start(&[&upstream], &[NO_PINGS, "--max-connections=1"]);
    let mut only = in_flight(&lb, &upstream);
    let mut waiting = lb.client();
    waiting.ask("GET /", b"");
    lb.wait_for_log("all 1 connections are in use");
    lb.signal(Signal::TERM);
    assert_eq!(waiting.answer().text(), "done");
    gate.store(true, SeqCst);
    assert_eq!(only.answer().text(), "done");
    assert_eq!(lb.exit_status(PATIENCE), Some(0));
}

/// A balancer that gets this socket as descriptor 3.
fn on_socket(upstream: &Upstream, socket: OwnedFd) -> Lb {
    let mut command = lb_command();
    command.env("LISTEN_FDS", "1");
    command.fd_mappings(vec![FdMapping { parent_fd: socket, child_fd: 3 }]).unwrap();
    Lb::spawn(command, &[upstream.url()], &[NO_PINGS])
}

#[test]
fn a_port_can_outlive_the_balancers_behind_it() {
    let upstream = Upstream::well("ok");
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap();
    let mut first = on_socket(&upstream, held.try_clone().unwrap().into());
    assert_eq!((first.address, first.get("/").status), (address, 200));
    first.signal(Signal::TERM);
    assert_eq!(first.exit_status(PATIENCE), Some(0));

    let mut between = Client::connect(address);
    between.ask("GET /", b"");
    let second = on_socket(&upstream, held.into());
    assert_eq!((second.address, between.answer().text()), (address, "ok"), "it only had to wait");
}

#[test]
fn what_is_no_listening_socket_is_refused() {
    let silent = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    let handed = |sockets: &str, descriptor: OwnedFd| {
        let mut command = lb_command();
        command.args(["--backends=http://127.0.0.1:1", "--port=0"]).env("LISTEN_FDS", sockets);
        command.fd_mappings(vec![FdMapping { parent_fd: descriptor, child_fd: 3 }]).unwrap();
        let ended = Ended::by(command);
        (ended.code, ended.stderr)
    };
    for (sockets, descriptor, why) in [
        ("1", silent.into(), "it does not listen"),
        ("1", file.into(), "not a socket"),
        ("2", TcpListener::bind("127.0.0.1:0").unwrap().into(), "there are 2"),
    ] {
        let (code, error) = handed(sockets, descriptor);
        assert!(
            code == Some(2) && error.contains(why) && error.contains("unset LISTEN_FDS"),
            "{code:?}: {error}"
        );
    }
}
